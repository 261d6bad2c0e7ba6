"""Progress of long work, on stderr: a bar where somebody watches, a line a minute in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 60.0  # between two lines of a log
RATE_SECONDS = 600.0  # over which the rate is measured: some work takes half a minute a step


def counted(total: int, what: str) -> Iterator[int]:
    """Yield 0..total-1 while a bar shows how far the loop has come."""
    with counter(total, what) as show:
        for index in range(total):
            yield index
            show(index + 1)


@contextmanager
def counter(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that is to be told how many of `total` are done: shows count, rate and time left.

    What the first call says was done before, and counts for the number alone, not for the rate.
    """
    import click
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_rate(task.speed), style="progress.data.speed")

    console = Console(stderr=True)
    description = TextColumn("{task.description}", markup=False)  # names of files are none
    columns = description, BarColumn(), MofNCompleteColumn(), Rate(), Remaining()
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not has_bars(console),
        speed_estimate_period=RATE_SECONDS,
    ) as progress:
        task = progress.add_task(what, total=total)
        log = Log(total, what)

        def show(done: int) -> None:
            progress.update(task, completed=done)
            if not has_bars(console) and (line := log.line(done)):
                click.echo(line, err=True)

        yield show


@contextmanager
def percentage(what: str) -> Iterator[Callable[[float], None]]:
    """Yield a function that is to be told the share 0..1 that is done; see `counter`."""
    with counter(100, what) as show:
        yield lambda share: show(int(100.0 * share))


def has_bars(console: "Console") -> bool:
    """Whether lines of it can be drawn anew: it is a terminal, and not one such as editors have, with TERM=dumb."""
    return console.is_terminal and not console.is_dumb_terminal


class Log:
    """Says now and then how far work has come, where nobody watches.

    Args:
        total: how much there is to do.
        what: the name of it.
    """

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._begin: tuple[float, int] | None = None
        self._last = time.monotonic()

    def line(self, done: int) -> str | None:
        """The line that is due: count, rate and time left; None between two. To be told of every step, as a counter."""
        now = time.monotonic()
        if self._begin is None:
            self._begin = now, done
        if now - self._last < LINE_SECONDS:
            return None
        self._last = now
        start, before = self._begin
        rate = (done - before) / max(now - start, 1e-9)
        left = timedelta(seconds=round((self._total - done) / rate)) if rate > 0.0 else "unknown time"
        return f"{self._what}: {done} of {self._total}, {_rate(rate)}, {left} left"


def _rate(speed: float | None) -> str:
    """Steps a second, or a minute where they are slow."""
    if not speed:
        return ""
    return f"{speed:.1f}/s" if speed >= 1.0 else f"{speed * 60.0:.1f}/min"
