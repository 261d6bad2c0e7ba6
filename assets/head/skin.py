"""Paints the skin: melanin and haemoglobin to albedo, regional roughness, pores and lines to a normal map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bake import Atlas
from noise import fractal
from numpy.typing import NDArray
from shape import smoothstep

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes8 = NDArray[np.uint8]

# Absorption of (red, green, blue) by a unit of each pigment: melanin falls steeply with the wavelength, haemoglobin
# takes green and blue, carotene blue only (the shape of Donner and Jensen 2006, figure 3, at 620, 540 and 450 nm).
MELANIN = np.array([1.0, 1.58, 2.6], np.float32)
BLOOD = np.array([0.10, 1.0, 0.65], np.float32)
CAROTENE = np.array([0.0, 0.05, 1.0], np.float32)
DERMIS = np.float32(0.28)


@dataclass(frozen=True)
class SkinMaps:
    """Images with row 0 = v 1: albedo (sRGB), roughness (in G) and tangent-space normals, (S, S, 3) u8."""

    albedo: Bytes8
    roughness: Bytes8
    normal: Bytes8


def paint(atlas: Atlas, points: Singles, lips: Singles) -> SkinMaps:
    """First, simple version."""
    mm = points * 1000
    melanin = 0.28 + 0.03 * fractal(mm, 12, 1)
    blood = 0.33 + 0.05 * fractal(mm, 9, 2) + 0.5 * lips
    carotene = np.full(len(mm), 0.13, np.float32)
    absorbed = DERMIS + melanin[:, None] * MELANIN + blood[:, None] * BLOOD + carotene[:, None] * CAROTENE
    albedo = np.exp(-absorbed)
    rough = 0.45 - 0.12 * lips
    image = atlas.image(np.concatenate([albedo, rough[:, None]], axis=1))
    flat = np.zeros((atlas.size, atlas.size, 3), np.uint8)
    flat[:] = [128, 128, 255]
    grey = np.zeros_like(flat)
    grey[..., 1] = image[..., 3] * 255
    return SkinMaps(srgb(image[..., :3]), grey, flat)


def srgb(linear: Singles) -> Bytes8:
    """Encode linear Rec.709 in 0..1 as 8-bit sRGB."""
    linear = np.clip(linear, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return (coded * 255 + 0.5).astype(np.uint8)
