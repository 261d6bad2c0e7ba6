"""Shaders stay within their buffers, and read nothing that was not written."""

import numpy as np
import pytest

from app.arrays import U8
from app.controls import Controls
from app.gpu import Binding, Device, Struct
from app.modes import MODES, NEEDS_REFERENCE
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.model import Scene
from tests.conftest import SIZE, Keep
from tests.guard_bands import BYTE, COLOR, guard_bands


@pytest.mark.parametrize("beyond", [False, True])
def test_a_shader_that_leaves_its_buffer_is_found(gpu: Device, keep: Keep, beyond: bool) -> None:
    count = 100
    push = Struct("Push", [("count", "uint"), ("scale", "float"), ("odd", "uint8_t")])
    given = push.zeros()
    given["count"], given["scale"] = count + beyond, 1.0
    with (
        guard_bands() as overwritten,
        gpu.buffer(np.zeros(count, np.float32), name="numbers") as numbers,
        gpu.compute_pipeline("fold.comp", [Binding(0, "storage")], push=push, defines={"OFFSET": 1}) as pipeline,
        pipeline.bind({0: numbers}) as bound,
    ):
        with gpu.commands() as command:
            command.bind(pipeline, bound)
            command.push(given)
            command.dispatch(count + beyond)
        keep(command)
        gpu.submit(command)
        np.testing.assert_array_equal(numbers.read(np.float32), np.arange(count) + 1.0)
    assert overwritten == ["numbers"] * beyond


def test_new_memory_is_not_zero(gpu: Device) -> None:
    with guard_bands(), gpu.buffer(8) as buffer, gpu.image(3, 2, "rgba16f") as image:
        assert (buffer.read() == BYTE).all() and (image.read() == COLOR[0]).all()


@pytest.mark.parametrize("rays", [True, False])
def test_frames_neither_write_nor_show_what_is_not_theirs(
    request: pytest.FixtureRequest, face: Scene, weights: WeightSet, rays: bool
) -> None:
    """What lies behind buffers, and what was in memory before. By rays, or rasterised and with depth maps of lights."""
    device: Device = request.getfixturevalue("gpu" if rays else "device_without_rays")

    def session() -> list[U8]:
        with Renderer(device, face, weights, SIZE, cache_size=64, cache_samples=2) as renderer:
            return _session(renderer, [mode for mode in MODES if rays or mode not in NEEDS_REFERENCE])

    expected = session()
    with guard_bands() as overwritten:
        found = session()
    assert not overwritten
    for picture, same in zip(expected, found, strict=True):
        np.testing.assert_array_equal(same, picture)


def _session(renderer: Renderer, modes: list[str]) -> list[U8]:
    controls = Controls(renderer, MODES)
    pictures: list[U8] = []

    def draw() -> None:
        renderer.render()
        pictures.append(renderer.read())

    renderer.antialias_motion = True
    for mode in modes:
        renderer.mode = mode
        draw()
    renderer.mode = "neural"
    controls.orbit(0.1, 0.05)
    draw()
    for key in ("LEFT", "+", "E", "HOME"):
        controls.press(key)
        draw()
    renderer.resize(45, 33)
    draw()
    return pictures
