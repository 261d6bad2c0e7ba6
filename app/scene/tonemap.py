"""Radiance to display colour: exposure, the Khronos PBR Neutral tone map, the sRGB curve.

The numpy twin of what the composite pass does. Khronos PBR Neutral (KhronosGroup/ToneMapping, "PBR Neutral
Specification", 2024) leaves base colours as they are up to 0.8 and compresses only highlights; the small toe
takes away the 4 % that a dielectric's Fresnel reflection adds, so that an albedo lit by white light comes out
as itself.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

FRESNEL_OFFSET = 0.04  # reflectance of a dielectric (ior 1.5) seen head-on, taken away again
START_COMPRESSION = 0.8 - FRESNEL_OFFSET  # the largest channel above which highlights are compressed
DESATURATION = 0.15  # how fast highlights turn white; the specification's value


def pbr_neutral(color: FloatArray) -> FloatArray:
    """Compress linear colour (..., 3), any value >= 0, to 0..1. Negative input counts as 0."""
    color = np.maximum(color, 0.0)
    lowest = color.min(axis=-1, keepdims=True)
    # The toe meets the constant offset with equal slope at 2 * FRESNEL_OFFSET.
    toe = lowest - lowest * lowest / (4.0 * FRESNEL_OFFSET)
    color = color - np.where(lowest < 2.0 * FRESNEL_OFFSET, toe, FRESNEL_OFFSET)

    peak = color.max(axis=-1, keepdims=True)
    room = 1.0 - START_COMPRESSION
    above = np.maximum(peak, START_COMPRESSION)  # keeps the division harmless where nothing is compressed
    new_peak = 1.0 - room * room / (above + room - START_COMPRESSION)
    white = 1.0 - 1.0 / (DESATURATION * (above - new_peak) + 1.0)
    compressed = color * (new_peak / above) * (1.0 - white) + new_peak * white
    return np.where(peak < START_COMPRESSION, color, compressed)


def srgb_encode(linear: FloatArray) -> FloatArray:
    """Apply the sRGB transfer curve (IEC 61966-2-1) to linear values in 0..1, any shape."""
    linear = np.clip(linear, 0.0, 1.0)
    curved = 1.055 * np.power(np.maximum(linear, 0.0031308), 1.0 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved)


def tonemap(radiance: FloatArray, exposure_ev: float | FloatArray = 0.0) -> FloatArray:
    """Turn linear radiance into what the display shows.

    Args:
        radiance: (..., 3) linear Rec.709 radiance; negative values count as black.
        exposure_ev: stops; radiance is multiplied by 2**exposure_ev. A scalar, or an array that broadcasts
            against radiance (for per-pixel exposure give it a last axis of 1).

    Returns:
        (..., 3) sRGB-encoded values in 0..1, in the input's float type.
    """
    radiance = np.asarray(radiance)
    gain = np.exp2(np.asarray(exposure_ev, dtype=radiance.dtype))
    return srgb_encode(pbr_neutral(radiance * gain)).astype(radiance.dtype, copy=False)
