"""From options to a renderer that is ready to draw. Imports nothing of app/commands or app/bench, which call it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from app.layout_check import check_layout, choose_weights
from app.scene_options import SceneOptions
from app.weight_sets import load_weights

if TYPE_CHECKING:
    from app.gpu import Device
    from app.network.weights import WeightSet
    from app.renderer import Renderer
    from app.scene.model import Scene

# Drawn on a CPU, a smaller picture keeps the head moving.
DEFAULT_SIZE, DEFAULT_SIZE_CPU = (1280, 720), (640, 480)


def _say_nothing(_: str) -> None:
    """For callers that show no progress."""


def picture_size(options: SceneOptions, device: "Device") -> tuple[int, int]:
    """Return the size asked for, or the default one for this kind of device."""
    return options.size or (DEFAULT_SIZE_CPU if device.info.kind == "cpu" else DEFAULT_SIZE)


@contextmanager
def open_device(options: SceneOptions, *, window: bool = False, raytracing: bool | None = True) -> Iterator["Device"]:
    """Yield the device that `options` name; the validation layer's complaints come as warnings at the end.

    Args:
        window: prepare for a window.
        raytracing: as in Device.open; where None finds none, a warning says what becomes of the picture.
    """
    from app.gpu import Device

    with Device.open(options.device, window=window, raytracing=raytracing) as device:
        if raytracing is None and not device.raytracing:
            warnings.warn(
                f"{device.info.name} has no ray tracing: the G-buffer is rasterised, shadows come from depth maps, and"
                " there is no reference.",
                stacklevel=1,
            )
        yield device
    for message in device.validation_messages:
        warnings.warn(message, stacklevel=1)


def needs_rays(options: SceneOptions) -> Literal[True] | None:
    """Return what `open_device` is to be told for a picture: True if it needs ray tracing, None if it may have it."""
    from app.modes import NEEDS_REFERENCE

    return True if options.gbuffer == "trace" or options.mode in NEEDS_REFERENCE else None


def load_scene(options: SceneOptions, size: tuple[int, int], lit_as: "Scene | None" = None) -> "Scene":
    """Load the face, lights and surroundings that `options` name, for pictures of `size`.

    With `lit_as`, the light is that of another scene.

    Raises:
        InputError: a file cannot be used.
    """
    from app.scene.default import default_scene

    return default_scene(
        mesh=options.mesh,
        lights=options.lights,
        environment=options.environment,
        exposure=options.exposure,
        face=options.face,
        aspect=size[0] / size[1],
        lit_as=lit_as,
    )


@contextmanager
def open_renderer(
    options: SceneOptions,
    device: "Device",
    size: tuple[int, int],
    mode: str,
    say: Callable[[str], None] = _say_nothing,
    draws_networks: bool = True,
    keeps_light: bool = False,
    scene: "Scene | None" = None,
    weights: "WeightSet | None" = None,
) -> Iterator["Renderer"]:
    """Load what `options` name and yield a renderer for it.

    Args:
        size: (width, height) in pixels.
        mode: one of app.modes.MODES.
        say: called with what is being done before each step that takes time; may raise to stop.
        draws_networks: whether anybody will see what the networks draw; if so, they should know the face's UV layout.
        keeps_light: see Renderer.
        scene: what `load_scene` returned for these options, if it has been called.
        weights: the networks that these options and the face want, if they have been loaded.

    Raises:
        InputError: a file cannot be used.
    """
    if weights is None and options.weights is not None:
        weights = load_weights(options.weights)  # before a mesh that takes long
    if scene is None:
        say("loading the face")
        scene = load_scene(options, size)
    say("loading the networks")
    weights = weights or load_weights(choose_weights(options, scene) if draws_networks else None)
    if draws_networks:
        check_layout(options, scene, weights)
    say("compiling the shaders")
    from app.passes.array_store import derived_store
    from app.renderer import Renderer

    with Renderer(
        device,
        scene,
        weights,
        size,
        mode=mode,
        cache_size=options.light_texels,
        cache_samples=options.light_samples,
        gbuffer=options.gbuffer,
        keeps_light=keeps_light,
        store=derived_store(),
    ) as renderer:
        yield renderer
