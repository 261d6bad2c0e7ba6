"""Lamps taken out of environment maps."""

import math

import numpy as np
import pytest

from app.arrays import F32
from app.scene.assets import environment_maps
from app.scene.environment import Environment, texel_directions
from app.scene.map_lamps import LEAST_SHARE, WIDEST, find_lamps
from app.scene.prefilter import row_solid_angles

HEIGHT = 128


def with_lamp(toward: tuple[float, float, float], radius: float, radiance: float, height: int = HEIGHT) -> F32:
    """A grey sky of radiance 1 with a round lamp."""
    pixels = np.ones((height, 2 * height, 3), np.float32)
    lit = texel_directions(height, 2 * height) @ (np.array(toward) / np.linalg.norm(toward)) > math.cos(radius)
    pixels[lit] = radiance * np.array([1.0, 0.8, 0.5], np.float32)
    return pixels


PLACES = {"wall": (0.3, 0.4, -1.0), "seam": (0.0, 0.2, 1.0), "zenith": (0.0, 1.0, 0.0), "nadir": (0.02, -1.0, 0.01)}


@pytest.mark.parametrize("place", PLACES)
def test_a_lamp_is_found_whole_wherever_it_is(place: str) -> None:
    toward, radius = np.array(PLACES[place]) / np.linalg.norm(PLACES[place]), 0.08
    pixels = with_lamp(PLACES[place], radius, 3000.0)
    (lamp,), rest = find_lamps(pixels)
    assert lamp.toward @ toward > math.cos(0.01)
    assert lamp.angular_radius == pytest.approx(radius, rel=0.1)
    assert np.allclose(rest, 1.0)


@pytest.mark.parametrize(
    ("rotation", "radius", "radiance", "off"),
    [(0.0, 0.05, 9000.0, 0.01), (2.0, 0.05, 9000.0, 0.01), (0.0, 0.15, 40.0, 0.005)],
    ids=["bright", "turned", "wide and dim"],
)
def test_lamp_and_rest_shine_as_the_map_did(rotation: float, radius: float, radiance: float, off: float) -> None:
    """A dim lamp is not much more than what the map keeps in its place."""
    environment = Environment(with_lamp(PLACES["wall"], radius, radiance), rotation, intensity=0.3)
    (lamp,), pixels = find_lamps(environment.pixels)
    light = lamp.light(environment)
    rest = Environment(pixels, rotation, 0.3)
    normals = np.random.default_rng(4).normal(size=(200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cosine = np.maximum(normals @ -np.array(light.direction), 0.0)
    both = rest.irradiance(normals) + (cosine * light.irradiance)[:, None] * np.array(light.color)
    whole = environment.irradiance(normals)
    grazing = np.abs(normals @ np.array(light.direction)) < 0.1  # where a disc is half below the horizon
    assert np.abs(both / whole - 1.0)[~grazing].max() < off


def test_the_brightest_come_first() -> None:
    pixels = np.maximum(with_lamp(PLACES["wall"], 0.05, 4000.0), with_lamp(PLACES["zenith"], 0.05, 8000.0))
    lamps, _ = find_lamps(pixels)
    assert [round(float(lamp.toward[1]), 1) for lamp in lamps] == [1.0, 0.4]


def test_there_are_four_at_most() -> None:
    """Those beyond stay in the map."""
    towards = [(math.cos(angle), 0.0, math.sin(angle)) for angle in np.arange(6) + 0.5]
    pixels = np.max([with_lamp(place, 0.06, 4000.0 * 1.3**i) for i, place in enumerate(towards)], axis=0)
    lamps, rest = find_lamps(pixels)
    found = [int(np.argmax(np.array(towards) @ lamp.toward)) for lamp in lamps]
    assert found == [5, 4, 3, 2]
    kept = [Environment(rest).radiance(np.array(place))[0] for place in towards]
    np.testing.assert_allclose(kept, [4000.0, 5200.0, 1.0, 1.0, 1.0, 1.0], rtol=0.1)


def test_what_is_wide_or_weak_stays_in_the_map() -> None:
    weak = with_lamp(PLACES["wall"], 0.02, 200.0)
    share = 200.0 * math.pi * 0.02**2 / (4.0 * math.pi)
    assert share < LEAST_SHARE
    wide = with_lamp(PLACES["wall"], 1.3 * WIDEST, 3000.0)
    for pixels in (weak, wide, np.zeros_like(weak), np.ones_like(weak)):
        lamps, rest = find_lamps(pixels)
        assert lamps == [] and np.array_equal(rest, pixels)


def test_the_maps_that_ship() -> None:
    """Most of the studio's light is that of two softboxes; the two skies show no sun."""
    lamps = {path.stem: find_lamps(Environment.load(path).pixels)[0] for path in environment_maps()}
    assert {name: len(found) for name, found in lamps.items()} == {"city": 0, "studio": 2, "sunset": 0}
    key, fill = lamps["studio"]
    environment = Environment.load(next(path for path in environment_maps() if path.stem == "studio"))
    solid = row_solid_angles(*environment.pixels.shape[:2])
    total = np.tensordot(solid, environment.pixels.astype(np.float64).sum(axis=1), axes=1)
    assert 0.6 < key.irradiance[1] / total[1] < 0.8 and 0.05 < fill.irradiance[1] / total[1] < 0.1
    assert math.radians(3.0) < key.angular_radius < math.radians(4.0)
    assert math.radians(6.0) < fill.angular_radius < math.radians(8.0)
