"""Where a surface ends, and how far that is."""

import numpy as np
import pytest

from app.arrays import F64
from app.scene.assets import DEFAULT_HEAD
from app.scene.meshes import load_mesh
from app.scene.open_border import distance_to_border, open_border
from tests.primitives import uv_sphere

SQUARE = np.array([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.0)])


def as_set(border: F64) -> set[frozenset[tuple[float, ...]]]:
    return {frozenset(tuple(map(float, end)) for end in edge) for edge in border}


def test_a_square_ends_at_its_sides() -> None:
    border = open_border(SQUARE, [(0, 1, 2), (0, 2, 3)])
    assert as_set(border) == {frozenset({tuple(SQUARE[i]), tuple(SQUARE[(i + 1) % 4])}) for i in range(4)}


def test_vertices_at_the_same_place_are_one() -> None:
    """Texture seams split vertices, and do not end the surface."""
    split = np.concatenate([SQUARE, SQUARE + 1e-8])
    assert as_set(open_border(split, [(0, 1, 2), (4, 6, 7)])) == as_set(open_border(SQUARE, [(0, 1, 2), (0, 2, 3)]))


def test_triangles_without_corners_do_not_count() -> None:
    assert len(open_border(SQUARE, [(0, 1, 2), (0, 2, 3), (0, 2, 2)])) == 4
    assert open_border(SQUARE, np.zeros((0, 3), int)).shape == (0, 2, 3)


def test_closed_surfaces_do_not_end() -> None:
    sphere = uv_sphere(0.1, 12, 24)
    assert len(open_border(sphere.positions, sphere.triangles)) == 0


def test_every_piece_ends_at_its_longest_loop() -> None:
    """A plate with a hole, and another plate beside it."""
    inner = 0.4 + 0.2 * SQUARE
    frame = [t for i in range(4) for j in [(i + 1) % 4] for t in ((i, j, 4 + j), (i, 4 + j, 4 + i))]
    beside = [(8, 9, 10), (8, 10, 11)]
    positions = np.concatenate([SQUARE, inner, 0.1 * SQUARE + (3.0, 0.0, 0.0)])
    sides = [frozenset({tuple(p[i]), tuple(p[(i + 1) % 4])}) for p in (positions[:4], positions[8:]) for i in range(4)]
    assert as_set(open_border(positions, [*frame, *beside])) == set(sides)


def test_the_default_head_ends_below_the_neck() -> None:
    (face,) = (part.mesh for part in load_mesh(DEFAULT_HEAD) if part.face)
    border = open_border(face.positions, face.triangles)
    assert len(border) == 96 and (border[..., 1] < -0.11).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_distance_is_that_to_the_nearest_edge_up_to_the_reach(scale: float) -> None:
    rng = np.random.default_rng(3)
    border = open_border(scale * SQUARE, [(0, 1, 2), (0, 2, 3)])
    points = scale * (rng.random((4000, 3)) * (1.4, 1.4, 0.2) - (0.2, 0.2, 0.1))
    x, y, z = np.abs(points / scale - (0.5, 0.5, 0.0)).T
    inside = np.where(
        (x < 0.5) & (y < 0.5), 0.5 - np.maximum(x, y), np.hypot(np.maximum(x - 0.5, 0), np.maximum(y - 0.5, 0))
    )
    expected = scale * np.hypot(inside, z)
    reach = 0.25 * scale
    found = distance_to_border(points, border, reach)
    # Near corners the other edge may be taken for the nearest.
    assert np.abs(found - np.minimum(expected, reach)).max() < 0.02 * reach
    assert np.median(np.abs(found - np.minimum(expected, reach))) < 1e-9 * scale


def test_where_nothing_ends_everything_is_far_away() -> None:
    assert (distance_to_border(SQUARE, np.zeros((0, 2, 3)), 0.01) == 0.01).all()
