"""Make-up: where it goes, what it does to colour and shine."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.scene.avatar import makeup, skin
from app.scene.avatar.person import Person
from app.scene.avatar.skin_maps import doubled, load
from app.scene.model import Material


def _maps(material: Material) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    assert material.albedo_map is not None and material.roughness_map is not None and material.normal_map is not None
    return material.albedo_map.pixels, material.roughness_map.pixels, material.normal_map.pixels


def _made_up(**values: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return _maps(skin.material(Person({f"makeup.{name}": value for name, value in values.items()})))


@pytest.fixture(scope="module")
def bare() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return _made_up()


def test_hues_alone_change_nothing(bare: tuple[NDArray[Any], ...]) -> None:
    painted = _made_up(lipstick_hue=1.0, shadow_hue=1.0, blush_hue=1.0, liner_wing=1.0, lipstick_gloss=1.0)
    assert all(np.array_equal(a, b) for a, b in zip(bare, painted, strict=True))


def test_lipstick_stays_on_the_lips(bare: tuple[NDArray[Any], ...]) -> None:
    lips = doubled(load().regions["lips"]) > 0
    matt, gloss = _made_up(lipstick=1.0, lipstick_gloss=0.0), _made_up(lipstick=1.0, lipstick_gloss=1.0)
    for painted in (matt, gloss):
        assert all(np.array_equal(a[~lips], b[~lips]) for a, b in zip(bare, painted, strict=True))
    middle = doubled(load().regions["lips"] - load().regions["inside"]) > 0.9
    red = [image[0][middle].mean(axis=0).astype(float) for image in (bare, matt)]
    assert red[1][0] / red[1][1] > 1.5 * red[0][0] / red[0][1]
    assert gloss[1][middle].mean() < bare[1][middle].mean() < matt[1][middle].mean()


def test_more_lipstick_is_more_opaque(bare: tuple[NDArray[Any], ...]) -> None:
    middle = doubled(load().regions["lips"] - load().regions["inside"]) > 0.9
    green = [_made_up(lipstick=amount)[0][middle][:, 1].mean() for amount in (0.3, 0.6, 1.0)]
    assert bare[0][middle][:, 1].mean() > green[0] > green[1] > green[2]


def test_hues_run_as_they_are_said_to() -> None:
    """From nude to plum, from taupe to blue, from rose to bronze."""

    def mean(part: str, hue: float) -> NDArray[Any]:
        mask = load().regions["lips"] - load().regions["inside"] if part == "lipstick" else load().make_up[part]
        image = _made_up(**{part: 1.0, f"{part}_hue": hue})[0]
        return np.asarray(image[doubled(mask) > 0.9].mean(axis=0, dtype=np.float64))

    (nude, plum), (taupe, blue), (rose, bronze) = (
        [mean(part, hue) for hue in (0.0, 1.0)] for part in ("lipstick", "shadow", "blush")
    )
    assert plum.sum() < 0.7 * nude.sum()
    assert taupe[0] > taupe[2] and blue[2] > blue[0]
    assert bronze.sum() < rose.sum() and bronze[2] / bronze[1] < rose[2] / rose[1]


@pytest.mark.parametrize(
    ("part", "masks"),
    [("blush", ("blush",)), ("shadow", ("shadow", "crease"))],
)
def test_powders_stay_in_their_places(bare: tuple[NDArray[Any], ...], part: str, masks: tuple[str, ...]) -> None:
    place = np.maximum.reduce([doubled(load().make_up[name]) for name in masks])
    painted = _made_up(**{part: 1.0})
    assert np.array_equal(bare[0][place == 0], painted[0][place == 0])
    assert np.abs(painted[0][place > 0.8].astype(float) - bare[0][place > 0.8]).mean() > 8


def test_the_liner_is_nearly_black_and_its_wing_reaches_out(bare: tuple[NDArray[Any], ...]) -> None:
    plain, winged = _made_up(liner=1.0), _made_up(liner=1.0, liner_wing=1.0)
    patch = load().liner["liner_upper"]
    line = patch.values > 0.98
    assert line.sum() > 100
    assert plain[0][patch.rows, patch.columns][line].mean() < 60
    changed = [np.flatnonzero((image[0] != bare[0]).any(axis=(0, 2))) for image in (plain, winged)]
    assert changed[1].min() < changed[0].min() and changed[1].max() > changed[0].max()


def test_foundation_evens_out_and_hides_freckles() -> None:
    spotted = {"skin.freckles": 1.0, "skin.blotchiness": 1.0, "skin.melanin": 0.15}
    place = doubled(load().regions["cheek"]) > 0.6
    spread = [
        _maps(skin.material(Person(spotted | {"makeup.foundation": f})))[0][place].astype(float).std(axis=0).mean()
        for f in (0.0, 0.5, 1.0)
    ]
    assert spread[0] > spread[1] > spread[2] and spread[2] < 0.6 * spread[0]


def test_foundation_takes_the_shine() -> None:
    place = doubled(load().regions["t_zone"]) > 0.6
    oily, powdered = (
        _maps(skin.material(Person({"skin.oiliness": 1.0, "makeup.foundation": f})))[1][place] for f in (0.0, 1.0)
    )
    assert powdered.mean() > 1.05 * oily.mean()


def test_samples_are_mostly_women_s_and_never_too_much() -> None:
    def many(gender: float) -> list[dict[str, float]]:
        base = {"person.gender": gender, "person.age": 30.0}
        return [makeup.sample(np.random.default_rng(seed), base) for seed in range(200)]

    women, men = many(0.0), many(1.0)
    assert women == many(0.0)

    def wears(values: dict[str, float]) -> bool:
        return values["makeup.lipstick"] > 0

    assert 0.5 < np.mean([wears(v) for v in women]) < 0.95 and np.mean([wears(v) for v in men]) < 0.05
    for values in women:
        Person(values)
        assert not (values["makeup.lipstick"] > 0.7 and values["makeup.shadow"] > 0.7)
