"""Where the neck ends: at an oblique cut above the shoulders, like the default head's.

MakeHuman's body has shoulders below the head, and a level cut ends in their beginning. So the neck's vertices slide
along the skin until its rim lies on a higher, oblique cut; triangles and map stay. They slide in the map, along rays
from its middle to its rim: however throat and chin bulge, a place of the map is one place of the skin.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_matrix

from app.arrays import F64
from app.scene.avatar.curves import smoothstep
from app.scene.avatar.map_rays import TURN, Rays, barycentric, outermost, toward
from app.scene.avatar.targets import HeadData, Ints

AXIS = -0.025
"""Depth z of the middle of the neck, metres."""
SLOPE = 0.21
"""By how much the cut rises from the throat to the nape, metres per metre."""
FLARE = 1.12
"""How wide the neck may be at the cut, times what it is where it is narrowest."""
RAISE = (0.005, 0.020)
"""The least and the most that the cut lies above the skin's rim, metres, which has steps of the cage's faces."""
REACH = 2.6
"""How far from the rim vertices slide, times how far the rim does. Above 2 they keep their order."""
EVENING = 40
"""Rounds in which distances along the cut are evened out."""
STILL, FREE = 0.001, 0.04
"""Up to which height above the cut expressions move nothing, and from which on they move all, metres.

Within less, the throat would fold below an open jaw, which comes 3 cm nearer to the cut.
"""
_HEIGHTS = np.arange(0.0, 0.045, 0.001)
"""Above the rim, metres: where the neck's width is measured."""
_SIDE = 0.03
"""How far ahead of or behind its middle the neck is widest at most, metres."""


@dataclass(frozen=True, eq=False)
class Cut:
    """How the skin's vertices slide.

    Attributes:
        moved: (K,) vertices.
        weights: (K,F) which places of the uncut skin they come to lie at: rows sum to 1.
        free: (F,) how much expressions move each place of the cut skin, and what lies inside it: 0 at the cut .. 1.
    """

    moved: Ints
    weights: csr_matrix
    free: F64

    def shape(self, points: F64) -> F64:
        """Return points (F,3) of uncut skin, metres, as they lie on cut skin."""
        result = points.copy()
        result[self.moved] = self.weights @ points
        return result

    def offsets(self, offsets: F64) -> F64:
        """Return displacements (F,3) of uncut skin, metres, as they are on cut skin: none at the cut."""
        return self.free[:, None] * self.shape(offsets)


def cut(points: F64, data: HeadData) -> Cut:
    """Choose the cut of a head and slide the neck's vertices onto it.

    Args:
        points: (F,3) metres; the neck's rim lies on a plane.
        data: names the rim and the skin's triangles.
    """
    rim, triangles, rays = data.neck_loop, data.skin_triangles, _rays(data)
    rise = points[:, 1] + SLOPE * (points[:, 2] - AXIS)
    lowest, highest = rise[rim].max() + np.array(RAISE)
    level = np.clip(_above_shoulders(points, triangles, float(points[rim, 1].max())), lowest, highest)
    above = rise - level
    line = _crossed(np.concatenate([rays.uvs, points[: len(rays.uvs)]], axis=1), above, triangles)
    ends = _evened(rays.ends, outermost(rays.ends, *line)[:, 2:])
    cut_off = 1.0 - np.linalg.norm(outermost(ends, *line)[:, :2], axis=1) / rays.length(ends)
    table = rays.shares(points)

    def slides(angles: F64) -> tuple[F64, F64]:
        """How far the rim slides along rays (N,), metres (N,), and these rays' rows of the table."""
        rows = rays.between(angles, table)
        return rays.ways(np.interp(angles, ends, cut_off, period=TURN), rows), rows

    near = np.flatnonzero(rays.beyond < 0.5)
    slide, rows = slides(rays.angles[near])
    place = rays.ways(rays.beyond[near], rows) / (REACH * slide)
    moved, place = near[place < 1.0], place[place < 1.0]
    fade = (1.0 - place) ** 2
    angles = rays.angles[moved]
    angles = angles + fade * np.interp(angles, rays.ends, ends - rays.ends, period=TURN)
    slide, rows = slides(angles)
    beyond = rays.share(slide * (REACH * place + fade), rows)
    places = (rays.length(angles) * (1.0 - beyond))[:, None] * toward(angles)
    around = triangles[(rays.beyond[triangles] <= beyond.max()).any(axis=1)]
    weights = barycentric(places, rays.uvs, around, len(points))
    # On the oddest heads vertices slide as far up as the lips, where the map has a hole. Those before it stay.
    found = np.diff(weights.indptr) > 0
    moved, weights = moved[found], weights[found]
    above[moved] = weights @ above
    return Cut(moved, weights, smoothstep(above, STILL, FREE))


@cache
def _rays(data: HeadData) -> Rays:
    return Rays.of(data.skin_uvs.astype(np.float64) - 0.5, data.skin_triangles, data.neck_loop)


def _above_shoulders(points: F64, triangles: Ints, rim: float) -> float:
    """Height at the neck's middle, metres, at which it is FLARE times as wide as where it is narrowest."""
    heights = rim + _HEIGHTS
    triangles = triangles[(points[triangles, 1] < heights[-1]).any(axis=1)]
    widths = []
    for height in heights:
        around = np.concatenate(_crossed(points, points[:, 1] - height, triangles))
        widths.append(np.ptp(around[np.abs(around[:, 2] - AXIS) < _SIDE, 0]))
    width = np.array(widths) / min(widths)
    wide = np.flatnonzero(width[: width.argmin()] > FLARE)
    if not len(wide):
        return rim
    last = wide[-1]
    return float(np.interp(FLARE, width[[last + 1, last]], heights[[last + 1, last]]))


def _crossed(values: F64, above: F64, triangles: Ints) -> tuple[F64, F64]:
    """Where `above` (N,) is 0 on triangles (T,3), the ends of a segment each: `values` (N,D) there, two of (S,D)."""
    after = np.roll(triangles, -1, axis=1)
    crossing = (above[triangles] > 0.0) != (above[after] > 0.0)  # two edges of a triangle, or none
    a, b = triangles[crossing], after[crossing]
    share = above[a] / (above[a] - above[b])
    at = values[a] + share[:, None] * (values[b] - values[a])
    return at[0::2], at[1::2]


def _evened(ends: F64, points: F64) -> F64:
    """Angles (R,) of rays on which the cut's vertices lie more evenly than `points` (R,3), on the rays at `ends`."""
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    even = steps
    for _ in range(EVENING):
        even = 0.25 * np.roll(even, 1) + 0.5 * even + 0.25 * np.roll(even, -1)
    old, new = (np.cumsum(x) - x for x in (steps, even))
    turns = np.array([[-1.0], [0.0], [1.0]])
    old_ends, old_ways = (ends + TURN * turns).ravel(), (old + steps.sum() * turns).ravel()
    return np.asarray(np.interp(new + (old - new).mean(), old_ways, old_ends))
