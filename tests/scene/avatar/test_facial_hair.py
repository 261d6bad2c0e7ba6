"""Beards, brows and lashes grow where and as their dials say."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.arrays import F64
from app.scene.avatar import beard, brows, hair, hair_color, lashes, shape
from app.scene.avatar.hair_distance import SkinDistance
from app.scene.avatar.hair_roots import Roots, roots
from app.scene.avatar.head_shape import Eye, HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.strands import tubes
from app.scene.model import Part


@cache
def head(browInnerUp: float = 0.0) -> HeadShape:
    return shape.build(Person({"expression.browInnerUp": browInnerUp}))


def part(parts: tuple[Part, ...], name: str) -> Part:
    return next(part for part in parts if part.name == name)


def test_beard_regions() -> None:
    def bearing(**values: float) -> Roots:
        only = {"hair.density": 0.0, "beard.density": 1.0}
        person = Person(only | {f"beard.{k}": v for k, v in values.items()}, seed=4)
        mesh = part(hair.build(person, head()), "beard").mesh
        table = roots("beard", head().skin)
        return table[np.unique(cKDTree(table.positions).query(mesh.positions[::3])[1])]

    moustache = bearing(chin=0.0, cheeks=0.0).rest
    assert moustache[:, 1].min() > -68.0 and np.abs(moustache[:, 0]).max() < 36.0
    goatee = bearing(moustache=0.0, cheeks=0.0).rest
    assert goatee[:, 1].max() < -58.0 and np.abs(goatee[:, 0]).max() < 45.0
    whole = bearing()
    assert len(whole) > len(bearing(cheeks=0.5)) > len(bearing(cheeks=0.0))
    beside_the_nose = (whole.azimuth > 20.0) & (whole.azimuth < 50.0)
    assert -60.0 < whole.rest[beside_the_nose, 1].max() < -45.0  # mm


def test_beards_hang_as_far_as_they_are_long_and_turn_grey() -> None:
    table, skin, long = roots("beard", head().skin), SkinDistance(head().skin), []
    for length, grey in ((0.2, 0.0), (0.5, 0.0), (0.9, 1.0)):
        dials = {"beard.density": 1.0, "beard.length": length, "hair.greying": grey}
        hairs = beard.strands(Person(dials, seed=4), table, skin)
        assert hairs is not None
        assert (hairs.points[:, -1, 1] < hairs.points[:, 0, 1]).mean() > 0.95
        assert (hair_color.WHITE_FIBRES[hairs.band] == grey * hair_color.FIBRES).all()
        long.append(np.linalg.norm(np.diff(hairs.points, axis=1), axis=2).sum(axis=1).mean())
    assert 0.002 < long[0] < 0.01 < long[1] < 0.03 < long[2]  # metres


def test_brows_follow_a_raised_brow() -> None:
    low, high = (part(hair.build(Person(), head(up)), "brows").mesh for up in (0.0, 1.0))
    skin = head(1.0).skin.positions[:, 1].max()
    rise = (high.positions - low.positions)[:, 1]
    inner = np.abs(low.positions[:, 0]) < 0.025
    assert rise[inner].mean() > 1e-3
    assert low.positions.shape == high.positions.shape and high.positions[:, 1].max() < skin


def test_brows_follow_their_dials_on_both_sides() -> None:
    def hairs(**values: float) -> tuple[F64, F64]:
        found = brows.strands(Person({f"brow.{k}": v for k, v in values.items()}, seed=4), head().skin)
        assert found is not None
        return found.points[:, 0], found.points[:, -1] - found.points[:, 0]

    root, way = hairs()
    assert (root[:, 0] > 0.0).mean() == 0.5  # as many on the left
    assert root[:, 1].min() > 0.007 and root[:, 1].max() < 0.026  # metres above the eyes
    assert (np.sign(root[:, 0]) * way[:, 0] > 0.0).mean() > 0.95  # they grow outward

    def peak(**values: float) -> F64:
        root, _ = hairs(**values)
        return np.asarray(root[np.abs(np.abs(root[:, 0]) - 0.038) < 0.006, 1])

    assert peak(arch=1.0).mean() > peak(arch=-1.0).mean() + 2e-3
    assert peak(thickness=1.0).std() > 2.0 * peak(thickness=0.0).std()
    short, long = (np.linalg.norm(hairs(length=x)[1], axis=1).mean() for x in (0.0, 1.0))
    assert long > 1.8 * short


def brow_height(values: dict[str, float]) -> float:
    """Of a brow's middle, hairs included, in millimetres."""
    found = brows.strands(Person(values, seed=4), shape.build(Person(values)).skin)
    assert found is not None
    x, y, _ = 1e3 * found.points[found.points[:, 0, 0] > 0.0].reshape(-1, 3).T
    middle = x.min() + np.array([0.35, 0.45, 0.55]) * np.ptp(x)
    return float(np.mean([np.ptp(np.quantile(y[np.abs(x - at) < 1.5], [0.025, 0.975])) for at in middle]))


