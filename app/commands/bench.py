"""`bungyo bench`: how fast this machine is, with the spread of every figure."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.bench.figures import short
from app.bench.meanings import MEANINGS, SECTIONS
from app.commands.options import Size, Weights, debug_option, device_option
from app.commands.wide_console import wide_console
from app.errors import InputError
from app.packages import need
from app.scene_options import SceneOptions

_COMPARED = ("", "_deep", "_wide")  # ends of keys of the report

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = """\b
Examples:
  bungyo bench
  bungyo bench --json bench.json --html bench.html
  bungyo bench --pass gbuffer --pass tile_network --size 1280x720
  bungyo bench --quick --device llvmpipe
  bungyo bench --compare bench.json      # what has changed since, on the same machine
  bungyo bench --growth --html bench.html
  bungyo bench --wide weights/mine/generalist-64.safetensors
  bungyo bench --tune
"""


@click.command(epilog=EXAMPLES)
@click.option("--pass", "passes", multiple=True, metavar="NAME", help="Only this pass of the view; repeatable.")
@click.option("--size", type=Size(), metavar="WxH", help="The view whose passes are listed.  [default: 512x512]")
@click.option(
    "--weights",
    type=Weights(),
    metavar="DIR|NAME",
    help="Networks that draw the frames, and whose widths --tune tunes: a folder, or the name of one in weights/."
    "  [default: default]",
)
@click.option(
    "--rounds",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    metavar="N",
    help="How often everything has its turn; less often where two minutes would not do.",
)
@click.option("--quick", is_flag=True, help="Everything once: no spread to speak of.")
@click.option(
    "--json",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the figures here, too, each with its median, least and greatest value.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page with plots here: roofline, bars per pass, bars per opponent. Needs matplotlib.",
)
@click.option(
    "--compare",
    "earlier",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show ratios, new figures over those of this report (--json), too. Device, driver and CPU must be the same;"
    " what depends on other libraries' versions is left out.",
)
@click.option(
    "--wide",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A generalist-N.safetensors (bungyo train --generalist-widths N): its time, and its channels that are zero.",
)
@click.option(
    "--growth",
    is_flag=True,
    help="Then show how every pass grows with pixels, coverage, lights, triangles and networks: some minutes on a CPU.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="Time all ways to write the tile network's shader, for the widths of --weights and then for those that are"
    " compared with opponents, and keep the quickest of each for this device; nothing else.",
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
    page: Path | None,
    earlier: Path | None,
    wide: Path | None,
    growth: bool,
    tune: bool,
    device: str | None,
) -> None:
    """Measure the default view and its parts.

    Passes are timed by the GPU's clock. Python's share of a frame is its whole time less the time in which commands
    were submitted and waited for. The tile network is measured with 225 random networks, one of them at random for
    each tile of a picture that is all face, in turn with numpy's matrix product and with its opponents: the same
    networks layer by layer, networks of 3x3 convolutions, and what is installed of torch, OpenVINO and ncnn. Where
    Mitsuba 3 is installed, it and the reference trace the same head of skin in turn; pygfx draws the view with plain
    shading. All of these come with .venv/bin/pip install -c constraints.txt -e '.[bench]'. Where there is a display, a
    window opens and is sent keys. docs/claims.md says what the figures tell.
    """
    from app.bench.earlier import check_same, load
    from app.bench.growth import measure_growth, with_networks
    from app.bench.measure import identity, measure_all, measure_passes
    from app.files import check_file
    from app.progress import counted

    if tune:
        if passes or report or page or earlier or growth or wide:
            raise InputError("--tune measures something else: options that show or write figures do not go with it.")
        _tune(SceneOptions(weights=weights, device=device))
        return
    for path in (report, page):
        if path:
            check_file(path)
    if (growth or wide) and passes:
        raise InputError("--growth and --wide measure more than passes, so --pass does not go with them.")
    if page:
        if passes:
            raise InputError("A page shows everything, so --html does not go with --pass.")
        need("A page", "matplotlib", "jinja2")
    options = SceneOptions(weights=weights, size=size, device=device)
    rounds = 1 if quick else rounds
    before = load(earlier) if earlier else None
    if earlier and before:
        check_same(before, identity(options), earlier)
    if passes:
        results = measure_passes(options, passes, rounds, counted)
    else:
        results = measure_all(options, rounds, counted, quick=quick, wide=wide)
        if growth:
            results["growth"] = {**measure_growth(options, counted, quick=quick), **with_networks(results)}
    try:
        _show(results, before, earlier)
    finally:  # where nobody reads on, too, as in `bungyo bench --json bench.json | head`
        if report:
            _write(report, json.dumps(results, indent=2) + "\n")
        if page:
            from app.bench.page import render

            _write(page, render(results))
    for path in (report, page):
        if path:
            click.echo(f"wrote {path}")


def _show(results: dict[str, Any], before: dict[str, Any] | None, earlier: Path | None) -> None:
    """Print all figures, and their ratios to those of the report `before`, which was read from `earlier`."""
    from app.bench.earlier import ratios, remarks

    console = wide_console()
    for table in _tables(results):
        console.print(table)
    for kind, grown in results.get("growth", {}).items():
        console.print(_growth_table(kind, grown))
    if earlier and before:
        heading = f"new / {earlier} (min, max: what the spread of both allows; a change is what leaves 1 out)"
        console.print(_table(heading, ratios(before, results), MEANINGS))
        for sentence in remarks(before, results, earlier):
            click.echo(sentence)
    if results.get("resident_mb_720"):
        click.echo(f"memory at 1280x720: {results['resident_mb_720']:.0f} MB, {results['peak_mb_720']:.0f} MB at most")
    if results.get("best_cpu"):
        click.echo(f"quickest library on the CPU for these networks: {results['best_cpu']}")
    for sentence in results.get("left_out", ()):
        click.echo(sentence)


def _tune(options: SceneOptions) -> None:
    from app.bench.comparison import DEEP, WIDE
    from app.bench.measure import shipped
    from app.bench.tuning import tune
    from app.network.layers import LAYERS
    from app.progress import counted

    layers, _ = shipped(options)
    for widths in dict.fromkeys((layers, LAYERS, DEEP, WIDE)):  # those of frames, then those that the bench compares
        found = tune(options, widths, counted)
        title = f"tile network {'-'.join(map(str, widths))}, arithmetic and outputs per block or sizes of matrices, ms"
        figures = {variant.name: spread for variant, spread in found.milliseconds.items()}
        wide_console().print(_table(title, figures, {}))
        click.echo(f"{found.best.name} is the quickest and kept in {found.file}")


def _tables(results: dict[str, Any]) -> "list[Table]":
    width, height = results["size"]
    cores, rounds, view = results["cpu_cores"], results["rounds"], _network(results, "layers", "variant")
    title = f"{results['device']}, CPU cores: {cores}, rounds: {rounds}\ntile network of the view {view}"
    if "fused_layers" in results:
        plain, deep, wide = (_network(results, f"fused_layers{one}", f"fused_variant{one}") for one in _COMPARED)
        title += f"\nnetworks compared {plain}, deeper {deep}, wide {wide}"
        if results["wide_generalist_layers"]:
            title += f", generalist {_network(results, 'wide_generalist_layers', 'wide_generalist_variant')}"
        plain, deep = (results[f"layered_variant{one}"] for one in _COMPARED[:2])
        title += f"\nlayer by layer {plain}, deeper {deep}"
    tables = [_table(f"{title}\npasses of the view, {width}x{height}, ms", results["passes_ms"], {})]
    for heading, meanings in SECTIONS.items():
        if known := {name: results[name] for name in meanings if name in results}:
            tables.append(_table(heading, known, meanings))
    return tables


def _network(results: dict[str, Any], layers: str, variant: str) -> str:
    """Widths, and how the shader for them is written, where anything was drawn with them."""
    widths = "-".join(map(str, results[layers]))
    return f"{widths} as {results[variant]}" if results[variant] else widths


def _table(title: str, figures: dict[str, dict[str, float]], meanings: dict[str, str]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left", min_width=80)
    table.add_column("", ratio=1)
    for heading in ("median", "min", "max"):
        table.add_column(heading, justify="right")
    for name, figure in figures.items():
        table.add_row(meanings.get(name, name), *(short(figure[key]) for key in ("median", "min", "max")))
    return table


def _growth_table(kind: str, grown: dict[str, Any]) -> "Table":
    from rich.table import Table

    from app.bench.growth import MEANINGS as POINTS

    table = Table(title=f"growth with {kind}: {POINTS[kind]}; median ms", title_justify="left", min_width=80)
    table.add_column("", ratio=1)
    for number in grown["at"]:
        table.add_column(short(number) if kind == "coverage" else f"{number:,.0f}", justify="right")
    for name, spreads in grown["ms"].items():
        table.add_row(name, *(short(spread["median"]) for spread in spreads))
    return table


def _write(path: Path, text: str) -> None:
    from app.files import beside

    with beside(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")  # names of files may be no UTF-8
