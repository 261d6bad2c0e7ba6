"""Training from end to end on a sphere with known skin: it learns, resumes, repeats itself, and refuses bad input."""

import errno
import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

from app.commands.train import train as command
from app.errors import BungyoError, InputError
from app.network.schema import channels, unpack
from app.network.twin import forward
from app.network.weights import WeightSet
from app.training import experts as experts_module
from app.training import learning_curve as learning_module
from app.training import metrics as metrics_module
from app.training import run as run_module
from app.training import train as train_module
from app.training.checkpoint import FILE_NAME, Checkpoint
from app.training.dataset import Dataset
from app.training.evaluate import evaluate
from app.training.experts import ExpertOptions
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.judge import Judge
from app.training.manifest import BLOCK
from app.training.metrics import psnr, squared_error
from app.training.model import Generalist, beginning
from app.training.origin import same_training
from app.training.pixels import load_pixels
from app.training.ray_experts import RayExperts
from app.training.train import Result, choose_device, train
from app.training.train_options import RATE, STARTED_RATE, TrainOptions
from app.weight_sets import DEFAULT_WEIGHTS
from tests.training.sphere_source import SphereSource, skin

QUICK = TrainOptions(
    layers=(32, 16, 16, 15),
    threads=1,
    steps=600,
    batch=1024,
    experts=ExpertOptions(steps=100, batch=256, rate=4e-3, group=8, min_pixels=1500, judge_pixels=2048, checks=4),
    teachers=(),
)
# Just enough of everything to be interrupted in the middle.
TINY = TrainOptions(
    layers=(32, 8, 15),
    threads=1,
    steps=60,
    batch=256,
    experts=ExpertOptions(
        steps=20, batch=64, rate=1e-2, group=4, min_people=4, min_pixels=1200, judge_pixels=256, checks=4
    ),
    teachers=(12, 10),
)
QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CHUNK", 20)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib takes longer than a short training; `trained` comes before, with its plots."""
    for name in ("plot_curves", "plot_uv"):
        monkeypatch.setattr(train_module, name, lambda path, what: path.touch())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("data") / "set"
    generate(Here(SphereSource(noise=0.7)), path, Plan(4, 1, (96, 96), 0.6), 240)
    return Dataset(path)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Half of the people: enough for TINY."""
    path = tmp_path_factory.mktemp("few") / "set"
    generate(Here(SphereSource(noise=0.7)), path, Plan(4, 1, (96, 96), 0.6), 120)
    return Dataset(path)


@pytest.fixture(scope="module")
def trained(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    out = tmp_path_factory.mktemp("weights")
    return train(data, out, QUICK, console=QUIET), out


@pytest.fixture(scope="module")
def tiny(few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_module, "CHUNK", 20)
        assert train(few, out, TINY, console=QUIET).experts > 3
    return out


def test_networks_beat_shading_and_experts_beat_the_generalist(trained: tuple[Result, Path], data: Dataset) -> None:
    result, out = trained
    assert result.evaluation is not None and result.experts > 5 and not result.interrupted
    scores = result.evaluation.scores
    assert scores["generalist"].mean > scores["plain"].mean + 1.0
    assert scores["experts"].mean > scores["generalist"].mean + 0.01  # 0.02 to 0.05, by seed
    assert scores["experts"].mean < scores["noise"].mean + 0.5  # better than the noise allows would be cheating
    assert (out / "curves.png").stat().st_size > 1000 and (out / "uv.png").stat().st_size > 1000
    assert not (out / FILE_NAME).exists()


def test_noise_averages_out(trained: tuple[Result, Path], data: Dataset) -> None:
    """Judged by the noiseless truth, the network is far better than the targets it learned from."""
    weights = WeightSet.load(trained[1])
    errors: dict[str, list[Any]] = {"train": [], "held-out": []}
    for split, found in errors.items():
        for tile_hash in data.hashes:
            tiles = data.tiles(tile_hash, split)
            mask = tiles["mask"].astype(bool)
            features, scale = unpack(tiles["features"])[mask], tiles["light_scale"][mask]
            exposure = np.array([data.frames[int(i)].exposure_ev for i in tiles["frame"]], np.float32)
            exposure = np.repeat(exposure, mask.sum(axis=1))[:, None]
            truth = skin(features, scale)
            guess = forward(weights, features, scale, tile_hash).astype(np.float32)
            shown = guess if split == "held-out" else tiles["target"][mask]
            found.append(squared_error(shown, truth, exposure))
    db = {split: psnr(float(np.concatenate(found).mean())) for split, found in errors.items()}
    assert db["held-out"] > db["train"] + 3.0


def test_heavy_noise_makes_nothing_darker(tmp_path: Path) -> None:
    """Trained on exponentially distributed targets, a network is on average as bright as one trained on the truth."""
    options = replace(QUICK, steps=600, experts=replace(QUICK.experts, steps=0))
    brightness = []
    for noise in (0.0, 2.0):
        path = tmp_path / f"noise {noise}"
        generate(Here(SphereSource(noise)), path, Plan(4, 0, (128, 128), 0.6), 32)
        train(Dataset(path), path / "weights", options, console=QUIET)
        pixels, weights = load_pixels(Dataset(path), "train"), WeightSet.load(path / "weights")
        brightness.append(forward(weights, pixels.features[::7].numpy(), pixels.scale[::7].numpy(), 0).sum(axis=0))
    np.testing.assert_allclose(brightness[1] / brightness[0], 1.0, atol=0.05)


def test_units_that_died_are_left_out_of_all_networks(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of the first hidden layer's are dead from the start."""

    def crippled(*args: Any) -> Generalist:
        net = beginning(*args)
        with torch.no_grad():
            net.linear[0].bias[[2, 5, 7]] = -1e3
        return net

    monkeypatch.setattr(run_module, "beginning", crippled)
    said = Console(file=io.StringIO(), width=200)
    assert train(few, tmp_path, TINY, console=said).experts > 3
    assert isinstance(said.file, io.StringIO)
    assert "Generalist: units that never fire are left out, 32-" in said.file.getvalue()
    weights, values = WeightSet.load(tmp_path), load_pixels(few, "train").features.numpy().astype(np.float32)
    assert weights.layers[1] <= TINY.layers[1] - 3
    for weight, bias in weights.matrices(0)[:-1]:
        values = np.maximum(values @ weight.T + bias, 0.0)
        assert (values > 0.0).any(axis=0).all()


