"""What a G-buffer drew of a face, as numbers."""

import numpy as np

from app.arrays import F32
from app.gpu import Device
from app.network.schema import (
    TILE_PIXELS,
    VECTORS,
    feature_image,
    from_tiles,
    place_buffer,
    split,
    unpack,
)
from app.passes.gbuffer import GBuffer
from app.passes.light_cache import LightCache
from app.passes.scene_buffers import SceneBuffers
from app.passes.visible_triangles import face_triangles, visible_triangles
from app.scene.camera import Camera
from tests.conftest import keeping


class Frame:
    """Features by name (H, W[, c]), depth and light scale (H, W), and the face mask of one G-buffer."""

    def __init__(self, gbuffer: GBuffer, width: int, height: int) -> None:
        tiles = gbuffer.tiles_x * gbuffer.tiles_y
        surface = gbuffer.surface.read(np.float32, (tiles, TILE_PIXELS, 2))
        self.words = feature_image(gbuffer.features.read(np.uint32, (tiles * VECTORS * TILE_PIXELS, 4)), width, height)
        self.places = gbuffer.places.read(np.uint32)
        self.expected_places = place_buffer(gbuffer.features.read(np.uint32), surface)
        image = from_tiles(surface, width, height)
        self.depth, self.scale = image[..., 0], image[..., 1]
        self.face = np.isfinite(self.depth)
        self.features = split(unpack(self.words))

    def light(self, name: str) -> F32:
        """A light feature in its own unit, of the face's pixels."""
        value: F32 = self.features[name][self.face] * self.scale[self.face][:, None]
        return value


def draw_frame(
    gpu: Device,
    buffers: SceneBuffers,
    cache: LightCache,
    camera: Camera,
    size: tuple[int, int],
    jitter: tuple[float, float] = (0.0, 0.0),
) -> Frame:
    """Draw a view (width, height) of a scene, whose light is gathered to the end before."""
    with keeping() as keep:
        visible = keep(visible_triangles(gpu, buffers, *size, face_triangles))
        gbuffer = keep(GBuffer(gpu, buffers, cache, visible))
        buffers.set_frame(camera, *size, jitter=jitter, sample_index=0)
        while not cache.converged:
            cache.update()
        with keep(gpu.commands()) as command:
            visible.record(command)
            command.barrier()
            gbuffer.record(command)
            command.barrier()
        gpu.submit(command)
        return Frame(gbuffer, *size)
