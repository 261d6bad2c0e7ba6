"""The picture of what a data set has."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from app.training import summary as summary_module
from app.training.avatars import Avatars
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import PersonInfo
from app.training.summary import plot_summary
from tests.training.judged_sphere import moved_set
from tests.training.sphere_source import SphereSource


class _Balls(SphereSource):
    """Spheres with the records of people."""

    def __init__(self) -> None:
        super().__init__()
        self.people = Avatars()  # type: ignore[assignment]

    def show(self, person: PersonInfo) -> None:
        """All look alike."""


@pytest.mark.parametrize("source", [SphereSource, _Balls])
def test_a_set_is_drawn(tmp_path: Path, source: type[SphereSource]) -> None:
    generate(Here(source()), tmp_path / "set", Plan(1, size=(64, 64)), 30)
    plot_summary(Dataset(tmp_path / "set"), tmp_path / "summary.png")
    picture = np.asarray(Image.open(tmp_path / "summary.png").convert("RGB"))
    assert picture.shape == (990, 1870, 3)
    # Every panel has ink: four above, three below.
    for rows, columns in ((slice(60, 480), 4), (slice(540, 940), 3)):
        for panel in np.array_split(picture[rows], columns, axis=1):
            assert (panel.min(axis=-1) < 160).sum() > 60


def test_lights_are_drawn_as_the_head_sees_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, list[np.ndarray]] = {}
    sphere = summary_module._sphere

    def note(axis: Axes, title: str, angles: Mapping[str, np.ndarray]) -> None:
        drawn.setdefault(title, []).append(angles["train"])
        sphere(axis, title, angles)

    monkeypatch.setattr(summary_module, "_sphere", note)
    generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(64, 64)), 30)
    moved_set(tmp_path / "set", tmp_path / "moved", np.array([0.0, 1.6, -9.0]))
    for name in ("set", "moved"):
        plot_summary(Dataset(tmp_path / name), tmp_path / "summary.png")
    for here, there in drawn.values():
        assert len(here) > 2
        for one in (here, there):
            one[:] = one[np.lexsort(one.T)]
        np.testing.assert_allclose(there, here, atol=1e-6)


def test_a_set_without_a_tile_is_drawn(tmp_path: Path) -> None:
    class Empty(SphereSource):
        def render(self, *arguments, **named):  # type: ignore[no-untyped-def]
            tiles = super().render(*arguments, **named)
            return type(tiles)(**{name: value[:0] for name, value in vars(tiles).items()})

    generate(Here(Empty()), tmp_path / "set", Plan(1, size=(64, 64)), 2)
    plot_summary(Dataset(tmp_path / "set"), tmp_path / "summary.png")
    assert (tmp_path / "summary.png").stat().st_size > 1000


@pytest.mark.parametrize("name", ["x$y_{$z", os.fsdecode(b"caf\xe9")])
def test_a_set_of_any_name_is_drawn(tmp_path: Path, name: str) -> None:
    generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(64, 64)), 2)
    shutil.move(tmp_path / "set", tmp_path / name)
    plot_summary(Dataset(tmp_path / name), tmp_path / "summary.png")
    assert (tmp_path / "summary.png").stat().st_size > 1000


def test_some_tiles_are_a_fair_sample(tmp_path: Path) -> None:
    generate(Here(SphereSource()), tmp_path / "set", Plan(1, size=(96, 96)), 16)
    data = Dataset(tmp_path / "set")
    everything = data.some_tiles(10**6)
    assert len(everything) == sum(map(data.count, data.hashes))
    some = data.some_tiles(len(everything) // 4)
    assert 0.15 < len(some) / len(everything) < 0.35
    known = {tile.tobytes() for tile in everything}
    assert all(tile.tobytes() in known for tile in some)
