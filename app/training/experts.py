"""An expert for every hash, fine-tuned from the generalist: groups of them side by side, as batched matrix products.

A hash has a few hundred tiles of noisy targets, a network two thousand parameters: all of them fitted to so little, the
noise decides. So experts learn what a teacher draws of their tiles, which has no noise: wider generalists, which are
better than they can be everywhere, and which they can follow in the one place that is theirs (Hinton et al. 2015,
"Distilling the Knowledge in a Neural Network"). Without a teacher an expert keeps the generalist's hidden weights and
learns the last layer and all biases, a tenth of the parameters. A group stops early, at the state that is best for
validation people, and how far each expert then goes from the generalist is chosen on them as well, see `reach`.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from app.arrays import F32
from app.training.judge import Judge
from app.training.loss import quietness, weighted_error
from app.training.model import Experts, Generalist, Teacher
from app.training.pixels import Pixels
from app.training.reach import choose_reaches
from app.training.tint import tinted, tinted_noisy
from app.training.variation import varied

LAST_LAYER = "last-layer"  # and all biases
EVERYTHING = "everything"
TRAINS = (LAST_LAYER, EVERYTHING)
ALIKE = 0.5  # likeness of two hashes that may draw for each other
# What a hash has of its own is a few tenths of a decibel, and its few pixels are noisy: at the usual rate, Adam's steps
# are longer than the way to it, and chance decides where they end.
RATE, TAUGHT_RATE = 2e-4, 2e-3
# `loss.HALF_NOISE` of experts without a teacher: about the squared error that networks have. They have few pixels, and
# noisy ones must not decide (docs/tried.md).
UNTAUGHT_HALF_NOISE = 2e-3


@dataclass(frozen=True)
class ExpertOptions:
    """How experts are trained.

    Attributes:
        trains: which parameters, one of TRAINS; None: everything with a teacher, else the last layer.
        steps, batch: Adam steps and pixels a step of every expert.
        rate: its first learning rate; None: TAUGHT_RATE with a teacher, else RATE.
        group: experts trained side by side.
        neighbor_share: share of an expert's pixels that come from the hashes most like its own, against
            seams.
        neighbors: how many of those; their networks are averaged with its own as well.
        reach: how much of the way from the generalist to where training ended all experts go, above 0 to 1. None:
            each its own share, see `reach.choose_reaches`.
        min_pixels, min_people: a hash with fewer training pixels gets no expert, nor one that shows fewer people (or
            than a quarter of all there are).
        judge_pixels: validation pixels used to judge an expert.
        checks: how often a group is judged while it trains; its best state is kept.
    """

    trains: str | None = None
    steps: int = 3000
    batch: int = 512
    rate: float | None = None
    group: int = 16
    neighbor_share: float = 0.7
    neighbors: int = 8
    reach: float | None = None
    min_pixels: int = 1024
    min_people: int = 8
    judge_pixels: int = 8192
    checks: int = 10


class GroupResult(NamedTuple):
    """What became of one group.

    Attributes:
        hashes: its n hashes.
        tensors: the experts as `Experts.snapshot` has them, where training stopped.
        toward, length: (n, people) `Judge.evidence` on validation people.
        error: (n,) the generalist's mean squared error there, the targets' noise included.
        pixels: (n,) how many pixels judged.
        curve: (step, mean validation dB of the group).
        gain: of these, what the state that was kept has over the generalist.
    """

    hashes: list[int]
    tensors: list[Tensor]
    toward: Tensor
    length: Tensor
    error: Tensor
    pixels: Tensor
    curve: list[tuple[float, float]]
    gain: float


class Job(NamedTuple):
    """A group to train: its number, its hashes, and the seed of all random choices."""

    number: int
    hashes: list[int]
    seed: int


class Course(NamedTuple):
    """What all groups of a training have in common.

    Attributes:
        generalist: where all experts start.
        train, validation: the pixels of these splits.
        options: how they are trained.
        teacher: whose picture of the pixels they learn; None: they learn the noisy targets.
        vary: whether the teacher is asked about inputs that no pixel had, too (`variation.varied`).
    """

    generalist: Generalist
    train: Pixels
    validation: Pixels
    options: ExpertOptions
    teacher: Teacher | None = None
    vary: bool = False


class ExpertEngine(Protocol):
    """Somebody who trains groups of experts; the results come in any order."""

    def train(self, course: Course, jobs: Sequence[Job]) -> Iterator[tuple[int, GroupResult]]:
        """Train the groups and yield each one's number and result."""
        ...


