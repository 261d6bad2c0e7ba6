"""Which triangle every pixel shows, found as the device finds it fastest."""

from app.gpu import Device
from app.passes.drawn_triangles import DrawnTriangles
from app.passes.scanned_triangles import ScannedTriangles, scans_triangles
from app.passes.scene_acceleration import group_mask
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE
from app.passes.visible_pixels import VisiblePixels


def visible_triangles(device: Device) -> type[VisiblePixels]:
    """Choose the kind that the device finds fastest."""
    return ScannedTriangles if scans_triangles(device) else DrawnTriangles


def face_triangles(scene: SceneBuffers) -> dict[int, bool]:
    """Choose the face, from both sides."""
    return {index: False for index, part in enumerate(scene.parts) if group_mask(part) == MASK_FACE}
