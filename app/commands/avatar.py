"""`bungyo avatar`: people made from parameters."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.options import Size, debug_option, device_option
from app.commands.wide_console import wide_console
from app.errors import InputError

if TYPE_CHECKING:
    from app.scene.avatar.person import Person

SAMPLES = 64  # a pixel of portraits

EXAMPLES = """\b
Examples:
  bungyo avatar --seed 7 --out person.glb            # a plausible person; the same seed, the same person
  bungyo avatar --seed 7 --set person.age=70 --set hair.greying=0.8 --out older.glb
  bungyo avatar --set expression.jawOpen=0.5 --out default_open.glb
  bungyo avatar --seed 7 --set camera.yaw=60 --set light.rim=2 --out portrait.png
  bungyo avatar --sheet 24 --seed 100 --out sheet.png      # portraits of the seeds 100 to 123
  bungyo avatar --list                               # every parameter with its range
  bungyo avatar --list hair                          # those with "hair" in their name or meaning
  bungyo demo --mesh person.glb
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Draw a plausible person at random, always the same."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a parameter, over what the seed says; repeatable.",
)
@click.option("--expression", is_flag=True, help="With --seed: let the seed choose an expression as well.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to: .glb, a mesh with the 52 ARKit blend shapes, or .png, a path-traced portrait.",
)
@click.option(
    "--sheet", type=click.IntRange(1, 200), metavar="N", help="Portraits of N people, from --seed on, in one picture."
)
@click.option(
    "--spp",
    type=click.IntRange(1, 1 << 16),
    metavar="N",
    help=f"Samples a pixel of portraits.  [default: {SAMPLES}]",
)
@click.option(
    "--size", type=Size(), metavar="WxH", help="Size of every portrait.  [default: 512x576; on a sheet 256x288]"
)
@click.option(
    "--list",
    "listed",
    is_flag=False,
    flag_value="",
    metavar="[WORD]",
    help="Show all parameters, or those with WORD in their name or meaning, and stop.",
)
@device_option
@debug_option
def avatar(
    seed: int | None,
    settings: tuple[str, ...],
    expression: bool,
    out: Path | None,
    sheet: int | None,
    spp: int | None,
    size: tuple[int, int] | None,
    listed: str | None,
    device: str | None,
) -> None:
    """Make a person from named parameters, or at random, as a mesh file that `bungyo demo --mesh` draws.

    Without --seed it is the default person, changed by what --set says.
    """
    if listed is not None:
        if out is not None:
            raise InputError("--list writes no file: leave out --out.")
        _list(listed)
        return
    if out is None:
        raise InputError("Say where to write with --out FILE.glb, or see --list.")
    kinds = (".png",) if sheet else (".glb", ".png")
    if out.suffix.lower() not in kinds:
        raise InputError(f"Cannot write {out}: its name must end in {' or '.join(kinds)}.")
    if expression and seed is None and not sheet:
        raise InputError("--expression lets the seed choose: give --seed as well.")
    if out.suffix.lower() == ".glb" and (spp or size):
        raise InputError("--spp and --size are a portrait's, and a mesh has neither: write one with --out FILE.png.")
    values, samples = _parse(settings), spp or SAMPLES
    if sheet:
        from app.sheet import ON_SHEET, draw_sheet

        people = [_person((seed or 0) + number, values, expression) for number in range(sheet)]
        draw_sheet(people, out, size=size or ON_SHEET, samples=samples, device=device)
    elif out.suffix.lower() == ".png":
        from app.gpu import Device
        from app.pictures import check_output, write_png
        from app.sheet import PORTRAIT, draw_portrait

        check_output(out)
        person = _person(seed, values, expression)
        with Device.open(device) as gpu:
            write_png(out, draw_portrait(gpu, person, size or PORTRAIT, samples))
    else:
        from app.files import beside, check_file
        from app.scene.avatar.build import avatar_glb

        check_file(out)
        data = avatar_glb(_person(seed, values, expression))
        with beside(out) as temporary:
            temporary.write_bytes(data)
    click.echo(f"wrote {out}")


def _person(seed: int | None, values: dict[str, float], expression: bool) -> "Person":
    from app.scene.avatar.person import Person
    from app.scene.avatar.sample import sample

    if seed is None:
        return Person(values)
    return Person({**sample(seed, expression=expression).values, **values}, seed)


def _parse(settings: tuple[str, ...]) -> dict[str, float]:
    values: dict[str, float] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name = name.strip()
        try:
            value = float(text)
        except ValueError:
            raise InputError(f"--set {setting}: write NAME=NUMBER, for example person.age=60.") from None
        if not equals or not name:
            raise InputError(f"--set {setting}: write NAME=NUMBER, for example person.age=60.")
        if name in values and values[name] != value:
            raise InputError(f"--set gives {name} two values, {values[name]:g} and {value:g}.")
        values[name] = value
    return values


def _list(word: str) -> None:
    from app.scene.avatar.parameters import PARAMETERS

    shown = [p for p in PARAMETERS if word.lower() in f"{p.name} {p.meaning}".lower()]
    if not shown:
        raise InputError(f"No parameter has {word!r} in its name or meaning.", "bungyo avatar --list shows all.")
    rows = [(p.name, f"{p.low:g} .. {p.high:g}", f"{p.default:g}", p.meaning) for p in shown]
    if sys.stdout.isatty():
        _print_table(rows)
    else:  # for grep: a line each, however long
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
        for *cells, meaning in rows:
            click.echo("  ".join([*map(str.ljust, cells, widths), meaning]))


def _print_table(rows: list[tuple[str, str, str, str]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "range", "default"):
        table.add_column(heading, no_wrap=True)
    table.add_column("meaning")
    group = ""
    for name, *cells in rows:
        if group and not name.startswith(group):
            table.add_section()
        group = name.partition(".")[0] + "."
        table.add_row(name, *cells)
    wide_console().print(table)
