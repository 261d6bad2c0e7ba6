"""Room for every place of the skin: a layout of the light cache's texels that is more even than a mesh's own UVs.

UV maps of heads give most of their square to the face. With the canonical layout of assets/head a texel of 256x256 is
1.8 mm long in front and 20 to 40 mm on the back of the head and at the nape, where shadows turn into combs. So the
square is warped, as a sheet of rubber would be, until the mean squared stretch of the map from the square to the
surface is least (the L2 stretch of Sander et al. 2001, "Texture Mapping Progressive Meshes", section 3). Warping keeps
what lies side by side side by side, so islands and their gutters stay what they are.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy import sparse
from scipy.ndimage import map_coordinates
from scipy.sparse.linalg import splu

from app.arrays import F32, F64
from app.scene.model import Mesh
from app.scene.uv_raster import gutter_sources, rasterize_uv

CELLS = 64  # of the warp, along an edge of the square; it is bilinear within them
# A place counts by its area in space to this power times its area in the square: at 1 all skin is alike, at 0 a layout
# keeps all of the room that its maker gave to the face.
EVENNESS = 0.5
WORTHWHILE = 1.5  # a layout whose mean squared stretch falls by less than this factor stays as it is
_SAMPLES = 4  # along an edge of a cell
_BESIDE = 0.05  # weight of the square's places that show nothing, so that islands do not run into each other
_STEPS, _ENOUGH, _MEMORY = 200, 1e-5, 12  # of the minimiser (L-BFGS): at most, relative gain of the last, remembered


def even_uvs(meshes: Sequence[Mesh]) -> list[F32]:
    """Where the vertices of face meshes that share a UV square lie in the light cache's.

    Args:
        meshes: in the same space, in metres.

    Returns:
        (V, 2) for each mesh, in 0..1 where its UVs are; the UVs themselves if those are even enough.
    """
    own = [mesh.uvs for mesh in meshes]
    sampled = _metric(meshes)
    if sampled is None:
        return own
    warp, gain = _least_stretch(*sampled)
    return own if gain < WORTHWHILE else [_warped(warp, uvs) for uvs in own]


def _warped(warp: F64, uvs: F32) -> F32:
    place = np.clip(uvs.astype(np.float64), 0.0, 1.0).T[::-1] * CELLS
    moved = np.stack([map_coordinates(warp[..., axis], place, order=1) for axis in (0, 1)], axis=-1)
    # What leaves the square, which _check_layout of app/scene/meshes.py warns about, still does.
    return (moved + (uvs - np.clip(uvs, 0.0, 1.0))).astype(np.float32)


def _metric(meshes: Sequence[Mesh]) -> tuple[F64, F64] | None:
    """Of the map from the square to the surface, by cell: metric (C, C, 3), du.du, du.dv and dv.dv; weight (C, C).

    None if the meshes cover nothing of the square.
    """
    size = CELLS * _SAMPLES
    covered, metric = np.zeros((size, size), bool), np.zeros((size, size, 3))
    for mesh in meshes:
        raster = rasterize_uv(mesh.uvs, mesh.triangles, size)
        corners, uvs = (of[mesh.triangles].astype(np.float64) for of in (mesh.positions, mesh.uvs))
        (e1, e2), (d1, d2) = ((of[:, 1] - of[:, 0], of[:, 2] - of[:, 0]) for of in (corners, uvs))
        det = (d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0])[:, None]
        det = np.where(np.abs(det) > 1e-14, det, np.inf)
        du, dv = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) / det, (e2 * d1[:, :1] - e1 * d2[:, :1]) / det
        of_triangle = np.stack([(du * du).sum(-1), (du * dv).sum(-1), (dv * dv).sum(-1)], axis=-1)
        metric[raster.covered] = of_triangle[raster.triangle[raster.covered]]
        covered |= raster.covered
    if not covered.any():
        return None
    rows, columns, _ = gutter_sources(covered)
    metric = metric[rows, columns]
    area = np.sqrt(np.maximum(metric[..., 0] * metric[..., 2] - metric[..., 1] ** 2, 0.0)) + 1e-12
    weight = np.where(covered, area, _BESIDE * area) ** EVENNESS
    blocks = (CELLS, _SAMPLES, CELLS, _SAMPLES)
    of_cell = weight.reshape(blocks).mean(axis=(1, 3))
    mean = (weight[..., None] * metric).reshape(*blocks, 3).mean(axis=(1, 3)) / of_cell[..., None]
    of_cell /= of_cell.sum()
    return mean / (of_cell * (mean[..., 0] + mean[..., 2])).sum(), of_cell


def _stretch(metric: F64, weight: F64, nodes: F64) -> tuple[float, F64]:
    """Mean squared stretch of a warp, and its slope by node; infinite if a cell is folded over.

    With W the warp's Jacobian and M the metric it is the weighted mean of trace(W^-T M W^-1).
    """
    a, b, c, d = nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, :-1], nodes[1:, 1:]
    corners = ((b - a, c - a), (b - a, d - b), (d - c, c - a), (d - c, d - b))
    if min((one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]).min() for one, other in corners) <= 0.0:
        return np.inf, np.zeros_like(nodes)
    half = 0.5 * CELLS
    (xu, yu), (xv, yv) = (np.moveaxis(half * of, -1, 0) for of in (b - a + d - c, c - a + d - b))
    uu, uv, vv = np.moveaxis(metric, -1, 0)
    det = xu * yv - xv * yu
    share = weight / (det * det)
    trace = uu * (xv * xv + yv * yv) - 2.0 * uv * (xu * xv + yu * yv) + vv * (xu * xu + yu * yu)
    by_det = 2.0 * trace / det
    along_u = share * np.stack([2.0 * (vv * xu - uv * xv) - by_det * yv, 2.0 * (vv * yu - uv * yv) + by_det * xv])
    along_v = share * np.stack([2.0 * (uu * xv - uv * xu) + by_det * yu, 2.0 * (uu * yv - uv * yu) - by_det * xu])
    along_u, along_v = (half * np.moveaxis(of, 0, -1) for of in (along_u, along_v))
    slope = np.zeros_like(nodes)
    slope[:-1, :-1] -= along_u + along_v
    slope[:-1, 1:] += along_u - along_v
    slope[1:, :-1] += along_v - along_u
    slope[1:, 1:] += along_u + along_v
    slope[:, [0, -1], 0] = slope[[0, -1], :, 1] = 0.0  # the square's sides stay where they are
    return float((share * trace).sum()), slope


def _smoothing() -> Callable[[F64], F64]:
    """The inverse of the grid's Laplace matrix, with the sides of the square held: far nodes move together."""
    count = CELLS + 1
    step = sparse.diags_array([-np.ones(CELLS), np.ones(CELLS)], offsets=[0, 1], shape=(CELLS, count))
    line, identity = step.T @ step, sparse.eye_array(count)
    laplace = (sparse.kron(identity, line) + sparse.kron(line, identity)).tocsr()
    solvers = []
    for axis in (0, 1):
        free = np.ones((count, count), bool)
        free[:, [0, -1]] = axis == 1
        free[[0, -1]] &= axis == 0
        inner = np.flatnonzero(free)
        solvers.append((inner, splu(laplace[inner][:, inner].tocsc()).solve))

    def smooth(slope: F64) -> F64:
        result = np.zeros((count * count, 2))
        for axis, (inner, solve) in enumerate(solvers):
            result[inner, axis] = solve(slope[..., axis].ravel()[inner])
        return result.reshape(slope.shape)

    return smooth


