"""How far a point is from the skin, so that hair lies on a head and not in it."""

import numpy as np
from scipy.spatial import cKDTree

from app.arrays import F32, F64
from app.scene.model import Mesh, normalized

CELL = 0.009  # metres; on a skull of 75 mm radius straight lines between cells are 0.14 mm off
_MARGIN = 0.05  # around the skin
_PUSHES = 5  # a point pushed away from one vertex may have come near another, in creases of the ear above all
_NEARBY = 0.008  # closer than this the tangent plane tells the distance, further away the nearest vertex


class SkinDistance:
    """Signed distance to a skin, positive outside, sampled on a grid.

    Args:
        skin: the surface; its normals tell what is outside.
    """

    def __init__(self, skin: Mesh) -> None:
        self._points, self._normals = skin.positions.astype(np.float64), skin.normals.astype(np.float64)
        self._tree = cKDTree(self._points)
        low, high = self._points.min(axis=0) - _MARGIN, self._points.max(axis=0) + _MARGIN
        self._low, self._count = low, np.ceil((high - low) / CELL).astype(int) + 1
        nodes = low + CELL * np.moveaxis(np.indices(tuple(self._count)), 0, -1)
        distance = self.exact(nodes.reshape(-1, 3)).reshape(self._count)
        grid = np.stack([distance, *np.gradient(distance, CELL)], axis=-1)
        self._flat = grid.reshape(-1, 4).astype(np.float32)

    def exact(self, points: F64) -> F64:
        """Distances (K,) in metres of points (K,3), by the nearest vertex and its tangent plane."""
        distance, nearest = self._tree.query(points)
        height = np.einsum("kd,kd->k", points - self._points[nearest], self._normals[nearest])
        return np.asarray(np.where(distance < _NEARBY, height, np.where(height < 0.0, -distance, distance)))

    def sample(self, points: F64) -> tuple[F64, F64]:
        """Distances (...,) in metres and unit directions (...,3) away from the skin, interpolated in the grid."""
        shape = points.shape[:-1]
        value = self._interpolated(points.reshape(-1, 3), self._flat)
        return value[:, 0].astype(np.float64).reshape(shape), normalized(value[:, 1:]).reshape(*shape, 3)

    def _interpolated(self, points: F64, grid: F32) -> F32:
        """What a grid (G,D) holds at points (K,3), trilinearly: (K,D)."""
        at = (points - self._low) / CELL
        at = np.clip(at, 0.0, self._count - 1.001)
        cell = at.astype(np.int64)
        f = (at - cell).astype(np.float32)
        ny, nz = int(self._count[1]), int(self._count[2])
        base = (cell[:, 0] * ny + cell[:, 1]) * nz + cell[:, 2]
        value = np.zeros((len(base), grid.shape[1]), np.float32)
        for corner in range(8):
            dx, dy, dz = corner >> 2, corner >> 1 & 1, corner & 1
            weight = (f[:, 0] if dx else 1 - f[:, 0]) * (f[:, 1] if dy else 1 - f[:, 1])
            weight = weight * (f[:, 2] if dz else 1 - f[:, 2])
            value += weight[:, None] * grid[base + (dx * ny + dy) * nz + dz]
        return value

    def pushed_out(self, points: F64, clearance: float) -> F64:
        """Points (...,3) moved away from the skin until they are `clearance` metres outside."""
        result = points.reshape(-1, 3).copy()
        rough = self._interpolated(result, self._flat[:, :1])[:, 0]
        inside = np.flatnonzero(rough.astype(np.float64) < clearance + 0.6 * CELL)  # may be
        for _ in range(_PUSHES):
            p = result[inside]
            distance, nearest = self._tree.query(p, distance_upper_bound=2.0 * CELL)
            met = np.isfinite(distance)
            inside, p, nearest = inside[met], p[met], nearest[met]
            normal = self._normals[nearest]
            height = np.einsum("kd,kd->k", p - self._points[nearest], normal)
            low = height < clearance - 1e-6
            inside = inside[low]
            result[inside] = p[low] + normal[low] * (clearance - height[low])[:, None]
        return result.reshape(points.shape)
