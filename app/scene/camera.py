"""The camera: a pinhole with Vulkan's clip space, and the moves a person makes with it.

pyrr's matrices are OpenGL's (row vectors, y up, z -1..1). They are turned here, once, into column-vector
matrices for Vulkan's clip space (y down, z 0..1).
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyrr
from numpy.typing import ArrayLike

from app.arrays import F64
from app.errors import InputError
from app.scene.checks import Vec3, number, triple, unit3, vec3

LEAST_FOV_Y = math.radians(1.0)  # of a lens that zooms
# Of the distance: from 1 cm on for a portrait; a d32 depth buffer then resolves some micrometres.
NEAR, FAR = 80.0, 125.0
DEFAULT_FOV_Y = math.radians(25.0)  # a short telephoto lens: a portrait without a big nose
DEFAULT_YAW = math.radians(20.0)  # slightly off the front, so that both cheeks and an ear show
DEFAULT_DISTANCE = 0.8
MAX_PITCH = math.radians(89.0)  # `up` must never become parallel to the line of sight
_PARALLEL = 1e-6  # sine of the angle between `up` and the line of sight, at least

# OpenGL clip space -> Vulkan clip space.
_TO_VULKAN = np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0.5, 0.5], [0, 0, 0, 1]], np.float64)


class CameraBasis(NamedTuple):
    """What a ray tracer needs; four (3,) float64 vectors in world space, metres.

    The ray through pixel (x, y) of a width x height image, shifted by a jitter (jx, jy) in pixels, leaves
    `origin`
    along forward + ((x + .5 + jx) / width * 2 - 1) * right - ((y + .5 + jy) / height * 2 - 1) * up.
    `forward` has length 1, so the ray parameter of the unnormalised direction is the view-space depth.
    """

    origin: F64
    right: F64
    up: F64
    forward: F64


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. Immutable: every move returns a new camera, so `==` tells whether it moved.

    Args:
        position: eye point, metres.
        target: the point looked at; the centre of `orbit` and the depth at which `pan` is measured.
        up: the world's up direction (normalised here); must not be parallel to the line of sight.
        fov_y: full vertical field of view, radians, 0.01..3.
        near, far: clip distances, metres, 0 < near < far.

    Raises:
        InputError: a value is not finite or out of range, or the directions are degenerate.
    """

    position: Vec3 = (DEFAULT_DISTANCE * math.sin(DEFAULT_YAW), 0.0, DEFAULT_DISTANCE * math.cos(DEFAULT_YAW))
    target: Vec3 = (0.0, 0.0, 0.0)
    up: Vec3 = (0.0, 1.0, 0.0)
    fov_y: float = DEFAULT_FOV_Y
    near: float = 0.01
    far: float = 100.0

    def __post_init__(self) -> None:
        """Normalise the fields to plain floats and check them."""
        for name in ("position", "target"):
            object.__setattr__(self, name, vec3(getattr(self, name), f"camera {name}"))
        object.__setattr__(self, "up", unit3(self.up, "camera up"))
        object.__setattr__(self, "fov_y", number(self.fov_y, "camera fov_y", 0.01, 3.0))
        object.__setattr__(self, "near", number(self.near, "camera near"))
        object.__setattr__(self, "far", number(self.far, "camera far"))
        if not 0.0 < self.near < self.far:
            raise InputError(f"camera near and far must satisfy 0 < near < far, not {self.near:g}, {self.far:g}.")
        if self.distance < 1e-9:
            raise InputError("camera position and target must differ.")
        if np.linalg.norm(np.cross(self.up, self._offset())) < _PARALLEL * self.distance:
            raise InputError("camera up must not be parallel to the line of sight.")

    @property
    def distance(self) -> float:
        """Distance from the position to the target, metres."""
        return math.dist(self.position, self.target)

    def view(self) -> F64:
        """World -> view space as a (4,4) float64 column-vector matrix; the camera looks along -z, y is up."""
        rows = pyrr.matrix44.create_look_at(self.position, self.target, self.up)
        return np.array(rows, np.float64).T

    def projection(self, width: int, height: int, jitter: tuple[float, float] = (0.0, 0.0)) -> F64:
        """View space -> Vulkan clip space (y down, z 0..1) as a (4,4) float64 column-vector matrix.

        Args:
            width, height: image size in pixels, > 0.
            jitter: where in the pixel its ray goes, in pixels from the centre, +x right, +y down: the same
                shift that `CameraBasis` adds to its rays, so the picture moves by -jitter.
        """
        if width <= 0 or height <= 0:
            raise InputError(f"image size must be positive, not {width} x {height}.")
        gl = pyrr.matrix44.create_perspective_projection(
            math.degrees(self.fov_y), width / height, self.near, self.far, dtype=np.float64
        ).T
        return np.asarray(self.shift(width, height, jitter) @ _TO_VULKAN @ gl, np.float64)

    @staticmethod
    def shift(width: int, height: int, jitter: tuple[float, float]) -> F64:
        """Clip space -> clip space: what `jitter` does to `projection`, as a (4,4) float64 matrix."""
        shift = np.eye(4)
        shift[:2, 3] = -2.0 * jitter[0] / width, -2.0 * jitter[1] / height
        return shift

    def basis(self, width: int, height: int) -> CameraBasis:
        """Return the ray tracer's vectors for an image of this size; they agree with `projection @ view`."""
        if width <= 0 or height <= 0:
            raise InputError(f"image size must be positive, not {width} x {height}.")
        right, up, forward = self._axes()
        half = math.tan(self.fov_y / 2.0)
        return CameraBasis(np.array(self.position), right * (half * width / height), up * half, forward)

    def orbit(self, dyaw: float, dpitch: float) -> "Camera":
        """Turn around the target: +dyaw moves the camera to its right, +dpitch upwards (radians).

        The pitch stops at +-89 degrees from the plane perpendicular to `up`.
        """
        if dyaw == dpitch == 0.0:  # a mouse that rests must not change the picture, not by the last bit either
            return self
        up = np.array(self.up)
        offset = self._offset()
        pitch = math.asin(float(np.clip(offset @ up / self.distance, -1.0, 1.0)))
        new_pitch = min(max(pitch + dpitch, -MAX_PITCH), MAX_PITCH)
        level = offset - (offset @ up) * up
        level /= np.linalg.norm(level)
        level = level * math.cos(dyaw) + np.cross(up, level) * math.sin(dyaw)
        offset = self.distance * (level * math.cos(new_pitch) + up * math.sin(new_pitch))
        return replace(self, position=triple(np.array(self.target) + offset))

    def zoom(self, factor: float, *, nearest: float = 0.0, widest: float | None = None) -> "Camera":
        """Make the picture of the target grow by `factor`, by coming nearer and, where that ends, by a longer lens.

        Args:
            factor: > 0; 2 halves the distance.
            nearest: distance that is kept, metres, unless the camera is nearer already.
            widest: field of view that a longer lens goes back to before the camera goes away, radians; by default the
                present one.

        The distance stays between 2 * near and far / 2 in any case.
        """
        if not (math.isfinite(factor) and factor > 0.0):
            raise InputError(f"zoom factor must be a positive number, not {factor}.")
        widest = max(self.fov_y, widest or 0.0)
        half = self.distance * math.tan(self.fov_y / 2.0) / factor  # of the image's height at the target
        keeps = nearest if self.distance > 0.999999 * nearest else 0.0
        distance = min(max(half / math.tan(widest / 2.0), keeps, 2.0 * self.near), self.far / 2.0)
        fov_y = widest if distance > keeps else min(max(2.0 * math.atan(half / distance), LEAST_FOV_Y), widest)
        offset = self._offset() * (distance / self.distance)
        return replace(self, position=triple(np.array(self.target) + offset), fov_y=fov_y)

    def dollied(self, distance: float) -> "Camera":
        """Show the target as large from another distance, metres, by another lens; none longer than `zoom`'s."""
        half = self.distance * math.tan(self.fov_y / 2.0)  # of the image's height at the target
        fov_y = max(2.0 * math.atan(half / distance), min(self.fov_y, LEAST_FOV_Y))
        offset = self._offset() * (distance / self.distance)
        return replace(self, position=triple(np.array(self.target) + offset), fov_y=fov_y)

    def pan(self, dx: float, dy: float) -> "Camera":
        """Shift camera and target by dx to the right and dy up; 1 is the image's height at the target."""
        right, up, _ = self._axes()
        shift = (right * dx + up * dy) * (2.0 * self.distance * math.tan(self.fov_y / 2.0))
        position, target = np.array(self.position) + shift, np.array(self.target) + shift
        return replace(self, position=triple(position), target=triple(target))

    def fit(self, bounds: ArrayLike, aspect: float, height_share: float = 0.8) -> "Camera":
        """Look at the middle of `bounds` from the same direction, at the distance where it fills the image.

        Args:
            bounds: (2,3) lowest and highest corner, metres.
            aspect: image width / height.
            height_share: the share of the image's height, 0..1, that the box's extent takes, measured at the
                depth of its centre. In a narrow image it gets less: the width takes at most the same share.

        near and far are set to suit the distance, so that objects of any size can be shown.
        """
        box = np.asarray(bounds, np.float64)
        if box.shape != (2, 3) or not np.isfinite(box).all() or (box[1] < box[0]).any():
            raise InputError("camera fit needs finite bounds: the lowest corner and the highest corner.")
        number(aspect, "aspect", 1e-3, 1e3)
        number(height_share, "height_share", 1e-3, 1.0)
        center, half = box.mean(axis=0), (box[1] - box[0]) / 2.0
        right, up, forward = self._axes()
        tangent = math.tan(self.fov_y / 2.0) * height_share
        # Half the box's extent along a unit axis is the dot product of the absolute values.
        wanted = max(float(abs(up) @ half) / tangent, float(abs(right) @ half) / (tangent * aspect), 1e-6)
        depth = float(abs(forward) @ half)
        distance = max(wanted, depth * 1.1)  # never inside the box
        return replace(
            self,
            position=triple(center - forward * distance),
            target=triple(center),
            near=distance / NEAR,
            far=distance * FAR,
        )

    def looking(self, position: Vec3 | None, target: Vec3 | None) -> "Camera":
        """Return the camera at `position`, looking at `target`; without a position it is shifted, not turned.

        near and far are set to suit the distances of the target before, which is what there is to see, and of this one.
        From straight above or below, upward in the picture is what it would be after a turn of this camera up to there.
        """
        if position is None and target is None:
            return self
        looked_at = self.target if target is None else target
        stands = triple(np.array(looked_at) + self._offset()) if position is None else position
        ways = [math.dist(stands, looked_at), max(math.dist(stands, self.target), 1e-3 * self.distance)]
        near, far = max(min(ways), 1e-9) / NEAR, max(ways) * FAR
        up = self.up
        line = np.subtract(stands, looked_at)
        if np.linalg.norm(np.cross(up, line)) < 2.0 * _PARALLEL * ways[0]:
            level = np.subtract(np.dot(self._offset(), up) * np.array(up), self._offset())
            up = triple(level if line @ up > 0.0 else -level)
        return replace(self, position=stands, target=looked_at, up=up, near=near, far=far)

    def _offset(self) -> F64:
        return np.asarray(np.subtract(self.position, self.target), np.float64)

    def _axes(self) -> tuple[F64, F64, F64]:
        """Unit right, up and forward vectors in world space: the rows of the view matrix."""
        rotation = self.view()[:3, :3]
        return rotation[0], rotation[1], -rotation[2]
