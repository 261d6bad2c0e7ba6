"""Pictures of skin by Mitsuba 3 and by the reference."""

from typing import Any

import numpy as np

from app.bench import mitsuba
from app.gpu import Device
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.scene.model import Scene
from tests.passes.agreement import Runs

# Surfaces on a path: enough for light that is reflected inside again and again.
BOUNCES = 64


def theirs(scene: Scene, size: tuple[int, int], runs: int, samples: int, *, seed: int = 0, **options: Any) -> Runs:
    """Mitsuba's pictures, each with `samples` a pixel; `options` are those of `mitsuba.load`."""
    loaded = mitsuba.load(scene, size, **options)
    return Runs.of(np.stack([mitsuba.render(loaded, samples, seed + run) for run in range(runs)]))


def ours(gpu: Device, scene: Scene, size: tuple[int, int], runs: int, samples: int, **options: Any) -> Runs:
    """The reference's pictures, each with `samples` a pixel; `options` are those of `Reference`."""
    pictures = []
    buffers = SceneBuffers(gpu, scene)
    reference = Reference(gpu, buffers, *size, **{"max_bounces": BOUNCES} | options)
    with gpu.commands() as command:
        reference.record(command, samples)
        command.barrier()
    for run in range(runs):
        buffers.set_frame(scene.camera, *size, jitter=(0.0, 0.0), sample_index=0, seed=run)
        gpu.submit(command)
        pictures.append(reference.read())
    for thing in (command, reference, buffers):
        thing.close()
    return Runs.of(np.stack(pictures))


def comparable(scene: Scene, size: tuple[int, int]) -> Any:
    """Where pictures can be compared (H,W): not at edges before a map, which the reference shows out of focus."""
    if scene.environment is None or mitsuba.is_constant(scene.environment):
        return np.ones(size[::-1], bool)
    return mitsuba.coverage(scene, size) == 1.0
