"""A person's portrait: where the camera stands, and from where the lights come."""

import math

import numpy as np
import pytest

from app.scene.avatar.person import Person
from app.scene.avatar.portrait import HEAD, portrait_camera, portrait_lights
from app.scene.environment import LUMINANCE
from app.scene.lights import AreaLight


def lights(**values: float) -> list[AreaLight]:
    """Key, fill and rim light."""
    rig = portrait_lights(Person({f"light.{name}": value for name, value in values.items()}))
    return [light for light in rig.lights if isinstance(light, AreaLight)]


def test_the_camera_goes_to_the_persons_left_and_up_and_rolls_clockwise() -> None:
    for yaw, pitch, way in ((90.0, 0.0, (1.0, 0.0, 0.0)), (0.0, 60.0, (0.0, math.sqrt(0.75), 0.5))):
        camera = portrait_camera(Person({"camera.yaw": yaw, "camera.pitch": pitch}), 1.0)
        assert camera.target == (0.0, 0.0, 0.0)
        assert np.allclose(np.array(camera.position) / np.linalg.norm(camera.position), way)
    rolled = portrait_camera(Person({"camera.yaw": 0.0, "camera.roll": 45.0}), 1.0)
    up, left_ear = (rolled.view()[:3, :3] @ way for way in ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    assert up[0] < -0.7 and left_ear[1] > 0.7  # the head leans to the other side


@pytest.mark.parametrize("lens", [18.0, 54.0, 300.0])
@pytest.mark.parametrize(("share", "aspect"), [(0.4, 1.0), (0.4, 2.0), (0.8, 0.5)])
def test_the_head_takes_its_share_of_the_picture(lens: float, share: float, aspect: float) -> None:
    person = Person({"camera.yaw": 0.0, "camera.focal_length": lens, "camera.head_share": share})
    camera = portrait_camera(person, aspect)
    clip = camera.projection(round(100 * aspect), 100) @ camera.view() @ (0.0, HEAD[1, 1], 0.0, 1.0)
    assert clip[1] / clip[3] == pytest.approx(-share * min(1.0, aspect))  # y runs down the picture


def test_no_lens_brings_the_camera_into_the_head() -> None:
    close = portrait_camera(Person({"camera.focal_length": 18.0, "camera.head_share": 1.5}), 1.0)
    assert close.distance == pytest.approx(0.2)


@pytest.mark.parametrize("yaw", [-39.0, 39.0])
def test_lights_come_from_their_sides(yaw: float) -> None:
    key, fill, rim = lights(key_yaw=yaw)
    side = math.copysign(1.0, yaw)  # + from the person's left
    assert side * key.center[0] > 0.5 and key.center[1] > 0.5 and key.center[2] > 0.5
    assert side * fill.center[0] < -0.5 and fill.center[2] > 0.5
    assert side * rim.center[0] < -0.5 and rim.center[1] > 0.3 and rim.center[2] < -0.5
    for light in (key, fill, rim):
        assert np.dot(light.normal, light.center) < -0.99 * np.linalg.norm(light.center)  # towards the head


def test_lights_are_as_strong_as_they_are_said_to_be() -> None:
    def irradiance(light: AreaLight) -> float:
        return light.radiance * light.area / float(np.dot(light.center, light.center))

    for size in (0.02, 0.9):
        key, fill, rim = lights(key=4.0, fill=0.5, rim=2.0, key_size=size)
        assert [irradiance(light) for light in (key, fill, rim)] == pytest.approx([4.0, 2.0, 8.0])
    assert len(lights(fill=0.0, rim=0.0)) == 1
    assert portrait_lights(Person({"light.environment": 0.0})).environment is None
    studio = portrait_lights(Person({"light.environment": 0.7})).environment
    assert studio is not None and studio.intensity == 0.7


def test_warmth_runs_from_blue_to_orange_and_changes_no_brightness() -> None:
    blue, white, orange = (np.array(lights(warmth=warmth)[0].color) for warmth in (-1.0, 0.0, 1.0))
    assert blue[2] > blue[1] > blue[0] and orange[0] > orange[1] > orange[2]
    assert [color @ LUMINANCE for color in (blue, white, orange)] == pytest.approx([1.0, 1.0, 1.0])
