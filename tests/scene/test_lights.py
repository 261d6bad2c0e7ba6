"""Lights and light set-up files."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.controls import turned
from app.errors import InputError
from app.scene.assets import ASSETS, find_environment, find_lights
from app.scene.default import load_environment
from app.scene.lights import (
    AreaLight,
    DirectionalLight,
    EnvironmentRef,
    Light,
    LightRig,
    PointLight,
    as_toml,
    load_lights,
    moved_lights,
)

Write = Callable[[str], Path]

FULL = """
exposure = -1.5
[environment]
path = "sky.exr"
rotation_degrees = 90
intensity = 0.25
[[light]]
type = "directional"
direction = [0, -2, 0]
irradiance = 3
angular_radius_degrees = 1.5
[[light]]
type = "point"
position = [1, 2, 3]
color = [1, 0.5, 0.25]
intensity = 4
radius = 0.05
[[light]]
type = "area"
center = [0, 0, 2]
width = 0.5
height = 1
radiance = 6
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "x.toml"
        path.write_text(text)
        return path

    return write


def test_everything_in_a_file_arrives(write: Write, tmp_path: Path) -> None:
    (tmp_path / "sky.exr").touch()
    rig = load_lights(write(FULL))
    assert rig.exposure == -1.5
    assert rig.environment == EnvironmentRef(tmp_path / "sky.exr", math.pi / 2, 0.25)
    sun, bulb, panel = rig.lights
    assert sun == DirectionalLight((0, -1, 0), (1, 1, 1), 3.0, math.radians(1.5))
    assert bulb == PointLight((1, 2, 3), (1, 0.5, 0.25), 4.0, 0.05)
    assert isinstance(panel, AreaLight)
    assert panel.radiance == 6.0 and panel.area == pytest.approx(0.5)


def test_an_empty_file_is_a_dark_set_up(write: Write) -> None:
    assert load_lights(write("")) == LightRig()


def test_area_light_faces_its_target_with_a_level_edge() -> None:
    light = AreaLight.facing((1.0, 2.0, 2.0), (0.0, 0.0, 0.0), 0.4, 0.2)
    np.testing.assert_allclose(light.normal, (-1 / 3, -2 / 3, -2 / 3), atol=1e-12)
    assert light.edge_u[1] == pytest.approx(0)
    assert np.linalg.norm(light.edge_u) == pytest.approx(0.2)
    assert np.linalg.norm(light.edge_v) == pytest.approx(0.1)
    above = AreaLight.facing((0, 1, 0), (0, 0, 0), 0.4, 0.2)
    np.testing.assert_allclose(above.normal, (0, -1, 0), atol=1e-12)
    np.testing.assert_allclose(np.abs(above.edge_u), (0.2, 0, 0), atol=1e-12)  # across the face, not along its nose


POINT = '[[light]]\ntype = "point"\nposition = [0,0,0]\n'
HEAD = POINT + "intensity = 1\n" + POINT


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("exposure = 1.0", encoding="utf-8-sig")
    assert load_lights(tmp_path / "x.toml").exposure == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "intensity = 1e200", "x.toml: light[1]: point light: intensity must be <= 1e+12, but is 1e+200."),
        (HEAD + "intensity = -1", "x.toml: light[1].intensity must be >= 0."),
        (HEAD + "intensity = nan", "x.toml: light[1].intensity must be >= 0."),
        (HEAD + "intensity = inf", "x.toml: light[1].intensity must be a finite number, not inf."),
        (HEAD + "", "x.toml: light[1].intensity is missing."),
        (HEAD + 'intensity = "1"', "x.toml: light[1].intensity must be a number, not text."),
        (HEAD + "intensity = true", "x.toml: light[1].intensity must be a number, not true/false."),
        (HEAD + "intensity = 1\nbrightness = 2", "x.toml: light[1].brightness is not a known key."),
        (HEAD + "intensity = 1\ncolor = [1, 1]", "x.toml: light[1].color must be three numbers, not 2."),
        (HEAD + "intensity = 1\ncolor = [1, 1, -1]", "x.toml: light[1].color[2] must be >= 0."),
        (HEAD + 'intensity = 1\ncolor = "red"', "x.toml: light[1].color must be a list, not text."),
        (
            HEAD.replace("[0,0,0]", "[0,0,nan]", 1) + "intensity = 1",
            "light[0].position[2] must be a finite number",
        ),
        ('[[light]]\ntype = "laser"', "light[0].type must be directional, point or area, not 'laser'."),
        ("[[light]]\nintensity = 1", "x.toml: light[0].type is missing."),
        ('[light]\ntype = "point"', "x.toml: light must be a list of tables ([[light]]), not a table."),
        (
            '[[light]]\ntype="directional"\ndirection=[0,0,0]\nirradiance=1',
            "light[0]: directional light: direction",
        ),
        (
            '[[light]]\ntype="directional"\ndirection=[0,0,1]\nirradiance=1\nangular_radius_degrees=91',
            "light[0].angular_radius_degrees must be <= 90.",
        ),
        (
            '[[light]]\ntype="area"\ncenter=[0,0,1]\nwidth=0\nheight=1\nradiance=1',
            "light[0].width must be > 0.",
        ),
        (
            '[[light]]\ntype="area"\ncenter=[0,0,0]\nwidth=1\nheight=1\nradiance=1',
            "center and target must differ.",
        ),
        ("exposure = 12.5", "x.toml: exposure must be <= 12."),
        ("exposure = -17", "x.toml: exposure must be >= -16."),
        ("fog = 1", "x.toml: fog is not a known key."),
        ("environment = 3", "x.toml: environment must be a table, not a number."),
        ('[environment]\npath = "no/where.exr"', "x.toml: environment.path: "),
        ('[environment]\npath = "no/where.exr"', "where.exr: no such environment map."),
        ("[[light]\n", "x.toml: is not valid TOML: "),
    ],
)
def test_mistakes_name_the_file_and_the_key(write: Write, text: str, message: str) -> None:
    path = write(text)
    with pytest.raises(InputError) as error:
        load_lights(path)
    assert message in error.value.message
    assert str(path) in error.value.message
    assert error.value.message.endswith(".") and "\n" not in error.value.message


