"""The colour of skin from its pigments: melanin above, blood below.

Two layers, after C. Donner and H. W. Jensen, "A Spectral BSSRDF for Shading Human Skin" (2006): the epidermis absorbs
(eumelanin, pheomelanin, a baseline), the dermis below it scatters and absorbs (oxygenated and deoxygenated blood,
carotene, the baseline). Light passes the epidermis twice; the dermis returns the diffuse reflectance of a
semi-infinite medium (Jensen et al. 2001, section 2.4, with matched boundaries: the renderer adds the surface's own
reflection). Absorption spectra: melanin and scattering as given there, baseline from S. Jacques, "Skin Optics" (1998);
haemoglobin's molar extinction as compiled by S. Prahl (1999), every 10 nm. Pigment comes in parcels, and light finds
the gaps between them: blood's absorption is flattened by the vessels' width (R. van Veen et al. 2002), melanin's by a
gamma distribution of its density, without which dark skin would be far more saturated than it is. A little light
returns from the horny layer, unchanged. The constants of both are set so that the tones follow measured ones: with 4%
surface reflection added, CIELAB (65, 10, 17) for average European, (48, 9, 16) and darker for African skin (K. Xiao et
al., "Characterising the variations in ethnic skin colours", 2017). Colour matching functions: the fit of Wyman, Sloan
and Shirley (2013); white is D65. As in Jimenez et al., "A Practical Appearance Model for Dynamic Facial Color" (2010),
a person's colours become one small table over both pigments, which the texels look up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from app.arrays import F32, F64

WAVELENGTHS = np.arange(400.0, 701.0, 10.0)  # nm
_D65 = np.array([
    82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35,
    107.80, 104.79, 107.69, 104.41, 104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60,
    87.70, 83.29, 83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61,
])  # fmt: skip
_OXYGENATED = np.array([  # cm^-1 / (mol/l)
    266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933,
    20035, 24202, 39957, 53236, 43016, 32613, 44496, 50104, 14401, 3200, 1506,
    942, 610, 442, 368, 320, 294, 278, 276, 290,
])  # fmt: skip
_DEOXYGENATED = np.array([
    223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862,
    25774, 31590, 39036, 46592, 53412, 53788, 45072, 37020, 28324, 14677, 9444,
    6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794,
])  # fmt: skip
_BLOOD_PER_MOLAR = 2.303 * 150.0 / 64500.0 / 10.0  # 150 g/l of 64,500 g/mol, per mm
_EPIDERMIS = 0.1  # mm
_PATCHINESS = 0.75  # of melanin: variance of its density over the squared mean
_VESSEL = 0.04  # width of a vessel, mm
_HORNY_LAYER = 0.008  # share of the light that returns before any pigment
_OBLIQUE = 1.66  # diffuse light crosses a layer on a path that is this much longer than its thickness
_TO_RGB = np.array(  # CIE XYZ to linear Rec.709 (IEC 61966-2-1)
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)

_LIGHTEST, _DARKEST = 0.012, 0.56
MELANIN_RANGE = (0.001, 1.0)  # volume of melanosomes in the epidermis
BLOOD_RANGE = (0.0005, 0.35)  # volume of blood in the dermis
_COARSE = (40, 28)
_TABLE = (704, 320)
FLOOR, CEILING = 0.004, 0.85  # albedo, so that a random walk always ends


def log_melanin(dial: float) -> float:
    """Logarithm of the volume fraction of melanosomes in the epidermis for skin.melanin 0..1."""
    return float(np.log(_LIGHTEST) + np.log(_DARKEST / _LIGHTEST) * dial)


@dataclass(frozen=True)
class Blend:
    """What a person's pigments are made of.

    Attributes:
        pheomelanin: share of the red-yellow kind in the melanin, 0..1.
        oxygenation: share of oxygenated blood, 0..1.
        carotene: absorption by carotene in the dermis at its peak, 1/mm.
    """

    pheomelanin: float = 0.1
    oxygenation: float = 0.75
    carotene: float = 0.1


class Tone:
    """Albedo by pigment for one blend: a table over the logarithms of both volume fractions."""

    def __init__(self, blend: Blend) -> None:
        """Calculate the table."""
        m, b = (np.geomspace(*r, n) for r, n in zip((MELANIN_RANGE, BLOOD_RANGE), _COARSE, strict=True))
        coarse = np.log(albedo(m[:, None], b[None, :], blend))
        factors = [n / c for n, c in zip(_TABLE, _COARSE, strict=True)]
        fine = [zoom(coarse[..., k], factors, order=1, grid_mode=False) for k in range(3)]
        self._table = [np.exp(plane).astype(np.float32).ravel() for plane in fine]

    def look_up(self, log_melanin: F32, log_blood: F32) -> list[F32]:
        """Linear albedo, one (H,W) plane per channel, at the logarithms of both volume fractions; nearest entry."""
        row, column = (
            _index(values, span, count)
            for values, span, count in zip((log_melanin, log_blood), (MELANIN_RANGE, BLOOD_RANGE), _TABLE, strict=True)
        )
        row *= np.int32(_TABLE[1])
        row += column
        return [plane.take(row) for plane in self._table]


def _index(values: F32, span: tuple[float, float], count: int) -> NDArray[np.int32]:
    low, high = np.log(span)
    scale = (count - 1) / (high - low)
    position = values * np.float32(scale)
    position += np.float32(0.5 - low * scale)
    np.clip(position, 0.0, count - 1, out=position)
    return position.astype(np.int32)


def albedo(melanin: Any, blood: Any, blend: Blend) -> F64:
    """Linear Rec.709 diffuse reflectance (...,3) of volume fractions `melanin` and `blood` (...)."""
    m, b = (np.asarray(v, np.float64)[..., None] for v in (melanin, blood))
    nm = WAVELENGTHS
    baseline = 0.0244 + 8.53 * np.exp(-(nm - 154.0) / 66.2)
    eumelanin, pheomelanin = 6.6e10 * nm**-3.33, 2.9e14 * nm**-4.75
    mixed = (1.0 - blend.pheomelanin) * eumelanin + blend.pheomelanin * pheomelanin
    epidermis = m * mixed + (1.0 - m) * baseline
    depth = 2.0 * _OBLIQUE * _EPIDERMIS * epidermis
    through = (1.0 + _PATCHINESS * depth) ** (-1.0 / _PATCHINESS)
    whole_blood = _BLOOD_PER_MOLAR * (blend.oxygenation * _OXYGENATED + (1.0 - blend.oxygenation) * _DEOXYGENATED)
    vessels = (1.0 - np.exp(-whole_blood * _VESSEL)) / _VESSEL
    carotene = np.exp(-0.5 * ((nm - 452.0) / 26.0) ** 2) + 0.8 * np.exp(-0.5 * ((nm - 484.0) / 16.0) ** 2)
    absorbed = b * vessels + (1.0 - b) * baseline + blend.carotene * carotene
    scattered = 14.74 * nm**-0.22 + 2.2e11 * nm**-4.0
    part = scattered / (scattered + absorbed)
    root = np.sqrt(3.0 * (1.0 - part))
    below = 0.5 * part * (1.0 + np.exp(-4.0 / 3.0 * root)) * np.exp(-root)
    rgb = (_HORNY_LAYER + (1.0 - _HORNY_LAYER) * through * below) @ _WEIGHTS
    return np.asarray(np.clip(rgb, FLOOR, CEILING))


def _lobe(peak: float, below: float, above: float) -> F64:
    t = (WAVELENGTHS - peak) / np.where(peak > WAVELENGTHS, below, above)
    return np.asarray(np.exp(-0.5 * t * t))


def _weights() -> F64:
    """(31,3): from a reflectance spectrum under D65 to linear Rec.709, white being (1,1,1)."""
    x = 1.056 * _lobe(599.8, 37.9, 31.0) + 0.362 * _lobe(442.0, 16.0, 26.7) - 0.065 * _lobe(501.1, 20.4, 26.2)
    y = 0.821 * _lobe(568.8, 46.9, 40.5) + 0.286 * _lobe(530.9, 16.3, 31.1)
    z = 1.217 * _lobe(437.0, 11.8, 36.0) + 0.681 * _lobe(459.0, 26.0, 13.8)
    rgb = (np.stack([x, y, z], axis=1) * _D65[:, None]) @ _TO_RGB.T
    return np.asarray(rgb / rgb.sum(axis=0))


_WEIGHTS = _weights()
