"""Training, start to end: one generalist for all tiles, then an expert for every hash, fine-tuned from it.

    load -> generalist (all pixels) -> wider ones, the teachers -> experts (what these draw of the own folder + of some
    neighbours') -> lending -> score -> write -> on demand: wider generalists to compare with, a learning curve

Targets are noisy but unbiased, so the loss must be least squares in linear radiance: only then does the noise
average out (Lehtinen et al. 2018, "Noise2Noise", sec. 2). What a pixel's error weighs may depend on anything
but its own noisy target. It is weighed by the slope of tone map and sRGB curve at the network's own
prediction, taken as a constant (as in the relative loss of Mueller et al. 2021, "Real-time Neural Radiance
Caching", sec. 3), so that the loss measures what the display shows, and by how quiet the pixels around are.

An expert trained from nothing on its own folder loses to the generalist; fine-tuned from it, it wins. A hash whose
expert would not, on validation people, borrows that of a hash like it, or stays on slot 0.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors import SafetensorError

from app.errors import BungyoError, InputError
from app.files import beside
from app.network.tile_hash import HASHES
from app.network.weights import FILE_NAME, WeightSet
from app.training.checkpoint import Checkpoint
from app.training.coverage import Coverage, coverage
from app.training.dataset import Dataset
from app.training.differences import differences
from app.training.display import Display
from app.training.evaluate import Evaluation, evaluate
from app.training.experts import ExpertEngine, Finished, Here
from app.training.judge import judge_networks
from app.training.learning_curve import FILES as LEARNING_CURVE
from app.training.learning_curve import Point, outlook, sizes, write_learning_curve
from app.training.lending import lend
from app.training.manifest import BLOCK, SPLIT_PERIOD, SPLITS, split_of
from app.training.model import Generalist, check_room
from app.training.origin import BESIDE, deciding, origin, run_of, same_training
from app.training.pixels import Pixels, load_pixels
from app.training.plots import plot_curves, plot_uv
from app.training.run import MAIN, Run
from app.training.train_options import TrainOptions

CURVE_SHARE = 4  # a point of the learning curve gets this part of the steps
CURVE_PIXELS = 2048  # of a hash, that judge a point
# Until there is a block of every split; the held-out one comes last.
FEWEST_FRAMES = 1 + max(map([split_of(frame) for frame in range(BLOCK * SPLIT_PERIOD)].index, SPLITS))
PURPOSES = {"train": "training", "validation": "validation", "held-out": "held-out"}  # of splits, for sentences


@dataclass(frozen=True)
class Result:
    """What training left behind.

    Attributes:
        weights: the file written; None if training was interrupted too early, or where a finished file is.
        evaluation: its held-out scores; None if training was interrupted before, or the targets are too noisy.
        experts: how many there are.
        interrupted: Ctrl-C came; the same command goes on from here.
        kept: whether an interrupted run has left anything to go on with.
    """

    weights: Path | None
    evaluation: Evaluation | None
    experts: int
    interrupted: bool
    kept: bool = True


def choose_device(name: str) -> torch.device:
    """The device for one of train_options.DEVICES; InputError if it is missing."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("torch finds no CUDA device here.", "Leave --device out, or install a CUDA build of torch.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def train(
    data: Dataset,
    out: str | Path,
    options: TrainOptions | None = None,
    *,
    start: WeightSet | None = None,
    fresh: bool = False,
    console: Console | None = None,
    engine: ExpertEngine | None = None,
) -> Result:
    """Train on a data set; write OUT/experts.safetensors and, beside it, pictures of the training.

    Args:
        data: the data set.
        out: the folder of the weights.
        options: how to train.
        start: the networks that `options.start` names, if they have been loaded.
        fresh: forget an interrupted run in `out`, and replace finished networks there. Otherwise training goes on with
            the run, and finished networks of the same training stay: only what is asked for beside them and lacks is
            trained.
        console: where progress and scores go; standard error by default.
        engine: who trains the experts; by default this process.

    Raises:
        InputError: an option is out of range, the data set has nothing to train, to judge or to score with, or `out`
            holds an interrupted run with other options or data, or finished networks of these.
        BungyoError: training diverged, or `out` cannot be written.
    """
    options, out, console = options or TrainOptions(), Path(out), console or Console(stderr=True)
    options.check()
    if not options.experts.steps:
        options = replace(options, teachers=())  # nobody would learn from them
    device = choose_device(options.device)
    options = replace(options, device=device.type)  # the same training as if it had been named
    # Its own threads wait for each other after every one of a step's hundreds of short operations; ours do not.
    torch.set_num_threads(1)
    if start is None and options.start is not None:
        start = WeightSet.load(options.start)
    if start is not None:
        for layers in options.all_layers:
            check_room(layers, start)
    # What is trained beside the main networks may still be asked for when a run goes on.
    asked = replace(options, **BESIDE).plain()
    identity = {"options": asked, "data": data.identity, "idle units": "left out"}
    if start is not None:
        identity["start's generalist"] = hashlib.sha256(start.slots[0].tobytes()).hexdigest()
    _check_splits(data)  # before there is a folder
    with Checkpoint.open(out, identity, fresh) as state, Display(console) as display:
        # A run that has begun the main networks replaces what is there: it was begun with `fresh`. Of a generalist
        # without steps nothing is kept, so that its experts alone tell.
        begun = MAIN in state.generalists or bool(state.groups.get(MAIN))
        finished = None if fresh or begun else _finished_in(out, identity)
        if finished is not None:
            options = _lacking(out, options, finished)
            alone = not (options.widths or options.learning_curve)
            rest = "--fresh trains them anew." if alone else "only what lacks beside them is trained."
            display.print(f"{out} holds the finished networks of this training: {rest}")
            if alone:
                state.remove()
                return Result(None, None, finished.experts, False)
        train_pixels, validation_pixels = (_load(display, data, split) for split in ("train", "validation"))
        if data.people:
            train_pixels, validation_pixels = train_pixels.with_mirrored(), validation_pixels.with_mirrored()
        unit = "people" if data.people else "blocks of frames"  # of one face
        covered = coverage(train_pixels, options.experts.min_pixels, options.experts.min_people, unit=unit)
        display.print(str(covered))
        if train_pixels.kept < 1.0:
            display.print(f"{train_pixels.kept:.0%} of the pixels fit into memory; the rest is left out at random.")
        metadata = origin(data, options, covered, len(train_pixels), identity)
        who = engine or Here(options.threads)
        run = Run(options, bool(data.people), validation_pixels.to(device), state, display, who, start)
        if finished is None:
            result = _train_main(run, data, out, train_pixels.to(device), metadata)
        else:
            result = Result(None, None, finished.experts, False)
        if not result.interrupted:
            try:
                _train_wider(run, out, train_pixels.to(device), metadata)
                _measure_learning(run, out, train_pixels, covered)
            except KeyboardInterrupt:
                result = replace(result, interrupted=True)
        if result.weights is not None:  # else the curves there are those of other networks, which stay
            with beside(out / "curves.png") as temporary:
                plot_curves(temporary, state.curves)
        if not result.interrupted:
            state.remove()  # last: until everything is on disk, the same command can write it again
        elif not (state.generalists or any(state.groups.values()) or state.learning):
            result = replace(result, kept=False)
    return result


