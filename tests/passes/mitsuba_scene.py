"""Pictures of skin by Mitsuba 3 and by the reference, and those of Mitsuba's that are kept.

    python -m tests.passes.mitsuba_scene [NAME...]

makes the kept ones anew, all or some: half an hour on 2 cores. That is needed when the cases of
tests/passes/skin_scenes.py, the default head or what the medium's numbers are change.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from app.arrays import F64, Bools
from app.bench import mitsuba
from app.gpu import Device
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.scene.lights import PointLight
from app.scene.medium import medium_of
from app.scene.model import Scene
from tests.passes.agreement import Runs
from tests.passes.skin_scenes import KEPT, case, scene_of

SIZE = (24, 24)
KEPT_FILE = Path(__file__).with_name("mitsuba_skin.npz")
KEPT_RUNS = 32
KEPT_SAMPLES = {"sphere": 64, "slab": 32, "head": 32}  # a pixel and run
KEPT_SAMPLES_TWO_LOBES = 8  # for them Mitsuba calls Python
KEPT_SEED = 1 << 20  # far from the seeds of pictures that are made in tests
# Surfaces on a path: enough for light that is reflected inside again and again.
BOUNCES = 64


def theirs(scene: Scene, size: tuple[int, int], runs: int, samples: int, *, seed: int = 0, **options: Any) -> Runs:
    """Mitsuba's pictures, each with `samples` a pixel; `options` are those of `mitsuba.load`."""
    loaded = mitsuba.load(scene, size, **options)
    return Runs.of(np.stack([mitsuba.render(loaded, samples, seed + run) for run in range(runs)]))


class Tracer:
    """The reference for one scene after the other, so that drivers compile it once. A context manager.

    Args:
        gpu: an open device.
        size: (width, height) in pixels.
        options: those of `Reference`.
    """

    def __init__(self, gpu: Device, size: tuple[int, int], **options: Any) -> None:
        self._gpu, self._size, self._options = gpu, size, {"max_bounces": BOUNCES} | options
        self._reference: Reference | None = None

    def runs(self, scene: Scene, runs: int, samples: int) -> Runs:
        """The scene in pictures of `samples` a pixel each."""
        pictures = []
        with ExitStack() as stack:
            buffers = SceneBuffers(self._gpu, scene)
            stack.callback(buffers.close)
            if self._reference is None:
                self._reference = Reference(self._gpu, buffers, *self._size, **self._options)
            else:
                self._reference.bind(buffers)
            with self._gpu.commands() as command:
                self._reference.record(command, samples)
                command.barrier()
            stack.callback(command.close)
            for run in range(runs):
                buffers.set_frame(scene.camera, *self._size, jitter=(0.0, 0.0), sample_index=0, seed=run)
                self._gpu.submit(command)
                pictures.append(self._reference.read())
        return Runs.of(np.stack(pictures))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reference is not None:
            self._reference.close()


def comparable(scene: Scene, size: tuple[int, int]) -> Bools:
    """Where pictures can be compared (H,W): not at edges before a map, which the reference shows out of focus."""
    if scene.environment is None or mitsuba.is_constant(scene.environment):
        return np.ones(size[::-1], bool)
    whole: Bools = mitsuba.coverage(scene, size) == 1.0
    return whole


def kept(name: str) -> tuple[Runs, Bools]:
    """Mitsuba's kept picture of a case, and where it is comparable; ValueError if it shows another scene."""
    with np.load(KEPT_FILE) as file:
        if not np.allclose(file[f"{name} numbers"], _numbers(scene_of(case(name))), rtol=1e-4, atol=1e-6):
            raise ValueError(f"{KEPT_FILE.name}: {name} has changed; run python -m tests.passes.mitsuba_scene {name}")
        mean = file[f"{name} mean"].astype(np.float64)
        return Runs(mean, file[f"{name} sigma"].astype(np.float64) ** 2, KEPT_RUNS), file[f"{name} mask"]


def _numbers(scene: Scene) -> F64:
    """What decides the picture, as far as it is likely to change."""
    (part,), camera = scene.parts, scene.camera
    material, mesh = part.material, part.mesh
    lights = [[*light.position, *light.color, light.intensity, light.radius]
              for light in scene.rig.lights if isinstance(light, PointLight)]  # fmt: skip
    sky = scene.environment
    groups: list[Any] = [
        *medium_of(material.albedo, material.mean_free_path, material.ior),
        [material.roughness, material.second_roughness, material.second_weight, material.ior],
        mesh.bounds().ravel(),
        [len(mesh.triangles), *(mesh.positions[mesh.triangles].std(axis=(0, 1)))],
        [*camera.position, *camera.target, camera.fov_y],
        *lights,
        [] if sky is None else [sky.pixels.mean(), sky.pixels.std(), sky.rotation, sky.intensity],
    ]
    return np.concatenate([np.asarray(group, np.float64) for group in groups])


def _keep(names: list[str]) -> None:
    held = dict(np.load(KEPT_FILE)) if KEPT_FILE.exists() else {}
    held = {key: value for key, value in held.items() if key.split()[0] in KEPT}
    for name in names:
        print(name, flush=True)
        chosen = case(name)
        scene = scene_of(chosen)
        samples = KEPT_SAMPLES_TWO_LOBES if chosen.lobes == "two" else KEPT_SAMPLES[chosen.shape]
        runs = theirs(scene, SIZE, KEPT_RUNS, samples, seed=KEPT_SEED)
        held[f"{name} mean"] = runs.mean.astype(np.float32)
        held[f"{name} sigma"] = np.sqrt(runs.variance).astype(np.float16)
        held[f"{name} mask"] = comparable(scene, SIZE)
        held[f"{name} numbers"] = _numbers(scene)
        np.savez_compressed(KEPT_FILE, **held)


if __name__ == "__main__":
    _keep(sys.argv[1:] or list(KEPT))
