"""Everything that is not face, rasterised conventionally: eyes, teeth, brows, lashes, hair, clothes."""

from collections.abc import Callable
from functools import partial

from app.gpu import CommandBuffer, Device, Struct
from app.network.schema import glsl, tile_grid
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.passes.tile_radiance import TileRadiance
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
    """Draws what the camera sees of all that is not face: alpha 0 = nothing, or face.

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
        radiance: into which it draws, all pixels of it.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        visible: VisiblePixels,
        radiance: TileRadiance,
    ) -> None:
        super().__init__()
        self._device, self._cache, self._visible, self._size = device, cache, visible, visible.size
        self._radiance = radiance
        with self.building():
            self._of_scene = self.own(Owner())
            self._tell_parts(scene)
            self._front: tuple[VisiblePixels, ScenePipeline] | None = None  # of clear parts, once there are some
            self._look_for_clear_parts(scene)
            self._pipeline = self._make_pipeline(scene, self._opaque_resources, clear=0)

    def bind(self, scene: SceneBuffers) -> None:
        """Draw this scene from now on, as the cache is bound to it already. Commands recorded before are stale."""
        if scene is not self._pipeline.scene:
            self._tell_parts(scene)
        for bound in self._front or ():
            bound.bind(scene)
        self._look_for_clear_parts(scene)
        self._pipeline.bind(scene)

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
        self._has_clear = bool(self._clear_parts(scene))
        if self._front is None and self._has_clear:
            self._opaque = self.own(TileRadiance(self._device, *self._size, name="opaque background"))
            name = "clear triangles"
            front = self.own(visible_triangles(self._device, scene, *self._size, self._clear_parts, name=name))
            self._front = front, self._make_pipeline(scene, partial(self._clear_resources, front), clear=1)

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

    def _resources(self, visible: VisiblePixels, radiance: TileRadiance) -> Resources:
        return {
            "TRIANGLES": visible.triangles,
            "BACKGROUND_PARTS": self._parts,
            "VERTEX_LIGHTS": self._cache.vertex_lights,
            "RADIANCE": radiance.buffer,
        }

    def _opaque_resources(self) -> Resources:
        return self._resources(self._visible, self._opaque if self._has_clear else self._radiance)

    def _clear_resources(self, front: VisiblePixels) -> Resources:
        return {
            **self._resources(front, self._radiance),
            "DEPTHS": front.depths,
            "OPAQUE": self._opaque.buffer,
            "OPAQUE_DEPTHS": self._visible.depths,
        }

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; results are visible after the next barrier."""
        with command.timer("background"):
            self._shade(command, self._pipeline)
            if self._front is not None and self._has_clear:
                front, pipeline = self._front
                front.record(command)
                command.barrier()
                self._shade(command, pipeline)

    def _shade(self, command: CommandBuffer, pipeline: ScenePipeline) -> None:
        pipeline.use(command)
        command.dispatch(*tile_grid(*self._size))
