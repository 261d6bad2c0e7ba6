"""Everything that is not face, rasterised conventionally: eyes, teeth, brows, lashes, hair, clothes."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from app.gpu import Binding, CommandBuffer, Device, Image, Struct
from app.network.schema import glsl
from app.passes.light_cache import LightCache
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES
from app.scene.model import Material, Mesh

PUSH = Struct(
    "Push",
    [
        ("part", "uint"),
        ("first_vertex", "uint"),
        ("first_point", "uint"),
        ("opacity", "float"),
        ("alpha_cutoff", "float"),  # < 0: opaque, > 1: blended
        ("passed", "float"),  # share of light that a clear part passes on, but for reflection
    ],
)


class Background:
    """Draws what the camera sees of all that is not face into `radiance`: alpha 0 = nothing, or the face hides it.

    `depth` (0..1, 1 = nothing) begins as the face's, so that nothing behind that is shaded.

    Clear parts (material.transmission > 0) come last: they refract the picture of the opaque ones, one layer deep, and
    leave its depth alone. So a clear part shows in front of what is drawn here and of the backdrop, not of the face.
    An open mesh (a cornea) is one boundary, and what lies behind it is inside: light that comes out spreads, and only
    1 / ior^2 of it goes each way. A closed mesh has the light going in and out again.

    Blended parts leave out pixels, others in every frame (the idea of Wyman & McGuire 2017, "Hashed Alpha Testing", but
    with thresholds that are spread evenly): the frames' mean is right, in any order of drawing, and what is behind
    keeps its depth. They shade as if opaque.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered at the vertices.
        width, height: pixels.
        face_depth: d32 image of that size with the same jitter, drawn before; None: no face hides anything.
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
        self.scene, self.cache, self._face_depth = scene, cache, face_depth
        self._owned: list[Any] = []
        self._bound: list[Any] = []
        self.radiance = self._own(device.image(width, height, "rgba16f", name="background radiance"))
        self.depth = self._own(device.image(width, height, "d32", name="background depth"))
        clear = [index for index in cache.vertex_offsets if scene.parts[index].material.transmission > 0.0]
        self._clear = tuple(clear)
        self._solid = tuple(index for index in cache.vertex_offsets if index not in clear)
        self._passed = {
            part: 1.0 if _closed(scene.meshes[part]) else scene.parts[part].material.ior ** -2 for part in clear
        }
        first = FIRST_PASS_SLOT
        bindings = [*scene.bindings(), Binding(first, "storage"), Binding(first + 1, "storage")]
        slots = {name: first + i for i, name in enumerate(("GATHERED", "STATE", "OPAQUE", "OPAQUE_DEPTH"))}
        options: dict[str, Any] = {
            "push": PUSH,
            "includes": {**SCENE_INCLUDES, **cache.includes, "features.glsl": glsl(), "background.glsl": PUSH.glsl},
            "color_formats": ["rgba16f"],
        }
        defines = {f"SLOT_{name}": slot for name, slot in slots.items()}
        shaders = ("background.vert", "background.frag")
        self._pipeline = self._own(
            device.graphics_pipeline(
                *shaders, bindings, defines={**defines, "CLEAR": 0}, depth_format="d32", cull="none", **options
            )
        )
        if self._clear:
            bindings += [Binding(first + 2, "texture"), Binding(first + 3, "texture")]
            self._clear_pipeline = self._own(
                device.graphics_pipeline(*shaders, bindings, defines={**defines, "CLEAR": 1}, cull="back", **options)
            )
            self._opaque = self._own(device.image(width, height, "rgba16f", name="opaque background"))
            self._linear = self._own(device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
            self._nearest = self._own(device.sampler("nearest", wrap_u="clamp", wrap_v="clamp"))
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the light buffers anew. Commands recorded before are stale."""
        self._close_bound()
        first = FIRST_PASS_SLOT
        resources = {**self.scene.resources(), first: self.cache.gathered, first + 1: self.cache.state}
        self._bound = [self._pipeline.bind(resources)]
        if self._clear:
            seen = {first + 2: (self._opaque, self._linear), first + 3: (self.depth, self._nearest)}
            self._bound.append(self._clear_pipeline.bind({**resources, **seen}))

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; results are visible after the next barrier."""
        with command.timer("background"):
            if self._face_depth is not None:
                command.copy(self._face_depth, self.depth)
                command.barrier()
            with command.rendering(
                color=[self.radiance],
                depth=self.depth,
                clear_color=(0.0, 0.0, 0.0, 0.0),
                clear_depth=1.0 if self._face_depth is None else None,
            ):
                command.bind(self._pipeline, self._bound[0])
                self._draw(command, self._solid)
            if self._clear:
                command.barrier()
                command.copy(self.radiance, self._opaque)
                command.barrier()
                with command.rendering(color=[self.radiance], clear_color=None):
                    command.bind(self._clear_pipeline, self._bound[1])
                    self._draw(command, self._clear)

    def _draw(self, command: CommandBuffer, parts: Iterable[int]) -> None:
        command.index_buffer(self.scene.indices)
        for part in parts:
            push = np.zeros((), PUSH.dtype)
            push["part"], push["first_point"] = part, self.cache.vertex_offsets[part]
            push["first_vertex"] = self.scene.first_vertices[part]
            material = self.scene.parts[part].material
            push["opacity"], push["alpha_cutoff"] = material.opacity, _cutoff(material)
            push["passed"] = self._passed.get(part, 1.0)
            command.push(push)
            self.scene.draw_part(command, part)

    def close(self) -> None:
        """Releases everything on the GPU."""
        self._close_bound()
        for thing in reversed(self._owned):
            thing.close()
        self._owned = []

    def _close_bound(self) -> None:
        for thing in self._bound:
            thing.close()
        self._bound = []

    def _own(self, thing: Any) -> Any:
        self._owned.append(thing)
        return thing


def _cutoff(material: Material) -> float:
    return {"opaque": -1.0, "mask": material.alpha_cutoff, "blend": 2.0}[material.alpha_mode]


def _closed(mesh: Mesh) -> bool:
    """Whether every edge of a mesh belongs to two triangles, seams of its texture aside."""
    _, place = np.unique(mesh.positions + np.float32(0.0), axis=0, return_inverse=True)  # + 0.0 makes -0.0 equal to 0.0
    t = place.reshape(-1)[mesh.triangles]
    edges = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), axis=1)
    _, uses = np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0, return_counts=True)
    return bool((uses == 2).all())
