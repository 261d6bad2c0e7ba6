"""Teacher data from the GPU: features by the G-buffer, targets by the reference, of the same points."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import F32, F64, I64, Bools
from app.gpu import Device
from app.gpu.selection import best_devices
from app.network.schema import TILE, TILE_PIXELS, VECTORS, tile_grid, tile_words
from app.network.tile_hash import tile_list
from app.passes.gbuffer import GBuffer
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import DEFAULT_CACHE_SIZE
from app.passes.owner import Owner
from app.passes.progressive_reference import samples_at_once
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.passes.visible_pixels import VisiblePixels
from app.passes.visible_triangles import face_triangles, visible_triangles
from app.scene.camera import Camera
from app.scene.default import default_scene
from app.scene.environment import Environment
from app.scene.lights import Light, LightRig
from app.scene.model import Scene, Texture
from app.training.frames import TileSelection
from app.training.manifest import GATHERING, GATHERING_VERSION, PersonInfo, TileBatch
from app.training.people import People

LIGHT_SAMPLES = 16  # of a point of the light cache; the demo's 32 would double what a frame costs
# Keep a submission short enough for drivers that watch the clock: samples of a pixel, and of all pixels together.
SAMPLES_PER_SUBMIT, SAMPLES_OF_ALL_PER_SUBMIT = 8, 2**21


class GpuFrameSource(Owner):
    """Renders random situations of one head at a time. A context manager.

    Another head costs a new scene on the GPU; pipelines stay, and nothing of the old head does.

    Args:
        device: an open device with ray tracing; stays the caller's.
        head: a scene with one fixed head, whose lights, environment and camera are replaced from frame to frame; or
            whoever makes the heads that `show` wants.
        cache_size: texels along the light cache's UV square; None: DEFAULT_CACHE_SIZE.
        light_samples: of each of its points.
    """

    def __init__(
        self, device: Device, head: Scene | People, *, cache_size: int | None = None, light_samples: int = LIGHT_SAMPLES
    ) -> None:
        super().__init__()
        self.device, self._light_samples = device, light_samples
        self._cache_size = cache_size or DEFAULT_CACHE_SIZE  # data sets say how many
        self._size = (0, 0)
        self._of_size = self.own(Owner())
        self._passes: list[VisiblePixels | GBuffer | Reference] = []  # of that size
        self._person: PersonInfo | None = None
        self._buffers: SceneBuffers | None = None
        self._cache: LightCache | None = None
        self._people = None if isinstance(head, Scene) else head
        if isinstance(head, Scene):
            with self.building():
                self._take(head)

    @property
    def people(self) -> People | None:
        """See `frames.FrameSource`."""
        return self._people

    @property
    def bounds(self) -> F64:
        """(2,3) corners of the face in world space, metres."""
        return self._scene.bounds(face_only=True)

    @property
    def description(self) -> dict[str, Any]:
        """The people, or sizes and a digest that tell one fixed head from another."""
        head = _description(self._scene) if self._people is None else {"people": self._people.description}
        sizes = {"cache_size": self._cache_size, "cache_samples": self._light_samples}
        return {**head, **sizes, GATHERING: GATHERING_VERSION}

    def show(self, person: PersonInfo) -> None:
        """See `frames.FrameSource`."""
        if self._people is None:
            raise ValueError("a source with one fixed head cannot show another")
        if person == self._person:
            return
        self._take(Scene(self._people.parts(person)))
        self._person = person

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
        """Features and path-traced targets of the selected face tiles (see `frames.FrameSource`).

        A frame with the lights of the one before costs no new light cache.
        """
        width, height = size
        if self._buffers is None or self._cache is None:
            raise ValueError("nobody is shown")
        self._set_lighting(tuple(lights), environment)
        self._set_size(width, height)
        self._buffers.set_frame(camera, width, height, jitter=jitter, sample_index=0, seed=seed)
        while not self._cache.converged:
            self._cache.update()

        with self.device.commands() as command:
            self._face.record(command)
            command.barrier()
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
        target, variance, seen = self._trace(camera, index, jitter, spp, seed)
        features = tile_words(words[index])
        # Nobody sees what hair hides of the face. Skin seen from within, through a hole, is black by definition.
        mask = np.isfinite(surface[index][..., 0]) & (surface[index][..., 1] > 0.0) & seen
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

    def _take(self, scene: Scene) -> None:
        old, self._person = self._buffers, None
        self._scene, self._buffers = scene, self.own(SceneBuffers(self.device, scene))
        self._lights: tuple[Light, ...] | None = None
        self._environment: Environment | None = None
        if self._cache is None:
            self._cache = self.own(
                LightCache(
                    self.device,
                    self._buffers,
                    size=self._cache_size,
                    samples=self._light_samples,
                    samples_per_update=max(self._light_samples // 4, 1),
                    background=False,
                )
            )
        else:
            self._bind(self._buffers)
        if old is not None:
            self.let_go(old).close()

    def _set_lighting(self, lights: tuple[Light, ...], environment: Environment | None) -> None:
        if lights == self._lights and _same(environment, self._environment):
            return
        assert self._buffers is not None and self._cache is not None
        self._lights, self._environment = lights, environment
        if self._buffers.set_lights(replace(self._scene, rig=LightRig(lights), environment=environment)):
            self._bind(self._buffers)
        self._cache.restart()

    def _bind(self, scene: SceneBuffers) -> None:
        assert self._cache is not None
        self._cache.bind(scene)
        for stale in self._passes:
            stale.bind(scene)

    def _set_size(self, width: int, height: int) -> None:
        if (width, height) == self._size:
            return
        assert self._buffers is not None and self._cache is not None
        self._of_size.close()
        self._size, self._passes = (0, 0), []
        own, scene = self._of_size.own, self._buffers
        self._face = own(visible_triangles(self.device, scene, width, height, face_triangles))
        self._gbuffer = own(GBuffer(self.device, scene, self._cache, self._face))
        self._reference = own(Reference(self.device, scene, width, height))
        self._size, self._passes = (width, height), [self._face, self._gbuffer, self._reference]

    def _trace(
        self, camera: Camera, tiles: I64, jitter: tuple[float, float], spp: int, seed: int
    ) -> tuple[F32, F32, Bools]:
        """Mean radiance (n, 256, 3) of the tiles, the variance of that mean, and which pixels show face (n, 256).

        Beyond the image radiance and variance are not finite.
        """
        assert self._buffers is not None
        width, height = self._size
        at_once = min(SAMPLES_OF_ALL_PER_SUBMIT, samples_at_once(self.device.info))
        most = max(int(at_once) // TILE_PIXELS, 1)
        for start in range(0, len(tiles), most):
            some = tiles[start : start + most]
            self._reference.set_tiles(some)
            samples = min(SAMPLES_PER_SUBMIT, most // len(some))
            for done in range(0, spp, samples):
                self._buffers.set_frame(camera, width, height, jitter=jitter, sample_index=done, seed=seed)
                with self.device.commands() as command:
                    self._reference.record(command, min(samples, spp - done), antialias=False, face_only=True)
                    command.barrier()
                self.device.submit(command)
                command.close()
        mean, variance = self._reference.read(), self._reference.read_variance()
        # Of a face behind what is blended few samples may be left: one alone has no variance.
        seen = self._reference.read_samples() >= min(spp, 2)
        tiles_x = tile_grid(width, height)[0]
        pixel = np.arange(TILE_PIXELS)
        x = (tiles % tiles_x)[:, None] * TILE + pixel % TILE
        y = (tiles // tiles_x)[:, None] * TILE + pixel // TILE
        inside = (x < width) & (y < height)
        x, y = np.minimum(x, width - 1), np.minimum(y, height - 1)
        return (
            np.where(inside[..., None], mean[y, x], np.nan).astype(np.float32),
            np.where(inside[..., None], variance[y, x], np.nan).astype(np.float32),
            inside & seen[y, x],
        )


@dataclass(frozen=True)
class OpenSource:
    """Opens the device and the source of a worker; see `workers.MakeSource`.

    Attributes:
        device: a device's number or a part of its name. None: the workers spread over the best devices.
        mesh: a mesh file, for one fixed face; None for random people.
        face: the names of its parts or materials that are face.
        light_texels: along the light cache's UV square; see GpuFrameSource.
        light_samples: of each point of the light cache.
    """

    device: str | None = None
    mesh: Path | None = None
    face: tuple[str, ...] = ()
    light_texels: int | None = None
    light_samples: int = LIGHT_SAMPLES

    @contextmanager
    def __call__(self, number: int, count: int) -> Iterator[GpuFrameSource]:
        """Open worker number `number` of `count`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # see `check_devices`
            opened = Device.open(self._device(number))
        with opened as device, self.on(device) as source:
            yield source

    def check_devices(self) -> None:
        """Warn, once for all workers of this machine, if they take a CPU because of what its GPUs lack."""
        if self.device is None:
            best_devices()

    def on(self, device: Device) -> GpuFrameSource:
        """The source on a device that is open."""
        return GpuFrameSource(device, self.head(), cache_size=self.light_texels, light_samples=self.light_samples)

    def head(self) -> Scene | People:
        """The fixed face's scene, or whoever makes people."""
        if self.mesh is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is doubtful about the mesh is said once, by the command
                return default_scene(mesh=self.mesh, face=self.face)
        from app.training.avatars import Avatars

        return Avatars()

    def _device(self, number: int) -> str | int | None:
        if self.device is not None:
            return self.device
        alike = best_devices()
        return alike[number % len(alike)].index if alike else None  # if there is none, opening it says why


def _description(scene: Scene) -> dict[str, Any]:
    digest = hashlib.sha256()
    for part in scene.parts:
        mesh, numbers = part.mesh, []
        arrays = [mesh.positions, mesh.normals, mesh.uvs, mesh.triangles, part.transform]
        for field in fields(part.material):
            value = getattr(part.material, field.name)
            if isinstance(value, Texture):
                arrays.append(value.pixels)
            else:
                numbers.append(value)
        if part.cut_out:  # rays used to meet all of it
            numbers.append("rays pass what is cut out")
        digest.update(repr(numbers).encode())
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
    parts = [{"name": p.name, "face": p.face, "triangles": len(p.mesh.triangles)} for p in scene.parts]
    return {"parts": parts, "digest": digest.hexdigest()[:16]}


def _same(a: Environment | None, b: Environment | None) -> bool:
    """Whether two environments shine alike."""
    if a is None or b is None:
        return a is b
    return a.rotation == b.rotation and a.intensity == b.intensity and np.array_equal(a.pixels, b.pixels)
