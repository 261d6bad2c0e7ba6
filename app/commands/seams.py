"""`bungyo seams`: whether borders between tiles show, and what cures do."""

from pathlib import Path

import click

from app.commands.doubtful_data import check_gathering
from app.commands.markdown_page import check_page, picture_of, write_page
from app.commands.memory import enough_memory
from app.commands.options import Weights, debug_option, device_option
from app.errors import InputError

EXAMPLES = """\b
Examples:
  bungyo dataset --out out/judge256 --frames 24 --spp 256 --size 256x256 --tiles 1 --held-out
  bungyo seams --data out/judge256
  bungyo seams --data out/judge256 --weights weights/mine --orbits --out out/seams.md
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A data set with all tiles of its frames: `bungyo dataset --held-out --tiles 1`.",
)
@click.option(
    "--weights",
    type=Weights(),
    metavar="DIR|NAME",
    help="Trained networks: a folder, or the name of one in weights/.  [default: default]",
)
@click.option("--orbits", is_flag=True, help="Measure flicker over two slow orbits, too; they are path traced first.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page here, ending in .md; its picture goes to the folder images beside it.",
)
@device_option
@debug_option
@enough_memory()
def seams(data: Path, weights: Path | None, orbits: bool, out: Path | None, device: str | None) -> None:
    """Measure seams between tiles, as they are and with cures, on the held-out frames of a data set.

    For every cure: how much more the error jumps at borders than inside tiles, what changes if the tile grid moves, and
    what it costs.
    """
    if out:
        check_page(out)
    from app.gpu import Device
    from app.network.weights import WeightSet
    from app.pictures import write_png
    from app.progress import counter
    from app.training import seam_page
    from app.training.cures import compare
    from app.training.dataset import Dataset
    from app.training.face_image import face_images
    from app.training.orbit import FRAMES, ORBITS, Orbit, default_orbits
    from app.training.seams import check_scale
    from app.weight_sets import DEFAULT_WEIGHTS

    networks, frames = WeightSet.load(weights or DEFAULT_WEIGHTS), Dataset(data)
    check_gathering(frames)
    check_scale(networks, frames)
    images = list(face_images(frames))
    motion: list[Orbit] = []
    if orbits:
        with Device.open(device) as gpu, counter(ORBITS * FRAMES, "frames of orbits") as show:
            motion = default_orbits(gpu, progress=show)
    with counter(len(images) + len(motion), "frames and orbits") as show:
        effects = compare(networks, images, motion, progress=show)
    if not effects[0].seams.pairs:
        raise InputError(
            f"The frames of {data} have no border to judge by: the network never changes, or only in noisy places."
        )
    if out is None:
        click.echo(f"{seam_page.table(effects)}\n{seam_page.verdict(effects)}")
        return
    picture = picture_of(out)
    write_png(picture, seam_page.crops(networks, images))
    names = (_customary(weights or DEFAULT_WEIGHTS, "weights"), _customary(data, "out"), _customary(out, "docs"))
    text = seam_page.page(effects, networks, frames, names, str(picture.relative_to(out.parent)))
    write_page(out, text)
    click.echo(f"wrote {out} and {picture}")


def _customary(path: Path, folder: str) -> Path:
    """Where a thing of this name lies as a rule, for a page that others read on machines of their own."""
    return path if not path.is_absolute() else Path(folder) / path.name
