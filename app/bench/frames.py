"""Whole frames: the demo's view, its window and other renderers, and the parts of a round that ask them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeAlias

from app.bench import key_to_picture
from app.bench.figures import Samples
from app.bench.key_to_picture import KeyView, key_view
from app.bench.packages import installed
from app.bench.pygfx_view import PygfxView, frame, pygfx_view
from app.bench.skin import Painter, mitsuba_painter, reference_painter
from app.bench.view import Description, FrameCost, View, memory
from app.bench.worker import Worker
from app.network.weights import WeightSet
from app.scene_options import SceneOptions

Part: TypeAlias = Callable[[], None]  # a part's turn in a round
Enter: TypeAlias = Callable[[AbstractContextManager[Any]], Any]  # enters a worker, and sees to it that it is closed

SMALL, LARGE = (512, 512), (1280, 720)  # pixels of the views whose frames are counted
FPS = {SMALL: "512", LARGE: "720"}  # their names in the report
FRAMES = 4  # how often in a round: the shortest things are what a busy machine disturbs most


class Views:
    """The demo's view at several sizes, by rays if there are any; with these, a rasterised one as well.

    Args:
        enter: see Enter.
        options: device, weights, and the size of the view whose passes are listed (None: SMALL).
        figures: what is measured goes there.
        passes: the times of that view's passes go there.
        rays: whether the device traces them.
        frames: how many in a round.

    Attributes:
        parts: of a round.
        by_size: the views.
        rasterised: the rasterised one, of SMALL.
    """

    def __init__(
        self, enter: Enter, options: SceneOptions, figures: Samples, passes: Samples, *, rays: bool, frames: int
    ) -> None:
        self._figures, self._passes, self._rays, self._frames = figures, passes, rays, frames
        self._listed = options.size or SMALL
        traced, rasterised = (replace(options, gbuffer=kind) for kind in ("trace", "raster"))
        usual = traced if rays else rasterised
        self.by_size: dict[tuple[int, int], Worker[View]] = {
            size: enter(Worker(View, usual, size)) for size in dict.fromkeys((SMALL, LARGE, self._listed))
        }
        self._lit: dict[tuple[int, int], Worker[View]] = {size: enter(Worker(View, usual, size, 1)) for size in FPS}
        self.rasterised: Worker[View] = enter(Worker(View, rasterised, SMALL)) if rays else self.by_size[SMALL]
        self.parts: list[Part] = [self._at_rest, self._moving]
        if rays:
            self.parts += [self._either_gbuffer, self._reference]

    def count_channels(self, weights: WeightSet) -> None:
        """Count the shipped networks' irrelevant channels, where they have hidden layers."""
        if len(weights.layers) > 2:
            for shares in self.by_size[SMALL].ask(View.activity, weights):
                self._figures.add_all(shares)

    def count_wide_channels(self, weights: WeightSet) -> None:
        """Count those of a wide generalist."""
        if len(weights.layers) > 2:
            for shares in self.by_size[SMALL].ask(View.activity, weights):
                for kind in ("zero", "idle"):
                    self._figures.add(f"{kind}_channels_wide_generalist", shares[f"{kind}_channels_generalist"])

    def describe(self) -> Description:
        """Say what the views are drawn by; waits until they are ready."""
        return self.by_size[SMALL].ask(View.describe)

    def variant(self) -> str:
        """Return the name of the tile network's variant that draws the views."""
        return self.by_size[SMALL].ask(View.variant)

    def memory(self) -> dict[str, float] | None:
        """Return what the large one's process takes; see `app.bench.view.memory`."""
        return self.by_size[LARGE].ask(memory)

    def left_out(self, device: str) -> list[str]:
        """Sentences about what is not measured on the device of this name."""
        return [] if self._rays else [f"Nothing is traced: {device} has no ray tracing."]

    def _at_rest(self) -> None:
        kind = "traced" if self._rays else "raster"
        for size, view in self.by_size.items():
            view.ask(View.still, "neural")  # brings its data back into the caches
            for _ in range(self._frames):
                cost = view.ask(View.still, "neural")
                if size in FPS:
                    self._figures.add(f"fps_{FPS[size]}_{kind}", 1e3 / cost.whole)
                if size == SMALL:
                    self._figures.add("python_ms", cost.python)
        for cost in self._timed(self.by_size[self._listed]):
            self._passes.add_all(cost.passes)
        if not self._rays:
            for cost in self._timed(self.rasterised):
                self._add_rasterised_gbuffer(cost)

    def _timed(self, view: Worker[View]) -> list[FrameCost]:
        """Frames whose passes have timers."""
        view.ask(View.still, "neural", True)  # as above
        return [view.ask(View.still, "neural", True) for _ in range(self._frames)]

    def _moving(self) -> None:
        for size, name in FPS.items():
            view = self._lit[size]
            cost = view.ask(View.moving)
            self._figures.add(f"fps_{name}_light_moving", 1e3 / cost.whole)
            self._figures.add("light_cache_ms_moving", cost.passes["light cache"])
            self._figures.add("light_cache_ms", view.ask(View.gathering).passes["light cache"])
            self._figures.add("python_ms_light_moving", cost.python)

    def _either_gbuffer(self) -> None:
        self.rasterised.ask(View.still, "neural")
        for _ in range(self._frames):
            self._figures.add("fps_512_raster", 1e3 / self.rasterised.ask(View.still, "neural").whole)
        for traced, raster in zip(self._timed(self.by_size[SMALL]), self._timed(self.rasterised), strict=True):
            self._figures.add("gbuffer_ms_512_traced", traced.gbuffer)
            self._add_rasterised_gbuffer(raster)
            self._figures.add("gbuffer_raster_over_traced", traced.gbuffer / raster.gbuffer)

    def _add_rasterised_gbuffer(self, cost: FrameCost) -> None:
        self._figures.add("gbuffer_ms_512_raster", cost.gbuffer)
        self._figures.add("triangles_ms_512", cost.passes["triangles"])

    def _reference(self) -> None:
        milliseconds = self.by_size[SMALL].ask(View.still, "reference").passes["reference"]
        self._figures.add("reference_ms_512", milliseconds)
        self._figures.add("reference_samples_per_s", 1e3 * SMALL[0] * SMALL[1] / milliseconds)


