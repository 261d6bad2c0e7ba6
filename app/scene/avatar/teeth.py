"""Teeth and gums, set along the dental arch that MakeHuman's tooth strips mark.

The strips are bands without single teeth. They tell where the arch lies, how it is tilted and how it moves with the
jaw; 28 crowns of anatomical widths and heights (Ash & Nelson, "Wheeler's Dental Anatomy", means) stand on it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import ArrayLike

from app.arrays import F64
from app.scene.model import Mesh

MM = 1e-3
COLUMNS = 32
"""Columns of the teeth's texture: one a tooth, the upper jaw's 14 first."""
LENGTHENED = (1.4, 2.0)
"""How far crowns reach beyond the strips, upper and lower jaw, mm: the strips leave 4.6 mm between them."""

# From the middle outwards: incisors, canine, premolars, molars; mm.
_WIDTH = ((8.5, 6.6, 7.6, 7.0, 6.7, 10.2, 9.6), (5.3, 5.9, 6.9, 7.0, 7.1, 11.0, 10.4))
_HEIGHT = ((10.6, 9.4, 10.4, 8.6, 8.0, 7.4, 7.0), (9.2, 9.4, 10.6, 8.6, 8.0, 7.4, 7.0))
_DEPTH = ((7.0, 6.2, 8.0, 9.0, 9.0, 11.0, 11.0), (6.0, 6.4, 7.6, 7.6, 8.0, 10.2, 10.2))
_TAPER = (0.74, 0.72, 0.55, 0.22, 0.18, 0.10, 0.10)  # share of the depth that is gone at the tip
_POINT = (0.02, 0.07, 0.20, 0.13, 0.08, 0.04, 0.04)  # how much lower the corners of a tip are than its middle
_NECK = (0.76, 0.76, 0.72, 0.72, 0.74, 0.84, 0.84)  # width at the gum

_LEVELS = np.array([-0.25, -0.05, 0.12, 0.30, 0.50, 0.70, 0.85, 0.94, 0.985, 1.0, 1.0, 1.0])  # gum 0, tip 1
_CAP = np.array([1.0] * 9 + [0.86, 0.5, 0.03])  # the last rings close the tip
_AROUND = 12
_GUM_STEPS = 8  # columns of gum a tooth


@dataclass(frozen=True, eq=False)
class Arch:
    """The outer face of a row of teeth, as a function of the angle around the middle of the jaw.

    Attributes:
        up: +1 where the gum is above the teeth (upper jaw), -1 below.
        middle: (2,) x and z of the axis that angles turn around, metres.
        outer, tip: polynomials of the angle: radius at half height, height of the tips, metres.
        lean: change of the radius with height, and polynomial coefficients thereof.
        angles, lengths: (K,) the arch by arc length, 0 in the middle.
    """

    up: float
    middle: F64
    outer: F64
    tip: F64
    lean: float
    angles: F64
    lengths: F64

    @classmethod
    def of(cls, strip: Mesh, up: float, longer: float) -> "Arch":
        """Fit the arch to MakeHuman's strip; tips reach `longer` metres beyond it."""
        p, n = strip.positions.astype(np.float64), strip.normals.astype(np.float64)
        low, high = p.min(axis=0), p.max(axis=0)
        middle = np.array([(low[0] + high[0]) / 2, low[2]])
        arm = p[:, [0, 2]] - middle
        radius, angle = np.hypot(*arm.T), np.arctan2(*arm.T)
        outward = (n[:, [0, 2]] * arm).sum(axis=1) / np.maximum(radius, 1e-9)
        # The outermost vertices of each stretch are the tips, whatever their normals.
        bins = np.clip(((angle / math.pi + 0.5) * 16).astype(int), 0, 15)
        tips = np.array(
            [np.flatnonzero(bins == k)[np.argmin(up * p[bins == k, 1])] for k in range(16) if (bins == k).any()]
        )
        tip = polynomial.polyfit(angle[tips], p[tips, 1] - up * longer, 4)
        face = outward > 0.35
        above = up * (p[face, 1] - polynomial.polyval(angle[face], tip))
        basis = np.concatenate([polynomial.polyvander(angle[face], 6), above[:, None]], axis=1)
        fit = np.linalg.lstsq(basis, radius[face], rcond=None)[0]
        # Half of the strip's backward lean: real incisors lean forward.
        lean = 0.4 * float(fit[7])
        outer = fit[:7].copy()
        outer[0] += (float(fit[7]) - lean) * float(above.mean())
        angles = np.linspace(-1.5, 1.5, 241)
        r = polynomial.polyval(angles, outer)
        step = np.hypot(np.diff(r * np.sin(angles)), np.diff(r * np.cos(angles)))
        lengths = np.concatenate([[0.0], np.cumsum(step)])
        return cls(up, middle, outer, tip, lean, angles, lengths - lengths[120])

    def points(self, along: F64, above: F64, outwards: F64) -> F64:
        """Places (...,3): by arc length, height from the tips towards the gum, distance off the outer face; metres."""
        angle = np.interp(along, self.lengths, self.angles)
        radius = polynomial.polyval(angle, self.outer) + self.lean * above + outwards
        height = polynomial.polyval(angle, self.tip) + self.up * above
        x, z = self.middle
        return np.stack([x + radius * np.sin(angle), height, z + radius * np.cos(angle)], axis=-1)

    def scale(self, widths: F64) -> float:
        """Factor that makes teeth of these widths (one side, metres) fill the arch."""
        reach = min(-self.lengths[0], self.lengths[-1])
        return float(np.clip(0.93 * reach / widths.sum(), 0.8, 1.15))


