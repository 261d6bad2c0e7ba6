"""Drivers other than the one at hand: what they may lack, and a second one that was written independently."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.gpu import Device
from app.gpu.features import Offer, optional_extensions
from app.gpu.selection import NO_RAY_TRACING
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.default import default_scene
from tests.conftest import SIZE

ROOT = Path(__file__).parents[1]
# Google's CPU driver, which Debian ships with Chromium. It traces no rays, runs four threads at a time where lavapipe
# runs eight, and has no 64-bit integers, no halves and short texel buffers.
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
MISSING = "there is no SwiftShader; setup/system.sh test installs it (Debian package chromium-common)"


def test_short_texel_buffers_and_no_64_bits_make_the_same_picture(
    gpu: Device, weights: WeightSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = default_scene(lights="rim", aspect=SIZE[0] / SIZE[1])
    pictures = []
    with Device.open(gpu.info.index, validation=True) as other:
        monkeypatch.setattr(other.shaders, "defines", {})
        for device in (gpu, other):
            with Renderer(device, scene, weights, SIZE, cache_size=64, cache_samples=4) as renderer:
                renderer.settle_lights()
                renderer.render()
                pictures.append((renderer.read(), renderer.read_radiance()))
        assert not other.validation_messages
    for here, there in zip(*pictures, strict=True):
        assert np.array_equal(here, there)


LAVAPIPE = sorted(Path("/usr/share/vulkan/icd.d").glob("lvp_icd*.json"))


def run(*arguments: str, **environment: str) -> str:
    """Run Python with these arguments and variables of the environment; what it said."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


on_swiftshader = partial(run, VK_DRIVER_FILES=str(SWIFTSHADER), VK_ICD_FILENAMES=str(SWIFTSHADER))


@pytest.mark.skipif(not SWIFTSHADER.exists(), reason=MISSING)
def test_swiftshader_draws_the_same_picture(tmp_path: Path) -> None:
    command = "import sys; from app.main import main; sys.exit(main())"
    draw = ("-c", command, "render", "--size", "160x160", "--light-samples", "1", "--spp", "4", "--out")
    here, there = tmp_path / "here.png", tmp_path / "there.png"
    run(*draw, str(here), **{NO_RAY_TRACING: "1"})
    said = on_swiftshader(*draw, str(there), BUNGYO_VALIDATION="1")
    assert "SwiftShader Device (Subzero) has no ray tracing" in said and "Validation" not in said
    with Image.open(here) as one, Image.open(there) as other:
        difference = np.abs(np.asarray(one.convert("RGB"), int) - np.asarray(other.convert("RGB"), int)).max(axis=-1)
    assert (difference > 3).mean() < 0.02  # hair, and the outline, where drivers round corners differently
    assert np.sqrt(np.square(difference).mean()) < 3.0


@pytest.mark.skipif(not SWIFTSHADER.exists(), reason=MISSING)
def test_swiftshader_runs_the_networks() -> None:
    """Hash, tile list and networks against their numpy twins, under the validation layer."""
    chosen = "bit_exact or any_width or only_face or untrained_hash"
    said = on_swiftshader(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, "tests/passes/test_tile_passes.py"
    )
    assert " passed" in said and " skipped" not in said


@pytest.mark.skipif(not LAVAPIPE, reason="there is no lavapipe where Debian has it")
def test_a_driver_that_translates_is_found(tmp_path: Path) -> None:
    """Loaders hide drivers that say so of themselves (MoltenVK) from who does not ask for them."""
    manifest = json.loads(LAVAPIPE[0].read_text())
    manifest["ICD"]["is_portability_driver"] = True
    translating = tmp_path / "translating.json"
    translating.write_text(json.dumps(manifest))
    code = "from app.gpu import Device\nwith Device.open(raytracing=None, validation=True) as gpu:\n"
    code += "    print(gpu.info.name, 'messages:', gpu.validation_messages)"
    said = run("-c", code, VK_DRIVER_FILES=str(translating), VK_ICD_FILENAMES=str(translating))
    assert said.startswith("llvmpipe") and "messages: []" in said


def test_what_says_that_a_driver_offers_less_is_switched_on() -> None:
    """Vulkan demands it of whoever opens such a device (VUID-VkDeviceCreateInfo-pProperties-04451)."""
    subset = "VK_KHR_portability_subset"
    for extensions, switched_on in ((frozenset({subset, "VK_KHR_ray_query"}), [subset]), (frozenset[str](), [])):
        assert optional_extensions(Offer((), (), frozenset(), extensions), raytracing=True) == switched_on
