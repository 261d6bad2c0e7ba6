"""The tile hash, numpy twin of tile_hash.comp ("hash division of labour": Hertzberg, CEDEC 2020, ch. 5).

The hash says which places of the face a 16x16 tile shows. Over the tile's face pixels

    hash_u |= 1 << (int(u * scale) % 8)        the same for v        hash = hash_u | hash_v << 8

with (u, v) as the network sees them, that is rounded to half. Hence u = 1 falls into bin 0 at scale 8, like
u = 0, its neighbour across the seam. u and v arrive wrapped into 0..1; should they not, they are clamped to
0..1 and NaN counts as 0, in the shader and here alike. A tile with a face pixel has at least one bit in
each byte of its hash, so 0 means "no face".
"""

import numpy as np
import numpy.typing as npt

from app.network.schema import HASH_BINS, TILE_PIXELS, VECTORS, to_half

HASH_SCALE = 8
HASHES = 1 << (2 * HASH_BINS)


def hash_bits(uv: npt.ArrayLike, scale: float = HASH_SCALE) -> npt.NDArray[np.uint32]:
    """The two bits each pixel sets in its tile's hash.

    Args:
        uv: (..., 2) texture coordinates.
        scale: bins along 0..1 (more than 8 wrap around).

    Returns:
        (...) uint32.
    """
    half = to_half(uv).astype(np.float32)
    bins = (np.clip(half, 0, 1) * np.float32(scale)).astype(np.uint32) % np.uint32(HASH_BINS)
    return (np.uint32(1) << bins[..., 0]) | (np.uint32(1) << (bins[..., 1] + np.uint32(HASH_BINS)))


def hash_pixels(
    uv: npt.ArrayLike, face: npt.NDArray[np.bool_], scale: float = HASH_SCALE
) -> npt.NDArray[np.uint32]:
    """The hash of groups of pixels.

    Args:
        uv: (..., n, 2) texture coordinates of the n pixels of each group.
        face: (..., n) which of them show the face.

    Returns:
        (...) uint32; 0 where no pixel shows the face.
    """
    bits = np.where(face, hash_bits(uv, scale), np.uint32(0))
    return np.asarray(np.bitwise_or.reduce(bits, axis=-1), np.uint32)


def tile_hash(
    features: npt.NDArray[np.uint32], surface: npt.NDArray[np.float32], tiles: int, scale: float = HASH_SCALE
) -> npt.NDArray[np.uint32]:
    """The hash of every tile from the G-buffer's tile-major buffers.

    Args:
        features: uint32 words of the `features` buffer, any shape.
        surface: float32 of the `surface` buffer, any shape.
        tiles: number of tiles.

    Returns:
        (tiles,) uint32; 0 for tiles without a face pixel, which the shader does not list.
    """
    words = np.ascontiguousarray(features, "<u4").reshape(tiles, VECTORS, TILE_PIXELS, 4)[:, 0, :, 0]
    uv = np.ascontiguousarray(words).view("<f2").reshape(tiles, TILE_PIXELS, 2)
    depth = np.asarray(surface, np.float32).reshape(tiles, TILE_PIXELS, 2)[..., 0]
    return hash_pixels(uv, np.isfinite(depth), scale)


def tile_list(
    features: npt.NDArray[np.uint32], surface: npt.NDArray[np.float32], tiles: int, scale: float = HASH_SCALE
) -> npt.NDArray[np.uint32]:
    """The tiles that show the face as (n, 2) uint32: (tile index, hash), ascending."""
    hashes = tile_hash(features, surface, tiles, scale)
    index = np.flatnonzero(hashes)
    return np.stack([index.astype(np.uint32), hashes[index]], axis=-1)
