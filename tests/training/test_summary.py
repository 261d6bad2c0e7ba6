"""The picture of what a data set has."""

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from PIL import Image

from app.network.schema import channels, unpack
from app.scene.avatar.person import Person
from app.training import summary as summary_module
from app.training.avatars import Avatars
from app.training.dataset import Dataset
from app.training.evaluate import UV_CELLS
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import BLOCK, PersonInfo
from app.training.summary import HEAD_HEIGHT, plot_summary
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


def test_panels_show_what_the_set_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Axes] = {}
    save = Figure.savefig

    def note(figure: Figure, *arguments: Any, **named: Any) -> None:
        drawn.update({axis.get_title(loc="left"): axis for axis in figure.axes})
        save(figure, *arguments, **named)

    monkeypatch.setattr(Figure, "savefig", note)
    generate(Here(_Balls()), tmp_path / "set", Plan(1, size=(64, 64)), 4 * BLOCK)
    data = Dataset(tmp_path / "set")
    plot_summary(data, tmp_path / "summary.png")

    ages = [int(sum(bar.get_height() for bar in bars)) for bars in bars_of(drawn["Ages of people"])]
    assert ages == [2, 1, 1]  # train, validation, held-out
    female = np.mean([Person(p.values, p.seed)["person.gender"] < 0.5 for p in data.people.values()])
    assert f"{female:.0%} rather female, {1.0 - female:.0%} rather male" in drawn["Ages of people"].get_xlabel()

    uv = np.concatenate([unpack(t["features"])[t["mask"].astype(bool)] for t in map(data.tiles, data.hashes)])
    u, v = (uv[:, channels("uv")] * UV_CELLS).astype(int).T
    pixels = np.zeros((UV_CELLS, UV_CELLS))
    np.add.at(pixels, (v, u), 1.0)
    (shown,) = drawn["Where on the face the pixels lie"].get_images()
    share: np.ndarray = np.ma.filled(np.ma.asarray(shown.get_array()), 0.0)
    np.testing.assert_allclose(share, pixels / pixels.mean(), rtol=1e-5)

    cameras = {frame.camera["position"][0]: frame.camera for frame in data.frames.values() if frame.split == "train"}
    left = sorted(  # of the head, whose face looks along z
        math.degrees(math.atan2(c["position"][0] - c["target"][0], c["position"][2] - c["target"][2]))
        for c in cameras.values()
    )
    dots = next(c for c in drawn["Directions of cameras"].collections if str(c.get_label()).startswith("train "))
    np.testing.assert_allclose(np.sort(np.asarray(dots.get_offsets())[:, 0]), left, atol=1e-3)

    sizes = [
        HEAD_HEIGHT / (2.0 * math.dist(c["position"], c["target"]) * math.tan(c["fov_y"] / 2.0))
        for c in (frame.camera for frame in data.frames.values())
    ]
    edges = [bar.get_x() + half * bar.get_width() for bars in bars_of(drawn["Sizes of heads"]) for bar in bars
             for half in (0.0, 1.0)]  # fmt: skip
    assert min(edges) == pytest.approx(min(sizes), abs=0.01) and max(edges) == pytest.approx(max(sizes), abs=0.01)


def bars_of(axis: Axes) -> list[BarContainer]:
    return [container for container in axis.containers if isinstance(container, BarContainer)]


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
