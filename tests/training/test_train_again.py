"""A training that is asked for again, or another one where one is: what goes on, what is refused, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.errors import BungyoError, InputError
from app.main import main
from app.network.weights import WeightSet
from app.training import experts as experts_module
from app.training import learning_curve as learning_module
from app.training import run as run_module
from app.training import train as train_module
from app.training.checkpoint import FILE_NAME
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import GATHERING, GATHERING_VERSION
from app.training.origin import same_training
from app.training.train import Result, train
from app.weight_sets import DEFAULT_WEIGHTS
from tests.training.sphere_source import SphereSource
from tests.training.test_train import QUIET, TINY, interrupt_at

SHORT = replace(TINY, steps=8, experts=replace(TINY.experts, steps=2), teachers=())


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("plot_curves", "plot_uv"):
        monkeypatch.setattr(train_module, name, lambda path, what: path.touch())


def make(path: Path, spp: int = 4, frames: int = 32) -> Dataset:
    generate(Here(SphereSource(noise=0.7)), path, Plan(spp, 1, (64, 64), 0.6), frames)
    return Dataset(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("data") / "set")


def test_another_run_is_told_in_what_it_differs(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "CHUNK", 2)
        interrupt_at(4, patched, run_module)
        assert train(data, out, SHORT, console=QUIET).interrupted
    noisier, larger = make(tmp_path / "noisier", spp=2), make(tmp_path / "larger", frames=40)
    options = replace(SHORT, steps=9, experts=replace(SHORT.experts, steps=3))
    for other, asked, said in (
        (data, options, "steps was 8 and is now 9; experts.steps was 2 and is now 3"),
        (noisier, SHORT, "data.spp was 4 and is now 2"),
        (larger, SHORT, "data.frames was 32 and is now 40; data.tiles differs"),
    ):
        with pytest.raises(InputError, match=f"with other options or data: {said}") as caught:
            train(other, out, asked, console=QUIET)
        assert "Repeat the options and the data it was begun with, or give --fresh" in caught.value.hint
    assert not train(data, out, replace(SHORT, device="cpu"), console=QUIET).interrupted  # what "auto" chose before


def test_the_device_that_was_chosen_is_what_counts(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("auto", "cpu"):
        train(data, tmp_path / name, replace(SHORT, device=name), console=QUIET)
    files = [(tmp_path / name / "experts.safetensors").read_bytes() for name in ("auto", "cpu")]
    assert files[0] == files[1]  # whole files: equal networks say the same of themselves
    metadata = WeightSet.load(tmp_path / "auto").metadata
    assert metadata["options"]["device"] == "cpu" and metadata["data"][GATHERING] == GATHERING_VERSION


def test_divergence_names_options_that_exist(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BungyoError, match="Training diverged after") as caught:
        train(data, tmp_path, replace(SHORT, rate=1e30), console=QUIET)
    assert "--seed" in caught.value.hint and "--start" in caught.value.hint and "rate." in caught.value.hint
    assert not (tmp_path / FILE_NAME).exists()


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and times of the files in a folder, by name."""
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}


