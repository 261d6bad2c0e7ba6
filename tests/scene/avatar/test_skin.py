"""A person's skin: its colours, what lies on it, and its relief."""

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from app.arrays import F64
from app.errors import InputError
from app.scene.assets import ASSETS
from app.scene.avatar import pigment, skin, skin_maps, wrinkles
from app.scene.avatar.marks import Marks, Spots, sprinkle
from app.scene.avatar.parameters import BY_NAME
from app.scene.avatar.person import Person
from app.scene.avatar.sample import sample
from app.scene.avatar.skin_maps import FINE, doubled, halved, load
from app.scene.model import Material, Texture

EUROPEAN = {"person.african": 0.0, "person.asian": 0.0, "person.european": 1.0}
AFRICAN = {"person.african": 1.0, "person.asian": 0.0, "person.european": 0.0}
GRIN = {f"expression.{name}{side}": 1.0 for name in ("mouthSmile", "cheekSquint") for side in ("Left", "Right")}


@lru_cache(maxsize=24)
def _material(*values: tuple[str, float], seed: int = 0, size: int = FINE) -> Material:
    return skin.material(Person(dict(values), seed), size)


def _pixels(texture: Texture | None) -> NDArray[Any]:
    assert texture is not None
    return texture.pixels


def linear(material: Material) -> F64:
    coded = _pixels(material.albedo_map) / 255.0
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def mean_over(image: F64, region: str) -> F64:
    maps = load().regions
    weight = doubled(maps[region] * (1 - maps["inside"]) * (1 - maps["scalp"])).astype(np.float64) ** 2
    return np.asarray((image * weight[..., None]).sum(axis=(0, 1)) / weight.sum())


def test_a_seed_decides_every_byte() -> None:
    values = (("skin.moles", 1.0), ("skin.freckles", 0.5), ("person.age", 70.0))
    first, again = _material(*values), skin.material(Person(dict(values)))
    for name in ("albedo_map", "roughness_map", "normal_map"):
        assert _pixels(getattr(first, name)).tobytes() == _pixels(getattr(again, name)).tobytes()
    assert _pixels(first.albedo_map).tobytes() != _pixels(_material(*values, seed=1).albedo_map).tobytes()


def test_maps_and_factors() -> None:
    material = _material()
    shapes = [_pixels(t).shape for t in (material.albedo_map, material.roughness_map, material.normal_map)]
    assert shapes == [(1024, 1024, 3), (1024, 1024, 1), (1024, 1024, 3)]
    assert (material.ior, material.subsurface, material.roughness) == (1.4, 1.0, 1.0)
    assert 0 < material.second_weight < 0.6
    assert material.mean_free_path == pytest.approx((3.7, 1.4, 0.7), rel=0.25)
    dark = _material(("skin.melanin", 1.0)).mean_free_path
    lost = [a / b for a, b in zip(dark, material.mean_free_path, strict=True)]
    assert lost[2] < lost[1] < lost[0] < 1


def test_smaller_maps_are_means_of_the_large_ones() -> None:
    large, small = linear(_material()), linear(_material(size=128))
    for _ in range(3):
        large = np.stack([halved(large[..., k].astype(np.float32)) for k in range(3)], axis=-1)
    np.testing.assert_allclose(small, large, atol=0.01)
    for wrong in (0, 100, 2048):
        with pytest.raises(InputError, match="64, 128, 256, 512 or 1024"):
            skin.material(Person(), wrong)


@pytest.mark.parametrize("end", ["low", "high"])
def test_light_neither_dies_nor_stays_whatever_is_dialled(end: str) -> None:
    values = {n: getattr(p, end) for n, p in BY_NAME.items() if p.group in ("skin", "makeup")}
    for melanin in (0.0, 1.0):
        material = skin.material(Person(values | {"skin.melanin": melanin, "person.age": 80.0}))
        albedo = linear(material)
        assert albedo.min() > 0.003 and albedo.max() < 0.87
        assert _pixels(material.roughness_map).min() > 25


