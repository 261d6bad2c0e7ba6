"""What every feature is worth: networks that go without it, trained side by side with one that has everything.

All variants are networks of the same widths, with the same first weights, on the same pixels under the same mixtures of
light; they differ in what they see alone. A batch of `Experts` trains all of them at once, as `bungyo train` does its
generalist: many people's heads are mirrored as well, places are uncertain and weights decay. They are judged on people,
cameras and lights that training did not see, against the truth (`metrics.TruthError`).

Every variant has a unit of light of its own, made of the light features that it has. The renderer's `light_scale` is a
sum of several of them: features over it tell, by what is missing to 1, what a dropped one was.
"""

import math
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from app.arrays import F32, F64, I64, Bools, Records
from app.errors import BungyoError, InputError
from app.network.layers import MIXED
from app.network.schema import CHANNELS, FEATURES, LIGHT_CHANNELS, channels, unpack
from app.training.dataset import Dataset
from app.training.experts import descend, set_rate
from app.training.loss import weighted_error
from app.training.manifest import TILE_DTYPE
from app.training.metrics import KEY_LUMINANCE, LUMINANCE, TruthError, psnr, tiled
from app.training.model import Experts, Scales, beginning
from app.training.pixels import Pixels, load_pixels, people_of
from app.training.tint import tinted
from app.training.train_options import RATE, TrainOptions
from app.training.variation import displaced

Stage: TypeAlias = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]  # app.progress.counter

TRAIN_PIXELS = 8_000_000  # at most
SCALE_PIXELS = 10_000  # on which the scales of inputs are measured
JUDGED_TILES = 2000  # about, at most
CHUNK = 32  # tiles judged at once: what a few dozen networks make of them fits the cache
FLOOR = 0.005 * KEY_LUMINANCE  # of a unit of light, exposed radiance: places in deep shadow must not be all noise

# Features that come from one source, or that can stand in for each other: dropped one by one they hide their worth.
BLURRED = ("diffuse_narrow", "diffuse_wide")
THIN = ("thickness", "transmission")
ARRIVING = ("light_direction", "ambient_visibility")
LIGHT_CACHE = (*BLURRED, *ARRIVING, *THIN)
"""What the light cache alone knows. Of the sharp features it knows the shadows."""
TOGETHER: dict[str, tuple[str, ...]] = {
    " + ".join(BLURRED): BLURRED,
    " + ".join(THIN): THIN,
    " + ".join(ARRIVING): ARRIVING,
    "all that the light cache alone knows": LIGHT_CACHE,
}
EVERYTHING = "nothing dropped"
FACE, THROUGH = "face", "light comes through"  # regions that are judged
MUCH = 0.1  # light through thin parts, as a share of what falls on them; 2% of the pixels of random situations have it


@dataclass(frozen=True)
class Variant:
    """A network's input.

    Attributes:
        name: for tables.
        dropped: the features that it does not get.
        source: which of the data sets it learns from.
    """

    name: str
    dropped: tuple[str, ...] = ()
    source: int = 0


@dataclass(frozen=True)
class Options:
    """How to train every variant.

    Attributes:
        layers: widths from input to output.
        steps, batch, rate: Adam steps, pixels a step and first learning rate (cosine).
        decay, place_noise: where there are many people, as in `TrainOptions`.
        seeds: how often everything is trained, each time from other first weights and on other pixels.
        threads: torch's.
    """

    layers: tuple[int, ...] = TrainOptions.layers
    steps: int = 4000
    batch: int = 4096
    rate: float = RATE
    decay: float = TrainOptions.decay
    place_noise: float = TrainOptions.place_noise
    seeds: int = 2
    threads: int = 2


@dataclass(frozen=True)
class Scores:
    """Errors of all variants under all seeds against the truth, on the pixels of one region, summed frame by frame.

    Attributes:
        variants: what was compared; the first has everything.
        errors: (seeds, variants, frames) summed squared display errors, a mean over the channels. Noise can make
            single ones negative.
        pixels: (frames,) how many pixels each of these sums has.
        person: (frames,) whom they show.
    """

    variants: tuple[Variant, ...]
    errors: F64
    pixels: F64
    person: I64

    @property
    def db(self) -> F64:
        """(variants,) PSNR over all pixels together, mean of the seeds."""
        mean: F64 = _decibel(self.errors.sum(axis=-1) / self.pixels.sum()).mean(axis=0)
        return mean

    @property
    def lost(self) -> F64:
        """(seeds, variants) how many dB a variant is below the first."""
        db = _decibel(self.errors.sum(axis=-1) / self.pixels.sum())
        return db[:, :1] - db

    def standard_error(self, by_person: bool = False) -> F64:
        """(variants,) standard error of the mean of `lost` over seeds: what other frames would change.

        To first order (the infinitesimal jackknife, Efron & Stein 1981): without a frame that has nearly all of the
        error there may be none left to take a logarithm of.

        Args:
            by_person: all frames of a person are one cluster. NaN where there is but one.
        """
        groups = np.unique(self.person, return_inverse=True)[1] if by_person else np.arange(len(self.pixels))
        count = int(groups.max(initial=-1)) + 1
        if count < 2:
            return np.full(len(self.variants), np.nan)
        member = np.eye(count)[groups]  # (frames, groups)
        share = self.errors @ member / self.errors.sum(axis=-1, keepdims=True)
        lost = 10.0 / math.log(10.0) * (share - share[:, :1]).mean(axis=0)
        found: F64 = np.sqrt(count / (count - 1) * np.square(lost).sum(axis=-1))
        return found

    @property
    def between_seeds(self) -> float:
        """By how many dB `lost` of a variant deviates from seed to seed, over all variants; NaN for a single seed."""
        if len(self.errors) < 2:
            return float("nan")
        return float(np.sqrt(self.lost[:, 1:].var(axis=0, ddof=1).mean()))


