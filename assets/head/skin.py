"""Paints the skin: melanin and haemoglobin to albedo, regional roughness, pores and lines to a normal map.

The pigments follow C. Donner and H. W. Jensen, "A spectral BSSRDF for shading human skin" (2006), and the regional
blood of J. Jimenez et al., "A practical appearance model for dynamic facial color" (2010), reduced to three bands:
albedo = exp(-absorption), absorption linear in the pigments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import U8
from assets.head.bake import Atlas
from assets.head.noise import cells, fractal, value
from assets.head.regions import Regions
from assets.head.shape import smoothstep

Singles = NDArray[Any]  # float32, mostly: numpy's types lose track where precisions meet

# Absorption of (red, green, blue) by a unit of each pigment: melanin falls steeply with the wavelength, haemoglobin
# takes green and blue, veins' blood some red too, carotene blue only (about 620, 540 and 450 nm).
MELANIN = np.array([1.0, 1.58, 2.6], np.float32)
BLOOD = np.array([0.12, 1.0, 0.72], np.float32)
VENOUS = np.array([0.45, 1.0, 0.62], np.float32)
CAROTENE = np.array([0.0, 0.06, 1.0], np.float32)
DERMIS = np.float32(0.25)
HAIR = np.array([0.046, 0.029, 0.019], np.float32)
"""Linear albedo of the hair that is only painted."""

MOLES = [(-29.0, -54.0, 0.8, 0.75), (44.0, -24.0, 0.6, 0.5), (-50.0, -80.0, 0.8, 0.5)]
"""x, y (mm, on the front), radius (mm) and strength of each mole."""


@dataclass(frozen=True)
class SkinMaps:
    """Images with row 0 = v 1: albedo (sRGB), roughness (in G) and tangent-space normals, (S, S, 3) u8."""

    albedo: U8
    roughness: U8
    normal: U8


def paint(atlas: Atlas, p: Singles, normals: Singles, r: Regions) -> SkinMaps:
    """Paint all maps; `p` (K, 3) mm and `normals` (K, 3) at the covered texels, on the rest shape."""
    height, pores = relief(p, r)
    color = albedo(p, r, pores)
    rough = roughness(p, r, pores)
    grey = np.zeros((atlas.size, atlas.size, 3), np.uint8)
    grey[..., 1] = (np.clip(atlas.image(rough[:, None])[..., 0], 0, 1) * 255 + 0.5).astype(np.uint8)
    return SkinMaps(srgb(atlas.image(color)), grey, tangent_normals(atlas, p, normals, height))


def albedo(p: Singles, r: Regions, pores: Singles) -> Singles:
    """Linear Rec.709 albedo (K, 3)."""
    big, middle, small = fractal(p, 26, 1, 3), fractal(p, 7, 2, 3), fractal(p, 1.6, 3, 2)
    spots = fractal(p, 3.2, 4, 2)
    blood = 0.295 + 0.04 * big + 0.04 * middle + 0.03 * small
    blood += 0.20 * r.cheek * (1 + 0.30 * middle + 0.2 * spots) + 0.26 * r.nose + 0.24 * r.nose_wing
    blood += 0.17 * r.ear + 0.10 * r.chin + 0.12 * r.upper_lid - 0.04 * r.forehead + 0.05 * r.neck * (1 + big)
    blood += 0.30 * r.lid_edge + 0.28 * r.inner_corner + 0.08 * smoothstep(spots, 0.5, 1.1)
    venous = 0.20 * r.under_eye * (1 + 0.3 * middle) + 0.07 * r.upper_lid + 0.03 * np.maximum(middle, 0)
    melanin = 0.225 + 0.03 * big + 0.02 * middle + 0.022 * small + 0.05 * r.under_eye + 0.05 * r.upper_lid
    melanin += 0.035 * r.forehead + 0.02 * r.neck - 0.02 * r.cheek
    carotene = 0.14 + 0.012 * big + 0.03 * r.forehead + 0.04 * r.neck

    # Lips: thin skin without melanin over much blood, darker towards the contact line, streaked.
    streak = fractal(p * np.array([1, 0.22, 0.22], np.float32), 1.1, 5, 2)
    lips = smoothstep(r.lips + 0.16 * small, 0.05, 1.0)
    blood += lips * (0.25 + 0.08 * streak + 0.06 * middle)
    venous += 0.12 * lips
    melanin += 0.05 * lips

    blood += 0.35 * r.cavity
    melanin += 0.10 * r.cavity
    venous += 0.25 * r.cavity * r.cavity + 1.1 * r.nostril
    melanin += 0.35 * r.nostril

    # Freckles and moles.
    near, _, owner = cells(p, 4.2, 11)
    chosen = (owner & np.uint32(255)).astype(np.float32) / 255
    size = 0.07 + 0.09 * ((owner >> np.uint32(8)) & np.uint32(255)).astype(np.float32) / 255
    freckled = np.clip(1.2 * r.cheek + 0.9 * r.nose + 0.25 * r.forehead + 0.10, 0, 1) * r.front
    freckle = smoothstep(near + 0.04 * small, size * 1.3, size * 0.4) * smoothstep(chosen, 0.55, 0.9)
    melanin += 0.20 * freckle * freckled * (1 - lips)
    for x, y, radius, strength in MOLES:
        beside = np.flatnonzero(np.hypot(p[:, 0] - x, p[:, 1] - y) < 0.5)
        if len(beside):
            d = np.linalg.norm(p - p[beside[np.argmax(p[beside, 2])]], axis=1) * (1 + 0.15 * small)
            melanin += strength * smoothstep(d, radius * 1.25, radius * 0.65)

    blood += 0.10 * pores * (r.nose + 0.5 * r.cheek)
    melanin += 0.05 * pores
    absorbed = DERMIS + melanin[:, None] * MELANIN + np.maximum(blood, 0.05)[:, None] * BLOOD
    absorbed += venous[:, None] * VENOUS + np.maximum(carotene, 0)[:, None] * CAROTENE
    result = np.exp(-absorbed)

    # Hair that is only painted: every cell of the noise is one cut hair, under it a soft shade.
    near, _, owner = cells(p * np.array([1, 0.8, 1], np.float32), 0.75, 21)
    dark = ((owner >> np.uint32(9)) & np.uint32(255)).astype(np.float32) / 255
    dot = smoothstep(near, 0.62, 0.22) * (0.55 + 0.45 * dark)
    patch = np.clip(0.95 + 0.08 * fractal(p, 9, 22, 3), 0, 1)
    cropped = _grown(dot, r.scalp, dark) * patch
    near, _, owner = cells(p, 0.95, 23)
    keep = smoothstep(((owner >> np.uint32(3)) & np.uint32(255)).astype(np.float32) / 255, 0.15, 0.5)
    dot = smoothstep(near, 0.34, 0.12) * keep
    shaved = np.clip(r.beard * (0.10 * patch + 0.36 * dot), 0, 0.9)
    browed = 0.55 * r.brow * (0.75 + 0.25 * smoothstep(fractal(p, 0.6, 24, 1), -0.5, 0.5))
    result = _over(result, HAIR, np.maximum(cropped, browed))
    # Stubble under the skin looks blue-grey: short wavelengths scatter above it.
    result = _over(result, np.array([0.120, 0.105, 0.104], np.float32), shaved)
    result = _over(result, np.array([0.10, 0.05, 0.04], np.float32), 0.62 * r.lash_line)
    return np.asarray(np.clip(result, 0.004, 0.8), np.float32)


def _grown(dot: Singles, density: Singles, order: Singles) -> Singles:
    """Cover (K,) by cut hairs: at the hairline only some of them grow, over the scalp they nearly close up."""
    alive = smoothstep(density * 1.15 - order, 0.0, 0.12)
    return np.asarray(np.clip(0.70 * density**1.3 + 0.45 * dot * alive, 0, 0.97), np.float32)


def _over(below: Singles, color: Singles, cover: Singles) -> Singles:
    return np.asarray(below + cover[:, None] * (color - below), np.float32)


def roughness(p: Singles, r: Regions, pores: Singles) -> Singles:
    """Roughness (K,): sebum makes the T-zone shine, lips and lid margins are wet."""
    shine = np.clip(r.forehead * smoothstep(np.abs(p[:, 0]), 42, 8) * 0.8 + r.nose + 0.6 * r.chin, 0, 1)
    rough = 0.50 - 0.13 * shine + 0.02 * r.cheek - 0.06 * r.upper_lid - 0.05 * r.ear
    rough += 0.035 * fractal(p, 5, 31, 3) + 0.03 * fractal(p, 0.9, 32, 2) + 0.10 * pores
    rough += smoothstep(r.lips, 0.1, 0.7) * (0.31 - rough) + 0.10 * r.scalp + 0.05 * r.beard
    wet = np.maximum(r.lid_edge, 0.8 * r.inner_corner)
    rough += wet * (0.16 - rough)
    return np.asarray(np.clip(rough, 0.12, 0.75), np.float32)


def relief(p: Singles, r: Regions) -> tuple[Singles, Singles]:
    """Fine height in mm (K,) and pore density (K,) in 0..1."""
    oily = np.clip(r.nose + r.nose_wing + 0.85 * r.cheek + 0.35 * r.forehead + 0.5 * r.chin, 0, 1)
    smooth_skin = (1 - smoothstep(r.lips, 0.05, 0.4)) * (1 - 0.8 * r.upper_lid) * (1 - r.lid_edge)
    near, _, owner = cells(p, 1.25, 41)
    width = 0.15 + 0.14 * ((owner >> np.uint32(4)) & np.uint32(255)).astype(np.float32) / 255
    large = np.exp(-((near / width) ** 2)) * oily * smooth_skin
    near, _, _ = cells(p, 0.62, 42)
    tiny = np.exp(-((near / 0.28) ** 2)) * smooth_skin * (0.35 + 0.65 * oily)
    height = -0.13 * large - 0.034 * tiny

    # The skin's own mesh of furrows, finer on the face than on the neck.
    near, second, _ = cells(p + 0.25 * fractal(p, 2, 43, 2)[:, None], 0.85, 44)
    height += 0.042 * np.minimum(second - near, 0.35) / 0.35 * smooth_skin * (0.7 + 0.5 * r.neck)
    height += 0.030 * fractal(p, 1.5, 45, 2) * smooth_skin + 0.06 * fractal(p, 5, 46, 2) * (1 - 0.6 * r.lips)

    # Lips: vertical wrinkles that fan out from the middle.
    fan = np.array([1, 0.16, 0.10], np.float32)
    crease = np.abs(value(p * fan, 1.5, 47) + 0.4 * value(p * fan, 0.7, 48))
    height += smoothstep(r.lips, 0.15, 0.7) * (0.10 * np.minimum(crease, 0.35) / 0.35)

    warp = fractal(p, 22, 51, 3)
    for level, depth in ((35.0, 0.8), (43.5, 1.0), (52.0, 0.9), (60.0, 0.6)):
        line = p[:, 1] - level - 2.8 * warp - 0.0016 * p[:, 0] ** 2
        gate = smoothstep(fractal(p, 15, int(level), 2), -0.5, 0.4)
        height -= 0.075 * depth * np.exp(-((line / 0.65) ** 2)) * r.forehead * gate
    x = np.abs(p[:, 0])
    for slope, depth in ((0.45, 1.0), (0.08, 1.0), (-0.30, 0.8)):  # crow's feet
        line = p[:, 1] + 1.5 - slope * (x - 43) - 1.2 * warp
        gate = smoothstep(x, 46, 49) * smoothstep(x, 61, 52) * (p[:, 2] > 40)
        height -= 0.06 * depth * np.exp(-((line / 0.5) ** 2)) * gate
    for drop in (8.5, 11.0, 14.0):  # under the eyes
        line = p[:, 1] + drop - 0.012 * (x - 28) ** 2 - 0.7 * warp
        height -= 0.04 * np.exp(-((line / 0.5) ** 2)) * np.clip(1.5 * r.under_eye, 0, 1)
    for drop in (-121.0, -136.0):  # rings of the neck
        line = p[:, 1] - drop - 0.25 * (p[:, 2] - 40) - 3 * warp
        height -= 0.14 * np.exp(-((line / 1.2) ** 2)) * r.neck
    bristle, _, _ = cells(p, 0.75, 21)
    height += 0.05 * smoothstep(bristle, 0.6, 0.1) * r.scalp
    return height.astype(np.float32), np.clip(large + 0.3 * tiny, 0, 1).astype(np.float32)


def tangent_normals(atlas: Atlas, p: Singles, normals: Singles, height: Singles) -> U8:
    """Turn heights (mm) into a tangent-space normal map: x along +u, y along +v (up in the image)."""
    size = atlas.size
    spread = atlas.image(np.concatenate([p, height[:, None]], axis=1))
    along_u = (np.roll(spread, -1, axis=1) - np.roll(spread, 1, axis=1)).reshape(size * size, 4)[atlas.texels] / 2
    along_v = (np.roll(spread, 1, axis=0) - np.roll(spread, -1, axis=0)).reshape(size * size, 4)[atlas.texels] / 2
    pu, pv, hu, hv = along_u[:, :3], along_v[:, :3], along_u[:, 3], along_v[:, 3]
    e, f, g = (pu * pu).sum(1), (pu * pv).sum(1), (pv * pv).sum(1)
    det = np.maximum(e * g - f * f, 1e-9)
    a, b = (g * hu - f * hv) / det, (e * hv - f * hu) / det
    slope = a[:, None] * pu + b[:, None] * pv
    tangent = pu - normals * (pu * normals).sum(1, keepdims=True)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    bitangent = np.cross(normals, tangent)
    limit = np.float32(1.0)  # squeezed texels behind the head would otherwise alias into spikes
    x = np.clip(-(slope * tangent).sum(1), -limit, limit)
    y = np.clip(-(slope * bitangent).sum(1), -limit, limit)
    n = np.stack([x, y, np.ones_like(x)], axis=1)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    image = atlas.image(n.astype(np.float32))
    return np.asarray(np.clip(image * 0.5 + 0.5, 0, 1) * 255 + 0.5).astype(np.uint8)


def srgb(linear: Singles) -> U8:
    """Encode linear Rec.709 in 0..1 as 8-bit sRGB."""
    linear = np.clip(linear, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(coded * 255 + 0.5).astype(np.uint8)
