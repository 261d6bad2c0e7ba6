"""The bench's comparison of the traced and the rasterised G-buffer, with made-up times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import pytest

from app.bench import frames, key_to_picture, measure
from app.bench.figures import Samples
from app.bench.packages import PACKAGES, absence
from app.bench.pygfx_view import frame
from app.bench.view import Description, FrameCost, View, memory
from app.network.weights import WeightSet
from app.scene_options import SceneOptions

TRACED = FrameCost(100.0, 1.0, {"triangles": 4.0, "gbuffer": 46.0, "composite": 5.0})
RASTER = FrameCost(64.0, 1.0, {"triangles": 5.0, "gbuffer": 15.0, "composite": 5.0})
MOVING = FrameCost(300.0, 2.0, {"light cache": 200.0})
GATHERING = FrameCost(600.0, 2.0, {"light cache": 500.0})


Part = TypeVar("Part")


class Machine(Generic[Part]):
    """Answers for a view: a frame takes what its kind of G-buffer takes."""

    def __init__(self, _: Any, options: SceneOptions, *size: Any, **__: Any) -> None:
        self._large = size[:1] == (frames.LARGE,)
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
        if question is memory:
            assert self._large
            return {"resident": 200.0, "peak": 300.0}
        assert question is View.activity
        return [dict.fromkeys(("zero_channels_generalist", "idle_channels_generalist"), 0.5)]

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


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "Worker", Machine)
    monkeypatch.setattr(measure, "Comparison", NoComparison)
    for module in (frames, measure):
        monkeypatch.setattr(module, "installed", lambda name: name == "pygfx")


def measured(**how: Any) -> dict[str, Any]:
    return measure.measure_all(SceneOptions(), 2, lambda count, _: iter(range(count)), **how)


def test_kinds_are_told_apart() -> None:
    report = measured()
    found = {
        name: figure["median"] for name, figure in report.items() if isinstance(figure, dict) and "median" in figure
    }
    assert found["fps_512_traced"] == 10.0 and found["fps_512_raster"] == 1e3 / 64.0
    assert found["gbuffer_ms_512_traced"] == 50.0 and found["gbuffer_ms_512_raster"] == 20.0
    assert found["gbuffer_raster_over_traced"] == 2.5 and found["triangles_ms_512"] == 5.0
    assert found["light_cache_ms"] == 500.0 and found["light_cache_ms_moving"] == 200.0
    assert found["pygfx_fps_512"] == 1e3 / 32.0 and found["raster_over_pygfx"] == 0.5
    assert found["key_to_picture_ms"] == 100.0 and found["key_to_reference_ms"] == 2000.0
    missing = [absence(name) for name in PACKAGES if name != "pygfx"]
    assert report["left_out"][:-1] == [*missing, "a GPU draws no networks."]
    assert report["variant"] == "float-12"
    assert set(report["passes_ms"]) == set(TRACED.passes)
    assert (report["resident_mb_720"], report["peak_mb_720"], report["rounds"]) == (200.0, 300.0, 2)


@pytest.mark.parametrize("kind", ["cpu", "integrated", "discrete"])
def test_opponents_on_another_chip_are_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "processor_name", lambda: "a CPU")
    monkeypatch.setattr(frames.Views, "describe", lambda _: Description("a GPU", "1.2", kind))
    said = [sentence for sentence in measured()["left_out"] if "chips" in sentence]
    there = "sgemm, Mitsuba and libraries on the CPU calculate on a CPU, all else on a GPU: ratios of the two compare"
    assert said == ([] if kind == "cpu" else [f"{there} chips as well."])


@pytest.mark.parametrize(("quick", "frames_of_a_round"), [(True, 1), (False, frames.FRAMES)])
def test_frames_of_a_round(quick: bool, frames_of_a_round: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(Samples, "add", lambda _, name, __: names.append(name))
    measured(quick=quick)
    for name in ("fps_512_traced", "fps_512_raster", "python_ms", "pygfx_fps_512", "composite"):
        assert names.count(name) == 2 * frames_of_a_round
    assert names.count("reference_ms_512") == 2 and names.count("key_to_reference_ms") == 1


@pytest.mark.parametrize("width", [64, 80])
def test_a_wide_generalist_is_drawn_unless_it_is_too_wide(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    class Comparison(NoComparison):
        def __init__(self, *_: Any, generalist: tuple[int, ...] | None, **__: Any) -> None:
            drawn.append(generalist)

    monkeypatch.setattr(measure, "Comparison", Comparison)
    layers = (32, width, 15)
    wide = WeightSet.untrained(layers).save(tmp_path / "generalist.safetensors")
    report = measured(wide=wide)
    assert report["wide_generalist_layers"] == list(layers)
    said = [sentence for sentence in report["left_out"] if str(wide) in sentence]
    if width == 64:
        assert drawn == [layers] and not said
    else:
        assert drawn == [None] and said[0].startswith(f"The time of {wide} is not measured: the tile network ")


@pytest.mark.parametrize("trained", [True, False])
def test_channels_are_counted_of_trained_networks_alone(trained: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shipped ones; those of a random network tell nothing."""
    if not trained:
        monkeypatch.setattr(measure, "load_weights", lambda _: WeightSet.untrained((32, 8, 15)))
    report = measured()
    assert report["trained"] == ("zero_channels_generalist" in report) == trained
