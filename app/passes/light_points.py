"""The points at which light is gathered: texels of the face's UV square, and the vertices of everything else."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.arrays import F32, F64, I64, Bools
from app.gpu import Struct
from app.network.schema import SIGMA_WIDE
from app.passes.bent_normals import bent_normals
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_FACE, MASK_SOLID, MASK_SPARSE_HAIR
from app.scene.open_border import distance_to_border, open_border
from app.scene.uv_raster import gutter_sources, rasterize_uv

# Metres from brows, lashes and beards within which light rays meet them. Elsewhere they hide next to nothing, and as
# rays through thin strands are slow, they would double the cost. Hair that keeps within it of the skin is short.
HAIR_REACH = 0.012
# Places along the list of a part's vertices, and rows of texels of skin, that say whether hair is short. So few that it
# takes no time, but not fewer: were texels far apart, all hair would seem to be far from them.
_HAIR_PLACES = 500
_SKIN_ROWS = 256
_CURVE = 64  # texels along the square of a curve that goes through texels; a power of two
# Of a Gaussian, from where the skin ends, as below the neck: from farther away nothing of the light is lost there.
BORDER_DEVIATIONS = 4.0

CACHE_POINT = Struct(
    "CachePoint",
    [
        ("position", "vec3"),
        ("area", "float"),  # m2 of skin that a texel stands for; 0 in the gutter and for vertices
        ("normal", "vec3"),  # of skin: bent by the normal map, on average over the texel
        ("traced", "uint"),
        ("geometric_normal", "vec3"),
        ("face", "uint"),
        ("material", "uint"),
        ("mean_free_path", "vec3"),  # metres
        ("anywhere", "uint"),  # whether rays start anywhere in the texel, against patterns of fine shadows
        ("ray_mask", "uint"),  # what hides light
        ("to_border", "float"),  # metres to where the skin ends, as far as it matters; not of fine texels
        ("two_sided", "uint"),  # whether lights are looked for on both sides of a vertex
        ("hair", "uint"),  # whether it is a vertex of hair
        ("start", "vec2"),  # of its sequences of directions, 0..1: see `_spread_starts`
    ],
)


def face_texels(scene: SceneBuffers, size: int) -> NDArray[Any]:
    """Points at the middles of size * size texels of the light cache's square (`SceneBuffers.light_uvs`)."""
    texels = np.zeros((size, size), CACHE_POINT.dtype)
    owner = np.full((size, size), -1)  # the part that covers a texel
    rasters = {}
    for index, (part, mesh, light_uvs) in enumerate(zip(scene.parts, scene.meshes, scene.light_uvs, strict=True)):
        if part.face:
            rasters[index] = rasterize_uv(light_uvs, mesh.triangles, size)
            owner[rasters[index].covered] = index
    rows, columns, near_skin = gutter_sources(owner >= 0)
    # The gutter is of what lies nearest, whichever part that is of.
    of_part = np.where(near_skin, owner[rows, columns], -1)
    for index, raster in rasters.items():
        part, mesh, light_uvs = scene.parts[index], scene.meshes[index], scene.light_uvs[index]
        wanted = of_part == index
        nearest = rows[wanted], columns[wanted]  # of each texel that is wanted, N in all
        triangle, w = mesh.triangles[raster.triangle[nearest]], raster.barycentric[nearest]
        weights = np.concatenate([1.0 - w.sum(axis=1, keepdims=True), w], axis=1)
        corners, normals = mesh.positions[triangle], mesh.normals[triangle]
        position, normal = _weighted(weights, corners), _weighted(weights, normals)
        normal /= np.maximum(_lengths(normal), 1e-12)[:, None]
        edges = corners[:, 1:] - corners[:, :1]
        cross = np.cross(edges[:, 0], edges[:, 1])
        length = _lengths(cross)
        geometric = cross / np.maximum(length, 1e-20)[:, None]
        geometric *= np.where(np.einsum("nd,nd->n", geometric, normal) < 0.0, -1.0, 1.0)[:, None]
        # Lift the point onto the smooth surface, as shaders/include/surface.glsl does (Hanika 2021).
        below = np.minimum(np.einsum("ncd,ncd->nc", position[:, None] - corners, normals), 0.0)
        lifted = position - _weighted(weights * below, normals)
        in_cache = light_uvs[triangle]
        d1, d2 = np.moveaxis(in_cache[:, 1:] - in_cache[:, :1], 1, 0)
        uv_area = np.abs(d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0])
        shape, material = normal, part.material
        if material.normal_map is not None:
            uv = mesh.uvs[triangle]
            place, uv_edges = _weighted(weights, uv), uv[:, 1:] - uv[:, :1]
            shape = bent_normals(material.normal_map, material.normal_scale, place, shape, edges, uv_edges, size)
        area = length / np.maximum(uv_area, 1e-12) / (size * size)
        texels["position"][wanted] = lifted
        texels["normal"][wanted], texels["geometric_normal"][wanted] = shape, geometric
        texels["area"][wanted] = np.where(owner[wanted] == index, area, 0.0)
        texels["traced"][wanted] = texels["face"][wanted] = 1
        texels["material"][wanted] = index
        texels["mean_free_path"][wanted] = np.array(material.mean_free_path) * 1e-3
    texels["ray_mask"] = MASK_FACE | MASK_SOLID
    hairs = [(part, mesh.positions) for part, mesh in zip(scene.parts, scene.meshes, strict=True) if part.hair]
    near = _near(texels, [positions for part, positions in hairs if part.sparse_hair])
    texels["ray_mask"][near] |= MASK_SPARSE_HAIR
    # Single hairs shade less than a texel, long hair more than one: what lies below it is not what is seen beside it.
    others = [positions for part, positions in hairs if not part.sparse_hair and _is_short(positions, texels)]
    texels["anywhere"] = near | _near(texels, others)
    texels["start"] = _spread_starts(hilbert_order(size))
    return texels.ravel()