class Keys:
    """The demo's window, if it can be opened, to which keys are sent.

    Args:
        enter: see Enter.
        options: device and weights.
        figures: what is measured goes there.

    Attributes:
        parts: of a round.
    """

    def __init__(self, enter: Enter, options: SceneOptions, figures: Samples) -> None:
        self._figures = figures
        self._view: Worker[KeyView | str] = enter(Worker(key_view, options, SMALL, without=key_to_picture.HINDRANCES))
        self.parts: list[Part] = [self._pressed]

    def reference(self) -> None:
        """Time the key of the reference, which is new only once."""
        if not self._absence():
            self._figures.add("key_to_reference_ms", self._view.ask(key_to_picture.milliseconds, "reference"))

    def left_out(self) -> list[str]:
        """Sentences about what is not measured."""
        absence = self._absence()
        return [f"The time from a key to its picture is not measured: {absence}."] if absence else []

    def _pressed(self) -> None:
        for mode in ("tiles", "neural") if not self._absence() else ():
            self._figures.add("key_to_picture_ms", self._view.ask(key_to_picture.milliseconds, mode))

    def _absence(self) -> str:
        return self._view.ask(key_to_picture.absence)


class OtherRenderers:
    """pygfx beside the rasterised view, and Mitsuba beside the reference, as far as they are installed.

    Args:
        enter: see Enter.
        options: device.
        figures: what is measured goes there.
        rasterised: the view to compare with, of SMALL.
        rays: whether there is a reference.
        frames: how many in a round.

    Attributes:
        parts: of a round.
    """

    def __init__(
        self,
        enter: Enter,
        options: SceneOptions,
        figures: Samples,
        rasterised: Worker[View],
        *,
        rays: bool,
        frames: int,
    ) -> None:
        self._figures, self._rasterised, self._frames = figures, rasterised, frames
        self.parts: list[Part] = []
        self._pygfx: Worker[PygfxView | None] | None = None
        if installed("pygfx"):
            self._pygfx = enter(Worker(pygfx_view, options, SMALL))
            self.parts.append(self._beside_pygfx)
        self._painters: list[Worker[Painter]] = []
        if rays and installed("mitsuba"):
            self._painters = [enter(Worker(reference_painter, options)), enter(Worker(mitsuba_painter))]
            self.parts.append(self._skin)

    def left_out(self, device: str) -> list[str]:
        """Sentences about what is not measured on the device of this name."""
        if self._pygfx is not None and self._pygfx.ask(frame) is None:
            return [f"The view is not compared with pygfx, which does not find {device}."]
        return []

    def _beside_pygfx(self) -> None:
        assert self._pygfx is not None
        for _ in range(self._frames):
            ours, milliseconds = self._rasterised.ask(View.still, "neural"), self._pygfx.ask(frame)
            if milliseconds is not None:
                self._figures.add("pygfx_fps_512", 1e3 / milliseconds)
                self._figures.add("raster_over_pygfx", milliseconds / ours.whole)

    def _skin(self) -> None:
        ours, theirs = (painter.ask(Painter.cost) for painter in self._painters)
        self._figures.add("reference_head_samples_per_s", ours.head_samples_per_s)
        self._figures.add("mitsuba_head_samples_per_s", theirs.head_samples_per_s)
        self._figures.add("reference_over_mitsuba", ours.head_samples_per_s / theirs.head_samples_per_s)
        self._figures.add("noise_cost_over_mitsuba", ours.noise_cost / theirs.noise_cost)
