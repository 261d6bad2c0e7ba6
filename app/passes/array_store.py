"""Arrays on disk that take longer to work out than to read.

Each lies in a file that is named by a digest of all that decides it, the source that works it out included: what has
changed in any way has another file, and those that nobody asks for any more are the first to go.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.gpu.cache_files import cache_folder, load_checked, store_checked
from app.gpu.shader import SHADER_FOLDER

Arrays: TypeAlias = dict[str, NDArray[Any]]

DERIVED_ROOM = 500_000_000  # bytes of what is derived from meshes, textures and maps: some 40 MB a face
_APP = Path(__file__).resolve().parents[1]


class ArrayStore:
    """Files of arrays in a folder.

    Args:
        folder: made when needed.
        room: bytes of all files together; the one that was used least recently goes first.
    """

    def __init__(self, folder: Path, room: int) -> None:
        self._folder, self._room = folder, room

    def path(self, key: object) -> Path:
        """The file of what `key` decides (see `digest_of`), which need not be there."""
        return self._folder / digest_of((_code(), key)).hex()[:32]

    def load(self, path: Path) -> Arrays | None:
        """The arrays in a file; None if it is not there or damaged."""
        data = load_checked(path)
        if data is None:
            return None
        with suppress(OSError):  # on a disk that is only read it stays as old as it is
            os.utime(path)
        try:
            return load(data)
        except SafetensorError:
            return None

    def keep(self, path: Path, arrays: Arrays) -> None:
        """Write plain arrays, not of structs, into a file. A disk that refuses costs only the file."""
        # Of others it would write the bytes as they lie.
        store_checked(path, save({name: np.asarray(array, order="C") for name, array in arrays.items()}))
        with suppress(OSError):
            self._make_room()

    def _make_room(self) -> None:
        files = sorted(((path.stat(), path) for path in self._folder.iterdir()), key=lambda file: file[0].st_mtime)
        excess = sum(status.st_size for status, _ in files) - self._room
        for status, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= status.st_size


def derived_store() -> ArrayStore:
    """Where `derived` keeps what it is asked for again whenever the same face is drawn."""
    return ArrayStore(cache_folder() / "derived", DERIVED_ROOM)


def derived(store: ArrayStore | None, key: object, make: Callable[[], Arrays]) -> Arrays:
    """What `make` returns, or has returned for this key before.

    Args:
        store: where that is kept; None: nowhere.
        key: all that decides it, besides source: see `digest_of`.
        make: returns plain arrays, not of structs.
    """
    if store is None:
        return make()
    path = store.path(key)
    arrays = store.load(path)
    if arrays is None:
        arrays = make()
        store.keep(path, arrays)
    return arrays


def digest_of(value: object) -> bytes:
    """Digest of dataclasses and tuples by what they hold, arrays by their bytes, all else by how it is written."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif is_dataclass(value):
        digest.update(type(value).__name__.encode())
        for field in fields(value):
            _feed(digest, getattr(value, field.name))
    elif isinstance(value, tuple):
        digest.update(f"({len(value)}".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(f"{value!r};".encode())


@cache
def _code() -> bytes:
    """Digest of the source that decides what is kept: other code may come to something else."""
    digest = hashlib.sha256()
    python = [*(_APP / "passes").glob("*.py"), *(_APP / "scene").glob("*.py"), _APP / "network" / "schema.py"]
    for file in sorted([*SHADER_FOLDER.rglob("*.*"), *python]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()
