"""A data set's face pixels as flat arrays for training, each hash's pixels in one run.

Radiances are multiplied by 2**exposure of their frame, so that an error weighs what it weighs on the display.

Mixing light. Light transport is linear, and so is everything a pixel knows about light: a pixel that was seen under
lights A and B would under a*A + b*B have the light features and the target a*(A's) + b*(B's), before they are divided
by light_scale, which is linear itself. Training frames come as several lightings of one view; every time such
a pixel is drawn, it gets another mixture of them. A few lightings a pixel thus teach what thousands would, and
the targets' noise, which is independent from frame to frame, stays unbiased.

Mirrored heads. Every pixel of an avatar is also one of the mirrored head under mirrored light. Indices from n on mean
these: nothing is stored twice.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from app.arrays import F32, I64, Bools, Indices, Records
from app.network.schema import CHANNELS, HALF_MAX, TILE_PIXELS
from app.training.dataset import Dataset
from app.training.manifest import CAMERAS, block_of
from app.training.metrics import around
from app.training.mirroring import mirrored, mirrored_hash

MAX_PIXELS = 60_000_000  # 100 bytes each: 6 GB
NEAR = 2  # pixels along x and y whose noise counts as that around a pixel
CHUNK = 1024  # tiles at once, which take four times their room while their noise is averaged
SAMPLED = 4000  # tiles by which the others are judged: they tell the share of face to 1%

Batch: TypeAlias = tuple[Tensor, Tensor, Tensor]  # features, scale, target

# Share of the drawn pixels with at least 1, 2, 3, 4 lights. One light alone is the hardest, and the most common.
MIXED = (1.0, 0.65, 0.35, 0.15)
WEAKEST = 0.05  # a mixed light's exposed brightness against the strongest's, at least

CPU = torch.device("cpu")
RESIDENT = 0.5  # share of a GPU's free memory that pixels may take; if they need more, they stay on the host


@dataclass(frozen=True)
class Pixels:
    """The pixels of one split. Indices may lie on any device; batches lie on `device`.

    Attributes:
        features: (n, C) half, the schema's channels.
        scale: (n,) float32 light_scale, exposed.
        target: (n, 3) float32 radiance, exposed, noisy.
        variance: (n, 3) half, variance of the target's noise; infinite where nothing is known about it.
        around: (n, 3) half, mean variance of the pixels around, which knows nothing of the pixel's own noise; infinite
            where there are none.
        sibling: (n,) int32, index of the same point of the same view under the next lighting; these make rings.
        person: (n,) int32, whom the pixel shows, see `people_of`.
        runs: hash -> (start, stop) of its stored pixels, for every hash of the data set.
        kept: share of the split's pixels that was loaded; below 1 if they did not fit.
        tiles: hash -> (n, 2) int64: number of the lighting and of the person of each of its tiles.
        device: where the networks are. The pixels themselves lie there, too, or on the host.
        twofold: whether indices n to 2n stand for the pixels' mirrored twins.
    """

    features: Tensor
    scale: Tensor
    target: Tensor
    variance: Tensor
    around: Tensor
    sibling: Tensor
    person: Tensor
    runs: dict[int, tuple[int, int]]
    kept: float
    tiles: dict[int, Tensor] = field(default_factory=dict)
    device: torch.device = CPU
    twofold: bool = False

    @staticmethod
    def of(
        arrays: Sequence[npt.NDArray[Any]],
        runs: dict[int, tuple[int, int]],
        kept: float,
        tiles: dict[int, Tensor],
    ) -> "Pixels":
        """Pixels in the memory of arrays, given in the order of TENSORS."""
        features, scale, target, variance, near, sibling, person = (torch.from_numpy(array) for array in arrays)
        return Pixels(features, scale, target, variance, near, sibling, person, runs, kept, tiles)

    def __len__(self) -> int:
        return len(self.scale) * (2 if self.twofold else 1)

    def with_mirrored(self) -> "Pixels":
        """The same pixels and their mirrored twins, which belong to the mirrored hashes."""
        return replace(self, twofold=True)

    @property
    def hashes(self) -> list[int]:
        """The hashes with any pixels, ascending."""
        present = {h for h, (start, stop) in self.runs.items() if start < stop}
        return sorted(present | {mirrored_hash(h) for h in present} if self.twofold else present)

    def ranges(self, tile_hash: int) -> list[tuple[int, int]]:
        """Where a hash has its pixels: (start, stop) of its own, then of mirrored ones; none of them empty."""
        found = [self.runs.get(tile_hash, (0, 0))]
        if self.twofold:
            start, stop = self.runs.get(mirrored_hash(tile_hash), (0, 0))
            found.append((len(self.scale) + start, len(self.scale) + stop))
        return [(start, stop) for start, stop in found if start < stop]

    def of_hash(self, tile_hash: int) -> Tensor:
        """The indices (n,) int64 of the pixels of a hash that has any, mirrored ones last."""
        return torch.cat([torch.arange(*ends) for ends in self.ranges(tile_hash)])

    def count(self, tile_hash: int) -> int:
        """How many pixels a hash has."""
        return sum(stop - start for start, stop in self.ranges(tile_hash))

    def sources(self, tile_hash: int) -> Tensor:
        """Numbers of the lighting and of the person (n, 2) of each of a hash's tiles, mirrored ones included."""
        hashes = (tile_hash, mirrored_hash(tile_hash)) if self.twofold else (tile_hash,)
        return torch.cat([self.tiles[h] for h in hashes if h in self.tiles] or [torch.empty(0, 2, dtype=torch.int64)])

    def people_seen(self, tile_hash: int) -> int:
        """How many people the tiles of a hash show."""
        return len(np.unique(self.sources(tile_hash)[:, 1].numpy()))

    def with_enough(self, pixels: int, people: int) -> list[int]:
        """The hashes with so many pixels, of so many people or of a quarter of all there are."""
        people = min(people, -(-(int(self.person.max()) + 1) // 4)) if len(self.person) else people
        return [h for h in self.hashes if self.count(h) >= pixels and self.people_seen(h) >= people]

    def of_people(self, count: int) -> "Pixels":
        """A copy of the pixels that show the first `count` people."""
        chosen = self.person < count
        place = torch.cat([torch.zeros(1, dtype=torch.int64), chosen.cumsum(0)])  # of a pixel, once others are gone
        parts = {name: getattr(self, name)[chosen] for name in TENSORS}
        parts["sibling"] = place[parts["sibling"].long()].int()  # rings never leave their person
        runs = {key: (int(place[start]), int(place[stop])) for key, (start, stop) in self.runs.items()}
        tiles = {key: found[found[:, 1] < count] for key, found in self.tiles.items()}
        return replace(self, **parts, runs=runs, tiles=tiles)

    def to(self, device: torch.device) -> "Pixels":
        """The same pixels for networks on `device`: moved there if they fit well, else read from here in batches."""
        size = sum(getattr(self, name).nbytes for name in TENSORS)
        if device.type == "cuda" and size > RESIDENT * torch.cuda.mem_get_info(device)[0]:
            return replace(self, device=device)
        return replace(self, **{name: getattr(self, name).to(device) for name in TENSORS}, device=device)

    def noise(self, index: Tensor) -> Tensor:
        """Variance (..., 3) of the targets at `index` (...), float32."""
        return self.variance[self._stored(index, self.variance)].to(self.device).float()

    def noise_around(self, index: Tensor) -> Tensor:
        """The same of the pixels around those at `index`."""
        return self.around[self._stored(index, self.around)].to(self.device).float()

    def shown(self, index: Tensor) -> Tensor:
        """The person (...) at `index` (...)."""
        return self.person[self._stored(index, self.person)].to(self.device).long()

    def take(self, index: Tensor) -> Batch:
        """Features (..., C), scale (..., 1) and target (..., 3) of the pixels at `index` (...), float32."""
        shape, flat = index.shape, self._stored(index, self.features).reshape(-1)
        features = self.features.index_select(0, flat).to(self.device).float().reshape(*shape, -1)
        if self.twofold:
            features = mirrored(features, (index >= len(self.scale)).to(self.device))
        scale = self.scale.index_select(0, flat).to(self.device).reshape(*shape, 1)
        return features, scale, self.target.index_select(0, flat).to(self.device).reshape(*shape, 3)

    def draw(self, index: Tensor, generator: torch.Generator) -> Batch:
        """The pixels at `index` (..., n) as `take` gives them, but each under a random mixture of its lightings.

        The first pixels along the last axis mix most of them: `MIXED` says how many mix how many.
        """
        return self._mixed(index, generator, noisy=False)[0]

    def draw_noisy(self, index: Tensor, generator: torch.Generator) -> tuple[Batch, Tensor]:
        """The same, and `noise_around` (..., n, 3) of these targets."""
        return self._mixed(index, generator, noisy=True)

    def _mixed(self, index: Tensor, generator: torch.Generator, noisy: bool) -> tuple[Batch, Tensor]:
        features = scale = target = strengths = noise = torch.zeros(())
        index, count = index.to(self.features.device), index.shape[-1]
        for share in MIXED:
            index = index[..., : round(share * count)]
            # Drawn on the host, so that all devices draw the same.
            strength = (WEAKEST ** torch.rand(*index.shape, 1, generator=generator)).to(self.device)
            more_features, more_scale, more_target = self.take(index)
            more_scale = more_scale * strength
            more_noise = strength.square() * self.noise_around(index) if noisy else torch.zeros_like(strength)
            if share == 1.0:
                strengths, scale = strength, more_scale
                features, target = more_scale * more_features, strength * more_target
                noise = more_noise
            else:
                here = (..., slice(index.shape[-1]), slice(None))
                strengths[here] += strength
                scale[here] += more_scale
                features[here] += more_scale * more_features
                target[here] += strength * more_target
                noise[here] += more_noise
            stored = self._stored(index, self.sibling)
            following = self.sibling.index_select(0, stored.reshape(-1)).long().reshape(index.shape)
            index = following + (index - stored)  # a mirrored pixel's siblings are mirrored
        # Strengths are those of exposed pictures: divided by their sum, the mixture is an exposed picture, too.
        batch = features / scale.clamp_min(1e-30), scale / strengths, target / strengths
        return batch, noise / strengths.square()

    def _stored(self, index: Tensor, where: Tensor) -> Tensor:
        """Where in a stored tensor the pixels at `index` are, on its device."""
        index = index.to(where.device)
        return index % len(self.scale) if self.twofold else index


TENSORS = ("features", "scale", "target", "variance", "around", "sibling", "person")
"""The first attributes of `Pixels`, which have an entry for every pixel."""


def people_of(data: Dataset, split: str) -> dict[int, int]:
    """By frame of a split the number of the person it shows, counted in the order of their first frames.

    In a set with one fixed face a block counts as a person: another one has other cameras and lights, at least.
    """
    numbers: dict[int, int] = {}
    found = {}
    for index, frame in data.frames.items():
        if frame.split == split:
            block = block_of(index)
            who = data.people[block].seed if data.people else block
            found[index] = numbers.setdefault(who, len(numbers))
    return found


def load_pixels(
    data: Dataset,
    split: str,
    *,
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Pixels:
    """Read one split.

    Args:
        data: the data set.
        split: one of `manifest.SPLITS`.
        max_pixels: if there are more, every hash keeps the same random share of its own.
        seed: decides which.
        progress: called with the number of hashes read.

    Raises:
        InputError: a tile file is damaged.
    """
    bound = data.count_split(split) * TILE_PIXELS
    share = 1.0
    if bound > max_pixels:  # then only the pixels that show face count
        share = min(1.0, max_pixels / max(bound * _face_share(data, split), 1.0))
    # Reserved for the worst case; memory is used only as far as it is written to.
    room = min(bound, max_pixels)
    features = np.empty((room, CHANNELS), np.float16)
    scale, target = np.empty(room, np.float32), np.empty((room, 3), np.float32)
    variance, nearby = np.empty((room, 3), np.float16), np.empty((room, 3), np.float16)
    sibling, person = np.empty(room, np.int32), np.empty(room, np.int32)
    exposure = np.zeros(max(data.frames, default=-1) + 1, np.float32)
    view, shown = np.zeros(len(exposure), np.int64), np.zeros(len(exposure), np.int32)
    for index, frame in data.frames.items():
        exposure[index], view[index] = frame.exposure_ev, frame.view
    for index, who in people_of(data, split).items():
        shown[index] = who
    runs: dict[int, tuple[int, int]] = {}
    known: dict[int, Tensor] = {}
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
        with np.errstate(over="ignore"):  # what is too large for a half is as good as unknown
            variance[start:end] = (tiles["variance"] * np.square(gain)[..., None])[mask]
        noise = (_noise_around(tiles) * np.square(gain)[..., None])[mask]
        # These pixels are to count least; where nothing is known, they count in full (`loss.quietness`).
        nearby[start:end] = np.where(np.isfinite(noise), np.minimum(noise, HALF_MAX), noise)
        person[start:end] = np.repeat(shown[tiles["frame"]], mask.sum(axis=1))
        sibling[start:end] = start + _rings(mask, first)
        runs[tile_hash] = (start, end)
        lighting = tiles["frame"].astype(np.int64) // CAMERAS
        known[tile_hash] = torch.from_numpy(np.stack([lighting, shown[tiles["frame"]]], axis=-1))
        if progress:
            progress(done)

    arrays = (features, scale, target, variance, nearby, sibling, person)
    return Pixels.of([array[:end] for array in arrays], runs, share, known)


def _face_share(data: Dataset, split: str) -> float:
    """About the share of a split's tiles that shows face, judged by some of them and rather too high than too low."""
    tiles = data.some_tiles(SAMPLED, split=split)
    shown = tiles["mask"].mean(axis=1)
    return min(1.0, float(shown.mean() + 2.0 * shown.std() / math.sqrt(len(shown)))) if len(shown) else 1.0


def _noise_around(tiles: Records) -> F32:
    """Mean variance (n, TILE_PIXELS, 3) of the pixels around those of tiles."""
    found = np.empty(tiles["variance"].shape, np.float32)
    for start in range(0, len(tiles), CHUNK):
        part = tiles[start : start + CHUNK]
        known = part["mask"].astype(bool) & np.isfinite(part["variance"]).all(axis=-1)
        found[start : start + CHUNK] = around(part["variance"], known, NEAR, 0)
    return found


def _side_by_side(tiles: Records, view: I64) -> tuple[Records, Indices]:
    """Tiles sorted so that lightings of one tile of one view are neighbours, and the first of those for each (n,)."""
    keys = np.stack([view[tiles["frame"]], tiles["tile_xy"][:, 1], tiles["tile_xy"][:, 0]])
    order = np.lexsort((tiles["frame"], *keys[::-1]))
    tiles, keys = tiles[order], keys[:, order]
    new = np.ones(len(tiles), bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    return tiles, np.maximum.accumulate(np.where(new, np.arange(len(tiles)), 0))


def _limit(mask: Bools, room: int) -> Bools:
    """The mask with whole tiles taken away at the end, until no more than `room` pixels are left."""
    fits: Bools = np.cumsum(mask.sum(axis=1)) <= room
    return mask & fits[:, None]


def _rings(mask: Bools, first: Indices) -> I64:
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
    result: I64 = np.arange(counts.sum()) + np.repeat(shift, counts)
    return result