def _spread_starts(order: NDArray[np.integer]) -> F32:
    """Starts (..., 2) for points in an order in which neighbours follow each other.

    They are an additive recurrence, so those of any neighbours are spread evenly, and a blur over these has less noise
    than over random ones. It is another recurrence than that of the samples of a point (`spread` in
    shaders/include/light_gathering.glsl), or neighbours would look where a point's own next samples do.
    """
    return (order[..., None] * np.sqrt([2.0, 3.0]) % 1.0).astype(np.float32)


def hilbert_order(size: int) -> I64:
    """The order (size, size) of texels along Hilbert's curve, begun anew in every square of _CURVE texels."""
    row, column = np.indices((size, size)) % _CURVE
    order = np.zeros((size, size), np.int64)
    half = _CURVE // 2
    while half > 0:
        right, lower = (column & half) // half, (row & half) // half
        order += half * half * (3 * right ^ lower)
        turned = lower == 0  # a quarter of the curve is turned, another one turned and mirrored
        mirrored = turned & (right == 1)
        column, row = (np.where(mirrored, _CURVE - 1 - axis, axis) for axis in (column, row))
        column, row = np.where(turned, row, column), np.where(turned, column, row)
        half //= 2
    return order


def _weighted(weights: NDArray[Any], corners: NDArray[Any]) -> NDArray[Any]:
    """Sums (N, D) of what the corners (N, 3, D) of triangles have, each times its weight (N, 3)."""
    sums: NDArray[Any] = np.einsum("nc,ncd->nd", weights, corners)  # a sum along a short axis takes ten times as long
    return sums


def _lengths(vectors: NDArray[Any]) -> NDArray[Any]:
    lengths: NDArray[Any] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return lengths


