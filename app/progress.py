"""Progress of long work, on stderr, where somebody watches."""

from collections.abc import Iterator


def counted(total: int, what: str) -> Iterator[int]:
    """Yield 0..total-1 while a bar shows how far the loop has come; no bar where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(range(total), description=what)
