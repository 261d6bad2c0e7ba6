"""The reference against Mitsuba's `volpath`: both draw the same head of skin, the same medium, the same picture."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.arrays import F32
from app.bench import mitsuba
from app.open_renderer import open_device
from app.scene.assets import DEFAULT_HEAD, find_environment
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import LightRig, PointLight
from app.scene.meshes import load_mesh
from app.scene.model import Material, Mesh, Part, Scene
from app.scene.prefilter import shrink
from app.scene_options import SceneOptions

SIZE = (128, 128)  # pixels
SAMPLES = 2  # a pixel and picture
_WARM_UP_SEED = 1 << 20
# Fair skin, without its textures: Mitsuba has one medium for the whole head.
_SKIN = Material("skin", albedo=(0.6, 0.4, 0.3), roughness=0.5, ior=1.4, subsurface=1.0)


@dataclass(frozen=True)
class SkinCost:
    """What SAMPLES a pixel cost: seconds of a picture, and the noise of two of them.

    Attributes:
        head_samples_per_s: camera samples that hit the head, per second.
        noise_cost: mean variance of a pixel's channel after SAMPLES, times the seconds that they took: a renderer with
            half of it needs half the time for the same noise.
    """

    head_samples_per_s: float
    noise_cost: float


class Painter:
    """Draws the head again and again, warmed up."""

    def __init__(self, draw: Callable[[int], F32], hits: float) -> None:
        """Take what draws a picture of SAMPLES a pixel from a seed, and the camera samples in it that hit the head."""
        self._draw, self._hits, self._seed = draw, hits, 0
        draw(_WARM_UP_SEED)

    def cost(self) -> SkinCost:
        """Draw two pictures."""
        start = time.perf_counter()
        first, second = (self._draw(self._seed + i).astype(np.float64) for i in range(2))
        seconds = 0.5 * (time.perf_counter() - start)
        self._seed += 2
        return SkinCost(self._hits / seconds, 0.5 * float(((first - second) ** 2).mean()) * seconds)


@contextmanager
def reference_painter(options: SceneOptions) -> Iterator[Painter]:
    """For a `Worker`: the path tracer of bungyo, as it is by default, on the device of `options`."""
    from app.passes.reference import Reference
    from app.passes.scene_buffers import SceneBuffers

    scene = skin_scene()
    with open_device(options) as device:
        buffers = SceneBuffers(device, scene)
        reference = Reference(device, buffers, *SIZE)
        with device.commands() as commands:
            reference.record(commands, SAMPLES)
            commands.barrier()

        def draw(seed: int) -> F32:
            buffers.set_frame(scene.camera, *SIZE, jitter=(0.0, 0.0), sample_index=0, seed=seed)
            device.submit(commands)
            return reference.read()

        try:
            yield Painter(draw, _hits(scene))
        finally:
            for thing in (commands, reference, buffers):
                thing.close()


@contextmanager
def mitsuba_painter() -> Iterator[Painter]:
    """For a `Worker`: Mitsuba's `volpath` with its usual roulette, on all cores."""
    scene = skin_scene()
    loaded = mitsuba.load(scene, SIZE, integrator="volpath", roulette_depth=5)
    yield Painter(lambda seed: mitsuba.render(loaded, SAMPLES, seed), _hits(scene))


def skin_scene() -> Scene:
    """Return the default head's skin as a closed body, with one albedo, under a map and a point light."""
    part = next(part for part in load_mesh(DEFAULT_HEAD) if part.face)
    head = Part("skin", closed(part.mesh), _SKIN, face=True)
    city = Environment(shrink(Environment.load(find_environment("city")).pixels, 32))
    rig = LightRig((PointLight((0.5, 0.5, 0.9), intensity=2.0),))
    return Scene((head,), rig, city, Camera(fov_y=math.radians(25.0)).fit(head.bounds(), 1.0))


def closed(mesh: Mesh) -> Mesh:
    """The mesh with every hole closed by a fan of triangles; vertices at the same place become one."""
    places, place = np.unique(mesh.positions, axis=0, return_inverse=True)
    triangles = place.reshape(-1)[mesh.triangles].astype(np.int64)
    edges = set(map(tuple, triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()))
    following = {b: a for a, b in edges if (b, a) not in edges}  # along a rim, against the direction of its triangles
    positions, fans = [*places], []
    while following:
        rim = [next(iter(following))]
        while rim[-1] in following:
            rim.append(following.pop(rim[-1]))
        positions.append(places[rim[:-1]].mean(axis=0))
        fans += [(a, b, len(positions) - 1) for a, b in pairwise(rim)]
    return Mesh.of(np.stack(positions), np.concatenate([triangles, np.array(fans or np.empty((0, 3)), np.int64)]))


def _hits(scene: Scene) -> float:
    """Camera samples of a picture that hit the head."""
    return float(mitsuba.coverage(scene, SIZE, 64).sum()) * SAMPLES
