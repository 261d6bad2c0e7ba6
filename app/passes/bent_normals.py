"""Normals bent by a normal map, at points of the skin: what shaders/include/surface.glsl does for a pixel."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from app.arrays import F64
from app.passes.texture_upload import mip_chain
from app.scene.model import Texture, Wrap, normalized


def bent_normals(
    texture: Texture, scale: float, uv: F64, normals: ArrayLike, edges: ArrayLike, uv_edges: ArrayLike, size: int
) -> F64:
    """The unit normals of texels as the normal map bends them, on average over a texel.

    Args:
        texture: tangent space, as `Material.normal_map`.
        scale: strength of its x and y.
        uv: (n, 2) where.
        normals: (n, 3) unit, of the smooth surface.
        edges: (n, 2, 3) metres, from one corner of the triangle there to the two others.
        uv_edges: (n, 2, 2) the same in uv.
        size: texels along the uv square.

    Returns:
        (n, 3).
    """
    levels = _levels(texture)
    level = next((level for level in levels if max(level.shape[:2]) <= size), levels[-1])
    height, width = level.shape[:2]
    wrap_u, wrap_v = texture.wrap
    row = _folded((1.0 - uv[:, 1]) * height - 0.5, height, wrap_v)  # images start at the top
    column = _folded(uv[:, 0] * width - 0.5, width, wrap_u)
    full = 255.0 if level.dtype == np.uint8 else 1.0
    planes = np.moveaxis(level, 2, 0)
    t = np.stack([map_coordinates(plane, (row, column), np.float64, order=1, mode="grid-wrap") for plane in planes])
    x, y, z = 2.0 / full * t[..., None] - 1.0

    n = np.asarray(normals, np.float64)
    (d1, d2), (e1, e2) = (np.moveaxis(np.asarray(pair, np.float64), 1, 0) for pair in (uv_edges, edges))
    det = d1[:, :1] * d2[:, 1:] - d1[:, 1:] * d2[:, :1]
    flat = np.abs(det) <= 1e-12
    tangent = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) / np.where(flat, np.inf, det)
    tangent = normalized(tangent - n * (tangent * n).sum(axis=1, keepdims=True), fallback=(0.0, 0.0, 0.0))
    bitangent = np.cross(n, tangent) * np.sign(det)
    bent = normalized((x * tangent + y * bitangent) * scale + z * n)
    return np.where(flat, n, bent)


def _folded(at: F64, count: int, wrap: Wrap) -> F64:
    """Where along so many texels, from the first one's middle on, a sampler looks; repeating is left to do."""
    if wrap == "repeat":
        return at
    if wrap == "mirror":
        turn = (at + 0.5) % (2 * count)
        at = np.minimum(turn, 2 * count - turn) - 0.5
    return at.clip(0.0, count - 1.0)


@lru_cache(maxsize=1)  # texels of two sizes are made of each map, one after the other
def _levels(texture: Texture) -> list[NDArray[Any]]:
    return mip_chain(texture.pixels[..., :3], srgb=False)
