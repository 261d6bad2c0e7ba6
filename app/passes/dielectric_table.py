"""What walks below the skin look up of a rough boundary: the medium behind it, and what microfacets lose."""

from functools import lru_cache

import numpy as np

from app.arrays import F32, F64
from app.passes.ggx_albedo import MIN_ROUGHNESS
from app.scene.medium import MEDIUM_TABLE_SIZE, MIN_BOUNDARY_IOR, fresnel, medium_table

DIELECTRIC_TABLE_SIZE = 32
DIELECTRIC_FLOATS = MEDIUM_TABLE_SIZE + 2 * DIELECTRIC_TABLE_SIZE**2
_CELLS = 12, 32  # of the integration grid: along half a turn, which the other half mirrors, and across


@lru_cache(maxsize=32)
def dielectric_table(ior: float) -> F32:
    """Tables for a rough dielectric boundary of an index of refraction, 1..3.

    Returns:
        (DIELECTRIC_FLOATS,): first `medium_table`; then the share of the light that leaves again by either side when
        only single microfacets scatter it, [from outside, from within][roughness][cosine], both over 0..1.
    """
    eta = max(ior, MIN_BOUNDARY_IOR)
    shares = [_scattered(eta), _scattered(1.0 / eta)]
    table = np.concatenate([medium_table(ior), *(share.ravel() for share in shares)]).astype(np.float32)
    table.setflags(write=False)
    return table


def _scattered(eta: float) -> F64:
    """[roughness, cosine]: mean over visible normals of the masking of what is reflected and what is refracted."""
    grid = np.linspace(0.0, 1.0, DIELECTRIC_TABLE_SIZE)
    alpha = np.maximum(grid, MIN_ROUGHNESS)[:, None, None] ** 2
    cosine = np.maximum(grid, 1e-3)[None, :, None]
    half_turn, across = ((np.arange(count) + 0.5) / count for count in _CELLS)
    xi, other = (axis.ravel() for axis in np.meshgrid(0.5 * half_turn, across))
    sine = np.sqrt(1.0 - cosine**2)
    # A microfacet's normal by spherical caps, as shaders/include/brdf.glsl draws it.
    length = np.sqrt((sine * alpha) ** 2 + cosine**2)
    up = cosine / length
    z = (1.0 - other) * (1.0 + up) - up
    r = np.sqrt(np.clip(1.0 - z * z, 0.0, 1.0))
    x = (r * np.cos(2.0 * np.pi * xi) + sine * alpha / length) * alpha
    y = r * np.sin(2.0 * np.pi * xi) * alpha
    z = np.maximum(z + up, 1e-6)
    inverse = 1.0 / np.sqrt(x * x + y * y + z * z)
    along = np.clip((sine * x + cosine * z) * inverse, 0.0, 1.0)  # between the observer and the microfacet
    z = z * inverse
    reflectance = fresnel(along, eta)
    below = np.sqrt(np.maximum(1.0 - (1.0 - along**2) / eta**2, 0.0))  # cosine beyond the microfacet
    reflected = 2.0 * along * z - cosine
    refracted = cosine / eta - (along / eta - below) * z
    kept = reflectance * _smith(alpha, reflected) + (1.0 - reflectance) * _smith(alpha, refracted)
    share: F64 = kept.mean(axis=-1)
    return share


def _smith(alpha: F64, cosine: F64) -> F64:
    """Masking of one direction (Walter et al. 2007); 0 where it lies on the wrong side."""
    c = np.maximum(cosine, 1e-9)
    a2 = alpha**2
    return np.where(cosine > 0.0, 2.0 * c / (c + np.sqrt(a2 + (1.0 - a2) * c * c)), 0.0)
