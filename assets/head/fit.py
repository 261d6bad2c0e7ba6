"""Closes the lips and lays the eyelids on the eyeballs."""

from __future__ import annotations

import numpy as np

from app.arrays import F64, I64
from assets.head.eyes import surface_radius
from assets.head.shape import smoothstep

LID_GAP = 0.00022
"""Clearance between a lid and its eyeball, metres: a real tear film is thinner, but meshes are facetted."""
OVERLAP = 0.00012
"""How far closed lips press into each other, metres."""


def rings(quads: I64, seeds: I64, count: int, n: int) -> I64:
    """Graph distance (N,) from `seeds` across faces, up to `count`; beyond it `count + 1`."""
    distance = np.full(n, count + 1)
    distance[seeds] = 0
    for step in range(1, count + 1):
        touched = (distance[quads] < step).any(axis=1)
        reached = quads[touched].ravel()
        distance[reached] = np.minimum(distance[reached], step)
    return distance


def close_lips(positions: F64, quads: I64, rim: I64) -> F64:
    """Move both lips (metres) until they touch; `rim` is the loop between the lips and the mouth's inside."""
    p = positions.copy()
    low, high = rim[np.argmin(p[rim, 0])], rim[np.argmax(p[rim, 0])]
    chord = np.interp(p[rim, 0], [p[low, 0], p[high, 0]], [p[low, 1], p[high, 1]])
    corner = (p[rim, 0] < p[low, 0] + 1e-4) | (p[rim, 0] > p[high, 0] - 1e-4)
    upper, lower = rim[(p[rim, 1] > chord) & ~corner], rim[(p[rim, 1] <= chord) & ~corner]
    reach = 9
    to_upper, to_lower = (rings(quads, seed, reach, len(p)) for seed in (upper, lower))
    grid = np.linspace(p[low, 0], p[high, 0], 81)
    for _ in range(3):
        edges = []
        for near, far, sign in ((to_upper, to_lower, -1.0), (to_lower, to_upper, 1.0)):
            mine = np.flatnonzero((near <= 4) & (near < far))
            close = np.abs(p[mine, 0][None] - grid[:, None]) < 1.3e-3
            height = np.where(close, sign * p[mine, 1][None], -np.inf).max(axis=1)
            edges.append(sign * np.where(np.isfinite(height), height, sign * p[low, 1]))
        gap = np.clip(edges[0] - edges[1] + OVERLAP, 0, 3e-3)
        gap *= smoothstep(np.minimum(grid - grid[0], grid[-1] - grid), -1e-3, 1e-3)
        gap = np.convolve(np.pad(gap, 3, mode="edge"), np.ones(7) / 7, mode="valid")
        for near, far, sign in ((to_upper, to_lower, -1.0), (to_lower, to_upper, 1.0)):
            weight = smoothstep(near.astype(float), reach + 0.5, 2.5) * (near < far)
            p[:, 1] += sign * 0.5 * weight * np.interp(p[:, 0], grid, gap, left=0, right=0)
    return p


def seat_lids(positions: F64, quads: I64, rim: I64, outside: I64, center: F64, radius: float) -> F64:
    """Lay the lids (metres) on the eyeball: inner surfaces touch it, outer ones are pushed clear.

    `rim` is the loop where the lid turns inward; `outside` lists the vertices of the visible skin.
    """
    p = positions.copy()
    arm = p - center
    distance = np.linalg.norm(arm, axis=1)
    theta = np.arccos(np.clip(arm[:, 2] / distance, -1, 1))
    clear = surface_radius(theta, radius) + LID_GAP
    near = rings(quads, rim, 3, len(p))
    visible = np.zeros(len(p), bool)
    visible[outside] = True
    inner = (near <= 3) & (~visible | (near == 0))
    front = (arm[:, 2] > 0.1 * radius) & (distance < 1.6 * radius)
    target = np.where(inner, clear, np.maximum(distance, clear + 1e-4))
    moved = center + arm / distance[:, None] * target[:, None]
    return np.asarray(np.where((front | inner)[:, None], moved, p))
