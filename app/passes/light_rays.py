"""How the light cache asks rays what hides light from its points."""

from collections.abc import Mapping
from typing import Any

from app.gpu import Binding, CommandBuffer, Device, HitGroup
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES

GATHERING_SLOTS = ("POINTS", "GATHERED", "VISIBILITY", "FINE", "STATE", "CACHE")  # of whoever gathers
_COLUMNS = 1024  # of the grid of rays


def gathering_bindings(images: int) -> list[Binding]:
    """The bindings at GATHERING_SLOTS, for so many cache images."""
    first = FIRST_PASS_SLOT
    return [*(Binding(first + i, "storage") for i in range(5)), Binding(first + 5, "textures", images)]


class LightRays:
    """Every point sends its own rays: one to each light, one to the sky, one over its hemisphere, one inwards.

    Args:
        device: an open device with ray tracing.
        scene: the scene on the GPU.
        includes: the light cache's generated declarations.
        images: how many images the cache has.
    """

    fine_from_the_start = False  # whether fine texels are looked at in the first update as well
    keeps = True  # whether sums can be kept when lights move

    def __init__(self, device: Device, scene: SceneBuffers, includes: Mapping[str, str], images: int) -> None:
        self._pipeline = device.raytracing_pipeline(
            "light_cache.rgen",
            ["miss.rmiss"],
            [HitGroup("hit.rchit")],
            [*scene.bindings(), *gathering_bindings(images)],
            defines={f"SLOT_{name}": FIRST_PASS_SLOT + i for i, name in enumerate(GATHERING_SLOTS)},
            includes={**SCENE_INCLUDES, **includes},
        )
        self._bound: Any = None

    def bind(self, scene: SceneBuffers, resources: Mapping[int, Any]) -> None:
        """Gathers this scene's light into `resources` (by slot) from now on. Commands recorded before are stale."""
        self._release()
        self._bound = self._pipeline.bind({**scene.resources(), **resources})

    def record(self, command: CommandBuffer, points: int) -> None:
        """Records an update of the first `points` points; how many samples they get, the cache's state says."""
        command.bind(self._pipeline, self._bound)
        command.trace(_COLUMNS, -(-points // _COLUMNS))
        command.barrier()

    def close(self) -> None:
        """Releases everything on the GPU."""
        self._release()
        self._pipeline.close()

    def _release(self) -> None:
        if self._bound is not None:
            self._bound.close()
            self._bound = None
