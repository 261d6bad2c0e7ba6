"""Settled light on disk, so that a scene that was lit before is lit at once.

On a CPU, gathering all samples of light takes most of a minute, and some minutes for long hair; what they come to is
some 50 MB. It depends on the scene, on how light is gathered and on the code that does it: a digest of all of these is
the file's name. A GPU gathers all of it in less time than a file takes, so nothing is kept there.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from app.gpu.shader import SHADER_FOLDER, cache_folder, store_atomically
from app.passes.light_cache import LightCache
from app.scene.model import Part, Scene

NO_BAKED_LIGHT = "BUNGYO_NO_BAKED_LIGHT"
"""Environment variable: if set, but not to 0, light is always gathered, and none is kept."""
FEWEST_SAMPLES = 8  # of a point of the light cache: fewer are gathered in about the time that all else takes to start
ROOM = 1_000_000_000  # bytes of all files together; the one that was used least recently goes first
_APP = Path(__file__).resolve().parents[1]


def is_worthwhile(cache: LightCache) -> bool:
    """Whether its light takes so long to gather that it should be kept."""
    switched_off = os.environ.get(NO_BAKED_LIGHT, "") not in ("", "0")
    return cache.device.info.kind == "cpu" and cache.samples >= FEWEST_SAMPLES and not switched_off


class BakedLights:
    """The files that settled light of a cache is kept in, by the lights that shine.

    Args:
        cache: gathers the light.
        parts: what is lit.
        folder: of the files; None means `cache_folder()/light`.
        room: bytes of all files together.
    """

    def __init__(
        self, cache: LightCache, parts: tuple[Part, ...], folder: Path | None = None, room: int = ROOM
    ) -> None:
        self._cache, self._room = cache, room
        self._folder = folder or cache_folder() / "light"
        info = cache.device.info
        self._digest = hashlib.sha256(_code())
        _feed(self._digest, (info.name, info.driver, cache.description, parts))

    def under(self, scene: Scene) -> "BakedLight":
        """The file of a scene of these parts; camera and exposure do not matter."""
        digest = self._digest.copy()
        _feed(digest, (scene.lights.lights, scene.environment))
        return BakedLight(self._cache, self._folder / digest.hexdigest()[:32], self._room)


class BakedLight:
    """A file that the settled light of a scene is kept in; see `BakedLights`.

    Attributes:
        path: the file, which need not be there.
    """

    def __init__(self, cache: LightCache, path: Path, room: int) -> None:
        self._cache, self._room = cache, room
        self.path = path

    def restore(self) -> bool:
        """Give the cache all of its light, if the file is there and undamaged. The GPU must be idle."""
        try:
            data = self.path.read_bytes()
            if hashlib.sha256(data[32:]).digest() != data[:32]:
                return False
            self._cache.restore(load(data[32:]))
            os.utime(self.path)
        except (OSError, SafetensorError, ValueError, KeyError):
            return False
        return True

    def keep(self) -> None:
        """Write the cache's light, all of which must have been gathered. A disk that refuses costs only the file."""
        data = save(self._cache.read_gathered())
        store_atomically(self.path, hashlib.sha256(data).digest() + data)
        with suppress(OSError):
            self._make_room()

    def _make_room(self) -> None:
        files = sorted(((path.stat(), path) for path in self.path.parent.iterdir()), key=lambda file: file[0].st_mtime)
        excess = sum(status.st_size for status, _ in files) - self._room
        for status, path in files:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= status.st_size


@cache
def _code() -> bytes:
    """Digest of everything that decides what is gathered: other code may gather other light."""
    digest = hashlib.sha256()
    for file in sorted([*SHADER_FOLDER.rglob("*.*"), *(_APP / "passes").glob("*.py"), *(_APP / "scene").glob("*.py")]):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.digest()


def _feed(digest: Any, value: Any) -> None:
    """Add a value: dataclasses and tuples by what they hold, arrays by their bytes, all else by how it is written."""
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