def test_lights_that_may_have_other_shadows() -> None:
    key, fill = PointLight((1.0, 1.0, 1.0)), PointLight((-1.0, 1.0, 1.0))
    bright, red = PointLight(key.position, intensity=2.0), PointLight(fill.position, color=(1.0, 0.0, 0.0))
    moved = PointLight((1.0, 1.0, 1.1))
    assert moved_lights([key, fill], [key, fill]) == []
    assert moved_lights([key, fill], [bright, fill]) == []  # one of them is as it was
    assert moved_lights([key, fill], [moved, fill]) == [0]
    assert moved_lights([fill, key], [red, moved]) == [1]
    assert moved_lights([key, fill], [bright, red]) is None
    assert moved_lights([key], [DirectionalLight(irradiance=key.intensity)]) == [0]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.toml: cannot read the light set-up \(No such file"):
        load_lights(tmp_path / "gone.toml")
    with pytest.raises(InputError, match="cannot read the light set-up"):
        load_lights(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml: is not a text file"):
        load_lights(tmp_path / "binary.toml")
    (tmp_path / "deep.toml").write_text(f"a = {'[' * 100_000}")
    with pytest.raises(InputError, match=r"deep\.toml: is (nested too deeply|not valid TOML)"):
        load_lights(tmp_path / "deep.toml")
    (tmp_path / "long.toml").write_text(f"exposure = {'9' * 10_000}")
    with pytest.raises(InputError, match=r"long\.toml: is not valid TOML"):
        load_lights(tmp_path / "long.toml")


@pytest.mark.parametrize("name", ["~nobody-of-that-name/studio", "x" * 5_000])
def test_names_that_no_file_can_have(name: str) -> None:
    for find in (find_lights, find_environment):
        with pytest.raises(InputError, match=r"no such (light set-up|environment map)"):
            find(name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PointLight(radius=-1), "point light: radius must be >= 0"),
        (lambda: PointLight(position=(0, math.inf, 0)), "point light: position must be three finite"),
        (lambda: DirectionalLight(irradiance=math.nan), "directional light: irradiance must be a finite"),
        (lambda: PointLight(position=(0, -1e7, 0)), r"position must be within -1e\+06..1e\+06"),
        (lambda: PointLight(radius=1e30), r"point light: radius must be <= 1e\+06"),
        (lambda: AreaLight.facing((0, 0, 1), (0, 0, 0), 1.0, 1e200), r"area light: height must be <= 2e\+06"),
        (lambda: AreaLight(color=(1, 1e13, 1)), r"area light: color must be <= 1e\+12, but is"),
        (lambda: AreaLight(edge_u=(1, 0, 0), edge_v=(2, 0, 0)), "edge_u and edge_v must span an area"),
        (lambda: AreaLight(color=(1, -1, 1)), "area light: color must not be negative"),
        (lambda: LightRig(exposure=math.inf), "exposure must be a finite number"),
        (lambda: LightRig(exposure=13.0), "exposure must be <= 12"),
    ],
)
def test_bad_lights_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def irradiance(light: Light, point: Any, normals: Any) -> Any:
    """Unshadowed irradiance at `point` for (N,3) normals: (N,3)."""
    if isinstance(light, DirectionalLight):
        cos = np.maximum(-(normals @ light.direction), 0)
        return cos[:, None] * light.irradiance * np.array(light.color)
    if isinstance(light, PointLight):
        to = np.array(light.position) - point
        cos = np.maximum(normals @ to, 0) / np.linalg.norm(to)
        return (cos * light.intensity / (to @ to))[:, None] * np.array(light.color)
    s = (np.arange(8) + 0.5) / 4 - 1
    grid = np.stack(np.meshgrid(s, s), -1).reshape(-1, 2)
    to = np.array(light.center) + grid @ np.array([light.edge_u, light.edge_v]) - point
    d2 = (to * to).sum(-1)
    emitted = np.maximum(-(to @ light.normal), 0) / np.sqrt(d2)
    cos = np.maximum(normals @ to.T, 0) / np.sqrt(d2)
    return (cos * emitted / d2).mean(1)[:, None] * light.area * light.radiance * np.array(light.color)


