"""Which heads are unwrapped alike, whatever their triangles, shape, size and pose."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.arrays import F32, F64, Bools
from app.scene.assets import DEFAULT_HEAD
from app.scene.meshes import load_mesh
from app.scene.model import Mesh, Part
from app.scene.uv_layout import GRID, UvLayout, canonical_layout
from app.training.avatars import Avatars
from tests.scene.foreign_head import write_foreign_head


@pytest.fixture(scope="module")
def head() -> Part:
    """The default head's skin."""
    (part,) = (part for part in load_mesh(DEFAULT_HEAD) if part.face)
    return part


def rotation(axis: int, degrees: float) -> F64:
    """(4,4) turn about an axis, 0..2."""
    a, b = [i for i in range(3) if i != axis]
    turn = np.eye(4)
    turn[a, a] = turn[b, b] = math.cos(math.radians(degrees))
    turn[b, a] = math.sin(math.radians(degrees))
    turn[a, b] = -turn[b, a]
    return turn


def with_vertices(part: Part, matrix: F64) -> Part:
    """The part with vertices moved by a (4,4) matrix."""
    return replace(part, mesh=part.mesh.with_transform(matrix))


def with_uvs(part: Part, change: Callable[[F32], F32]) -> Part:
    """The part with other texture coordinates."""
    return replace(part, mesh=replace(part.mesh, uvs=change(part.mesh.uvs)))


def cut(part: Part, kept: Bools) -> Part:
    """The part with some of its triangles."""
    mesh = part.mesh
    return replace(part, mesh=Mesh.of(mesh.positions, mesh.triangles[kept], mesh.normals, mesh.uvs))


@pytest.mark.parametrize("seed", [0, 1, 25])
def test_people_with_all_expressions_have_the_default_heads_layout(seed: int) -> None:
    people = Avatars()
    layout = UvLayout.of(people.parts(people.draw(seed, seed + 7)))
    assert layout.matches(canonical_layout()) and canonical_layout().matches(layout)
    assert not layout.matches_turned(canonical_layout())


@pytest.mark.parametrize("name", ["head.glb", "head.obj", "head.ply"])
def test_a_foreign_head_has_another_layout_and_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    layout = UvLayout.of(load_mesh(write_foreign_head(tmp_path / name)))
    assert not layout.matches(canonical_layout()) and not layout.matches_turned(canonical_layout())
    assert layout.matches(UvLayout.of(load_mesh(write_foreign_head(tmp_path / "other.glb", scale=1000.0))))


@pytest.mark.parametrize(
    "change",
    [
        lambda uvs: uvs * [-1, 1] + [1, 0],
        lambda uvs: uvs * [1, -1] + [0, 1],
        lambda uvs: 1 - uvs,
        lambda uvs: uvs[:, ::-1] * [-1, 1] + [1, 0],
        lambda uvs: uvs[:, ::-1],
        lambda uvs: uvs * 0.85,
        lambda uvs: uvs + np.array([0.05, 0]),
    ],
    ids=["mirrored", "upside down", "turned by 180", "turned by 90", "transposed", "smaller", "shifted"],
)
def test_other_layouts_of_the_same_head_are_told_apart(head: Part, change: Callable[[F32], F32]) -> None:
    layout = UvLayout.of([with_uvs(head, change)])
    assert not layout.matches(canonical_layout())
    assert not layout.matches_turned(canonical_layout())


@pytest.mark.parametrize(("axis", "degrees"), [(0, 90.0), (0, -90.0), (1, 180.0), (1, 90.0), (2, 90.0), (1, 45.0)])
def test_a_turned_head_is_told_from_another_layout(head: Part, axis: int, degrees: float) -> None:
    turned = UvLayout.of([with_vertices(head, rotation(axis, degrees))])
    assert not turned.matches(canonical_layout())
    assert turned.matches_turned(canonical_layout()) and canonical_layout().matches_turned(turned)


def test_a_mirrored_head_is_not_a_turned_one(head: Part) -> None:
    mirrored = UvLayout.of([with_vertices(head, np.diag([-1.0, 1, 1, 1]))])
    assert not mirrored.matches(canonical_layout()) and not mirrored.matches_turned(canonical_layout())


@pytest.mark.parametrize(
    ("node", "vertices"),
    [
        (rotation(1, 90.0), np.eye(4)),
        (rotation(0, -90.0) @ np.diag([0.01, 0.01, 0.01, 1.0]), np.eye(4)),
        (np.diag([1000.0, 1000.0, 1000.0, 1.0]), np.eye(4)),
        (np.diag([-1.0, 1, 1, 1]), np.diag([-1.0, 1, 1, 1])),
        (np.eye(4), rotation(1, 8.0)),
        (np.diag([1.2, 1.0, 0.9, 1.0]), np.eye(4)),
    ],
    ids=["turned node", "turned and scaled node", "millimetres", "mirrored twice", "head held askew", "another shape"],
)
def test_what_a_node_does_to_the_whole_head_changes_nothing(head: Part, node: F64, vertices: F64) -> None:
    node = node.copy()
    node[:3, 3] = (3.0, -2.0, 1.0)
    assert UvLayout.of([replace(with_vertices(head, vertices), transform=node)]).matches(canonical_layout())


def test_a_mask_of_a_face_is_known(head: Part) -> None:
    """Without ears, the back of the head and the neck."""
    centers = head.mesh.positions[head.mesh.triangles].mean(axis=1)
    low, high = head.bounds()
    front = centers[:, 2] > 0.6 * high[2] + 0.4 * low[2]
    assert 0.05 < front.mean() < 0.7
    mask = UvLayout.of([cut(head, front)])
    assert mask.matches(canonical_layout()) and canonical_layout().matches(mask)


def test_a_face_in_several_parts_is_one_head(head: Part) -> None:
    left = head.mesh.positions[head.mesh.triangles].mean(axis=1)[:, 0] > 0.0
    halves = [cut(head, left), replace(head, face=False), cut(head, ~left)]  # what is not face has no say
    np.testing.assert_allclose(UvLayout.of(halves).positions, canonical_layout().positions, atol=1e-5)


def test_a_layout_with_nothing_in_the_square_matches_nothing(head: Part) -> None:
    nowhere = UvLayout.of([with_uvs(head, lambda uvs: uvs + 5)])
    assert nowhere.plain() == [None] * GRID**2
    assert not nowhere.matches(canonical_layout()) and not nowhere.matches_turned(canonical_layout())


def test_stored_and_read_again() -> None:
    stored = json.loads(json.dumps(canonical_layout().plain()))
    assert len(stored) == GRID**2 and None in stored
    again = UvLayout.parse(stored)
    np.testing.assert_allclose(again.positions, canonical_layout().positions, atol=0.006)
    assert again.matches(canonical_layout())
    assert again.plain() == stored


@pytest.mark.parametrize(
    "value", [None, 3, "x", [], [None], [[0, 0, 0]] * 255, [[0, 0]] * 256, [["a", 0, 0]] * 256, {"a": 1}]
)
def test_what_is_no_layout_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a UV layout is a list of 256 positions or nulls"):
        UvLayout.parse(value)
