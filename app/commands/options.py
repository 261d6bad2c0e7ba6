"""Options that several commands share, and what they mean."""

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.errors import InputError
from app.scene_options import FURTHEST_VIEW, LEAST_TEXELS, MAX_SIZE, MOST_STOPS, MOST_TEXELS, SceneOptions
from app.weight_sets import WEIGHTS, supplied_sets

if TYPE_CHECKING:
    from app.passes.gbuffer import GBufferKind

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Session:
    """What one run of the command line knows besides its commands' own options."""

    debug: bool = False


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


class Place(click.ParamType[tuple[float, float, float]]):
    """X,Y,Z in metres, as a tuple."""

    name = "X,Y,Z"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        """Turn "0,0.1,0.5" into (0.0, 0.1, 0.5); anything else is a usage error."""
        if isinstance(value, tuple):
            return value
        try:
            x, y, z = map(float, str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no place: give three numbers, like 0,0.1,0.5", param, ctx)
        if not all(abs(number) <= FURTHEST_VIEW for number in (x, y, z)):  # NaN is not
            self.fail(
                f"{value!r} is no place: each number must be in -{FURTHEST_VIEW:g}..{FURTHEST_VIEW:g}", param, ctx
            )
        return x, y, z


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
    """A name in app.passes.gbuffer.GBUFFER_KINDS, which is imported only once a name is given."""

    name = "KIND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "GBufferKind":
        """Return the name; an unknown one is a usage error that lists the known ones."""
        from app.passes.gbuffer import GBUFFER_KINDS

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


class Weights(click.ParamType[Path]):
    """A weight set: a folder or file, or the name of a folder in weights/."""

    name = "DIR|NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return its path. What is wrong with what a path leads to is for who reads it to say."""
        from app.network.weights import weight_file

        path = Path(value)
        # Unlike Path's methods, these are false for names that no file can have.
        if os.sep in str(value) or os.path.exists(path):
            return path
        if os.path.isfile(weight_file(WEIGHTS / path)):
            return WEIGHTS / path
        names = ", ".join(folder.name for folder in supplied_sets())
        raise InputError(f"There are no networks of the name {value}.", f"There are {names}." if names else "")


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


def _all_of(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Return what adds several options to a command, the first one uppermost in its help."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def device_option(command: Command) -> Command:
    """Add --device to a command."""
    return click.option(
        "--device",
        metavar="N|NAME",
        help="GPU to use: its number in `bungyo doctor`, or a part of its name.  [default: the fastest kind]",
    )(command)


def light_texels_option(when: str = "") -> Callable[[Command], Command]:
    """Return what adds --light-texels to a command; `when` begins what is said of it: where it matters."""
    return click.option(
        "--light-texels",
        type=click.IntRange(LEAST_TEXELS, MOST_TEXELS),
        metavar="N",
        help=f"{when}Texels along the square in which the light on the face is gathered: 512 shows finer light at lids,"
        " lips and hair, for four times the rays.  [default: 256]",
    )


def engine_options(*, engine: str, workers: str, cluster: str) -> Callable[[Command], Command]:
    """Return what adds --engine, --workers and --address to a command.

    Args:
        engine: who does the work: here, or by Ray.
        workers: what --workers says of them, its default included.
        cluster: what is asked of a running cluster.
    """
    return _all_of(
        click.option(
            "--engine",
            type=click.Choice(["local", "ray"]),
            default="local",
            show_default=True,
            help=f"{engine} (they need the extra `ray`: docs/install.md).",
        ),
        click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help=workers),
        click.option(
            "--address",
            metavar="HOST:PORT",
            help=f"With --engine ray: a running cluster, {cluster}.  [default: one is started here]",
        ),
    )


_FILE = click.Path(path_type=Path)


def _subject(several: bool) -> tuple[Callable[[Command], Command], ...]:
    def more(key: str) -> str:
        return f"; repeatable: {key} goes from one to the next" if several else ""

    return (
        click.option(
            "--mesh",
            type=_FILE,
            metavar="FILE",
            help="Face to draw: GLB, OBJ or PLY with texture coordinates.",
        ),
        click.option(
            "--lights",
            type=_FILE,
            multiple=several,
            metavar="FILE|NAME",
            help=f"Light set-up: a TOML file, or the name of one in assets/lights{more('L')}.",
        ),
        click.option(
            "--env",
            "environment",
            type=_FILE,
            metavar="FILE|NAME",
            help="Environment map in place of the set-up's: a file (.exr, .hdr), or the name of one in"
            " assets/environments.",
        ),
        click.option(
            "--exposure",
            type=click.FloatRange(-MOST_STOPS, MOST_STOPS),
            default=SceneOptions.exposure,
            metavar="EV",
            help="Brighter by so many stops than the light set-up says; negative is darker.",
        ),
        click.option(
            "--face",
            multiple=True,
            metavar="NAME",
            help="A material or part that is face; repeatable.  [default: those named skin or face]",
        ),
        click.option(
            "--weights",
            type=Weights(),
            multiple=several,
            metavar="DIR|NAME",
            help=f"Trained networks: a folder, or the name of one in weights/{more('W')}.  [default: those that know"
            " how the face is unwrapped]",
        ),
    )


_PICTURE = (
    click.option(
        "--mode",
        type=Mode(),
        default=SceneOptions.mode,
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
    light_texels_option(),
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
    device_option,
)


def scene_options(*, several: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options that say what to draw to a command, which receives them as `scene: SceneOptions`.

    With `several`, --lights and --weights may be given several times.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_scene(**given: Any) -> Any:
            values = {field.name: given.pop(field.name) for field in fields(SceneOptions) if field.name in given}
            for name in ("lights", "weights") if several else ():
                first, *others = values[name] or (None,)
                values |= {name: first, f"other_{name}": tuple(others)}
            return command(scene=SceneOptions(**values), **given)

        return _all_of(*_subject(several), *_PICTURE)(with_scene)

    return add
