"""A data set's face pixels as flat arrays for training, each hash's pixels in one run.

Radiances are multiplied by 2**exposure of their frame, so that an error weighs what it weighs on the display.

Mixing light. Light transport is linear, and so is everything a pixel knows about light: a pixel that was seen under
lights A and B would under a*A + b*B have the light features and the target a*(A's) + b*(B's), before they are divided
by light_scale, which is linear itself. Training frames come as several lightings of one view; every time such
a pixel is drawn, it gets another mixture of them. A few lightings a pixel thus teach what thousands would, and
the targets' noise, which is independent from frame to frame, stays unbiased.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.errors import InputError
from app.network.schema import CHANNELS, TILE_PIXELS
from app.training.dataset import Dataset

MAX_PIXELS = 60_000_000  # 84 bytes each: 5 GB

Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]  # features, scale, target

# Share of the drawn pixels with at least 1, 2, 3, 4 lights. One light alone is the hardest, and the most common.
MIXED = (1.0, 0.65, 0.35, 0.15)
WEAKEST = 0.05  # a mixed light's exposed brightness against the strongest's, at least


@dataclass(frozen=True)
class Pixels:
    """The pixels of one split.

    Attributes:
        features: (n, 32) half, as in the schema.
        scale: (n,) float32 light_scale, exposed.
        target: (n, 3) float32 radiance, exposed, noisy.
        sibling: (n,) int32, index of the same point of the same view under the next lighting; these make rings.
        runs: hash -> (start, stop) of its pixels, for every hash of the data set.
        kept: share of the split's pixels that was loaded; below 1 if they did not fit.
    """

    features: Tensor
    scale: Tensor
    target: Tensor
    sibling: Tensor
    runs: dict[int, tuple[int, int]]
    kept: float

    def __len__(self) -> int:
        return len(self.scale)

    def count(self, tile_hash: int) -> int:
        """How many pixels a hash has."""
        start, stop = self.runs.get(tile_hash, (0, 0))
        return stop - start

    def take(self, index: Tensor) -> Batch:
        """Features (..., 32), scale (..., 1) and target (..., 3) of the pixels at `index` (...), float32."""
        flat, shape = index.reshape(-1), index.shape
        features = self.features.index_select(0, flat).float().reshape(*shape, -1)
        scale = self.scale.index_select(0, flat).reshape(*shape, 1)
        return features, scale, self.target.index_select(0, flat).reshape(*shape, 3)

    def draw(self, index: Tensor, generator: torch.Generator) -> Batch:
        """The pixels at `index` (..., n) as `take` gives them, but each under a random mixture of its lightings.

        The first pixels along the last axis mix most of them: `MIXED` says how many mix how many.
        """
        features = scale = target = strengths = torch.zeros(())
        count = index.shape[-1]
        for share in MIXED:
            index = index[..., : round(share * count)]
            strength = WEAKEST ** torch.rand(*index.shape, 1, generator=generator)
            more_features, more_scale, more_target = self.take(index)
            more_scale = more_scale * strength
            if share == 1.0:
                strengths, scale = strength, more_scale
                features, target = more_scale * more_features, strength * more_target
            else:
                here = (..., slice(index.shape[-1]), slice(None))
                strengths[here] += strength
                scale[here] += more_scale
                features[here] += more_scale * more_features
                target[here] += strength * more_target
            index = self.sibling.index_select(0, index.reshape(-1)).long().reshape(index.shape)
        # Strengths are those of exposed pictures: divided by their sum, the mixture is an exposed picture, too.
        return features / scale.clamp_min(1e-30), scale / strengths, target / strengths


def load_pixels(
    data: Dataset,
    split: str,
    *,
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """Read one split.

    Args:
        data: the data set.
        split: one of `dataset.SPLITS`.
        max_pixels: if there are more, every hash keeps the same random share of its own.
        seed: decides which.
        progress: called with (hashes read, hashes).

    Raises:
        InputError: a tile file is damaged, or holds a half that is not finite.
    """
    bound = sum(data.count(tile_hash) for tile_hash in data.hashes) * TILE_PIXELS
    # The bound counts all splits and all pixels of a tile: a first guess that never loads more than allowed.
    share = min(1.0, max_pixels / max(bound, 1))
    # Reserved for the worst case; memory is used only as far as it is written to.
    room = min(bound, max_pixels)
    features = np.empty((room, CHANNELS), np.float16)
    scale, target = np.empty(room, np.float32), np.empty((room, 3), np.float32)
    sibling = np.empty(room, np.int32)
    exposure = np.zeros(max(data.frames, default=-1) + 1, np.float32)
    view = np.zeros(len(exposure), np.int64)
    for index, frame in data.frames.items():
        exposure[index], view[index] = frame.exposure_ev, frame.view
    runs: dict[int, tuple[int, int]] = {}
    end = 0
    for done, tile_hash in enumerate(data.hashes, start=1):
        tiles = data.tiles(tile_hash, split)
        tiles, first = _side_by_side(tiles, view)
        mask = tiles["mask"].astype(bool)
        np.logical_and.at(mask, first, mask)  # what one lighting of a point lacks, none may have
        if share < 1.0:
            luck = np.random.default_rng([seed, tile_hash]).random(mask.shape, np.float32)
            mask &= luck < share
        mask = mask[first]
        start, mask = end, _limit(mask, room - end)
        end = start + int(mask.sum())
        halves = tiles["features"].view("<f2").reshape(*mask.shape, CHANNELS)
        gain = np.exp2(exposure[tiles["frame"]])[:, None]
        features[start:end] = halves[mask]
        scale[start:end] = (tiles["light_scale"] * gain)[mask]
        target[start:end] = (tiles["target"] * gain[..., None])[mask]
        sibling[start:end] = start + _rings(mask, first)
        if not np.isfinite(features[start:end]).all():
            raise InputError(f"The tiles of hash 0x{tile_hash:04x} in {data.path} hold features that are not finite.")
        runs[tile_hash] = (start, end)
        if progress:
            progress(done, len(data.hashes))
    as_tensors = [torch.from_numpy(array[:end]) for array in (features, scale, target, sibling)]
    return Pixels(as_tensors[0], as_tensors[1], as_tensors[2], as_tensors[3], runs, share)


def _side_by_side(
    tiles: npt.NDArray[np.void], view: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.void], npt.NDArray[np.intp]]:
    """Tiles sorted so that lightings of one tile of one view are neighbours, and the first of those for each (n,)."""
    keys = np.stack([view[tiles["frame"]], tiles["tile_xy"][:, 1], tiles["tile_xy"][:, 0]])
    order = np.lexsort((tiles["frame"], *keys[::-1]))
    tiles, keys = tiles[order], keys[:, order]
    new = np.ones(len(tiles), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return tiles, np.maximum.accumulate(np.where(new, np.arange(len(tiles)), 0))


def _limit(mask: npt.NDArray[np.bool_], room: int) -> npt.NDArray[np.bool_]:
    """The mask with whole tiles taken away at the end, until no more than `room` pixels are left."""
    fits: npt.NDArray[np.bool_] = np.cumsum(mask.sum(axis=1)) <= room
    return mask & fits[:, None]


def _rings(mask: npt.NDArray[np.bool_], first: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """For every pixel in the mask (n, 256) the place, among these, of the same pixel of the group's next tile."""
    counts = mask.sum(axis=1)
    starts = np.cumsum(counts) - counts
    following = np.arange(1, len(mask) + 1)
    last = np.ones(len(mask), bool)
    last[:-1] = first[1:] != first[:-1]
    following[last] = first[last]
    # A tile that `_limit` emptied has no pixels to follow to.
    following = np.where(counts[following] == counts, following, np.arange(len(mask)))
    shift = starts[following] - starts
    result: npt.NDArray[np.int64] = np.arange(counts.sum()) + np.repeat(shift, counts)
    return result
