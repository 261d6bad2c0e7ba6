"""Cuts the neck: level for the map, then obliquely, higher at the nape than at the throat, above the shoulders."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from app.arrays import F64, I64, Bools
from assets.head.subdivide import rim_loops

AXIS = -0.025
"""Depth z of the upright axis within the neck, metres: seen from there, no ray meets the neck twice."""
SLOPE = 0.21
"""By how much the cut rises from the throat to the nape, metres per metre."""
RAISE = 0.001
"""How far the cut lies above the old one at the throat, metres, so that there is skin at every place of it."""
REACH = 2.6
"""How far above the cut vertices move, times the height by which it rises there. Above 2 nothing folds."""
EVENING = 40
"""Rounds in which the vertices that move are spread evenly."""


def neck_rim(positions: F64, triangles: I64) -> I64:
    """The loop (R,) of the skin's `triangles` along the neck's cut: of all its rims the lowest."""
    return min(rim_loops(triangles), key=lambda rim: float(positions[rim, 1].mean()))


def rim_plane(positions: F64, rim: I64) -> F64:
    """The plane (a, b, c), y = a + b x + c z, that lies nearest to the rim."""
    p = positions[rim]
    return np.asarray(np.linalg.lstsq(np.c_[np.ones(len(p)), p[:, [0, 2]]], p[:, 1], rcond=None)[0])


def _above(p: F64, plane: F64) -> F64:
    """Heights over a plane."""
    return np.asarray(p[..., 1] - plane[0] - plane[1] * p[..., 0] - plane[2] * p[..., 2])


def trim_neck(positions: F64, quads: I64, rim: I64, plane: F64) -> F64:
    """Slide the neck's `rim` along the mesh onto `plane` (a, b, c): y = a + b x + c z.

    A planar rim stays planar under subdivision, so the cut is clean without clipping a triangle.
    """
    p = positions.copy()
    on_rim = np.zeros(len(p), bool)
    on_rim[rim] = True
    for vertex in rim:
        faces = quads[(quads == vertex).any(axis=1)]
        near = np.unique(faces[~on_rim[faces]])
        inner = positions[near].mean(axis=0)
        above, own = _above(inner, plane), _above(positions[vertex], plane)
        p[vertex] = inner + (positions[vertex] - inner) * np.clip(above / (above - own), 0.2, 3.0)
    p[rim, 1] -= _above(p[rim], plane)
    return p


def recut_neck(positions: F64, triangles: I64, rim: I64) -> F64:
    """Slide the neck's vertices along the skin until their `rim` lies on an oblique plane, evenly spaced.

    MakeHuman's body has shoulders below the head. A level cut ends in their beginning, which faces upwards, and the rim
    that `trim_neck` slid over the steps of the cage's faces has folds. The skin's shape above the new cut stays, and so
    do triangles and maps.

    Args:
        positions: (N,3) metres, +y up, the face towards +z.
        triangles: (M,3) of the skin.
        rim: (R,) the loop of the neck's cut, which lies on a plane.

    Returns: (N,3) metres.

    Raises:
        ValueError: there is no skin where the new cut would be.
    """
    plane, front = rim_plane(positions, rim), float(positions[rim, 2].max())

    def rise(p: F64) -> F64:
        return RAISE + SLOPE * np.maximum(front - p[:, 2], 0)

    above = _above(positions, plane)
    deepest = float(rise(positions[rim]).max())
    near = np.unique(triangles[(above[triangles] < 1.1 * REACH * deepest).any(axis=1)])
    near = near[above[near] < REACH * deepest]
    surface = positions[triangles[(above[triangles] < 1.5 * REACH * deepest).any(axis=1)]]
    on_rim = np.isin(near, rim)
    p = positions[near]
    even = _neighbours(triangles, near, on_rim)
    azimuth = p[:, [0, 2]] - [0, AXIS]  # unit vectors from the axis, x and z
    azimuth /= np.linalg.norm(azimuth, axis=1, keepdims=True)
    share = above[near] / (REACH * rise(p))
    fade = np.clip(1 - share, 0, 1)[:, None]
    for _ in range(EVENING):
        azimuth += 0.5 * fade * (even @ azimuth - azimuth)
        azimuth /= np.linalg.norm(azimuth, axis=1, keepdims=True)
        share += np.where(on_rim, 0, 0.5 * fade[:, 0] * (even @ share - share))
    for _ in range(4):  # how far the cut rises depends on where the vertex comes to lie
        wanted = rise(p) * (REACH * share + np.clip(1 - share, 0, 1) ** 2)
        p = _cast(azimuth, p[:, 1] - _above(p, plane) + wanted, surface, p)
    result = positions.copy()
    moves = fade[:, 0] > 0
    result[near[moves]] = p[moves]
    result[rim, 1] -= _above(result[rim], plane) - rise(result[rim])
    return result


def _neighbours(triangles: I64, near: I64, on_rim: Bools) -> csr_matrix:
    """Mean over a vertex's neighbours, (N,N); a vertex of the rim has those of the rim alone."""
    place = np.full(int(triangles.max()) + 1, -1)
    place[near] = np.arange(len(near))
    edges = np.concatenate([place[triangles[:, [k, (k + 1) % 3]]] for k in range(3)])
    edges = edges[(edges >= 0).all(axis=1)]
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    edges = edges[~on_rim[edges[:, 0]] | on_rim[edges[:, 1]]]
    count = np.bincount(edges[:, 0], minlength=len(near))
    return csr_matrix((1 / count[edges[:, 0]], (edges[:, 0], edges[:, 1])), shape=(len(near), len(near)))


def _cast(azimuth: F64, y: F64, corners: F64, old: F64) -> F64:
    """Where level rays from the axis at heights y (N,) meet triangles (T,3,3), of several the one nearest to `old`."""
    result = old.copy()
    low, high = corners[..., 1].min(axis=1), corners[..., 1].max(axis=1)
    for i, (x, z) in enumerate(azimuth):
        a, b, c = corners[(low <= y[i]) & (y[i] <= high)].swapaxes(0, 1)
        origin, ray = np.array([0.0, y[i], AXIS]), np.array([x, 0.0, z])
        e, f = b - a, c - a
        with np.errstate(divide="ignore", invalid="ignore"):
            q = np.cross(ray, f)
            scale = 1 / (e * q).sum(axis=1)
            u = ((origin - a) * q).sum(axis=1) * scale
            r = np.cross(origin - a, e)
            v = r @ ray * scale
            t = (f * r).sum(axis=1) * scale
        hit = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (t > 0)
        if not hit.any():
            raise ValueError(f"The neck has no skin at the height {y[i]:.4f} m, towards x {x:.3f}, z {z:.3f}.")
        hits = origin + t[hit, None] * ray
        result[i] = hits[np.argmin(np.linalg.norm(hits - old[i], axis=1))]
    return result