@pytest.mark.parametrize(("gender", "least", "most"), [(0.0, 6.1, 7.5), (1.0, 8.6, 10.3)])
def test_brows_are_as_high_as_in_life(gender: float, least: float, most: float) -> None:
    who = {"person.gender": gender, "person.age": 35.0}
    assert 6.2 < brow_height(who) < 8.2  # with dials at their defaults
    base = who | {"person.african": 0.0, "person.asian": 0.0, "person.european": 1.0}
    drawn = [hair.sample(np.random.default_rng(seed), base) for seed in range(60)]
    names = ("brow.density", "brow.thickness", "brow.length", "brow.arch")
    usual = {name: float(np.mean([values[name] for values in drawn])) for name in names}
    assert least < brow_height(who | usual) < most


def test_lashes_stand_off_their_lid_and_fan_outward() -> None:
    def ways(length: float, eye: Eye) -> tuple[F64, F64]:
        found = lashes.strands(Person({"lash.length": length}, seed=4), head().eyes)
        assert found is not None
        own = np.linalg.norm(found.points[:, 0] - eye.center, axis=1) < 0.03
        return found.points[own, 0], (found.points[:, -1] - found.points[:, 0])[own]

    for eye in head().eyes:
        root, way = ways(0.5, eye)
        assert way[:, 2].min() > 0.0
        assert np.corrcoef(root[:, 1], way[:, 1])[0, 1] > 0.8  # up on the upper lid, down on the lower one
        assert np.corrcoef(root[:, 0], way[:, 0])[0, 1] > 0.8
        short, long = (np.linalg.norm(ways(length, eye)[1], axis=1).mean() for length in (0.0, 1.0))
        assert long > 1.5 * short


def test_lashes_look_outwards() -> None:
    mesh = part(hair.build(Person(), head()), "lashes").mesh
    a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    facing = (np.cross(b - a, c - a) * mesh.normals[mesh.triangles].sum(axis=1)).sum(axis=1)
    assert (facing > 0.0).mean() > 0.999


@pytest.mark.parametrize("mascara", [0.0, 1.0])
@pytest.mark.parametrize("length", [0.0, 0.5, 1.0])
def test_lashes_do_not_twist(length: float, mascara: float) -> None:
    """From ring to ring a vertex stays on its side of the hair."""
    dials = {"lash.length": length, "lash.mascara": mascara, "lash.density": 1.0}
    found = lashes.strands(Person(dials, seed=4), head().eyes)
    assert found is not None
    count, rings = found.points.shape[:2]
    wall = tubes(found).positions.reshape(count, -1, 3)[:, :-1].reshape(count, rings - 1, 3, 3).astype(np.float64)
    arms = wall - wall.mean(axis=2, keepdims=True)
    arms /= np.linalg.norm(arms, axis=-1, keepdims=True)
    assert (arms[:, 1:] * arms[:, :-1]).sum(axis=-1).min() > 0.85


def test_mascara_thickens_and_blackens_lashes() -> None:
    bare, made_up = (part(hair.build(Person({"lash.mascara": x}, seed=4), head()), "lashes") for x in (0.0, 1.0))
    assert len(made_up.mesh.triangles) > len(bare.mesh.triangles)
    assert max(made_up.material.albedo) < 0.5 * max(bare.material.albedo)
