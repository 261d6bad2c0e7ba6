"""What the fused pass is compared with on the same driver besides itself layer by layer: 3x3 convolutions."""

from contextlib import ExitStack
from typing import Self

import numpy as np

from app.bench.convolution import TIMER, ConvolutionNetwork, random_kernels, widths
from app.commands.options import SceneOptions
from app.commands.stage import open_device
from app.gpu import CommandBuffer
from app.network.schema import CHANNELS

SIZE = 256  # pixels along an edge of the picture: the widest network takes seconds for more


class Convolutions:
    """Networks of 3x3 convolutions over a picture of SIZE x SIZE pixels, warmed up. A context manager.

    Args:
        options: their device is used.
        layers: of each network.
        channels: of each network, between the 32 it begins with and the colour.
    """

    def __init__(self, options: SceneOptions, layers: int, *channels: int) -> None:
        self._kept = ExitStack()
        self._commands: dict[int, CommandBuffer] = {}
        try:
            device = self._device = self._kept.enter_context(open_device(options, raytracing=False))
            picture = np.random.default_rng(0).normal(0.0, 1.0, (SIZE, SIZE, CHANNELS)).astype(np.float32)
            radiance = self._kept.enter_context(device.image(SIZE, SIZE, "rgba16f", name="radiance"))
            for count in channels:
                network = ConvolutionNetwork(device, random_kernels(widths(count, layers)), picture, radiance)
                self._kept.callback(network.close)
                with device.commands(reusable=False) as once:
                    network.clear(once)
                    once.barrier()
                    network.record(once, groups=(1, 1))  # drivers compile at the first dispatch
                device.submit(once)
                once.close()
                with device.commands() as commands:
                    network.record(commands)
                self._kept.callback(commands.close)
                self._commands[count] = commands
        except BaseException:
            self._kept.close()
            raise

    def nanoseconds(self, channels: int) -> float:
        """Draw once with the network of so many channels; return ns a pixel."""
        self._device.submit(self._commands[channels])
        return self._commands[channels].timings()[TIMER] * 1e6 / SIZE**2

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
