"""When files were written, for who shows them anew as they change."""

from pathlib import Path


def written(file: Path) -> int:
    """Return when a file was written, in ns; 0 while it is not there, as before an editor renames the new one."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
