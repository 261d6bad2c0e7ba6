"""Rays of a UV map from its middle to its rim: which vertices lie on them, and how long they are on the skin."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from app.arrays import F64
from app.scene.avatar.targets import Ints

TURN = 2.0 * np.pi
_WAYS = np.linspace(0.0, 0.18, 121)
"""Ways from the rim along the skin, metres, for which is tabulated at which shares of the rays they end."""
_NEAR = 0.7
"""The share of each ray, from the rim, of which ways are known."""


@dataclass(frozen=True, eq=False)
class Rays:
    """The rays of a map, whose middle is at 0.

    Attributes:
        uvs: (S,2) of the vertices.
        edge: (R,2) of those along the rim, in order.
        angles: (S,) of the rays through the vertices, radians.
        beyond: (S,) which share of its ray lies beyond each vertex.
        ends: (R,) angles of the rays that end in the rim's vertices, ascending.
        crossings: for each of these rays the edges (E,2) that it crosses, where on an edge (E,1), 0 .. 1, and at which
            share of the ray, from the rim (E,), ascending.
    """

    uvs: F64
    edge: F64
    angles: F64
    beyond: F64
    ends: F64
    crossings: tuple[tuple[Ints, F64, F64], ...]

    @staticmethod
    def of(uvs: F64, triangles: Ints, rim: Ints) -> "Rays":
        """Find them in a map without folds, `uvs` (S,2) and `triangles` (T,3), whose rim (R,) every ray meets once."""
        edge = uvs[rim]
        angles = np.arctan2(uvs[:, 1], uvs[:, 0])
        length = _length(angles, edge)
        beyond = 1.0 - np.linalg.norm(uvs, axis=1) / length
        last = rim[np.argsort(angles[rim])]
        near = triangles[(beyond[triangles] < _NEAR).any(axis=1)]
        edges = np.unique(np.sort(near[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
        rays = zip(toward(angles[last]), length[last], strict=True)
        crossings = tuple(_crossings(ahead, size, uvs, edges) for ahead, size in rays)
        return Rays(uvs, edge, angles, beyond, angles[last], crossings)

    def length(self, angles: F64) -> F64:
        """Of rays (N,) in the map."""
        return _length(angles, self.edge)

    def shares(self, points: F64) -> F64:
        """For vertices at `points` (S,3), a table (R,W): at which shares of the rays at `ends` W ways end."""
        table = []
        for edges, where, share in self.crossings:
            path = points[edges[:, 0]] + where * (points[edges[:, 1]] - points[edges[:, 0]])
            steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
            table.append(np.interp(_WAYS, np.append(0.0, np.cumsum(steps)), share))
        return np.array(table)

    def between(self, angles: F64, table: F64) -> F64:
        """Rows (N,W) of such a `table` for rays at other angles (N,)."""
        ends = np.append(self.ends, self.ends[0] + TURN) - self.ends[0]
        at = np.interp((angles - self.ends[0]) % TURN, ends, np.arange(len(ends), dtype=float))
        low = np.minimum(at.astype(int), len(ends) - 2)
        share = (at - low)[:, None]
        return np.asarray((1.0 - share) * table[low] + share * table[(low + 1) % len(table)])

    def ways(self, shares: F64, rows: F64) -> F64:
        """Metres (N,) along the skin from the rim to such shares (N,) of the rays with these `rows` of the table."""
        return _read_off(shares, rows, np.broadcast_to(_WAYS, rows.shape))

    def share(self, ways: F64, rows: F64) -> F64:
        """The inverse of `ways`."""
        return _read_off(ways, np.broadcast_to(_WAYS, rows.shape), rows)


def _read_off(at: F64, xs: F64, ys: F64) -> F64:
    """Values (N,) at places (N,) of curves through points `xs`, `ys` (N,W): np.interp of each."""
    low = (xs <= at[:, None]).sum(axis=1) - 1
    row, last = np.arange(len(at)), xs.shape[1] - 1
    a, b = np.clip(low, 0, last - 1), np.clip(low + 1, 1, last)
    left, right = ys[row, a], ys[row, b]
    with np.errstate(divide="ignore", invalid="ignore"):  # beyond the last point, which may be there twice
        between = (right - left) / (xs[row, b] - xs[row, a]) * (at - xs[row, a]) + left
    return np.select([low < 0, low >= last], [ys[:, 0], ys[:, -1]], between)


def toward(angles: F64) -> F64:
    """Unit vectors (N,2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def outermost(angles: F64, start: F64, end: F64) -> F64:
    """Where rays (N,) last meet segments, (N,D); all meet one.

    Args:
        angles: radians.
        start, end: (S,D) ends of the segments: their places in the map, and whatever else varies along them.
    """
    ahead = toward(angles)
    sides = (np.outer(ahead[:, 0], p[:, 1]) - np.outer(ahead[:, 1], p[:, 0]) for p in (start, end))
    side, other = sides
    ray, segment = np.nonzero((side > 0.0) != (other > 0.0))
    share = side[ray, segment] / (side[ray, segment] - other[ray, segment])
    at = start[segment] + share[:, None] * (end[segment] - start[segment])
    order = np.lexsort(((at[:, :2] * ahead[ray]).sum(axis=1), ray))
    last = order[np.append(np.diff(ray[order]) > 0, True)]
    return np.asarray(at[last])


def barycentric(places: F64, uvs: F64, triangles: Ints, count: int) -> csr_matrix:
    """Weights (K,count) of the vertices for places (K,2) of the map `uvs` (S,2) with triangles (T,3).

    Rows of places that lie in none of the triangles are empty.
    """
    corners = uvs[triangles]
    low, high = corners.min(axis=1) - 1e-9, corners.max(axis=1) + 1e-9
    inside = [(low[:, k] <= places[:, k, None]) & (places[:, k, None] <= high[:, k]) for k in range(2)]
    place, triangle = np.nonzero(inside[0] & inside[1])
    arms = corners[triangle] - places[place, None]
    one, two = np.roll(arms, -1, axis=1), np.roll(arms, -2, axis=1)
    areas = one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]
    shares = areas / areas.sum(axis=1, keepdims=True)
    order = np.lexsort((shares.min(axis=1), place))
    best = order[np.append(np.diff(place[order]) > 0, True)]  # the triangle that it lies in
    rows = np.repeat(place[best], 3)
    return csr_matrix((shares[best].ravel(), (rows, triangles[triangle[best]].ravel())), (len(places), count))


def _length(angles: F64, edge: F64) -> F64:
    return np.asarray(np.linalg.norm(outermost(angles, edge, np.roll(edge, -1, axis=0)), axis=1))


def _crossings(ahead: F64, length: float, uvs: F64, edges: Ints) -> tuple[Ints, F64, F64]:
    """Which of the edges (E,2) a ray crosses, where on them, and at which share of it, from the rim."""
    side = ahead[0] * uvs[:, 1] - ahead[1] * uvs[:, 0] + 1e-9  # beside vertices, so that it meets two edges at each
    a, b = edges.T
    on = np.flatnonzero(((side[a] > 0.0) != (side[b] > 0.0)) & (uvs[a] @ ahead > 0.0))
    a, b = a[on], b[on]
    where = (side[a] / (side[a] - side[b]))[:, None]
    share = 1.0 - (uvs[a] + where * (uvs[b] - uvs[a])) @ ahead / length
    order = np.argsort(share)
    return edges[on][order], where[order], share[order]
