"""From options to a renderer that is ready to draw."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.options import SceneOptions

if TYPE_CHECKING:
    from app.gpu import Device
    from app.network.weights import WeightSet
    from app.renderer import Renderer

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
def open_device(options: SceneOptions, *, window: bool = False) -> Iterator["Device"]:
    """Yield the device that `options` name; the validation layer's complaints come as warnings at the end."""
    from app.gpu import Device

    with Device.open(options.device, window=window) as device:
        yield device
    for message in device.validation_messages:
        warnings.warn(message, stacklevel=1)


def load_weights(folder: Path | None) -> "WeightSet":
    """Return the networks in `folder`; if None and none are trained yet, random ones, with a warning."""
    from app.network.weights import WeightSet, weight_file

    if folder is None and not weight_file(DEFAULT_WEIGHTS).exists():
        warnings.warn(f"there are no trained networks in {DEFAULT_WEIGHTS}: the neural picture is noise.", stacklevel=2)
        return WeightSet.untrained()
    return WeightSet.load(folder or DEFAULT_WEIGHTS)


@contextmanager
def open_renderer(
    options: SceneOptions,
    device: "Device",
    size: tuple[int, int],
    mode: str,
    say: Callable[[str], None] = _say_nothing,
) -> Iterator["Renderer"]:
    """Load what `options` name and yield a renderer for it.

    Args:
        size: (width, height) in pixels.
        mode: one of app.renderer.MODES.
        say: called with what is being done before each step that takes time; may raise to stop.

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
    say("compiling the shaders")
    from app.renderer import Renderer

    with Renderer(device, scene, weights, size, mode=mode, cache_samples=options.light_samples) as renderer:
        yield renderer
