"""The order of measurements: rounds in which every part gets its turn, so that all see the same machine."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from app.bench.comparison import Comparison
from app.bench.figures import Samples
from app.bench.frames import FRAMES, SMALL, Keys, OtherRenderers, Part, Views
from app.bench.packages import PACKAGES, absence, installed, version
from app.bench.view import AT_REST, Description, FrameCost, View
from app.bench.worker import Worker
from app.errors import InputError
from app.gpu import DeviceInfo
from app.network import shader
from app.network.layers import LAYERS
from app.network.weights import WeightSet
from app.open_renderer import open_device
from app.processor import core_count, processor_name
from app.scene_options import SceneOptions
from app.weight_sets import load_weights

Counted = Callable[[int, str], Iterator[int]]  # app.progress.counted

PASSES = ("triangles", "gbuffer", "background", "tile_hash", "tile_network", "composite")  # of a view at rest
TIME_LIMIT = 120.0  # seconds, starting up included: no round begins that would probably end later


def measure_all(
    options: SceneOptions, rounds: int, counted: Counted, *, quick: bool = False, wide: Path | None = None
) -> dict[str, Any]:
    """Measure everything.

    Args:
        options: device, weights, and the size of the view whose passes are listed (None: SMALL).
        rounds: how many; fewer if the time limit comes first.
        counted: shows progress.
        quick: measure nothing twice in a round.
        wide: a weight file whose generalist is compared with.

    Returns:
        What the report holds: names, sizes, variants of the tile network ("variant" of the view's, "*_variant*" of the
        others; docs/tile-network.md), "passes_ms" by pass, "flop_per_byte" by network (as few bytes as its way of
        working allows, for each that has a figure "*_gflops"), and the figures that app.bench.meanings explains, each
        as {"median", "min", "max"}; memory in MB (10^6 bytes) or None where the system does not tell. numpy and
        app.bench.packages.PACKAGES by name: their versions. Without one, whose name then says None, figures that
        compare with it are missing; without trained networks, those that count channels; without a display, those of
        keys; without ray tracing, those of traced frames and of the reference. "left_out" has a sentence about each,
        and about what was not done in the same arithmetic or on the same chip. "best_cpu" names the library and its way
        that did the most networks in the least time, if any did.

    Raises:
        InputError: the device has no timestamps.
    """
    weights = _weights(options.weights)
    generalist = WeightSet.load(wide) if wide else None
    too_wide = shader.check_widths(generalist.layers) if generalist else ""
    timed = generalist.layers if generalist and not too_wide else None
    figures, passes = Samples(), Samples()
    rays, frames = _device_info(options).raytracing, 1 if quick else FRAMES
    with ExitStack() as stack:
        enter = stack.enter_context
        views = Views(enter, options, figures, passes, rays=rays, frames=frames)
        comparison = Comparison(enter, options, LAYERS, figures, quick=quick, generalist=timed)
        keys = Keys(enter, options, figures)
        others = OtherRenderers(enter, options, figures, views.rasterised, rays=rays, frames=frames)
        parts = [*comparison.parts, *views.parts, *keys.parts, *others.parts]
        description, done = _run(views.describe, parts, rounds, counted)
        comparison.compile()
        if rays:
            keys.reference()
        if _trained(weights):
            views.count_channels(weights)
        if generalist:
            views.count_wide_channels(generalist)
        used, variant = views.memory() or {}, views.variant()
        left_out = [absence(name) for name in PACKAGES if not installed(name)]
        left_out += [*views.left_out(description.device), *keys.left_out()]
        if too_wide:
            left_out.append(f"The time of {wide} is not measured: the tile network {too_wide}.")
        left_out += [*others.left_out(description.device), *comparison.left_out(description.device)]
        left_out += _two_chips(description)
        found = comparison.describe()
    return {
        **_head(description, weights.layers, _trained(weights), done, rays=rays),
        "variant": variant,
        "size": list(options.size or SMALL),
        "passes_ms": passes.spreads(),
        **figures.spreads(),
        **found,
        "wide_generalist_layers": list(generalist.layers) if generalist else None,
        **{name: version(name) for name in ("numpy", *PACKAGES)},
        "left_out": left_out,
        "resident_mb_720": used.get("resident"),
        "peak_mb_720": used.get("peak"),
    }


def identity(options: SceneOptions) -> dict[str, Any]:
    """What a report would say of the machine and the work, before anything is measured."""
    info = _device_info(options)
    head = _head(Description(info.name, info.driver, info.kind), *shipped(options), 0, rays=info.raytracing)
    return {**head, "size": list(options.size or SMALL)}


def measure_passes(options: SceneOptions, names: tuple[str, ...], rounds: int, counted: Counted) -> dict[str, Any]:
    """Measure some passes only; "light cache" and "reference" may be among them.

    Raises:
        InputError: the view has no such pass, or the device no timestamps.
    """
    known: tuple[str, ...] = (*PASSES, "light cache")
    if rays := _device_info(options).raytracing:
        known += ("reference",)
    for name in names:
        if name not in known:
            raise InputError(f"There is no pass {name!r}; choose from {', '.join(known)}.")
    size = options.size or SMALL
    layers, trained = shipped(options)
    passes = Samples()
    gathering, tracing = "light cache" in names, "reference" in names
    at_rest = tuple(name for name in names if name not in ("light cache", "reference"))
    with ExitStack() as stack:
        view = stack.enter_context(Worker(View, options, size, AT_REST if at_rest else 1))
        lit = stack.enter_context(Worker(View, options, size, 1)) if gathering and at_rest else view

        def note(
            wanted: tuple[str, ...], view: Worker[View], question: Callable[..., FrameCost], *how: str | bool
        ) -> None:
            """Frames that gather light or trace draw other passes as well, which take another time there."""
            cost = view.ask(question, *how)
            passes.add_all({name: cost.passes[name] for name in wanted if name in cost.passes})

        parts: list[Part] = []
        if at_rest:
            # The first one comes after whatever the last round ended with, and is not counted.
            parts.append(lambda: note((), view, View.still, "neural", True))
            parts += [lambda: note(at_rest, view, View.still, "neural", True)] * FRAMES
        if gathering:
            parts.append(lambda: note(("light cache",), lit, View.gathering))
        if tracing:
            parts.append(lambda: note(("reference",), view, View.still, "reference"))
        description, done = _run(partial(view.ask, View.describe), parts, rounds, counted)
        variant = view.ask(View.variant)
    return {
        **_head(description, layers, trained, done, rays=rays),
        "variant": variant,
        "size": list(size),
        "passes_ms": passes.spreads(),
    }


def _run(
    describe: Callable[[], Description], parts: Sequence[Part], rounds: int, counted: Counted
) -> tuple[Description, int]:
    """Give every part its turn, round after round; return what a view says of itself and the rounds made."""
    start = time.monotonic()
    description = describe()  # waits until it is ready
    for step in counted(rounds * len(parts), "measuring"):
        done, part = divmod(step, len(parts))
        if part == 0 and done and (time.monotonic() - start) * (done + 1) / done > TIME_LIMIT:
            return description, done
        parts[part]()
    return description, rounds


def _device_info(options: SceneOptions) -> DeviceInfo:
    """What is to be measured; InputError where that has no timestamps."""
    with open_device(options, raytracing=False) as device:
        device.need_clock()
        return device.info


def shipped(options: SceneOptions) -> tuple[tuple[int, ...], bool]:
    """Widths of the networks that the view is drawn with, and whether they are trained ones."""
    weights = _weights(options.weights)
    return weights.layers, _trained(weights)


def _weights(folder: Path | None) -> WeightSet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random ones take as long
        return load_weights(folder)


def _two_chips(description: Description) -> list[str]:
    """A sentence about opponents that do not run on the device, where that is no CPU."""
    if description.kind == "cpu":
        return []
    return [
        f"sgemm, Mitsuba and libraries on the CPU calculate on {processor_name()}, all else on {description.device}: "
        "ratios of the two compare chips as well."
    ]


def _trained(weights: WeightSet) -> bool:
    return bool(weights.metadata.get("trained", True))


def _head(description: Description, layers: Sequence[int], trained: bool, rounds: int, *, rays: bool) -> dict[str, Any]:
    return {
        "device": description.device,
        "driver": description.driver,
        "kind": description.kind,
        "cpu": processor_name(),
        "cpu_cores": core_count(),
        "gbuffer": "trace" if rays else "raster",
        "layers": list(layers),
        "trained": trained,
        "rounds": rounds,
    }
