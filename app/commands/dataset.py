"""`bungyo dataset`: teacher data, path traced."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.options import Size, debug_option, device_option, engine_options, light_texels_option
from app.errors import InputError
from app.open_renderer import open_device
from app.packages import install_command
from app.scene_options import SceneOptions

if TYPE_CHECKING:
    from app.training.frame_source import OpenSource
    from app.training.generate import Engine

# What the shipped weights learnt from; a set for scores needs whole pictures, and less noise in them.
DEFAULT_SAMPLES, DEFAULT_TILES = 8, 0.6
DEFAULT_SAMPLES_HELD_OUT, DEFAULT_TILES_HELD_OUT = 64, 1.0

SUMMARY = "summary.png"  # in the data set's folder

EXAMPLES = """\b
Examples:
  bungyo dataset --out out/data --frames 400 --workers 2
  bungyo dataset --out out/data --frames 800 --workers 2      # goes on where the first one stopped
  bungyo dataset --out out/faces --frames 4000 --people 200 --workers 4
  bungyo dataset --out out/one --frames 400 --mesh assets/head/head.glb
  bungyo dataset --out out/judge --frames 24 --size 192x192 --seed 1 --held-out --light-samples 32
  bungyo dataset --out out/small --frames 30 --size 256x256 --spp 16 --env studio
  bungyo dataset --out out/big --frames 40000 --engine ray --address 10.0.0.7:6379
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="The data set's folder; frames it has already are kept.",
)
@click.option(
    "--frames",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    metavar="N",
    help="Frames in the set; those that it lacks are made.",
)
@click.option(
    "--spp",
    type=click.IntRange(min=1),
    metavar="N",
    help="Samples per pixel; frames for validation and scores get four times as many."
    f"  [default: {DEFAULT_SAMPLES}; {DEFAULT_SAMPLES_HELD_OUT} with --held-out]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Decides people, cameras, lights and noise.",
)
@click.option(
    "--size",
    type=Size(),
    metavar="WxH",
    default="384x384",
    show_default=True,
    help="Frame size in pixels, 16 or more a side.",
)
@click.option(
    "--tiles",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    metavar="SHARE",
    help="Share of a frame's face tiles that is path traced."
    f"  [default: {DEFAULT_TILES:g}; {DEFAULT_TILES_HELD_OUT:g} with --held-out]",
)
@click.option(
    "--people",
    type=click.IntRange(min=1),
    metavar="N",
    help="How many different random people there are: 3 or more, or 1 with --held-out.  [default: a new one for every 8"
    " frames]",
)
@click.option(
    "--mesh",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="One fixed face instead of random people: GLB, OBJ or PLY.",
)
@click.option("--face", multiple=True, metavar="NAME", help="A material or part of --mesh that is face; repeatable.")
@click.option(
    "--env",
    "environments",
    multiple=True,
    metavar="FILE|NAME",
    help="An environment map to choose from: a file, or the name of one in assets/environments; repeatable."
    "  [default: all of these]",
)
@light_texels_option()
@click.option(
    "--light-samples",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="How often light is gathered for each point of the face; the demo's 32 costs twice the time.  [default: 16]",
)
@click.option(
    "--held-out", is_flag=True, help="A set for scores only (bungyo evaluate): complete light set-ups, other cameras."
)
@engine_options(
    engine="Who works: processes of this machine, or Ray actors",
    workers="How many work at a time, each on a device of its own if there are several.  [default: 1; on a cluster one"
    " a GPU]",
    cluster="whose machines have bungyo and see the same files",
)
@device_option
@debug_option
def dataset(
    out: Path,
    frames: int,
    spp: int | None,
    seed: int,
    size: tuple[int, int],
    tiles: float | None,
    people: int | None,
    mesh: Path | None,
    face: tuple[str, ...],
    environments: tuple[str, ...],
    light_texels: int | None,
    light_samples: int | None,
    held_out: bool,
    engine: str,
    workers: int | None,
    address: str | None,
    device: str | None,
) -> None:
    """Make teacher data: random people, cameras and lights, features and path-traced targets, tile by tile.

    Ctrl-C loses nothing that is finished: the same command goes on from there. The set is the same whoever made it.
    """
    if mesh is not None and people is not None:
        raise InputError("--mesh shows one fixed face and --people random ones: give one of the two.")
    if face and mesh is None:
        raise InputError("--face names parts of a mesh file: give --mesh as well.")
    if address is not None and engine != "ray":
        raise InputError("--address is that of a Ray cluster: give --engine ray as well.")
    from app.progress import counter
    from app.scene.assets import environment_maps, find_environment
    from app.training.frame_source import OpenSource
    from app.training.frames import Plan
    from app.training.generate import generate

    maps = [find_environment(name) for name in environments] or environment_maps()
    layout = None if mesh is None else _layout(mesh, face)
    if spp is None:
        spp = DEFAULT_SAMPLES_HELD_OUT if held_out else DEFAULT_SAMPLES
    if tiles is None:
        tiles = DEFAULT_TILES_HELD_OUT if held_out else DEFAULT_TILES
    plan = Plan(spp, seed, size, tiles, tuple(maps), held_out=held_out, people=people, uv_layout=layout)
    plan.check()
    opens = OpenSource(device, mesh, face, light_texels)
    if light_samples is not None:
        opens = replace(opens, light_samples=light_samples)
    with open_engine(engine, opens, workers, address) as makes, counter(frames, "frames") as show:
        try:
            added = generate(makes, out, plan, frames, progress=show)
        except KeyboardInterrupt:
            click.echo(f"Stopped; what is finished is kept in {out}, and the same command goes on.", err=True)
            raise
    click.echo(f"{out} has {frames} frames, {added} of them new." if added else f"{out} has them all already.")
    if added or not (out / SUMMARY).exists():
        _summarize(out)


def _layout(mesh: Path, face: tuple[str, ...]) -> list[list[float] | None]:
    """Return a fixed face's UV layout for the manifest; what is doubtful about the mesh is said here, once."""
    from app.scene.default import default_scene
    from app.scene.uv_layout import UvLayout

    return UvLayout.of(default_scene(mesh=mesh, face=face).parts).plain()


def _summarize(out: Path) -> None:
    """Draw what the set has, where there is matplotlib."""
    from app.files import beside
    from app.training.dataset import Dataset

    try:
        from app.training.summary import plot_summary
    except ImportError:
        click.echo(
            f"Without matplotlib there is no picture of what the set has; {install_command('train')} installs it.",
            err=True,
        )
        return
    path = out / SUMMARY
    with beside(path) as temporary:
        plot_summary(Dataset(out), temporary)
    click.echo(f"wrote {path}")


@contextmanager
def open_engine(name: str, opens: "OpenSource", workers: int | None, address: str | None) -> Iterator["Engine"]:
    """Yield who makes the frames; one worker on this machine is this process."""
    if name == "ray":
        from app.training.ray_workers import RayWorkers

        if address is None:
            opens.check_devices()
        with RayWorkers(opens, workers, address) as engine:
            yield engine
    elif workers is not None and workers > 1:
        from app.training.workers import Workers

        opens.check_devices()
        with Workers(opens, workers) as engine:
            yield engine
    else:
        from app.training.generate import Here

        with open_device(SceneOptions(device=opens.device)) as device, opens.on(device) as source:
            yield Here(source)
