"""Noise in object space, so that the skin's texture has a scale in millimetres and no seams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, U32


def _hash(x: U32, y: U32, z: U32, seed: int) -> U32:
    """Mix lattice coordinates into 32 random bits; multipliers and shifts by C. Wellons's hash prospector."""
    h = x * np.uint32(0x8DA6B343) + y * np.uint32(0xD8163841) + z * np.uint32(0xCB1AB31F)
    h = h + np.uint32((seed * 0x9E3779B9) & 0xFFFFFFFF)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> np.uint32(12)
    h *= np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return np.asarray(h)


def _lattice(points: F32, cell: float) -> tuple[NDArray[np.int32], F32]:
    scaled = points * np.float32(1 / cell)
    floor = np.floor(scaled)
    return floor.astype(np.int32), (scaled - floor).astype(np.float32)


def value(points: F32, cell: float, seed: int) -> F32:
    """Smooth value noise (K,) in -1..1 at `points` (K, 3); `cell` is the lattice spacing in the points' unit."""
    base, t = _lattice(points, cell)
    t = t * t * t * (t * (t * 6 - 15) + 10)
    result = np.zeros(len(points), np.float32)
    for corner in range(8):
        step = [(corner >> k) & 1 for k in range(3)]
        weight = np.ones(len(points), np.float32)
        for k in range(3):
            weight *= t[:, k] if step[k] else 1 - t[:, k]
        x, y, z = ((base[:, k] + step[k]).view(np.uint32) for k in range(3))
        result += weight * (_hash(x, y, z, seed).astype(np.float32) * np.float32(2.0**-31) - 1)
    return result


def fractal(points: F32, cell: float, seed: int, octaves: int = 4, gain: float = 0.5) -> F32:
    """Sum of octaves of value noise, roughly in -1..1, from `cell` downwards."""
    result = np.zeros(len(points), np.float32)
    weight, total = 1.0, 0.0
    for octave in range(octaves):
        result += np.float32(weight) * value(points, cell * 0.5**octave, seed + 31 * octave)
        total += weight**2
        weight *= gain
    return result * np.float32(1 / np.sqrt(total))


def cells(points: F32, cell: float, seed: int) -> tuple[F32, F32, U32]:
    """Distances (K,) to the nearest and second nearest scattered point, in cells, and the nearest one's hash.

    S. Worley, "A cellular texture basis function", 1996. Points are jittered in the lattice's cells.
    """
    base, t = _lattice(points, cell)
    first = np.full(len(points), 9.0, np.float32)
    second = first.copy()
    owner = np.zeros(len(points), np.uint32)
    for corner in range(27):
        step = np.array([corner % 3, corner // 3 % 3, corner // 9]) - 1
        x, y, z = ((base[:, k] + np.int32(step[k])).view(np.uint32) for k in range(3))
        h = _hash(x, y, z, seed)
        d = np.zeros(len(points), np.float32)
        for k, shift in enumerate((0, 10, 20)):
            jitter = ((h >> np.uint32(shift)) & np.uint32(1023)).astype(np.float32) * np.float32(1 / 1024)
            d += (jitter + np.float32(step[k]) - t[:, k]) ** 2
        closer = d < first
        second = np.where(closer, first, np.minimum(second, d))
        owner = np.where(closer, h, owner)
        first = np.where(closer, d, first)
    return np.sqrt(first), np.sqrt(second), owner
