"""Growth: what should change at a point does, and nothing else is left changed."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import pytest

from app.bench import growth as module
from app.bench.growth import FRAMES, POINTS, Growth, Point, divided, measure_growth, with_networks
from app.scene.default import default_scene
from app.scene.lights import AreaLight
from app.scene_options import SceneOptions
from tests.conftest import coarsely_lit

OPTIONS = SceneOptions()


@pytest.fixture(scope="module")
def growth() -> Iterator[Growth]:
    with coarsely_lit(), Growth(OPTIONS, 64) as made:
        yield made


def test_points(growth: Growth) -> None:
    base = growth.measure("coverage", 1.0)
    assert len(base.frames) == len(FRAMES) and "light cache" in base.frames[1]
    for frame in (base.frames[0], base.frames[2]):
        assert all(value > 0 for value in frame.values())
        assert sum(value for name, value in frame.items() if name != "whole frame") < frame["whole frame"]
    assert growth.measure("coverage", 0.5).at < 0.5 * base.at < base.at < growth.measure("coverage", 1.5).at
    assert growth.measure("pixels", 96).at == 96 * 96
    assert growth.measure("lights", 8).at == 8
    count = growth.measure("triangles", 0).at
    assert growth.measure("triangles", 1).at == 4 * count
    assert growth.measure("coverage", 1.0).at == base.at  # all is as it was


def test_divided_triangles_keep_the_shape() -> None:
    scene = default_scene()
    finer = divided(scene, 1)
    for before, after in zip(scene.parts, finer.parts, strict=True):
        triangles = len(before.mesh.triangles)
        assert len(after.mesh.triangles) == (4 * triangles if before.face else triangles)
        np.testing.assert_allclose(after.bounds(), before.bounds(), atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(after.mesh.normals, axis=1), 1.0, atol=1e-5)
        assert after.mesh.uvs.min() == before.mesh.uvs.min() and after.mesh.uvs.max() == before.mesh.uvs.max()


def test_networks_come_from_what_was_measured() -> None:
    spreads = {f"tile_network_ms_{name}": {"median": value} for name, value in (("1", 3), ("full", 4), ("2000", 5))}
    grown = with_networks(spreads)["networks"]
    assert grown["at"] == [1, 225, 2000] and [one["median"] for one in grown["ms"]["tile network"]] == [3, 4, 5]


def test_lights_are_as_bright_together_whatever_their_number() -> None:
    scene = default_scene()
    for count in (1, 2, 8):
        lights = module._lights(scene, count)
        assert len({light.center for light in lights if isinstance(light, AreaLight)}) == count
        power = sum(light.radiance * light.area for light in lights if isinstance(light, AreaLight))
        assert power == pytest.approx(30.0 * 0.5 * 0.5)


@pytest.mark.parametrize(("quick", "sweeps"), [(True, 1), (False, 2)])
def test_all_frames_of_a_point_are_under_its_number(quick: bool, sweeps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = (*module._PASSES, "whole frame")

    class Machine:
        """A point's frames take as many ms as it counts, the last one more, and one more for each sweep before."""

        def __init__(self, *_: Any) -> None:
            self._asked: list[float] = []

        def ask(self, _question: object, kind: str, value: float) -> Point:
            at = 100.0 * list(POINTS).index(kind) + value
            took = at + self._asked.count(at)
            self._asked.append(at)
            return Point(
                at, [dict.fromkeys(passes, took), {"light cache": 2 * took}, dict.fromkeys(passes, took + 1.0)]
            )

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(module, "Worker", Machine)
    found = measure_growth(OPTIONS, lambda steps, _: iter(range(steps)), quick=quick)
    assert list(found) == list(POINTS)
    for index, (kind, values) in enumerate(POINTS.items()):
        at = [100.0 * index + value for value in values]
        assert found[kind]["at"] == at and list(found[kind]["ms"]) == ["light cache", *passes]
        for name, spreads in found[kind]["ms"].items():
            first, last = ([2 * a for a in at], 2 * (sweeps - 1)) if name == "light cache" else (at, sweeps)
            assert [one["min"] for one in spreads] == first
            assert [one["max"] for one in spreads] == [value + last for value in first]


def test_a_frame_is_told_by_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1.0, 1.25] * 2)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    took = {
        "triangles": 1.0,
        "gbuffer": 2.0,
        "background": 4.0,
        "tile_hash": 8.0,
        "tile_network": 16.0,
        "composite": 32.0,
    }
    pressed: list[str] = []
    renderer: Any = SimpleNamespace(render=lambda: None, timings=lambda: {**took, "light cache": 64.0})
    controls: Any = SimpleNamespace(press=pressed.append)
    assert module._frame(renderer, controls, "RIGHT") == {"light cache": 64.0} and pressed == ["RIGHT"]
    assert module._frame(renderer, controls, "") == {
        "G-buffer": 3.0,
        "background": 4.0,
        "tile hash": 8.0,
        "tile network": 16.0,
        "composite": 32.0,
        "whole frame": 250.0,
    }