def _least_stretch(metric: F64, weight: F64) -> tuple[F64, float]:
    """The warp (CELLS + 1, CELLS + 1, 2), where the nodes of a grid go, and by which factor stretch falls.

    L-BFGS (Nocedal 1980) that starts from smoothed slopes and halves steps that fold a cell over. SciPy's has
    neither a preconditioner nor a way back from infinity.
    """
    stretch, smooth = partial(_stretch, metric, weight), _smoothing()
    line = np.linspace(0.0, 1.0, CELLS + 1)
    nodes = np.stack(np.meshgrid(line, line), axis=-1)
    before, slope = stretch(nodes)
    now, past = before, list[tuple[F64, F64]]()
    for _ in range(_STEPS):
        direction, shares = slope.copy(), []
        for moved, turned in reversed(past):
            shares.append(float((moved * direction).sum() / (moved * turned).sum()))
            direction -= shares[-1] * turned
        direction = smooth(direction)
        if past:
            moved, turned = past[-1]
            direction *= (moved * turned).sum() / (turned * smooth(turned)).sum()
        else:
            direction *= 0.02 / max(np.abs(direction).max(), 1e-12)
        for (moved, turned), share in zip(past, reversed(shares), strict=True):
            direction += moved * (share - (turned * direction).sum() / (moved * turned).sum())
        downhill, length = float((slope * direction).sum()), 1.0
        if downhill <= 0.0:
            break
        after, next_slope = stretch(nodes - direction)
        while after > now - 1e-4 * length * downhill and length > 1e-6:
            length *= 0.5
            after, next_slope = stretch(nodes - length * direction)
        if after >= now:
            break
        moved, turned = -length * direction, next_slope - slope
        if (moved * turned).sum() > 1e-14:
            past = [*past, (moved, turned)][-_MEMORY:]
        enough = now - after < _ENOUGH * now
        nodes, slope, now = nodes + moved, next_slope, after
        if enough:
            break
    return nodes, before / now
