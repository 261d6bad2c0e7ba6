"""`bungyo evaluate`: how well networks draw what no training step has seen."""

import json
from pathlib import Path

import click

from app.commands.options import debug_option

EXAMPLES = """\b
Examples:
  bungyo evaluate --data out/data
  bungyo evaluate --data out/data --weights weights/mine --json scores.json
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A data set of `bungyo dataset`."
)
@click.option(
    "--weights", type=click.Path(path_type=Path), metavar="DIR", help="Trained networks.  [default: those in weights/]"
)
@click.option(
    "--json",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scores here, too.",
)
@debug_option
def evaluate(data: Path, weights: Path | None, report: Path | None) -> None:
    """Score networks on the held-out frames of a data set: dB of the tone-mapped face pixels.

    "plain" is shading from the features without a network, "noise" what a perfect picture would score on these
    noisy targets.
    """
    from rich.console import Console
    from rich.table import Table

    from app.commands.stage import DEFAULT_WEIGHTS
    from app.network.weights import WeightSet
    from app.pictures import beside, check_folder
    from app.progress import counter
    from app.training.dataset import Dataset
    from app.training.evaluate import evaluate as score

    if report:
        check_folder(report.parent)
    networks = WeightSet.load(weights or DEFAULT_WEIGHTS)
    frames = Dataset(data)
    with counter(len(frames.hashes), "hashes") as show:
        result = score(networks, frames, progress=lambda done, _: show(done))
    table = Table(title=f"{weights or DEFAULT_WEIGHTS} on {data}", title_justify="left")
    for heading in ("", "mean dB", "worst dB", "worst frame", "frames"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, one in result.scores.items():
        table.add_row(name, f"{one.mean:.2f}", f"{one.worst:.2f}", str(one.worst_frame), str(one.frames))
    Console().print(table)
    click.echo(f"{result.expert_share:.1%} of the pixels are drawn by an expert of their own.")
    if report:
        with beside(report) as temporary:
            temporary.write_text(json.dumps(result.summary(), indent=2) + "\n")
        click.echo(f"wrote {report}")