def test_tones_lie_where_skin_was_measured() -> None:
    # Diffuse reflectance in linear Rec.709 of Fitzpatrick I-II and VI cheeks, from the ranges of CIELAB in
    # Xiao et al. 2017, less 4% of surface reflection.
    fair = mean_over(linear(_material(("skin.melanin", 0.08), ("skin.tan", 0.0))), "cheek")
    assert np.all((fair > (0.50, 0.32, 0.25)) & (fair < (0.66, 0.46, 0.38))), fair
    dark = mean_over(linear(_material(("skin.melanin", 0.97))), "cheek")
    assert np.all((dark > (0.08, 0.04, 0.02)) & (dark < (0.17, 0.09, 0.06))), dark


def test_melanin_darkens_and_takes_most_blue() -> None:
    steps = pigment.albedo(np.geomspace(0.005, 0.6, 12), 0.015, pigment.Blend())
    assert np.all(np.diff(steps, axis=0) < 0)
    first, last = steps[0], steps[-1]
    assert last[2] / first[2] < last[1] / first[1] < last[0] / first[0]
    maps = [mean_over(linear(_material(("skin.melanin", m))), "forehead") for m in (0.0, 0.3, 0.6, 1.0)]
    assert np.all(np.diff(maps, axis=0) < 0)


def test_blood_takes_most_green_and_the_table_agrees_with_the_model() -> None:
    pale, ruddy = (pigment.albedo(0.03, b, pigment.Blend()) for b in (0.01, 0.04))
    assert ruddy[1] / pale[1] < ruddy[2] / pale[2] < ruddy[0] / pale[0] < 1
    rng = np.random.default_rng(3)
    m, b = rng.uniform(0.005, 0.6, (40, 40)), rng.uniform(0.004, 0.1, (40, 40))
    planes = pigment.Tone(pigment.Blend(0.3)).look_up(np.log(m).astype(np.float32), np.log(b).astype(np.float32))
    np.testing.assert_allclose(np.stack(planes, axis=-1), pigment.albedo(m, b, pigment.Blend(0.3)), rtol=0.03)


def test_blushing_reddens_the_cheeks_and_leaves_lips_and_lids() -> None:
    calm, flushed = linear(_material()), linear(_material(("skin.blush", 1.0)))

    def gain(region: str, image: F64 = flushed) -> float:
        before, after = mean_over(calm, region), mean_over(image, region)
        return float(after[0] / after[1] / (before[0] / before[1])) - 1.0

    assert gain("cheek") > 0.15
    assert gain("cheek", linear(_material(*GRIN.items()))) > 0.02  # so does a smile
    assert abs(gain("lips")) < 0.02
    assert gain("forehead") < 0.4 * gain("cheek") and gain("sallow") < 0.4 * gain("cheek")


@pytest.mark.parametrize(
    ("dial", "where", "elsewhere", "order"),
    [
        ("haemoglobin", "cheek", None, (1, 2, 0)),
        ("carotene", "cheek", None, (2, 1, 0)),
        ("pheomelanin", "cheek", None, (2, 0, 1)),
        ("tan", "sun", "neck", (2, 1, 0)),
        ("dark_circles", "under_eye", "cheek", (2, 1, 0)),
        ("lip_color", "lips", "cheek", (1, 2, 0)),
    ],
)
def test_pigments_tint_what_they_name(
    dial: str, where: str, elsewhere: str | None, order: tuple[int, int, int]
) -> None:
    """From one end of the dial to the other channels keep less light in this order."""
    parameter = BY_NAME[f"skin.{dial}"]
    low, high = (linear(_material((parameter.name, end))) for end in (parameter.low, parameter.high))
    kept = mean_over(high, where) / mean_over(low, where)
    assert tuple(np.argsort(kept)) == order and kept.min() < 0.96 * kept.max(), kept
    if elsewhere:
        assert np.all(mean_over(high, elsewhere) / mean_over(low, elsewhere) > 1.1 * kept)


def test_oil_makes_the_t_zone_shine() -> None:
    dry, oily = (_material(("skin.oiliness", oil)) for oil in (0.0, 1.0))
    assert oily.second_weight > 2.0 * dry.second_weight

    def gain(region: str) -> float:
        rough = [mean_over(np.asarray(_pixels(m.roughness_map), np.float64), region)[0] for m in (dry, oily)]
        return float(rough[0] / rough[1])

    assert gain("t_zone") > 1.25 * gain("neck") > 1.2
    shine = np.asarray(_pixels(dry.roughness_map), np.float64)
    moist, bare = (mean_over(shine, region)[0] for region in ("lips", "cheek"))
    assert moist < 0.8 * bare


