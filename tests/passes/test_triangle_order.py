"""The order of triangles that makes plain halving a good bounding volume hierarchy."""

import numpy as np
import pytest

from app.arrays import F32
from app.passes.triangle_order import triangle_order
from tests.primitives import uv_sphere


def _surface_area_cost(corners: F32) -> float:
    """Sum of the boxes' areas over the tree of halved runs: what a random line has to look at."""
    if len(corners) == 1:
        return 0.0
    size = np.ptp(corners.reshape(-1, 3), axis=0)
    middle = (len(corners) + 1) // 2
    area = float(size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    return area + _surface_area_cost(corners[:middle]) + _surface_area_cost(corners[middle:])


@pytest.mark.parametrize("count", [1, 2, 3, 5, 64, 257])
def test_it_is_a_permutation(count: int) -> None:
    corners = np.random.default_rng(count).random((count, 3, 3), np.float32)
    assert sorted(triangle_order(corners)) == list(range(count))


def test_equal_and_flat_triangles_are_no_trouble() -> None:
    assert sorted(triangle_order(np.zeros((9, 3, 3), np.float32))) == list(range(9))
    flat = np.random.default_rng(0).random((100, 3, 3), np.float32) * (1, 1, 0)
    assert sorted(triangle_order(flat)) == list(range(100))


def test_a_shuffled_sphere_becomes_better_than_the_modelled_one() -> None:
    mesh = uv_sphere()
    corners = mesh.positions[mesh.triangles]
    shuffled = corners[np.random.default_rng(0).permutation(len(corners))]
    ordered = _surface_area_cost(shuffled[triangle_order(shuffled)])
    assert ordered < 0.6 * _surface_area_cost(corners)
    assert ordered < 0.1 * _surface_area_cost(shuffled)
