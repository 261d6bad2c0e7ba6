"""A console for tables."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

NARROWEST = 80  # columns that tables are made for


def wide_console(*, to_stderr: bool = False, markup: bool = False, highlight: bool = True) -> "Console":
    """Make a console at least NARROWEST wide.

    rich leaves out columns that do not fit, all of them where COLUMNS is 0. Lines that the terminal breaks can be read.

    Args:
        to_stderr: instead of standard output.
        markup: text has colours in brackets. Names of files are none.
        highlight: numbers have colours.
    """
    from rich.console import Console

    console = Console(stderr=to_stderr, markup=markup, emoji=False, highlight=highlight)
    console.width = max(console.width, NARROWEST)
    return console
