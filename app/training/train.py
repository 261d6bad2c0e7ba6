"""Training, start to end: one generalist for all tiles, then an expert for every hash, fine-tuned from it.

    load -> generalist (all pixels) -> experts (each its own folder + some of its neighbours') -> score ->
    write

Targets are noisy but unbiased, so the loss must be least squares in linear radiance: only then does the noise
average out (Lehtinen et al. 2018, "Noise2Noise", sec. 2). What a pixel's error weighs may depend on anything
but its own noisy target. It is weighed by the slope of tone map and sRGB curve at the network's own
prediction, taken as a constant (as in the relative loss of Mueller et al. 2021, "Real-time Neural Radiance
Caching", sec. 3), so that the loss measures what the display shows.

An expert trained from nothing on its own folder loses to the generalist; fine-tuned from it, it wins. It is
kept only where it beats the generalist on validation frames, and every other hash stays on slot 0.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import SafetensorError

from app.errors import BungyoError, InputError
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet, check_layers
from app.training.checkpoint import Checkpoint
from app.training.dataset import Dataset
from app.training.evaluate import Evaluation, evaluate
from app.training.experts import ExpertOptions, decibel, descend, group_hashes, set_rate, train_group
from app.training.loss import validation_error, weighted_error
from app.training.model import Generalist, Scales
from app.training.pixels import Pixels, load_pixels
from app.training.plots import plot_curves, plot_uv

CHUNK = 250  # generalist steps between two checkpoints, one or two seconds
SCALE_PIXELS = 100_000  # on which the input's scales are measured
JUDGE_PIXELS = 50_000  # on which the generalist is watched


@dataclass(frozen=True)
class Options:
    """How to train. The defaults suit 2-4 million pixels in some 500 hashes: ten minutes on two cores.

    Attributes:
        layers: widths from input to output.
        seed: of all random choices.
        threads: torch's; the order of summation, hence the last bits, depend on it.
        steps, batch, rate: the generalist's Adam steps, pixels a step and first learning rate (cosine).
        experts: how the experts are trained; with 0 steps there are none.
    """

    layers: tuple[int, ...] = (32, 32, 32, 3)
    seed: int = 0
    threads: int = 2
    steps: int = 20_000
    batch: int = 8192
    rate: float = 4e-3
    experts: ExpertOptions = field(default_factory=ExpertOptions)

    def check(self) -> None:
        """Raise InputError if a value is out of range."""
        if fault := check_layers(self.layers):
            raise InputError(f"The network {fault}.")
        experts = asdict(self.experts)
        positive = {"threads": self.threads, "batch": self.batch, "learning rate": self.rate}
        names = ("batch", "rate", "group", "min_pixels", "judge_pixels", "checks")
        for name, value in (positive | {f"experts' {name}": experts[name] for name in names}).items():
            if not 0 < value < math.inf:
                raise InputError(f"Training needs a {name} above 0, not {value}.")
        for name, value in (
            ("seed", self.seed),
            ("number of steps", min(self.steps, self.experts.steps)),
            ("number of neighbours", self.experts.neighbors),
        ):
            if value < 0:
                raise InputError(f"Training needs a {name} of 0 or more, not {value}.")
        if not 0.0 < self.experts.reach <= 1.0:
            raise InputError(f"The experts' reach must be above 0 and at most 1, not {self.experts.reach}.")
        if not 0.0 <= self.experts.neighbor_share < 1.0:
            share = self.experts.neighbor_share
            raise InputError(f"The neighbours' share must be at least 0 and below 1, not {share}.")


@dataclass(frozen=True)
class Result:
    """What training left behind.

    Attributes:
        weights: the file written; None if training was interrupted too early, or where a finished file is.
        evaluation: its held-out scores; None if training was interrupted.
        experts: how many hashes have an expert of their own.
        interrupted: Ctrl-C came; the same command goes on from here.
    """

    weights: Path | None
    evaluation: Evaluation | None
    experts: int
    interrupted: bool


@dataclass
class _Run:
    """What the stages of a run share."""

    options: Options
    train: Pixels
    judge: Pixels
    state: Checkpoint
    progress: Progress

    def generator(self, *stage: int) -> torch.Generator:
        """A generator of its own for every stage, so that a resumed run draws what an unbroken one would."""
        seed = np.random.SeedSequence(entropy=self.options.seed, spawn_key=stage).generate_state(1)[0]
        return torch.Generator().manual_seed(int(seed))


def train(
    data: Dataset,
    out: str | Path,
    options: Options | None = None,
    *,
    fresh: bool = False,
    console: Console | None = None,
) -> Result:
    """Train on a data set; write OUT/experts.safetensors and, beside it, pictures of the training.

    Args:
        data: the data set.
        out: the folder of the weights.
        options: how to train.
        fresh: forget an interrupted run in `out`; otherwise training goes on with it.
        console: where progress and scores go; standard error by default.

    Raises:
        InputError: an option is out of range, the data set has too little to train or judge with, or `out`
            holds an interrupted run with other options or data.
        BungyoError: training diverged, or `out` cannot be written.
    """
    options, out, console = options or Options(), Path(out), console or Console(stderr=True)
    options.check()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    identity = {"options": _plain(options), "frames": len(data.frames), "seed": data.spec.seed}
    state = Checkpoint.open(out, identity, fresh)
    with _progress(console) as progress:
        train_pixels, judge_pixels = (_load(progress, data, split) for split in ("train", "validation"))
        for pixels, name in ((train_pixels, "training"), (judge_pixels, "validation")):
            if not len(pixels):
                hint = "It needs at least ten frames that show a face."
                raise InputError(f"The data set {data.path} has no {name} pixels.", hint)
        if train_pixels.kept < 1.0:
            console.print(f"{train_pixels.kept:.0%} of the pixels fit into memory; the rest is left out at random.")
        run = _Run(options, train_pixels, judge_pixels, state, progress)
        generalist = _new_generalist(run)
        interrupted = False
        try:
            _train_generalist(run, generalist)
            _train_experts(run, generalist)
        except KeyboardInterrupt:
            interrupted = True
        weights = _weight_set(run, generalist, interrupted)
        # Ctrl-C in the first seconds, or over a finished run, must not cost the networks that are there.
        file = None if interrupted and (not state.step or _is_finished(out)) else _write(out, weights)
        evaluation = None
        if not interrupted:
            with _task(progress, "Scoring", len(data.hashes)) as task:
                evaluation = evaluate(weights, data, progress=lambda done, _: progress.update(task, completed=done))
            _write(out, replace(weights, metadata={**weights.metadata, "held_out": evaluation.summary()}))
    plot_curves(out / "curves.png", state.curves)
    if evaluation:
        plot_uv(out / "uv.png", evaluation)
        state.remove()
        for name, score in evaluation.scores.items():
            clean = f", against the truth {evaluation.clean[name]}" if name in evaluation.clean else ""
            console.print(f"{name:>10}  {score}{clean}", highlight=False)
    return Result(file, evaluation, len(weights.hashes), interrupted)


def _plain(options: Options) -> dict[str, Any]:
    return {**asdict(options), "layers": list(options.layers)}


def _progress(console: Console) -> Progress:
    share = TextColumn("{task.percentage:3.0f}%  {task.fields[note]}")
    columns = (TextColumn("{task.description:12}"), BarColumn(), share)
    return Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console)


@contextmanager
def _task(progress: Progress, name: str, total: int) -> Iterator[TaskID]:
    task = progress.add_task(name, total=total, note="")
    yield task
    progress.update(task, completed=total)


def _load(progress: Progress, data: Dataset, split: str) -> Pixels:
    with _task(progress, f"Reading {split}", len(data.hashes)) as task:
        return load_pixels(data, split, progress=lambda done, _: progress.update(task, completed=done))


def untrained(layers: Sequence[int], pixels: Pixels, generator: torch.Generator) -> Generalist:
    """A network that knows nothing but the scales of its inputs and outputs, measured on a sample of the data.

    Its weights are drawn from torch's own generator.

    Raises:
        InputError: no light reaches the pixels, so there is nothing to learn.
    """
    index = torch.randint(len(pixels), (SCALE_PIXELS,), generator=generator)
    features, scale, target = pixels.draw(index, generator)
    lit = scale[:, 0] > 0.0  # a pixel that no light reaches says nothing about the size of outputs
    if not lit.any():
        raise InputError("No pixel of the data set is lit, so there is nothing to learn.")
    return Generalist(layers, Scales.measure(features, (target / scale)[lit]))


def _new_generalist(run: _Run) -> Generalist:
    """The generalist: untrained, or as the checkpoint has it."""
    generalist = untrained(run.options.layers, run.train, run.generator(0))
    if run.state.generalist:
        generalist.load_state_dict(run.state.generalist)
    return generalist


def _train_generalist(run: _Run, net: Generalist) -> None:
    options, state = run.options, run.state
    optimizer = torch.optim.Adam(net.parameters(), lr=options.rate, fused=True)
    if state.optimizer:
        optimizer.load_state_dict(state.optimizer)
    index = torch.randint(len(run.judge), (JUDGE_PIXELS,), generator=run.generator(1))
    judged_features, judged_scale, judged_target = run.judge.take(index)
    with _task(run.progress, "Generalist", options.steps) as task:
        while state.step < options.steps:
            generator, last = run.generator(2, state.step), min(state.step + CHUNK, options.steps)
            for step in range(state.step, last):
                set_rate(optimizer, options.rate, step / options.steps)
                index = torch.randint(len(run.train), (options.batch,), generator=generator)
                features, scale, target = run.train.draw(index, generator)
                descend(optimizer, weighted_error(net(features) * scale, target).mean())
            with torch.no_grad():
                prediction = net(judged_features) * judged_scale
                db = decibel(validation_error(prediction, judged_target, prediction).mean())
            if math.isnan(db):
                raise BungyoError(f"Training diverged after {last} steps.", "Try a smaller learning rate.")
            state.curves["generalist"].append((float(last), db))
            state.save(step=last, generalist=net.state_dict(), optimizer=optimizer.state_dict())
            run.progress.update(task, completed=last, note=f"{db:.2f} dB")


def _train_experts(run: _Run, generalist: Generalist) -> None:
    """Train all groups that the checkpoint does not have yet."""
    options, state = run.options.experts, run.state
    groups = group_hashes(run.train, run.judge, options) if options.steps else []
    with _task(run.progress, "Experts", len(groups)) as task:
        for number in range(state.groups, len(groups)):
            generator = run.generator(3, number)
            result = train_group(generalist, run.train, run.judge, groups[number], options, generator)
            state.experts |= result.rows
            state.gains |= result.gains
            if result.interrupted:  # good enough for the weights, but the checkpoint begins this group again
                raise KeyboardInterrupt
            state.curves[f"experts, group {number}"] = result.curve
            state.save(groups=number + 1)
            gain = np.mean(list(state.gains.values())) if state.gains else 0.0
            run.progress.update(task, completed=number + 1, note=f"{len(state.gains)} kept, {gain:+.2f} dB")


def _weight_set(run: _Run, generalist: Generalist, interrupted: bool) -> WeightSet:
    """Slot 0 the generalist, then the experts that were kept, ascending by hash."""
    state = run.state
    hashes = sorted(state.experts)
    table = np.zeros(HASHES, np.uint32)
    table[hashes] = np.arange(1, len(hashes) + 1)
    metadata = {
        "trained": True,
        "unfinished": interrupted,
        "options": _plain(run.options),
        "data": {
            "frames": state.identity["frames"],
            "seed": state.identity["seed"],
            "pixels": len(run.train),
        },
        "validation_gain_db": {f"0x{h:04x}": round(state.gains[h], 3) for h in hashes},
    }
    slots = np.stack([generalist.export(), *(state.experts[h].numpy() for h in hashes)])
    return WeightSet(layers=run.options.layers, slots=slots, table=table, metadata=metadata)


def _is_finished(out: Path) -> bool:
    """Whether `out` has usable weights that are not those of an interrupted run."""
    try:
        return not WeightSet.load(out).metadata.get("unfinished", False)
    except InputError:
        return False


def _write(out: Path, weights: WeightSet) -> Path:
    try:
        return weights.save(out)
    except (OSError, SafetensorError) as error:
        raise BungyoError(f"The weights cannot be written to {out}: {error}.") from error
