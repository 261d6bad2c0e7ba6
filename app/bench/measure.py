"""The order of measurements: rounds in which every part gets its turn, so that all see the same machine."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.bench import key_to_picture
from app.bench.comparison import DEEP, WIDE, Comparison
from app.bench.figures import Samples
from app.bench.key_to_picture import KeyView, key_view
from app.bench.networks import NETWORKS
from app.bench.packages import PACKAGES, absence, installed
from app.bench.pygfx_view import PygfxView, frame, pygfx_view
from app.bench.skin import Painter, mitsuba_painter, reference_painter
from app.bench.view import Description, FrameCost, View, memory
from app.bench.worker import Worker
from app.errors import InputError
from app.gpu import DeviceInfo
from app.network import shader
from app.network.weights import WeightSet
from app.open_renderer import open_device
from app.processor import processor_name
from app.scene_options import SceneOptions
from app.weight_sets import load_weights

Part = Callable[[], None]  # a part's turn in a round
Counted = Callable[[int, str], Iterator[int]]  # app.progress.counted

SMALL, LARGE = (512, 512), (1280, 720)  # pixels of the views whose frames are counted
FPS = {SMALL: "512", LARGE: "720"}  # their names in the report
PASSES = ("face depth", "gbuffer", "background", "tile_hash", "tile_network", "composite")  # of a traced view at rest
TIME_LIMIT = 120.0  # seconds, starting up included: no round begins that would probably end later
_FRAMES = 4  # how often in a round: the shortest things are what a busy machine disturbs most


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
        What the report holds: names, sizes, "passes_ms" by pass, "flop_per_byte" by network (as few bytes as its
        way of working allows, for each that has a figure "*_gflops"), and the figures that app.bench.meanings
        explains, each as {"median", "min", "max"}; memory in MB (10^6 bytes) or None where the system does not tell.
        Without one of app.bench.packages.PACKAGES, whose name then says false, those that compare with it are missing;
        without trained networks, those that count channels; without a display, those of keys; without ray tracing,
        those of traced frames and of the reference. "left_out" has a sentence about each, "best_cpu" names the library
        and its way that did the most networks in the least time, if any did.
    """
    size = options.size or SMALL
    weights = _weights(options.weights)
    layers, trained = weights.layers, _trained(weights)
    generalist = WeightSet.load(wide) if wide else None
    too_wide = shader.check_widths(generalist.layers) if generalist else ""
    frames = 1 if quick else _FRAMES
    figures, passes = Samples(), Samples()
    rays = _device_info(options).raytracing
    kind = "traced" if rays else "raster"
    with ExitStack() as stack:

        def start(*arguments: Any, **named: Any) -> Worker[Any]:
            return stack.enter_context(Worker(*arguments, **named))

        views: dict[tuple[int, int], Worker[View]] = {
            one: start(View, replace(options, gbuffer="trace" if rays else "raster"), one)
            for one in dict.fromkeys((SMALL, LARGE, size))
        }
        rasterised = start(View, replace(options, gbuffer="raster"), SMALL) if rays else views[SMALL]
        timed = generalist.layers if generalist and not too_wide else None
        comparison = Comparison(stack.enter_context, options, layers, figures, quick=quick, generalist=timed)

        def rasterised_gbuffer(cost: FrameCost) -> None:
            figures.add("gbuffer_ms_512_raster", cost.gbuffer)
            figures.add("face_triangles_ms_512", cost.passes["face triangles"])

        def at_rest() -> None:
            for shown, view in views.items():
                view.ask(View.still, "neural")  # brings its data back into the caches
                for _ in range(frames):
                    cost = view.ask(View.still, "neural")
                    if shown in FPS:
                        figures.add(f"fps_{FPS[shown]}_{kind}", 1e3 / cost.whole)
                    if shown == SMALL:
                        figures.add("python_ms", cost.python)
                        if not rays:
                            rasterised_gbuffer(cost)
                    if shown == size:
                        passes.add_all(cost.passes)

        def either_gbuffer() -> None:
            costs = []
            for view in (views[SMALL], rasterised):
                view.ask(View.still, "neural")
                costs.append([view.ask(View.still, "neural") for _ in range(frames)])
            for traced, raster in zip(*costs, strict=True):
                figures.add("fps_512_raster", 1e3 / raster.whole)
                figures.add("gbuffer_ms_512_traced", traced.gbuffer)
                rasterised_gbuffer(raster)
                figures.add("gbuffer_raster_over_traced", traced.gbuffer / raster.gbuffer)

        def moving() -> None:
            for shown, name in FPS.items():
                cost = views[shown].ask(View.moving)
                figures.add(f"fps_{name}_light_moving", 1e3 / cost.whole)
                figures.add("light_cache_ms_moving", cost.passes["light cache"])
                figures.add("light_cache_ms", views[shown].ask(View.gathering).passes["light cache"])
                figures.add("python_ms_light_moving", cost.python)

        def reference() -> None:
            milliseconds = views[SMALL].ask(View.still, "reference").passes["reference"]
            figures.add("reference_ms_512", milliseconds)
            figures.add("reference_samples_per_s", 1e3 * SMALL[0] * SMALL[1] / milliseconds)

        keys: Worker[KeyView | str] = start(key_view, options, SMALL, without=key_to_picture.HINDRANCES)

        def key_pressed() -> None:
            for mode in ("tiles", "neural") if not keys.ask(key_to_picture.absence) else ():
                figures.add("key_to_picture_ms", keys.ask(key_to_picture.milliseconds, mode))

        parts = [*comparison.parts, at_rest, moving, key_pressed, *((either_gbuffer, reference) if rays else ())]
        if installed("pygfx"):
            pygfx: Worker[PygfxView | None] = start(pygfx_view, options, SMALL)

            def beside_pygfx() -> None:
                for _ in range(frames):
                    ours, milliseconds = rasterised.ask(View.still, "neural"), pygfx.ask(frame)
                    if milliseconds is None:
                        continue
                    figures.add("pygfx_fps_512", 1e3 / milliseconds)
                    figures.add("raster_over_pygfx", milliseconds / ours.whole)

            parts.append(beside_pygfx)
        if rays and installed("mitsuba"):
            painters: list[Worker[Painter]] = [start(reference_painter, options), start(mitsuba_painter)]

            def skin() -> None:
                ours, theirs = (painter.ask(Painter.cost) for painter in painters)
                figures.add("reference_head_samples_per_s", ours.head_samples_per_s)
                figures.add("mitsuba_head_samples_per_s", theirs.head_samples_per_s)
                figures.add("reference_over_mitsuba", ours.head_samples_per_s / theirs.head_samples_per_s)
                figures.add("noise_cost_over_mitsuba", ours.noise_cost / theirs.noise_cost)

            parts.append(skin)
        description, done = _run(views[SMALL], parts, rounds, counted)
        comparison.compile()
        if not (no_window := keys.ask(key_to_picture.absence)) and rays:
            figures.add("key_to_reference_ms", keys.ask(key_to_picture.milliseconds, "reference"))
        if trained and len(layers) > 2:
            for shares in views[SMALL].ask(View.activity, weights):
                figures.add_all(shares)
        if generalist and len(generalist.layers) > 2:
            for shares in views[SMALL].ask(View.activity, generalist):
                for kind in ("zero", "idle"):
                    figures.add(f"{kind}_channels_wide_generalist", shares[f"{kind}_channels_generalist"])
        used = views[LARGE].ask(memory)
        left_out = [absence(name) for name in PACKAGES if not installed(name)]
        if not rays:
            left_out.append(f"Nothing is traced: {description.device} has no ray tracing.")
        if no_window:
            left_out.append(f"The time from a key to its picture is not measured: {no_window}.")
        if too_wide:
            left_out.append(f"The time of {wide} is not measured: the tile network {too_wide}.")
        if installed("pygfx") and pygfx.ask(frame) is None:
            left_out.append(f"The view is not compared with pygfx, which does not find {description.device}.")
        if comparison.ncnn_misses_device():
            left_out.append(f"ncnn is measured on the CPU alone: it does not find {description.device}.")
        traffic, activations, best = comparison.traffic(), comparison.activations(), comparison.best_cpu()
        shape = comparison.convolution_shape()
    return {
        **_head(description, layers, trained, done),
        "size": list(size),
        "passes_ms": passes.spreads(),
        **figures.spreads(),
        "fused_networks": NETWORKS,
        "fused_layers_deep": list(DEEP),
        "fused_layers_wide": list(WIDE),
        "wide_generalist_layers": list(generalist.layers) if generalist else None,
        "layered_activations": activations,
        "convolution_shape": shape,
        "flop_per_byte": traffic,
        **{name: installed(name) for name in PACKAGES},
        "left_out": left_out,
        "best_cpu": best,
        "resident_mb_720": used["resident"] if used else None,
        "peak_mb_720": used["peak"] if used else None,
    }