def test_the_file_says_how_it_was_trained(trained: tuple[Result, Path], data: Dataset) -> None:
    result, out = trained
    weights = WeightSet.load(out)
    assert result.weights == out / "experts.safetensors" and weights.experts == result.experts > 0
    assert weights.metadata["options"]["layers"] == [32, 16, 16, 15]
    assert weights.metadata["unfinished"] is False
    own = [int(tile_hash, 16) for tile_hash in weights.metadata["validation_gain_db"]]
    assert weights.table[own].tolist() == list(range(1, 1 + weights.experts))
    assert len(weights.hashes) == weights.experts + weights.metadata["lent"]["hashes"] > weights.experts
    assert np.mean(list(weights.metadata["validation_gain_db"].values())) > 0
    reaches = weights.metadata["reach"]
    assert set(reaches) == set(weights.metadata["validation_gain_db"]) and 0 < min(reaches.values()) < 1
    said = weights.metadata["data"]
    assert said["people"] == len({i // BLOCK for i, frame in data.frames.items() if frame.split == "train"})
    assert said["hashes_with_enough"] >= result.experts and said["lightings_a_hash"]["median"] > 4
    assert "uv_layout" not in weights.metadata  # of spheres nobody said
    again = evaluate(weights, data)
    assert again.summary() == weights.metadata["held_out"]
    counts = load_pixels(data, "train")
    assert all(counts.count(h) >= QUICK.experts.min_pixels for h in own)


def slots(path: Path) -> bytes:
    weights = WeightSet.load(path)
    return weights.slots.tobytes() + weights.table.tobytes()


def test_same_seed_same_weights(tiny: Path, few: Dataset, tmp_path: Path) -> None:
    train(few, tmp_path / "same", replace(TINY, threads=3), console=QUIET)
    assert slots(tmp_path / "same") == slots(tiny)
    other = replace(TINY, seed=1, experts=replace(TINY.experts, steps=0))
    train(few, tmp_path / "other", other, console=QUIET)
    assert len(WeightSet.load(tmp_path / "other").hashes) == 0  # no experts: everything is slot 0
    assert slots(tmp_path / "other") != slots(tiny)


def test_no_teachers_where_nobody_learns_from_them(
    tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without experts, or where no hash has enough data for one; a run without either goes on with teachers named."""
    trained: list[list[str]] = []  # names of all curves, run by run

    def note(path: Path, curves: dict[str, Any]) -> None:
        trained.append(list(curves))
        path.touch()

    monkeypatch.setattr(train_module, "plot_curves", note)
    alone = replace(TINY, experts=replace(TINY.experts, steps=0))
    with monkeypatch.context() as patched:
        interrupt_at(30, patched, run_module)
        train(few, tmp_path, replace(alone, teachers=()), console=QUIET)
    for options, fresh in ((alone, False), (replace(TINY, experts=replace(TINY.experts, min_pixels=10**9)), True)):
        assert train(few, tmp_path, options, fresh=fresh, console=QUIET).experts == 0
        assert trained[-1] == ["generalist, 8"]
        np.testing.assert_array_equal(WeightSet.load(tmp_path).slots[0], WeightSet.load(tiny).slots[0])
    assert train(few, tmp_path, TINY, fresh=True, console=QUIET).experts > 3
    assert "generalist, 12 (teacher 1)" in trained[-1]


def test_the_best_state_is_found_below_the_noise(
    tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where noise makes all estimated errors negative the same state is kept as where it does not."""
    monkeypatch.setattr(Judge, "clean", lambda self, radiance: Judge.noisy(self, radiance) - 1.0)
    train(few, tmp_path, replace(TINY, experts=replace(TINY.experts, steps=0)), console=QUIET)
    np.testing.assert_array_equal(WeightSet.load(tmp_path).slots[0], WeightSet.load(tiny).slots[0])


def interrupt_at(
    call: int, monkeypatch: pytest.MonkeyPatch, module: object, how: type[BaseException] = KeyboardInterrupt
) -> None:
    """Make the optimiser step number `call` of a stage behave like Ctrl-C."""
    real, calls = experts_module.descend, iter(range(10**9))

    def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        if next(calls) == call:
            raise how
        real(optimizer, loss)

    monkeypatch.setattr(module, "descend", descend)


@pytest.mark.parametrize(("stage", "call"), [("generalist", 30), ("experts", 90)])
def test_ctrl_c_keeps_the_best_and_the_next_run_goes_on(
    tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, call: int
) -> None:
    with monkeypatch.context() as patched:
        interrupt_at(call, patched, run_module if stage == "generalist" else experts_module)
        result = train(few, tmp_path, replace(TINY, threads=2), console=QUIET)
    assert result.interrupted and result.evaluation is None
    early = WeightSet.load(tmp_path)
    assert early.metadata["unfinished"] is True
    assert (len(early.hashes) > 0) == (stage == "experts")
    assert (tmp_path / FILE_NAME).exists()
    with pytest.raises(InputError, match="interrupted training run with other options or data"):
        train(few, tmp_path, replace(TINY, seed=9), console=QUIET)
    result = train(few, tmp_path, TINY, console=QUIET)
    assert not result.interrupted and not (tmp_path / FILE_NAME).exists()
    assert slots(tmp_path) == slots(tiny)  # as if it had never been interrupted


def test_a_folder_belongs_to_one_training(few: Dataset, tmp_path: Path) -> None:
    for fresh in (False, True):
        with Checkpoint.open(tmp_path, {}, False), pytest.raises(InputError, match="Another training writes"):
            train(few, tmp_path, TINY, fresh=fresh, console=QUIET)
    (tmp_path / FILE_NAME).write_bytes(b"damaged")
    for _ in range(2):  # what is refused lets go
        with pytest.raises(InputError, match="cannot be read"):
            Checkpoint.open(tmp_path, {}, False)
    Checkpoint.open(tmp_path, {}, True).close()


def test_a_disk_without_room_for_pictures_costs_no_training(
    tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "curves.png").write_bytes(b"of an earlier training")

    def full(path: Path, what: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for picture, name in (("uv.png", "plot_uv"), ("curves.png", "plot_curves")):
        with monkeypatch.context() as patched, pytest.raises(BungyoError, match=f"{picture}: No space left"):
            patched.setattr(train_module, name, full)
            train(few, tmp_path, TINY, console=QUIET)
        assert (tmp_path / FILE_NAME).exists() and not list(tmp_path.glob(".*"))
    assert (tmp_path / "curves.png").read_bytes() == b"of an earlier training"
    train(few, tmp_path, TINY, console=QUIET)  # only the pictures are left to do
    assert slots(tmp_path) == slots(tiny) and not (tmp_path / FILE_NAME).exists()
    assert (tmp_path / "curves.png").read_bytes() == b""


class Killed(BaseException):
    """Nobody catches it, so nothing is tidied up."""


def test_a_killed_training_goes_on(tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, call in ((run_module, 30), (experts_module, 30)):
        with monkeypatch.context() as patched:
            interrupt_at(call, patched, module, Killed)
            with pytest.raises(Killed):
                train(few, tmp_path, TINY, console=QUIET)
        assert not (tmp_path / "experts.safetensors").exists()
    train(few, tmp_path, TINY, console=QUIET)
    assert slots(tmp_path) == slots(tiny)


def test_another_data_set_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many frames with the same seed, but other samples, or the same with fewer tiles: neither goes on silently."""
    few = BLOCK * 4
    for name, plan in (("set", Plan(4, 1, (64, 64), 0.6)), ("other", Plan(2, 1, (64, 64), 0.6))):
        generate(Here(SphereSource(noise=0.7)), tmp_path / name, plan, few)
    with monkeypatch.context() as patched:
        interrupt_at(30, patched, run_module)
        assert train(Dataset(tmp_path / "set"), tmp_path / "out", TINY, console=QUIET).interrupted
    fewer = Dataset(tmp_path / "set")
    fewer.hashes = fewer.hashes[1:]
    for another in (Dataset(tmp_path / "other"), fewer):
        with pytest.raises(InputError, match="interrupted training run with other options or data"):
            train(another, tmp_path / "out", TINY, console=QUIET)
    moved = (tmp_path / "set").rename(tmp_path / "moved")
    assert not train(Dataset(moved), tmp_path / "out", TINY, console=QUIET).interrupted


def test_ctrl_c_never_costs_finished_weights(
    tiny: Path, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WeightSet.load(tiny).save(tmp_path)
    interrupt_at(30, monkeypatch, run_module)
    assert train(few, tmp_path, TINY, fresh=True, console=QUIET).weights is None
    assert slots(tmp_path) == slots(tiny)
    interrupt_at(3, monkeypatch, run_module)
    assert train(few, tmp_path / "new", TINY, console=QUIET).weights is None
    assert not (tmp_path / "new" / "experts.safetensors").exists()


def test_what_is_trained_beside_the_networks(few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wider generalists and the learning curve: after the networks, which they leave alone, and taken up again."""
    alone = replace(TINY, experts=replace(TINY.experts, steps=8))
    train(few, tmp_path / "alone", alone, console=QUIET)
    layout = [[0.0, 1.0], None]
    monkeypatch.setitem(few.spec.scene, "uv_layout", layout)
    monkeypatch.setattr(learning_module, "HALVINGS", 1)
    more = replace(alone, widths=(12,), learning_curve=True)
    with monkeypatch.context() as patched:
        interrupt_at(220, patched, run_module)  # 60 steps of the first generalist and of its teachers, 40 of the next
        result = train(few, tmp_path / "more", more, console=QUIET)
    assert result.interrupted and result.evaluation is not None and (tmp_path / "more" / FILE_NAME).exists()
    assert slots(tmp_path / "more") == slots(tmp_path / "alone")
    said = io.StringIO()
    result = train(few, tmp_path / "more", more, console=Console(file=said, width=500))
    assert not result.interrupted and not (tmp_path / "more" / FILE_NAME).exists()
    assert slots(tmp_path / "more") == slots(tmp_path / "alone")
    for width in more.widths:
        weights = WeightSet.load(tmp_path / "more" / f"generalist-{width}.safetensors")
        assert weights.layers == (32, width, 15) and len(weights.slots) == 1 and not len(weights.hashes)
        assert weights.metadata["uv_layout"] == layout
    found = json.loads((tmp_path / "more" / "learning_curve.json").read_text())
    assert found["people"] == [5, 11] and found["outlook"] in said.getvalue()
    assert "From 5 to 11 blocks of frames the experts" in found["outlook"] and "people" not in said.getvalue()
    assert "11 blocks of frames; " in said.getvalue() and "lightings: median" in said.getvalue()
    assert WeightSet.load(tmp_path / "more").metadata["uv_layout"] == layout


def test_what_an_earlier_training_left_is_not_taken_for_the_new_ones(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wider generalist says whose it is, a learning curve goes with its networks; the same training keeps both."""
    options = replace(TINY, steps=8, experts=replace(TINY.experts, steps=0))
    more = replace(options, widths=(12,), learning_curve=True)
    monkeypatch.setattr(learning_module, "HALVINGS", 1)
    curve, wide = tmp_path / "learning_curve.json", tmp_path / "generalist-12.safetensors"
    train(few, tmp_path, more, console=QUIET)
    assert curve.exists() and same_training(WeightSet.load(wide).metadata, WeightSet.load(tmp_path).metadata)
    kept = curve.read_bytes()
    train(few, tmp_path, options, fresh=True, console=QUIET)
    assert curve.read_bytes() == kept
    assert same_training(WeightSet.load(wide).metadata, WeightSet.load(tmp_path).metadata)
    noisier = tmp_path / "noisier"  # of as many pixels, tiles and hashes
    generate(Here(SphereSource(noise=0.7)), noisier, Plan(2, 1, (96, 96), 0.6), 120)
    train(Dataset(noisier), tmp_path, options, fresh=True, console=QUIET)
    assert not list(tmp_path.glob("learning_curve.*"))
    before, after = WeightSet.load(wide).metadata, WeightSet.load(tmp_path).metadata
    assert before["data"] == after["data"] and not same_training(before, after)


def test_the_device_is_chosen(few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = ((False, {"auto": "cpu", "cpu": "cpu"}), (True, {"auto": "cuda", "cpu": "cpu", "cuda": "cuda"}))
    for there, wanted in cases:
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert {name: choose_device(name).type for name in wanted} == wanted
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finds no CUDA device"):
        train(few, tmp_path / "out", replace(TINY, device="cuda"), console=QUIET)


def test_the_command_passes_everything_on(tiny: Path, few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    starts: list[WeightSet | None] = []

    def run(data: Dataset, out: Path, options: TrainOptions, **others: Any) -> Result:
        asked.extend([options, others["engine"]])
        starts.append(others["start"])
        return Result(None, None, 0, False)

    monkeypatch.setattr(train_module, "train", run)
    given = "--hidden 24 --experts-train everything --reach 0.5 --neighbor-share 0.1 --generalist-widths 64,128"
    given += " --teachers none"
    more = "--learning-curve --device cpu --seed 3 --steps 7 --expert-steps 8 --engine ray --workers 2"
    where = ["--data", str(few.path), "--out", str(tiny / "none")]
    result = CliRunner().invoke(command, [*where, *given.split(), *more.split()], standalone_mode=False)
    assert result.exception is None
    experts = ExpertOptions("everything", 8, reach=0.5, neighbor_share=0.1)
    assert asked[0] == TrainOptions(
        (32, 24, 15), 3, 2, "cpu", 7, experts=experts, teachers=(), widths=(64, 128), learning_curve=True
    )
    assert isinstance(asked[1], RayExperts)
    CliRunner().invoke(command, where, standalone_mode=False)
    assert asked[2] == TrainOptions() and asked[3] is None
    CliRunner().invoke(command, [*where, "--any-uv"], standalone_mode=False)
    assert asked[4] == TrainOptions(any_uv=True, experts=ExpertOptions(steps=0), teachers=())
    CliRunner().invoke(command, [*where, "--start", "default"], standalone_mode=False)
    assert asked[6] == TrainOptions(start=str(DEFAULT_WEIGHTS)) and asked[6].first_rate == STARTED_RATE < RATE
    assert starts[:3] == [None] * 3 and starts[3] is not None and starts[3].experts > 0
    for wrong in (["--workers", "2"], ["--engine", "ray", "--address", "auto", "--workers", "2"]):
        assert isinstance(CliRunner().invoke(command, [*where, *wrong], standalone_mode=False).exception, InputError)


def test_networks_for_any_uvs(few: Dataset, tmp_path: Path) -> None:
    """They draw the same wherever a pixel says that it lies, and say so; the data set's own layout is not theirs."""
    options = replace(QUICK, any_uv=True, teachers=(), experts=replace(QUICK.experts, steps=0))
    assert train(few, tmp_path, options, console=QUIET).weights is not None
    weights = WeightSet.load(tmp_path)
    assert weights.experts == 0 and weights.metadata["any_uv"] and "uv_layout" not in weights.metadata
    first, _ = weights.matrices(0)[0]
    assert not first[:, channels("uv")].any() and first.any()


def test_training_from_other_networks(few: Dataset, tmp_path: Path) -> None:
    """It begins where they ended, needs them to be the same when it goes on, and says where it began."""
    whole = replace(QUICK, experts=replace(QUICK.experts, steps=0))
    train(few, tmp_path / "first", whole, console=QUIET)
    started = replace(whole, start=str(tmp_path / "first"), steps=0)
    train(few, tmp_path / "same", started, console=QUIET)
    first, same = (WeightSet.load(tmp_path / name) for name in ("first", "same"))
    assert same.metadata["options"]["start"] == "first"
    features = torch.rand(200, 32).numpy()
    drawn = [forward(weights, features, np.ones(200), 0) for weights in (first, same)]
    np.testing.assert_allclose(drawn[1], drawn[0], atol=1e-4, rtol=1e-3)

    gone = replace(started, start=str(tmp_path / "gone" / "first"))  # what has been loaded is not read again
    train(few, tmp_path / "loaded", gone, start=first, console=QUIET)
    assert WeightSet.load(tmp_path / "loaded").slots.tobytes() == same.slots.tobytes()

    started = replace(started, steps=whole.steps)
    with pytest.MonkeyPatch.context() as patched:
        interrupt_at(30, patched, run_module)
        assert train(few, tmp_path / "same", started, fresh=True, console=QUIET).interrupted
    WeightSet.untrained(first.layers).save(tmp_path / "first")
    with pytest.raises(InputError, match="interrupted training run with other options or data"):
        train(few, tmp_path / "same", started, console=QUIET)
    with pytest.raises(InputError, match="There is no weight file"):
        train(few, tmp_path / "new", replace(started, start=str(tmp_path / "none")), console=QUIET)
    with pytest.raises(InputError, match="Networks of 32-8-8-15 have no room for one of"):
        train(few, tmp_path / "new", replace(started, widths=(8,)), console=QUIET)  # not only after the first ones
    assert not (tmp_path / "new").exists()


def test_a_damaged_checkpoint_is_named(few: Dataset, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match=r"unfinished\.pt cannot be read") as caught:
        train(few, tmp_path, QUICK, console=QUIET)
    assert "--fresh" in caught.value.hint
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (replace(QUICK, layers=(16, 16, 15)), "The network leads from 16 to 15 channels"),
        (replace(QUICK, batch=0), "needs a batch above 0, not 0"),
        (replace(QUICK, rate=float("nan")), "needs a learning rate above 0, not nan"),
        (replace(QUICK, seed=-1), "needs a seed of 0 or more, not -1"),
        (replace(QUICK, experts=ExpertOptions(group=0)), "needs a experts' group above 0, not 0"),
        (replace(QUICK, experts=ExpertOptions(neighbor_share=1.0)), "at least 0 and below 1"),
        (replace(QUICK, experts=ExpertOptions(reach=1.5)), "at most 1, not 1.5"),
        (replace(QUICK, experts=ExpertOptions(trains="nothing")), "out of last-layer, everything, not 'nothing'"),
        (replace(QUICK, any_uv=True), "any UVs have neither experts nor teachers"),
        (replace(QUICK, widths=(64, 2000)), r"hidden widths \[2000, 2000\], but 1 to 1024 are possible"),
    ],
)
def test_bad_options_are_named(few: Dataset, tmp_path: Path, options: TrainOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(few, tmp_path / "out", options, console=QUIET)
    assert not (tmp_path / "out").exists()


def test_too_little_data_is_said(tmp_path: Path) -> None:
    """Before anything is trained, and with the number of frames that is enough."""
    for frames, missing in ((3, "validation"), (24, "held-out")):
        generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(64, 64)), frames)
        with pytest.raises(InputError, match=f"has no {missing} pixels") as caught:
            train(Dataset(tmp_path / "set"), tmp_path / "out", QUICK, console=QUIET)
        assert "25 frames or more" in caught.value.hint and not (tmp_path / "out").exists()
    generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(64, 64)), 25)
    train(Dataset(tmp_path / "set"), tmp_path / "out", replace(TINY, steps=2), console=QUIET)
    generate(Here(SphereSource()), tmp_path / "judge", Plan(1, size=(64, 64), held_out=True), 1)
    with pytest.raises(InputError, match="has no training pixels") as caught:
        train(Dataset(tmp_path / "judge"), tmp_path / "out", QUICK, console=QUIET)
    assert "--held-out" in caught.value.hint
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="The weights cannot go to"):
        train(Dataset(tmp_path / "set"), tmp_path / "file", QUICK, console=QUIET)


def test_scores_that_noise_hides_cost_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(64, 64)), 25)
    data, said = Dataset(tmp_path / "set"), io.StringIO()
    monkeypatch.setattr(metrics_module, "CLEAN_NOISE", float("nan"))  # no held-out pixel is judged
    result = train(data, tmp_path / "out", replace(TINY, steps=2), console=Console(file=said, width=500))
    assert result.evaluation is None and not result.interrupted and "Not scored: The held-out" in said.getvalue()
    assert WeightSet.load(tmp_path / "out").metadata["unfinished"] is False
    assert not (tmp_path / "out" / FILE_NAME).exists()


def test_divergence_is_said(few: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BungyoError, match="Training diverged after"):
        train(few, tmp_path, replace(TINY, rate=1e30), console=QUIET)
    assert not (tmp_path / "experts.safetensors").exists()
