"""Hair grows where it should, stays outside the head, keeps to its budget, and follows its dials."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.arrays import F64, Bools
from app.errors import InputError
from app.scene.assets import DEFAULT_HEAD
from app.scene.avatar import hair, hair_color, hair_roots, hairline, scalp, shape
from app.scene.avatar.hair_distance import SkinDistance
from app.scene.avatar.hair_roots import places, roots
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.strands import Strands, ribbons, thinned
from app.scene.meshes import load_mesh
from app.scene.model import Mesh, Part

STYLES: dict[str, dict[str, float]] = {
    "cropped": {"hair.length": 0.1},
    "short": {"hair.length": 0.35},
    "long": {"hair.length": 0.95, "hair.volume": 1.0},
    "wavy": {"hair.length": 0.8, "hair.wave": 1.0},
    "coils": {"hair.length": 0.45, "hair.curl": 1.0},
    "curls": {"hair.length": 0.35, "hair.curl": 0.4},
    "long curls": {"hair.length": 0.8, "hair.curl": 0.4},
    "fringe": {"hair.length": 0.6, "hair.fringe": 1.0},
    "back": {"hair.length": 0.5, "hair.swept": 1.0},
    "beard": {"hair.length": 0.0, "beard.density": 1.0, "beard.length": 0.7},
    "stubble": {"hair.length": 0.2, "hair.recession": 0.8, "beard.density": 1.0},
}
SHORT = ("cropped", "short", "curls", "stubble")


@cache
def head() -> HeadShape:
    return shape.build(Person())


@cache
def distance() -> SkinDistance:
    return SkinDistance(head().skin)


@pytest.fixture(autouse=True, scope="module")
def _one_grid_a_head() -> Iterator[None]:
    """Hair grows on a few heads here, over and over."""
    made: dict[int, SkinDistance] = {}

    def distance_to(skin: Mesh) -> SkinDistance:
        if id(skin) not in made:
            made[id(skin)] = SkinDistance(skin)  # heads are kept, so their addresses stay theirs
        return made[id(skin)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hair, "SkinDistance", distance_to)
        yield


@cache
def built(style: str) -> tuple[Part, ...]:
    return hair.build(Person(STYLES[style], seed=4), head())


def grown(values: Mapping[str, float]) -> tuple[Strands, ...]:
    strands = scalp.strands(Person(values, seed=4), roots("scalp", head().skin), distance())
    assert strands
    return strands


def at(strands: tuple[Strands, ...], share: float) -> F64:
    """(S,3) the point of each strand that follows such a share of its points."""
    return np.concatenate([alike.points[:, round(share * (alike.points.shape[1] - 1))] for alike in strands])


def points(strands: tuple[Strands, ...]) -> F64:
    """(P,3) of all strands."""
    return np.concatenate([alike.points.reshape(-1, 3) for alike in strands])


def lengths(strands: tuple[Strands, ...]) -> F64:
    return np.concatenate([np.linalg.norm(np.diff(a.points, axis=1), axis=2).sum(axis=1) for a in strands])


def corners(strands: tuple[Strands, ...]) -> list[F64]:
    """Of strands with K points each, (S,K-2) degrees by which they turn at them."""

    def turned(alike: Strands) -> F64:
        segments = np.diff(alike.points, axis=1)
        segments /= np.linalg.norm(segments, axis=2, keepdims=True)
        return np.asarray(np.degrees(np.arccos(np.clip((segments[:, 1:] * segments[:, :-1]).sum(axis=2), -1.0, 1.0))))

    return [turned(alike) for alike in strands]


def total(corners: list[F64]) -> F64:
    """(S,) degrees by which strands turn in all."""
    return np.concatenate([each.sum(axis=1) for each in corners])


def part(parts: tuple[Part, ...], name: str) -> Part:
    return next(part for part in parts if part.name == name)


def colors(of: Part) -> F64:
    """Mean encoded colour (3,) that the vertices of a part pick from its atlas."""
    assert of.material.albedo_map is not None
    pixels = of.material.albedo_map.pixels
    at = np.clip((of.mesh.uvs * pixels.shape[:2]).astype(int), 0, pixels.shape[0] - 1)
    return np.asarray(pixels[pixels.shape[0] - 1 - at[:, 1], at[:, 0]].mean(axis=0))


@pytest.mark.parametrize("name", ["scalp", "beard"])
def test_roots_are_found_again_on_the_canonical_head(name: str) -> None:
    skin = next(part.mesh for part in load_mesh(DEFAULT_HEAD) if part.face)
    found = roots(name, skin)
    assert np.abs(found.positions * 1e3 - found.rest).max() < 0.06  # the table's places are rounded
    assert np.allclose(np.linalg.norm(found.normals, axis=1), 1.0)


def test_roots_move_with_the_skin() -> None:
    skin = head().skin
    turned = Mesh(skin.positions[:, [2, 1, 0]] * 1.5 + 0.1, skin.normals[:, [2, 1, 0]], skin.uvs, skin.triangles)
    before, after = roots("scalp", skin), roots("scalp", turned)
    assert np.allclose(after.positions, before.positions[:, [2, 1, 0]] * 1.5 + 0.1, atol=1e-6)


def test_places_of_the_map_are_found() -> None:
    skin = head().skin
    face = np.flatnonzero((np.abs(skin.uvs - 0.5) < 0.2).all(axis=1))[::7]
    positions, normals = places(skin.uvs[face].astype(np.float64), skin)
    assert np.abs(positions - skin.positions[face]).max() < 1e-6
    assert np.abs(normals - skin.normals[face]).max() < 1e-3


@pytest.mark.parametrize("style", STYLES)
def test_no_strand_enters_the_head(style: str) -> None:
    skin = head().skin
    positions, normals = skin.positions.astype(np.float64), skin.normals.astype(np.float64)
    for each in built(style):
        if each.name == "hair_lining":  # no strand
            continue
        if each.name == "lashes":  # their roots lie in the lids' rims, which bend sharply
            continue
        # Roots lie on facets, a little below the tangent planes of the corners; the cap lies on the skin as a whole.
        points = each.mesh.positions[each.mesh.uvs[:, 1] > 0.1].astype(np.float64)
        away, nearest = cKDTree(positions).query(points)
        height = np.einsum("kd,kd->k", points - positions[nearest], normals[nearest])
        # A ribbon's edges may dip by a part of its width; the line itself is held outside.
        assert height[away < 0.01].min() > -0.5e-3, each.name


@pytest.mark.parametrize("style", STYLES)
def test_budget(style: str) -> None:
    count = len(part(built(style), "hair").mesh.triangles)
    assert 1000 < count <= (60_000 if style in SHORT else 120_000)
    for name, most in (("brows", 15_000), ("lashes", 12_000), ("beard", 80_000)):
        assert sum(len(each.mesh.triangles) for each in built(style) if each.name == name) <= most


def test_parts_are_hair_and_opaque() -> None:
    for each in built("beard"):
        assert each.sparse_hair == (each.name != "hair")
        assert each.material.alpha_mode == "opaque"
        assert np.allclose(np.linalg.norm(each.mesh.normals, axis=1), 1.0, atol=1e-4)
    assert [each.name for each in built("beard")] == ["hair", "brows", "lashes", "beard"]


def test_a_seed_decides_everything() -> None:
    one, same = built("wavy"), hair.build(Person(STYLES["wavy"], seed=4), head())
    other = hair.build(Person(STYLES["wavy"], seed=5), head())
    for a, b in zip(one, same, strict=True):
        assert a.mesh.positions.tobytes() == b.mesh.positions.tobytes()
        assert a.mesh.uvs.tobytes() == b.mesh.uvs.tobytes()
        if a.material.albedo_map is not None and b.material.albedo_map is not None:
            assert a.material.albedo_map.pixels.tobytes() == b.material.albedo_map.pixels.tobytes()
    assert not np.array_equal(one[0].mesh.positions, other[0].mesh.positions)


def test_length_lengthens_down_to_the_cut() -> None:
    means = [lengths(grown({"hair.length": x, "hair.fade": 0.0})).mean() for x in (0.1, 0.3, 0.5, 0.7)]
    assert np.all(np.diff(means) > 0.5 * np.array(means[:-1]))
    assert points(grown({"hair.length": 1.0}))[:, 1].min() > scalp.FLOOR - 0.04


def test_density_adds_strands() -> None:
    counts = [len(lengths(grown({"hair.density": x}))) for x in (0.2, 0.6, 1.0)]
    assert counts[1] == pytest.approx(3 * counts[0], rel=0.01)
    assert counts[2] == pytest.approx(5 * counts[0], rel=0.01)


def test_volume_lifts() -> None:
    def height(volume: float) -> float:
        middle = at(grown({"hair.length": 0.6, "hair.volume": volume, "hair.wave": 0.0}), 0.5)
        return float(np.median(distance().sample(middle)[0]))

    assert height(1.0) > height(0.0) + 0.003


@pytest.mark.parametrize("parting", [-0.8, 0.8])
def test_hair_falls_to_either_side_of_the_parting(parting: float) -> None:
    strands = grown({"hair.length": 0.7, "hair.wave": 0.0, "hair.parting": parting})
    root = at(strands, 0.0)
    way, beside = (at(strands, 0.5) - root)[:, 0], root[:, 0] - 0.035 * np.sign(parting)
    front = (root[:, 1] > 0.085) & (root[:, 2] > 0.0) & (np.abs(beside) > 0.012)
    assert (np.sign(way) == np.sign(beside))[front].mean() > 0.95


def test_hair_is_swept_forward_and_back() -> None:
    def ahead(swept: float) -> float:
        strands = grown({"hair.length": 0.5, "hair.wave": 0.0, "hair.swept": swept})
        root = at(strands, 0.0)
        front = (root[:, 1] > 0.08) & (root[:, 2] > 0.02)
        return float((at(strands, 1.0) - root)[front, 2].mean())

    assert ahead(-1.0) > 0.03 > -0.03 > ahead(1.0)


def test_waves_bend_more_than_straight_hair() -> None:
    straight, waved = (np.median(total(corners(grown({"hair.length": 0.7, "hair.wave": w})))) for w in (0.0, 1.0))
    assert waved > 3.0 * straight


@pytest.mark.parametrize("curl", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("length", [0.3, 0.45, 0.7])
def test_curls_are_round(curl: float, length: float) -> None:
    """Strands turn, and without corners that would show."""
    turned = corners(grown({"hair.length": length, "hair.curl": curl}))
    straight = corners(grown({"hair.length": length, "hair.curl": 0.0, "hair.wave": 0.0}))
    assert np.median(total(turned)) > max(90.0, 2.0 * np.median(total(straight)))
    assert np.quantile(np.concatenate([each.ravel() for each in turned]), 0.9) < 53.0


def test_longer_coils_have_more_points_and_no_more_triangles() -> None:
    short, long = (grown({"hair.length": length, "hair.curl": 1.0}) for length in (0.3, 0.5))
    assert len(points(long)) / len(lengths(long)) > 1.5 * len(points(short)) / len(lengths(short))
    triangles = [sum(len(ribbons(alike).triangles) for alike in strands) for strands in (short, long)]
    assert triangles[1] == pytest.approx(triangles[0], rel=0.01)
    widest = [max(alike.width.max() for alike in strands) for strands in (short, long)]
    assert widest[1] > 1.2 * widest[0]  # fewer strands are to cover as much


@pytest.mark.parametrize("style", ["short", "long", "coils"])
def test_longer_strands_of_a_head_have_more_points(style: str) -> None:
    groups = grown(STYLES[style])
    counts = [alike.points.shape[1] for alike in groups]
    means = [lengths((alike,)).mean() for alike in groups]
    assert len(groups) > 1
    assert np.corrcoef(counts, means)[0, 1] > 0.9


def test_thinned_lines_keep_their_ends_and_their_bends() -> None:
    t = np.linspace(0.0, 1.0, 50)
    hook = np.stack([np.maximum(t - 0.2, 0.0), np.minimum(t, 0.2), 0.0 * t], axis=1)[None]
    kept = thinned(hook, 6)
    assert np.array_equal(kept[:, [0, -1]], hook[:, [0, -1]])
    assert np.linalg.norm(kept[0] - [0.0, 0.2, 0.0], axis=1).min() < 0.03


def test_fade_crops_the_sides_only() -> None:
    def mean_length(fade: float, top: bool) -> float:
        strands = grown({"hair.length": 0.35, "hair.fade": fade})
        return float(lengths(strands)[(at(strands, 0.0)[:, 1] > 0.07) == top].mean())

    assert mean_length(1.0, top=False) < 0.6 * mean_length(0.0, top=False)
    assert mean_length(1.0, top=True) > 0.9 * mean_length(0.0, top=True)


def test_fringe_covers_the_forehead_and_spares_the_eyes() -> None:
    def in_front(fringe: float) -> F64:
        hair = points(grown({"hair.length": 0.6, "hair.fringe": fringe, "hair.wave": 0.0}))
        face = (np.abs(hair[:, 0]) < 0.035) & (hair[:, 2] > 0.06)
        return np.asarray(hair[face & (hair[:, 1] < 0.045)])

    assert len(in_front(1.0)) > 20 * max(1, len(in_front(0.0)))
    assert in_front(1.0)[:, 1].min() > 0.005


def test_hair_does_not_hang_into_the_face() -> None:
    for style in ("long", "wavy"):
        hair = points(grown(STYLES[style]))
        eyes_to_chin = (np.abs(hair[:, 0]) < 0.045) & (hair[:, 2] > 0.06) & (hair[:, 1] < 0.03)
        assert np.count_nonzero(eyes_to_chin & (hair[:, 1] > -0.1)) < 0.002 * len(hair)


def test_the_forehead_is_bare_below_the_hairline() -> None:
    table = roots("scalp", head().skin)
    kept, (x, y, z) = hairline.growing(Person(seed=4), table)[0], table.rest.T
    front = (np.abs(x) < 25) & (z > 40)
    assert kept[front & (y < 58)].mean() < 0.05 < 0.95 < kept[front & (y > 74)].mean()


def test_recession_takes_temples_then_crown_and_leaves_the_sides() -> None:
    table = roots("scalp", head().skin)
    x, y, z = table.rest.T
    temples = (np.abs(np.abs(x) - 42) < 8) & (z > 40) & (y > 66)
    crown = np.linalg.norm(table.rest - hairline.CROWN, axis=1) < 20
    sides = (np.abs(x) > 62) & (y < 30) & (y > -10) & (z < 20)

    def share(recession: float, where: Bools) -> float:
        return float(hairline.growing(Person({"hair.recession": recession}), table)[0][where].mean())

    assert [round(share(r, crown)) for r in (0.0, 0.3, 0.7)] == [1, 1, 0]
    assert share(0.35, temples) < 0.5 < share(0.0, temples)
    assert share(1.0, sides) > 0.9


def test_greying_and_melanin_lighten_and_darken() -> None:
    def mean(**values: float) -> float:
        thin = {"hair.length": 0.3, "hair.density": 0.3}
        person = Person(thin | {f"hair.{k}": v for k, v in values.items()}, seed=4)
        return float(colors(part(hair.build(person, head()), "hair")).mean())

    assert mean(melanin=0.9) < mean(melanin=0.9, greying=0.5) < mean(melanin=0.9, greying=1.0)
    assert mean(melanin=0.9) < mean(melanin=0.6) < mean(melanin=0.2)


@pytest.mark.parametrize("grey", [0.0, 0.4, 1.0])
def test_a_head_is_as_grey_as_greying_says(grey: float) -> None:
    strands = grown({"hair.length": 0.3, "hair.greying": grey})
    white = np.concatenate([hair_color.WHITE_FIBRES[alike.band] for alike in strands]) / hair_color.FIBRES
    assert grey - 0.01 <= white.mean() <= grey**0.7 + 0.01
    front, back = at(strands, 0.0)[:, 2] > 0.03, at(strands, 0.0)[:, 2] < 0.0
    assert white[front].mean() > white[back].mean() + 0.1 or grey in (0.0, 1.0)  # temples are ahead


@pytest.mark.parametrize("style", ["short", "long", "beard"])
def test_ribbons_shade_as_what_looks_away_from_the_head(style: str) -> None:
    for each in built(style):
        if each.name in ("hair", "brows", "beard"):
            outward = distance().sample(each.mesh.positions.astype(np.float64))[1]
            assert ((each.mesh.normals * outward).sum(axis=1) > 0.0).mean() > 0.95, each.name


def test_clean_shaven_and_bare() -> None:
    nothing = {"hair.density": 0.0, "brow.density": 0.0, "lash.density": 0.0, "beard.density": 0.0}
    assert hair.build(Person(nothing), head()) == ()


def test_a_missing_or_damaged_table_of_roots_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hair_roots, "TABLE", tmp_path / "roots.npz")
    hair_roots._table.cache_clear()
    with pytest.raises(InputError, match=r"roots\.npz: where the avatars' hair grows is missing"):
        hair.build(Person(seed=1), head())
    for what in (b"", b"PK\x03\x04 and no more"):
        (tmp_path / "roots.npz").write_bytes(what)
        with pytest.raises(InputError, match=r"roots\.npz: is not where the avatars' hair grows"):
            hair.build(Person(seed=1), head())


def test_samples_are_plausible() -> None:
    def people(count: int = 150, **base: float) -> list[dict[str, float]]:
        shares = {"african": 0.0, "asian": 0.0, "european": 0.0} | base
        values = {f"person.{name}": value for name, value in shares.items()}
        return [hair.sample(np.random.default_rng(seed), values) for seed in range(count)]

    def median(drawn: list[dict[str, float]], name: str) -> float:
        return float(np.median([values[name] for values in drawn]))

    women, men = (people(gender=g, age=30.0, european=1.0) for g in (0.0, 1.0))
    old = people(gender=1.0, age=75.0, european=1.0)
    assert max(v["hair.recession"] for v in people(gender=0.0, age=75.0, european=1.0)) < 0.1
    asian, african = people(gender=1.0, age=30.0, asian=1.0), people(gender=1.0, age=30.0, african=1.0)
    assert median(women, "hair.length") > median(men, "hair.length") + 0.2
    assert max(v["hair.length"] for v in men) > min(v["hair.length"] for v in women)
    assert median(old, "hair.greying") > 0.5 > 0.1 > median(men, "hair.greying")
    assert median(old, "hair.recession") > median(men, "hair.recession") + 0.2
    assert median(african, "hair.curl") > 0.7 and max(v["hair.curl"] for v in asian) == 0.0
    assert min(v["hair.melanin"] for v in asian) > 0.8 > 0.3 > min(v["hair.melanin"] for v in men)
    assert 0.2 < np.mean(["beard.density" in v for v in men]) < 0.8
    assert not any("beard.density" in v for v in women)
    for values in (*women, *men, *old, *asian, *african):
        Person(values)  # in range, and known
    assert people(3, gender=1.0, age=40.0, asian=1.0) == people(3, gender=1.0, age=40.0, asian=1.0)
