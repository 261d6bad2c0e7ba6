"""Teacher data from the GPU: features by the G-buffer, targets by the reference, of the same points."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from app.gpu import Device
from app.network.schema import TILE_PIXELS, VECTORS, WORDS, tile_grid
from app.network.tile_hash import tile_list
from app.passes.gbuffer import GBuffer
from app.passes.light_cache import LightCache
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import Light, LightRig
from app.scene.model import Scene
from app.training.generate import TileSelection
from app.training.manifest import TileBatch

CACHE_SAMPLES = 8  # the blur averages over some hundred texels, so the demo's 32 would teach little more
SAMPLES_PER_SUBMIT = 8  # keeps a submission short enough for drivers that watch the clock


class GpuFrameSource:
    """Renders random situations of one scene. A context manager.

    Args:
        device: an open device with ray tracing; stays the caller's.
        scene: its lights, environment and camera are replaced from frame to frame.
        cache_size: texels along the light cache's UV square.
    """

    def __init__(self, device: Device, scene: Scene, *, cache_size: int = 256) -> None:
        self.device, self._scene = device, scene
        self._lights: tuple[Light, ...] | None = None
        self._environment: Environment | None = None
        self._size = (0, 0)
        self._sized: list[Any] = []
        self._buffers = SceneBuffers(device, scene)
        self._cache = LightCache(
            device, self._buffers, size=cache_size, samples=CACHE_SAMPLES, samples_per_update=CACHE_SAMPLES // 4
        )

    @property
    def bounds(self) -> npt.NDArray[np.float64]:
        """(2,3) corners of the face in world space, metres."""
        return self._scene.bounds(face_only=True)

    @property
    def description(self) -> dict[str, Any]:
        """Sizes that tell one scene from another."""
        return {
            "parts": [
                {"name": part.name, "face": part.face, "triangles": len(part.mesh.triangles)}
                for part in self._scene.parts
            ],
            "cache_size": self._cache.size,
            "cache_samples": CACHE_SAMPLES,
        }

    def render(
        self,
        camera: Camera,
        lights: Sequence[Light],
        environment: Environment | None,
        *,
        size: tuple[int, int],
        spp: int,
        jitter: tuple[float, float],
        seed: int,
        selection: TileSelection,
    ) -> TileBatch:
        """Features and path-traced targets of the selected face tiles (see `generate.FrameSource`).

        A frame with the lights of the one before costs no new light cache.
        """
        width, height = size
        self._set_lighting(tuple(lights), environment)
        self._set_size(width, height)
        self._buffers.set_frame(camera, width, height, jitter=jitter, sample_index=0, seed=seed)
        while not self._cache.converged:
            self._cache.update()

        with self.device.commands() as command:
            self._gbuffer.record(command)
            command.barrier()
        self.device.submit(command)
        command.close()
        tiles_x, tiles_y = tile_grid(width, height)
        count = tiles_x * tiles_y
        words = self._gbuffer.features.read(np.uint32, (count, VECTORS, TILE_PIXELS, 4))
        surface = self._gbuffer.surface.read(np.float32, (count, TILE_PIXELS, 2))
        listed = tile_list(self._gbuffer.places.read(np.uint32))
        listed = listed[selection.choose(listed[:, 0])]
        index = listed[:, 0].astype(np.int64)
        target, variance = self._trace(camera, index, jitter, spp, seed)
        features = np.ascontiguousarray(words[index].swapaxes(1, 2)).reshape(len(index), TILE_PIXELS, WORDS)
        mask = np.isfinite(surface[index][..., 0])
        features[~mask] = 0  # the G-buffer leaves pixels beside the face as they were
        return TileBatch(
            features=features,
            light_scale=surface[index][..., 1],
            mask=mask,
            hashes=listed[:, 1],
            target=target,
            variance=variance,
            tile_xy=np.stack([index % tiles_x, index // tiles_x], axis=-1).astype(np.uint16),
        )

    def close(self) -> None:
        """Releases everything on the GPU but the device."""
        for thing in [*self._sized, self._cache, self._buffers]:
            thing.close()
        self._sized = []

    def __enter__(self) -> "GpuFrameSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_lighting(self, lights: tuple[Light, ...], environment: Environment | None) -> None:
        if lights == self._lights and _same(environment, self._environment):
            return
        self._lights, self._environment = lights, environment
        if self._buffers.set_lights(replace(self._scene, lights=LightRig(lights), environment=environment)):
            for thing in (self._cache, *self._sized):
                thing.lights_changed()
        self._cache.restart()

    def _set_size(self, width: int, height: int) -> None:
        if (width, height) == self._size:
            return
        for thing in self._sized:
            thing.close()
        self._size = (width, height)
        self._gbuffer = GBuffer(self.device, self._buffers, self._cache, width, height)
        self._reference = Reference(self.device, self._buffers, width, height)
        self._sized = [self._gbuffer, self._reference]

    def _trace(
        self, camera: Camera, tiles: npt.NDArray[np.int64], jitter: tuple[float, float], spp: int, seed: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Mean radiance (n, 256, 3) of the tiles and the variance of that mean; not finite beyond the image."""
        width, height = self._size
        self._reference.set_tiles(tiles)
        done = 0
        while done < spp:
            batch = min(SAMPLES_PER_SUBMIT, spp - done)
            self._buffers.set_frame(camera, width, height, jitter=jitter, sample_index=done, seed=seed)
            with self.device.commands() as command:
                self._reference.record(command, batch, antialias=False, face_only=True)
                command.barrier()
            self.device.submit(command)
            command.close()
            done += batch
        mean, variance = self._reference.read(), self._reference.read_variance()
        tiles_x = tile_grid(width, height)[0]
        pixel = np.arange(TILE_PIXELS)
        x = (tiles % tiles_x)[:, None] * 16 + pixel % 16
        y = (tiles // tiles_x)[:, None] * 16 + pixel // 16
        inside = (x < width) & (y < height)
        x, y = np.minimum(x, width - 1), np.minimum(y, height - 1)
        return (
            np.where(inside[..., None], mean[y, x], np.nan).astype(np.float32),
            np.where(inside[..., None], variance[y, x], np.nan).astype(np.float32),
        )


def _same(a: Environment | None, b: Environment | None) -> bool:
    """Whether two environments shine alike."""
    if a is None or b is None:
        return a is b
    return a.rotation == b.rotation and a.intensity == b.intensity and np.array_equal(a.pixels, b.pixels)