def identity(options: SceneOptions) -> dict[str, Any]:
    """What a report would say of the machine and the work, before anything is measured."""
    info = _device_info(options)
    head = _head(Description(info.name, info.driver, info.kind), *shipped(options), 0)
    return {**head, "size": list(options.size or SMALL)}


def measure_passes(options: SceneOptions, names: tuple[str, ...], rounds: int, counted: Counted) -> dict[str, Any]:
    """Measure some passes only; "light cache" and "reference" may be among them.

    Raises:
        InputError: the view has no such pass.
    """
    known: tuple[str, ...] = (*PASSES, "light cache", "reference")
    if not _device_info(options).raytracing:
        known = ("face triangles", *PASSES[1:], "light cache")
    for name in names:
        if name not in known:
            raise InputError(f"There is no pass {name!r}; choose from {', '.join(known)}.")
    size = options.size or SMALL
    layers, trained = shipped(options)
    passes = Samples()
    gathering, tracing = "light cache" in names, "reference" in names
    with Worker(View, options, size) as view:

        def note(frames: int, question: Callable[..., FrameCost], *arguments: str) -> None:
            for _ in range(frames):
                cost = view.ask(question, *arguments)
                passes.add_all({name: cost.passes[name] for name in names if name in cost.passes})

        parts: list[Part] = []
        if len(set(names)) > gathering + tracing:
            parts.append(lambda: note(_FRAMES, View.still, "neural"))
        if gathering:
            parts.append(lambda: note(1, View.gathering))
        if tracing:
            parts.append(lambda: note(1, View.still, "reference"))
        description, done = _run(view, parts, rounds, counted)
    return {**_head(description, layers, trained, done), "size": list(size), "passes_ms": passes.spreads()}