@dataclass(frozen=True, eq=False)
class Row:
    """The teeth of one jaw, from right to left: (14,) metres, and how they differ from an even row."""

    arch: Arch
    center: F64
    width: F64
    height: F64
    depth: F64

    @classmethod
    def of(cls, arch: Arch, jaw: int) -> "Row":
        """Stand the teeth of jaw 0 (upper) or 1 side by side along the arch."""
        width, height, depth = (np.array(table[jaw]) * MM for table in (_WIDTH, _HEIGHT, _DEPTH))
        width = width * arch.scale(width)
        side = np.cumsum(width) - width / 2
        return cls(arch, _mirrored(side, -1.0), _mirrored(width), _mirrored(height), _mirrored(depth))


def crowns(row: Row, jaw: int, wear: float, rng: np.random.Generator) -> Mesh:
    """The teeth of one jaw; u is the middle of the tooth's column of the texture, v runs from gum to tip."""
    count = len(row.center)
    uneven = wear * rng.normal(0, 1, (5, count))[:, :, None, None]
    taper, point, neck = (_mirrored(np.array(table))[:, None, None] for table in (_TAPER, _POINT, _NECK))
    width, height, depth = (a[:, None, None] for a in (row.width, row.height, row.depth))
    t, cap = _LEVELS[None, :, None], _CAP[None, :, None]
    turn = np.arange(_AROUND) / _AROUND * 2 * math.pi
    # Rounded squares: a superellipse a level.
    across = (np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.75)[None, None]
    front = (np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.75)[None, None]
    belly = neck + (1 - neck) * np.sin(np.clip(t, 0, 1) * 0.5 * math.pi * 1.25) / math.sin(0.5 * math.pi)
    belly = belly * (1 - 0.10 * np.clip((t - 0.8) / 0.2, 0, 1) ** 2)
    thick = depth * (1 - taper * np.clip(t, 0, 1) ** 1.2)
    x = across * cap * belly * (0.985 * width / 2)
    # The face bulges lengthwise, and its flanks fall back towards the neighbours.
    bulge = 0.7 * MM * (np.sin(np.clip(t, 0, 1) * math.pi * 0.85) - 1.0) - 0.10 * width * across**2 * cap**2
    offset = bulge - thick / 2 + front * cap * thick / 2
    offset = offset + uneven[0] * 0.35 * MM + uneven[1] * 0.16 * x
    tall = (height + uneven[2] * 0.4 * MM) * (1 - point * (across * cap) ** 2 * np.clip(t, 0, 1) ** 3)
    above = row.height[:, None, None] - t * tall + uneven[3] * 0.25 * MM
    place = row.arch.points(row.center[:, None, None] + x + uneven[4] * 0.1 * MM, above, offset)
    rings = len(_LEVELS)
    ring = np.arange(rings - 1)[:, None] * _AROUND + np.arange(_AROUND)
    ahead = np.roll(ring, -1, axis=1)
    one = np.concatenate(
        [np.stack([ring, ahead, ring + _AROUND], -1), np.stack([ahead, ahead + _AROUND, ring + _AROUND], -1)]
    ).reshape(-1, 3)
    if row.arch.up < 0.0:
        one = one[:, ::-1]
    triangles = np.concatenate([one + k * rings * _AROUND for k in range(count)])
    u = (np.arange(count) + jaw * count + 0.5) / COLUMNS
    uvs = np.stack(np.broadcast_arrays(u[:, None, None], np.clip(t, 0.0, 0.97), place[..., 0])[:2], axis=-1)
    return Mesh.of(place.reshape(-1, 3), triangles, None, uvs.reshape(-1, 2))