@pytest.mark.parametrize("path", sorted((ASSETS / "lights").glob("*.toml")), ids=lambda p: p.stem)
def test_supplied_set_ups_expose_fair_skin_well(path: Path) -> None:
    """Albedo 0.5 on the best-lit front-facing direction; a rim light's subject may be darker in front."""
    rig = load_lights(path)
    yaw, pitch = (x.reshape(-1) for x in np.meshgrid(np.radians([-60, -30, 0, 30, 60]), np.radians([-20, 0, 30])))
    normals = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], -1)
    total = sum((irradiance(light, 0.1 * normals[7], normals) for light in rig.lights), np.zeros((15, 3)))
    environment = load_environment(rig)
    if environment is not None:
        total = total + environment.irradiance(normals)
    brightest = (total @ [0.2126, 0.7152, 0.0722]).max() * 0.5 / math.pi * 2**rig.exposure
    low, high = (0.04, 0.3) if path.stem == "rim" else (0.3, 0.6)
    assert low < brightest < high


def test_a_written_set_up_is_read_as_it_was(tmp_path: Path) -> None:
    lights: tuple[Light, ...] = (
        DirectionalLight((0.3, -0.4, -1.0), (1.0, 0.9, 0.8), 2.5, 0.02),
        PointLight((0.1, 0.2, 1.5), (0.5, 1.0, 1.0), 0.3, 0.05),
        AreaLight.facing((-0.9, 0.9, 1.1), (0.1, 0.0, 0.0), 0.9, 0.4, (1.0, 0.5, 0.25), 8.5),
        AreaLight.facing((0.0, 2.0, 0.0), (0.0, 0.0, 0.0), 0.5, 0.25),
        AreaLight.facing((1.0, 0.2, 0.3), (0.0, 0.5, 0.0), 0.2, 1.5, roll=2.5),
        turned(AreaLight.facing((0.0, 2.0, 0.0), (0.0, 0.0, 0.0), 0.5, 0.25), 1.5, 0.0, np.zeros(3)),
    )
    own = tmp_path / "my map.exr"
    own.touch()
    for ref in (None, EnvironmentRef(find_environment("city"), 0.5, 0.25), EnvironmentRef(own, 6.0)):
        path = tmp_path / "new.toml"
        path.write_bytes(as_toml(LightRig(lights, ref, -1.25)))
        assert str(ASSETS) not in path.read_text(), "what is supplied goes by its name, wherever it is installed"
        found = load_lights(path)
        assert found.exposure == -1.25
        if ref is None:
            assert found.environment is None
        else:
            assert found.environment is not None and found.environment.path.samefile(ref.path)
            assert found.environment.rotation == pytest.approx(ref.rotation)
            assert found.environment.intensity == ref.intensity
        for ours, theirs in zip(lights, found.lights, strict=True):
            for name, value in asdict(ours).items():
                assert getattr(theirs, name) == pytest.approx(value, abs=1e-9), name


def test_a_rolled_lamp_turns_about_the_way_it_shines(write: Write) -> None:
    text = """
[[light]]
type = "area"
center = [0.0, 0.0, 1.0]
width = 2.0
height = 0.5
radiance = 1.0
roll_degrees = 90.0
"""
    (lamp,) = load_lights(write(text)).lights
    assert isinstance(lamp, AreaLight)
    assert lamp.normal == pytest.approx((0.0, 0.0, -1.0))
    np.testing.assert_allclose(np.abs(lamp.edge_u), (0.0, 1.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(np.abs(lamp.edge_v), (0.25, 0.0, 0.0), atol=1e-12)