def _to_border(scene: SceneBuffers, texels: NDArray[Any]) -> F32:
    """Metres from texels (S, S) to where the skin ends, as far as it matters; below 0 in the gutter, beyond it.

    So a bilinear look-up falls to 0 at the end itself, which no texel's middle need be near.
    """
    size, traced = len(texels), texels["traced"] > 0
    distance = np.zeros((size, size), np.float32)
    if not traced.any():
        return distance
    reach = max(BORDER_DEVIATIONS * SIGMA_WIDE * float(texels["mean_free_path"].max()), 1e-5)
    distance[traced] = distance_to_border(texels["position"][traced], _end_of_skin(scene), reach)
    covered = texels["area"] > 0.0
    rows, columns, _ = gutter_sources(covered)
    here = np.arange(size)
    behind = np.clip(2 * rows - here[:, None], 0, size - 1), np.clip(2 * columns - here, 0, size - 1)
    nearest = distance[rows, columns]
    return nearest - np.where(covered[behind], np.maximum(distance[behind] - nearest, 0.0), 0.0).astype(np.float32)


def _end_of_skin(scene: SceneBuffers) -> F64:
    """Edges (K, 2, 3) where the skin of all face parts together ends: parts may be sewn to each other."""
    faces = [mesh for part, mesh in zip(scene.parts, scene.meshes, strict=True) if part.face]
    first = np.cumsum([0] + [len(mesh.positions) for mesh in faces])
    triangles = [mesh.triangles.astype(np.int64) + start for mesh, start in zip(faces, first, strict=False)]
    return open_border(np.concatenate([mesh.positions for mesh in faces]), np.concatenate(triangles))


def _near(texels: NDArray[Any], hairs: list[NDArray[Any]]) -> Bools:
    """Which texels lie within HAIR_REACH of hairs."""
    near = np.zeros(texels.shape, bool)
    if hairs:
        shaded = texels["traced"] > 0
        tree = cKDTree(np.concatenate(hairs))
        near[shaded] = np.isfinite(tree.query(texels["position"][shaded], distance_upper_bound=HAIR_REACH)[0])
    return near


def _is_short(hair: NDArray[Any], texels: NDArray[Any]) -> bool:
    """Whether most of the hair lies within HAIR_REACH of the skin."""
    step = max(len(texels) // _SKIN_ROWS, 1)
    some = texels[::step, ::step]
    skin = cKDTree(some["position"][some["traced"] > 0])
    distance = skin.query(hair[:: max(len(hair) // _HAIR_PLACES, 1)])[0]
    return bool(np.quantile(distance, 0.9) < HAIR_REACH)


def gathering_points(scene: SceneBuffers, size: int, *, background: bool) -> NDArray[Any]:
    """Points to gather light at: texels, then the vertices of background parts, from their `vertex_offsets` on."""
    texels = face_texels(scene, size)
    texels["to_border"] = _to_border(scene, texels.reshape(size, size)).ravel()
    groups = [texels]
    for index, (part, mesh) in enumerate(zip(scene.parts, scene.meshes, strict=True)):
        if part.face or not background:
            continue
        points = np.zeros(len(mesh.positions), CACHE_POINT.dtype)
        points["position"], points["normal"] = mesh.positions, mesh.normals
        points["geometric_normal"], points["traced"] = mesh.normals, 1
        points["ray_mask"], points["hair"] = MASK_FACE | MASK_SOLID, part.hair
        points["start"] = _spread_starts(np.arange(len(points)))
        # Of what is clear, the first boundary shows.
        points["two_sided"] = scene.shows_back_sides[index] and part.material.transmission == 0.0
        groups.append(points)
    return np.concatenate(groups)


def vertex_offsets(scene: SceneBuffers) -> dict[int, int]:
    """Where the vertices of each background part start among those of all of them."""
    background = [index for index, part in enumerate(scene.parts) if not part.face]
    counts = [len(scene.meshes[index].positions) for index in background]
    return dict(zip(background, np.cumsum([0, *counts]).tolist(), strict=False))
