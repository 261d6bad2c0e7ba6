"""What keys and mouse moves do to camera, lights and mode; without a window."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from app.controls import (
    ENVIRONMENT_STEP,
    EXPOSURE_STEP,
    LIGHT_GAIN,
    LIGHT_MAX_PITCH,
    LIGHT_STEP,
    Controls,
    dimmed,
    turned,
)
from app.scene.default import default_scene
from app.scene.environment import Environment
from app.scene.lights import MOST_EXPOSURE, AreaLight, DirectionalLight, Light, LightRig, PointLight
from app.scene.model import Material, Mesh, Part, Scene

MODES = ("neural", "reference", "split", "difference", "uv", "normal", "depth", "tiles", "hash")


def triangle(face: bool = True) -> Part:
    """A triangle in a box around the origin."""
    positions = np.array([[-1, -1, -1], [1, 1, 1], [1, -1, 0]], np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (3, 1))
    mesh = Mesh(positions, normals, np.zeros((3, 2), np.float32), np.array([[0, 1, 2]], np.uint32))
    return Part("face", mesh, Material("skin"), face=face)


@dataclass
class Drawn:
    """Stands in for the renderer."""

    scene: Scene = field(
        default_factory=lambda: Scene(
            (triangle(),), LightRig((PointLight((0.0, 0.0, 2.0)), PointLight())), Environment.constant()
        )
    )
    mode: str = "neural"
    split: float = 0.5
    antialias_motion: bool = True


@pytest.fixture
def drawn() -> Drawn:
    return Drawn()


@pytest.fixture
def controls(drawn: Drawn) -> Controls:
    return Controls(drawn, MODES)


@pytest.mark.parametrize(
    ("keys", "mode"),
    [
        ("2", "reference"), ("R", "reference"), ("3", "split"), ("S", "split"), ("4", "difference"),
        ("D", "difference"), ("D1", "neural"), ("RN", "neural"), ("G", "uv"), ("GG", "normal"),
        ("GGGG", "uv"),        ("T", "tiles"), ("TT", "hash"), ("TTT", "tiles"), ("TG", "uv"),
    ],
)  # fmt: skip
def test_modes(keys: str, mode: str, controls: Controls, drawn: Drawn) -> None:
    for key in keys:
        assert controls.press(key)
    assert drawn.mode == mode


def test_every_mode_has_a_key(controls: Controls, drawn: Drawn) -> None:
    seen = {drawn.mode}
    for key in "1234GGGGGTTT":
        controls.press(key)
        seen.add(drawn.mode)
    assert seen == set(MODES)


def test_keys_without_meaning(controls: Controls, drawn: Drawn) -> None:
    before = drawn.scene
    assert not controls.press("Q")
    assert not controls.press("ä")
    assert drawn.scene is before


def test_antialiasing_goes_on_and_off(controls: Controls, drawn: Drawn) -> None:
    for expected in (False, True):
        assert controls.press("A")
        assert drawn.antialias_motion is expected


def test_split_stays_in_the_picture(controls: Controls, drawn: Drawn) -> None:
    controls.press("[")
    assert drawn.split == pytest.approx(0.48)
    for _ in range(60):
        controls.press("[")
    assert drawn.split == 0.0
    for _ in range(120):
        controls.press("]")
    assert drawn.split == 1.0


def test_camera_moves_and_comes_home(controls: Controls, drawn: Drawn) -> None:
    home = drawn.scene.camera
    controls.orbit(0.0, 0.0)
    assert drawn.scene.camera is home  # nothing moved, nothing has to be drawn again
    controls.orbit(0.25, 0.0)
    moved = drawn.scene.camera
    # Dragging to the right turns the face to the right: the camera goes to its left.
    expected = home.orbit(-math.pi / 4, 0.0)
    assert moved.position == pytest.approx(expected.position)
    controls.zoom(2.0)
    assert drawn.scene.camera.distance == pytest.approx(home.distance / 1.21)
    controls.pan(0.5, 0.0)
    assert drawn.scene.camera.target != home.target
    controls.press("HOME")
    assert drawn.scene.camera == home


def test_dragging_down_shows_the_head_from_above(controls: Controls, drawn: Drawn) -> None:
    home = drawn.scene.camera
    controls.orbit(0.0, 0.1)
    assert drawn.scene.camera.position[1] > home.position[1] + 0.1
    assert drawn.scene.camera.distance == pytest.approx(home.distance)


def test_zooming_in_and_out_again_leads_home() -> None:
    """Near the face a longer lens takes over; going away, the lens gets shorter first."""
    drawn = Drawn(default_scene())
    controls, home = Controls(drawn, MODES), drawn.scene.camera
    controls.zoom(20.0)
    assert drawn.scene.camera.fov_y < 0.5 * home.fov_y and not controls.at_home
    controls.zoom(-20.0)
    assert drawn.scene.camera.distance == pytest.approx(home.distance, rel=1e-6)
    assert drawn.scene.camera.fov_y == pytest.approx(home.fov_y, rel=1e-6)
    assert controls.at_home


@pytest.mark.parametrize("move", [Controls.orbit, Controls.pan])
def test_no_move_leads_into_the_head(
    move: Callable[[Controls, float, float], None], controls: Controls, drawn: Drawn
) -> None:
    target = (0.0, 0.0, 1.5) if move is Controls.orbit else (1.0, 0.0, 2.5)
    beside = drawn.scene.camera.looking((0.0, 0.0, 2.5), target)
    drawn.scene = drawn.scene.with_camera(beside)
    for _ in range(40):
        move(controls, 0.2, 0.0)
        assert np.abs(drawn.scene.camera.position).max() > 1.0
    assert drawn.scene.camera.position != beside.position


def test_exposure_goes_up_and_down_within_its_limits(controls: Controls, drawn: Drawn) -> None:
    lights = drawn.scene.rig.lights
    for key in "..,":
        assert controls.press(key)
    assert drawn.scene.rig.exposure == pytest.approx(EXPOSURE_STEP)
    assert drawn.scene.rig.lights is lights
    for _ in range(100):
        controls.press(".")
    assert drawn.scene.rig.exposure == MOST_EXPOSURE
    before = drawn.scene
    controls.press(".")
    assert drawn.scene is before


def test_the_first_view_fits_the_window(controls: Controls, drawn: Drawn) -> None:
    controls.fit(1.0)
    square = drawn.scene.camera
    controls.fit(0.25)
    narrow = drawn.scene.camera
    assert narrow.distance > 2.0 * square.distance
    controls.orbit(0.25, 0.0)
    moved = drawn.scene.camera
    controls.fit(1.0)
    assert drawn.scene.camera is moved, "who looks elsewhere goes on to do so"
    controls.press("HOME")
    assert drawn.scene.camera.distance == pytest.approx(square.distance)
    drawn.scene = drawn.scene.with_camera(replace(drawn.scene.camera, near=0.02))  # the same view, if not bit by bit
    for size in (1e-6, 1e6):  # windows may be as flat as they like
        controls.fit(size)
    assert drawn.scene.camera.distance != pytest.approx(square.distance)


def test_a_panned_point_follows_the_mouse(controls: Controls, drawn: Drawn) -> None:
    size = 200
    camera = drawn.scene.camera
    point = np.append(camera.target, 1.0)
    controls.pan(0.1, 0.2)
    camera = drawn.scene.camera
    clip = camera.projection(size, size) @ camera.view() @ point
    pixel = (clip[:2] / clip[3] + 1.0) * size / 2
    assert pixel == pytest.approx([100 + 20, 100 + 40], abs=1e-6)


def test_key_light(controls: Controls, drawn: Drawn) -> None:
    second = drawn.scene.rig.lights[1]
    camera = drawn.scene.camera
    controls.press("RIGHT")
    controls.press("UP")
    light = drawn.scene.rig.lights[0]
    assert isinstance(light, PointLight)
    expected = 2.0 * np.array(
        [
            math.sin(LIGHT_STEP) * math.cos(LIGHT_STEP),
            math.sin(LIGHT_STEP),
            math.cos(LIGHT_STEP) * math.cos(LIGHT_STEP),
        ]
    )
    assert light.position == pytest.approx(tuple(expected))
    controls.press("LEFT")
    controls.press("DOWN")
    assert drawn.scene.rig.lights[0].position == pytest.approx((0.0, 0.0, 2.0))  # type: ignore[union-attr]
    controls.press("+")
    assert drawn.scene.rig.lights[0].intensity == pytest.approx(LIGHT_GAIN)  # type: ignore[union-attr]
    controls.press("-")
    assert drawn.scene.rig.lights[0].intensity == pytest.approx(1.0)  # type: ignore[union-attr]
    assert drawn.scene.rig.lights[1] is second
    assert drawn.scene.camera is camera


def test_no_lights_and_no_environment() -> None:
    drawn = Drawn(Scene((triangle(face=False),)))
    controls = Controls(drawn, MODES)
    before = drawn.scene
    for key in ("LEFT", "UP", "+", "E"):
        assert controls.press(key)
    assert drawn.scene is before


def test_environment_turns(controls: Controls, drawn: Drawn) -> None:
    pixels = drawn.scene.environment.pixels if drawn.scene.environment else None
    controls.press("E")
    environment = drawn.scene.environment
    assert environment is not None
    assert environment.rotation == pytest.approx(ENVIRONMENT_STEP)
    assert environment.pixels is pixels
    for _ in range(24):  # all around
        controls.press("E")
    environment = drawn.scene.environment
    assert environment is not None and environment.rotation == pytest.approx(ENVIRONMENT_STEP)


@pytest.mark.parametrize(
    "light",
    [
        DirectionalLight((0.3, -0.5, -1.0)),
        PointLight((0.5, 0.4, 1.0)),
        AreaLight.facing((0.6, 0.5, 1.2), (0.0, 0.1, 0.0), 0.4, 0.2),
    ],
)
def test_lights_keep_their_distance_and_shape(light: Light) -> None:
    center = np.array([0.0, 0.1, 0.0])

    def outward(light: Light) -> np.ndarray:
        if isinstance(light, DirectionalLight):
            return -np.array(light.direction)
        place = light.center if isinstance(light, AreaLight) else light.position
        offset: np.ndarray = np.subtract(place, center)
        return offset

    def pitch(light: Light) -> float:
        v = outward(light)
        return math.asin(v[1] / float(np.linalg.norm(v)))

    moved = turned(light, 0.3, 0.2, center)
    assert np.linalg.norm(outward(moved)) == pytest.approx(np.linalg.norm(outward(light)))
    assert pitch(moved) == pytest.approx(pitch(light) + 0.2)
    for _ in range(20):
        moved = turned(moved, 0.0, 0.2, center)
    assert pitch(moved) == pytest.approx(LIGHT_MAX_PITCH)
    if isinstance(light, AreaLight) and isinstance(moved, AreaLight):
        assert moved.area == pytest.approx(light.area)
        toward = -outward(moved) / np.linalg.norm(outward(moved))
        assert moved.normal == pytest.approx(tuple(toward))  # still faces the centre
    np.testing.assert_allclose(outward(turned(light, math.tau, 0.0, center)), outward(light), atol=1e-9)
    bright = dimmed(light, 4.0)
    field_name = {DirectionalLight: "irradiance", PointLight: "intensity", AreaLight: "radiance"}[type(light)]
    assert getattr(bright, field_name) == pytest.approx(4.0 * getattr(light, field_name))


def test_a_lamp_above_the_highest_pitch_keeps_its_height_where_it_is_only_turned() -> None:
    light = DirectionalLight((0.0, -1.0, 0.02))
    assert light.direction[1] < -math.sin(LIGHT_MAX_PITCH)
    moved = turned(light, 0.3, 0.0, np.zeros(3))
    assert isinstance(moved, DirectionalLight)
    assert moved.direction[1] == pytest.approx(light.direction[1], abs=1e-9)
    assert moved.direction[0] == pytest.approx(0.02 * math.sin(0.3), abs=1e-5)


def test_light_at_the_centre_stays() -> None:
    light = PointLight((0.0, 0.0, 0.0))
    assert turned(light, 1.0, 1.0, np.zeros(3)).position == (0.0, 0.0, 0.0)  # type: ignore[union-attr]