def test_some_people_s_skin_shines_and_other_people_s_does_not() -> None:
    """Roughness of the cheeks of those who have less and more oil than nine tenths of the others."""
    oil = np.quantile([sample(seed)["skin.oiliness"] for seed in range(200)], [0.05, 0.5, 0.95]).tolist()
    maps = [np.asarray(_pixels(_material(("skin.oiliness", x)).roughness_map), np.float64) / 255.0 for x in oil]
    dry, usual, oily = (mean_over(shine, "cheek")[0] for shine in maps)
    assert 0.5 < usual < 0.58 and 0.135 < dry - oily < 0.18


def test_skin_is_mottled_and_on_some_people_more() -> None:
    def contrast(seed: int) -> float:
        """Standard deviation of the logarithm of the cheeks' green light in patches of some millimetres."""
        light = np.log(linear(skin.material(Person({"skin.moles": 0.0}, seed), 512))[..., 1])
        patches = gaussian_filter(light, 2.0) - gaussian_filter(light, 12.0)
        return float(patches[load().regions["cheek"] > 0.6].std())

    people = [contrast(seed) for seed in range(8)]
    assert 0.043 < np.mean(people) < 0.062 and max(people) > 1.3 * min(people)


def test_a_smile_folds_its_own_side() -> None:
    maps = load()
    one_side = {"expression.mouthSmileLeft": 1.0}
    calm, smiling = (wrinkles.strengths(Person(v).values, maps.strokes) for v in ({}, one_side))
    assert smiling["nasolabial_left"] > calm["nasolabial_left"] + 0.2
    assert smiling["nasolabial_right"] == calm["nasolabial_right"]
    left, right = maps.strokes["nasolabial_left"], maps.strokes["nasolabial_right"]
    assert left.columns.start >= FINE // 2 >= right.columns.stop  # the person's left is at u > 0.5
    heights = [wrinkles.relief(Person(v).values, maps)[left.rows, left.columns] for v in ({}, GRIN)]
    assert heights[1].std() > 1.3 * heights[0].std()


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("browInnerUp", "forehead"),
        ("browDownLeft", "glabella"),
        ("cheekSquintRight", "crow_right"),
        ("eyeSquintLeft", "under_eye_left"),
        ("noseSneerRight", "bunny_right"),
        ("mouthDimpleLeft", "smile_left"),
        ("mouthFrownRight", "marionette_right"),
        ("mouthPucker", "lip"),
        ("mouthShrugLower", "chin"),
    ],
)
def test_expressions_fold_their_own_lines_most(expression: str, line: str) -> None:
    calm, moved = (
        wrinkles.strengths(Person(v).values, load().strokes) for v in ({}, {f"expression.{expression}": 1.0})
    )
    deeper = {name: moved[name] - calm[name] for name in moved}
    assert max(deeper, key=lambda name: deeper[name]) == line and deeper[line] > 0.2


def test_lips_gather_and_stretch() -> None:
    lips = doubled(load().regions["lips"]) > 0.6
    pucker = {"expression.mouthPucker": 1.0}
    still, gathered, stretched = (wrinkles.relief(Person(v).values, load())[lips].std() for v in ({}, pucker, GRIN))
    assert gathered > 1.5 * still > 2.5 * stretched


def test_pores_and_lines_are_dark_at_their_bottom() -> None:
    height = wrinkles.relief(Person({"skin.pores": 1.0}).values, load())
    light, cheek = linear(_material(("skin.pores", 1.0)))[..., 1], doubled(load().regions["cheek"]) > 0.6
    assert np.corrcoef(height[cheek], light[cheek])[0, 1] > 0.2


def test_age_engraves_and_the_dial_can_undo_it() -> None:
    maps = load()

    def steepness(**values: float) -> float:
        named = {name.replace("_", ".", 1): value for name, value in values.items()}
        du, dv = wrinkles.slopes(wrinkles.relief(Person(named).values, maps), maps)
        patch = maps.strokes["forehead"]
        return float(np.hypot(du, dv)[patch.rows, patch.columns].std())

    ages = [steepness(person_age=age) for age in (20.0, 40.0, 60.0, 80.0)]
    assert np.all(np.diff(ages) > 0) and ages[-1] > 1.5 * ages[0]
    assert steepness(person_age=80.0, skin_wrinkles=0.0) == pytest.approx(ages[0], rel=0.05)


