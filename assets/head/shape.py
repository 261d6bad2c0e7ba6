"""Vertex normals, plane cuts and part extraction for the head's meshes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F64, I64


def normals(positions: F64, triangles: I64) -> F64:
    """Angle-weighted unit vertex normals (N, 3); vertices without a triangle get +y."""
    result = np.zeros_like(positions)
    for k in range(3):
        a, b, c = (positions[triangles[:, (k + j) % 3]] for j in range(3))
        e, f = b - a, c - a
        n = np.cross(e, f)
        sine = np.linalg.norm(n, axis=1)
        angle = np.arctan2(sine, (e * f).sum(axis=1))
        n *= (angle / np.maximum(sine, 1e-20))[:, None]
        for axis in range(3):
            result[:, axis] += np.bincount(triangles[:, k], n[:, axis], minlength=len(positions))
    length = np.linalg.norm(result, axis=1, keepdims=True)
    return np.where(length > 1e-12, result / np.maximum(length, 1e-12), [0.0, 1.0, 0.0])


def triangulate(quads: I64, positions: F64) -> I64:
    """Split quads (M, 4) along the shorter diagonal; returns (2 M, 3), triangles 2 f and 2 f + 1 from quad f."""
    p = positions[quads]
    short = np.linalg.norm(p[:, 0] - p[:, 2], axis=1) <= np.linalg.norm(p[:, 1] - p[:, 3], axis=1)
    one = np.where(short[:, None], quads[:, [0, 1, 2]], quads[:, [0, 1, 3]])
    two = np.where(short[:, None], quads[:, [0, 2, 3]], quads[:, [1, 2, 3]])
    return np.stack([one, two], axis=1).reshape(-1, 3)


def hollow(positions: F64, normal: F64, quads: I64, rounds: int = 12) -> F64:
    """How far (N,) each vertex lies below its smoothed surroundings, along `normal`; negative on bumps."""
    from scipy.sparse import csr_matrix

    starts = np.r_[quads.ravel(), np.roll(quads, -1, axis=1).ravel()]
    ends = np.r_[np.roll(quads, -1, axis=1).ravel(), quads.ravel()]
    n = len(positions)
    mean = csr_matrix((np.ones(len(starts)), (starts, ends)), shape=(n, n))
    degree = np.maximum(np.asarray(mean.sum(axis=1)), 1)
    smooth = positions
    for _ in range(rounds):
        smooth = 0.5 * smooth + 0.5 * (mean @ smooth) / degree
    return np.asarray(((smooth - positions) * normal).sum(axis=1))


def compact(attributes: F64, triangles: I64) -> tuple[F64, I64, I64]:
    """Drop unused vertices; returns attributes, triangles, and the old index of each kept vertex."""
    used, inverse = np.unique(triangles, return_inverse=True)
    return attributes[used], inverse.reshape(triangles.shape), used


def smoothstep(x: NDArray[Any], low: Any, high: Any) -> NDArray[Any]:
    """Hermite step from 0 at `low` to 1 at `high` (which may be below `low`)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))