def test_finished_networks_are_not_trained_again(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = replace(SHORT, widths=(12,))
    first = train(data, tmp_path, options, console=QUIET)
    before = files(tmp_path)
    for asked in (options, SHORT, replace(options, device="cpu")):
        again = train(data, tmp_path, asked)
        assert again.weights is None is again.evaluation and not again.interrupted and again.experts == first.experts
        assert f"{tmp_path} holds the finished networks of this training: --fresh trains" in capsys.readouterr().err
        assert files(tmp_path) == before
    train(data, tmp_path, options, fresh=True, console=QUIET)
    assert {name: content for name, (content, _) in files(tmp_path).items()} == {
        name: content for name, (content, _) in before.items()
    }
    assert files(tmp_path) != before


def test_finished_networks_of_another_training_are_refused(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(data, out, SHORT, console=QUIET)
    before = files(out)
    other = replace(SHORT, seed=1)
    noisier, difference = make(tmp_path / "noisier", spp=2), "seed was 0 and is now 1"
    for asked, options, said in ((data, other, difference), (noisier, SHORT, "the data differ")):
        with pytest.raises(InputError, match=rf"out holds finished networks of another training: {said}\.") as caught:
            train(asked, out, options, console=QUIET)
        assert "--fresh" in caught.value.hint and caught.value.exit_status == 2
        assert files(out) == before
    started = replace(SHORT, start=str(tmp_path / "first"))
    WeightSet.load(out).save(tmp_path / "first")
    train(data, tmp_path / "second", started, console=QUIET)
    WeightSet.untrained(SHORT.layers).save(tmp_path / "first")
    with pytest.raises(InputError, match=r"another training: the data, or the networks of --start, differ\."):
        train(data, tmp_path / "second", started, console=QUIET)
    WeightSet.load(DEFAULT_WEIGHTS).save(tmp_path / "shipped")  # before files named their runs
    with pytest.raises(InputError, match="shipped holds finished networks"):
        train(data, tmp_path / "shipped", SHORT, console=QUIET)
    train(data, out, other, fresh=True, console=QUIET)
    assert WeightSet.load(out).metadata["options"]["seed"] == 1


def test_a_run_that_replaces_networks_goes_on_without_being_told_again(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has begun; until its own are there, all files of the networks that it replaces stay as they are."""
    train(data, tmp_path, SHORT, console=QUIET)
    before, other = files(tmp_path), replace(SHORT, seed=1)
    for step, kept in ((1, False), (4, True)):
        with monkeypatch.context() as patched:
            patched.setattr(run_module, "CHUNK", 2)
            interrupt_at(step, patched, run_module)
            result = train(data, tmp_path, other, fresh=True, console=QUIET)
        assert result.weights is None and result.interrupted and result.kept == kept
        after = files(tmp_path)
        assert (after.pop(FILE_NAME, None) is not None) == kept and after == before
    assert train(data, tmp_path, other, console=QUIET).weights is not None
    assert WeightSet.load(tmp_path).metadata["options"]["seed"] == 1 and not (tmp_path / FILE_NAME).exists()


def test_experts_of_a_generalist_without_steps_are_not_forgotten(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor taken for those of the finished networks that they are to replace."""
    experts = replace(SHORT.experts, group=1, min_people=1, min_pixels=200)
    options = replace(SHORT, steps=0, experts=experts)
    assert train(data, tmp_path, options, console=QUIET).experts > 2
    before = (tmp_path / "experts.safetensors").read_bytes()
    for asked in (options, replace(options, seed=1)):
        with monkeypatch.context() as patched:
            interrupt_at(3, patched, experts_module)
            assert train(data, tmp_path, asked, fresh=True, console=QUIET).interrupted
        assert (tmp_path / FILE_NAME).exists() and (tmp_path / "experts.safetensors").read_bytes() == before
        assert train(data, tmp_path, asked, console=QUIET).weights is not None
        assert not (tmp_path / FILE_NAME).exists()
        assert ((tmp_path / "experts.safetensors").read_bytes() == before) == (asked == options)


def test_what_is_trained_beside_finished_networks_is_added(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without these; interrupted as well, and only what is not yet there."""
    monkeypatch.setattr(learning_module, "HALVINGS", 1)
    train(data, tmp_path, replace(SHORT, widths=(12,)), console=QUIET)
    before = files(tmp_path)
    more = replace(SHORT, widths=(12, 16), learning_curve=True)
    with monkeypatch.context() as patched:
        patched.setattr(run_module, "CHUNK", 2)
        interrupt_at(9, patched, run_module)  # all 8 steps of width 16, and one of the learning curve
        assert train(data, tmp_path, more, console=QUIET).interrupted
    assert (tmp_path / FILE_NAME).exists() and not (tmp_path / "learning_curve.json").exists()
    capsys.readouterr()
    result = train(data, tmp_path, more)
    assert result.weights is None and not result.interrupted and not (tmp_path / FILE_NAME).exists()
    said = capsys.readouterr().err
    assert "only what lacks beside them is trained" in said and "Generalist:" not in said and "width" not in said
    after = files(tmp_path)
    assert after.keys() - before.keys() == {"generalist-16.safetensors", "learning_curve.json", "learning_curve.png"}
    assert {name: after[name] for name in before} == before
    networks, wide = (WeightSet.load(tmp_path / name) for name in ("", "generalist-16.safetensors"))
    assert same_training(networks.metadata, wide.metadata)


def test_who_began_anew_is_told_to_go_on_without_beginning_anew(
    tmp_path: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless nothing is there to go on with, where finished networks may lie: these would be in its way."""
    command = ["train", "--data", str(data.path), "--out", str(tmp_path / "out")]
    for options, kept, said in (
        ([], True, "the same command goes on from here"),
        (["--fresh"], True, "the same command without --fresh goes on from here"),
        (["--fresh"], False, "the same command begins anew"),
    ):
        monkeypatch.setattr(train_module, "train", lambda *_, kept=kept, **__: Result(None, None, 0, True, kept))
        assert main([*command, *options]) == 130
        assert capsys.readouterr().err == f"Stopped; {said}.\n"
