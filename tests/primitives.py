"""Simple meshes with exact normals and texture coordinates."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from app.scene.model import Mesh


def uv_sphere(radius: float = 1.0, rings: int = 32, segments: int = 64) -> Mesh:
    """Return a sphere around the origin: u runs once around +y (0.5 faces +z), v from bottom to top.

    Its texture square is filled without overlap. Poles and the seam have one vertex per segment or ring.

    Args:
        radius: metres, > 0.
        rings: rows of faces from pole to pole, >= 2.
        segments: faces around, >= 3.
    """
    v, u = np.meshgrid(np.linspace(0, 1, rings + 1), np.linspace(0, 1, segments + 1), indexing="ij")
    longitude, latitude = (u - 0.5) * (2.0 * math.pi), (v - 0.5) * math.pi
    normals = np.stack(
        [np.sin(longitude) * np.cos(latitude), np.sin(latitude), np.cos(longitude) * np.cos(latitude)],
        axis=-1,
    ).reshape(-1, 3)
    normals[np.abs(normals) < 1e-15] = 0.0  # both sides of the seam, and all of a pole, at exactly one place
    uvs = np.stack([u, v], axis=-1).reshape(-1, 2)
    row, column = np.meshgrid(np.arange(rings), np.arange(segments), indexing="ij")
    a = (row * (segments + 1) + column).reshape(-1)
    b, c = a + 1, a + segments + 1
    lower = np.stack([a, b, c + 1], axis=-1)[segments:]  # at the south pole a and b coincide
    upper = np.stack([a, c + 1, c], axis=-1)[:-segments]  # and at the north pole the other two
    return Mesh.of(normals * radius, np.concatenate([lower, upper]), normals, uvs)


def quad(
    center: ArrayLike = (0.0, 0.0, 0.0),
    edge_u: ArrayLike = (0.5, 0.0, 0.0),
    edge_v: ArrayLike = (0.0, 0.5, 0.0),
) -> Mesh:
    """Return a parallelogram facing cross(edge_u, edge_v): corners center +- edge_u +- edge_v, uv 0..1."""
    c, u, v = (np.asarray(x, np.float64) for x in (center, edge_u, edge_v))
    normal = np.cross(u, v)
    length = float(np.linalg.norm(normal))
    positions = np.stack([c - u - v, c + u - v, c + u + v, c - u + v])
    uvs = [(0, 0), (1, 0), (1, 1), (0, 1)]
    return Mesh.of(positions, [(0, 1, 2), (0, 2, 3)], np.tile(normal / length, (4, 1)), uvs)


def together(meshes: Sequence[Mesh]) -> Mesh:
    """Return one mesh of several."""
    first = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return Mesh.of(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, first, strict=False)]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
    )


def box(low: ArrayLike = (-0.5, -0.5, -0.5), high: ArrayLike = (0.5, 0.5, 0.5)) -> Mesh:
    """Return an axis-aligned box with flat normals; each side has a cell of a 3 x 2 grid of texture space."""
    a, b = np.asarray(low, np.float64), np.asarray(high, np.float64)
    center, half = (a + b) / 2.0, (b - a) / 2.0
    sides = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal, u, v = np.zeros(3), np.zeros(3), np.zeros(3)
            normal[axis], u[(axis + 1) % 3], v[(axis + 2) % 3] = sign, sign, 1.0
            sides.append(quad(center + normal * half, u * half, v * half))
    margin = 0.02  # between the cells, so that filtering does not mix the sides
    cells = [np.array([i % 3, i // 3]) for i in range(6)]
    uvs = [(cell + margin + side.uvs * (1 - 2 * margin)) / (3, 2) for cell, side in zip(cells, sides, strict=True)]
    return together([replace(side, uvs=place.astype(np.float32)) for side, place in zip(sides, uvs, strict=True)])
