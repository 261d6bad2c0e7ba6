"""What the fused pass is compared with on the same driver besides itself layer by layer: 3x3 convolutions."""

from contextlib import suppress

import numpy as np

from app.arrays import F32
from app.bench.convolution import TIMER, ConvolutionNetwork, Shape, random_kernels, shapes, widths
from app.gpu import CommandBuffer, Device
from app.gpu.vector_width import WidthRefused
from app.network.schema import CHANNELS
from app.open_renderer import open_device
from app.passes.owner import Owner
from app.passes.tile_radiance import TileRadiance
from app.scene_options import SceneOptions

SIZE = 256  # pixels along an edge of the picture: the widest network takes seconds for more
_TRIAL_SIZE, _TRIAL_LAYERS, _TRIAL_ROUNDS = SIZE // 2, 3, 9  # enough to tell shapes apart


def quickest(device: Device) -> Shape:
    """The shape that draws with 32 channels the soonest: all draw in turn, and the least of a few times counts."""
    with Owner() as kept:
        picture, kernels = _picture(_TRIAL_SIZE), random_kernels(widths(CHANNELS, _TRIAL_LAYERS))
        radiance = kept.own(TileRadiance(device, _TRIAL_SIZE, _TRIAL_SIZE))
        commands = {}
        for shape in shapes(device.info):
            with suppress(WidthRefused):  # then those with usual vectors are left
                network = kept.own(ConvolutionNetwork(device, kernels, picture, radiance, shape=shape))
                commands[shape] = kept.own(_recorded(device, network))
        least = dict.fromkeys(commands, float("inf"))
        for _ in range(_TRIAL_ROUNDS):
            for shape, drawing in commands.items():
                device.submit(drawing)
                least[shape] = min(least[shape], drawing.timings()[TIMER])
    return min(least, key=least.__getitem__)


def _picture(size: int) -> F32:
    return np.random.default_rng(0).normal(0.0, 1.0, (size, size, CHANNELS)).astype(np.float32)


def _recorded(device: Device, network: ConvolutionNetwork) -> CommandBuffer:
    """The network's commands, for a picture that is ready to be drawn."""
    with device.commands(reusable=False) as once:
        network.clear(once)
        once.barrier()
        network.record(once, groups=(1, 1))  # drivers compile at the first dispatch
    device.submit(once)
    once.close()
    with device.commands() as commands:
        network.record(commands)
    return commands


class Convolutions(Owner):
    """Networks of 3x3 convolutions over a picture of SIZE x SIZE pixels, warmed up. A context manager.

    Args:
        options: their device is used.
        layers: of each network.
        channels: of each network, between the 32 it begins with and the colour.
    """

    def __init__(self, options: SceneOptions, layers: int, *channels: int) -> None:
        super().__init__()
        self._commands: dict[int, CommandBuffer] = {}
        with self.building():
            device = self._device = self.enter(open_device(options, raytracing=False))
            picture, self._shape = _picture(SIZE), quickest(device)
            radiance = self.own(TileRadiance(device, SIZE, SIZE))
            for count in channels:
                kernels = random_kernels(widths(count, layers))
                network = self.own(ConvolutionNetwork(device, kernels, picture, radiance, shape=self._shape))
                self._commands[count] = self.own(_recorded(device, network))

    def shape(self) -> str:
        """What a thread adds up: the quickest of some, tried on this device."""
        return str(self._shape)

    def nanoseconds(self, channels: int) -> float:
        """Draw with the network of so many channels, once uncounted as all else is; return ns a pixel."""
        for _ in range(2):
            self._device.submit(self._commands[channels])
        return self._commands[channels].timings()[TIMER] * 1e6 / SIZE**2
