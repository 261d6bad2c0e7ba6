"""Figures of whole frames are of the frames that they name, and their ratios are the right way up."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from app.bench import frames, key_to_picture, pygfx_view
from app.bench.figures import Samples
from app.bench.frames import Keys, OtherRenderers, Views
from app.bench.key_to_picture import key_view
from app.bench.meanings import CHANNELS, FRAME
from app.bench.skin import Painter, SkinCost, mitsuba_painter
from app.bench.view import AT_REST, FrameCost, View, memory
from app.network.weights import WeightSet
from app.scene_options import SceneOptions
from tests.bench.missing_figures import NO_RAYS

SIZE = (640, 360)  # of the view whose passes are listed


class Machine:
    """Answers for all workers: a traced frame of 512x512 takes 10 ms, rasterised 8 ms, 1280x720 twice as long.

    Views are asked for frames at rest or for light that moves, by how many samples of light they rest at. A frame takes
    longer whose data is not in the caches, or whose passes have timers.
    """

    def __init__(
        self,
        make: Any,
        options: Any = None,
        size: tuple[int, int] = (0, 0),
        light_samples: int = AT_REST,
        without: Collection[str] = (),
    ) -> None:
        assert make is not key_view or "WAYLAND_DISPLAY" in without
        self._rests, self._cached = light_samples == AT_REST, False
        self._make, self._scale = make, {(1280, 720): 2.0, SIZE: 0.5}.get(size, 1.0)
        self._raster = isinstance(options, SceneOptions) and options.gbuffer == "raster"

    def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        if question in (View.still, View.moving, View.gathering):
            assert self._rests == (question is View.still)
        cached, self._cached = self._cached, args[:1] == ("neural",)
        if question is View.still and args == ("reference",):
            return FrameCost(200.0, 1.0, {"reference": 160.0})
        if question is View.still and not cached:
            return self._frame(90.0, {"triangles": 50.0, "gbuffer": 30.0}, *args)
        if question is View.still and self._raster:
            return self._frame(8.0, {"triangles": 0.5, "gbuffer": 1.5, "composite": 1.0}, *args)
        if question is View.still:
            return self._frame(10.0, {"triangles": 1.0, "gbuffer": 3.0, "composite": 1.0}, *args)
        if question is View.moving:
            return FrameCost(40.0 * self._scale, 4.0, {"light cache": 20.0})
        if question is View.gathering:
            return FrameCost(100.0, 4.0, {"light cache": 80.0})
        if question is pygfx_view.frame:
            return 4.0
        if question is key_to_picture.absence:
            return ""
        if question is key_to_picture.milliseconds:
            return 500.0 if args == ("reference",) else 12.0
        assert question is Painter.cost
        return SkinCost(500.0, 8.0) if self._make is mitsuba_painter else SkinCost(1000.0, 2.0)

    def _frame(self, whole: float, passes: dict[str, float], mode: str, timed: bool = False) -> FrameCost:
        scaled = {name: self._scale * took for name, took in passes.items()}
        return FrameCost(self._scale * whole + 3.0, 3.0, scaled) if timed else FrameCost(self._scale * whole, 2.0, {})


def measured(monkeypatch: pytest.MonkeyPatch, *, rays: bool) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Medians by figure and by pass, and what is left out."""
    monkeypatch.setattr(frames, "Worker", Machine)
    monkeypatch.setattr(frames, "installed", lambda _: True)
    figures, passes, options = Samples(), Samples(), SceneOptions(size=SIZE)
    views = Views(lambda worker: worker, options, figures, passes, rays=rays, frames=2)
    keys = Keys(lambda worker: worker, options, figures)
    others = OtherRenderers(lambda worker: worker, options, figures, views.rasterised, rays=rays, frames=2)
    for part in (*views.parts, *keys.parts, *others.parts):
        part()
    if rays:
        keys.reference()
    left_out = [*views.left_out("a GPU"), *keys.left_out(), *others.left_out("a GPU")]
    found, times = ({name: one["median"] for name, one in some.spreads().items()} for some in (figures, passes))
    return found, times, left_out


def test_frames_with_ray_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, passes, left_out = measured(monkeypatch, rays=True)
    assert not left_out and passes == {"triangles": 0.5, "gbuffer": 1.5, "composite": 0.5}
    assert set(found) == set(FRAME) - NO_RAYS
    assert found == {
        "fps_512_traced": 100.0,
        "fps_720_traced": 50.0,
        "fps_512_raster": 125.0,
        "fps_512_light_moving": 25.0,
        "fps_720_light_moving": 12.5,
        "python_ms": 2.0,
        "python_ms_light_moving": 4.0,
        "light_cache_ms": 80.0,
        "light_cache_ms_moving": 20.0,
        "gbuffer_ms_512_traced": 4.0,
        "gbuffer_ms_512_raster": 2.0,
        "triangles_ms_512": 0.5,
        "gbuffer_raster_over_traced": 2.0,
        "reference_ms_512": 160.0,
        "reference_samples_per_s": 512 * 512 / 0.16,
        "pygfx_fps_512": 250.0,
        "raster_over_pygfx": 0.5,
        "key_to_picture_ms": 12.0,
        "key_to_reference_ms": 500.0,
        "reference_head_samples_per_s": 1000.0,
        "mitsuba_head_samples_per_s": 500.0,
        "reference_over_mitsuba": 2.0,
        "noise_cost_over_mitsuba": 0.25,
    }


def test_frames_without_ray_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    found, passes, left_out = measured(monkeypatch, rays=False)
    assert left_out == ["Nothing is traced: a GPU has no ray tracing."] and "triangles" in passes
    assert (found["fps_512_raster"], found["fps_720_raster"], found["gbuffer_ms_512_raster"]) == (125.0, 62.5, 2.0)
    assert not {name for name in found if "traced" in name or "reference" in name or "mitsuba" in name}


def test_channels_are_those_of_the_networks_that_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide generalist's are its own, not the experts', which it does not have."""
    shares = {name: 0.1 * index for index, name in enumerate(CHANNELS) if "wide" not in name}
    monkeypatch.setattr(frames, "Worker", Machine)
    monkeypatch.setattr(Machine, "ask", lambda *_: [shares])
    figures = Samples()
    views = Views(lambda worker: worker, SceneOptions(), figures, Samples(), rays=True, frames=1)
    views.count_channels(WeightSet.untrained((32, 8, 15)))
    views.count_wide_channels(WeightSet.untrained((32, 48, 15)))
    wide = {f"{kind}_channels_wide_generalist": shares[f"{kind}_channels_generalist"] for kind in ("zero", "idle")}
    assert {name: one["median"] for name, one in figures.spreads().items()} == shares | wide


def test_memory_is_in_millions_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system counts units of 1024 bytes."""
    monkeypatch.setattr(Path, "read_text", lambda _: "Name:\tpython\nVmHWM:\t  500000 kB\nVmRSS:\t  250000 kB\n")
    view: Any = None
    assert memory(view) == {"resident": 256.0, "peak": 512.0}
