"""What a light cache knows of its lights' visibility, as numbers."""

import numpy as np

from app.arrays import F32, I64, Bools
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import FINE_SCALE, SHADOW_SCALE


def read_looks(cache: LightCache, lights: int) -> tuple[I64, I64]:
    """How often each of `lights` was looked for and seen from every shadow texel: (lights, S, S) both."""
    across = SHADOW_SCALE * FINE_SCALE * cache.size
    words = cache.visibility.read(np.uint32).reshape(lights, -1)[:, : across * across].reshape(lights, across, across)
    return (words >> 16).astype(np.int64), (words & 0xFFFF).astype(np.int64)


def read_shares(cache: LightCache, lights: int) -> F32:
    """Which share of the looks saw the light: (lights, S, S), 0 where there were none."""
    looks, seen = read_looks(cache, lights)
    return (seen / np.maximum(looks, 1)).astype(np.float32)


def shadow_texels(fine: Bools) -> Bools:
    """Which shadow texels (S, S) lie within fine texels of which this is true, given in any shape."""
    across = round(fine.size**0.5)
    return fine.reshape(across, across).repeat(SHADOW_SCALE, axis=0).repeat(SHADOW_SCALE, axis=1)
