"""An expert for every hash: fine-tuned from the generalist, group by group, kept only where it is better."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from app.training.loss import validation_error, weighted_error
from app.training.model import Experts, Generalist
from app.training.pixels import Batch, Pixels


@dataclass(frozen=True)
class ExpertOptions:
    """How experts are trained.

    Attributes:
        steps, batch, rate: Adam steps, pixels a step and first learning rate of every expert.
        group: experts trained side by side.
        neighbor_share: share of an expert's pixels that come from the hashes most like its own, against
            seams.
        neighbors: how many of those.
        reach: how much of the way from the generalist to where training ended an expert goes, 0..1. Less than
            all of it takes more noise than knowledge away, and softens seams.
        min_pixels: a hash with fewer training pixels gets no expert.
        judge_pixels: validation pixels used to judge an expert.
        checks: how often an expert is judged while it trains; its best state is kept.
    """

    steps: int = 1500
    batch: int = 512
    rate: float = 1e-3
    group: int = 16
    neighbor_share: float = 0.4
    neighbors: int = 8
    reach: float = 0.75
    min_pixels: int = 1024
    judge_pixels: int = 4096
    checks: int = 15


@dataclass(frozen=True)
class GroupResult:
    """What became of one group.

    Attributes:
        rows: by hash the row of `WeightSet.slots`, for those experts that beat the generalist.
        gains: by hash by how many dB they do, on validation pixels.
        curve: (step, mean validation dB of the group).
        interrupted: Ctrl-C came; rows are the best until then.
    """

    rows: dict[int, Tensor]
    gains: dict[int, float]
    curve: list[tuple[float, float]]
    interrupted: bool


def group_hashes(train: Pixels, judge: Pixels, options: ExpertOptions) -> list[list[int]]:
    """The hashes with enough pixels to train and any to judge, in groups of `options.group`."""
    hashes = [h for h in train.runs if train.count(h) >= options.min_pixels and judge.count(h) > 0]
    # Hashes with equally many validation pixels together need the least padding.
    hashes.sort(key=lambda h: (judge.count(h), h))
    return [hashes[i : i + options.group] for i in range(0, len(hashes), options.group)]


def train_group(
    generalist: Generalist,
    train: Pixels,
    judge: Pixels,
    group: list[int],
    options: ExpertOptions,
    generator: torch.Generator,
) -> GroupResult:
    """Fine-tune one group of experts.

    Args:
        generalist: where all of them start, and what they have to beat.
        train, judge: training and validation pixels.
        group: the hashes.
        options: how.
        generator: of all random choices.
    """
    experts = Experts(generalist, len(group))
    start = experts.snapshot()
    optimizer = torch.optim.Adam(experts.parameters(), lr=options.rate, fused=True)
    sampler = Sampler(train, group, options, generator)
    jury = Jury(experts, judge, group, options.judge_pixels, generator)
    best, snapshot = jury.start.clone(), experts.snapshot()
    curve = [(0.0, decibel(jury.start.mean()))]
    interval = max(1, options.steps // options.checks)
    interrupted = False
    try:
        for step in range(1, options.steps + 1):
            set_rate(optimizer, options.rate, (step - 1) / options.steps)
            features, scale, target = train.draw(sampler.draw(), generator)
            loss = weighted_error(experts(features) * scale, target).mean(dim=(1, 2)).sum()
            descend(optimizer, loss)
            if step % interval == 0 or step == options.steps:
                error = jury(experts)
                better = error < best  # false for NaN: an expert that diverged is never the best
                best = torch.where(better, error, best)
                for kept, now in zip(snapshot, experts.snapshot(), strict=True):
                    kept[better] = now[better]
                curve.append((float(step), decibel(error.mean())))
    except KeyboardInterrupt:
        interrupted = True
    reached = [first + options.reach * (kept - first) for first, kept in zip(start, snapshot, strict=True)]
    experts.restore(reached)
    best = jury(experts)
    rows = torch.from_numpy(experts.export(reached))
    won = [i for i in range(len(group)) if best[i] < jury.start[i]]
    gains = {group[i]: 10.0 * math.log10(float(jury.start[i] / best[i])) for i in won}
    return GroupResult({group[i]: rows[i].clone() for i in won}, gains, curve, interrupted)


class Sampler:
    """Draws training pixels for a group: most from each hash's own run, some from its neighbours' runs."""

    def __init__(self, pixels: Pixels, group: list[int], options: ExpertOptions, generator: torch.Generator) -> None:
        self._generator = generator
        foreign = round(options.batch * options.neighbor_share) if options.neighbors else 0
        self._sizes = (options.batch - foreign, foreign)
        present = [h for h in pixels.runs if pixels.count(h)]
        own = [[pixels.runs[h]] for h in group]
        near = [[pixels.runs[n] for n in neighbors(h, present, options.neighbors)] for h in group]
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


def neighbors(tile_hash: int, hashes: list[int], count: int) -> list[int]:
    """The `count` hashes that share most bins with `tile_hash` (common bits / all bits), itself excluded."""

    def likeness(other: int) -> float:
        return (other & tile_hash).bit_count() / (other | tile_hash).bit_count()

    return sorted((h for h in hashes if h != tile_hash), key=lambda h: (-likeness(h), h))[:count]


class Jury:
    """Validation pixels of a group, and how its experts do on them.

    The error is always weighed at the generalist's prediction: were it weighed at the expert's own, the noise
    in the targets would count differently at every check.
    """

    def __init__(self, start: Experts, judge: Pixels, group: list[int], most: int, generator: torch.Generator) -> None:
        counts = [min(judge.count(h), most) for h in group]
        index = torch.zeros(len(group), max(counts), dtype=torch.int64)
        for row, (tile_hash, count) in enumerate(zip(group, counts, strict=True)):
            first, stop = judge.runs[tile_hash]
            index[row, :count] = first + torch.randperm(stop - first, generator=generator)[:count]
        self._present = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
        self._batch: Batch = judge.take(index)
        with torch.no_grad():
            self._reference = start(self._batch[0]) * self._batch[1]
        self.start = self(start)

    def __call__(self, experts: Experts) -> Tensor:
        """Mean error of every expert (group,)."""
        features, scale, target = self._batch
        with torch.no_grad():
            error = validation_error(experts(features) * scale, target, self._reference).mean(dim=-1)
        return (error * self._present).sum(dim=1) / self._present.sum(dim=1)


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
