"""The light cache's layout: as even as a rubber sheet can be, and a mesh's own where that is even enough."""

from dataclasses import replace

import numpy as np
import pytest

from app.arrays import F32, F64, Bools
from app.scene import even_layout
from app.scene.assets import DEFAULT_HEAD
from app.scene.even_layout import even_uvs
from app.scene.meshes import load_mesh
from app.scene.model import Mesh
from tests.primitives import uv_sphere


def sheet(u_of_x: F64, rows: int = 3) -> Mesh:
    """A flat square metre; x is evenly spaced and has these u."""
    x, y = np.meshgrid(np.linspace(0.0, 1.0, len(u_of_x)), np.linspace(0.0, 1.0, rows))
    across, n = np.arange(len(u_of_x) - 1), len(u_of_x)
    corner = (across + n * np.arange(rows - 1)[:, None]).ravel()
    triangles = np.concatenate(
        [np.stack(t, 1) for t in ((corner, corner + 1, corner + n), (corner + 1, corner + n + 1, corner + n))]
    )
    positions = np.stack([x, y, 0.0 * x], axis=-1).reshape(-1, 3)
    uvs = np.stack([np.tile(u_of_x, rows), y.ravel()], axis=-1)
    return Mesh.of(positions, triangles, uvs=uvs)


def stretches(mesh: Mesh, uvs: F32) -> tuple[F64, F64]:
    """Of every triangle: the area in space, and how many metres a length of 1 of the square is at most."""
    (e1, e2), (d1, d2) = (
        (of[:, 1] - of[:, 0], of[:, 2] - of[:, 0])
        for of in (mesh.positions[mesh.triangles].astype(float), uvs[mesh.triangles].astype(float))
    )
    jacobian = np.stack([e1, e2], axis=-1) @ np.linalg.pinv(np.stack([d1, d2], axis=-1))
    return 0.5 * np.linalg.norm(np.cross(e1, e2), axis=1), np.linalg.norm(jacobian, ord=2, axis=(1, 2))


def turns(mesh: Mesh, uvs: F32) -> Bools:
    """Which triangles run anticlockwise in the square."""
    a, b, c = np.moveaxis(uvs[mesh.triangles].astype(float), 1, 0)
    (x1, y1), (x2, y2) = (b - a).T, (c - a).T
    return np.asarray(x1 * y2 > x2 * y1)


@pytest.fixture(scope="module")
def head() -> Mesh:
    return next(part.mesh for part in load_mesh(DEFAULT_HEAD) if part.face)


def test_a_head_has_no_texel_that_is_centimetres_long(head: Mesh) -> None:
    (uvs,) = even_uvs([head])
    area, before = stretches(head, head.uvs)
    after = stretches(head, uvs)[1]
    longest = [
        np.sort(of)[np.searchsorted(np.cumsum(area[np.argsort(of)]), 0.98 * area.sum())] for of in (before, after)
    ]
    assert longest[0] > 0.030 * 256 and longest[1] < 0.006 * 256  # of 98% of the skin, by texels of 256x256
    face = head.positions[head.triangles].mean(axis=1)[:, 2] > 0.04
    assert np.average(after[face], weights=area[face]) < 1.25 * np.average(before[face], weights=area[face])


def test_texels_of_the_face_are_as_long_as_pages_say(head: Mesh) -> None:
    """At their longest: docs/avatars.md has the skin's own and those of the light cache."""
    (uvs,) = even_uvs([head])
    face = head.positions[head.triangles].mean(axis=1)[:, 2] > 0.04
    of_skin, of_light = (np.quantile(stretches(head, of)[1][face], (0.25, 0.5, 0.75)) for of in (head.uvs, uvs))
    assert 0.35e-3 < of_skin[0] / 1024 < of_skin[2] / 1024 < 0.5e-3
    assert 0.9e-3 < of_light[1] / 512 < 1.3e-3 and 1.8e-3 < of_light[1] / 256 < 2.6e-3


