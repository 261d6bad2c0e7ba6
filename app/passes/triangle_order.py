"""The order in which triangles are handed to the driver's acceleration-structure build.

GPUs sort for themselves. Mesa's lavapipe does not: up to 25.0 it halves the list as it comes, again and again, into a
binary tree, so that a mesh in random order is traced 80 times slower than in this order, and one in the order of a
modelling program 3 times. Here triangles are sorted so that this tree is a good bounding volume hierarchy.
"""

import numpy as np
from numpy.typing import NDArray

from app.arrays import Indices

# Directions to split along: splits of equal halves leave no other freedom, so more of them than three pay.
_DIRECTIONS = np.array(
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
)
_MAX_TRIANGLES_FOR_ALL = 200_000  # bigger meshes try the axes only: the sort takes seconds


def triangle_order(corners: NDArray[np.floating]) -> Indices:
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
    sides = np.concatenate([high, -low], axis=1).T.copy()  # (6,N): the greatest of each are a run's box
    directions = _DIRECTIONS if count <= _MAX_TRIANGLES_FOR_ALL else _DIRECTIONS[:3]
    # A word holds run, place along the direction and number of a triangle: words sort faster than indices do.
    bits = max(1, (count - 1).bit_length())
    numbers, number_mask = np.arange(count, dtype=np.uint64), np.uint64((1 << bits) - 1)
    last_place = 2.0 ** min(31, 64 - 2 * bits) - 1.0
    words = []
    for direction in directions:
        along = center @ direction
        along -= along.min()
        place = (along * (last_place / max(float(along.max()), 1e-30))).astype(np.uint64)
        words.append(place << np.uint64(bits) | numbers)
    order = np.arange(count)
    starts = np.array([0, count])  # of the runs, and the end
    run_word = np.zeros(count, np.uint64)
    trials = np.empty((len(words), count), np.intp)
    while np.diff(starts).max() > 2:
        lengths = np.diff(starts)
        middles = (starts[:-1] + starts[1:] + 1) // 2
        halves = np.unique(np.concatenate([starts, middles]))
        run = np.repeat(np.arange(len(lengths)), lengths)
        run_word[order] = run.astype(np.uint64) << np.uint64(64 - bits)
        owner = np.searchsorted(starts, halves[:-1], side="right") - 1
        costs = []
        for trial, word in zip(trials, words, strict=True):
            trial[:] = np.sort(run_word | word) & number_mask
            reach = [np.maximum.reduceat(side[trial], halves[:-1]) for side in sides]
            x, y, z = (reach[axis] + reach[axis + 3] for axis in range(3))
            costs.append(np.bincount(owner, (x * y + y * z + z * x) * np.diff(halves), len(lengths)))
        best = np.argmin(costs, axis=0)
        order, starts = trials[best[run], np.arange(count)], halves
    return order
