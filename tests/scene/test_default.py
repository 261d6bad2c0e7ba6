"""The default scene and the user's changes to it."""

import math
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.scene.assets import DEFAULT_HEAD, find_environment, find_lights
from app.scene.default import default_scene
from app.scene.gltf import load_glb_lights
from app.scene.lights import AreaLight, PointLight
from tests.scene.foreign_head import write_foreign_head
from tests.scene.glb_writer import POSITIONS, Glb


def test_the_supplied_head_in_the_studio() -> None:
    scene = default_scene(aspect=1.5)
    assert scene.face_parts and len(scene.face_parts) < len(scene.parts)
    assert all(part.material.subsurface == 1 for part in scene.face_parts)
    assert any(isinstance(light, AreaLight) for light in scene.rig.lights)
    assert scene.environment is not None
    low, high = scene.bounds(face_only=True)
    clip = scene.camera.projection(1500, 1000) @ scene.camera.view()
    middle = (low + high) / 2
    top, bottom = (clip @ (middle[0], y, middle[2], 1) for y in (high[1], low[1]))
    assert (bottom[1] / bottom[3] - top[1] / top[3]) / 2 == pytest.approx(0.8, abs=0.03)
    x, _, z = np.subtract(scene.camera.position, scene.camera.target)
    assert math.degrees(math.atan2(x, z)) == pytest.approx(20, abs=0.5)


def test_the_supplied_head_is_in_metres_and_looks_along_z() -> None:
    scene = default_scene(DEFAULT_HEAD)
    size = np.ptp(scene.bounds(face_only=True), axis=0)
    assert 0.15 < size[1] < 0.45
    eyes = [part.bounds().mean(axis=0) for part in scene.parts if part.name.startswith("eye")]
    assert len(eyes) >= 2
    assert np.mean(eyes, axis=0)[2] > scene.bounds(face_only=True).mean(axis=0)[2]


def test_exposure_is_added_to_the_set_ups() -> None:
    own = default_scene(lights="rim").rig.exposure
    assert default_scene(lights="rim", exposure=1.5).rig.exposure == own + 1.5
    assert default_scene(lights="rim", exposure=100.0).rig.exposure == 12.0


def test_mesh_lights_and_environment_can_be_replaced(tmp_path: Path) -> None:
    mesh = Glb().write(tmp_path / "my.glb")
    scene = default_scene(mesh, "rim", "city", ["head"])
    assert [part.name for part in scene.parts] == ["head"]
    assert scene.environment is not None and scene.environment.name.endswith("city.exr")
    ref = scene.rig.environment
    assert ref is not None and ref.path.name == "city.exr"
    assert scene.environment.intensity == ref.intensity == pytest.approx(0.15)  # the set-up's own