def _check_splits(data: Dataset) -> None:
    """Raise InputError unless there are pixels to train with, to judge by, and to score: before hours of work."""
    for split in SPLITS:
        if data.shows_face(split):
            continue
        hint = f"It takes {FEWEST_FRAMES} frames or more; `bungyo dataset` goes on where it stopped."
        if data.spec.scene.get("held_out"):
            hint = "It was made with --held-out, for scores only."
        elif len(data.frames) >= FEWEST_FRAMES:
            hint = "None of the frames for it shows a face: more frames may."
        raise InputError(f"The data set {data.path} has no {PURPOSES[split]} pixels.", hint)


def _load(display: Display, data: Dataset, split: str) -> Pixels:
    with display.stage(f"Reading {split}", len(data.hashes)) as show:
        return load_pixels(data, split, progress=show)


def _train_main(run: Run, data: Dataset, out: Path, pixels: Pixels, metadata: dict[str, Any]) -> Result:
    """Train, write and score the networks that the run is about."""
    options, state, interrupted = run.options, run.state, False
    try:
        generalist = run.generalist(MAIN, options.layers, pixels, options.steps, curve=True)
        teacher = run.teacher(MAIN, pixels, options.steps, options.experts)
        found = run.experts(MAIN, run.course(generalist, pixels, options.experts, teacher), curve=True)
    except KeyboardInterrupt:
        interrupted = True
        there = _networks_in(out)
        if MAIN not in state.generalists or (there is not None and _is_finished(there)):
            # Ctrl-C in the first seconds, or over a finished run, must not cost the networks that are there.
            return Result(None, None, len(state.groups[MAIN]), True)
        net = run.resumed(MAIN, run.beginning(MAIN, options.layers, pixels))
        generalist = run.without_idle(net, pixels)
        found = run.finished(MAIN, generalist, options.experts)
    gains, reaches = ({f"0x{h:04x}": round(x[h], 3) for h in sorted(x)} for x in (found.gains, found.reaches))
    more = {"unfinished": interrupted, "validation_gain_db": gains, "reach": reaches}
    weights = _weight_set(generalist, found, metadata | more)
    with run.display.stage("Lending", 1):
        weights = lend(weights, run.validation, run.seed(MAIN, "lending"))
    replaced = _networks_in(out)
    if replaced is None or not same_training(replaced.metadata, weights.metadata):
        for name in (*LEARNING_CURVE, "uv.png"):
            (out / name).unlink(missing_ok=True)  # it is about others
    file, evaluation = _write(out / FILE_NAME, weights), None
    if not interrupted:
        try:
            with run.display.stage("Scoring", len(data.hashes)) as show:
                evaluation = evaluate(weights, data, progress=show)
        except InputError as error:  # the targets are too noisy: the networks are none the worse for it
            run.display.print(f"Not scored: {error}")
            return Result(file, None, weights.experts, False)
        except KeyboardInterrupt:  # the same command scores them
            _write(file, replace(weights, metadata={**weights.metadata, "unfinished": True}))
            return Result(file, None, weights.experts, True)
        _write(file, replace(weights, metadata={**weights.metadata, "held_out": evaluation.summary()}))
        with beside(out / "uv.png") as temporary:
            plot_uv(temporary, evaluation)
        for name, score in evaluation.scores.items():
            truth = evaluation.truth(name) if name in evaluation.clean else None
            said = "" if truth is None else f"{truth.mean():.2f} dB against the truth, worst {truth.min():.2f} dB; "
            run.display.print(f"{name:>10}  {said}against noisy targets {score}")
    return Result(file, evaluation, weights.experts, interrupted)


