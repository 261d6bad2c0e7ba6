"""`bungyo train`: one generalist, then an expert for every hash."""

import re
from pathlib import Path
from typing import Any

import click

from app.commands.doubtful_data import check_gathering, check_layouts
from app.commands.memory import FEWER_FRAMES, enough_memory
from app.commands.options import Weights, debug_option, engine_options
from app.errors import InputError
from app.interruption import INTERRUPTED
from app.packages import need

EXAMPLES = """\b
Examples:
  bungyo train --data out/data --out weights/mine
  bungyo train --data out/jane --out weights/jane --start default
  bungyo train --data out/data --out weights/wide --hidden 64,64
  bungyo train --data out/data --out weights/free --teachers none --experts-train everything --reach 0.75
  bungyo train --data out/data --out weights/mine --learning-curve
  bungyo train --data out/data --out weights/mine --generalist-widths 64,128,256
  bungyo train --data out/data --out weights/any --any-uv
  bungyo train --data out/big --out weights/big --engine ray --address 10.0.0.7:6379
  bungyo demo --weights weights/mine
"""


class Widths(click.ParamType[tuple[int, ...]]):
    """Widths of layers, separated by commas."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Turn "32,32" into (32, 32)."""
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"\d{1,4}(,\d{1,4})*", str(value), re.ASCII):
            self.fail(f"{value!r} are no widths: give them like 32,32", param, ctx)
        return tuple(int(width) for width in str(value).split(","))


class Teachers(Widths):
    """The same, or "none"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Turn "64,128" into (64, 128), and "none" into ()."""
        return () if value == "none" else super().convert(value, param, ctx)


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
    "--hidden", type=Widths(), default="32,28", show_default=True, metavar="N,N", help="Widths of the hidden layers."
)
@click.option(
    "--start",
    type=Weights(),
    metavar="DIR|NAME",
    help="Begin as this set's generalist, not with random weights: a folder, or the name of one in weights/. It takes"
    " far less data.",
)
@click.option("--steps", type=click.IntRange(min=0), metavar="N", help="Steps of the generalist.  [default: 20000]")
@click.option(
    "--expert-steps",
    type=click.IntRange(min=0),
    metavar="N",
    help="Steps of every expert; 0 for none, and no teachers.  [default: 3000]",
)
@click.option(
    "--experts-train",
    type=click.Choice(["last-layer", "everything"]),
    help="What an expert may change: its last layer and all biases, or everything, which asks for teachers or much"
    " data.  [default: everything, without teachers last-layer]",
)
@click.option(
    "--reach",
    type=click.FloatRange(0.0, 1.0, min_open=True),
    metavar="A",
    help="How far all experts go from the generalist to where their training ended, at most 1.  [default: each as far"
    " as does good to people it has not seen]",
)
@click.option(
    "--neighbor-share",
    type=click.FloatRange(0.0, 1.0, max_open=True),
    metavar="A",
    help="Share of the pixels an expert learns from that its neighbours' folders give.  [default: 0.7]",
)
@click.option(
    "--teachers",
    type=Teachers(),
    metavar="N,N",
    help="Train generalists of these widths first, and let the experts learn their mean picture, which has no noise;"
    " none: let them learn from the noisy targets.  [default: 64,64,128]",
)
@click.option(
    "--generalist-widths",
    type=Widths(),
    default=(),
    metavar="N,N",
    help="Train generalists of these widths as well, as generalist-N.safetensors, to compare with.",
)
@click.option(
    "--any-uv",
    is_flag=True,
    help="Make networks for faces of any UVs: they do not see uv, and there are no experts, as hashes are made of UVs.",
)
@click.option(
    "--learning-curve",
    is_flag=True,
    help="Train on an eighth, a quarter, half and all of the people as well, and say what twice as many would bring.",
)
@engine_options(
    engine="Who trains the experts: this process, or Ray workers",
    workers="With --engine ray, on this machine: how many workers.  [default: 1; on a cluster all of it works]",
    cluster="whose machines have bungyo",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the networks are trained; auto takes CUDA if there is one.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Decides all random choices."
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="CPU threads of this process.  [default: 2]")
@click.option(
    "--fresh",
    is_flag=True,
    help="Forget an interrupted training in the folder instead of going on, and replace finished networks there.",
)
@debug_option
@enough_memory(FEWER_FRAMES + " --device cpu takes none of the GPU's.")
def train(
    data: Path,
    out: Path,
    hidden: tuple[int, ...],
    start: Path | None,
    steps: int | None,
    expert_steps: int | None,
    experts_train: str | None,
    reach: float | None,
    neighbor_share: float | None,
    teachers: tuple[int, ...] | None,
    generalist_widths: tuple[int, ...],
    any_uv: bool,
    learning_curve: bool,
    engine: str,
    workers: int | None,
    address: str | None,
    device: str,
    seed: int,
    threads: int | None,
    fresh: bool,
) -> int:
    """Train the networks on a data set: a generalist first, then an expert for every hash from it.

    Ctrl-C loses nothing that is finished: the same command goes on from there. Finished networks in --out are replaced
    with --fresh only; the same command adds to them what lacks beside them. docs/training.md says how it works and how
    to read the curves.
    """
    if engine != "ray" and (address is not None or workers is not None):
        raise InputError("--workers and --address are those of Ray: give --engine ray as well.")
    if address is not None and workers is not None:
        raise InputError("On a running cluster all of it works: leave --workers out.")
    need("Training", "torch", "matplotlib")
    from app.network.layers import OUTPUTS
    from app.network.schema import CHANNELS
    from app.network.weights import WeightSet, weight_file
    from app.training.dataset import Dataset
    from app.training.experts import ExpertEngine, ExpertOptions
    from app.training.train import train as run
    from app.training.train_options import TrainOptions

    def given(**values: Any) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value is not None}

    if any_uv:
        expert_steps, teachers = expert_steps or 0, teachers or ()
    experts = given(trains=experts_train, steps=expert_steps, reach=reach, neighbor_share=neighbor_share)
    options = TrainOptions(
        layers=(CHANNELS, *hidden, OUTPUTS),
        seed=seed,
        device=device,
        widths=generalist_widths,
        any_uv=any_uv,
        learning_curve=learning_curve,
        experts=ExpertOptions(**experts),
        **given(start=None if start is None else str(start), steps=steps, threads=threads, teachers=teachers),
    )
    who: ExpertEngine | None = None  # this process
    if engine == "ray":
        from app.training.ray_experts import RayExperts

        who = RayExperts(workers or 1, address)
    frames = Dataset(data)
    check_gathering(frames)
    networks = None
    if start is not None:
        if weight_file(start).resolve() == weight_file(out).resolve():
            raise InputError("--start and --out are the same networks: what begins with them would replace them.")
        networks = WeightSet.load(start)
        if not any_uv:
            advice = "they are no help to begin with. Give --start any-uv, whose network looks at none."
            check_layouts(frames, networks, start, advice)
    result = run(frames, out, options, start=networks, fresh=fresh, engine=who)
    if result.weights:
        click.echo(f"wrote {result.weights}: {result.experts} experts beside the generalist")
    if result.interrupted:
        again = "the same command without --fresh" if fresh else "the same command"
        goes_on = f"{again} goes on from here" if result.kept else "the same command begins anew"
        click.echo(f"Stopped; {goes_on}.", err=True)
        return INTERRUPTED
    return 0
