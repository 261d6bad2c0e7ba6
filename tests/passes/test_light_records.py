"""Lights as shaders read them, above all the discs that stand for lamps."""

import math

import numpy as np
import pytest

from app.passes.light_records import disc_records, light_records
from app.passes.scene_layout import DISC, LIGHT, LIGHT_KINDS, MOST_DISCS
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight

CENTER = np.array([0.1, 0.2, 0.3])
SUN = DirectionalLight((0.0, -2.0, 0.0), irradiance=3.0, angular_radius=0.1)
BULB = PointLight((1.0, 2.0, 3.0), (1.0, 0.5, 0.25), 4.0, 0.05)


def lamp(width: float, height: float) -> AreaLight:
    return AreaLight.facing((0.0, 0.0, 2.0), (0.0, 0.0, 0.0), width, height, (1.0, 0.5, 0.25), 7.0)


def discs_of(*lights: Light) -> np.ndarray:
    return disc_records(light_records(lights, CENTER)[0])


def test_suns_and_bulbs_are_discs_as_they_are() -> None:
    sun, bulb = discs_of(SUN, BULB)
    assert sun["place"] == pytest.approx((0.0, 1.0, 0.0)) and sun["radius"] == pytest.approx(math.sin(0.1))
    assert sun["color"] == pytest.approx((3.0, 3.0, 3.0)) and sun["kind"] == LIGHT_KINDS[DirectionalLight]
    assert bulb["place"] == pytest.approx((1.0, 2.0, 3.0)) and bulb["radius"] == pytest.approx(0.05)
    assert bulb["color"] == pytest.approx((4.0, 2.0, 1.0)) and (sun["light"], bulb["light"]) == (0, 1)


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(0.3, 0.3, 1), (0.3, 0.4, 1), (0.3, 0.6, 2), (0.8, 0.2, 4), (0.05, 3.0, MOST_DISCS), (1e-6, 1.0, MOST_DISCS)],
)
def test_a_lamp_is_a_row_of_discs_of_its_area_and_power(width: float, height: float, count: int) -> None:
    discs = discs_of(SUN, lamp(width, height))[1:]
    assert len(discs) == count and (discs["light"] == 1).all()
    assert (math.pi * discs["radius"] ** 2).sum() == pytest.approx(width * height, rel=1e-5)
    assert discs["color"].sum(axis=0) == pytest.approx(np.multiply((7.0, 3.5, 1.75), width * height), rel=1e-5)
    assert discs["place"].mean(axis=0) == pytest.approx((0.0, 0.0, 2.0), abs=1e-6)
    assert discs["direction"] == pytest.approx(np.tile((0.0, 0.0, -1.0), (count, 1)), abs=1e-6)
    longer = 0 if width > height else 1
    steps = np.diff(np.sort(discs["place"][:, longer]))
    assert steps == pytest.approx(np.full(count - 1, max(width, height) / count), rel=1e-4)
    assert np.ptp(discs["place"][:, 1 - longer]) < 1e-6


def test_a_lamp_thinner_than_numbers_are_small_is_a_row_of_points() -> None:
    discs = discs_of(AreaLight((0.0, 0.0, 2.0), (1e-50, 0.0, 0.0), (0.0, -0.5, 0.0)))
    assert len(discs) == MOST_DISCS and not discs["radius"].any()
    assert all(np.isfinite(discs[name]).all() for name in ("place", "color", "direction"))


def test_no_lights_are_no_discs() -> None:
    records, levels = light_records((), CENTER)
    assert records.dtype == LIGHT.dtype and not len(records) and not levels
    assert disc_records(records).dtype == DISC.dtype and not len(disc_records(records))


def test_levels_are_the_irradiance_at_the_center() -> None:
    """Of what faces the light there, as the reference would find it; a lamp by its solid angle."""
    _, levels = light_records((SUN, BULB, lamp(0.1, 0.1)), CENTER)
    assert levels[0] == pytest.approx(3.0)
    luminance = np.dot((0.2126, 0.7152, 0.0722), (1.0, 0.5, 0.25))
    assert levels[1] == pytest.approx(4.0 * luminance / (0.9**2 + 1.8**2 + 2.7**2), rel=1e-3)
    to = CENTER - (0.0, 0.0, 2.0)
    solid_angle = 0.01 * -to[2] / np.linalg.norm(to) ** 3
    assert levels[2] == pytest.approx(7.0 * luminance * solid_angle, rel=0.01)
