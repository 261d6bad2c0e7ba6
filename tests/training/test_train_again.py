"""A training that is asked for again, or another one where one is: what goes on, what is refused, and what it says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.errors import BungyoError, InputError
from app.network.weights import WeightSet
from app.training import run as run_module
from app.training import train as train_module
from app.training.checkpoint import FILE_NAME
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import GATHERING, GATHERING_VERSION
from app.training.train import train
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
