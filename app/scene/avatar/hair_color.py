"""What colour hair has, and the textures that make a ribbon look like hairs side by side."""

import numpy as np
from numpy.typing import NDArray

from app.arrays import F64, I64, U8
from app.scene.checks import Vec3, triple
from app.scene.model import Material, Texture
from app.scene.texture_files import srgb_to_linear
from app.scene.tonemap import srgb_encode

FIBRES = 6
"""Hairs side by side in a band of the atlas, a texel each."""
PIGMENTED = 16
WHITE_FIBRES = np.array(PIGMENTED * [0] + [1, 2, 3, 4, 5] + 6 * [6] + [5, 4, 3, 2, 1])
"""How many fibres of each band of the atlas are white; PIGMENTED bands without any go from dark to light.

Neighbours differ by one fibre, round the texture's edge too: far away, where filters mix them, greys stay the same.
"""
BANDS = len(WHITE_FIBRES)
BAND_MARGIN = 0.125  # share of a band at either side that ribbons leave out: filters mix it with the neighbour
_DARK = 2  # a band without white, but not the darkest
_BAND_TEXELS, _ROWS = FIBRES + 2, 256

# Absorption per unit concentration, red to blue, after d'Eon et al. 2011, "An Energy-Conserving Hair Reflectance
# Model". Their pheomelanin (0.187, 0.4, 1.05) gives tan ribbons: the light that red hair lets through, its most
# colourful part, is missing from opaque ones. Green and blue are raised until red hair looks red.
EUMELANIN: Vec3 = (0.419, 0.697, 1.37)
PHEOMELANIN: Vec3 = (0.187, 0.60, 1.50)
AZIMUTHAL_ROUGHNESS = 0.3  # of Chiang et al. 2016; typical human hair
SHELTERED = 0.012  # metres: this far up from the roots there is less light than outside
_WHITE = 0.012  # concentration in hair without pigment: it is not quite white
_ONCE = 0.78  # ribbons stand for some of the scatterings only; the renderer adds those between them
_DULL = 1.1  # index of refraction of what mirrors next to nothing
_FLOOR = 0.004  # the blackest hair still reflects a little from inside


def pigment(melanin: float, redness: float) -> tuple[float, float]:
    """Concentrations (eumelanin, pheomelanin) for two dials 0..1; 1.3 of the first is brown, 8 black."""
    total = 0.035 * (4.5 / 0.035) ** melanin
    return total * (1.0 - 0.6 * redness), total * 0.6 + redness * (0.35 + 0.9 * melanin)


def albedo(eumelanin: NDArray[np.floating] | float, pheomelanin: NDArray[np.floating] | float) -> F64:
    """Linear colour (...,3) that a mass of hairs with these concentrations scatters back.

    Chiang et al. 2016, "A Practical and Controllable Hair and Fur Model for Production Path Tracing", eq. 9, which
    fits the absorption to the colour after many scatterings, solved for the colour.
    """
    b = AZIMUTHAL_ROUGHNESS
    fit = 5.969 - 0.215 * b + 2.532 * b**2 - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5
    absorption = np.multiply.outer(eumelanin, EUMELANIN) + np.multiply.outer(pheomelanin, PHEOMELANIN)
    return np.asarray(np.exp(-_ONCE * fit * np.sqrt(absorption)) + _FLOOR)


def material(
    name: str, melanin: float, redness: float, rng: np.random.Generator, *, roughness: float, length: float
) -> Material:
    """Opaque hair of `length` metres with two textures of 256 x 256."""
    colors, normals = _atlas(melanin, redness, rng, min(0.4, SHELTERED / length))
    return Material(
        name,
        albedo=(1.0, 1.0, 1.0),
        albedo_map=Texture(colors, srgb=True, name=f"{name} colour"),
        normal_map=Texture(normals, name=f"{name} normal"),
        roughness=roughness,
        ior=1.55,
    )


