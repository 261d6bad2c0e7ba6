"""Is a face's texture layout fit for tile hash and light cache, which need one place a texture coordinate?"""

from collections.abc import Sequence

import numpy as np

from app.arrays import F32, F64, I64, U32, Indices

GRID = 256  # texels along an edge of the raster in which overlaps are counted
OVERLAP_LIMIT = 0.05
LAYERS_LIMIT = 16.0  # `layers` of files that were never unwrapped, where every triangle fills the square, are thousands
COVER_LIMIT = 0.1  # of the square: below, tiles have too few different hashes, and the light cache too few texels
_CHUNK = 1 << 18  # candidate texels at a time: bounds the memory


def outside_unit_square(uvs: F32) -> bool:
    """Return whether any of the (N,2) texture coordinates leaves 0..1 by more than rounding."""
    return bool(uvs.min() < -1e-4 or uvs.max() > 1.0 + 1e-4)


def whole_tile(uvs: F32, triangles: U32) -> F32:
    """Return the (2,) whole numbers by which a layout lies beside 0..1 as one piece (UDIM tiles); zeros if not so."""
    used = uvs[triangles].reshape(-1, 2)
    tile: F32 = np.floor(used.min(axis=0) + 1e-4)
    return np.zeros(2, np.float32) if outside_unit_square(used - tile) else tile


def layers(layouts: Sequence[tuple[F32, U32]]) -> float:
    """Return how many triangles lie over a place of the square 0..1, on average: without overlaps the share covered.

    Args:
        layouts: (uvs (N,2), triangles (M,3)) of every part that shares the texture square.

    Of triangles that cross the square's border, the share is taken that their bounding boxes have inside it.
    """
    total = 0.0
    for uvs, triangles in layouts:
        corners = uvs[triangles].astype(np.float64)
        a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        low, high = corners.min(axis=1), corners.max(axis=1)
        inside = np.maximum(np.minimum(high, 1.0) - np.maximum(low, 0.0), 0.0) / np.maximum(high - low, 1e-12)
        total += 0.5 * float((np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) * inside.prod(axis=1)).sum())
    return total


def overlap_share(layouts: Sequence[tuple[F32, U32]]) -> float:
    """Return the share of covered texels of a GRID x GRID raster that lie in two or more triangles.

    Args:
        layouts: (uvs (N,2), triangles (M,3)) of every part that shares the texture square.

    Counting stops as soon as more than `OVERLAP_LIMIT` is certain, so a pathological file costs no more than
    others.
    """
    hits = np.zeros(GRID * GRID, np.int64)
    for uvs, triangles in layouts:
        corners = uvs[triangles].astype(np.float64) * GRID - 0.5
        low = np.clip(np.ceil(corners.min(axis=1)), 0, GRID).astype(np.int64)
        high = np.clip(np.floor(corners.max(axis=1)), -1, GRID - 1).astype(np.int64)
        size = np.maximum(high - low + 1, 0)
        count = size[:, 0] * size[:, 1]
        used = np.flatnonzero(count)
        ends = np.cumsum(count[used])
        start = 0
        while start < len(used):
            base = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, base + _CHUNK, side="right")), start + 1)
            _add_hits(hits, corners, low, size, count, used[start:stop])
            start = stop
            if (hits > 1).sum() > OVERLAP_LIMIT * GRID * GRID:
                break
    return float((hits > 1).sum() / max(int((hits > 0).sum()), 1))


def _add_hits(
    hits: I64,
    corners: F64,
    low: I64,
    size: I64,
    count: I64,
    chosen: Indices,
) -> None:
    """Count the texel centres inside the chosen triangles, among all those in their bounding boxes."""
    owner = np.repeat(chosen, count[chosen])
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count[chosen]) - count[chosen], count[chosen])
    x = low[owner, 0] + number % size[owner, 0]
    y = low[owner, 1] + number // size[owner, 0]
    a, b, c = (corners[owner, i] for i in range(3))
    sides = [
        (q[:, 0] - p[:, 0]) * (y - p[:, 1]) - (q[:, 1] - p[:, 1]) * (x - p[:, 0]) for p, q in ((a, b), (b, c), (c, a))
    ]
    # Strictly: a texel on the edge that two neighbours share belongs to neither, not to both.
    inside = np.logical_and.reduce([s > 0 for s in sides]) | np.logical_and.reduce([s < 0 for s in sides])
    hits += np.bincount(y[inside] * GRID + x[inside], minlength=len(hits))
