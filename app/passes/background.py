"""Everything that is not face, rasterised conventionally: eyes, teeth, brows, lashes, hair, clothes."""

from typing import Any

import numpy as np

from app.gpu import Binding, CommandBuffer, Device, Struct
from app.passes.light_cache import LightCache
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES

PUSH = Struct("Push", [("part", "uint"), ("first_vertex", "uint"), ("first_point", "uint")])


class Background:
    """Draws the parts that are not face into `radiance` (alpha 0 = nothing there) and `depth` (0..1, 1 = nothing).

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered at the vertices.
        width, height: pixels.
    """

    def __init__(self, device: Device, scene: SceneBuffers, cache: LightCache, width: int, height: int) -> None:
        self.scene, self.cache = scene, cache
        self.radiance = device.image(width, height, "rgba16f", name="background radiance")
        self.depth = device.image(width, height, "d32", name="background depth")
        first = FIRST_PASS_SLOT
        self._pipeline = device.graphics_pipeline(
            "background.vert",
            "background.frag",
            [*scene.bindings(), Binding(first, "storage"), Binding(first + 1, "storage")],
            push=PUSH,
            defines={"SLOT_GATHERED": first, "SLOT_STATE": first + 1},
            includes={**SCENE_INCLUDES, **cache.includes, "background.glsl": PUSH.glsl},
            color_formats=["rgba16f"],
            depth_format="d32",
            cull="none",
        )
        self._bound: Any = None
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the light buffers anew. Commands recorded before are stale."""
        if self._bound is not None:
            self._bound.close()
        first = FIRST_PASS_SLOT
        resources = {**self.scene.resources(), first: self.cache.gathered, first + 1: self.cache.state}
        self._bound = self._pipeline.bind(resources)

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; results are visible after the next barrier."""
        with (
            command.timer("background"),
            command.rendering(
                color=[self.radiance], depth=self.depth, clear_color=(0.0, 0.0, 0.0, 0.0), clear_depth=1.0
            ),
        ):
            command.bind(self._pipeline, self._bound)
            command.index_buffer(self.scene.indices)
            for part, first_point in self.cache.vertex_offsets.items():
                push = np.zeros((), PUSH.dtype)
                push["part"], push["first_point"] = part, first_point
                push["first_vertex"] = self.scene.first_vertices[part]
                command.push(push)
                count = 3 * len(self.scene.meshes[part].triangles)
                command.draw_indexed(count, first=int(self.scene.first_indices[part]))

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in (self._bound, self._pipeline, self.radiance, self.depth):
            thing.close()
