"""Which triangle every pixel shows, found as the device finds it fastest."""

from app.gpu import Device
from app.passes.drawn_triangles import DrawnTriangles
from app.passes.scanned_triangles import ScannedTriangles, scans_triangles
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE
from app.passes.visible_pixels import Choose, VisiblePixels


def visible_triangles(
    device: Device,
    scene: SceneBuffers,
    width: int,
    height: int,
    choose: Choose,
    *,
    name: str,
    over: VisiblePixels | None = None,
) -> VisiblePixels:
    """Make the pass that tells what every pixel shows of some parts.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        width, height: pixels.
        choose: the parts; see Choose.
        name: of what it leaves.
        over: what has been drawn before with the same jitter. It hides parts, and its depths become those of both:
            nobody may read its triangles afterwards. Stays the caller's. None: nothing.
    """
    if scans_triangles(device):
        assert over is None or isinstance(over, ScannedTriangles)
        return ScannedTriangles(device, scene, width, height, choose, name=name, over=over)
    assert over is None or isinstance(over, DrawnTriangles)
    return DrawnTriangles(device, scene, width, height, choose, name=name, over=over)


def face_triangles(scene: SceneBuffers) -> dict[int, bool]:
    """Choose the face, from both sides."""
    return {index: False for index, part in enumerate(scene.parts) if group_mask(part) == MASK_FACE}
