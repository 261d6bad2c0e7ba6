"""When files were written, for who shows them anew as they change."""

from pathlib import Path


def written(file: Path) -> int:
    """Return when a file was written, in ns; 0 while it is not there, as before an editor renames the new one."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


class Watch:
    """Tells when a file has been written.

    Args:
        file: need not be there.
        seen: when it had been written (`written`), asked before it was read: what is still being written is read again.
    """

    def __init__(self, file: Path, seen: int) -> None:
        self.file, self.seen = file, seen

    def look(self) -> bool:
        """Whether it has been written since it was seen last; then it is seen now."""
        now = written(self.file)
        if now in (0, self.seen):
            return False
        self.seen = now
        return True
