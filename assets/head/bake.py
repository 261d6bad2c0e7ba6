"""Rasterises a mesh in UV space: which triangle covers each texel, and any vertex attribute at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from app.arrays import F32, F64, I64

CHUNK = 2000
"""Triangles rasterised at once: bounds the memory that their bounding boxes take."""


@dataclass(frozen=True)
class Atlas:
    """The covered texels of a `size` x `size` image (row 0 = v 1): `texels` flat indices, `triangle`, `weights`."""

    size: int
    triangles: I64
    texels: I64  # (K,) row * size + column
    triangle: I64  # (K,)
    weights: F32  # (K, 3) barycentric

    def sample(self, values: F64) -> F32:
        """Interpolate per-vertex `values` (N, C) at the covered texels; returns (K, C)."""
        corners = values.astype(np.float32)[self.triangles[self.triangle]]
        return np.asarray(np.einsum("kc,kcd->kd", self.weights, corners))

    def image(self, values: F32) -> F32:
        """Spread texel values (K, C) into an image (size, size, C); the gutter repeats the nearest texel."""
        flat = np.zeros((self.size * self.size, values.shape[1]), np.float32)
        flat[self.texels] = values
        return flat[self._nearest()].reshape(self.size, self.size, -1)

    def _nearest(self) -> I64:
        empty = np.ones(self.size * self.size, bool)
        empty[self.texels] = False
        rows, columns = distance_transform_edt(
            empty.reshape(self.size, self.size), return_distances=False, return_indices=True
        )
        return np.asarray(rows.astype(np.int64) * self.size + columns).ravel()


def rasterise(uvs: F64, triangles: I64, size: int) -> Atlas:
    """Find the triangle under every texel's centre; `uvs` (N, 2) with v upward, no overlaps expected."""
    texels, owners, weights = [], [], []
    points = np.stack([uvs[:, 0] * size, (1 - uvs[:, 1]) * size], axis=1)
    for start in range(0, len(triangles), CHUNK):
        p = points[triangles[start : start + CHUNK]]
        low = np.floor(p.min(axis=1) - 0.5).astype(np.int64).clip(0, size - 1)
        high = np.ceil(p.max(axis=1) - 0.5).astype(np.int64).clip(0, size - 1)
        extent = high - low + 1
        count = extent[:, 0] * extent[:, 1]
        owner = np.repeat(np.arange(len(p)), count)
        inside = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        column = low[owner, 0] + inside % extent[owner, 0]
        row = low[owner, 1] + inside // extent[owner, 0]
        q = np.stack([column + 0.5, row + 0.5], axis=1)
        a, b, c = (p[owner, k] for k in range(3))
        area = _cross(b - a, c - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            w = np.stack([_cross(c - b, q - b), _cross(a - c, q - c), _cross(b - a, q - a)], 1) / area[:, None]
        hit = np.all(w >= 0, axis=1) & (np.abs(area) > 1e-12)
        texels.append((row * size + column)[hit])
        owners.append(owner[hit] + start)
        weights.append(w[hit])
    texel, owner, weight = np.concatenate(texels), np.concatenate(owners), np.concatenate(weights)
    texel, first = np.unique(texel, return_index=True)  # a centre on a shared edge counts once
    return Atlas(size, triangles, texel, owner[first], weight[first].astype(np.float32))


def _cross(a: F64, b: F64) -> F64:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
