"""Which point of a mesh lies under every texel of its texture square."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from app.arrays import F32, U32, Bools, Indices

GUTTER_TEXELS = 3  # so that bilinear look-ups at the border of an island never see an empty texel


@dataclass(frozen=True)
class UvRaster:
    """Texels of a square image over UV space; row 0 lies at v = 0.

    Attributes:
        triangle: (S, S) int32 index of the triangle under the texel's centre, -1 where there is none.
        barycentric: (S, S, 2) float32 weights of its 2nd and 3rd corner.
    """

    triangle: NDArray[np.int32]
    barycentric: F32

    @property
    def covered(self) -> Bools:
        """(S, S): texels with a triangle."""
        return self.triangle >= 0


def rasterize_uv(uvs: F32, triangles: U32, size: int) -> UvRaster:
    """Rasterises triangles in UV space at the centres of size x size texels.

    UVs outside 0..1 are left out. Where triangles overlap, the last one wins.
    """
    corners = uvs[triangles].astype(np.float64) * size - 0.5  # texel centres lie at whole numbers
    low = np.clip(np.ceil(corners.min(axis=1) - 1e-9), 0, size).astype(np.int64)
    high = np.clip(np.floor(corners.max(axis=1) + 1e-9), -1, size - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    counts = extent[:, 0] * extent[:, 1]
    owner = np.repeat(np.arange(len(triangles)), counts)
    # Number of the candidate texel inside its triangle's bounding box.
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = np.maximum(extent[owner, 0], 1)
    x = low[owner, 0] + inside % width
    y = low[owner, 1] + inside // width

    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    e1, e2 = b - a, c - a
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    safe = np.where(np.abs(det) > 1e-12, det, np.inf)[owner]
    px, py = x - a[owner, 0], y - a[owner, 1]
    w1 = (px * e2[owner, 1] - py * e2[owner, 0]) / safe
    w2 = (py * e1[owner, 0] - px * e1[owner, 1]) / safe
    hit = (w1 >= -1e-6) & (w2 >= -1e-6) & (w1 + w2 <= 1.0 + 1e-6) & np.isfinite(safe)
    x, y, owner, w1, w2 = x[hit], y[hit], owner[hit], w1[hit], w2[hit]

    triangle = np.full((size, size), -1, np.int32)
    barycentric = np.zeros((size, size, 2), np.float32)
    triangle[y, x] = owner
    barycentric[y, x] = np.stack([w1, w2], axis=-1)
    return UvRaster(triangle, barycentric)


def gutter_sources(covered: Bools) -> tuple[Indices, Indices, Bools]:
    """For every texel the nearest covered one.

    Returns:
        rows (S, S) and columns (S, S) of the nearest covered texel, and (S, S) bool: covered or within
        `GUTTER_TEXELS` of a covered texel.
    """
    distance, (rows, columns) = distance_transform_edt(~covered, return_indices=True)
    return rows, columns, distance <= GUTTER_TEXELS
