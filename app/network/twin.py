"""The tile network in numpy: what shaders/tile_network.comp computes, in the same order and precision.

Inputs are halves; sums are float32, the bias first and then the inputs in ascending order and, when the
outputs weigh the light features, feature by feature. A driver that
fuses multiply and add rounds differently in the last place, hence the shader is compared at 1e-5 relative.
"""

import numpy as np
import numpy.typing as npt

from app.arrays import F32, U32
from app.network.layers import COLORS, mix
from app.network.schema import HALF_MAX, feature_image, from_tiles, place_buffer, tile_grid, to_half, unpack
from app.network.tile_hash import tile_hash
from app.network.weights import WeightSet


def forward(
    weights: WeightSet,
    features: npt.ArrayLike,
    light_scale: npt.ArrayLike,
    tile_hash: npt.ArrayLike,
    dtype: type[np.floating] = np.float32,
) -> npt.NDArray[np.floating]:
    """Runs the networks.

    Args:
        weights: the networks.
        features: (..., 32) channels; rounded to half first, as the G-buffer stores them.
        light_scale: (...) radiance per unit of output.
        tile_hash: (...) the hash of each pixel's tile.
        dtype: float32 as the shader, or float64 to judge the rounding.

    Returns:
        (..., 3) radiance, linear Rec.709, of type `dtype`, limited to 0..65504 (it is stored as half).
    """
    channels = to_half(features).astype(dtype)
    shape = channels.shape[:-1]
    channels = channels.reshape(-1, channels.shape[-1])
    scale = np.broadcast_to(np.asarray(light_scale, dtype), shape).reshape(-1, 1)
    slots = np.broadcast_to(weights.table[np.asarray(tile_hash)], shape).reshape(-1)
    radiance = np.zeros((len(channels), COLORS), dtype)
    for slot in np.unique(slots):
        chosen = slots == slot
        radiance[chosen] = _network(weights, int(slot), channels[chosen])
    limited = np.clip(scale * radiance, 0, HALF_MAX)
    return np.asarray(limited, dtype).reshape(*shape, COLORS)


def _network(weights: WeightSet, slot: int, values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """One network's rectified outputs (n, 3) for inputs (n, 32)."""
    features, last = values, len(weights.layers) - 2
    for index, (weight, bias) in enumerate(weights.matrices(slot)):
        weight, total = weight.astype(values.dtype), np.empty((len(values), len(bias)), values.dtype)
        total[:] = bias
        for i in range(weight.shape[1]):  # the shader's order of summation; a matrix product has its own
            total += values[:, i : i + 1] * weight[:, i]
        values = np.maximum(total, 0) if index < last else total
    radiance: npt.NDArray[np.floating] = np.maximum(mix(values, features), 0)
    return radiance


def draw(
    weights: WeightSet,
    features: U32,
    surface: F32,
    width: int,
    height: int,
) -> F32:
    """What tile hash and tile network together leave of the face's radiance.

    Args:
        weights: the networks.
        features, surface: the G-buffer's tile-major buffers for width x height pixels (see `schema`).

    Returns:
        (height, width, 4) float32: radiance and 1 where there is face, zeros elsewhere (pixels the shader
        leaves).
    """
    tiles_x, tiles_y = tile_grid(width, height)
    hashes = tile_hash(place_buffer(features, surface), weights.hash_scale)
    tile_major = np.asarray(surface, np.float32).reshape(tiles_x * tiles_y, -1, 2)
    depth, scale = np.moveaxis(from_tiles(tile_major, width, height), -1, 0)
    pixel_hash = from_tiles(np.repeat(hashes[:, None], tile_major.shape[1], axis=1), width, height)
    channels = unpack(feature_image(features, width, height))
    face = np.isfinite(depth)
    image = np.zeros((height, width, 4), np.float32)
    image[face, :3] = forward(weights, channels[face], scale[face], pixel_hash[face])
    image[face, 3] = 1
    return image
