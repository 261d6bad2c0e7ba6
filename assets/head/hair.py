"""Brows and lashes: thin tapered strands, each a curved three-sided spike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.arrays import F64
from assets.head.glb import Part
from assets.head.regions import BROW
from assets.head.shape import normals

MATERIAL = "hair"
COLOR = (0.075, 0.046, 0.031)
RINGS = 4
"""Rings of three vertices before a strand's tip."""


def strands(name: str, curves: F64, radii: F64) -> Part:
    """Build spikes along quadratic Bezier `curves` (S, 3, 3) metres with root `radii` (S,)."""
    t = np.arange(RINGS) / RINGS
    basis = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    slope = np.stack([-2 * (1 - t), 2 - 4 * t, 2 * t], axis=1)
    centers = np.einsum("rk,skd->srd", basis, curves)
    along = np.einsum("rk,skd->srd", slope, curves)
    along /= np.linalg.norm(along, axis=2, keepdims=True)
    side = np.cross(along, [0.3, 0.1, 0.95])
    # Carried along from ring to ring: one of its own in each would turn over where a hair runs in that direction.
    for r in range(1, RINGS):
        side[:, r] = side[:, r - 1] - (side[:, r - 1] * along[:, r]).sum(axis=1, keepdims=True) * along[:, r]
    side /= np.linalg.norm(side, axis=2, keepdims=True)
    other = np.cross(along, side)
    taper = radii[:, None] * (1 - 0.75 * t)
    angles = np.arange(3) * 2 * np.pi / 3
    ring = np.cos(angles)[:, None] * side[:, :, None] + np.sin(angles)[:, None] * other[:, :, None]
    tube = centers[:, :, None] + ring * taper[:, :, None, None]
    count = len(curves)
    points = np.concatenate([tube.reshape(count, -1, 3), curves[:, 2:]], axis=1)
    local: list[list[int]] = []
    for r in range(RINGS - 1):
        for k in range(3):
            a, b = 3 * r + k, 3 * r + (k + 1) % 3
            local += [[a, b, a + 3], [b, b + 3, a + 3]]
    local += [[3 * RINGS - 3 + k, 3 * RINGS - 3 + (k + 1) % 3, 3 * RINGS] for k in range(3)]
    per = 3 * RINGS + 1
    triangles = (np.array(local)[None] + per * np.arange(count)[:, None, None]).reshape(-1, 3)
    flat = points.reshape(-1, 3)
    uvs = np.tile(np.stack([np.r_[np.tile(np.arange(3) / 3, RINGS), 0.5], np.r_[np.repeat(t, 3), 1.0]], 1), (count, 1))
    return Part(name, MATERIAL, flat, normals(flat, triangles), uvs, triangles)


@dataclass(frozen=True)
class Ground:
    """The skin's front as a height field: position and normal above (x, y)."""

    positions: F64
    normals: F64

    def at(self, xy: F64, lift: F64) -> F64:
        """Points (K, 3) that float `lift` (K,) metres over the skin at `xy` (K, 2)."""
        from scipy.interpolate import LinearNDInterpolator

        p, n = self.positions, self.normals
        use = (n[:, 2] > 0.15) & (p[:, 1] > 0.004) & (p[:, 1] < 0.05) & (p[:, 2] > 0.04)
        table = np.concatenate([p[use, 2:], n[use]], axis=1)
        found = LinearNDInterpolator(p[use, :2], table)(xy)
        normal = found[:, 1:] / np.linalg.norm(found[:, 1:], axis=1, keepdims=True)
        return np.asarray(np.concatenate([xy, found[:, :1]], axis=1) + normal * lift[:, None])