def variants() -> tuple[Variant, ...]:
    """All features; all but one, for each; all but those of `TOGETHER`."""
    single = {feature.name: (feature.name,) for feature in FEATURES}
    return (Variant(EVERYTHING), *(Variant(name, dropped) for name, dropped in (single | TOGETHER).items()))


def compare(sets: Sequence[Dataset], compared: Sequence[Variant], options: Options, stage: Stage) -> dict[str, Scores]:
    """Train all variants under all seeds, and judge them.

    Args:
        sets: data sets of the same tiles, which may differ in their features.
        compared: at least one; the first is what the others are compared with.
        options: how.
        stage: shows progress.

    Returns:
        Scores by region: FACE, all of it, and THROUGH, where much light comes through thin parts. The second is missing
        where that is nowhere.

    Raises:
        InputError: a set has no pixels to train or to judge with.
        BungyoError: training diverged.
    """
    torch.set_num_threads(options.threads)
    sources = [_load(data, stage) for data in sets]
    tiles = _judged_tiles(sets)
    for name, count in (("training", len(sources[0])), ("validation", len(tiles[0]))):
        if not count:
            out = shlex.quote(str(sets[0].path))
            hint = f"`bungyo dataset --out {out} --frames 32` has both; --held-out leaves no training."
            raise InputError(f"The data set {sets[0].path} has no {name} pixels.", hint)
    networks = []
    for seed in range(options.seeds):
        with stage(options.steps, f"steps, seed {seed + 1} of {options.seeds}") as show:
            networks.append(train_together(sources, compared, options, seed, show))
    with stage(len(tiles[0]), "tiles judged") as show:
        return _judge(networks, sets[0], tiles, compared, show)


def _load(data: Dataset, stage: Stage) -> Pixels:
    with stage(len(data.hashes), "folders read") as show:
        pixels = load_pixels(data, "train", max_pixels=TRAIN_PIXELS, progress=show)
    return pixels.with_mirrored() if data.people else pixels


