"""Options that several commands share, and what they mean."""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from app.passes.gbuffer import GBufferKind

MAX_SIZE = 8192

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Session:
    """What one run of the command line knows besides its commands' own options."""

    debug: bool = False


@dataclass(frozen=True)
class SceneOptions:
    """What to draw and on what; None means the default that comes with bungyo.

    Args:
        mesh: GLB, OBJ or PLY file.
        lights: light set-up, a TOML file.
        environment: environment map, .exr or .hdr.
        face: names of the materials or parts that are face.
        weights: folder with the trained networks.
        mode: what the picture shows: one of app.modes.MODES.
        size: (width, height) in pixels, 1..MAX_SIZE each; None means one that suits the device.
        device: a device's number or a part of its name.
        light_samples: how often light is gathered for each point of the face, before it is blurred there.
        gbuffer: how pixels find what they show: one of app.renderer.GBUFFER_KINDS; None: by rays where the device
            traces them.
        other_weights: further folders with trained networks, for who can change them.
    """

    mesh: Path | None
    lights: Path | None
    environment: Path | None
    face: tuple[str, ...]
    weights: Path | None
    mode: str
    size: tuple[int, int] | None
    device: str | None
    light_samples: int = 32
    gbuffer: "GBufferKind | None" = None
    other_weights: tuple[Path, ...] = ()


class Size(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT in pixels, as a tuple."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Turn "1280x720" into (1280, 720); anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"(\d{1,9})[xX×](\d{1,9})", str(value).strip(), re.ASCII)
        if not match:
            self.fail(f"{value!r} is not a size: give width and height in pixels, like 1280x720", param, ctx)
        width, height = int(match[1]), int(match[2])
        if not (1 <= width <= MAX_SIZE and 1 <= height <= MAX_SIZE):
            self.fail(f"{value!r} is out of range: width and height must be 1..{MAX_SIZE}", param, ctx)
        return width, height


class Mode(click.ParamType[str]):
    """A name in app.modes.MODES, which is imported only once a name is given."""

    name = "MODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; an unknown one is a usage error that lists the known ones."""
        from app.modes import MODES

        if value not in MODES:
            self.fail(f"{value!r} is not a mode: choose one of {', '.join(MODES)}", param, ctx)
        return str(value)


class GBuffer(click.ParamType["GBufferKind"]):
    """A name in app.renderer.GBUFFER_KINDS, which is imported only once a name is given."""

    name = "KIND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "GBufferKind":
        """Return the name; an unknown one is a usage error that lists the known ones."""
        from app.renderer import GBUFFER_KINDS

        for kind in GBUFFER_KINDS:
            if value == kind:
                return kind
        self.fail(f"{value!r} is not a way to fill the G-buffer: choose from {', '.join(GBUFFER_KINDS)}", param, ctx)


class Aov(click.ParamType[str]):
    """A name in app.modes.AOVS, which is imported only once a name is given."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; an unknown one is a usage error that lists the known ones."""
        from app.modes import AOVS

        if value not in AOVS:
            self.fail(f"{value!r} is not an AOV: choose from {', '.join(AOVS)}", param, ctx)
        return str(value)


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).debug = True


# Accepted before and after a subcommand's name; eager, so that it also covers errors in the other options.
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show Python's traceback with an error, and warnings of libraries.",
)


def device_option(command: Command) -> Command:
    """Add --device to a command."""
    return click.option(
        "--device",
        metavar="N|NAME",
        help="GPU to use: its number in `bungyo doctor`, or a part of its name.  [default: the fastest kind]",
    )(command)


def scene_options(
    default_mode: str = "neural", *, several_weights: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options that say what to draw to a command, which receives them as `scene: SceneOptions`.

    With `several_weights`, --weights may be given several times.
    """
    path = click.Path(path_type=Path)
    options = [
        click.option(
            "--mesh",
            type=path,
            metavar="FILE",
            help="Face to draw: GLB, OBJ or PLY with texture coordinates.",
        ),
        click.option(
            "--lights",
            type=path,
            metavar="FILE",
            help="Light set-up, a TOML file like assets/lights/studio.toml.",
        ),
        click.option(
            "--env",
            "environment",
            type=path,
            metavar="FILE",
            help="Environment map (.exr, .hdr) in place of the set-up's.",
        ),
        click.option(
            "--face",
            multiple=True,
            metavar="NAME",
            help="A material or part that is face; repeatable.  [default: those named skin or face]",
        ),
        click.option(
            "--weights",
            type=path,
            multiple=several_weights,
            metavar="DIR",
            help="Trained networks"
            + ("; repeatable: W goes from one to the next" if several_weights else "")
            + ".  [default: those in weights/]",
        ),
        click.option(
            "--mode",
            type=Mode(),
            default=default_mode,
            show_default=True,
            help="What the picture shows: neural, reference, split, difference, or a view of the G-buffer,"
            " the tiles or the hashes (a wrong name lists all).",
        ),
        click.option(
            "--size",
            type=Size(),
            metavar="WxH",
            help="Picture size in pixels.  [default: 1280x720, on a CPU 640x480]",
        ),
        click.option(
            "--light-samples",
            type=click.IntRange(1, 4096),
            default=SceneOptions.light_samples,
            show_default=True,
            metavar="N",
            help="How often light is gathered for each point of the face: fewer is sooner, more is smoother.",
        ),
        click.option(
            "--gbuffer",
            type=GBuffer(),
            help="How pixels find what they show of the face: trace, by a ray each, or raster, which is quicker."
            "  [default: trace, on a GPU without ray tracing raster]",
        ),
    ]

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_scene(
            mesh: Path | None,
            lights: Path | None,
            environment: Path | None,
            face: tuple[str, ...],
            weights: Path | tuple[Path, ...] | None,
            mode: str,
            size: tuple[int, int] | None,
            device: str | None,
            light_samples: int,
            gbuffer: "GBufferKind | None",
            **others: Any,
        ) -> Any:
            sets = weights if isinstance(weights, tuple) else (weights,) if weights else ()
            scene = SceneOptions(
                mesh,
                lights,
                environment,
                face,
                sets[0] if sets else None,
                mode,
                size,
                device,
                light_samples,
                gbuffer,
                sets[1:],
            )
            return command(scene=scene, **others)

        decorated: Callable[..., Any] = device_option(with_scene)
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add
