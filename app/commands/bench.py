"""`bungyo bench`: how fast this machine is, with the spread of every figure."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.commands.options import SceneOptions, Size, debug_option, device_option

if TYPE_CHECKING:
    from rich.table import Table

# What the figures of the report mean, for the table.
MEANINGS = {
    "fps_512_traced": "frames/s at 512x512, lights at rest",
    "fps_720_traced": "frames/s at 1280x720, lights at rest",
    "fps_512_light_moving": "frames/s at 512x512, key light moving",
    "fps_720_light_moving": "frames/s at 1280x720, key light moving",
    "python_ms": "Python's share of a frame at rest, ms",
    "python_ms_light_moving": "Python's share, key light moving, ms",
    "light_cache_ms": "light cache, ms a sample of all points",
    "reference_ms_512": "reference, ms a sample of all pixels, 512x512",
    "reference_samples_per_s": "reference, path samples/s",
    "reference_head_samples_per_s": "reference, samples/s that hit a head of skin",
    "mitsuba_head_samples_per_s": "Mitsuba's volpath, the same head, samples/s",
    "reference_over_mitsuba": "reference / Mitsuba, samples/s",
    "noise_cost_over_mitsuba": "reference / Mitsuba, variance x time",
    "tile_network_ms_full": "tile network, 512x512 all face, ms",
    "tile_hash_ms_full": "tile hash, the same picture, ms",
    "hash_share": "tile hash / tile network",
    "fused_gflops": "tile network, GFLOP/s",
    "fused_gflops_deep": "deeper tile network, GFLOP/s",
    "sgemm_gflops": "numpy's sgemm, 2048x2048, GFLOP/s",
    "fused_over_layered": "layer by layer / tile network, time",
    "fused_over_layered_deep": "the same, deeper networks",
    "conv32_over_fused": "3x3 convolutions, 32 channels / deeper tile network, time",
    "conv64_over_fused": "the same, 64 channels",
    "conv128_over_fused": "the same, 128 channels",
    "fused_over_torch_batch": "torch, one network, whole batch / tile network, time",
    "fused_over_torch_chunks": "torch, one network, in chunks / tile network, time",
    "fused_over_best_cpu": "torch, the same networks in groups / tile network, time",
    "best_cpu_gflops": "torch, the same networks in groups, GFLOP/s",
    "fused_share_of_sgemm": "tile network / sgemm",
    "fused_share_of_sgemm_deep": "deeper tile network / sgemm",
}

EXAMPLES = """\b
Examples:
  bungyo bench
  bungyo bench --json bench.json
  bungyo bench --pass gbuffer --pass tile_network --size 1280x720
  bungyo bench --quick --device llvmpipe
"""


@click.command(epilog=EXAMPLES)
@click.option("--pass", "passes", multiple=True, metavar="NAME", help="Only this pass of the view; repeatable.")
@click.option("--size", type=Size(), metavar="WxH", help="The view whose passes are listed.  [default: 512x512]")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Networks whose widths are measured.  [default: those in weights/]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How often everything has its turn; less often where a minute would not do.",
)
@click.option("--quick", is_flag=True, help="Everything once: no spread to speak of.")
@click.option(
    "--json",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the figures here, too, each with its median, least and greatest value.",
)
@device_option
@debug_option
def bench(
    passes: tuple[str, ...],
    size: tuple[int, int] | None,
    weights: Path | None,
    rounds: int,
    quick: bool,
    report: Path | None,
    device: str | None,
) -> None:
    """Measure the default view and its parts.

    Passes are timed by the GPU's clock. Python's share of a frame is its whole time less the time in which commands
    were submitted and waited for. The tile network is measured with 225 random networks, one of them at random for
    each tile of a picture that is all face, in turn with numpy's matrix product. Where Mitsuba 3 is installed
    (pip install mitsuba), it and the reference trace the same head of skin in turn.
    """
    from rich.console import Console

    from app.bench.measure import measure_all, measure_passes
    from app.pictures import check_folder
    from app.progress import counted

    if report:
        check_folder(report.parent)
    options = SceneOptions(None, None, None, (), weights, "neural", size, device)
    rounds = 1 if quick else rounds
    if passes:
        results = measure_passes(options, passes, rounds, counted)
    else:
        results = measure_all(options, rounds, counted, quick=quick)
    console = Console()
    for table in _tables(results):
        console.print(table)
    if results.get("resident_mb_720"):
        click.echo(f"memory at 1280x720: {results['resident_mb_720']:.0f} MB, {results['peak_mb_720']:.0f} MB at most")
    if not results.get("mitsuba", True):
        click.echo("The reference is not compared with Mitsuba 3, which is not installed (pip install mitsuba).")
    if not results.get("torch", True):
        click.echo("The tile network is not compared with torch, which is not installed (pip install torch).")
    if report:
        _write_report(report, results)


def _tables(results: dict[str, Any]) -> "list[Table]":
    width, height = results["size"]
    title = f"{results['device']}: passes of the view, {width}x{height}, ms"
    tables = [_table(title, results["passes_ms"], {})]
    whole = {name: results[name] for name in MEANINGS if name in results}
    if whole:
        widths, deep = ("-".join(map(str, results[key])) for key in ("layers", "fused_layers_deep"))
        counts = f"rounds: {results['rounds']}, CPU cores: {results['cpu_cores']}"
        title = f"{counts}, networks {widths}, deeper {deep}"
        tables.append(_table(title, whole, MEANINGS))
    return tables


def _table(title: str, figures: dict[str, dict[str, float]], meanings: dict[str, str]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=70)
    table.add_column("")
    for heading in ("median", "min", "max"):
        table.add_column(heading, justify="right")
    for name, figure in figures.items():
        table.add_row(meanings.get(name, name), *(_short(figure[key]) for key in ("median", "min", "max")))
    return table


def _short(value: float) -> str:
    """Three digits or more, without a power of ten."""
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.{2 if value >= 10.0 else 3}f}"


def _write_report(path: Path, content: dict[str, Any]) -> None:
    from app.pictures import beside

    with beside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    click.echo(f"wrote {path}")
