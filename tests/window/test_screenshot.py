"""Screenshots, and the commands that draw them again."""

import os
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.controls import Controls
from app.errors import BungyoError
from app.gpu import Device
from app.main import main
from app.modes import MODES
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.default import default_scene
from app.scene_options import SceneOptions
from app.screenshot import save_screenshot
from app.weight_sets import DEFAULT_WEIGHTS

SIZE = (96, 80)


@pytest.mark.parametrize("keys", ["", "EE", "<>^..+", "<<,,E"])
def test_the_same_can_be_drawn_again(gpu: Device, tmp_path: Path, keys: str) -> None:
    names = {"<": "LEFT", ">": "RIGHT", "^": "UP"}
    options = SceneOptions(lights=Path("rim"), size=SIZE, light_samples=2)
    scene = default_scene(lights="rim", aspect=SIZE[0] / SIZE[1])
    weights = WeightSet.load(DEFAULT_WEIGHTS)
    with Renderer(gpu, scene, weights, SIZE, cache_samples=2) as renderer:
        renderer.split = 0.25
        controls = Controls(renderer, MODES)
        for key in keys:
            controls.press(names.get(key, key))
        if keys:
            controls.orbit(0.1, 0.05)
            controls.zoom(14)
            controls.pan(0.1, 0.2)
        renderer.settle_lights()
        for _ in range(16):
            renderer.render()
        path, command = save_screenshot(renderer, options, DEFAULT_WEIGHTS, tmp_path / "new")
    assert path == tmp_path / "new" / "screenshot_0001.png"
    assert ("--look-from" in command) == bool(keys)
    assert path.with_suffix(".toml").exists() == bool(keys), "the light as it is now, where no file says so"
    words = shlex.split(command)
    assert words[0] == "bungyo"
    words[words.index("--spp") + 1] = "16"
    assert main(words[1:]) == 0
    again = path.with_stem("screenshot_0001_fine")
    one, other = (np.asarray(Image.open(file), np.int16) for file in (path, again))
    assert one.std() > 10.0
    assert np.abs(one - other).mean() < 0.3 and (np.abs(one - other) > 8).mean() < 0.01


def test_a_split_picture_says_where_its_line_is(gpu: Device, tmp_path: Path) -> None:
    with Renderer(gpu, default_scene(), WeightSet.untrained(), SIZE, cache_size=64, cache_samples=1) as renderer:
        renderer.mode, renderer.split = "split", 0.26
        renderer.render()
        path, command = save_screenshot(renderer, SceneOptions(light_samples=1), DEFAULT_WEIGHTS, tmp_path)
    words = shlex.split(command)
    words[words.index("--spp") + 1] = "1"
    assert main(words[1:]) == 0
    lines = [np.asarray(Image.open(path.with_stem(path.stem + end)))[0].min(axis=-1) for end in ("", "_fine")]
    for line in lines:
        assert np.flatnonzero(line == 255).tolist() == [24, 25]


def test_nothing_that_is_there_is_overwritten(gpu: Device, tmp_path: Path) -> None:
    kept = tmp_path / "screenshot_0001.toml"
    kept.write_text("# mine")
    with Renderer(gpu, default_scene(), WeightSet.untrained(), SIZE, cache_size=64, cache_samples=1) as renderer:
        Controls(renderer, MODES).press("+")
        renderer.render()
        path, _ = save_screenshot(renderer, SceneOptions(), DEFAULT_WEIGHTS, tmp_path)
        assert path.name == "screenshot_0002.png" and kept.read_text() == "# mine"
        lights = renderer.scene.rig
        assert lights.environment is not None
        strange = replace(lights.environment, path=tmp_path / os.fsdecode(b"f\xfcr.hdr"))
        renderer.scene = replace(renderer.scene, rig=replace(lights, environment=strange))
        with pytest.raises(BungyoError, match="its map's name is no text"):
            save_screenshot(renderer, SceneOptions(), DEFAULT_WEIGHTS, tmp_path)


def test_a_mesh_and_a_name_with_spaces_are_quoted(gpu: Device, tmp_path: Path) -> None:
    options = SceneOptions(mesh=Path("my head.glb"), face=("the skin",), gbuffer="raster", light_texels=512)
    with Renderer(gpu, default_scene(), WeightSet.untrained(), SIZE, cache_size=64, cache_samples=1) as renderer:
        renderer.render()
        _, command = save_screenshot(renderer, options, Path("my weights"), tmp_path)
    for words in ("--mesh 'my head.glb'", "--face 'the skin'", "--weights 'my weights'", "--gbuffer raster"):
        assert words in command
    assert "--light-texels 512" in command and "--light-samples" not in command


def test_what_cannot_be_written_is_one_sentence(gpu: Device, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Renderer(gpu, default_scene(), WeightSet.untrained(), SIZE, cache_size=64, cache_samples=1) as renderer:
        renderer.render()
        for folder in ("file", "x" * 300):
            with pytest.raises(BungyoError, match=rf"Cannot save a screenshot in .*{folder}: "):
                save_screenshot(renderer, SceneOptions(), DEFAULT_WEIGHTS, tmp_path / folder)
        rig = renderer.scene.rig
        renderer.scene = replace(renderer.scene, rig=replace(rig, file=tmp_path / "gone.toml"))
        path, command = save_screenshot(renderer, SceneOptions(), DEFAULT_WEIGHTS, tmp_path)
        assert f"--lights {path.with_suffix('.toml')}" in command, "its file is gone"
