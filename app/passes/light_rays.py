"""How the light cache asks rays what hides light from its points."""

from collections.abc import Callable, Mapping
from functools import partial

from app.gpu import CommandBuffer, Device
from app.passes.light_cache_layout import PARTS
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline

_COLUMNS = 1024  # of the grid of rays; a multiple of 8 (light_cache.rgen)


class LightRays(Owner):
    """Every point sends its own rays: one to each light, one to the sky, one over its hemisphere, one inwards.

    Args:
        device: an open device with ray tracing.
        scene: the scene on the GPU.
        includes: the light cache's generated declarations.
        gathered: tells what shaders/include/light_gathering.glsl reads and writes of the cache.
    """

    fine_from_the_start = False  # whether fine texels are looked at in the first update as well
    keeps = True  # whether sums can be kept when lights move
    settles = True  # whether points that agree about a light look for it no more
    parts_at_once = (PARTS, PARTS // 4, 1)  # how many of an update's PARTS may be recorded together

    def __init__(
        self, device: Device, scene: SceneBuffers, includes: Mapping[str, str], gathered: Callable[[], Resources]
    ) -> None:
        super().__init__()
        make = partial(device.raytracing_pipeline, "light_cache.rgen", ["miss.rmiss"])
        with self.building():
            self._pipeline = self.own(ScenePipeline(make, scene, gathered, includes=includes, traces=True))

    def bind(self, scene: SceneBuffers) -> None:
        """Gather this scene's light from now on, into what the cache has now. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer, points: int, parts: int) -> None:
        """Record so many of the PARTS of an update of the first `points` points.

        Which parts these are, and how many samples points get, the cache's state says.
        """
        eights = -(-points // (8 * PARTS)) * parts  # the shader deals out points by eights
        self._pipeline.use(command)
        command.trace(_COLUMNS, -(-8 * eights // _COLUMNS))
        command.barrier()
