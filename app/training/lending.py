"""Hashes without an expert of their own borrow that of the hash which is most like theirs.

A tile that lies across bins, or shows a face from afar, has a hash of its own, and there are thousands of these. Few
have data enough for an expert. Yet what they show is mostly what some other hash shows, whose expert has learnt from
such tiles, too (its neighbours' folders). So the table sends them there, unless people whom nothing has learnt from say
that the generalist is better.
"""

from dataclasses import replace

import numpy as np

from app.arrays import U32
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.training.experts import ALIKE
from app.training.judge import drawn_by, judge_of_hash
from app.training.pixels import Pixels
from app.training.reach import surely_too_far

JUDGE_PIXELS = 4096  # validation pixels of a hash that are looked at


def lend(weights: WeightSet, validation: Pixels, seed: int = 0) -> WeightSet:
    """The same networks, drawing for more hashes.

    Args:
        weights: the networks; a hash that the table sends to an expert has it for its own.
        validation: that split's pixels.
        seed: decides which pixels of a hash are looked at.

    Returns:
        A set with another table, whose metadata have "lent": how many hashes borrow, and those that had better not.
    """
    owners = weights.hashes
    if not len(owners):
        return weights
    table = weights.table.copy()
    lender = most_alike(owners)
    borrows = (table == 0) & (lender > 0)
    table[borrows] = table[lender[borrows]]
    seen = [h for h in validation.hashes if borrows[h]]
    refused = _refused(replace(weights, table=table), seen, validation, seed)
    table[refused] = 0
    lent = {"hashes": int(borrows.sum()) - len(refused), "refused": [f"0x{h:04x}" for h in refused]}
    return replace(weights, table=table, metadata={**weights.metadata, "lent": lent})


def most_alike(owners: U32) -> U32:
    """By hash (HASHES,) which of the owners shares most bins with it; 0 where they are not ALIKE."""
    every = np.arange(HASHES, dtype=np.uint32)
    best, found = np.full(HASHES, ALIKE), np.zeros(HASHES, np.uint32)
    for owner in sorted(owners.tolist(), reverse=True):  # of equals, the lowest
        common, all_bins = (np.bitwise_count(bins) for bins in (every & np.uint32(owner), every | np.uint32(owner)))
        likeness = common / all_bins
        nearer = likeness >= best
        best[nearer], found[nearer] = likeness[nearer], owner
    return found


def _refused(weights: WeightSet, hashes: list[int], pixels: Pixels, seed: int) -> list[int]:
    """The hashes for which the expert is surely worse than the generalist."""
    people = int(pixels.person.max()) + 1 if len(pixels) else 0
    toward, length = (np.zeros((len(hashes), people)) for _ in range(2))
    for row, tile_hash in enumerate(hashes):
        judge = judge_of_hash(pixels, tile_hash, weights, JUDGE_PIXELS, seed)
        start, end = (drawn_by(weights, h)(judge.features, judge.scale) for h in (0, tile_hash))
        toward[row], length[row] = (sums[0].numpy() for sums in judge.evidence(start, end, people))
    return [hashes[row] for row in np.flatnonzero(surely_too_far(toward, length))]
