"""Light that the GPU cannot take: it is refused in a sentence, and the picture is drawn in the light before."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.arrays import U8
from app.errors import InputError
from app.gpu import Device
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.environment import Environment
from app.scene.lights import PointLight
from app.scene.model import Scene

SIZE = (96, 80)


@pytest.fixture
def renderer(gpu: Device, face: Scene, weights: WeightSet) -> Iterator[Renderer]:
    with Renderer(gpu, face, weights, SIZE, cache_size=64, cache_samples=2) as made:
        yield made


def picture(renderer: Renderer) -> U8:
    renderer.restart()
    renderer.settle_lights()
    renderer.render()
    return renderer.read()


def even(height: int) -> Environment:
    return Environment(np.full((height, 2 * height, 3), 0.5, np.float32))


@pytest.mark.parametrize(
    ("limits", "changed", "sentence"),
    [
        ({"image_edge": 500}, {"environment": even(256)}, "takes no more than 500 along an edge"),
        # Refused only when passes are bound to it: its alias table has 12 bytes a texel.
        ({"storage_buffer": 5 << 20}, {"environment": even(512)}, "environment alias table: .* can bind"),
        ({"storage_buffer": 5 << 20}, {"lights": 64}, "light visibility: .* can bind"),
    ],
    ids=["image", "buffer", "lights"],
)
def test_light_that_is_refused_changes_nothing(
    gpu: Device, renderer: Renderer, monkeypatch: pytest.MonkeyPatch, limits: Any, changed: Any, sentence: str
) -> None:
    before, scene = picture(renderer), renderer.scene
    if "lights" in changed:
        lamps = tuple(PointLight((0.3, 0.01 * i, 0.5), (1.0, 1.0, 1.0), 0.1) for i in range(changed["lights"]))
        changed = {"rig": replace(scene.rig, lights=lamps)}
    with monkeypatch.context() as limited:
        # Of CPUs it is known that they bind any buffer.
        limited.setattr(gpu, "info", replace(gpu.info, kind="discrete", limits=replace(gpu.info.limits, **limits)))
        with pytest.raises(InputError, match=sentence):
            renderer.scene = replace(scene, **changed)
        assert renderer.scene is scene
    np.testing.assert_array_equal(picture(renderer), before)
    renderer.scene = replace(scene, **changed)
    assert np.abs(picture(renderer).astype(int) - before).max() > 10
    renderer.scene = scene
    np.testing.assert_array_equal(picture(renderer), before)
