"""The medium below a surface that scatters: from what an artist sets to what a random walk needs.

An artist sets an albedo, what a thick, evenly lit layer shows, and how far light reaches; a walk needs the albedo of a
single scattering event and the extinction. shaders/include/subsurface.glsl computes the same from the same table.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from app.arrays import F64

MEDIUM_TABLE_SIZE = 64
MIN_BOUNDARY_IOR = 1.01  # a boundary that bends nothing has no density of directions; this one hardly bends
SMALLEST_DECAY = 0.05  # a white medium never fades: its reach comes from this decay instead
_NODES = 24  # of the integrals on either side of the critical angle


def fresnel(cosine: ArrayLike, eta: float) -> F64:
    """Unpolarised reflectance of a smooth boundary, 1 where all is reflected.

    Args:
        cosine: of the angle of incidence, 0..1.
        eta: index of refraction beyond the boundary divided by the one before it.
    """
    c = np.asarray(cosine, np.float64)
    beyond = eta * eta - 1.0 + c * c
    g = np.sqrt(np.maximum(beyond, 0.0))
    a = (g - c) / np.maximum(g + c, 1e-12)
    b = (c * (g + c) - 1.0) / (c * (g - c) + 1.0)
    return np.where(beyond < 0.0, 1.0, 0.5 * a * a * (1.0 + b * b))


def medium_of(albedo: ArrayLike, mean_free_path: ArrayLike, ior: float) -> tuple[F64, F64]:
    """Albedo of a scattering event and extinction of an isotropic medium, per channel.

    Args:
        albedo: (...) 0..1: what a thick, flat, evenly lit layer shows, divided by the share of the light that gets
            past its boundary. 1 loses nothing.
        mean_free_path: (...) the distance over which light far inside fades to 1/e (the diffuse mean free path).
        ior: index of refraction of the boundary, from MIN_BOUNDARY_IOR; below it, that.

    Returns:
        (...) albedo of an event 0..1, and extinction per unit of `mean_free_path`.
    """
    absorbed = _lookup(np.clip(albedo, 0.0, 1.0), ior) ** 2
    # Light far inside fades as exp(-decay * extinction * x), where decay solves albedo = decay / atanh(decay). This fit
    # has the right ends: sqrt(3 absorbed) for little absorption (diffusion), 1 for no scattering.
    decay = np.sqrt(3.0 * absorbed / (1.0 + absorbed * (0.8 + 1.2 * absorbed)))
    reach = np.maximum(np.asarray(mean_free_path, np.float64), 1e-6)
    return 1.0 - absorbed, 1.0 / (reach * np.maximum(decay, SMALLEST_DECAY))


def _lookup(albedo: F64, ior: float) -> F64:
    return np.interp(albedo, np.linspace(0.0, 1.0, MEDIUM_TABLE_SIZE), medium_table(ior))


@lru_cache(maxsize=32)
def medium_table(ior: float) -> F64:
    """Square root of the absorbed share of a scattering event, for albedos evenly spaced over 0..1.

    This inverts `layer_albedo`, which solves the equation of transfer. Closed formulas are not good enough: with the
    inverse of van de Hulst's reflectance (Kulla & Conty 2017, "Revisiting Physically Based Shading at Imageworks")
    behind Saunderson's correction for the boundary (1942), which takes light inside to be diffuse, dark skin of albedo
    0.1 comes out 20% too dark; and the fit of Chiang, Kutz & Burley 2016 gives 0.93 where 1 is wanted even without
    a boundary.

    Returns:
        (MEDIUM_TABLE_SIZE,) from 1 down to 0.
    """
    root = np.linspace(0.0, 1.0, 4 * MEDIUM_TABLE_SIZE)
    shown = layer_albedo(1.0 - root * root, ior)
    table: F64 = np.interp(np.linspace(0.0, 1.0, MEDIUM_TABLE_SIZE), shown[::-1], root[::-1])
    table[[0, -1]] = 1.0, 0.0
    table.setflags(write=False)
    return table


def layer_albedo(event: ArrayLike, ior: float) -> F64:
    """What a half space below a smooth boundary shows of even light, without what the boundary itself reflects.

    The half space's own reflection is Chandrasekhar's H function ("Radiative Transfer", 1950, section 33); the boundary
    joins what leaves it with what enters, direction by direction, on Gauss nodes that meet at the critical angle.

    Args:
        event: (N,) albedo of a scattering event, 0..1.
        ior: as in `medium_of`.

    Returns:
        (N,) share of the light past the boundary that comes back through it.
    """
    w = np.asarray(event, np.float64)[:, None]
    n = max(float(ior), MIN_BOUNDARY_IOR)
    critical = np.sqrt(1.0 - 1.0 / n**2)
    x, weight = np.polynomial.legendre.leggauss(_NODES)
    spans = ((0.0, critical), (critical, 1.0))
    mu = np.concatenate([low + (high - low) * 0.5 * (x + 1.0) for low, high in spans])
    weight = np.concatenate([(high - low) * 0.5 * weight for low, high in spans])
    h = np.ones((len(w), len(mu)))
    kernel = (mu * weight) / (mu[:, None] + mu)
    for _ in range(60):  # damped, it gains a digit every two rounds or so
        h = 0.5 * h + 0.5 / (np.sqrt(1.0 - w) + 0.5 * w * (h @ kernel.T))
    scatter = 0.5 * w[:, :, None] * h[:, :, None] * h[:, None, :] * kernel  # light up along mu from light down
    reflected = fresnel(mu, 1.0 / n)
    up = np.linalg.solve(np.eye(len(mu)) - scatter * reflected, scatter @ (1.0 - reflected)[:, None])[..., 0]
    crossing = 2.0 * weight * mu * (1.0 - reflected)
    shown: F64 = (up @ crossing) / crossing.sum()
    return shown
