"""Strands as triangles: ribbons that look like a few hairs side by side, and three-sided tubes."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from app.arrays import F64, I64
from app.scene.avatar.hair_color import BAND_MARGIN, BANDS
from app.scene.model import Mesh, normalized

_EDGE = 0.6  # tangent of the angle by which normals at a ribbon's edges turn outward: it shades like a round lock
_HEAD = 0.55  # how much the head's outward direction bends a ribbon's normal: hair shades as a volume, not as paper


@dataclass(frozen=True, eq=False)
class Hairs:
    """Lines that hair follows.

    Attributes:
        points: (S,K,3) metres, root first.
        width: (S,K) metres; the last is not used, hairs end in a point.
        band: (S,) which of the atlas' BANDS colours them.
    """

    points: F64
    width: F64
    band: I64


@dataclass(frozen=True, eq=False)
class Strands(Hairs):
    """Lines of ribbons, each of which looks like a few hairs.

    Attributes:
        outward: (S,K,3) unit, away from the head.
        roll: (S,) radians by which a ribbon is turned about its line, 0 lies flat on the head.
    """

    outward: F64
    roll: F64


def tangents(points: F64) -> F64:
    """Unit tangents (S,K,3) of lines (S,K,3)."""
    return normalized(np.gradient(points, axis=1))


def triangles(points: I64) -> I64:
    """How many (S,) ribbons of so many points (S,) have."""
    return 2 * points - 3


def along(lines: F64) -> F64:
    """Share (S,K) of the length of lines (S,K,3) that lies before each point: 0 at the root, 1 at the tip."""
    arc = np.cumsum(np.linalg.norm(np.diff(lines, axis=1), axis=2), axis=1)
    return np.concatenate([np.zeros((len(lines), 1)), arc / np.maximum(arc[:, -1:], 1e-9)], axis=1)


def smoothed(lines: F64, spacing: F64, count: int) -> F64:
    """Smooth lines (S,count,3) of equal segments through lines (S,K,3) whose segments go as `spacing` (K-1,)."""
    knots = np.concatenate([[0.0], np.cumsum(spacing)]) / spacing.sum()
    weights = CubicSpline(knots, np.eye(len(knots)))(np.linspace(0.0, 1.0, count))
    return np.asarray(np.einsum("nk,skd->snd", weights, lines))


def thinned(lines: F64, count: int) -> F64:
    """Lines (S,count,3) through points of finer ones (S,K,3), close together where these bend."""
    segments = np.diff(lines, axis=1)
    length = np.linalg.norm(segments, axis=2)
    turned = np.linalg.norm(np.diff(normalized(segments), axis=1), axis=2)  # radians, about
    turn = np.zeros_like(length)
    turn[:, 1:] += 0.5 * turned
    turn[:, :-1] += 0.5 * turned
    share = length / np.maximum(length.sum(axis=1, keepdims=True), 1e-9)
    # A chord misses its arc by the curvature times the square of its length: equal misses want points as dense as
    # the curvature's root. Some go where lines are straight, or there would be none.
    cost = share + np.sqrt(turn * share)
    spent = np.concatenate([np.zeros((len(lines), 1)), np.cumsum(cost, axis=1)], axis=1)
    spent /= spent[:, -1:]
    row = np.arange(len(lines))[:, None]
    wanted = np.linspace(0.0, 1.0, count) + 2.0 * row
    place = np.arange(lines.shape[1]) + 0.0 * row
    at = np.interp(wanted.ravel(), (spent + 2.0 * row).ravel(), place.ravel()).reshape(wanted.shape)
    low = np.minimum(at.astype(np.int64), lines.shape[1] - 2)
    f = (at - low)[..., None]
    return np.asarray((1.0 - f) * lines[row, low] + f * lines[row, low + 1])


def carried_frames(lines: F64) -> tuple[F64, F64]:
    """Two unit directions (S,K,3) across lines, which turn about them as little as they can.

    Directions across the head's outward one would jump where hair stands off the head, and kink the coils.
    """
    along = tangents(lines)
    across = np.where(np.abs(along[:, 0, :1]) < 0.7, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    carried = []
    for k in range(lines.shape[1]):
        across = normalized(across - (across * along[:, k]).sum(axis=1, keepdims=True) * along[:, k])
        carried.append(across)
    side = np.stack(carried, axis=1)
    return side, np.cross(side, along)


def ribbons(strands: Strands) -> Mesh:
    """Flat ribbons, two vertices at each point but the last: `triangles(K)` a strand."""
    points, outward = strands.points, strands.outward
    count, rings = points.shape[:2]
    ahead = tangents(points)
    flat_side = normalized(np.cross(ahead, outward), fallback=(1.0, 0.0, 0.0))
    facing = np.cross(flat_side, ahead)
    c, s = np.cos(strands.roll)[:, None, None], np.sin(strands.roll)[:, None, None]
    side, facing = c * flat_side + s * facing, c * facing - s * flat_side
    bent = normalized(facing + _HEAD * outward)
    half = 0.5 * strands.width[..., None] * side
    body = slice(0, rings - 1)
    left, right = points[:, body] - half[:, body], points[:, body] + half[:, body]
    lines = np.stack([left, right], axis=2).reshape(count, -1, 3)
    normals = np.stack([bent[:, body] - _EDGE * side[:, body], bent[:, body] + _EDGE * side[:, body]], axis=2)
    positions = np.concatenate([lines, points[:, -1:]], axis=1)
    normals = normalized(np.concatenate([normals.reshape(count, -1, 3), bent[:, -1:]], axis=1))
    low = (strands.band + BAND_MARGIN) / BANDS
    high = (strands.band + 1 - BAND_MARGIN) / BANDS
    t = along(points)
    u = np.concatenate([np.tile(np.stack([low, high], axis=1), (1, rings - 1)), 0.5 * (low + high)[:, None]], axis=1)
    v = np.concatenate([np.repeat(t[:, :-1], 2, axis=1), t[:, -1:]], axis=1)
    local = []
    for a in range(0, 2 * rings - 4, 2):
        local += [[a, a + 1, a + 3], [a, a + 3, a + 2]]
    local.append([2 * rings - 4, 2 * rings - 3, 2 * rings - 2])
    return _mesh(positions, normals, np.stack([u, v], axis=-1), np.array(local))


def tubes(hairs: Hairs) -> Mesh:
    """Three-sided tubes for single thick hairs such as lashes: 6 (K - 2) + 3 triangles a strand."""
    points = hairs.points
    count, rings = points.shape[:2]
    other, side = carried_frames(points)
    angles = np.arange(3) * (2.0 * np.pi / 3.0)
    ring = np.cos(angles)[:, None] * side[:, :, None] + np.sin(angles)[:, None] * other[:, :, None]
    wall = points[:, :-1, None] + 0.5 * hairs.width[:, :-1, None, None] * ring[:, :-1]
    positions = np.concatenate([wall.reshape(count, -1, 3), points[:, -1:]], axis=1)
    normals = np.concatenate([ring[:, :-1].reshape(count, -1, 3), tangents(points)[:, -1:]], axis=1)
    t = np.linspace(0.0, 1.0, rings)
    v = np.broadcast_to(np.append(np.repeat(t[:-1], 3), 1.0), (count, 3 * rings - 2))
    u = np.broadcast_to(((hairs.band + 0.5) / BANDS)[:, None], v.shape)
    local = []
    last = 3 * (rings - 2)
    for first in range(0, last, 3):
        for k in range(3):
            a, b = first + k, first + (k + 1) % 3
            local += [[a, b, a + 3], [b, b + 3, a + 3]]
    local += [[last + k, last + (k + 1) % 3, last + 3] for k in range(3)]
    return _mesh(positions, normals, np.stack([u, v], axis=-1), np.array(local))


def _mesh(positions: F64, normals: F64, uvs: F64, local: I64) -> Mesh:
    """One mesh of S strands with the same P vertices and triangles each."""
    count, per = positions.shape[:2]
    triangles = local[None] + per * np.arange(count)[:, None, None]
    return Mesh.of(positions.reshape(-1, 3), triangles.reshape(-1, 3), normals.reshape(-1, 3), uvs.reshape(-1, 2))
