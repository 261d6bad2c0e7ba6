"""Training on many people, as the shipped networks learn: what keeps these from being learnt by heart, and who judges.

What a training must do is seen from without: by the weights that it leaves, and by whom it asks for what.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from app.arrays import F32
from app.network.weights import WeightSet
from app.training import experts as experts_module
from app.training.dataset import Dataset
from app.training.experts import Course, GroupResult, Job
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.judge import Judge
from app.training.manifest import BLOCK
from app.training.pixels import Batch, Pixels
from app.training.train import train
from app.training.train_options import TrainOptions
from tests.training.sphere_source import SpherePeople, SphereSource
from tests.training.test_train import QUIET, TINY, few_pictures, short_chunks, slots  # noqa: F401 (fixtures)

GENERALIST = replace(TINY, steps=6, teachers=(), experts=replace(TINY.experts, steps=0))
WITH_EXPERTS = replace(
    GENERALIST, teachers=(10,), experts=replace(TINY.experts, steps=4, checks=2, min_people=1, min_pixels=200)
)


def make(path: Path, people: SpherePeople | None) -> Dataset:
    """Five blocks, of which the second and the fourth judge."""
    generate(Here(SphereSource(0.7, people=people)), path, Plan(4, 1, (48, 48), 0.6), 5 * BLOCK)
    return Dataset(path)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("people") / "set", SpherePeople())


@pytest.fixture(scope="module")
def one_face(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("one face") / "set", None)


def generalist(data: Dataset, out: Path, options: TrainOptions) -> F32:
    """Train it; its parameters."""
    train(data, out, options, console=QUIET)
    return np.array(WeightSet.load(out).slots[0])


def test_people_are_not_learnt_by_heart(people: Dataset, one_face: Dataset, tmp_path: Path) -> None:
    """Weights decay and places are noisy where there are many people, and only there."""
    told = [GENERALIST, replace(GENERALIST, decay=0.0), replace(GENERALIST, place_noise=0.0)]
    assert GENERALIST.decay > 0.0 and GENERALIST.place_noise > 0.0
    usual, *others = (generalist(people, tmp_path / str(number), options) for number, options in enumerate(told))
    assert all((usual != other).any() for other in others)
    known = generalist(one_face, tmp_path / "known", GENERALIST)
    without = generalist(one_face, tmp_path / "without", replace(GENERALIST, decay=0.0, place_noise=0.0))
    np.testing.assert_array_equal(known, without)


class Noting:
    """An engine that notes what it trains by."""

    def __init__(self) -> None:
        self.courses: list[Course] = []

    def train(self, course: Course, jobs: Sequence[Job]) -> Iterator[tuple[int, GroupResult]]:
        self.courses.append(course)
        return experts_module.Here().train(course, jobs)


def test_people_are_mirrored_and_varied(
    people: Dataset, one_face: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels that teach and pixels that judge are mirrored ones, too, where there are many people."""
    twofold: set[bool] = set()
    take = Pixels.take

    def noting(pixels: Pixels, index: Tensor) -> Batch:
        twofold.add(pixels.twofold)
        return take(pixels, index)

    monkeypatch.setattr(Pixels, "take", noting)
    for data, many in ((people, True), (one_face, False)):
        engine = Noting()
        train(data, tmp_path / str(many), WITH_EXPERTS, console=QUIET, engine=engine)
        assert twofold == {many} and [course.vary for course in engine.courses] == [many]
        assert engine.courses[0].teacher is not None
        twofold.clear()


def test_held_out_people_change_no_weight(people: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor which hash borrows from which; that people are spoiled is seen by spoiling those who judge."""
    train(people, tmp_path / "as it is", WITH_EXPERTS, console=QUIET)
    assert WeightSet.load(tmp_path / "as it is").experts > 0
    tiles = Dataset.tiles
    for split, changes in (("held-out", False), ("validation", True)):

        def spoiled(data: Dataset, tile_hash: int, wanted: str | None = None, split: str = split) -> Any:
            found = tiles(data, tile_hash, wanted)
            found["target"][[data.frames[int(frame)].split == split for frame in found["frame"]]] *= 10.0
            return found

        monkeypatch.setattr(Dataset, "tiles", spoiled)
        train(people, tmp_path / split, WITH_EXPERTS, console=QUIET)
        assert (slots(tmp_path / split) != slots(tmp_path / "as it is")) == changes


def test_the_best_state_is_written_and_not_the_last(
    people: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written where every state seems better than those before, and where none does, is not the same."""
    found = []
    for nearer in (True, False):
        monkeypatch.setattr(Judge, "nearer", lambda *_, nearer=nearer: nearer)
        found.append(generalist(people, tmp_path / str(nearer), replace(GENERALIST, steps=60)))
    assert not np.array_equal(found[0], found[1])
