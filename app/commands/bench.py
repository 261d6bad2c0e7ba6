"""`bungyo bench`: how long each pass of a frame takes."""

import json
import time
from pathlib import Path
from typing import Any

import click

from app.commands.options import SceneOptions, debug_option, scene_options
from app.commands.stage import open_device, open_renderer, picture_size
from app.errors import InputError

EXAMPLES = """\b
Examples:
  bungyo bench
  bungyo bench --size 1920x1080 --pass tile_network --json bench.json
"""


@click.command(epilog=EXAMPLES)
@scene_options()
@click.option("--pass", "wanted", multiple=True, metavar="NAME", help="Only this pass; repeatable.  [default: all]")
@click.option(
    "--frames",
    type=click.IntRange(1, 100_000),
    default=30,
    show_default=True,
    metavar="N",
    help="Frames measured.",
)
@click.option(
    "--json",
    "report",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the figures here, too.",
)
@debug_option
def bench(scene: SceneOptions, wanted: tuple[str, ...], frames: int, report: Path | None) -> None:
    """Measure the passes of a frame with the GPU's own clock, in milliseconds."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from app.pictures import check_folder
    from app.progress import counted

    if report:
        check_folder(report.parent)
    with open_device(scene) as device:
        size = picture_size(scene, device)
        with open_renderer(scene, device, size, scene.mode) as renderer:
            # Drivers compile at the first dispatch, and the first frame also builds what later ones reuse.
            if scene.mode != "reference":
                renderer.settle_lights()
            for _ in range(3):
                renderer.render()
            rows: list[dict[str, float]] = []
            for _ in counted(frames, "measuring"):
                start = time.perf_counter()
                renderer.render()
                wall = (time.perf_counter() - start) * 1e3
                rows.append({**renderer.timings(), "whole frame": wall})
        name, driver = device.info.name, device.info.driver
    names = [key for key in rows[-1] if not wanted or key in wanted]
    for unknown in set(wanted) - set(names):
        raise InputError(f"There is no pass {unknown!r}; this mode has {', '.join(rows[-1])}.")
    table = Table(title=f"{name}, {size[0]}x{size[1]}, {scene.mode}, {frames} frames", title_justify="left")
    for heading in ("pass", "median ms", "fastest", "slowest"):
        table.add_column(heading, justify="left" if heading == "pass" else "right")
    figures: dict[str, dict[str, float]] = {}
    for key in names:
        times = np.array([row.get(key, 0.0) for row in rows])
        figures[key] = {
            "median": float(np.median(times)),
            "min": float(times.min()),
            "max": float(times.max()),
        }
        table.add_row(key, *(f"{value:.3f}" for value in figures[key].values()))
    Console().print(table)
    if report:
        _write_report(report, {"device": name, "driver": driver, "size": size, "mode": scene.mode, "ms": figures})


def _write_report(path: Path, content: dict[str, Any]) -> None:
    from app.pictures import beside

    with beside(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
    click.echo(f"wrote {path}")
