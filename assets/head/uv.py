"""A face-centred UV map of the whole head and neck without a single seam.

The skin is a disc whose rim is the neck, so it is laid out with the neck's front at the bottom of the square, its nape
at the top and the face in the middle: a little like a stereographic map seen from the nose. W. T. Tutte's embedding
("How to draw a graph", 1963) starts without flips; then the symmetric Dirichlet energy (J. Smith and S. Schaefer,
"Bijective parameterization with free boundaries", 2015), which is infinite for a flipped triangle, is lowered against
rest shapes that are scaled by an importance field, so that the face gets most of the square.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.sparse import coo_matrix, csr_matrix, eye
from scipy.sparse.linalg import factorized, spsolve

from app.arrays import F64, I64
from assets.head.subdivide import rim_loops

MARGIN = 0.004
"""Width of the empty frame around the map: texture filters must not reach over the edge of the image."""
LIFT = ([0.0, 0.45, 0.76, 1.0], [0.0, 0.52, 0.86, 1.0])
"""Last, v is warped through these knots: the face grows upward at the cost of the scalp's back."""
SQUARENESS = 5.0
"""Exponent of the superellipse that the rim lies on: near a square, yet strictly convex as Tutte asks for."""


def unwrap(positions: F64, quads: I64, importance: F64, mirror: I64, steps: int = 60) -> F64:
    """Map the disc `quads` (M, 4) on `positions` (N, 3), which may have holes, into the unit square.

    `importance` (N,) scales lengths in the map; `mirror` (N,) names each vertex's mirror image in x, and the result is
    exactly symmetric about u = 0.5. Returns UVs (N, 2); vertices outside the disc are NaN.
    """
    loops = rim_loops(quads)
    rim, holes = loops[0], loops[1:]
    rest, triangles, weights = _rest_shapes(positions, quads, holes, importance)
    n = len(positions) + len(holes)
    used = np.unique(triangles)
    mirror = np.concatenate([mirror, _mirrored_holes(holes, mirror, len(positions))])
    angles = _rim_angles(positions, rim)

    index = np.full(n, -1)
    index[used] = np.arange(len(used))
    triangles, rim, mirror = index[triangles], index[rim], index[mirror[used]]
    graph = _graph(triangles, len(used))
    start = _tutte(graph, rim, angles)
    result = _relax(start, angles, rim, triangles, rest, weights, mirror, steps)
    uvs = np.full((n, 2), np.nan)
    uvs[used] = 0.5 + result * (0.5 - MARGIN)
    uvs[:, 1] = PchipInterpolator(*LIFT)(uvs[:, 1])
    return uvs[: len(positions)]


def _rest_shapes(positions: F64, quads: I64, holes: list[I64], importance: F64) -> tuple[F64, I64, F64]:
    """Return inverse rest edges (T, 2, 2), triangles (T, 3) and energy weights (T,).

    A quad gives the triangle at each of its corners, which keeps the energy symmetric and every corner convex. Holes
    are filled by light fans, so that their rims cannot cross.
    """
    corners = [np.stack([quads[:, c], quads[:, (c + 1) % 4], quads[:, c - 1]], axis=1) for c in range(4)]
    triangles = [np.concatenate(corners)]
    factor = [np.full(4 * len(quads), 0.5)]
    points = [positions]
    scale = [importance]
    for number, hole in enumerate(holes):
        center = len(positions) + number
        points.append(positions[hole].mean(axis=0, keepdims=True))
        scale.append(importance[hole].mean(keepdims=True))
        fan = np.stack([np.roll(hole, -1), hole, np.full(len(hole), center)], axis=1)
        triangles.append(fan)
        factor.append(np.full(len(fan), 0.2))
    tri = np.concatenate(triangles)
    p = np.concatenate(points)
    s = np.concatenate(scale)[tri].mean(axis=1)
    a, b = p[tri[:, 1]] - p[tri[:, 0]], p[tri[:, 2]] - p[tri[:, 0]]
    length = np.linalg.norm(a, axis=1)
    x = np.einsum("ij,ij->i", a, b) / length
    area2 = np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-3 * length**2)
    shapes = np.zeros((len(tri), 2, 2))
    shapes[:, 0, 0] = length * s
    shapes[:, 0, 1] = x * s
    shapes[:, 1, 1] = area2 / length * s
    weights = np.concatenate(factor) * area2 * s**2 / 2
    n_quad = 4 * len(quads)
    target = np.pi * 1.1  # about the superellipse's area
    shapes *= np.sqrt(target / weights[:n_quad].sum())
    return np.asarray(np.linalg.inv(shapes), np.float64), tri, np.asarray(weights / weights.sum())


