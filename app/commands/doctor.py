"""`bungyo doctor`: what this machine has, what is missing, the command that mends it."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from app.commands.options import debug_option
from app.commands.wide_console import wide_console

if TYPE_CHECKING:
    from app.doctor import Report

YES, NO = "[green]yes[/]", "[red]no [/]"

EXAMPLES = """\b
Examples:
  bungyo doctor
  bungyo doctor --json
"""


@click.command(epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@debug_option
def doctor(as_json: bool) -> int:
    """Tell what this machine has, what is missing, and the command that mends it.

    The exit status is 0 if the demo can run, 1 otherwise.
    """
    from app.doctor import examine

    report = examine()
    if as_json:
        click.echo(_as_json(report))
    else:
        _print(report)
    return 0 if report.ready else 1


def _as_json(report: "Report") -> str:
    devices = [
        asdict(device)
        | {
            "features": sorted(device.features),
            "extensions": sorted(device.extensions),
            "usable": device.usable,
        }
        for device in report.devices
    ]
    checks = [asdict(check) for check in report.checks]
    return json.dumps({"ready": report.ready, "devices": devices, "checks": checks}, indent=2)


def _print(report: "Report") -> None:
    from rich.markup import escape
    from rich.table import Table

    from app.gpu.features import RAYTRACING_EXTENSIONS

    console = wide_console(markup=True, highlight=False)
    if report.devices:
        table = Table(title="GPUs", title_justify="left")
        for heading in ("", "GPU and driver", "kind", "Vulkan", "what is needed"):
            table.add_column(heading, overflow="fold")
        for device in report.devices:
            needs = [
                f"{YES if name in device.extensions else NO} {name.removeprefix('VK_KHR_')}"
                for name in RAYTRACING_EXTENSIONS
            ]
            lacks = escape(", ".join(device.missing))
            needs.append(f"[red]lacks {lacks}[/]" if lacks else f"{YES} all features")
            if device.usable and not device.raytracing:
                needs.append("no ray tracing: raster only")
            elif device.raytracing and "rayQuery" not in device.features:
                needs.append("no ray queries: rays are slow, eyes mirror as without rays")
            who = escape(f"{device.name}\n{device.driver}")
            table.add_row(str(device.index), who, device.kind, device.api_version, "\n".join(needs))
        console.print(table)
    for check in report.checks:
        sign = "[green]ok     [/]" if check.ok else "[red]MISSING[/]" if check.needed else "[yellow]without[/]"
        console.print(f"{sign} {check.name:<18} {escape(check.found)}", soft_wrap=True)
        if check.mend and not check.ok:
            console.print(f"        {'':<18} [bold]{escape(check.mend)}[/]", soft_wrap=True)
    if report.ready:
        console.print("\nThe demo can run:  .venv/bin/bungyo demo")
    else:
        console.print("\nThe demo cannot run yet: run the commands next to MISSING.")