def test_nothing_is_folded_over_or_leaves_the_square(head: Mesh) -> None:
    (uvs,) = even_uvs([head])
    assert uvs.min() >= 0.0 and uvs.max() <= 1.0
    assert (turns(head, uvs) == turns(head, head.uvs)).mean() > 0.9999
    inside = (head.uvs > 0.0) & (head.uvs < 1.0)
    assert ((uvs > 0.0) & (uvs < 1.0))[inside].all()


def test_a_squeezed_sheet_is_spread_out() -> None:
    squeezed = np.where(np.linspace(0.0, 1.0, 65) < 0.5, 0.1, 1.0)
    u = np.concatenate([[0.0], np.cumsum(squeezed)])
    mesh = sheet(u / u[-1])
    (uvs,) = even_uvs([mesh])
    before, after = (
        [np.median(half) for half in np.array_split(np.diff(of[: len(u), 0]), 2)] for of in (mesh.uvs, uvs)
    )
    assert before[1] > 9.0 * before[0] and after[1] < 2.0 * after[0]
    assert np.abs(uvs[:, 1] - mesh.uvs[:, 1]).max() < 0.02


def test_an_even_layout_is_kept() -> None:
    for mesh in (sheet(np.linspace(0.0, 1.0, 9)), uv_sphere(0.1)):
        assert np.array_equal(even_uvs([mesh])[0], mesh.uvs)


def test_parts_that_share_a_square_move_together(head: Mesh) -> None:
    """Cut in two, a head is laid out as in one piece."""
    left = head.positions[head.triangles].mean(axis=1)[:, 0] < 0.0
    halves = [replace(head, triangles=head.triangles[half]) for half in (left, ~left)]
    one, two = even_uvs(halves)
    assert np.array_equal(one, two)
    assert np.abs(one - even_uvs([head])[0]).max() < 2e-3


@pytest.mark.parametrize("uvs", [np.zeros((3, 2)), np.full((3, 2), 2.0)])
def test_what_covers_nothing_is_left_alone(uvs: F64) -> None:
    mesh = Mesh.of(np.eye(3), np.array([[0, 1, 2]]), uvs=uvs)
    assert np.array_equal(even_uvs([mesh])[0], mesh.uvs)


def test_the_slope_is_that_of_the_stretch() -> None:
    rng = np.random.default_rng(5)
    n = even_layout.CELLS
    line = np.linspace(0.0, 1.0, n + 1)
    nodes = np.stack(np.meshgrid(line, line), axis=-1)
    nodes[1:-1, 1:-1] += rng.uniform(-0.2, 0.2, (n - 1, n - 1, 2)) / n
    root = rng.normal(size=(n, n, 2, 2))
    product = root @ root.swapaxes(-1, -2)
    metric = np.stack([product[..., 0, 0], product[..., 0, 1], product[..., 1, 1]], axis=-1)
    weight = rng.random((n, n))
    value, slope = even_layout._stretch(metric, weight, nodes)
    assert np.isfinite(value)
    direction = rng.normal(size=nodes.shape)
    direction[:, [0, -1], 0] = direction[[0, -1], :, 1] = 0.0
    step = 1e-7 * direction
    ahead, behind = (even_layout._stretch(metric, weight, nodes + sign * step)[0] for sign in (1.0, -1.0))
    assert (ahead - behind) / 2e-7 == pytest.approx((slope * direction).sum(), rel=1e-4)


def test_a_fold_is_infinitely_stretched() -> None:
    line = np.linspace(0.0, 1.0, even_layout.CELLS + 1)
    nodes = np.stack(np.meshgrid(line, line), axis=-1)
    nodes[5, 5, 0] = nodes[5, 7, 0]
    cells = (even_layout.CELLS, even_layout.CELLS)
    assert even_layout._stretch(np.ones((*cells, 3)) * (1.0, 0.0, 1.0), np.ones(cells), nodes)[0] == np.inf
