"""Progress of long work, on stderr, where somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


def counted(total: int, what: str) -> Iterator[int]:
    """Yield 0..total-1 while a bar shows how far the loop has come."""
    with counter(total, what) as show:
        for index in range(total):
            yield index
            show(index + 1)


@contextmanager
def counter(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that is to be told how many of `total` are done; no bar where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
