"""A dark lining under dense hair, so that no skin shines through between strands."""

import numpy as np
from scipy.spatial import cKDTree

from app.arrays import F64, I64
from app.scene.avatar.hair_roots import Roots
from app.scene.model import Mesh, normalized

_LIFT = 3e-4  # metres above the skin; strands start below and are kept above
_DENSE = 0.8  # share of the roots around a place that bear hair there, for it to be covered
_AROUND = 12  # roots that tell of a place
_REACH = 0.006  # metres to the nearest root at most


def cap(skin: Mesh, table: Roots, bearing: F64, parting: tuple[F64, F64]) -> Mesh | None:
    """The skin where hair is dense, a little raised; None where it is nowhere.

    Args:
        skin: of the head.
        table: all roots of the scalp.
        bearing: (R,) 0..1, how strong the hair of each root is; 0 where none grows.
        parting: (R,) how far each root lies beside the parting, and (R,) how far beside it nothing is covered.
    """
    scalp = cKDTree(table.positions)
    nearest, near = scalp.query(skin.positions, k=_AROUND)
    dense = np.where(nearest[:, 0] < _REACH, bearing[near].mean(axis=1), 0.0) - _DENSE
    corners = skin.triangles.astype(np.int64)
    corners = corners[(dense[corners] > 0.0).any(axis=1)]
    if not len(corners):
        return None
    used, triangles = np.unique(corners, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    positions = skin.positions[used] + _LIFT * skin.normals[used]
    beside = _continued(scalp, np.column_stack(parting), positions)
    # Every column is interpolated where triangles are cut.
    vertices = np.column_stack([positions, skin.normals[used], beside]).astype(np.float64)
    vertices, triangles = _beyond(vertices, triangles, dense[used])
    vertices, triangles = _open_along(vertices, triangles, vertices[:, 6], vertices[:, 7])
    used, triangles = np.unique(triangles, return_inverse=True)
    vertices = vertices[used]
    return Mesh.of(vertices[:, :3], triangles.reshape(-1, 3), normalized(vertices[:, 3:6]))


def _continued(places: cKDTree, values: F64, points: F64) -> F64:
    """Values (K,C) at `points` (K,3): the plane that fits those (R,C) of the nearest of `places` best, one a column."""
    _, near = places.query(points, k=_AROUND)
    around = places.data[near]
    middle, mean = around.mean(axis=1, keepdims=True), values[near].mean(axis=1, keepdims=True)
    away, rest = around - middle, values[near] - mean
    # Places lie nearly in a plane, across which nothing is known: little of the squared spread along it decides.
    square = np.einsum("kni,knj->kij", away, away)
    square += 1e-3 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    slope = np.linalg.solve(square, np.einsum("kni,knc->kic", away, rest))
    return np.asarray(mean[:, 0] + np.einsum("ki,kic->kc", points - middle[:, 0], slope))


def _open_along(vertices: F64, triangles: I64, aside: F64, gap: F64) -> tuple[F64, I64]:
    """Cut a strip out of triangles (T,3): what lies nearer to a line than `gap` (N,), `aside` (N,) being where.

    Returns:
        The vertices (N,C), with those of the cut behind them, and the triangles that are left.
    """
    parted = (gap[triangles] > 0.0).all(axis=1)
    left = [triangles[~parted]]
    for side in (-1.0, 1.0):
        vertices, kept = _beyond(vertices, triangles[parted], side * aside - gap)
        left.append(kept)
    return vertices, np.concatenate(left)


def _beyond(vertices: F64, triangles: I64, height: F64) -> tuple[F64, I64]:
    """The part of triangles (T,3) that is above 0 by `height` (N,), which the first N vertices have.

    Returns:
        As `_open_along`.
    """
    above = height[triangles] > 0.0
    count = above.sum(axis=1)
    kept = [triangles[count == 3]]
    for corners in (1, 2):
        cut = triangles[count == corners]
        # Turn each so that the corner that is alone on its side comes first.
        alone = (above[count == corners] == (corners == 1)).argmax(axis=1)
        a, b, c = (cut[np.arange(len(cut)), (alone + k) % 3] for k in range(3))
        first = len(vertices) + np.arange(len(cut))
        second = first + len(cut)
        share = [(height[a] / (height[a] - height[other]))[:, None] for other in (b, c)]
        cuts = [vertices[a] + s * (vertices[other] - vertices[a]) for s, other in zip(share, (b, c), strict=True)]
        vertices = np.concatenate([vertices, *cuts])
        pieces = [(a, first, second)] if corners == 1 else [(first, b, c), (first, c, second)]
        kept += [np.stack(piece, axis=1) for piece in pieces]
    return vertices, np.concatenate(kept)
