"""ncnn computes the same network as numpy, by Vulkan and on the CPU."""

from collections.abc import Callable

import numpy as np
import pytest

from app.bench import ncnn_network
from app.bench.ncnn_network import CPU, VULKAN, NcnnNetwork
from app.gpu import Device

pytest.importorskip("ncnn")


def test_draws_what_numpy_draws(gpu: Device) -> None:
    network = NcnnNetwork((32, 12, 8, 15), 24, gpu.info.name)
    assert set(network.ways()) == {CPU, VULKAN}
    values = network.features.reshape(32, -1).T
    for index, (weight, bias) in enumerate(network.weights.matrices(0)):
        values = values @ weight.T + bias
        values = np.maximum(values, 0) if index < 2 else values
    for way in network.ways():
        np.testing.assert_allclose(network.run(way).reshape(15, -1).T, values, rtol=1e-4, atol=1e-4)
        assert network.milliseconds(way) > 0


def test_what_is_timed_has_been_drawn_once_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def timed(draw: Callable[[], object], pixels: int) -> float:
        assert drawn == [CPU]
        draw()
        return float(pixels)

    network = NcnnNetwork((32, 15), 8, None)
    monkeypatch.setattr(network, "run", drawn.append)
    monkeypatch.setattr(ncnn_network, "timed", timed)
    assert network.milliseconds(CPU) == 64 and drawn == [CPU, CPU]


def test_an_unknown_device_leaves_vulkan_out() -> None:
    assert NcnnNetwork((32, 8, 15), 8, "GeForce 3").ways() == (CPU,)