def gums(row: Row) -> Mesh:
    """The gum of one jaw: over the roots, with a tongue between neighbours."""
    count = len(row.center)
    x = np.linspace(-1, 1, _GUM_STEPS + 1)[:-1]
    along = np.append((row.center[:, None] + x * row.width[:, None] / 2).ravel(), row.center[-1] + row.width[-1] / 2)
    position = np.append(np.tile(x, count), 1.0)
    between = np.abs(position) ** 3
    height = np.interp(along, row.center, row.height)
    depth = np.interp(along, row.center, row.depth)
    edge = height - 0.35 * MM - between * 0.36 * height
    root = 0.8 * MM * (1 - between)
    rows = [
        (height + 8.0 * MM, -0.6 * MM + 0 * root),
        (height + 4.0 * MM, root - 0.1 * MM),
        (height * 0.5 + edge * 0.5 + 1.2 * MM, root + 0.1 * MM),
        (edge + 0.5 * MM, 0.3 * MM - 0.6 * MM * between),
        (edge, -0.25 * MM - 0.8 * MM * between),
        (edge, -1.6 * MM - 0 * root),
        (edge, -depth + 0.4 * MM),
        (edge + 1.0 * MM, -depth - 0.7 * MM),
        (height + 4.0 * MM, -depth - 1.4 * MM),
        (height + 8.0 * MM, -depth - 3.0 * MM),
    ]
    place = np.stack([row.arch.points(along, above, outwards) for above, outwards in rows])
    columns = len(along)
    corner = (np.arange(len(rows) - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    right, below = corner + 1, corner + columns
    triangles = np.concatenate([np.stack([corner, below, right], 1), np.stack([right, below, below + 1], 1)])
    if row.arch.up < 0.0:
        triangles = triangles[:, ::-1]
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, len(rows)))
    return Mesh.of(place.reshape(-1, 3), triangles, None, np.stack([u, v], axis=-1).reshape(-1, 2))


def _mirrored(side: F64, sign: float = 1.0) -> F64:
    """Both sides of a row, from values of one side, the middle first."""
    return np.concatenate([sign * side[::-1], side])


def carried(strip: Mesh, moved: ArrayLike, points: ArrayLike) -> F64:
    """Displacements (N,3) of `points` when the strip's vertices are displaced by `moved`: as one affine body."""
    p = np.c_[strip.positions.astype(np.float64), np.ones(len(strip.positions))]
    affine = np.linalg.lstsq(p, np.asarray(moved, np.float64), rcond=None)[0]
    q = np.asarray(points, np.float64)
    return np.asarray(np.c_[q, np.ones(len(q))] @ affine)
