"""The renderer on a device without ray tracing, against the picture that rays give."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.arrays import F32, U8
from app.controls import Controls
from app.errors import InputError
from app.gpu import Device
from app.gpu.selection import NO_RAY_TRACING
from app.main import main
from app.modes import MODES, NEEDS_REFERENCE
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.default import default_scene
from app.scene.lights import LightRig
from app.scene.model import Scene

SIZE = (128, 128)
# What networks are given, and the least ratio of its own square to the squared error, in dB: transmission is the one
# that differs, in the ears.
LEAST = {
    "diffuse": 22.0,
    "diffuse_narrow": 22.0,
    "diffuse_wide": 22.0,
    "specular": 24.0,
    "thickness": 28.0,
    "transmission": 7.0,
    "ambient_visibility": 22.0,
}


def draw(renderer: Renderer) -> tuple[U8, dict[str, F32]]:
    """A settled picture and layers."""
    renderer.settle_lights()
    for _ in range(4):
        renderer.render()
    return renderer.read(), {name: renderer.read_aov(name) for name in ("face", *LEAST)}


def test_the_picture_is_that_of_a_traced_one(gpu: Device, device_without_rays: Device, weights: WeightSet) -> None:
    found = []
    scene = default_scene(lights="rim", aspect=1.0)
    for device in (gpu, device_without_rays):
        with Renderer(device, scene, weights, SIZE, cache_size=64, cache_samples=12) as renderer:
            found.append(draw(renderer))
    (traced, traced_layers), (picture, layers) = found
    face = (traced_layers["face"] > 0.0) & (layers["face"] > 0.0)
    assert (traced_layers["face"] != layers["face"]).sum() <= 4
    error = (picture.astype(float) - traced)[..., :3] / 255.0
    assert -10.0 * np.log10((error[face] ** 2).mean()) > 32.0
    assert -10.0 * np.log10((error[~face] ** 2).mean()) > 36.0  # eyes, brows, lashes
    for name, least in LEAST.items():
        there, here = traced_layers[name][face], layers[name][face]
        assert 10.0 * np.log10((there**2).mean() / ((there - here) ** 2).mean()) > least, name


def test_it_moves_and_says_what_it_cannot(device_without_rays: Device, weights: WeightSet) -> None:
    scene: Scene = default_scene(aspect=1.0)
    with device_without_rays.image(4, 4, "rgba8") as tiny:  # makes the staging buffers, which the device keeps
        tiny.upload(np.zeros((4, 4, 4), np.uint8))
        tiny.read()
    before = device_without_rays.live_objects
    with Renderer(device_without_rays, scene, weights, (48, 40), cache_size=64, cache_samples=3) as renderer:
        controls = Controls(renderer, MODES)
        renderer.render()
        made = device_without_rays.objects_made
        for key in ("LEFT", "UP", "+", "E", "HOME", "T", "G", "N"):
            controls.press(key)
            renderer.render()
        assert device_without_rays.objects_made == made
        first = draw(renderer)[0]
        assert first[..., :3].std() > 1.0
        for mode in NEEDS_REFERENCE:
            with pytest.raises(InputError, match=r"^The reference needs ray tracing, which .* has not\.$"):
                renderer.mode = mode
        assert renderer.mode == "neural"
        renderer.scene = replace(renderer.scene, rig=LightRig(), environment=None)
        assert draw(renderer)[0][..., :3].max() == 0
        renderer.resize(32, 33)
        assert draw(renderer)[0].shape == (33, 32, 4)
    assert device_without_rays.live_objects == before
    with pytest.raises(InputError, match="A traced G-buffer needs ray tracing"):
        Renderer(device_without_rays, scene, weights, (48, 40), gbuffer="trace")
    assert device_without_rays.live_objects == before


def test_commands(
    coarse_light: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures come with one warning; what needs rays is refused in one sentence, before anything is drawn."""
    monkeypatch.setenv(NO_RAY_TRACING, "1")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    quick = ["--size", "32x24", "--light-samples", "1"]
    assert main(["render", *quick, "--spp", "1", "--out", str(tmp_path / "face.png")]) == 0
    assert capsys.readouterr().err.count("has no ray tracing: the G-buffer is rasterised") == 1
    assert main(["demo", *quick, "--out", str(tmp_path / "demo")]) == 0
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["neural.png"]
    capsys.readouterr()
    out = str(tmp_path / "x.png")
    for arguments in (
        ["render", "--mode", "reference", "--out", out],
        ["render", "--gbuffer", "trace", "--out", out],
        ["demo", "--mode", "split"],
        ["dataset", "--out", str(tmp_path / "data"), "--frames", "1"],
        ["avatar", "--seed", "1", "--out", out],
    ):
        assert main(arguments) == 2, arguments
        assert "This needs ray tracing" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
