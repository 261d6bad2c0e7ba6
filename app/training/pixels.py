"""A data set's face pixels as flat arrays for training, each hash's pixels in one run.

Radiances are multiplied by 2**exposure of their frame, so that an error weighs what it weighs on the display.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from app.errors import InputError
from app.network.schema import CHANNELS, TILE_PIXELS
from app.training.dataset import Dataset

MAX_PIXELS = 60_000_000  # 80 bytes each: 4.8 GB

Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]  # features, scale, target


@dataclass(frozen=True)
class Pixels:
    """The pixels of one split.

    Attributes:
        features: (n, 32) half, as in the schema.
        scale: (n,) float32 light_scale, exposed.
        target: (n, 3) float32 radiance, exposed, noisy.
        runs: hash -> (start, stop) of its pixels, for every hash of the data set.
        kept: share of the split's pixels that was loaded; below 1 if they did not fit.
    """

    features: Tensor
    scale: Tensor
    target: Tensor
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
    # Three splits and a margin for tiles that are not all face; a first guess that never loads more than
    # allowed.
    share = min(1.0, max_pixels / max(bound, 1))
    rng = np.random.default_rng([seed, len(split)])
    # Reserved for the worst case; memory is used only as far as it is written to.
    room = min(bound, max_pixels + len(data.hashes)) if share < 1.0 else bound
    features = np.empty((room, CHANNELS), np.float16)
    scale, target = np.empty(room, np.float32), np.empty((room, 3), np.float32)
    exposure = np.zeros(max(data.frames, default=-1) + 1, np.float32)
    for index, frame in data.frames.items():
        exposure[index] = frame.exposure_ev
    runs: dict[int, tuple[int, int]] = {}
    end = 0
    for done, tile_hash in enumerate(data.hashes, start=1):
        tiles = data.tiles(tile_hash, split)
        start, mask = end, tiles["mask"].astype(bool)
        if share < 1.0:
            mask &= rng.random(mask.shape, np.float32) < share
        count = min(int(mask.sum()), room - start)
        end = start + count
        halves = tiles["features"].view("<f2").reshape(*mask.shape, CHANNELS)
        gain = np.exp2(exposure[tiles["frame"]])[:, None]
        features[start:end] = halves[mask][:count]
        scale[start:end] = (tiles["light_scale"] * gain)[mask][:count]
        target[start:end] = (tiles["target"] * gain[..., None])[mask][:count]
        if not np.isfinite(features[start:end]).all():
            raise InputError(f"The tiles of hash 0x{tile_hash:04x} in {data.path} hold features that are not finite.")
        runs[tile_hash] = (start, end)
        if progress:
            progress(done, len(data.hashes))
    as_tensors = [torch.from_numpy(array[:end]) for array in (features, scale, target)]
    return Pixels(as_tensors[0], as_tensors[1], as_tensors[2], runs, share)
