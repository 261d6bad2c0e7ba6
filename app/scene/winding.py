"""Which way a face's triangles look."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.scene.model import Mesh, Part

_INWARDS = 0.01  # signed volume over area^1.5, 0.094 of a ball: a flat patch of a face is not turned by chance


def facing_outwards(parts: list[Part], path: Path) -> list[Part]:
    """Return the parts with the face's triangles and normals turned round, and a warning, where they look inwards."""
    meshes = [part.mesh.with_transform(part.transform) for part in parts if part.face]
    corners = np.concatenate([mesh.positions[mesh.triangles] for mesh in meshes]).astype(np.float64)
    middles, crosses = corners.mean(axis=1), np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = 0.5 * np.linalg.norm(crosses, axis=1)
    if not 0.0 < areas.sum() < np.inf:
        raise InputError(f"{path}: its face is scaled or placed so far away that numbers are not exact enough for it.")
    center = np.average(middles, axis=0, weights=areas)
    if ((middles - center) * crosses).sum() / 6.0 >= -_INWARDS * areas.sum() ** 1.5:
        return parts
    warnings.warn(f"{path}: the triangles of its face look inwards: they are turned round.", stacklevel=3)
    return [replace(part, mesh=_reversed(part.mesh)) if part.face else part for part in parts]


def _reversed(mesh: Mesh) -> Mesh:
    triangles = mesh.triangles[:, ::-1]
    corners = mesh.positions[triangles]
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outwards = (crosses[:, None] * mesh.normals[triangles]).sum() > 0.0  # a file's own normals may be right
    return replace(mesh, triangles=triangles, normals=mesh.normals if outwards else -mesh.normals)
