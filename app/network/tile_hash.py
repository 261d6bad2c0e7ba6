"""The tile hash, numpy twin of tile_hash.comp ("hash division of labour": Hertzberg, CEDEC 2020, ch. 5).

The hash says which places of the face a 16x16 tile shows. Over the tile's face pixels

    hash_u |= 1 << (int(u * scale) % 8)        the same for v        hash = hash_u | hash_v << 8

with (u, v) as the network sees them, that is rounded to half. Hence u = 1 falls into bin 0 at scale 8, like
u = 0, its neighbour across the seam. u and v arrive wrapped into 0..1; should they not, they are clamped to
0..1, in the shader and here alike. A tile with a face pixel has at least one bit in
each byte of its hash, so 0 means "no face".
"""

import numpy as np
import numpy.typing as npt

from app.arrays import U32, Bools
from app.network.schema import HASH_BINS, NO_FACE, TILE_PIXELS, to_half

HASH_SCALE = 8
HASHES = 1 << (2 * HASH_BINS)


def hash_bits(uv: npt.ArrayLike, scale: float = HASH_SCALE) -> U32:
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


def hash_pixels(uv: npt.ArrayLike, face: Bools, scale: float = HASH_SCALE) -> U32:
    """The hash of groups of pixels.

    Args:
        uv: (..., n, 2) texture coordinates of the n pixels of each group.
        face: (..., n) which of them show the face.

    Returns:
        (...) uint32; 0 where no pixel shows the face.
    """
    bits = np.where(face, hash_bits(uv, scale), np.uint32(0))
    return np.asarray(np.bitwise_or.reduce(bits, axis=-1), np.uint32)


def tile_hash(places: U32, scale: float = HASH_SCALE) -> U32:
    """The hash of every tile.

    Args:
        places: uint32 of the G-buffer's `places` buffer, any shape (see `schema`).
        scale: bins along 0..1.

    Returns:
        (tiles,) uint32; 0 for tiles without a face pixel, which the shader does not list.
    """
    words = np.ascontiguousarray(places, "<u4").reshape(-1, TILE_PIXELS)
    face = words != NO_FACE
    uv = np.where(face, words, np.uint32(0)).view("<f2").reshape(*words.shape, 2)
    return hash_pixels(uv, face, scale)


def tile_list(places: U32, scale: float = HASH_SCALE) -> U32:
    """The tiles that show the face as (n, 2) uint32: (tile index, hash), ascending. Arguments as `tile_hash`."""
    hashes = tile_hash(places, scale)
    index = np.flatnonzero(hashes)
    return np.stack([index.astype(np.uint32), hashes[index]], axis=-1)
