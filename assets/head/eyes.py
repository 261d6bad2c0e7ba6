"""Eyeballs: a sphere with a corneal bulge, and its painted texture."""

from __future__ import annotations

import numpy as np

from app.arrays import F64, U8
from assets.head.glb import Part
from assets.head.noise import fractal
from assets.head.shape import normals, smoothstep

IRIS = 0.385
"""Polar angle of the limbus, radians: an iris of 11 mm on MakeHuman's large ball of 14.7 mm radius."""
BULGE = 0.07
"""How far the cornea's pole stands out of the ball, in ball radii."""
CROWDING = 0.6
"""Exponent of the polar angle in the texture's radius: the iris gets most of the texels."""


def surface_radius(theta: F64, radius: float) -> F64:
    """Distance of the surface from the ball's centre at polar angle `theta` from the gaze."""
    return np.asarray(radius * (1 + BULGE * smoothstep(theta, IRIS * 1.25, 0.0) ** 0.8))


def eyeball(name: str, center: F64, radius: float, gaze: F64, rings: int = 40, sides: int = 48) -> Part:
    """Build an eyeball looking along `gaze`, with azimuthal UVs around (0.5, 0.5)."""
    steps = np.linspace(0, 1, rings + 1)[1:] ** 1.35 * np.pi
    turn = np.arange(sides) / sides * 2 * np.pi
    theta = np.concatenate([[0.0], np.repeat(steps[:-1], sides), [np.pi]])
    phi = np.concatenate([[0.0], np.tile(turn, rings - 1), [0.0]])
    local = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], 1)
    local *= surface_radius(theta, radius)[:, None]
    spread = 0.5 * (theta / np.pi) ** CROWDING
    uvs = 0.5 + 0.995 * np.stack([spread * np.cos(phi), spread * np.sin(phi)], axis=1)
    ring = 1 + np.arange(rings - 1)[:, None] * sides + np.arange(sides)
    ahead = np.roll(ring, -1, axis=1)
    last = len(local) - 1
    triangles = np.concatenate(
        [
            np.stack([np.zeros(sides, int), ring[0], ahead[0]], axis=1),
            np.stack([ring[:-1].ravel(), ring[1:].ravel(), ahead[:-1].ravel()], axis=1),
            np.stack([ring[1:].ravel(), ahead[1:].ravel(), ahead[:-1].ravel()], axis=1),
            np.stack([ring[-1], np.full(sides, last), ahead[-1]], axis=1),
        ]
    )
    # The back pole would need every direction's UV at once; it is never seen.
    z = gaze / np.linalg.norm(gaze)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    world = local @ np.stack([x, np.cross(z, x), z])
    return Part(name, "eyes", center + world, normals(world, triangles), uvs, triangles)


def caruncle(name: str, corner: F64, center: F64) -> Part:
    """The pink knob in the inner corner of the eye, which hides the gap between ball and lids."""
    turn, tilt = np.meshgrid(np.arange(16) / 16 * 2 * np.pi, np.linspace(0.15, np.pi - 0.15, 9))
    unit = np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], -1).reshape(-1, 3)
    lumps = 1 + 0.10 * np.sin(3 * unit[:, 0] + 2 * unit[:, 1] * 3)
    inward = np.sign(center[0])
    place = corner + np.array([1.1 * inward, 0.3, -0.9]) * 1e-3
    points = place + unit * lumps[:, None] * np.array([2.3, 1.5, 1.7]) * 1e-3
    ring = np.arange(8)[:, None] * 16 + np.arange(16)
    ahead = np.roll(ring, -1, axis=1)
    a, b, c, d = (x.ravel() for x in (ring, ahead, ring + 16, ahead + 16))
    triangles = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return Part(name, "caruncle", points, normals(points, triangles), unit[:, :2] * 0.5 + 0.5, triangles)


def paint(size: int) -> U8:
    """Paint sclera, veins, iris, limbal ring and pupil; (size, size, 3) sRGB."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(axis, -axis)
    spread, phi = np.hypot(x, y), np.arctan2(y, x)
    theta = np.minimum((2 * spread / 0.995) ** (1 / CROWDING), 1.0) * np.pi
    r = theta / IRIS
    p = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    flat = p.reshape(-1, 3).astype(np.float32)

    def cloud(cell: float, seed: int, octaves: int) -> F64:
        return fractal(flat, cell, seed, octaves).reshape(size, size).astype(np.float64)

    # Sclera: off-white, pinker and yellower away from the iris, with branching veins that fade towards it.
    color = np.empty((size, size, 3))
    color[:] = [0.56, 0.50, 0.46]
    color *= (1 + 0.04 * cloud(0.25, 5, 3))[..., None]
    pink = smoothstep(theta, 0.50, 1.35)[..., None]
    color += pink * (np.array([0.46, 0.28, 0.235]) - color)
    warp = 0.35 * cloud(0.30, 6, 4)
    vein = smoothstep(np.abs(cloud(0.22, 8, 3) + 0.5 * warp), 0.085, 0.0) * 0.6
    vein += smoothstep(np.abs(np.sin(7 * phi + 5 * warp + 1.3 * theta)), 0.10, 0.0)
    vein *= smoothstep(theta, 0.47, 1.0) * np.clip(0.6 + cloud(0.5, 9, 2), 0, 1)
    color += np.clip(0.55 * vein, 0, 0.8)[..., None] * (np.array([0.42, 0.14, 0.11]) - color)

    # Iris: hazel fibres from a lighter collar to a dark rim.
    q = np.stack([np.cos(phi), np.sin(phi), 0.22 * r], axis=-1).reshape(-1, 3).astype(np.float32)

    def fibres(cell: float, seed: int) -> F64:
        return fractal(q, cell, seed, 3).reshape(size, size).astype(np.float64)

    strand = 0.6 * fibres(0.06, 11) + 0.5 * fibres(0.022, 12)
    base = np.array([0.105, 0.056, 0.024])
    warm = np.array([0.155, 0.085, 0.030])
    collar = smoothstep(np.abs(r - 0.50 - 0.04 * fibres(0.15, 13)), 0.16, 0.0)
    tone = base + collar[..., None] * (warm - base)
    tone = tone * np.clip(0.95 + 0.75 * strand, 0.25, 2.2)[..., None]
    tone *= (1 - 0.75 * smoothstep(r, 0.62, 1.0))[..., None]
    tone *= (1 - 0.35 * smoothstep(np.sin(phi), 0.1, 0.9) * smoothstep(r, 0.2, 0.7))[..., None]  # the lid's shade
    inside = smoothstep(r + 0.02 * fibres(0.1, 14), 1.10, 0.95)[..., None]
    color += inside * (np.maximum(tone, 0.004) - color)
    pupil = smoothstep(r + 0.008 * fibres(0.1, 15), 0.37, 0.335)[..., None]
    color += pupil * (0.002 - color)
    srgb = np.where(color <= 0.0031308, 12.92 * color, 1.055 * np.maximum(color, 1e-9) ** (1 / 2.4) - 0.055)
    return (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)