def train_together(
    sources: Sequence[Pixels],
    compared: Sequence[Variant],
    options: Options,
    seed: int,
    progress: Callable[[int], None],
) -> Experts:
    """Train all variants from the same first weights on the same pixels.

    Args:
        sources: sets of the same pixels, which may differ in their features; with mirrored heads: of many people.
        compared: the variants.
        options: how.
        seed: decides first weights and pixels.
        progress: called with the number of steps done.

    Raises:
        InputError: no light reaches the pixels.
        BungyoError: training diverged.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    networks = Experts(beginning(options.layers, sources[0], generator), len(compared))
    scales = [Scales.measure(seen) for seen in _draw(sources, SCALE_PIXELS, compared, generator)[0]]
    mean, deviation = torch.stack([one.mean for one in scales]), torch.stack([one.deviation for one in scales])
    networks.scales = Scales(mean[:, None], deviation[:, None])  # every variant its own
    decay, noise = (options.decay, options.place_noise) if sources[0].twofold else (0.0, 0.0)
    optimizer = torch.optim.AdamW(networks.parameters(), lr=options.rate, weight_decay=decay, fused=True)
    for step in range(options.steps):
        set_rate(optimizer, options.rate, step / options.steps)
        features, unit, target = _draw(sources, options.batch, compared, generator, noise)
        loss = weighted_error(networks(features) * unit, target).mean(dim=(1, 2)).sum()
        descend(optimizer, loss)
        if step % 50 == 49 or step == options.steps - 1:
            if not math.isfinite(float(loss.detach())):
                raise BungyoError(f"Training diverged after {step + 1} steps.")
            progress(step + 1)
    return networks


def inputs(features: Sequence[Tensor], scale: Tensor, compared: Sequence[Variant]) -> tuple[Tensor, Tensor]:
    """What the variants see of n pixels.

    Args:
        features: (n, C) of every source, light over `scale`.
        scale: (n, 1) exposed.
        compared: the variants.

    Returns:
        (variants, n, C) features, light over the variant's own unit, what is dropped 0; and (variants, n, 1) that unit.
    """
    keep, brightness = torch.ones(len(compared), 1, CHANNELS), torch.zeros(CHANNELS, 1)
    for name in MIXED:
        brightness[channels(name), 0] = torch.from_numpy(LUMINANCE)
    for row, variant in enumerate(compared):
        for name in variant.dropped:
            keep[row, :, channels(name)] = 0.0
    kept = torch.stack([features[variant.source] for variant in compared]) * keep
    unit = scale * (kept @ brightness) + FLOOR
    return torch.where(torch.from_numpy(LIGHT_CHANNELS.copy()), kept * (scale / unit), kept), unit


def _draw(
    sources: Sequence[Pixels], count: int, compared: Sequence[Variant], generator: torch.Generator, noise: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """`inputs` of random pixels, whose places are uncertain by `noise`, and their targets (n, 3)."""
    index = torch.randint(len(sources[0]), (count,), generator=generator)
    before = generator.get_state()
    features = []
    for source in sources:
        generator.set_state(before)  # the same lights are mixed and tinted, whatever the features
        seen, scale, target = displaced(tinted(source.draw(index, generator), generator), noise, generator)
        features.append(seen)
    return *inputs(features, scale, compared), target


def _judged_tiles(sets: Sequence[Dataset]) -> list[Records]:
    """A random choice of the validation tiles of data sets of the same tiles."""
    data = sets[0]
    frames = sum(frame.split == "validation" for frame in data.frames.values())
    expected = sum(map(data.count, data.hashes)) * frames / max(len(data.frames), 1)
    parts: list[list[Records]] = [[] for _ in sets]
    for tile_hash in data.hashes:
        own = [one.tiles(tile_hash, "validation") for one in sets]
        luck = np.random.default_rng(tile_hash).random(len(own[0])) * expected
        chosen = (luck < JUDGED_TILES) & own[0]["mask"].any(axis=1)
        for kept, tiles in zip(parts, own, strict=True):
            kept.append(tiles[chosen])
    return [np.concatenate([np.zeros(0, TILE_DTYPE), *kept]) for kept in parts]


def _judge(
    networks: Sequence[Experts],
    data: Dataset,
    tiles: Sequence[Records],
    compared: Sequence[Variant],
    progress: Callable[[int], None],
) -> dict[str, Scores]:
    """Errors of the networks of every seed on tiles, in the features of every source."""
    people, count = people_of(data, "validation"), max(data.frames) + 1
    errors = {name: np.zeros((len(networks), len(compared), count)) for name in (FACE, THROUGH)}
    pixels = {name: np.zeros(count) for name in errors}
    for start in range(0, len(tiles[0]), CHUNK):
        own = [one[start : start + CHUNK] for one in tiles]
        mask = own[0]["mask"].astype(bool)
        gain = np.exp2([data.frames[int(index)].exposure_ev for index in own[0]["frame"]]).astype(np.float32)[:, None]
        features = [unpack(one["features"])[mask] for one in own]
        scale = torch.from_numpy((own[0]["light_scale"] * gain)[mask][:, None])
        seen, unit = inputs([torch.from_numpy(one) for one in features], scale, compared)
        with torch.no_grad():
            drawn = [(network(seen) * unit).clamp_min(0.0).numpy() for network in networks]
        exposed = (own[0]["target"] * gain[..., None], own[0]["variance"] * np.square(gain)[..., None])
        nearest = np.mean([pictures[0] for pictures in drawn], axis=0)
        truth = TruthError(tiled(nearest, mask), *exposed, mask, np.zeros(len(mask), np.float32))
        judged = truth.judged[mask]
        frame = np.broadcast_to(own[0]["frame"][:, None], mask.shape)[mask].astype(np.intp)
        regions = {FACE: judged, THROUGH: judged & _light_comes_through(features[0])}
        for name, where in regions.items():
            pixels[name] += np.bincount(frame[where], minlength=count)
        for seed, pictures in enumerate(drawn):
            for row, picture in enumerate(pictures):
                error = truth(tiled(picture, mask))[mask]
                for name, where in regions.items():
                    errors[name][seed, row] += np.bincount(frame[where], error[where], count)
        progress(start + len(mask))
    scores = {}
    for name, found in pixels.items():
        present = np.flatnonzero(found)
        person = np.array([people[int(index)] for index in present], np.int64)
        if len(present):
            scores[name] = Scores(tuple(compared), errors[name][..., present], found[present], person)
    if FACE not in scores:
        hint = "Make one with more samples: `bungyo dataset --spp 32 --out out/ablation-data`."
        raise InputError(f"The validation targets of the data set {data.path} are too noisy to judge by.", hint)
    return scores


def _light_comes_through(features: F32) -> Bools:
    """Of pixels (n, C) those to which much light comes through thin parts, as against what falls on them."""
    through, outside = (features[:, channels(name)] @ LUMINANCE for name in ("transmission", "diffuse_wide"))
    much: Bools = through > MUCH * outside
    return much


def _decibel(mean_squared_error: F64) -> F64:
    decibels: F64 = np.vectorize(psnr, otypes=[np.float64])(mean_squared_error)
    return decibels
