"""`bungyo train`: one generalist, then an expert for every hash."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from app.commands.options import debug_option
from app.errors import BungyoError

EXAMPLES = """\b
Examples:
  bungyo train --data out/data --out weights/mine
  bungyo train --data out/data --out weights/wide --hidden 64,64
  bungyo demo --weights weights/mine
"""


class Hidden(click.ParamType[tuple[int, ...]]):
    """Widths of the hidden layers, separated by commas."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Turn "32,32" into (32, 32)."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", str(value), re.ASCII):
            self.fail(f"{value!r} are no widths: give them like 32,32", param, ctx)
        return tuple(int(width) for width in str(value).split(","))


@click.command(epilog=EXAMPLES)
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="A data set of `bungyo dataset`."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    metavar="DIR",
    help="Folder for the weights and the curves of the training.",
)
@click.option(
    "--hidden", type=Hidden(), default="32,32", show_default=True, metavar="N,N", help="Widths of the hidden layers."
)
@click.option("--steps", type=click.IntRange(min=0), metavar="N", help="Steps of the generalist.")
@click.option("--expert-steps", type=click.IntRange(min=0), metavar="N", help="Steps of every expert; 0 for none.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Decides all random choices."
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads.  [default: 2]")
@click.option("--fresh", is_flag=True, help="Forget an interrupted training in the folder instead of going on.")
@debug_option
def train(
    data: Path,
    out: Path,
    hidden: tuple[int, ...],
    steps: int | None,
    expert_steps: int | None,
    seed: int,
    threads: int | None,
    fresh: bool,
) -> int:
    """Train the networks on a data set: a generalist first, then an expert for every hash from it.

    Ctrl-C loses nothing that is finished: the same command goes on from there.
    """
    if find_spec("torch") is None:
        raise BungyoError(
            "Training needs torch, which is not installed.",
            "Install it with:  .venv/bin/pip install -c constraints.txt -e '.[train]'",
        )
    from app.network.schema import CHANNELS
    from app.network.weights import OUTPUTS
    from app.training.dataset import Dataset
    from app.training.experts import ExpertOptions
    from app.training.train import Options
    from app.training.train import train as run

    def given(**values: int | None) -> dict[str, int]:
        return {name: value for name, value in values.items() if value is not None}

    options = Options(
        layers=(CHANNELS, *hidden, OUTPUTS),
        seed=seed,
        experts=ExpertOptions(**given(steps=expert_steps)),
        **given(steps=steps, threads=threads),
    )
    result = run(Dataset(data), out, options, fresh=fresh)
    if result.weights:
        click.echo(f"wrote {result.weights}: {result.experts} experts beside the generalist")
    if result.interrupted:
        click.echo("Stopped; the same command goes on from here.", err=True)
        return 130
    return 0
