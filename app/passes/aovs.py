"""What the G-buffer and the tile hash left, as images: the AOVs (arbitrary output variables)."""

import numpy as np

from app.arrays import F32, U32
from app.network.schema import FEATURES, TILE_PIXELS, VECTORS, channels, feature_image, from_tiles, unpack
from app.passes.gbuffer import GBuffer
from app.passes.tile_hash import TileHash

_LIGHT_FEATURES = tuple(feature.name for feature in FEATURES if feature.light)


def read_aov(name: str, gbuffer: GBuffer, hashing: TileHash, width: int, height: int) -> F32:
    """One AOV of the last frame, (H, W) or (H, W, channels); 0 where there is no face. The GPU must be idle.

    Args:
        name: "face", "depth", "hash", or a feature's name. Light features come in their own units (not divided by the
            pixel's light scale), depth in metres.
    """
    tiles = gbuffer.tiles_x * gbuffer.tiles_y
    surface: F32 = gbuffer.surface.read(np.float32, (tiles, TILE_PIXELS, 2))
    words: U32 = gbuffer.features.read(np.uint32, (tiles * VECTORS * TILE_PIXELS, 4))
    depth_and_scale: F32 = from_tiles(surface, width, height)
    face = np.isfinite(depth_and_scale[..., :1])
    if name == "face":
        value = face.astype(np.float32)
    elif name == "depth":
        value = depth_and_scale[..., :1]
    elif name == "hash":
        hashes = hashing.hashes.read(np.uint32).astype(np.float32)
        value = from_tiles(np.repeat(hashes[:, None, None], TILE_PIXELS, axis=1), width, height)
    else:
        # The G-buffer leaves pixels beside the face as they were: clear them before calculating.
        value = np.where(face, unpack(feature_image(words, width, height))[..., channels(name)], 0.0)
        if name in _LIGHT_FEATURES:
            value = value * depth_and_scale[..., 1:]
    value = np.where(face, value, 0.0).astype(np.float32)
    return value[..., 0] if value.shape[-1] == 1 else value
