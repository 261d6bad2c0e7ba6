"""Files that save time and nothing else: one that is missing or damaged, or that cannot be written, costs only that."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from app.files import atomic_write

_DIGEST_BYTES = 32  # of SHA-256
_NO_HOME = Path("/nonexistent")  # as Debian calls the home of users who have none


def cache_folder() -> Path:
    """~/.cache/bungyo, or below XDG_CACHE_HOME; a folder that cannot be made where the user has no home."""
    if base := os.environ.get("XDG_CACHE_HOME", ""):
        return Path(base) / "bungyo"
    try:
        home = Path.home()
    except RuntimeError:
        home = _NO_HOME
    return home / ".cache" / "bungyo"


def load_checked(path: Path) -> bytes | None:
    """What `store_checked` wrote, or None where the file is missing or damaged."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    return data if hashlib.sha256(data).digest() == digest else None


def store_checked(path: Path, data: bytes) -> None:
    """Write a file of a digest (SHA-256, 32 bytes), then data; see `store_atomically`."""
    store_atomically(path, hashlib.sha256(data).digest() + data)


def store_atomically(path: Path, data: bytes) -> None:
    """Write a file of which nobody sees half, in a folder made if need be; a disk that refuses costs only the file."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
