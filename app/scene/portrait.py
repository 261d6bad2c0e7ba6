"""The camera's first view of a face, and how near it may come."""

import numpy as np

from app.scene.camera import DEFAULT_FOV_Y, Camera
from app.scene.checks import F64
from app.scene.model import Scene

_ROOM = 1.2  # of the radius of the ball around the face: from there on a camera does not come nearer


def portrait(scene: Scene, aspect: float, fov_y: float = DEFAULT_FOV_Y) -> Camera:
    """Return a camera that shows the face and what hair there is above and beside it, from slightly off its front.

    Args:
        scene: has a face.
        aspect: image width / height.
        fov_y: vertical field of view, radians.
    """
    return Camera(fov_y=fov_y).fit(_framed(scene), aspect)


def refitted(camera: Camera, scene: Scene, aspect: float) -> Camera:
    """Return a camera that shows the same from the same direction in a picture of another width / height."""
    return camera.fit(_framed(scene), aspect)


def zoomed(camera: Camera, scene: Scene, factor: float, widest: float) -> Camera:
    """Return a camera for a picture `factor` times as large, which stays outside the face: see `Camera.zoom`.

    Args:
        camera: looks at the face.
        scene: has a face.
        factor: > 0.
        widest: field of view without a longer lens, radians.
    """
    low, high = scene.bounds(face_only=bool(scene.face_parts))
    radius = 0.5 * float(np.linalg.norm(high - low))
    return camera.zoom(factor, nearest=_ROOM * radius, widest=widest)


def _framed(scene: Scene) -> F64:
    """Return (2,3), the face's box with the hair, but not what of the hair hangs down below the face."""
    low, high = scene.bounds(face_only=bool(scene.face_parts))
    for part in scene.parts:
        if part.hair and not part.sparse_hair:
            hair_low, hair_high = part.bounds()
            low = np.minimum(low, [hair_low[0], low[1], hair_low[2]])
            high = np.maximum(high, hair_high)
    return np.stack([low, high])
