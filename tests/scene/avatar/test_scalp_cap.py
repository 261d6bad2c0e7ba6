"""The lining under dense hair: above the skin, of the hair's colour, and not where hair parts."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.arrays import F64
from app.scene.avatar import hair, shape
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person

LONG = {"hair.length": 0.7, "hair.melanin": 0.9}


@cache
def head() -> HeadShape:
    return shape.build(Person())


def lining(values: dict[str, float]) -> tuple[F64, F64]:
    """Positions (N,3), 0.3 mm above vertices of the skin, and encoded colours (N,3)."""
    part, skin = hair.build(Person(values, seed=4), head())[0], head().skin
    assert part.name == "hair" and part.material.albedo_map is not None
    pixels = part.material.albedo_map.pixels
    above = cKDTree(skin.positions + 3e-4 * skin.normals).query(part.mesh.positions)[0] < 2e-6
    u, v = (part.mesh.uvs[above] * len(pixels)).astype(int).T
    return part.mesh.positions[above].astype(np.float64), pixels[len(pixels) - 1 - v, u].astype(np.float64)


def test_long_dense_hair_has_one() -> None:
    assert len(lining(LONG)[0]) > 500
    for bare in ({"hair.length": 0.1}, {"hair.density": 0.4}):
        assert len(lining(LONG | bare)[0]) == 0


@pytest.mark.parametrize("parting", [-0.5, 0.5])
def test_skin_shows_along_the_parting(parting: float) -> None:
    x, y, z = lining(LONG | {"hair.parting": parting})[0].T
    front = (z > 0.0) & (y > 0.08)
    parted, other = (front & (np.abs(x - side * 0.019) < 0.005) for side in np.sign((parting, -parting)))
    assert not parted.any() and other.sum() > 5


def test_it_is_as_dark_or_white_as_the_hair() -> None:
    dark, white = (lining(LONG | {"hair.greying": grey})[1].mean() for grey in (0.0, 1.0))
    assert 2.0 * dark < white
