"""The reference over the frames of a demo: where it traces in each, and how many samples its picture has by now."""

import math

import numpy as np

from app.gpu import CommandBuffer, Device, DeviceInfo
from app.network.schema import TILE
from app.passes.owner import Owner
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers

# Samples of all pixels together.
AT_ONCE = 4_000_000  # on a discrete GPU with hardware for rays
AT_ONCE_ELSEWHERE = 1_000_000
INTERLEAVE = 4  # an interleaved frame traces one pixel of every so many along x and y; a power of two


def samples_at_once(device: DeviceInfo) -> float:
    """How many samples of all pixels together a submit may take: drivers of GPUs stop what takes seconds."""
    if device.kind == "cpu":
        return math.inf
    return AT_ONCE if device.kind == "discrete" and "rayQuery" in device.features else AT_ONCE_ELSEWHERE


def must_interleave(device: DeviceInfo, width: int, height: int) -> bool:
    """Whether a picture is so large that the device should not trace all pixels at once."""
    return width * height > samples_at_once(device)


def _dither_order() -> tuple[tuple[int, int], ...]:
    """Places (x, y) in a block of INTERLEAVE pixels, as in a dither matrix: every second one first, and so on."""
    corners = ((0, 0), (1, 1), (1, 0), (0, 1))
    order, step = [(0, 0)], INTERLEAVE
    while step > 1:
        step //= 2
        order = [(x + step * i, y + step * j) for i, j in corners for x, y in order]
    return tuple(order)


_ALL = ((0, 0),)
_ORDER = _dither_order()


class ProgressiveReference(Owner):
    """Traces the reference's picture over frames that follow each other.

    A frame adds one sample to all pixels, or, `interleaved`, to one in every block of INTERLEAVE x INTERLEAVE, each
    time another: so pictures come often where a sample of all pixels takes seconds. After one frame all blocks have a
    pixel that is traced, after four all blocks of half the size, also those of tiles that are added later. Pictures
    that `must_interleave` do so in any case.

    Args:
        device: an open device with ray tracing.
        scene: the scene on the GPU.
        width, height: pixels.
        interleaved: see above.

    Attributes:
        reference: the pass.
    """

    def __init__(
        self, device: Device, scene: SceneBuffers, width: int, height: int, *, interleaved: bool = False
    ) -> None:
        super().__init__()
        self._device = device
        self._must = must_interleave(device.info, width, height)
        self._interleaved = interleaved or self._must
        self._first_column = 0  # of tiles
        self._frames = self._first_sample = 0  # since tiles were added last, and the sample that this began with
        with self.building():
            self.reference = self.own(Reference(device, scene, width, height))
            self._recorded = self.own(Owner())
            self._record()

    @property
    def interleaved(self) -> bool:
        """See above. To assign another value starts over; the GPU must be idle."""
        return self._interleaved

    @interleaved.setter
    def interleaved(self, interleaved: bool) -> None:
        if (interleaved or self._must) != self._interleaved:
            self._interleaved = interleaved or self._must
            self.restart()
            self._record()

    @property
    def samples(self) -> int:
        """How many samples those pixels have that have the fewest, where tiles are traced."""
        return self._frames // len(self._commands)

    def bind(self, scene: SceneBuffers) -> None:
        """Trace this scene from now on, with the buffers that it has now. The GPU must be idle."""
        self.reference.bind(scene)
        self._record()

    def restart(self) -> None:
        """Forget all samples: the commands of the next frame clear them."""
        self._frames = self._first_sample = 0

    def starts_at(self, x: int) -> bool:
        """Whether the tiles that are traced are those that reach column `x` of the pixels or lie to the right of it."""
        return self._first_column == x // TILE

    def start_at(self, x: int) -> None:
        """Trace these tiles alone; what pixels of others have they keep. The GPU must be idle."""
        column, (width, height) = x // TILE, (self.reference.tiles_x, self.reference.tiles_y)
        self.reference.set_tiles(np.flatnonzero(np.arange(width * height) % width >= column))
        if column < self._first_column:  # the new ones have nothing yet, so the order begins with its coarsest step
            self._first_sample += -(-self._frames // len(self._commands))
            self._frames = 0
        self._first_column = column

    def next(self) -> tuple[int, list[CommandBuffer]]:
        """Return the sample index of the next frame, for its frame record, and its commands."""
        frame, count = self._frames, len(self._commands)
        self._frames += 1
        sample = self._first_sample + frame // count
        clear = [self.reference.clear] if frame == 0 and sample == 0 else []
        return sample, [*clear, self._commands[frame % count]]

    def _record(self) -> None:
        self._recorded.close()
        self._commands: list[CommandBuffer] = []
        for offset in _ORDER if self._interleaved else _ALL:
            with self._device.commands(overlapping=True) as commands:
                self.reference.record(commands, stride=INTERLEAVE if self._interleaved else 1, offset=offset)
                commands.barrier()
            self._commands.append(self._recorded.own(commands))
