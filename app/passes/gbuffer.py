"""The G-buffer: what every pixel shows of the face, and the structured input that the tile networks read."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias, get_args

from app.gpu import CommandBuffer, Device, Pipeline
from app.network.schema import TILE, TILE_PIXELS, VECTORS, glsl, tile_grid
from app.passes.light_cache import LightCache
from app.passes.owner import Owner
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_pipeline import Resources, ScenePipeline
from app.passes.visible_pixels import VisiblePixels, visible_includes

GBufferKind: TypeAlias = Literal["trace", "raster"]
GBUFFER_KINDS: tuple[GBufferKind, ...] = get_args(GBufferKind)


class GBuffer(Owner):
    """Fills `features`, `surface` and `places` (layouts: app/network/schema.py) for an image of the size of `visible`.

    Args:
        device: an open device; for "trace" with ray tracing.
        scene: the scene on the GPU.
        cache: the light gathered in the face's UV space.
        visible: what was rasterised with the same jitter: where it shows the face. Tells a traced one which pixels need
            a ray, and where to look: on a CPU driver a ray through the head costs about ten times as much as the pixel
            of a raster pass, and a ray that knows its interval a third of one that does not (docs/tried.md).
        kind: how a pixel finds what it shows: by a ray, or rasterised. The same but for pixels at edges.
    """

    def __init__(
        self,
        device: Device,
        scene: SceneBuffers,
        cache: LightCache,
        visible: VisiblePixels,
        kind: GBufferKind = "trace",
    ) -> None:
        super().__init__()
        self._cache, self._visible, self._traced = cache, visible, kind == "trace"
        self.tiles_x, self.tiles_y = tile_grid(*visible.size)
        tiles = self.tiles_x * self.tiles_y
        make: Callable[..., Pipeline]
        with self.building():
            self.features = self.own(device.buffer(tiles * VECTORS * TILE_PIXELS * 16, name="features"))
            self.surface = self.own(device.buffer(tiles * TILE_PIXELS * 8, name="surface"))
            self.places = self.own(device.buffer(tiles * TILE_PIXELS * 4, name="places"))
            if self._traced:
                make = partial(device.raytracing_pipeline, "gbuffer.rgen", ["miss.rmiss"])
            else:
                make = partial(device.compute_pipeline, "gbuffer.comp", full_subgroups=True)
            defines = {"SUB_PIXEL_BITS": device.info.limits.sub_pixel_bits}
            includes = {**visible_includes(visible.triangles), **cache.includes, "features.glsl": glsl()}
            self._pipeline = self.own(
                ScenePipeline(make, scene, self._resources, defines=defines, includes=includes, traces=self._traced)
            )

    def _resources(self) -> Resources:
        return {
            "FEATURES": self.features,
            "SURFACE": self.surface,
            "PLACES": self.places,
            "SHARES": self._cache.shares,
            "STATE": self._cache.state,
            "CACHE": self._cache.images,
            "TRIANGLES": self._visible.triangles,
            **({"DEPTHS": self._visible.depths} if self._traced else {}),
        }

    def bind(self, scene: SceneBuffers) -> None:
        """Show this scene from now on, as the cache is bound to it already. Commands recorded before are stale."""
        self._pipeline.bind(scene)

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; results are visible after the next barrier."""
        with command.timer("gbuffer"):
            self._pipeline.use(command)
            if self._traced:
                command.trace(self.tiles_x * TILE, self.tiles_y * TILE)
            else:
                command.dispatch(self.tiles_x, self.tiles_y)
