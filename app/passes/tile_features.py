"""What the tile networks were given: the features of the tiles that show the face."""

from typing import NamedTuple

import numpy as np

from app.arrays import F32, U32, Bools
from app.network.schema import TILE_PIXELS, VECTORS, tile_words, unpack
from app.passes.gbuffer import GBuffer
from app.passes.tile_hash import TileHash


class TileFeatures(NamedTuple):
    """N tiles.

    features: (N, TILE_PIXELS, CHANNELS) float32, 0 beside the face.
    face: (N, TILE_PIXELS) bool.
    hashes: (N,) uint32.
    """

    features: F32
    face: Bools
    hashes: U32


def read_tile_features(gbuffer: GBuffer, hashing: TileHash) -> TileFeatures:
    """Those of the last frame. The GPU must be idle."""
    hashes: U32 = hashing.hashes.read(np.uint32)
    shown = hashes > 0
    words: U32 = gbuffer.features.read(np.uint32, (len(hashes), VECTORS, TILE_PIXELS, 4))[shown]
    surface: F32 = gbuffer.surface.read(np.float32, (len(hashes), TILE_PIXELS, 2))[shown]
    face = np.isfinite(surface[..., 0])
    packed = tile_words(words)
    packed[~face] = 0  # the G-buffer leaves pixels beside the face as they were
    return TileFeatures(unpack(packed), face, hashes[shown])
