"""Everything that is not face, rasterised conventionally: eyes, teeth, brows, lashes, hair, clothes."""

from collections.abc import Callable
from functools import partial

from app.gpu import CommandBuffer, Device, Struct
from app.network.schema import glsl, tile_grid
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.passes.visible_pixels import VisiblePixels, visible_includes
from app.passes.visible_triangles import visible_triangles
from app.scene.closed import is_closed

BACKGROUND_PART = Struct(
    "BackgroundPart",
    [
        ("light_shift", "int"),  # from a vertex's number to that of the light gathered there
        ("polished", "uint"),  # whether it mirrors what is there
        ("passed", "float"),  # share of light that a clear part passes on, but for reflection
    ],
)

POLISHED = 0.15
"""Up to this roughness a surface mirrors lights in their own shape; rougher ones have their lobes in closed form."""


class Background(Owner):
    """Draws what the camera sees of all that is not face into `radiance`: alpha 0 = nothing, or face.

    Shades what a raster pass has found, once a pixel: nothing that the face hides.

    Clear parts (material.transmission > 0) come last: they refract the picture of the opaque ones, one layer deep, and
    leave its depths alone. So a clear part shows in front of what is drawn here and of the backdrop, not of the face.
    An open mesh (a cornea) is one boundary, and what lies behind it is inside: light that comes out spreads, and only
    1 / ior^2 of it goes each way. A closed mesh has the light going in and out again.

    Clear and polished parts mirror one direction of their lobe a frame: lights in their own shape, and surroundings, as
    far as rays find nothing in the way, or, without ray queries, as far as the vertices see them.

    Parts that are cut out or blended (see VisiblePixels) shade as if opaque.

    Args:
        device: an open device.
        scene: the scene on the GPU.
        cache: holds the light gathered at the vertices.
        visible: what shows of face and opaque parts, with the same jitter.

    Attributes:
        radiance: see above.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        visible: VisiblePixels,
    ) -> None:
        super().__init__()
        self._device, self._cache, self._visible, self._size = device, cache, visible, visible.size
        with self.building():
            self.radiance = self.own(device.image(*self._size, "rgba16f", name="background radiance"))
            self._of_scene = self.own(Owner())
            self._tell_parts(scene)
            self._pipeline = self._make_pipeline(scene, partial(self._resources, visible), clear=0)
            self._clear: tuple[VisiblePixels, ScenePipeline] | None = None  # once there are clear parts
            self._look_for_clear_parts(scene)

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, as the cache is bound to it already. Commands recorded before are stale."""
        if scene is not self._pipeline.scene:
            self._tell_parts(scene)
        for bound in (self._pipeline, *(self._clear or ())):
            bound.bind(scene)
        self._look_for_clear_parts(scene)

    def _clear_parts(self, scene: SceneBuffers) -> dict[int, bool]:
        """Which parts are clear, and of each whether triangles seen from behind are left out."""
        return {
            index: not scene.shows_back_sides[index]
            for index in self._cache.vertex_offsets
            if scene.parts[index].material.transmission > 0.0
        }

    def _tell_parts(self, scene: SceneBuffers) -> None:
        records = BACKGROUND_PART.zeros(len(scene.parts))
        clear = self._clear_parts(scene)
        for index, first_light in self._cache.vertex_offsets.items():
            material = scene.parts[index].material
            records["light_shift"][index] = first_light - scene.first_vertices[index]
            records["polished"][index] = index in clear or material.roughness <= POLISHED
            if index in clear:
                records["passed"][index] = 1.0 if is_closed(scene.meshes[index]) else material.ior**-2
        self._of_scene.close()
        self._parts = self._of_scene.own(self._device.buffer(records, name="background parts"))

    def _look_for_clear_parts(self, scene: SceneBuffers) -> None:
        """Make what draws them once there are any."""
        if self._clear is None and self._clear_parts(scene):
            self._opaque = self.own(self._device.image(*self._size, "rgba16f", name="opaque background"))
            self._linear = self.own(self._device.sampler("linear", wrap_u="clamp", wrap_v="clamp"))
            name = "clear triangles"
            front = self.own(visible_triangles(self._device, scene, *self._size, self._clear_parts, name=name))
            self._clear = front, self._make_pipeline(scene, partial(self._clear_resources, front), clear=1)

    def _make_pipeline(self, scene: SceneBuffers, resources: Callable[[], Resources], *, clear: int) -> ScenePipeline:
        make = partial(self._device.compute_pipeline, "background.comp", full_subgroups=True)
        defines = {"CLEAR": clear, "RAYS": int(self._device.ray_queries)}
        includes = {
            **self._cache.includes,
            **visible_includes(self._visible.triangles),
            "features.glsl": glsl(),
            "background.glsl": BACKGROUND_PART.glsl,
        }
        return self.own(ScenePipeline(make, scene, resources, defines=defines, includes=includes))

    def _resources(self, visible: VisiblePixels) -> Resources:
        return {
            "TRIANGLES": visible.triangles,
            "BACKGROUND_PARTS": self._parts,
            "VERTEX_LIGHTS": self._cache.vertex_lights,
            "RADIANCE": self.radiance,
        }

    def _clear_resources(self, front: VisiblePixels) -> Resources:
        return {
            **self._resources(front),
            "DEPTHS": front.depths,
            "OPAQUE": (self._opaque, self._linear),
            "OPAQUE_DEPTHS": self._visible.depths,
        }

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; results are visible after the next barrier."""
        clear = self._clear if self._clear_parts(self._pipeline.scene) else None
        with command.timer("background"):
            command.clear(self.radiance)
            if clear is not None:
                clear[0].record(command)
            command.barrier()
            self._shade(command, self._pipeline)
            if clear is not None:
                command.barrier()
                command.copy(self.radiance, self._opaque)
                command.barrier()
                self._shade(command, clear[1])

    def _shade(self, command: CommandBuffer, pipeline: ScenePipeline) -> None:
        pipeline.use(command)
        command.dispatch(*tile_grid(*self._size))
