"""Where a surface ends, and how far that is."""

import numpy as np
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from app.arrays import F64, I64

_DIGITS = 6  # of metres: vertices within a micrometre are one, so that texture seams are not ends
_STEPS = 32  # places per reach at which edges are looked for: an edge missed for another is hardly nearer
_MOST_STEPS = 64  # along one edge, however long it is


def open_border(positions: ArrayLike, triangles: ArrayLike) -> F64:
    """The edges where a surface ends, as below the neck of a bust.

    Of every connected piece these are the edges of one triangle only, those of the longest loop. At shorter ones, as in
    the mouth and at the lids, skin does not end but turns inwards, where no light falls.

    Args:
        positions: (N, 3) metres. Vertices at the same place count as one.
        triangles: (M, 3) indices; those with less than three corners do not count.

    Returns:
        (K, 2, 3): the ends of every edge.
    """
    p, t = welded(positions, triangles)
    if not len(t):
        return np.zeros((0, 2, 3))
    edges = np.sort(trimesh.geometry.faces_to_edges(t), axis=1)
    single = edges[trimesh.grouping.group_rows(edges, require_count=1)]
    ends: F64 = p[single]
    piece, loop = (connected(pairs, len(p))[single[:, 0]] for pairs in (edges, single))
    length = np.bincount(loop, np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), minlength=len(p))
    longest = np.zeros(len(p))
    np.maximum.at(longest, piece, length[loop])
    outer: F64 = ends[length[loop] == longest[piece]]
    return outer


def welded(positions: ArrayLike, triangles: ArrayLike) -> tuple[F64, I64]:
    """The places (P, 3) where vertices are, and the triangles (T, 3) between these that have three corners."""
    p = np.asarray(positions, np.float64)
    t = np.asarray(triangles, np.int64).reshape(-1, 3)
    if not len(t):
        return p, t
    first, place = trimesh.grouping.unique_rows(p, digits=_DIGITS)
    t = place[t]
    return p[first], t[(t[:, 0] != t[:, 1]) & (t[:, 1] != t[:, 2]) & (t[:, 2] != t[:, 0])]


def connected(edges: I64, vertices: int) -> NDArray[np.int32]:
    """Number of the piece that each vertex belongs to."""
    graph = coo_array((np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), shape=(vertices, vertices))
    labels: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return labels


def distance_to_border(points: ArrayLike, border: F64, reach: float) -> F64:
    """How far points are from the nearest of the edges.

    Args:
        points: (N, 3) metres.
        border: (K, 2, 3) edges, as `open_border` finds them.
        reach: metres beyond which distances do not matter.

    Returns:
        (N,) metres, at most `reach`.
    """
    p = np.asarray(points, np.float64)
    distance = np.full(len(p), reach, np.float64)
    start, along = border[:, 0], border[:, 1] - border[:, 0]
    length = np.linalg.norm(along, axis=1)
    steps = np.clip(np.ceil(length * _STEPS / reach), 1, _MOST_STEPS).astype(np.int64)
    edge = np.repeat(np.arange(len(border)), steps)
    if not len(edge):
        return distance
    step = np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)
    spread = ((step + 0.5) / steps[edge])[:, None]
    tree = cKDTree(start[edge] + spread * along[edge])
    bound = reach + 0.5 * float((length / steps).max())
    found, nearest = tree.query(p, distance_upper_bound=bound)
    near = np.flatnonzero(np.isfinite(found))
    chosen = edge[nearest[near]]
    away, direction = p[near] - start[chosen], along[chosen]
    part = (away * direction).sum(axis=1) / np.maximum(np.square(length[chosen]), 1e-30)
    away -= np.clip(part, 0.0, 1.0)[:, None] * direction
    distance[near] = np.minimum(np.linalg.norm(away, axis=1), reach)
    return distance