def brows(ground: Ground, rng: np.random.Generator, count: int = 420) -> Part:
    """Grow both brows: hairs rise at the inner end, turn outward along the ridge and converge on its middle line."""
    curves, radii = [], []
    spine = np.array(BROW) * 1e-3
    for side in (1.0, -1.0):
        t = rng.beta(1.2, 1.35, count)
        across = np.clip(rng.normal(0, 0.50, count), -1.1, 1.1)
        along = np.stack([np.interp(t, np.linspace(0, 1, len(spine)), spine[:, k]) for k in range(2)], axis=1)
        width = np.interp(t, [0, 0.12, 0.55, 1], [2.4, 3.3, 2.9, 0.7]) * 1e-3
        along[:, 0] += rng.normal(0, 0.8e-3, count)
        root = along + np.stack([-0.35 * across * width, across * width], axis=1)
        angle = np.interp(t, [0, 0.1, 0.3, 0.6, 0.8, 1], [88, 68, 40, 16, -12, -28])
        angle = angle - across * np.interp(t, [0, 0.25, 1], [4, 20, 16]) + rng.normal(0, 8, count)
        turn = np.radians(angle)
        bend = np.radians(angle - np.interp(t, [0, 0.5, 1], [16, 12, 8]))
        length = np.interp(t, [0, 0.3, 0.75, 1], [6.5, 8.5, 8.0, 5.0]) * rng.uniform(0.65, 1.15, count) * 1e-3
        middle = root + 0.5 * length[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        tip = middle + 0.5 * length[:, None] * np.stack([np.cos(bend), np.sin(bend)], axis=1)
        lifts = (np.full(count, -3e-4), rng.uniform(0.9, 1.9, count) * 1e-3, rng.uniform(0.2, 0.9, count) * 1e-3)
        mirror = np.array([side, 1.0])
        curves.append(
            np.stack([ground.at(xy * mirror, h) for xy, h in zip((root, middle, tip), lifts, strict=True)], axis=1)
        )
        radii.append(rng.uniform(0.050, 0.085, count) * 1e-3)
    return strands("brows", np.concatenate(curves), np.concatenate(radii))


def lashes(margins: list[F64], centers: list[F64], rng: np.random.Generator) -> Part:
    """Grow lashes from the front edges of the lids.

    `margins` are the closed curves (L, 3) metres along the edges, `centers` the eyeballs' centres, per eye.
    """
    curves, radii = [], []
    for margin, center in zip(margins, centers, strict=True):
        outward = np.sign(center[0])
        for upper in (True, False):
            root, t = _lid_points(margin, outward, upper, 110 if upper else 56, rng)
            count = len(root)
            reach = np.interp(t, [0, 0.35, 0.8, 1], [4.2, 7.0, 8.2, 7.2] if upper else [2.2, 3.6, 4.4, 3.8]) * 1e-3
            reach = (reach * rng.uniform(0.8, 1.12, count))[:, None]
            fan = np.interp(t, [0, 0.5, 1], [-0.45, 0.05, 0.85]) + rng.normal(0, 0.07, count)
            fan = np.stack([outward * fan, np.zeros(count), np.zeros(count)], axis=1)
            ahead = (root - center) * [0.35, 0.0, 1.0]
            ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
            up = np.array([0.0, 1.0, 0.0])
            lean = rng.normal(0, 0.06, (count, 1))
            if upper:
                middle = root + reach * (0.52 * ahead + 0.30 * fan - 0.02 * up)
                tip = root + reach * (0.72 * ahead + 0.62 * fan + (0.52 + lean) * up)
            else:
                middle = root + reach * (0.42 * ahead + 0.28 * fan - 0.30 * up)
                tip = root + reach * (0.75 * ahead + 0.55 * fan - (0.52 + lean) * up)
            curves.append(np.stack([root - 4e-4 * ahead, middle, tip], axis=1))
            radii.append(rng.uniform(0.052, 0.075, count) * (1e-3 if upper else 0.8e-3))
    return strands("lashes", np.concatenate(curves), np.concatenate(radii))


def _lid_points(margin: F64, outward: float, upper: bool, count: int, rng: np.random.Generator) -> tuple[F64, F64]:
    """Spread roots over a lid from the inner (t = 0) to the outer corner (t = 1); returns points and t."""
    inner, outer = (int(f(margin[:, 0] * outward)) for f in (np.argmin, np.argmax))
    chord = np.interp(margin[:, 0] * outward, margin[[inner, outer], 0] * outward, margin[[inner, outer], 1])
    order = np.argsort(margin[:, 0] * outward, kind="stable")
    above = margin[order, 1] > chord[order]
    half = margin[order[above == upper]]
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(half, axis=0), axis=1))]
    t = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    where = (0.16 + 0.82 * t) * steps[-1]
    return np.stack([np.interp(where, steps, half[:, k]) for k in range(3)], axis=1), t