def lining(hair: Material, grey: float) -> Material:
    """What lies below dense hair: of its mean colour at the roots, and as dull as hairs that lie every way.

    Args:
        hair: a `material`.
        grey: share of the hairs that are white.
    """
    assert hair.albedo_map is not None
    first = _mixed(grey) * _BAND_TEXELS
    texels = hair.albedo_map.pixels[-(_ROWS // 32) :, first : first + _BAND_TEXELS].astype(np.float64) / 255.0
    color = triple(srgb_to_linear(texels).mean(axis=(0, 1)))
    return Material(f"{hair.name}_lining", albedo=color, roughness=1.0, ior=_DULL)


def bands(
    count: int, grey: F64 | float, rng: np.random.Generator, *, outer: F64 | float = 0.5, single: bool = False
) -> I64:
    """A band of the atlas for each of `count` strands.

    Args:
        grey: (count,) or one for all: the probability that a hair is white.
        outer: (count,) or one for all: 0 deep below other hair, 1 on the outside, where the sun bleaches it.
        single: strands are single hairs, white or not; others are FIBRES hairs, of which any number may be white.
    """
    spread = np.clip(rng.normal(0.24, 0.16, count) + 0.52 * outer, 0.0, 0.999)
    band = (spread * PIGMENTED).astype(np.int64)
    white = FIBRES * rng.binomial(1, grey, count) if single else rng.binomial(FIBRES, grey, count)
    for fibres in range(1, FIBRES + 1):
        rows = np.flatnonzero(white == fibres)
        band[rows] = rng.choice(np.flatnonzero(fibres == WHITE_FIBRES), len(rows))
    return band


def _mixed(grey: float) -> int:
    """A band of the atlas of which about a share `grey` is white; a dark one where none is."""
    white = round(FIBRES * grey)
    return PIGMENTED - 1 + white if white else _DARK


def _atlas(melanin: float, redness: float, rng: np.random.Generator, root: float) -> tuple[U8, U8]:
    """Colour and normal map (256,256,3); u runs across the bands, v from the root (bottom) to the tip.

    `root` is the share of the length that lies in the shelter of other hair.
    """
    eumelanin, pheomelanin = pigment(melanin, redness)
    columns = BANDS * _BAND_TEXELS
    band = np.arange(columns) // _BAND_TEXELS
    place = np.where(band < PIGMENTED, band / (PIGMENTED - 1), rng.uniform(0.2, 0.8, BANDS)[band])
    strength = 1.9 - 1.35 * place  # strands of one head differ by about a half
    along = np.linspace(1.0, 0.0, _ROWS)[:, None]
    worn = 1.12 - 0.3 * along**1.5  # sun and years bleach the tips
    fibre = _fibres(rng, columns)
    concentration = strength * worn * np.exp(0.25 * fibre)
    color = albedo(concentration * eumelanin + _WHITE, concentration * pheomelanin)
    color += _white(rng)[:, None] * (albedo(_WHITE, 0.0) - color)
    sheltered = 0.62 + 0.38 * np.clip(along / root, 0.0, 1.0)  # less light gets down to the roots
    color *= (sheltered * (1.0 + 0.10 * fibre))[..., None]
    slope = 0.9 * np.gradient(fibre, axis=1)
    normal = np.stack([-slope, np.zeros_like(slope), np.ones_like(slope)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return (
        np.round(srgb_encode(color) * 255.0).astype(np.uint8),
        np.round((normal * 0.5 + 0.5) * 255.0).astype(np.uint8),
    )


def _white(rng: np.random.Generator) -> F64:
    """(columns,) 1 where a fibre is white, 0 where it is not; what lies between bands is as grey as they."""
    order = np.argsort(rng.random((BANDS, FIBRES)), axis=1)
    white = (order < WHITE_FIBRES[:, None]).astype(np.float64)
    share = white.mean(axis=1, keepdims=True)
    return np.concatenate([share, white, share], axis=1).ravel()


def _fibres(rng: np.random.Generator, columns: int) -> F64:
    """(ROWS,columns) heights around 0 of hairs that wander a little from column to column."""
    across = rng.normal(0.0, 1.0, columns)
    coarse = rng.normal(0.0, 0.6, (9, columns))
    rows = np.linspace(0.0, 8.0, _ROWS)
    low = np.minimum(rows.astype(int), 7)
    f = (rows - low)[:, None]
    return np.asarray(across + (1.0 - f) * coarse[low] + f * coarse[low + 1])
