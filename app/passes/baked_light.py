"""Settled light on disk, so that a scene that was lit before is lit at once.

On a CPU, gathering all samples of light takes most of a minute, and some minutes for long hair; what they come to is
some 50 MB. It depends on the scene, on how light is gathered and on the code that does it, which its file is named
by. A GPU gathers all of it in less time than a file takes, so nothing is kept there.
"""

from pathlib import Path

from app.environment_variables import switched_on
from app.gpu.cache_files import cache_folder
from app.passes.array_store import ArrayStore, digest_of
from app.passes.light_cache import LightCache
from app.scene.model import Scene

NO_BAKED_LIGHT = "BUNGYO_NO_BAKED_LIGHT"
"""Environment variable: if set, but not to 0, light is always gathered, and none is kept."""
FEWEST_SAMPLES = 8  # of a point of the light cache: fewer are gathered in about the time that all else takes to start
ROOM = 1_000_000_000  # bytes of all files together


def is_worthwhile(cache: LightCache) -> bool:
    """Whether its light takes so long to gather that it should be kept."""
    return cache.device.info.kind == "cpu" and cache.samples >= FEWEST_SAMPLES and not switched_on(NO_BAKED_LIGHT)


class BakedLights:
    """The files that settled light of a cache is kept in, by the lights that shine.

    Args:
        cache: gathers the light.
        parts: digest of what is lit: `SceneBuffers.parts_digest`.
        folder: of the files; None means `cache_folder()/light`.
    """

    def __init__(self, cache: LightCache, parts: bytes, folder: Path | None = None) -> None:
        self._cache = cache
        self._store = ArrayStore(folder or cache_folder() / "light", ROOM)
        info = cache.device.info
        self._unlit = digest_of((info.name, info.driver, cache.description, parts))

    def under(self, scene: Scene) -> "BakedLight":
        """The file of a scene of these parts; camera and exposure do not matter."""
        path = self._store.path((self._unlit, scene.rig.lights, scene.environment))
        return BakedLight(self._cache, self._store, path)


class BakedLight:
    """A file that the settled light of a scene is kept in; see `BakedLights`.

    Attributes:
        path: the file, which need not be there.
    """

    def __init__(self, cache: LightCache, store: ArrayStore, path: Path) -> None:
        self._cache, self._store = cache, store
        self.path = path

    def restore(self) -> bool:
        """Give the cache all of its light, if the file is there and undamaged. The GPU must be idle."""
        gathered = self._store.load(self.path)
        if gathered is None:
            return False
        try:
            self._cache.restore(gathered)
        except (ValueError, KeyError):
            return False
        return True

    def keep(self) -> None:
        """Write the cache's light, all of which must have been gathered. A disk that refuses costs only the file."""
        self._store.keep(self.path, self._cache.read_gathered())
