"""When files were written, for who shows them anew as they change."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


def written(file: Path) -> int:
    """Return when a file was written, in ns; 0 while it is not there, as before an editor renames the new one."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def all_written(files: Iterable[Path]) -> dict[Path, int]:
    """Return when each of some files was written."""
    return {file: written(file) for file in files}


class Watch:
    """Tells when a file, or one that it names, has been written.

    Args:
        file: need not be there.
        seen: when it and those that it names had been written, asked before they were read: what is still being written
            is read again.
        times: returns the same of a file as it is now. Asked whenever one of them has been written.
    """

    def __init__(self, file: Path, seen: Mapping[Path, int], times: Callable[[Path], Mapping[Path, int]]) -> None:
        self.file, self.seen = file, seen
        self._times = times

    def look(self) -> bool:
        """Whether one of them has been written since it was seen last; then all are seen now."""
        if all(written(file) in (0, seen) for file, seen in self.seen.items()):
            return False
        self.seen = self._times(self.file)
        return True
