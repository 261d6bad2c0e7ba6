"""The lining under dense hair: above the skin, of the hair's colour, and not where hair parts."""

from functools import cache

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from app.arrays import F64, Bools
from app.scene.avatar import hair, hairline, shape
from app.scene.avatar.hair_roots import piecewise, roots
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.scalp_cap import cap
from app.scene.model import Mesh, Part

LONG = {"hair.length": 0.7, "hair.melanin": 0.9}


@cache
def head() -> HeadShape:
    return shape.build(Person())


def lining(values: dict[str, float]) -> Mesh | None:
    """What is under the hair of somebody's head."""
    person, table = Person(values, seed=4), roots("scalp", head().skin)
    kept, strong = hairline.growing(person, table)
    bearing = np.where(kept, np.minimum(2.0 * strong, 1.0), 0.0)
    return cap(head().skin, table, bearing, hairline.parting(person, table))


def part_of(values: dict[str, float]) -> Part | None:
    """The same as a part of the person."""
    return next((each for each in hair.build(Person(values, seed=4), head()) if each.name == "hair_lining"), None)


def test_long_dense_hair_has_one() -> None:
    part, skin = part_of(LONG), head().skin
    assert part is not None and part.hair and not part.sparse_hair
    above = cKDTree(skin.positions + 3e-4 * skin.normals).query(part.mesh.positions)[0] < 2e-6
    assert above.sum() > 1000
    for bare in ({"hair.length": 0.1}, {"hair.density": 0.4}):
        assert part_of(LONG | bare) is None


def test_it_covers_what_bears_hair() -> None:
    values = LONG | {"hair.recession": 0.3}  # hair is weaker around bald places, and ends there
    part, own = part_of(values), lining(values)
    assert part is not None and own is not None
    assert np.array_equal(part.mesh.positions, own.positions)


def test_it_is_dull() -> None:
    """Gloss of a closed surface looks like plastic where strands leave gaps."""
    part, strands = part_of(LONG), hair.build(Person(LONG, seed=4), head())[0]
    assert part is not None
    assert part.material.roughness == 1.0 > strands.material.roughness
    own, theirs = (((each.material.ior - 1.0) / (each.material.ior + 1.0)) ** 2 for each in (part, strands))
    assert own < 0.1 * theirs  # reflectance from the front


def covered(mesh: Mesh, places: F64) -> Bools:
    """Which places (K,3) have the lining within 0.4 mm."""
    corners = mesh.positions[mesh.triangles].astype(np.float64)
    near = cKDTree(corners.mean(axis=1)).query(places, k=40)[1]
    closest = trimesh.triangles.closest_point(corners[near.ravel()], np.repeat(places, 40, axis=0))
    distance = np.linalg.norm(closest.reshape(-1, 40, 3) - places[:, None], axis=2)
    return np.asarray(distance.min(axis=1) < 4e-4)


@pytest.mark.parametrize("parting", [-0.5, 0.0, 0.5])
def test_skin_shows_along_a_thin_line_where_hair_parts(parting: float) -> None:
    mesh, table = lining(LONG | {"hair.parting": parting}), roots("scalp", head().skin)
    assert mesh is not None
    aside, gap = hairline.parting(Person(LONG | {"hair.parting": parting}, seed=4), table)
    on_top = (gap > 0.0) & (table.elevation > 70.0) & (table.rest[:, 2] > -22.0)
    assert (gap[on_top] > 0.5).all() and (gap[on_top] < 1.3).all()  # mm: triangles know it at their corners only
    bare, beside = on_top & (np.abs(aside) < 0.3), on_top & (np.abs(aside) > 1.6) & (np.abs(aside) < 12.0)
    assert np.ptp(gap[on_top]) > 0.4  # ragged
    assert bare.sum() > 0 and beside.sum() > 100
    assert not covered(mesh, table.positions[bare]).any()
    assert covered(mesh, table.positions[beside]).all()


def test_the_parting_ends_towards_the_crown() -> None:
    mesh, table = lining(LONG), roots("scalp", head().skin)
    assert mesh is not None
    aside, _ = hairline.parting(Person(LONG), table)
    behind = (np.abs(aside) < 3.0) & (table.rest[:, 2] < -40.0) & (table.rest[:, 1] > 20.0)
    assert behind.sum() > 50 and covered(mesh, table.positions[behind]).all()


def test_ears_have_none() -> None:
    mesh, table = lining(LONG | {"hair.swept": 1.0}), roots("scalp", head().skin)
    assert mesh is not None
    away = cKDTree(table.positions).query(mesh.positions.astype(np.float64))[0]
    assert away.max() < 7e-3  # from where hair may grow


def test_hair_that_does_not_part_covers_everything() -> None:
    mesh, table = lining(LONG | {"hair.swept": 1.0}), roots("scalp", head().skin)
    assert mesh is not None
    assert covered(mesh, table.positions[(table.elevation > 80.0) & (table.rest[:, 1] > 60.0)]).all()


def test_it_ends_where_hair_gets_sparse() -> None:
    mesh, table = lining(LONG | {"hair.swept": 1.0}), roots("scalp", head().skin)
    assert mesh is not None
    height = table.rest[:, 1] - piecewise(table.azimuth, hairline.HAIRLINE)  # mm above the hair's edge
    assert not covered(mesh, table.positions[height < -1.0]).any()
    assert covered(mesh, table.positions[height > 15.0]).all()


def test_its_triangles_look_outwards_and_belong_together() -> None:
    mesh = lining(LONG)
    assert mesh is not None
    a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    normals = np.cross(b - a, c - a)
    ahead = (normals * mesh.normals[mesh.triangles].sum(axis=1)).sum(axis=1)
    area = 0.5 * np.linalg.norm(normals, axis=1)
    assert (ahead[area > 1e-9] > 0.0).all()
    used = np.unique(mesh.triangles)
    assert len(used) == len(mesh.positions)  # no vertex without a triangle
    assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1.0).max() < 1e-5


def test_where_nothing_grows_there_is_none() -> None:
    table = roots("scalp", head().skin)
    nothing = np.zeros(len(table))
    assert cap(head().skin, table, nothing, (nothing, nothing)) is None


def test_it_is_as_dark_or_white_as_the_hair() -> None:
    dark, white = (part_of(LONG | {"hair.greying": grey}) for grey in (0.0, 1.0))
    assert dark is not None and white is not None
    assert 4.0 * max(dark.material.albedo) < min(white.material.albedo)
