"""Commands of a frame end with a barrier, or what comes after them may find what was there before.

No layer tells of one that is missing, and timers set barriers of their own on CPUs: so there are none of them here.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.arrays import U8
from app.gpu import CommandBuffer, Device, binding, commands, drawing, recorder
from app.gpu.binding import Handle
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.lights import LightRig
from app.scene.model import Scene

SIZE = (48, 40)


class Recording:
    """Vulkan's functions; keeps what each command buffer ends with."""

    def __init__(self) -> None:
        self._ends: dict[Handle, tuple[Any, ...]] = {}

    def __getattr__(self, name: str) -> Any:
        function = getattr(binding.vk, name)
        if not name.startswith("vkCmd"):
            return function

        def kept(command: Handle, *arguments: Any) -> None:
            self._ends[command] = (name, *arguments)
            function(command, *arguments)

        return kept

    def ends_with_barrier(self, command: CommandBuffer, device: Device) -> bool:
        return self._ends[command.handle] == ("vkCmdPipelineBarrier2", device.full_barrier)


def pictures(renderer: Renderer, weights: WeightSet) -> list[U8]:
    """Some in settled light and of several modes, without and with antialiasing in motion."""
    drawn = []
    while not renderer.lights_settled:
        renderer.render(wait=False)
    for mode in ("normal", "split", "neural") if renderer.device.raytracing else ("normal", "neural"):
        renderer.mode = mode
        for renderer.antialias_motion in (False, True):
            for _ in range(2):
                renderer.restart()
                renderer.render(wait=False)
                drawn.append(renderer.read())
    renderer.use(renderer.prepare(weights))
    renderer.render(wait=False)
    return [*drawn, renderer.read()]


@pytest.mark.parametrize("rays", [True, False])
def test_all_end_with_a_barrier(
    gpu: Device,
    device_without_rays: Device,
    face: Scene,
    weights: WeightSet,
    monkeypatch: pytest.MonkeyPatch,
    rays: bool,
) -> None:
    """And without timers, frames draw what they do with them."""
    device = gpu if rays else device_without_rays
    with Renderer(device, face, weights, SIZE, cache_size=64, cache_samples=2) as renderer:
        renderer.timed = True
        timed = pictures(renderer, weights)
        assert {"reprojection", "composite"} <= set(renderer.timings())
        renderer.scene = replace(face, rig=LightRig())
        renderer.resize(32, 32)
        recording, submit, submitted = Recording(), device.submit, set[CommandBuffer]()

        def submit_checked(*run: CommandBuffer, wait: bool = True) -> None:
            submitted.update(run)
            unfinished = [index for index, one in enumerate(run) if not recording.ends_with_barrier(one, device)]
            assert not unfinished, f"of {len(run)} command buffers"
            submit(*run, wait=wait)

        with monkeypatch.context() as patch:
            patch.setattr(device, "info", replace(device.info, timestamp_period_ns=0.0))
            for module in (recorder, commands, drawing):
                patch.setattr(module, "vk", recording)
            renderer.scene = face  # for another number of lights, and another size, all is recorded anew
            renderer.resize(*SIZE)
            patch.setattr(device, "submit", submit_checked)
            untimed = pictures(renderer, weights)
            assert renderer.timings() == {}
    assert len(submitted) > 10
    for one, other in zip(untimed, timed, strict=True):
        assert np.array_equal(one, other)