def _mirrored_holes(holes: list[I64], mirror: I64, first: int) -> I64:
    sets = [frozenset(hole.tolist()) for hole in holes]
    images = [frozenset(mirror[hole].tolist()) for hole in holes]
    return np.array([first + sets.index(image) for image in images], dtype=np.int64)


def _rim_angles(positions: F64, rim: I64) -> F64:
    """Spread the rim around the circle by length; its front middle lies at the bottom (-pi / 2)."""
    p = positions[rim]
    steps = np.linalg.norm(np.roll(p, -1, axis=0) - p, axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)[:-1]]) / steps.sum()
    middle = np.flatnonzero(np.abs(p[:, 0]) < 1e-9)
    front = middle[np.argmax(p[middle, 2])]
    return np.asarray((along - along[front]) * 2 * np.pi - np.pi / 2)


def _on_rim(angles: F64) -> tuple[F64, F64]:
    """Points (R, 2) of the superellipse and their derivatives by the angle."""
    c, s = np.cos(angles), np.sin(angles)
    p = SQUARENESS
    norm = np.abs(c) ** p + np.abs(s) ** p
    radius = norm ** (-1 / p)
    slope = (np.abs(c) ** (p - 1) * np.sign(c) * -s + np.abs(s) ** (p - 1) * np.sign(s) * c) * p
    d_radius = -1 / p * radius / norm * slope
    points = np.stack([radius * c, radius * s], axis=1)
    return points, np.stack([d_radius * c - radius * s, d_radius * s + radius * c], axis=1)


def _graph(triangles: I64, n: int) -> csr_matrix:
    a = triangles.ravel()
    b = np.roll(triangles, -1, axis=1).ravel()
    adjacency = coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n)).tocsr()
    adjacency.data[:] = 1.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    index = np.arange(n)
    return csr_matrix((degree, (index, index)), shape=(n, n)) - adjacency


def _tutte(laplacian: csr_matrix, rim: I64, angles: F64) -> F64:
    n = laplacian.shape[0]
    inner = np.setdiff1d(np.arange(n), rim)
    result = np.zeros((n, 2))
    result[rim] = _on_rim(angles)[0]
    solve = factorized(laplacian[inner][:, inner].tocsc())
    right = -laplacian[inner][:, rim] @ result[rim]
    result[inner] = np.stack([solve(right[:, 0]), solve(right[:, 1])], axis=1)
    return result


def _jacobians(uvs: F64, triangles: I64, rest: F64) -> F64:
    corner = uvs[triangles]
    return np.asarray(np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], axis=2) @ rest)


def _energy(uvs: F64, triangles: I64, rest: F64, weights: F64) -> float:
    """Symmetric Dirichlet energy; infinite if any triangle is flipped."""
    jacobian = _jacobians(uvs, triangles, rest)
    det = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
    if det.min() <= 0:
        return float("inf")
    return float((weights * (jacobian**2).sum(axis=(1, 2)) * (1 + det**-2)).sum())


