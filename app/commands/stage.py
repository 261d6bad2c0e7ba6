"""From options to a renderer that is ready to draw."""

import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.commands.options import SceneOptions
from app.errors import InputError

if TYPE_CHECKING:
    from app.gpu import Device
    from app.network.weights import WeightSet
    from app.renderer import Renderer
    from app.scene.model import Scene

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
DEFAULT_WEIGHTS = WEIGHTS / "default"

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


def load_weights(folder: Path | None) -> "WeightSet":
    """Return the networks in `folder`; if None and none are trained yet, random ones, with a warning."""
    from app.network.weights import WeightSet, weight_file

    if folder is None and not weight_file(DEFAULT_WEIGHTS).exists():
        warnings.warn(f"there are no trained networks in {DEFAULT_WEIGHTS}: the neural picture is noise.", stacklevel=2)
        return WeightSet.untrained()
    return WeightSet.load(folder or DEFAULT_WEIGHTS)


def weight_sets(options: SceneOptions) -> tuple[Path, ...]:
    """Return the weight sets to go through: those that `options` name, or all in weights/, the default one first."""
    from app.network.weights import weight_file

    if options.weights is not None:
        return options.weights, *options.other_weights
    others = sorted(path for path in WEIGHTS.glob("*") if path != DEFAULT_WEIGHTS and weight_file(path).is_file())
    return DEFAULT_WEIGHTS, *others


def check_layout(options: SceneOptions, scene: "Scene", weights: "WeightSet") -> None:
    """Warn where the face is unwrapped otherwise than the heads that the networks were trained on, and say what to do.

    Raises:
        InputError: the weights' own description of their layout is damaged.
    """
    own = weights.metadata.get("uv_layout")  # of a set that was trained on one mesh; the default one is for all avatars
    if not weights.metadata.get("trained") or (options.mesh is None and own is None):
        return
    from app.scene.uv_layout import UvLayout, canonical_layout

    folder = options.weights or DEFAULT_WEIGHTS
    try:
        expected = canonical_layout() if own is None else UvLayout.parse(own)
    except ValueError as error:
        raise InputError(f"The weights {folder} have an unreadable uv_layout: {error}.") from error
    layout = UvLayout.of(scene.parts)
    if layout.matches(expected):
        return
    if options.mesh is None:
        message = f"the networks in {folder} were trained on a mesh with other UVs than the default head's"
        advice = "Show that mesh with --mesh FILE."
    elif layout.matches_turned(expected):
        message = f"{options.mesh}: its vertices are turned against the heads that the networks in {folder} know"
        advice = "Turn them (not the node that holds them) until the face looks along +z, with +y up."
    elif own is not None and layout.matches(canonical_layout()):
        message = f"{options.mesh}: its UVs are those of the avatars, but not those that the networks in {folder} know"
        advice = "Leave --weights out: the default networks know them."
    else:
        message = f"{options.mesh}: its UVs are not those that the networks in {folder} know"
        advice = "\n  ".join(["Train networks for it:", *commands_to_train(options.mesh, options.face)])
    warnings.warn(f"{message}: the neural picture will look wrong. {advice}", stacklevel=2)


def commands_to_train(mesh: Path, face: tuple[str, ...]) -> tuple[str, str, str]:
    """Return the command lines that make networks for a mesh of one's own and show them."""
    head = " ".join(["--mesh", shlex.quote(str(mesh)), *(f"--face {shlex.quote(name)}" for name in face)])
    name = mesh.stem if mesh.stem != DEFAULT_WEIGHTS.name else f"my-{mesh.stem}"  # those are not to be overwritten
    data, weights = (shlex.quote(str(Path(folder, name))) for folder in ("out", "weights"))
    return (
        f"bungyo dataset {head} --out {data}",
        f"bungyo train --data {data} --out {weights}",
        f"bungyo demo {head} --weights {weights}",
    )


@contextmanager
def open_renderer(
    options: SceneOptions,
    device: "Device",
    size: tuple[int, int],
    mode: str,
    say: Callable[[str], None] = _say_nothing,
    draws_networks: bool = True,
) -> Iterator["Renderer"]:
    """Load what `options` name and yield a renderer for it.

    Args:
        size: (width, height) in pixels.
        mode: one of app.modes.MODES.
        say: called with what is being done before each step that takes time; may raise to stop.
        draws_networks: whether anybody will see what the networks draw; if so, they should know the face's UV layout.

    Raises:
        InputError: a file cannot be used.
    """
    say("loading the networks")
    weights = load_weights(options.weights)
    say("loading the face")
    from app.scene.default import default_scene

    scene = default_scene(
        mesh=options.mesh,
        lights=options.lights,
        environment=options.environment,
        face=options.face,
        aspect=size[0] / size[1],
    )
    if draws_networks:
        check_layout(options, scene, weights)
    say("compiling the shaders")
    from app.renderer import Renderer

    with Renderer(
        device, scene, weights, size, mode=mode, cache_samples=options.light_samples, gbuffer=options.gbuffer
    ) as renderer:
        yield renderer
