"""Directional albedo of the GGX lobe, tabulated once: what the specular lobe reflects, the base does not get."""

from functools import cache

import numpy as np

from app.arrays import F32, F64

TABLE_SIZE = 32
MIN_ROUGHNESS = 0.02  # of surfaces: what is smoother is drawn so


@cache
def ggx_albedo_table() -> F32:
    """Directional and mean albedo of a GGX lobe with separable Smith masking.

    The albedo for Fresnel reflectance f0 (f90 at grazing) is f0 * x + f90 * y, the split of Karis 2013,
    "Real Shading in Unreal Engine 4". Integrated by sampling visible normals on a midpoint grid.

    Returns:
        (TABLE_SIZE**2 + TABLE_SIZE, 2): first the directional albedo [roughness, cosine], both over 0..1;
        then its cosine-weighted mean [roughness].
    """
    n = TABLE_SIZE
    grid = np.linspace(0.0, 1.0, n)
    roughness = np.maximum(grid, MIN_ROUGHNESS)[:, None, None]
    cosine = np.maximum(grid, 1e-3)[None, :, None]
    cells = 32
    a, b = np.meshgrid((np.arange(cells) + 0.5) / cells, (np.arange(cells) + 0.5) / cells)
    table = _reflected(roughness**2, cosine, a.ravel(), b.ravel())
    mean = np.trapezoid(table * grid[None, :, None] * 2.0, grid, axis=1)
    result = np.concatenate([table.reshape(-1, 2), mean]).astype(np.float32)
    result.setflags(write=False)
    return result


def ggx_albedo_texels() -> F32:
    """The table as shaders read it: every entry, and after it the next one, (TABLE_SIZE**2 + TABLE_SIZE, 4)."""
    table = ggx_albedo_table()
    return np.hstack([table, np.roll(table, -1, axis=0)])


def _reflected(alpha: F64, cosine: F64, xi: F64, eta: F64) -> F64:
    """Mean of (G1 (1-s), G1 s) with s = Schlick's (1-cos)^5, over visible normals: (roughness, cosine, 2)."""
    wo = np.stack([np.sqrt(1.0 - cosine**2), np.zeros_like(cosine), cosine])
    stretched = np.stack([wo[0] * alpha, np.zeros_like(wo[0] * alpha), wo[2] + 0.0 * alpha])
    stretched /= np.linalg.norm(stretched, axis=0)
    phi = 2.0 * np.pi * xi
    z = (1.0 - eta) * (1.0 + stretched[2]) - stretched[2]
    r = np.sqrt(np.clip(1.0 - z * z, 0.0, 1.0))
    h = np.stack(
        [(r * np.cos(phi) + stretched[0]) * alpha, r * np.sin(phi) * alpha, np.maximum(z + stretched[2], 1e-6)]
    )
    h /= np.linalg.norm(h, axis=0)
    d = wo[0] * h[0] + wo[2] * h[2]
    wi_z = 2.0 * d * h[2] - wo[2]
    a2 = alpha**2
    up = np.maximum(wi_z, 1e-9)
    g1 = np.where(wi_z > 0.0, 2.0 * up / (up + np.sqrt(a2 + (1.0 - a2) * up * up)), 0.0)
    s = (1.0 - np.clip(d, 0.0, 1.0)) ** 5
    return np.stack([(g1 * (1.0 - s)).mean(axis=-1), (g1 * s).mean(axis=-1)], axis=-1)
