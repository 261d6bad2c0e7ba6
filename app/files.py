"""Files that are never there half-written, and folders that are checked before any work is done for them."""

import errno
import os
import shlex
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import BungyoError, InputError


def is_full(error: OSError) -> bool:
    """Whether the disk, or what the user may have of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def check_folder(folder: Path) -> None:
    """Raise InputError unless `folder` exists and files can be made in it."""
    if not folder.exists():
        hint = f"Make it:  mkdir -p {shlex.quote(str(folder))}"
        raise InputError(f"Cannot write to {folder}: the folder does not exist.", hint)
    if not folder.is_dir():
        raise InputError(f"Cannot write to {folder}: it is not a folder.")
    try:
        with tempfile.TemporaryFile(dir=folder):  # the permissions of some, such as /proc, promise too much
            pass
    except PermissionError as error:
        raise InputError(f"Cannot write to {folder}: you may not write there.") from error
    except OSError as error:
        raise InputError(f"Cannot write to {folder}: no file can be made there ({error.strerror}).") from error


def check_file(path: Path) -> None:
    """Raise InputError unless a file can be written to `path`, where there may be one already."""
    try:
        if path.is_dir():
            raise InputError(f"Cannot write {path}: it is a folder.")
        if path.exists() and not path.is_file():  # a device or pipe, whose place the new file would take
            raise InputError(f"Cannot write {path}: it is no regular file.")
        target = _target(path)
        with suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(_partial(target))  # its name is longer
    except OSError as error:  # a name that is too long, or a folder that nobody may look into
        raise InputError(f"Cannot write {path}: {error.strerror}.") from error
    check_folder(target.parent)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a name in the same folder to write to; it becomes `path` at the end, and goes after an error.

    A link stays one, and what it leads to becomes the file.

    Raises:
        OSError: it cannot be written or renamed.
    """
    target = _target(path)
    temporary = _partial(target)
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _target(path: Path) -> Path:
    """The file that is written: where a link leads, be there one or not."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _partial(path: Path) -> Path:
    """The name beside `path` of what this thread has not finished. Libraries tell the format by the suffix."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_native_id()}.partial{path.suffix}")


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """`atomic_write` for a file that somebody asked for: BungyoError names it where it cannot be written."""
    try:
        with atomic_write(path) as temporary:
            yield temporary
    except OSError as error:
        raise BungyoError(f"Cannot write {path}: {error.strerror or error}.") from error
    except RuntimeError as error:  # OpenEXR's way of saying the same
        raise BungyoError(f"Cannot write {path}: {str(error).rstrip('.')}.") from error
