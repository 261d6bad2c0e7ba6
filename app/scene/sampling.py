"""Tables for drawing from discrete distributions."""

import numpy as np
from numpy.typing import NDArray


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Alias table of a discrete distribution: one uniform index and one comparison draw from it.

    Draw an index i uniformly and a number x in [0, 1): the result is i if x < keep[i], else alias[i].
    Walker 1977; built in linear time as Vose 1991 describes.

    Args:
        weights: (N,) non-negative, not all zero.

    Returns:
        keep (N,) in [0, 1] and alias (N,).

    Raises:
        ValueError: a weight is negative or not finite, or all are zero.
    """
    total = float(weights.sum())
    if not np.isfinite(total) or total <= 0 or bool((weights < 0).any()):
        raise ValueError("alias_table needs finite, non-negative weights with a positive sum")
    count = len(weights)
    share = (weights * (count / total)).tolist()  # plain lists: element access is 10x quicker than numpy's
    keep = [1.0] * count
    alias = list(range(count))
    small = [i for i, s in enumerate(share) if s < 1.0]
    large = [i for i, s in enumerate(share) if s >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], alias[low] = share[low], high
        share[high] -= 1.0 - share[low]
        if share[high] < 1.0:
            small.append(large.pop())
    return np.array(keep, np.float32), np.array(alias, np.uint32)
