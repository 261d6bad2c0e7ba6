"""Eyeballs: a sphere with a corneal bulge, and its painted texture."""

from __future__ import annotations

import numpy as np
from glb import Part
from numpy.typing import NDArray
from shape import normals, smoothstep

Floats = NDArray[np.float64]
Bytes8 = NDArray[np.uint8]

IRIS = 0.49
"""Polar angle of the limbus, radians: an iris of 11.3 mm on a ball of 12 mm radius."""
BULGE = 0.115
"""How far the cornea's pole stands out of the ball, in ball radii."""
CROWDING = 0.6
"""Exponent of the polar angle in the texture's radius: the iris gets most of the texels."""


def eyeball(name: str, center: Floats, radius: float, gaze: Floats, rings: int = 40, sides: int = 48) -> Part:
    """Build an eyeball looking along `gaze`, with azimuthal UVs around (0.5, 0.5)."""
    steps = np.linspace(0, 1, rings + 1)[1:] ** 1.35 * np.pi
    turn = np.arange(sides) / sides * 2 * np.pi
    theta = np.concatenate([[0.0], np.repeat(steps[:-1], sides), [np.pi]])
    phi = np.concatenate([[0.0], np.tile(turn, rings - 1), [0.0]])
    swell = 1 + BULGE * smoothstep(theta, IRIS * 1.12, 0.0) ** 0.8
    local = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], 1)
    local *= swell[:, None] * radius
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


def paint(size: int) -> Bytes8:
    """Paint sclera, veins, iris, limbal ring and pupil; (size, size, 3) sRGB."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(axis, -axis)
    spread, phi = np.hypot(x, y), np.arctan2(y, x)
    theta = np.minimum((2 * spread / 0.995) ** (1 / CROWDING), 1.0) * np.pi
    r = theta / IRIS
    color = np.empty((size, size, 3))
    color[:] = [0.66, 0.60, 0.56]
    pink = smoothstep(theta, 0.5, 1.3)[..., None]
    color += pink * (np.array([0.52, 0.33, 0.28]) - color)
    iris = np.array([0.13, 0.075, 0.035])
    rng = np.random.default_rng(7)
    fibre = np.zeros_like(phi)
    for k, a, shift in zip(rng.integers(20, 110, 40), rng.uniform(0.3, 1, 40), rng.uniform(0, 6.28, 40), strict=True):
        fibre += a * np.cos(k * phi + shift + 3 * np.sin(2.5 * r + shift))
    fibre = fibre / fibre.std()
    tone = (0.75 + 0.28 * fibre)[..., None] * iris * (0.7 + 0.9 * smoothstep(r, 0.95, 0.45))[..., None]
    inside = smoothstep(r, 1.06, 0.97)[..., None]
    color += inside * (np.maximum(tone, 0.01) - color)
    ring = (smoothstep(r, 0.86, 0.98) * smoothstep(r, 1.1, 1.0))[..., None]
    color *= 1 - 0.8 * ring
    pupil = smoothstep(r, 0.37, 0.33)[..., None]
    color += pupil * (0.004 - color)
    srgb = np.where(color <= 0.0031308, 12.92 * color, 1.055 * np.maximum(color, 1e-9) ** (1 / 2.4) - 0.055)
    return (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)