def test_relief_turns_into_normals_of_the_right_slope() -> None:
    maps = load()
    with np.load(ASSETS / "avatar" / "skin" / "positions.npz") as file:
        mm = file["positions"].astype(np.float32)
    x, y = (doubled(doubled(np.ascontiguousarray(mm[..., k]))) for k in range(2))
    flat = np.s_[330:400, 440:580]  # the forehead, which looks along +z
    du, dv = wrinkles.slopes(0.2 * x, maps)  # rises to the person's left, +u
    assert float(np.median(du[flat])) == pytest.approx(0.2, abs=0.02)
    du, dv = wrinkles.slopes(0.2 * y, maps)  # rises upward, +v; the forehead leans back
    assert 0.15 < float(np.median(dv[flat])) < 0.21
    steep, level = np.full((1, 1), 0.75, np.float32), np.zeros((1, 1), np.float32)
    for slopes, normal in (((steep, level), (-0.6, 0.0, 0.8)), ((level, steep), (0.0, -0.6, 0.8))):
        np.testing.assert_allclose(wrinkles.normal_map(*slopes)[0, 0] / 127.5 - 1.0, normal, atol=0.01)


@pytest.mark.parametrize("place", [(380, 512), (610, 340), (610, 690), (860, 500), (420, 220), (700, 860)])
def test_moles_are_round_in_millimetres(place: tuple[int, int]) -> None:
    image = np.zeros((FINE, FINE), np.float32)
    Spots(np.array([place], np.float64), np.array([3.0]), np.array([1.0])).stamp(image, load())
    with np.load(ASSETS / "avatar" / "skin" / "positions.npz") as file:
        mm = file["positions"].astype(np.float32)
    position = np.stack([doubled(doubled(np.ascontiguousarray(mm[..., k]))) for k in range(3)], axis=-1)
    step = np.cross(np.gradient(position, axis=0), np.gradient(position, axis=1))
    weight = (image * np.linalg.norm(step, axis=-1))[image > 0]
    p = position[image > 0].astype(np.float64)
    p -= np.average(p, axis=0, weights=weight)
    moments = np.sort(np.linalg.eigvalsh((p * weight[:, None]).T @ p / weight.sum()))[::-1]
    assert np.sqrt(moments[0] / moments[1]) < 1.25
    # The soft edge adds a little to a disc's second moment, r^2 / 4.
    assert np.sqrt(moments[:2].mean()) == pytest.approx(1.5, rel=0.25)


def test_freckles_sit_on_nose_and_cheeks() -> None:
    marks = sprinkle(Person({"skin.freckles": 0.8, "skin.moles": 0.0}), load())
    assert marks.melanin is not None and marks.height is None
    cover = np.repeat((marks.melanin > 0.1)[..., None], 3, axis=2).astype(np.float64)
    assert mean_over(cover, "sun")[0] > 3 * mean_over(cover, "chin")[0] > 0
    none = sprinkle(Person({"skin.moles": 0.0}), load())
    assert none.melanin is None and none.blood is None


def test_pimples_are_red_bumps_moles_dark_ones_and_age_spots_flat() -> None:
    def alone(mark: str) -> Marks:
        return sprinkle(Person({"skin.moles": 0.0, f"skin.{mark}": 1.0}), load())

    acne, moles, spots = alone("acne"), alone("moles"), alone("age_spots")
    assert acne.melanin is None and acne.blood is not None and acne.blood.max() > 0.5
    assert moles.blood is None and moles.melanin is not None and moles.melanin.max() > 1.0
    assert spots.melanin is not None and spots.melanin.max() > 0.25 and spots.height is None and spots.blood is None
    for height in (acne.height, moles.height):
        assert height is not None and height.min() == 0.0 and 0.05 < height.max() < 0.6  # mm


def test_pores_deepen() -> None:
    nose = doubled(load().regions["nose"]) > 0.6
    shallow, deep = (wrinkles.relief(Person({"skin.pores": x}).values, load())[nose].std() for x in (0.0, 1.0))
    assert deep > 1.8 * shallow


