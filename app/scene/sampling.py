"""Tables for drawing from discrete distributions."""

import numpy as np

from app.arrays import F32, F64, U32


def alias_table(weights: F64) -> tuple[F32, U32]:
    """Alias table of a discrete distribution: one uniform index and one comparison draw from it.

    Draw an index i uniformly and a number x in [0, 1): the result is i if x < keep[i], else alias[i].
    Walker 1977. Items below the mean are filled up by those above it in the order of both lists, and one of these, once
    it has given all it can, by the next: who gives to whom is where running sums meet, as in the sweep of
    Hübschle-Schneider & Sanders 2019 ("Parallel Weighted Random Sampling").

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
    share = weights.astype(np.float64) * (len(weights) / total)
    keep, alias = np.ones(len(share)), np.arange(len(share))
    small, large = np.flatnonzero(share < 1.0), np.flatnonzero(share >= 1.0)
    if len(small) and len(large):
        lacks, gives = np.cumsum(1.0 - share[small]), np.cumsum(share[large] - 1.0)
        giver = np.searchsorted(gives, np.append(0.0, lacks[:-1]))
        keep[small], alias[small] = share[small], large[np.minimum(giver, len(large) - 1)]
        # What the last one that it gives to takes too much, the next has to give. Nobody comes after the last.
        taker = np.minimum(np.searchsorted(lacks, gives[:-1], side="right"), len(small) - 1)
        keep[large[:-1]], alias[large[:-1]] = 1.0 - np.maximum(lacks[taker] - gives[:-1], 0.0), large[1:]
    return keep.astype(np.float32), alias.astype(np.uint32)
