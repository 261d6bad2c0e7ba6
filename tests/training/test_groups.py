"""What frames have in common: which of their lamps is the brightest is asked where the head stands."""

import math

import numpy as np
import pytest

from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.training.groups import light_classes, toward
from app.training.manifest import FrameInfo
from app.training.records import light_records

HEAD = np.array([0.0, 1.6, -9.0])
RED_GREEN_BLUE = (1.0, 1.0, 1.0)


def at(z: float) -> tuple[float, float, float]:
    """So many metres before the head, or behind it."""
    return (0.0, 1.6, -9.0 + z)


def lamp(z: float, intensity: float) -> PointLight:
    return PointLight(at(z), RED_GREEN_BLUE, intensity)


def sun(z: float, irradiance: float) -> DirectionalLight:
    return DirectionalLight((0.0, 0.0, -math.copysign(1.0, z)), RED_GREEN_BLUE, irradiance)


def softbox(z: float, radiance: float, edge: float) -> AreaLight:
    return AreaLight.facing(at(z), at(0.0), edge, edge, RED_GREEN_BLUE, radiance)


def brightest(*lights: Light) -> str:
    info = FrameInfo(0, "held-out", 0, 1, 0.0, {}, light_records(lights))
    kinds = light_classes(info, HEAD)
    assert kinds[1] == str(len(lights))
    return kinds[3]


@pytest.mark.parametrize(
    ("strong", "weak"),
    [
        (lambda z: sun(z, 3.0), lambda z: sun(z, 2.0)),
        (lambda z: lamp(1.0 * z, 2.0), lambda z: lamp(3.0 * z, 9.0)),  # 2 and 1 W/m2 at the head
        (lambda z: softbox(2.0 * z, 8.0, 1.0), lambda z: softbox(2.0 * z, 24.0, 0.5)),  # 2 and 1.5 W/m2
        (lambda z: lamp(2.0 * z, 8.0), lambda z: sun(z, 1.5)),
        (lambda z: softbox(2.0 * z, 8.0, 1.0), lambda z: lamp(2.0 * z, 7.0)),
    ],
)
def test_the_brightest_lamp_is_the_one_that_lights_the_head_most(strong, weak) -> None:  # type: ignore[no-untyped-def]
    for order in (1, -1):
        assert brightest(*(strong(1.0), weak(-1.0))[::order]) == "before the face"
        assert brightest(*(weak(1.0), strong(-1.0))[::order]) == "behind the face (backlit)"


def test_lamps_are_seen_from_the_head() -> None:
    for light, irradiance in ((sun(1.0, 3.0), 3.0), (lamp(3.0, 9.0), 1.0), (softbox(2.0, 8.0, 0.5), 0.5)):
        found, direction = toward(light, HEAD)
        assert found == pytest.approx(irradiance)
        np.testing.assert_allclose(direction, [0.0, 0.0, 1.0], atol=1e-6)
