"""Progress of a training: live lines where somebody watches, a line a minute in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from app.progress import Log, has_bars


class Show(Protocol):
    """Shows how far a stage is."""

    def __call__(self, done: int, text: str = "") -> None:
        """Show how much is done, and a note."""
        ...


class Display:
    """A line for every stage of a training, each with a bar and a note. A context manager.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        share = TextColumn("{task.percentage:3.0f}%  {task.fields[note]}")
        columns = (TextColumn("{task.description:12}"), BarColumn(), share)
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, *times, console=console, disable=not has_bars(console))

    def print(self, line: str) -> None:
        """Say something. A terminal breaks it where it ends; in a log it stays one line."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Show]:
        """Yield a function that is to be told how much of `total` is done."""
        task = self._progress.add_task(name, total=total, note="")
        start, note, log = time.monotonic(), "", Log(total, name)

        def show(done: int, text: str = "") -> None:
            nonlocal note
            note = text
            self._progress.update(task, completed=done, note=text)
            if not has_bars(self.console) and (line := log.line(done)):
                self.print(f"{line}  {text}".rstrip())

        yield show
        self._progress.update(task, completed=total)
        if not has_bars(self.console):
            self.print(f"{name}: done in {time.monotonic() - start:.0f} s  {note}".rstrip())

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