def _relax(
    uvs: F64,
    angles: F64,
    rim: I64,
    triangles: I64,
    rest: F64,
    weights: F64,
    mirror: I64,
    steps: int,
) -> F64:
    """Lower the energy by reweighted least squares over the inner vertices and the rim's angles.

    M. Rabinovich et al., "Scalable locally injective mappings", 2017, section 3: each step pulls every triangle's
    Jacobian towards the nearest rotation, weighted so that the proxy has the energy's own gradient.
    """
    n, inner = len(uvs), np.setdiff1d(np.arange(len(uvs)), rim)
    n_in = len(inner)
    place = np.full(n, -1)
    place[rim] = np.arange(len(rim))
    rim_mirror, turn = place[mirror[rim]], np.array([-1.0, 1.0])
    # How the Jacobian's column k depends on the three corners of a triangle: (T, corner, k).
    pull = np.concatenate([-rest.sum(axis=1, keepdims=True), rest], axis=1)
    points = uvs.copy()
    value = _energy(points, triangles, rest, weights)
    for _ in range(steps):
        tangent = _on_rim(angles)[1]
        # Free numbers z: x and y of inner vertices, then the rim's angles; points = motion @ z + constant.
        columns = np.concatenate([np.arange(2 * n_in), np.repeat(2 * n_in + np.arange(len(rim)), 2)])
        rows = np.concatenate(
            [np.stack([2 * inner, 2 * inner + 1], 1).ravel(), np.stack([2 * rim, 2 * rim + 1], 1).ravel()]
        )
        entries = np.concatenate([np.ones(2 * n_in), tangent.ravel()])
        motion = csr_matrix((entries, (rows, columns)), shape=(2 * n, 2 * n_in + len(rim)))

        jacobian = _jacobians(points, triangles, rest)
        left, sigma, right = np.linalg.svd(jacobian)
        near = np.abs(sigma - 1) < 1e-6
        ratio = np.where(near, 4.0, (sigma - sigma**-3) / np.where(near, 1.0, sigma - 1))
        pull_weight = (left * np.sqrt(ratio)[:, None, :]) @ left.transpose(0, 2, 1)
        pull_weight *= np.sqrt(weights)[:, None, None]
        miss = pull_weight @ (left @ right - jacobian)
        # Row (t, i, k): sum over j, corner of weight[t, i, j] * pull[t, corner, k] * point[corner, j].
        block = np.einsum("tij,tck->tikcj", pull_weight, pull)
        cols = (2 * triangles[:, None, None, :, None] + np.arange(2)).repeat(2, axis=1).repeat(2, axis=2)
        count = len(triangles) * 4
        system = csr_matrix((block.ravel(), (np.repeat(np.arange(count), 6), cols.ravel())), shape=(count, 2 * n))
        system = system @ motion
        normal = (system.T @ system).tocsc()
        normal = normal + 1e-9 * normal.diagonal().mean() * eye(normal.shape[0], format="csc")
        step = spsolve(normal, system.T @ miss.ravel(), permc_spec="MMD_AT_PLUS_A")
        move = step[: 2 * n_in].reshape(-1, 2)
        length, old = 1.0, value
        while length > 1e-7:
            trial_angles = angles + length * 0.5 * (step[2 * n_in :] - step[2 * n_in :][rim_mirror])
            trial = points.copy()
            trial[inner] += length * move
            trial[rim] = _on_rim(trial_angles)[0]
            trial = 0.5 * (trial + trial[mirror] * turn)
            new = _energy(trial, triangles, rest, weights)
            if new < value:
                points, angles, value = trial, trial_angles, new
                break
            length *= 0.6
        if old - value < 1e-5 * old:
            break
    return points


def stretch(positions: F64, uvs: F64, triangles: I64) -> F64:
    """Ratio of the singular values (T,) of each triangle's map from UV to the surface; inf where flipped."""
    a, b = (positions[triangles[:, k]] - positions[triangles[:, 0]] for k in (1, 2))
    length = np.maximum(np.linalg.norm(a, axis=1), 1e-12)
    surface = np.zeros((len(triangles), 2, 2))
    surface[:, 0, 0] = length
    surface[:, 0, 1] = np.einsum("ij,ij->i", a, b) / length
    surface[:, 1, 1] = np.linalg.norm(np.cross(a, b), axis=1) / length
    flat = np.stack([uvs[triangles[:, k]] - uvs[triangles[:, 0]] for k in (1, 2)], axis=2)
    det = np.linalg.det(flat)
    good = det > 1e-14
    flat[~good] = np.eye(2)
    values = np.linalg.svd(surface @ np.linalg.inv(flat), compute_uv=False)
    return np.asarray(np.where(good, values[:, 0] / np.maximum(values[:, 1], 1e-12), np.inf))
