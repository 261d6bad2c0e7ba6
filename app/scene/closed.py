"""Whether meshes are closed, and which of them therefore never show their back sides."""

import numpy as np
import trimesh

from app.scene.model import Mesh
from app.scene.open_border import connected, welded

OPENING = 1e-3
"""Metres of open edges that a body may have and still show nothing of its inside: a hair's root has half of that."""

LARGEST = 0.25
"""Metres: cameras are not inside a body that is no longer than this. A room's walls are seen from within."""

THIN = 1e-4
"""Metres: of a body with less volume than this times its area, a hair, the far side is as good as the near one. Hairs
may be twisted or inside out."""


def is_closed(mesh: Mesh) -> bool:
    """Whether every edge of a mesh belongs to two triangles, seams of its texture aside."""
    _, triangles = welded(mesh.positions, mesh.triangles)
    edges = np.sort(trimesh.geometry.faces_to_edges(triangles), axis=1)
    return len(edges) == 2 * len(trimesh.grouping.group_rows(edges, require_count=2))


def hides_back_sides(mesh: Mesh) -> bool:
    """Whether no camera sees a triangle from behind.

    So it is where every connected body is a surface without forks, closed but for `OPENING`, no longer than `LARGEST`,
    whose triangles face outwards unless it is `THIN`.
    """
    places, triangles = welded(mesh.positions, mesh.triangles)
    edges = trimesh.geometry.faces_to_edges(triangles)
    if len(trimesh.grouping.group_rows(edges, require_count=1)) < len(edges):
        return False  # two triangles on the same side of an edge: a fork, or neighbours that face different ways
    bodies = connected(edges, len(places))
    ends = edges[trimesh.grouping.group_rows(np.sort(edges, axis=1), require_count=1)]
    lengths = np.linalg.norm(places[ends[:, 1]] - places[ends[:, 0]], axis=1)
    if (np.bincount(bodies[ends[:, 0]], lengths) > OPENING).any():
        return False
    lowest, highest = np.full((2, bodies.max(initial=-1) + 1, 3), [[[np.inf]], [[-np.inf]]])
    np.minimum.at(lowest, bodies, places)
    np.maximum.at(highest, bodies, places)
    if (highest - lowest > LARGEST).any():
        return False
    # Signed volumes, about a place of the body itself: what is missing of a small opening is small then.
    _, first = np.unique(bodies, return_index=True)
    body = bodies[triangles[:, 0]]
    corners = places[triangles]
    normals = trimesh.triangles.cross(corners)
    away = corners[:, 0] - places[first[body]]
    volumes = np.bincount(body, (away * normals).sum(axis=1) / 6.0)
    areas = np.bincount(body, np.linalg.norm(normals, axis=1) / 2.0)
    return bool((volumes >= -THIN * areas).all())
