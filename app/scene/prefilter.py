"""Environment maps blurred by the GGX lobe, for glossy reflections at a given roughness.

The split-sum approximation with n = v = r (Karis, "Real Shading in Unreal Engine 4", SIGGRAPH 2013 course):
the radiance around the reflected direction is averaged with weight D(h) (n.l). With n = v that weight depends
only on the angle between l and the output direction, so on a lat-long grid each pair of rows is a circular
convolution along the longitude. We sum it exactly with an FFT per row: no samples, no noise, and peaks need
no clamping.
"""

import math

import numpy as np
from PIL import Image

from app.arrays import F32, F64

# Rows of the result for roughness up to the key. A lobe of GGX alpha is about 2.5 alpha radians wide at half
# height: at roughness 0.2 that is 4 texels of 128 rows.
_ROWS = ((0.25, 128), (0.5, 64), (1.0, 32))


def row_solid_angles(height: int, width: int) -> F64:
    """Return (H,) exact solid angles of a texel in each row of a lat-long map; W times their sum is 4 pi."""
    edges = np.cos(np.arange(height + 1) * (math.pi / height))
    return np.asarray((edges[:-1] - edges[1:]) * (2.0 * math.pi / width), np.float64)


def prefilter_ggx(pixels: F32, roughness: float) -> F32:
    """Return (h,2h,3) float32: the lat-long map (H,2H,3) seen through a GGX lobe of `roughness`.

    Roughness is 0..1 and alpha its square. h is 128, 64 or 32, but at most H. Every output is a weighted
    mean, so a constant map stays as it is.
    """
    rows = min(next(rows for limit, rows in _ROWS if roughness <= limit), pixels.shape[0])
    source = shrink(pixels, rows)
    columns = 2 * rows
    alpha2 = max(roughness, 1e-3) ** 4
    theta = (np.arange(rows) + 0.5) * (math.pi / rows)
    phi = np.arange(rows + 1) * (math.pi / rows)  # half the circle: the kernel is even
    half = (rows + 1) // 2  # and the southern outputs mirror the northern ones
    sin, cos = np.sin(theta), np.cos(theta)
    # cos of the angle between output (row i, longitude 0) and source (row j, longitude phi): (i, j, phi)
    n_dot_l = (sin[:half, None] * sin)[..., None] * np.cos(phi) + (cos[:half, None] * cos)[..., None]
    # n.h^2 = (1 + n.l) / 2 since h halves the angle between n = v and l; D's constant factor cancels.
    kernel = np.maximum(n_dot_l, 0.0) / ((0.5 + 0.5 * n_dot_l) * (alpha2 - 1.0) + 1.0) ** 2
    kernel *= row_solid_angles(rows, columns)[None, :, None]
    # An even kernel's spectrum is real, and the convolution is a matrix product per frequency.
    circle = np.concatenate([kernel, kernel[..., -2:0:-1]], axis=2)
    north = np.fft.rfft(circle, axis=2).real.transpose(2, 0, 1)
    spectrum = np.concatenate([north, north[:, : rows - half][:, ::-1, ::-1]], axis=1)
    light = np.fft.rfft(source.astype(np.float64), axis=1).transpose(1, 0, 2)
    summed = (spectrum @ light.real) + 1j * (spectrum @ light.imag)
    blurred = np.fft.irfft(summed.transpose(1, 0, 2), columns, axis=1) / spectrum[0].sum(axis=1)[:, None, None]
    # Rounding of the FFT can leave -1e-12 where there is no light.
    return np.asarray(np.maximum(blurred, 0.0), np.float32)


def shrink(pixels: F32, rows: int) -> F32:
    """Return the lat-long map averaged over areas down to (rows,2*rows,3); light per solid angle is kept."""
    height, width = pixels.shape[:2]
    if rows >= height:
        return pixels
    weight = row_solid_angles(height, width).astype(np.float32)[:, None]
    size = (2 * rows, rows)

    def box(plane: F32) -> F32:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BOX))

    scale = weight.mean()
    total = box(np.broadcast_to(weight / scale, (height, width)).astype(np.float32))
    return np.stack([box(pixels[..., c] * (weight / scale)) / total for c in range(3)], axis=-1)
