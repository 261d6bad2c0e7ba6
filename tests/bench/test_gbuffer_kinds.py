"""The bench's comparison of the traced and the rasterised G-buffer, with made-up times."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

import pytest

from app.bench import frames, key_to_picture, measure
from app.bench.packages import PACKAGES, absence
from app.bench.pygfx_view import frame
from app.bench.view import Description, FrameCost, View, memory
from app.scene_options import SceneOptions

TRACED = FrameCost(100.0, 1.0, {"face depth": 4.0, "gbuffer": 46.0, "composite": 5.0})
RASTER = FrameCost(64.0, 1.0, {"face triangles": 5.0, "gbuffer": 15.0, "composite": 5.0})
MOVING = FrameCost(300.0, 2.0, {"light cache": 200.0})
GATHERING = FrameCost(600.0, 2.0, {"light cache": 500.0})


Part = TypeVar("Part")


class Machine(Generic[Part]):
    """Answers for a view: a frame takes what its kind of G-buffer takes."""

    def __init__(self, _: Any, options: SceneOptions, *__: Any, **___: Any) -> None:
        self._still = RASTER if options.gbuffer == "raster" else TRACED

    def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        if question is View.describe:
            return Description("a GPU", "1.2", "discrete")
        if question is View.variant:
            return "float-12"
        if question is View.moving:
            return MOVING
        if question is View.gathering:
            return GATHERING
        if question is View.still:
            return FrameCost(1e3, 1.0, {"reference": 900.0}) if args == ("reference",) else self._still
        if question is frame:
            return 32.0
        if question is key_to_picture.absence:
            return ""
        if question is key_to_picture.milliseconds:
            return {"tiles": 90.0, "neural": 110.0, "reference": 2000.0}[args[0]]
        assert question in (View.activity, memory)
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class NoComparison:
    """Measures no networks."""

    parts: tuple[()] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def describe(self) -> dict[str, Any]:
        return {}

    def left_out(self, device: str) -> list[str]:
        return [f"{device} draws no networks."]

    def compile(self) -> None:
        pass


def test_kinds_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "Worker", Machine)
    monkeypatch.setattr(measure, "Comparison", NoComparison)
    for module in (frames, measure):
        monkeypatch.setattr(module, "installed", lambda name: name == "pygfx")
    options = SceneOptions()
    report = measure.measure_all(options, 2, lambda count, _: iter(range(count)))
    found = {
        name: figure["median"] for name, figure in report.items() if isinstance(figure, dict) and "median" in figure
    }
    assert found["fps_512_traced"] == 10.0 and found["fps_512_raster"] == 1e3 / 64.0
    assert found["gbuffer_ms_512_traced"] == 50.0 and found["gbuffer_ms_512_raster"] == 20.0
    assert found["gbuffer_raster_over_traced"] == 2.5 and found["face_triangles_ms_512"] == 5.0
    assert found["light_cache_ms"] == 500.0 and found["light_cache_ms_moving"] == 200.0
    assert found["pygfx_fps_512"] == 1e3 / 32.0 and found["raster_over_pygfx"] == 0.5
    assert found["key_to_picture_ms"] == 100.0 and found["key_to_reference_ms"] == 2000.0
    missing = [absence(name) for name in PACKAGES if name != "pygfx"]
    assert report["left_out"] == [*missing, "a GPU draws no networks."]
    assert report["variant"] == "float-12"
    assert set(report["passes_ms"]) == set(TRACED.passes)
