"""The G-buffer: what every pixel shows of the face, and the structured input that the tile networks read."""

from typing import Any, Literal, TypeAlias, get_args

from app.gpu import Binding, CommandBuffer, ComputePipeline, Device, HitGroup, Image, RayTracingPipeline
from app.network.schema import TILE, TILE_PIXELS, VECTORS, glsl, tile_grid
from app.passes.face_depth import FaceDepth
from app.passes.face_triangles import FACE_TRIANGLES_INCLUDES, FaceTriangles
from app.passes.light_cache import CACHE_IMAGES, LightCache
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import FIRST_PASS_SLOT, SCENE_INCLUDES

GBufferKind: TypeAlias = Literal["trace", "raster"]
GBUFFER_KINDS: tuple[GBufferKind, ...] = get_args(GBufferKind)


class GBuffer:
    """Fills `features`, `surface` and `places` (layouts: app/network/schema.py) for an image of width x height pixels.

    Args:
        device: an open device; for "trace" with ray tracing.
        scene: the scene on the GPU.
        cache: the light gathered in the face's UV space.
        width, height: pixels.
        kind: how a pixel finds what it shows: by a ray, or rasterised. The same but for pixels at edges.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        width: int,
        height: int,
        kind: GBufferKind = "trace",
    ) -> None:
        self.scene, self.cache = scene, cache
        self.tiles_x, self.tiles_y = tile_grid(width, height)
        tiles = self.tiles_x * self.tiles_y
        self.features = device.buffer(tiles * VECTORS * TILE_PIXELS * 16, name="features")
        self.surface = device.buffer(tiles * TILE_PIXELS * 8, name="surface")
        self.places = device.buffer(tiles * TILE_PIXELS * 4, name="places")
        self._sampler = device.sampler("nearest", wrap_u="clamp", wrap_v="clamp")
        first = FIRST_PASS_SLOT
        names = ("FEATURES", "SURFACE", "PLACES", "VISIBILITY", "STATE", "CACHE", "FACE")
        bindings = [
            *scene.bindings(),
            *(Binding(first + i, "storage") for i in range(5)),
            Binding(first + 5, "textures", len(CACHE_IMAGES)),
            Binding(first + 6, "texture"),
        ]
        text: dict[str, Any] = {
            "defines": {f"SLOT_{name}": first + i for i, name in enumerate(names)},
            "includes": {**SCENE_INCLUDES, **FACE_TRIANGLES_INCLUDES, **cache.includes, "features.glsl": glsl()},
        }
        self._face: FaceDepth | FaceTriangles
        self._pipeline: RayTracingPipeline | ComputePipeline
        if kind == "trace":
            self._face = FaceDepth(device, scene, width, height)
            self._pipeline = device.raytracing_pipeline(
                "gbuffer.rgen", ["miss.rmiss"], [HitGroup("hit.rchit")], bindings, **text
            )
        else:
            self._face = FaceTriangles(device, scene, width, height)
            self._pipeline = device.compute_pipeline("gbuffer.comp", bindings, **text)
        self._bound: Any = None
        self.lights_changed()

    def lights_changed(self) -> None:
        """Binds the light buffers, or another `scene`, anew. Commands recorded before are stale."""
        if self._bound is not None:
            self._bound.close()
            self._face.scene = self.scene
            self._face.lights_changed()
        first = FIRST_PASS_SLOT
        self._bound = self._pipeline.bind(
            {
                **self.scene.resources(),
                first: self.features,
                first + 1: self.surface,
                first + 2: self.places,
                first + 3: self.cache.visibility,
                first + 4: self.cache.state,
                first + 5: self.cache.images,
                first + 6: (self._face.depth if isinstance(self._face, FaceDepth) else self._face.image, self._sampler),
            }
        )

    @property
    def face_depth(self) -> Image:
        """What the raster pass before it leaves: d32, 1 beside the face. `record` has a barrier after that pass."""
        return self._face.depth

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; results are visible after the next barrier."""
        self._face.record(command)
        command.barrier()
        with command.timer("gbuffer"):
            command.bind(self._pipeline, self._bound)
            if isinstance(self._pipeline, ComputePipeline):
                command.dispatch(self.tiles_x, self.tiles_y)
            else:
                command.trace(self.tiles_x * TILE, self.tiles_y * TILE)

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in (
            self._bound, self._pipeline, self._face, self._sampler, self.features, self.surface, self.places,
        ):  # fmt: skip
            thing.close()