class Here:
    """The engine that is this process.

    Args:
        threads: groups that are trained at a time. What becomes of them does not depend on it.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def train(self, course: Course, jobs: Sequence[Job]) -> Iterator[tuple[int, GroupResult]]:
        """See `ExpertEngine`."""
        given_up = Event()
        with ThreadPoolExecutor(self._threads) as threads:
            running = {threads.submit(train_group, course, job, given_up): job.number for job in jobs}
            try:
                for done in as_completed(running):
                    yield running[done], done.result()
            finally:
                given_up.set()
                threads.shutdown(cancel_futures=True)


def group_hashes(train: Pixels, validation: Pixels, options: ExpertOptions) -> list[list[int]]:
    """The hashes with enough pixels to train and any to judge, in groups of `options.group`."""
    hashes = [h for h in train.with_enough(options.min_pixels, options.min_people) if validation.count(h) > 0]
    # Hashes with equally many validation pixels together need the least padding.
    hashes.sort(key=lambda h: (validation.count(h), h))
    return [hashes[i : i + options.group] for i in range(0, len(hashes), options.group)]


def train_group(course: Course, job: Job, given_up: Event | None = None) -> GroupResult:
    """Fine-tune one group of experts; CancelledError after the step in which it is given up."""
    generalist, train, validation, options, teacher, vary = course
    group, generator = job.hashes, torch.Generator().manual_seed(job.seed)
    trains = options.trains or (LAST_LAYER if teacher is None else EVERYTHING)
    rate = options.rate or (RATE if teacher is None else TAUGHT_RATE)
    experts = Experts(generalist, len(group), hidden=trains == EVERYTHING)
    trained = [tensor for tensor in experts.parameters() if tensor.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=rate, fused=True)
    sampler = Sampler(train, group, options, generator)
    jury = Jury(experts, validation, group, options.judge_pixels, generator)
    best, kept = 0.0, experts.snapshot()
    start = reached = decibel(jury.clean(experts))
    curve = [(0.0, start)]
    interval = max(1, options.steps // options.checks)
    for step in range(1, options.steps + 1):
        if given_up is not None and given_up.is_set():
            raise CancelledError
        set_rate(optimizer, rate, (step - 1) / options.steps)
        index = sampler.draw()
        if teacher is None:
            (features, scale, target), noise = tinted_noisy(*train.draw_noisy(index, generator), generator)
            drawn = experts(features) * scale
            error = quietness(drawn, noise, UNTAUGHT_HALF_NOISE) * weighted_error(drawn, target)
        else:
            features, scale, _ = tinted(train.draw(index, generator), generator)
            if vary:
                features = varied(features, generalist.scales.deviation, generator)
            with torch.no_grad():
                target = teacher(features) * scale
            error = weighted_error(experts(features) * scale, target)
        descend(optimizer, error.mean(dim=(1, 2)).sum())
        if step % interval == 0 or step == options.steps:
            curve.append((float(step), decibel(jury.clean(experts))))
            promise = jury.promise(experts)
            if promise > best:
                best, kept, reached = promise, experts.snapshot(), curve[-1][1]
    experts.restore(kept)
    toward, length = jury.evidence(experts)
    on_host = [tensor.cpu() for tensor in kept]
    error, count = jury.start_error.cpu(), jury.count.cpu()
    return GroupResult(group, on_host, toward, length, error, count, curve, reached - start)


class Finished(NamedTuple):
    """The experts of all groups.

    Attributes:
        rows: by hash the row of `WeightSet.slots`, for those that leave the generalist at all.
        reaches: by hash how far they go from it.
        gains: by hash how many dB they are above it on noisy validation pixels, to first order, before averaging.
    """

    rows: dict[int, F32]
    reaches: dict[int, float]
    gains: dict[int, float]


def finish(generalist: Generalist, groups: Sequence[GroupResult], options: ExpertOptions) -> Finished:
    """Let every expert go as far from the generalist as does good, and average those that are alike."""
    found = Finished({}, {}, {})
    if not groups:
        return found
    toward = np.concatenate([group.toward.numpy() for group in groups])
    length = np.concatenate([group.length.numpy() for group in groups])
    chosen = choose_reaches(toward, length)
    if options.reach is not None:
        chosen = np.where(chosen > 0.0, options.reach, 0.0)
    start = 0
    for group in groups:
        reach = chosen[start : start + len(group.hashes)]
        ways = torch.from_numpy(reach).float()
        experts = Experts(generalist, len(group.hashes))
        first = [tensor.cpu() for tensor in experts.snapshot()]
        ends = [f + ways.view(-1, *(1,) * (f.dim() - 1)) * (k - f) for f, k in zip(first, group.tensors, strict=True)]
        rows = experts.export([end.to(tensor.device) for end, tensor in zip(ends, experts.tensors, strict=True)])
        for i, tile_hash in enumerate(group.hashes):
            if reach[i] > 0.0:
                along = float((2.0 * toward[start + i] - reach[i] * length[start + i]).sum())
                error = float(group.error[i])
                saved = reach[i] * along / float(group.pixels[i])
                found.rows[tile_hash], found.reaches[tile_hash] = rows[i], float(reach[i])
                found.gains[tile_hash] = -10.0 * math.log10(max(1.0 - saved / error, 1e-10)) if error > 0.0 else 0.0
        start += len(group.hashes)
    return found._replace(rows=blended(found.rows, options))


class Sampler:
    """Draws training pixels for a group: most from each hash's own run, some from its neighbours' runs."""

    def __init__(self, pixels: Pixels, group: list[int], options: ExpertOptions, generator: torch.Generator) -> None:
        self._generator = generator
        foreign = round(options.batch * options.neighbor_share) if options.neighbors else 0
        self._sizes = (options.batch - foreign, foreign)
        present = pixels.hashes
        own = [pixels.ranges(h) for h in group]
        near = [[ends for n in neighbors(h, present, options.neighbors) for ends in pixels.ranges(n)] for h in group]
        # Pixels that come first mix more lights (`Pixels.draw`): own and foreign ones must not lie apart.
        self._order = torch.randperm(options.batch, generator=generator)
        self._tables = [_table(own), _table([n or o for n, o in zip(near, own, strict=True)])]

    def draw(self) -> Tensor:
        """(group, batch) pixel indices."""
        parts = []
        for size, (ends, shifts) in zip(self._sizes, self._tables, strict=True):
            # float64: float32 could not tell more than 16 million pixels apart.
            luck = torch.rand(len(ends), size, dtype=torch.float64, generator=self._generator)
            place = (luck * ends[:, -1:]).long()
            parts.append(place + shifts.gather(1, torch.searchsorted(ends, place, right=True)))
        return torch.cat(parts, dim=1)[:, self._order]


def _table(runs: list[list[tuple[int, int]]]) -> tuple[Tensor, Tensor]:
    """Lay each row's runs end to end.

    Returns the places where they end (rows, k), and what to add to a place within run k to get a pixel index.
    """
    width = max(map(len, runs))
    padded = torch.tensor([row + [(0, 0)] * (width - len(row)) for row in runs])
    counts = padded[..., 1] - padded[..., 0]
    ends = counts.cumsum(dim=1)
    return ends, padded[..., 0] - (ends - counts)


def likeness(one: int, other: int) -> float:
    """How many bins two hashes share, of all bins of both: 0 to 1."""
    return (one & other).bit_count() / (one | other).bit_count()


def neighbors(tile_hash: int, hashes: list[int], count: int) -> list[int]:
    """The `count` hashes that are most like `tile_hash`, itself excluded."""
    return sorted((h for h in hashes if h != tile_hash), key=lambda h: (-likeness(h, tile_hash), h))[:count]


def blended(rows: dict[int, F32], options: ExpertOptions) -> dict[int, F32]:
    """Average every network with those of the hashes most like its own, as far as they have half of the bins in common.

    Networks that were fine-tuned from one start can be averaged, and the mean errs less than any of them (Wortsman et
    al. 2022, "Model soups"). What neighbouring tiles differ by shrinks as well.
    """
    hashes = sorted(rows)
    near = {h: [n for n in neighbors(h, hashes, options.neighbors) if likeness(h, n) >= ALIKE] for h in hashes}
    return {h: np.mean([rows[h], *(rows[n] for n in near[h])], axis=0) for h in hashes}


class Jury:
    """Validation pixels of a group, and how its experts do on them, judged around the generalist's picture.

    Attributes:
        start_error: (group,) the generalist's mean squared error, noise included.
        count: (group,) how many pixels judge.
    """

    def __init__(
        self, start: Experts, validation: Pixels, group: list[int], most: int, generator: torch.Generator
    ) -> None:
        counts = [min(validation.count(h), most) for h in group]
        index = torch.zeros(len(group), max(counts), dtype=torch.int64)
        for row, (tile_hash, count) in enumerate(zip(group, counts, strict=True)):
            own = validation.of_hash(tile_hash)
            index[row, :count] = own[torch.randperm(len(own), generator=generator)[:count]]
        present = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
        self._people = int(validation.person.max()) + 1
        with torch.no_grad():
            self._judge = Judge(validation, index, lambda features, scale: start(features) * scale, present)
        self._start = self._draw(start)
        self.count = self._judge.count
        self.start_error = self._judge.noisy(self._start)

    def clean(self, experts: Experts) -> Tensor:
        """Estimate the mean squared error against the truth over all pixels of the group."""
        return (self._judge.clean(self._draw(experts)) * self.count).sum() / self.count.sum()

    def promise(self, experts: Experts) -> float:
        """How much of the generalist's error goes away, on average, if all go as far as is best for the whole group.

        It is the depth of a parabola, see `reach`; an expert that training broke counts for nothing.
        """
        mean_error = (self.start_error * self.count).clamp_min(1e-12).cpu()
        toward, length = (sums.sum(dim=1) / mean_error for sums in self.evidence(experts))
        usable = toward.isfinite() & length.isfinite()
        along, across = float(toward[usable].sum()), float(length[usable].sum())
        return along**2 / (across * len(toward)) if along > 0.0 else 0.0

    def evidence(self, experts: Experts) -> tuple[Tensor, Tensor]:
        """See `Judge.evidence`; the way leads from the generalist to the experts."""
        return self._judge.evidence(self._start, self._draw(experts), self._people)

    def _draw(self, experts: Experts) -> Tensor:
        with torch.no_grad():
            drawn: Tensor = experts(self._judge.features) * self._judge.scale
        return drawn


def set_rate(optimizer: torch.optim.Optimizer, first: float, done: float) -> None:
    """Set the learning rate of a cosine schedule from `first` to a hundredth of it, at `done` (0..1)."""
    optimizer.param_groups[0]["lr"] = first * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimizer down the gradient of `loss`."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def decibel(error: Tensor) -> float:
    """Decibels of a mean squared error in display units; NaN if it is not finite."""
    value = float(error)
    return -10.0 * math.log10(max(value, 1e-10)) if math.isfinite(value) else math.nan