def test_the_camera_looks_at_the_face_not_at_everything(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["nodes"] = [{"mesh": 0, "name": "face"}, {"mesh": 1, "translation": [9, 0, 0]}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    glb.header["materials"] = [{"name": "m1"}, {"name": "m2"}]
    glb.header["meshes"] = [
        {"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 2}, "indices": 3, "material": i}]} for i in (0, 1)
    ]
    scene = default_scene(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(scene.camera.target, (0.1, 0.1, 0), atol=1e-6)


def test_a_set_up_without_environment(tmp_path: Path) -> None:
    mesh = Glb().write(tmp_path / "my.glb")
    (tmp_path / "dark.toml").write_text("")
    with pytest.warns(UserWarning, match="Nothing lights the face"):
        assert default_scene(mesh, tmp_path / "dark.toml").environment is None
    lit = default_scene(mesh, tmp_path / "dark.toml", "city").environment
    assert lit is not None and lit.intensity == 1


def test_lights_of_the_mesh_file_are_used_unless_others_are_asked_for(tmp_path: Path) -> None:
    mesh = Glb().with_lamp().write(tmp_path / "lit.glb")
    own = default_scene(mesh)
    assert [type(light) for light in own.rig.lights] == [PointLight]
    assert own.environment is None
    assert any(isinstance(light, AreaLight) for light in default_scene(mesh, "studio").rig.lights)


def test_names_and_paths_of_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_lights("studio") == find_lights("studio.toml")
    (tmp_path / "studio.toml").touch()
    assert find_lights("studio.toml") == Path("studio.toml")  # the user's own file comes first
    assert find_environment("city").is_file()
    with pytest.raises(InputError, match=r"nowhere: no such environment map\. Supplied with the project: .*city"):
        find_environment("nowhere")
    with pytest.raises(InputError, match=r"no such light set-up\. Supplied with the project: .*rim"):
        find_lights("nowhere")
    with pytest.raises(InputError, match="is a folder, not a light set-up"):
        find_lights(tmp_path)


@pytest.mark.parametrize(("units", "name"), [(10.0, "decimetres"), (100.0, "centimetres"), (1000.0, "millimetres")])
def test_a_head_in_another_unit_is_scaled_to_metres(tmp_path: Path, units: float, name: str) -> None:
    """All of its parts, and the camera stands where it would."""
    expected = default_scene(write_foreign_head(tmp_path / "m.glb", eyes=True), face=["head"])
    path = write_foreign_head(tmp_path / "head.glb", scale=units, eyes=True)
    with pytest.warns(UserWarning, match=rf"the face is [\d.]+ units big, .* its lengths are read as {name}\.$"):
        scene = default_scene(path, face=["head"])
    np.testing.assert_allclose(scene.bounds(), expected.bounds(), atol=1e-5)
    np.testing.assert_allclose(scene.parts[1].bounds(), expected.parts[1].bounds(), atol=1e-5)
    np.testing.assert_allclose(scene.camera.position, expected.camera.position, atol=1e-4)


@pytest.mark.parametrize(("height", "metres"), [(1.8, 1.0), (16.8, 0.1), (180.0, 0.01), (1750.0, 0.001)])
def test_the_skin_of_a_whole_body_is_no_giant_head(tmp_path: Path, height: float, metres: float) -> None:
    size = np.array([1.0, 1.0, 0.15], "<f4") * np.float32(height / 0.2)
    path = Glb(POSITION=POSITIONS[:, [0, 1, 1]] * size, NORMAL=None).write(tmp_path / "body.glb")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        scene = default_scene(path)
    assert np.ptp(scene.bounds()[:, 1]) == pytest.approx(height * metres, rel=1e-3)
    assert len(said) == (metres != 1.0)


@pytest.mark.parametrize("units", [1e-2, 4.5, 1e5])
def test_a_size_that_no_unit_explains(tmp_path: Path, units: float) -> None:
    path = write_foreign_head(tmp_path / "head.glb", scale=units)
    with pytest.warns(UserWarning, match=r"units big, read as metres: its skin will look wrong\. Scale it to metres\."):
        scene = default_scene(path)
    assert np.ptp(scene.bounds(), axis=0).max() == pytest.approx(0.24 * units, rel=0.05)


def test_sizes_that_the_page_gives_as_examples(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "own-face.md").read_text()
    examples = re.findall(r"^\| the face is (\d+) units big, ([^|]+) \|", page, re.MULTILINE)
    assert len(examples) == 2
    for units, consequence in examples:
        path = write_foreign_head(tmp_path / f"{units}.glb", scale=float(units) / 0.24)
        with pytest.warns(UserWarning, match=rf"the face is {units}[\d.]* units big, {consequence}"):
            default_scene(path)


def test_a_lamp_of_the_file_is_scaled_with_it(tmp_path: Path) -> None:
    glb = Glb(POSITION=POSITIONS[:, [0, 1, 0]] * np.float32(1000), NORMAL=None)
    glb.header["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point", "intensity": 7.0}]}}
    lamp = {"extensions": {"KHR_lights_punctual": {"light": 0}}, "translation": [500, 0, 1000]}
    glb.header["nodes"].append(lamp)
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    path = glb.write(tmp_path / "lit.glb")
    (written,) = load_glb_lights(path)
    with pytest.warns(UserWarning, match="read as millimetres"):
        (light,) = default_scene(path).rig.lights
    assert isinstance(light, PointLight) and isinstance(written, PointLight)
    assert light.position == pytest.approx((0.5, 0.0, 1.0))
    assert light.intensity / 1.0**2 == pytest.approx(written.intensity / 1000.0**2)  # it shines on the face as before


def test_a_missing_mesh_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.glb: no such mesh file"):
        default_scene(tmp_path / "gone.glb")
