"""The scene on the GPU and its light: gathered a little a frame, or at once from the file that it was kept in."""

from collections.abc import Callable

from app.errors import BungyoError
from app.gpu import Device
from app.passes.array_store import ArrayStore
from app.passes.baked_light import BakedLight, BakedLights, is_worthwhile
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import moved_lights
from app.scene.model import Scene


class SceneLight(Owner):
    """A scene whose lights may change, with a light cache and the files that settled light is kept in.

    Args:
        device: an open device.
        scene: what is lit.
        cache_size: texels along the light cache's UV square; see LightCache.
        cache_samples: samples a point of the light cache gets before it rests.
        keeps: whether settled light comes from, and goes to, a file where it takes long to gather.
        store: where what follows from meshes and textures is kept, if anywhere.

    Attributes:
        buffers: the scene on the GPU.
        cache: gathers its light.
    """

    def __init__(
        self,
        device: Device,
        scene: Scene,
        cache_size: int | None,
        cache_samples: int,
        *,
        keeps: bool,
        store: ArrayStore | None,
    ) -> None:
        super().__init__()
        self._scene = scene
        self._awaited: BakedLight | None = None  # where the light goes to once all of it is there
        with self.building():
            self.buffers = self.own(SceneBuffers(device, scene, store=store))
            self.cache = self.own(LightCache(device, self.buffers, size=cache_size, samples=cache_samples))
            keeps = keeps and is_worthwhile(self.cache)
            self._files = BakedLights(self.cache, self.buffers.parts_digest) if keeps else None
            self._look_for_file(scene)

    def change(self, scene: Scene, bind: Callable[[], None]) -> None:
        """Bring the light of another scene. The GPU must be idle.

        Args:
            scene: of the same parts; its camera does not matter.
            bind: called where buffers of scene and cache were replaced: binds to them what draws.

        Raises:
            BungyoError: the GPU cannot take this light. Then it is as before.
        """
        old = self._scene
        if self.buffers.set_lights(scene):
            try:
                self._bind(bind)
            except BungyoError:
                self.buffers.set_lights(old)
                self._bind(bind)
                self._look_for_file(old)
                raise
            self._look_for_file(scene)
        elif scene.environment is not old.environment or scene.rig.lights != old.rig.lights:
            moved = _moved(old, scene)
            self.cache.restart(moved)
            if moved is None:
                self._look_for_file(scene)
            else:
                self._awaited = None  # what these leave as it was is not gathered anew
        self._scene = scene

    def settle(self, camera: Camera, size: tuple[int, int], show: Callable[[float], None] | None = None) -> None:
        """Gather all samples that are left, as for a picture of this size. The GPU must be idle.

        `show` is told again and again which share of them is there, 0..1.
        """
        while not self.cache.converged:
            self.buffers.set_frame(camera, *size, jitter=(0.0, 0.0), sample_index=0)
            self.cache.update()
            if show:
                show(self.cache.progress)

    def gather_anew(self) -> None:
        """Forget all samples, as if all lights had changed. The GPU must be idle."""
        self.cache.restart()
        self._awaited = None

    @property
    def to_be_kept(self) -> bool:
        """Whether all of the light is there and has no file yet that it is to have."""
        return self._awaited is not None and self.cache.converged

    def keep(self) -> None:
        """Write the light that is `to_be_kept` into its file. The GPU must be idle."""
        if self._awaited is not None:
            self._awaited.keep()
            self._awaited = None

    def _bind(self, bind: Callable[[], None]) -> None:
        self.cache.bind(self.buffers)
        bind()

    def _look_for_file(self, scene: Scene) -> None:
        """Take the scene's light from its file, if there is one; else it gets one once it is gathered."""
        self._awaited = None
        if self._files is not None:
            file = self._files.under(scene)
            self._awaited = None if file.restore() else file


def _moved(old: Scene, new: Scene) -> list[int] | None:
    """Indices of lights whose shadows may have changed; None where the environment or all brightnesses have, too."""
    return None if old.environment is not new.environment else moved_lights(old.rig.lights, new.rig.lights)