def _run(view: Worker[View], parts: Sequence[Part], rounds: int, counted: Counted) -> tuple[Description, int]:
    """Give every part its turn, round after round; return what the view says of itself and the rounds made."""
    start = time.monotonic()
    description = view.ask(View.describe)  # waits until it is ready
    for step in counted(rounds * len(parts), "measuring"):
        done, part = divmod(step, len(parts))
        if part == 0 and done and (time.monotonic() - start) * (done + 1) / done > TIME_LIMIT:
            return description, done
        parts[part]()
    return description, rounds


def _device_info(options: SceneOptions) -> DeviceInfo:
    with open_device(options, raytracing=False) as device:
        return device.info


def shipped(options: SceneOptions) -> tuple[tuple[int, ...], bool]:
    """Widths of the networks that the view is drawn with, and whether they are trained ones."""
    weights = _weights(options.weights)
    return weights.layers, _trained(weights)


def _weights(folder: Path | None) -> WeightSet:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random ones take as long
        return load_weights(folder)


def _trained(weights: WeightSet) -> bool:
    return bool(weights.metadata.get("trained", True))


def _head(description: Description, layers: Sequence[int], trained: bool, rounds: int) -> dict[str, Any]:
    return {
        "device": description.device,
        "driver": description.driver,
        "kind": description.kind,
        "cpu": processor_name(),
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "layers": list(layers),
        "trained": trained,
        "rounds": rounds,
    }
