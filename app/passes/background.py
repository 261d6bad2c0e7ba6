"""Everything that is not face, rasterised conventionally: eyes, teeth, brows, lashes, hair, clothes."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from app.gpu import CommandBuffer, Device, Image, Struct
from app.network.schema import glsl
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.scene.closed import hides_back_sides, is_closed
from app.scene.model import Material

PUSH = Struct(
    "Push",
    [
        ("part", "uint"),
        ("first_vertex", "uint"),
        ("first_light", "uint"),
        ("opacity", "float"),
        ("alpha_cutoff", "float"),  # < 0: opaque, > 1: blended
        ("passed", "float"),  # share of light that a clear part passes on, but for reflection
    ],
)

POLISHED = 0.15
"""Up to this roughness a surface mirrors lights in their own shape; rougher ones have their lobes in closed form."""


class Background(Owner):
    """Draws what the camera sees of all that is not face into `radiance`: alpha 0 = nothing, or the face hides it.

    `depth` (0..1, 1 = nothing) is the face's at first, so that nothing behind that is shaded.

    Clear parts (material.transmission > 0) come last: they refract the picture of the opaque ones, one layer deep, and
    leave its depth alone. So a clear part shows in front of what is drawn here and of the backdrop, not of the face.
    An open mesh (a cornea) is one boundary, and what lies behind it is inside: light that comes out spreads, and only
    1 / ior^2 of it goes each way. A closed mesh has the light going in and out again.

    Clear and polished parts mirror one direction of their lobe a frame: lights in their own shape, and surroundings, as
    far as rays find nothing in the way, or, without ray tracing, as far as the vertices see them.

    Blended parts leave out pixels, others in every frame (the idea of Wyman & McGuire 2017, "Hashed Alpha Testing", but
    with thresholds that are spread evenly): the frames' mean is right, in any order of drawing, and what is behind
    keeps its depth. They shade as if opaque.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered at the vertices.
        width, height: pixels.
        face_depth: d32 image of that size with the same jitter, drawn before, which becomes `depth`; stays the
            caller's. Nothing else may read it while this pass runs. None: no face hides anything.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        width: int,
        height: int,
        face_depth: Image | None = None,
    ) -> None:
        super().__init__()
        self._device, self._cache, self._size = device, cache, (width, height)
        self._face_is_there = face_depth is not None
        with self.building():
            self.radiance = self.own(device.image(width, height, "rgba16f", name="background radiance"))
            self.depth = face_depth or self.own(device.image(width, height, "d32", name="background depth"))
            self._pipeline = self._make_pipeline(scene, self._light, depth_format="d32")
            self._polished_pipeline: ScenePipeline | None = None
            self._clear_pipeline: ScenePipeline | None = None
            self._tell_parts_apart(scene)

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, as the cache is bound to it already. Commands recorded before are stale."""
        another = scene is not self._pipeline.scene
        for pipeline in (self._pipeline, self._polished_pipeline, self._clear_pipeline):
            if pipeline is not None:
                pipeline.bind(scene)
        if another:
            self._tell_parts_apart(scene)

    def _tell_parts_apart(self, scene: SceneBuffers) -> None:
        """Which parts are clear and which polished; makes what draws them once there are any."""
        offsets, parts = self._cache.vertex_offsets, scene.parts
        self._clear = tuple(index for index in offsets if parts[index].material.transmission > 0.0)
        solid = [index for index in offsets if index not in self._clear]
        self._polished = tuple(index for index in solid if parts[index].material.roughness <= POLISHED)
        self._dull = tuple(index for index in solid if index not in self._polished)
        # Of clear parts only the first boundary shows; of others nobody sees back sides where that is sure.
        self._one_sided = {
            part
            for part in offsets
            if part in self._clear
            or (parts[part].material.alpha_mode == "opaque" and hides_back_sides(scene.meshes[part]))
        }
        self._passed = {
            part: 1.0 if is_closed(scene.meshes[part]) else parts[part].material.ior ** -2 for part in self._clear
        }
        if self._polished and self._polished_pipeline is None:
            self._polished_pipeline = self._make_pipeline(scene, self._light, polished=1, depth_format="d32")
        if self._clear and self._clear_pipeline is None:
            self._opaque = self.own(self._device.image(*self._size, "rgba16f", name="opaque background"))
            self._linear = self.own(self._device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
            self._nearest = self.own(self._device.sampler("nearest", wrap_u="clamp", wrap_v="clamp"))
            self._clear_pipeline = self._make_pipeline(scene, self._seen_through, polished=1, clear=1)

    def _make_pipeline(
        self,
        scene: SceneBuffers,
        resources: Callable[[], Resources],
        *,
        polished: int = 0,
        clear: int = 0,
        **state: Any,
    ) -> ScenePipeline:
        shaders = ("background.vert", "background.frag")
        make = partial(self._device.graphics_pipeline, *shaders, color_formats=["rgba16f"], cull="dynamic", **state)
        defines = {"CLEAR": clear, "POLISHED": polished, "RAYS": int(self._device.raytracing)}
        includes = {**self._cache.includes, "features.glsl": glsl(), "background.glsl": PUSH.glsl}
        return self.own(ScenePipeline(make, scene, resources, push=PUSH, defines=defines, includes=includes))

    def _light(self) -> Resources:
        return {"VERTEX_LIGHTS": self._cache.vertex_lights}

    def _seen_through(self) -> Resources:
        opaque = {"OPAQUE": (self._opaque, self._linear), "OPAQUE_DEPTH": (self.depth, self._nearest)}
        return {**self._light(), **opaque}

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; results are visible after the next barrier."""
        with command.timer("background"):
            with command.rendering(
                color=[self.radiance],
                depth=self.depth,
                clear_color=(0.0, 0.0, 0.0, 0.0),
                clear_depth=None if self._face_is_there else 1.0,
            ):
                self._pipeline.use(command)
                self._draw(command, self._dull)
                if self._polished and self._polished_pipeline is not None:
                    self._polished_pipeline.use(command)
                    self._draw(command, self._polished)
            if self._clear and self._clear_pipeline is not None:
                command.barrier()
                command.copy(self.radiance, self._opaque)
                command.barrier()
                with command.rendering(color=[self.radiance], clear_color=None):
                    self._clear_pipeline.use(command)
                    self._draw(command, self._clear)

    def _draw(self, command: CommandBuffer, parts: Iterable[int]) -> None:
        scene = self._pipeline.scene
        command.index_buffer(scene.indices)
        for part in parts:
            push = np.zeros((), PUSH.dtype)
            push["part"], push["first_light"] = part, self._cache.vertex_offsets[part]
            push["first_vertex"] = scene.first_vertices[part]
            material = scene.parts[part].material
            push["opacity"], push["alpha_cutoff"] = material.opacity, _cutoff(material)
            push["passed"] = self._passed.get(part, 1.0)
            command.push(push)
            command.cull(back=part in self._one_sided)
            scene.draw_part(command, part)


def _cutoff(material: Material) -> float:
    return {"opaque": -1.0, "mask": material.alpha_cutoff, "blend": 2.0}[material.alpha_mode]