def _train_wider(run: Run, out: Path, pixels: Pixels, metadata: dict[str, Any]) -> None:
    """Train and write generalists of other widths, as long as the first one."""
    for width in run.options.widths:
        name, layers = f"generalist-{width}", run.options.wider(width)
        net = run.generalist(name, layers, pixels, run.options.steps, curve=True)
        _write(out / f"{name}.safetensors", _weight_set(net, Finished({}, {}, {}), metadata))


def _measure_learning(run: Run, out: Path, pixels: Pixels, covered: Coverage) -> None:
    """Train on some of the people, more and more of them, and say what yet more would bring."""
    options, done = run.options, run.state.learning
    if not options.learning_curve:
        return
    reference = WeightSet.load(out)
    experts = replace(options.experts, steps=options.experts.steps // CURVE_SHARE)
    for count in sizes(covered.people):
        if count in done:
            continue
        name = f"{count} {covered.unit}"
        some = pixels.of_people(count).to(run.validation.device)
        if not len(some):  # nobody saw these people's faces
            continue
        generalist = run.generalist(name, options.layers, some, options.steps // CURVE_SHARE)
        teacher = run.teacher(name, some, options.steps // CURVE_SHARE, experts)
        course = run.course(generalist, some, experts, teacher)
        weights = _weight_set(generalist, run.experts(name, course), {})
        done[count] = Point(count, judge_networks(weights, run.validation, reference, CURVE_PIXELS)).plain()
        run.state.forget(name)
        run.state.save()
    points = [Point.parse(done[count]) for count in sorted(done)]
    write_learning_curve(out, points, covered.unit)
    run.display.print(outlook(points, covered.unit))


def _weight_set(generalist: Generalist, found: Finished, metadata: dict[str, Any]) -> WeightSet:
    """Slot 0 the generalist, then the experts, ascending by hash."""
    hashes = sorted(found.rows)
    table = np.zeros(HASHES, np.uint32)
    table[hashes] = np.arange(1, len(hashes) + 1)
    slots = np.stack([generalist.export(), *(found.rows[h] for h in hashes)])
    return WeightSet(layers=generalist.widths, slots=slots, table=table, metadata=metadata)


def _networks_in(path: Path) -> WeightSet | None:
    """The networks in a folder or file; None if there are none that can be used."""
    try:
        return WeightSet.load(path)
    except InputError:
        return None


def _is_finished(weights: WeightSet) -> bool:
    return not weights.metadata.get("unfinished", False)


def _finished_in(out: Path, identity: Mapping[str, Any]) -> WeightSet | None:
    """The finished networks of this run in `out`; None if there are none. InputError if there are others."""
    there = _networks_in(out)
    if there is None or not _is_finished(there):
        return None
    if there.metadata.get("run") == run_of(identity):
        return there
    found = differences(deciding(there.metadata.get("options", {})), deciding(identity["options"]))
    rest = "the data differ" if identity["options"]["start"] is None else "the data, or the networks of --start, differ"
    raise InputError(
        f"{out} holds finished networks of another training: {'; '.join(found) or rest}.",
        "Choose another folder with --out, or give --fresh to replace them.",
    )


def _lacking(out: Path, options: TrainOptions, finished: WeightSet) -> TrainOptions:
    """The options with only what is not yet there of that which is trained beside the networks."""
    wide = {width: _networks_in(out / f"generalist-{width}.safetensors") for width in options.widths}
    widths = [w for w, there in wide.items() if there is None or not same_training(there.metadata, finished.metadata)]
    curve = options.learning_curve and not all((out / name).exists() for name in LEARNING_CURVE)
    return replace(options, widths=tuple(widths), learning_curve=curve)


def _write(path: Path, weights: WeightSet) -> Path:
    try:
        return weights.save(path)
    except (OSError, SafetensorError) as error:
        raise BungyoError(f"The weights cannot be written to {path}: {error}.") from error
