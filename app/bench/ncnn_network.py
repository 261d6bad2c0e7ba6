"""One of the 1x1 networks by ncnn, as 1x1 convolutions of a picture: by its Vulkan shaders on the bench's device, if it
knows that, and by its code for CPUs.

Its Python module has no way to leave a picture on the GPU, so a run uploads the features and reads the result back.
"""

import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import F32
from app.bench.cpu_networks import timed
from app.network.weights import WeightSet
from app.open_renderer import open_device
from app.processor import core_count
from app.scene_options import SceneOptions

VULKAN, CPU = "vulkan", "cpu"
_HALVES = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage")


class NcnnNetwork:
    """A random network of these widths, for a picture of size x size pixels, warmed up.

    Args:
        layers: widths.
        size: pixels along an edge.
        gpu: the name of the device for VULKAN; None, or one that ncnn does not know, leaves that way out.
    """

    def __init__(self, layers: Sequence[int], size: int, gpu: str | None) -> None:
        import ncnn

        self.weights = WeightSet.untrained(layers)
        self.features: F32 = np.random.default_rng(0).normal(0.0, 1.0, (layers[0], size, size)).astype(np.float32)
        self._picture = ncnn.Mat(self.features)
        known = [index for index in range(ncnn.get_gpu_count()) if ncnn.get_gpu_info(index).device_name() == gpu]
        self._ways = {CPU: self._load(None)}
        if known:
            self._ways[VULKAN] = self._load(known[0])
        for way in self._ways:
            self.run(way)

    def ways(self) -> tuple[str, ...]:
        """What there is of CPU and VULKAN."""
        return tuple(self._ways)

    def run(self, way: str) -> F32:
        """Draw once; return (outputs, size, size)."""
        extractor = self._ways[way].create_extractor()
        extractor.input("x0", self._picture)
        _, outputs = extractor.extract(f"x{len(self.weights.layers) - 1}")
        return np.array(outputs)

    def milliseconds(self, way: str) -> float:
        """Draw, once uncounted as all else is; return ms per 2^18 pixels. All threads are asleep afterwards."""
        self.run(way)
        return timed(lambda: self.run(way), self.features[0].size)

    def _load(self, gpu: int | None) -> Any:
        import ncnn

        net = ncnn.Net()
        net.opt.use_vulkan_compute = gpu is not None
        for name in _HALVES:
            setattr(net.opt, f"use_{name}", False)
        net.opt.num_threads = core_count()
        if gpu is not None:
            net.set_vulkan_device(gpu)
        net.load_param_mem(_description(self.weights.layers))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "weights.bin")
            single_precision = struct.pack("<I", 0)
            layers = self.weights.matrices(0)
            file.write_bytes(b"".join(single_precision + w.tobytes() + b.tobytes() for w, b in layers))
            net.load_model(str(file))
        return net


def _description(layers: Sequence[int]) -> str:
    """The network as ncnn reads it; of a convolution 0 are its channels, 1 its kernel, 5 its bias, 6 its weights."""
    last = len(layers) - 2
    lines = ["7767517", f"{len(layers)} {len(layers)}", "Input x0 0 1 x0"]
    for index, (inputs, outputs) in enumerate(pairwise(layers)):
        relu = "" if index == last else " 9=1"
        shape = f"0={outputs} 1=1 5=1 6={inputs * outputs}{relu}"
        lines.append(f"Convolution layer{index} 1 1 x{index} x{index + 1} {shape}")
    return "\n".join([*lines, ""])


@contextmanager
def ncnn_network(options: SceneOptions, layers: tuple[int, ...], size: int) -> Iterator[NcnnNetwork]:
    """For a `Worker`: on the device that `options` name. ncnn lists devices on stderr; the terminal is spared that."""
    with open_device(options, raytracing=False) as device:
        name = device.info.name
    terminal = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        network = NcnnNetwork(layers, size, name)
    finally:
        os.dup2(terminal, 2)
        os.close(silence)
        os.close(terminal)
    yield network
