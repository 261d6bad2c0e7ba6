"""`bungyo dataset`: teacher data, path traced."""

from pathlib import Path

import click

from app.commands.options import SceneOptions, Size, debug_option, device_option
from app.commands.stage import open_device
from app.errors import InputError

EXAMPLES = """\b
Examples:
  bungyo dataset --out out/data --frames 400
  bungyo dataset --out out/data --frames 800      (goes on where the first one stopped)
  bungyo dataset --out out/judge --frames 12 --spp 512 --seed 1 --held-out
  bungyo dataset --out out/small --frames 30 --size 256x256 --spp 16 --env studio
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
    help="Frames it shall have in the end.",
)
@click.option("--spp", type=click.IntRange(min=1), default=64, show_default=True, metavar="N", help="Samples a pixel.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Decides cameras, lights and noise.",
)
@click.option(
    "--size",
    type=Size(),
    metavar="WxH",
    default="640x640",
    show_default=True,
    help="Frame size in pixels, 16 or more a side.",
)
@click.option(
    "--tiles",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    default=0.4,
    show_default=True,
    metavar="SHARE",
    help="Share of a frame's face tiles that is path traced.",
)
@click.option("--mesh", type=click.Path(path_type=Path), metavar="FILE", help="Face to draw: GLB, OBJ or PLY.")
@click.option("--face", multiple=True, metavar="NAME", help="A material or part that is face; repeatable.")
@click.option(
    "--env",
    "environments",
    multiple=True,
    metavar="FILE",
    help="An environment map to choose from; repeatable.  [default: all in assets/environments]",
)
@click.option(
    "--held-out", is_flag=True, help="A set for scores only (bungyo evaluate): complete light set-ups, other cameras."
)
@device_option
@debug_option
def dataset(
    out: Path,
    frames: int,
    spp: int,
    seed: int,
    size: tuple[int, int],
    tiles: float,
    mesh: Path | None,
    face: tuple[str, ...],
    environments: tuple[str, ...],
    held_out: bool,
    device: str | None,
) -> int:
    """Make teacher data: random cameras and lights, features and path-traced targets, tile by tile.

    Ctrl-C loses nothing that is finished: the same command goes on from there.
    """
    from app.progress import counter
    from app.scene.assets import ASSETS, find_environment
    from app.scene.default import default_scene
    from app.training.frame_source import GpuFrameSource
    from app.training.frames import Plan
    from app.training.generate import Here, generate

    if min(size) < 16:
        raise InputError(f"A frame must be 16 pixels or more a side, not {size[0]}x{size[1]}.")
    if environments:
        maps = [find_environment(name) for name in environments]
    else:
        maps = sorted((ASSETS / "environments").glob("*.exr"))
    scene = default_scene(mesh=mesh, face=face, aspect=size[0] / size[1])
    options = SceneOptions(mesh, None, None, face, None, "reference", size, device)
    plan = Plan(spp, seed, size, tiles, tuple(maps), held_out=held_out)
    with open_device(options) as gpu, GpuFrameSource(gpu, scene) as source, counter(frames, "frames") as show:
        try:
            added = generate(Here(source), out, plan, frames, progress=lambda done, _wanted, _tiles: show(done))
        except KeyboardInterrupt:
            click.echo(f"Stopped; what is finished is kept in {out}, and the same command goes on.", err=True)
            raise
    click.echo(f"{out} has {frames} frames, {added} of them new." if added else f"{out} has them all already.")
    return 0
