"""What frames are drawn with: compiled for wide vectors only while nothing else compiles."""

from typing import Any

import pytest

from app.gpu import ComputePipeline, Device
from app.gpu.vector_width import compile_wide, offers_wide
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes import network_pipeline
from app.passes.tile_variant import OVERRIDE
from app.renderer import Renderer
from app.scene.model import Scene


def test_networks_prepared_beside_the_drawing_leave_the_vector_width(
    gpu: Device, face: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not offers_wide(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    wide: list[ComputePipeline] = []

    def kept(*arguments: Any) -> ComputePipeline:
        wide.append(compile_wide(*arguments))
        return wide[-1]

    monkeypatch.setattr(network_pipeline, "compile_wide", kept)
    monkeypatch.setenv(OVERRIDE, Variant(12, wide=True).name)
    first, same, other = (WeightSet.untrained(layers) for layers in ((32, 8, 15), (32, 8, 15), (32, 12, 15)))
    with Renderer(gpu, face, first, (32, 24), cache_size=64, cache_samples=1) as renderer:
        assert len(wide) == 2  # that of the check, and its own
        for weights in (same, other, first):
            renderer.make_room()
            ready = renderer.prepare(weights)
            assert ready.pipeline.variant == Variant(12, wide=weights is not other)
            renderer.use(ready)
            renderer.render()
        assert len(wide) == 2
