"""KHR_lights_punctual."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.scene.gltf import LUMENS_PER_WATT, load_glb_lights
from app.scene.lights import DirectionalLight, PointLight
from tests.scene.glb_writer import Glb


def write(path: Path, lights: Any, nodes: Any) -> Path:
    glb = Glb()
    glb.header["extensions"] = {"KHR_lights_punctual": {"lights": lights}}
    glb.header["nodes"] = nodes
    glb.header["scenes"] = [{"nodes": [0]}]
    return glb.write(path)


def shining(light: int, **more: Any) -> dict[str, Any]:
    return {"extensions": {"KHR_lights_punctual": {"light": light}}} | more


def test_lights_are_placed_by_their_nodes(tmp_path: Path) -> None:
    half = math.sqrt(0.5)
    nodes = [
        {"mesh": 0, "children": [1, 2], "translation": [0, 1, 0]},
        shining(0, rotation=[-half, 0, 0, half]),  # -90 degrees about +x: -z becomes -y
        shining(1, translation=[3, 0, 0]),
    ]
    lights = [
        {"type": "directional", "intensity": 683.0, "color": [1, 0.5, 0.25]},
        {"type": "point", "intensity": 1366.0},
    ]
    found = load_glb_lights(write(tmp_path / "q.glb", lights, nodes))
    sun = next(light for light in found if isinstance(light, DirectionalLight))
    bulb = next(light for light in found if isinstance(light, PointLight))
    assert len(found) == 2
    np.testing.assert_allclose(sun.direction, (0, -1, 0), atol=1e-12)
    assert (sun.irradiance, sun.color) == (1.0, (1, 0.5, 0.25))
    assert (bulb.position, bulb.intensity) == ((3, 1, 0), 2.0)


def test_defaults_and_spot_lights(tmp_path: Path) -> None:
    path = write(tmp_path / "q.glb", [{"type": "spot", "name": "lamp"}], [shining(0)])
    with pytest.warns(UserWarning, match="lamp is drawn as a point light"):
        assert load_glb_lights(path) == (PointLight((0, 0, 0), (1, 1, 1), 1 / LUMENS_PER_WATT),)


def test_other_files_have_none(tmp_path: Path) -> None:
    assert load_glb_lights(Glb().write(tmp_path / "q.glb")) == ()
    assert load_glb_lights(tmp_path / "q.obj") == ()


@pytest.mark.parametrize(
    ("lights", "nodes", "message"),
    [
        ([], [shining(0)], "its lights are malformed (IndexError"),
        ([{}], [shining(0)], "its lights are malformed (KeyError"),
        ([{"type": "laser"}], [shining(0)], "unknown type 'laser'"),
        ([{"type": "point", "intensity": -1}], [shining(0)], "point light: intensity must be >= 0"),
        (
            [{"type": "point"}],
            [shining(0, children=[0])],
            "its lights are malformed (ValueError: node 0 has two",
        ),
    ],
)
def test_malformed_lights(tmp_path: Path, lights: Any, nodes: Any, message: str) -> None:
    path = write(tmp_path / "q.glb", lights, nodes)
    with pytest.raises(InputError) as error:
        load_glb_lights(path)
    assert message in error.value.message and str(path) in error.value.message


def test_missing_and_text_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_glb_lights(tmp_path / "gone.glb")
    header, _ = Glb().parts()
    header["extensions"] = {"KHR_lights_punctual": {"lights": [{"type": "point"}]}}
    header["nodes"].append(shining(0))
    header["scenes"][0]["nodes"].append(1)
    (tmp_path / "q.gltf").write_text(json.dumps(header))
    assert len(load_glb_lights(tmp_path / "q.gltf")) == 1
