"""The order in which triangles are handed to the driver's acceleration-structure build.

GPUs sort for themselves. Mesa's lavapipe does not: up to 25.0 it halves the list as it comes, again and again, into a
binary tree, so that a mesh in random order is traced 80 times slower than in this order, and one in the order of a
modelling program 3 times. Here triangles are sorted so that this tree is a good bounding volume hierarchy.
"""

import numpy as np
from numpy.typing import NDArray

# Directions to split along: splits of equal halves leave no other freedom, so more of them than three pay.
_DIRECTIONS = np.array(
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
)
_MAX_TRIANGLES_FOR_ALL = 200_000  # bigger meshes try the axes only: the sort takes seconds


def triangle_order(corners: NDArray[np.floating]) -> NDArray[np.intp]:
    """A permutation of triangles for which halving the list over and over keeps close ones together.

    Args:
        corners: (N,3,3) vertices, N >= 1.

    Returns:
        (N,) indices. At every level all runs are sorted along that one of some directions which makes the surface areas
        of the two halves' boxes smallest (the surface area heuristic of MacDonald & Booth 1990 with fixed halves).
    """
    count = len(corners)
    low, high = corners.min(axis=1).astype(np.float32), corners.max(axis=1).astype(np.float32)
    center = (low.astype(np.float64) + high) * 0.5
    directions = _DIRECTIONS if count <= _MAX_TRIANGLES_FOR_ALL else _DIRECTIONS[:3]
    keys = []
    for direction in directions:
        along = center @ direction
        along -= along.min()
        keys.append((along * (2.0**31 / max(float(along.max()), 1e-30))).astype(np.uint64))
    order = np.arange(count)
    starts = np.array([0, count])  # of the runs, and the end
    while np.diff(starts).max() > 2:
        lengths = np.diff(starts)
        middles = (starts[:-1] + starts[1:] + 1) // 2
        halves = np.unique(np.concatenate([starts, middles]))
        run = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
        best = np.full(len(lengths), np.inf)
        chosen = order
        for key in keys:
            trial = order[np.argsort(run << np.uint64(32) | key[order])]
            size = np.maximum.reduceat(high[trial], halves[:-1]) - np.minimum.reduceat(low[trial], halves[:-1])
            area = size[:, 0] * size[:, 1] + size[:, 1] * size[:, 2] + size[:, 2] * size[:, 0]
            owner = np.searchsorted(starts, halves[:-1], side="right") - 1
            cost = np.bincount(owner, area * np.diff(halves), len(lengths))
            better = cost < best
            best = np.where(better, cost, best)
            chosen = np.where(better[run.astype(np.intp)], trial, chosen)
        order, starts = chosen, halves
    return order
