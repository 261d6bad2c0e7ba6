"""The camera's first view of a face, and how near it may come."""

import math

import numpy as np

from app.arrays import F64
from app.scene.camera import DEFAULT_FOV_Y, Camera
from app.scene.model import Scene

_ROOM = 1.2  # of the radius of the ball around the face: from there on a camera does not come nearer


def portrait(scene: Scene, aspect: float, fov_y: float = DEFAULT_FOV_Y) -> Camera:
    """Return a camera that shows the face and what hair there is above and beside it, from slightly off its front.

    Args:
        scene: has a face.
        aspect: image width / height.
        fov_y: vertical field of view, radians.
    """
    return refitted(Camera(fov_y=fov_y), scene, aspect)


def refitted(camera: Camera, scene: Scene, aspect: float) -> Camera:
    """Return a camera that shows the same from the same direction in a picture of another width / height."""
    return camera.fit(_framed(scene), min(max(aspect, 1e-3), 1e3))  # a window may be one pixel high


def zoomed(camera: Camera, scene: Scene, factor: float, widest: float) -> Camera:
    """Return a camera for a picture `factor` times as large, which stays outside the face: see `Camera.zoom`.

    Args:
        camera: looks at the face.
        scene: has a face.
        factor: > 0.
        widest: field of view without a longer lens, radians.
    """
    return camera.zoom(factor, nearest=_nearest(camera, scene), widest=widest)


def kept_outside(camera: Camera, before: Camera, scene: Scene) -> Camera:
    """Return a camera that was turned or shifted, farther from its target if it would be in the ball around the face.

    The target, which may be anywhere, looks as large as before: the lens gets longer.

    Args:
        camera: the camera as it was turned or shifted.
        before: the camera before; one that was inside the ball may stay there.
        scene: has a face.
    """
    center, radius = _ball(scene)
    if _inside(before, center, radius) or not _inside(camera, center, radius):
        return camera
    back = np.subtract(camera.position, camera.target) / camera.distance
    offset = np.subtract(camera.position, center)
    along = float(offset @ back)
    return camera.dollied(camera.distance - along + math.sqrt(along**2 - float(offset @ offset) + radius**2))


def same_view(one: Camera, other: Camera) -> bool:
    """Return whether two cameras show the same, but for rounding."""
    near = 1e-6 * one.distance
    places = zip((one.position, one.target), (other.position, other.target), strict=True)
    return all(math.dist(a, b) < near for a, b in places) and math.isclose(one.fov_y, other.fov_y, rel_tol=1e-6)


def _nearest(camera: Camera, scene: Scene) -> float:
    """Return how near to its target a camera may come, metres, before it meets the ball around the face."""
    low, high = scene.face_bounds()
    center, radius = _ball(scene)
    way = np.subtract(camera.target, camera.position) / camera.distance
    offset = np.subtract(camera.position, center)
    along = float(offset @ way)
    square = along**2 - (float(offset @ offset) - radius**2)
    if _inside(camera, center, radius):  # by a wide lens beside the face, unless by one's own will within its box
        within = (np.array(camera.position) > low).all() and (np.array(camera.position) < high).all()
        return 0.0 if within else camera.distance
    if square < 0.0:
        return 0.0
    meets = max(-along - math.sqrt(square), 0.0)
    return camera.distance - meets if along < 0.0 and meets < camera.distance else 0.0


def _ball(scene: Scene) -> tuple[F64, float]:
    """Return centre (3,) and radius of the ball around the face that a camera stays outside of, metres."""
    low, high = scene.face_bounds()
    return (low + high) / 2.0, _ROOM * 0.5 * float(np.linalg.norm(high - low))


def _inside(camera: Camera, center: F64, radius: float) -> bool:
    """Return whether a camera is in a ball, not on it but for rounding."""
    offset = np.subtract(camera.position, center)
    return float(offset @ offset) < (1.0 - 1e-3) * radius**2


def _framed(scene: Scene) -> F64:
    """Return (2,3), the face's box with the hair, but not what of the hair hangs down below the face."""
    low, high = scene.face_bounds()
    for part in scene.parts:
        if part.hair and not part.sparse_hair:
            hair_low, hair_high = part.bounds()
            low = np.minimum(low, [hair_low[0], low[1], hair_low[2]])
            high = np.maximum(high, hair_high)
    return np.stack([low, high])
