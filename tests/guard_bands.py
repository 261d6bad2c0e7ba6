"""Memory that gives away a shader that leaves its buffer, or that reads what nobody has written.

Nothing else would. The validation layer does not follow addresses, and lavapipe lets a shader read zeros and write
nothing beyond a buffer that it has bound, and finds zeros in new memory; what a GPU's driver does there is anybody's
guess.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from app.gpu import Device
from app.gpu.binding import make, vk
from app.gpu.buffer import Buffer
from app.gpu.image import Image

# Floats of 13 million, halves of 14.6: they show in every picture that they get into, and change if one adds to them.
BYTE = 0x4B
BAND = np.full(1 << 16, BYTE, np.uint8)
COLOR = (13.0, 13.0, 13.0, 13.0)


@contextmanager
def guard_bands() -> Iterator[list[str]]:
    """Buffers made within are full of BYTE and have a BAND behind them, which shaders can reach.

    Images begin with COLOR, but for their smaller mips and depths. Buffers must be closed within, too.

    Yields:
        The names of those whose band was another one when they were closed.
    """
    overwritten: list[str] = []
    init, close, begin_image = Buffer.__init__, Buffer.close, Image.__init__
    guarded: set[Buffer] = set()

    def longer(kind: str, **fields: Any) -> Any:
        if kind == "VkBufferCreateInfo":
            fields["size"] += BAND.size
        return make(kind, **fields)

    def begin(self: Buffer, *arguments: Any, internal: bool = False, **options: Any) -> None:
        init(self, *arguments, internal=internal, **options)
        if not internal:  # those carry the bands
            self._transfer.write(self.handle, 0, np.full(self.size + BAND.size, BYTE, np.uint8))
            guarded.add(self)

    def end(self: Buffer) -> None:
        if self in guarded:
            guarded.remove(self)
            if not np.array_equal(self._transfer.read(self.handle, self.size, BAND.size), BAND):
                overwritten.append(self.name)
        close(self)

    def paint(self: Image, *arguments: Any, **options: Any) -> None:
        begin_image(self, *arguments, **options)
        if self.format.aspect == vk.VK_IMAGE_ASPECT_COLOR_BIT:
            device = self._device
            assert isinstance(device, Device)
            with device.commands() as command:
                command.clear(self, COLOR)
            device.submit(command)
            command.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.gpu.raw_buffer.make", longer)
        patch.setattr(Buffer, "__init__", begin)
        patch.setattr(Buffer, "close", end)
        patch.setattr(Image, "__init__", paint)
        yield overwritten
        assert not guarded