def test_no_seam() -> None:
    # Whatever is cut out of a map ends before the cut, and the middle line is a column like any other.
    for patch in load().strokes.values():
        edges = (patch.values[0], patch.values[-1], patch.values[:, 0], patch.values[:, -1])
        if patch.rows.stop < FINE - 1:  # the neck's lines run on to the rim
            assert max(np.abs(edge).max() for edge in edges) < 0.03
    albedo = linear(_material(("person.age", 80.0)))[100:900]
    jumps = np.abs(np.diff(albedo, axis=1)).mean(axis=(0, 2))
    assert jumps[511] < 1.5 * np.median(jumps[480:544])


def test_bald_and_grey_and_shaven() -> None:
    def at_top(*values: tuple[str, float]) -> float:
        return float(linear(_material(("hair.melanin", 1.0), *values))[100:160, 480:544].mean())

    assert at_top() < at_top(("hair.greying", 1.0)) < at_top(("hair.recession", 1.0))
    plain, shaven = (mean_over(linear(_material(("skin.beard_shadow", s))), "chin") for s in (0.0, 1.0))
    assert np.all(shaven < 0.9 * plain) and shaven[2] / plain[2] > shaven[0] / plain[0]


def test_samples_are_plausible_and_repeatable() -> None:
    def many(base: dict[str, float], **more: float) -> list[dict[str, float]]:
        full = {"person.gender": 0.0, "person.age": 30.0} | base | more
        return [skin.sample(np.random.default_rng(seed), full) for seed in range(60)]

    fair, dark = many(EUROPEAN), many(AFRICAN)
    assert fair == many(EUROPEAN)
    for values in (*fair, *dark, *many(AFRICAN | {"person.age": 90.0, "person.gender": 1.0})):
        assert set(values) == {name for name in BY_NAME if name.startswith("skin.")}
        Person(values)
    tones = [[v["skin.melanin"] for v in group] for group in (fair, dark)]
    assert max(tones[0]) < min(tones[1]) and np.std(tones[0]) > 0.03
    assert sum(v["skin.freckles"] > 0.2 for v in fair) > 5 and not any(v["skin.freckles"] > 0.1 for v in dark)
    assert all(v["skin.beard_shadow"] == 0 for v in fair)
    old = many(EUROPEAN | {"person.age": 80.0})
    assert np.mean([v["skin.age_spots"] for v in old]) > 0.2 > max(v["skin.age_spots"] for v in fair)


def test_missing_and_damaged_maps_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skin_maps, "ASSETS", tmp_path)
    with pytest.raises(InputError, match="the maps of the avatar's skin are missing"):
        load.__wrapped__()
    skin, whole = tmp_path / "avatar" / "skin", ASSETS / "avatar" / "skin"
    (skin / "make_up").mkdir(parents=True)
    (skin / "positions.npz").touch()
    with pytest.raises(InputError, match=r"positions\.npz: is no map of the avatar's skin"):
        load.__wrapped__()
    (skin / "positions.npz").write_bytes((whole / "positions.npz").read_bytes())
    (skin / "make_up" / "blush.png").write_bytes((whole / "make_up" / "blush.png").read_bytes()[:2000])
    with pytest.raises(InputError, match=r"blush\.png: is no map of the avatar's skin"):
        load.__wrapped__()
    Image.new("L", (256, 256)).save(skin / "make_up" / "blush.png")
    with pytest.raises(InputError, match=r"blush\.png: is no map .*shape is \(256, 256\), not \(512, 512\)"):
        load.__wrapped__()


def test_each_map_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its file: a line of the face when maps are loaded, others when a person has use for them."""
    monkeypatch.setattr(skin_maps, "ASSETS", tmp_path)
    skin = tmp_path / "avatar" / "skin"
    shutil.copytree(ASSETS / "avatar" / "skin", skin)
    (skin / "make_up" / "liner_wing.png").unlink()
    with pytest.raises(InputError, match=r"liner_wing\.png: is missing"):
        _ = load.__wrapped__().liner["liner_wing"]
    (skin / "strokes" / "crow.png").unlink()
    with pytest.raises(InputError, match=r"crow\.png: is missing"):
        load.__wrapped__()


def test_the_maps_stay_small() -> None:
    assert sum(f.stat().st_size for f in (ASSETS / "avatar" / "skin").rglob("*.*") if f.is_file()) <= 5e6
