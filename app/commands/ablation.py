"""`bungyo ablation`: what every feature of the structured input is worth."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.doubtful_data import check_gathering
from app.commands.markdown_page import check_page, picture_of, write_page
from app.commands.memory import enough_memory
from app.commands.options import debug_option, device_option
from app.errors import BungyoError
from app.packages import need
from app.scene_options import SceneOptions

if TYPE_CHECKING:
    from app.training.ablation import Options
    from app.training.ablation_page import Costs, Screen

ROUNDS = 5  # of timing

EXAMPLES = """\b
Examples:
  bungyo dataset --out out/data --frames 800
  bungyo ablation --data out/data
  bungyo dataset --out out/screen --frames 160 --spp 32 --size 384x384 --tiles 1
  bungyo ablation --data out/data --screen out/screen --steps 8000 --out out/longer.md
"""

_PAGE = Path("out/ablation.md")


@click.command(epilog=EXAMPLES)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A data set of `bungyo dataset`."
)
@click.option(
    "--screen",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Compare blurs of light on this one, too: all tiles of random people (`bungyo dataset --tiles 1`).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=_PAGE,
    show_default=True,
    metavar="FILE",
    help="Write the page here, ending in .md; its plot goes to the folder images beside it.",
)
@click.option(
    "--steps", type=click.IntRange(1), default=4000, show_default=True, metavar="N", help="How long all are trained."
)
@click.option(
    "--seeds", type=click.IntRange(1), default=2, show_default=True, metavar="N", help="How often all are trained."
)
@device_option
@debug_option
@enough_memory()
def ablation(data: Path, screen: Path | None, out: Path, steps: int, seeds: int, device: str | None) -> None:
    """Drop every feature of a pixel's input in turn, and measure what that loses.

    All networks train side by side, on the CPU: with the defaults, a quarter of an hour or so on two cores. Then the
    passes that make the features are timed on the GPU. The page is written with all its text.
    """
    need("An ablation", "torch", "matplotlib")
    from app.files import beside
    from app.progress import counter
    from app.training import ablation_page
    from app.training.ablation import FACE, Options, compare, variants
    from app.training.dataset import Dataset

    options, frames = Options(steps=steps, seeds=seeds), Dataset(data)
    if out == _PAGE:
        out.parent.mkdir(exist_ok=True)
    check_page(out)
    check_gathering(frames)
    blurs = _blurs(screen, options)
    scores = compare([frames], variants(), options, counter)
    costs = _costs(device)
    picture = picture_of(out)
    with beside(picture) as temporary:
        ablation_page.plot(temporary, frames, scores[FACE])
    # Others read the page on machines of their own: paths are those of the examples.
    names = [Path("docs", out.name), *(Path("out", path.name) for path in (data, screen) if path)]
    text = ablation_page.page(frames, scores, options, costs, blurs, names, str(picture.relative_to(out.parent)))
    write_page(out, text)
    click.echo(f"{ablation_page.verdict(scores[FACE])}\nwrote {out} and {picture}")


def _blurs(path: Path | None, options: "Options") -> "Screen | str":
    """The comparison of blurs, or why there is none."""
    if path is None:
        return "it needs complete frames (`--screen`)."
    from statistics import median

    from app.progress import counter
    from app.training.ablation import FACE, compare
    from app.training.ablation_page import PLACES, Screen
    from app.training.avatars import Avatars
    from app.training.dataset import Dataset
    from app.training.screen_space import ScreenBlurred

    complete = Dataset(path)
    check_gathering(complete)
    with counter(max(len(complete.people), 1), "blocks blurred") as show:
        blurred = ScreenBlurred(path, Avatars(), show)
    scores = compare([complete, blurred], PLACES, options, counter)
    return Screen(complete, scores[FACE], median(blurred.pixel_metres.values()))


def _costs(device: str | None) -> "Costs | str":
    """What the passes take, or why that is not known."""
    from app.bench.frames import SMALL
    from app.bench.measure import measure_passes
    from app.network.weights import WeightSet
    from app.progress import counted
    from app.training.ablation_page import PASSES, Costs

    with tempfile.TemporaryDirectory() as folder:
        WeightSet.untrained().save(folder)  # random networks take as long as trained ones
        options = SceneOptions(weights=Path(folder), size=SMALL, device=device)
        try:
            found = measure_passes(options, tuple(PASSES), ROUNDS, counted)
        except BungyoError as error:
            return error.one_line()
    view = f"the default view at {SMALL[0]}x{SMALL[1]}, rounds: {found['rounds']}"
    return Costs(f"{found['device']}, {found['cpu_cores']} CPU cores; {view}", found["passes_ms"])
