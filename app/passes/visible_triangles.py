"""Which triangle every pixel shows, found as the device finds it fastest."""

from app.gpu import Device
from app.passes.drawn_triangles import DrawnTriangles
from app.passes.scanned_triangles import ScannedTriangles, scans_triangles
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_CLEAR, MASK_FACE
from app.passes.visible_pixels import Choose, VisiblePixels


def visible_triangles(
    device: Device, scene: SceneBuffers, width: int, height: int, choose: Choose, *, name: str = "triangles"
) -> VisiblePixels:
    """Make the kind that the device finds fastest; for the arguments see VisiblePixels."""
    return kind_of_triangles(device)(device, scene, width, height, choose, name=name)


def kind_of_triangles(device: Device) -> type[VisiblePixels]:
    """Choose the kind that the device finds fastest."""
    return ScannedTriangles if scans_triangles(device) else DrawnTriangles


def face_triangles(scene: SceneBuffers) -> dict[int, bool]:
    """Choose the face, from both sides."""
    return {index: False for index, part in enumerate(scene.parts) if group_mask(part) == MASK_FACE}


def opaque_triangles(scene: SceneBuffers) -> dict[int, bool]:
    """Choose all that is not clear: the face from both sides, other parts as they show themselves."""
    return {
        index: not (part.face or scene.shows_back_sides[index])
        for index, part in enumerate(scene.parts)
        if group_mask(part) != MASK_CLEAR
    }
