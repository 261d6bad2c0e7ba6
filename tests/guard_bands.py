"""Bands behind buffers, by which a shader that leaves its buffer gives itself away.

Nothing else would. The validation layer does not follow addresses, and lavapipe lets a shader read zeros and write
nothing beyond a buffer that it has bound; what a GPU's driver does there is anybody's guess.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from app.gpu.binding import make
from app.gpu.buffer import Buffer

# Floats of 13 million, halves of 14.6: they show in every picture that they get into, and change if one adds to them.
BAND = np.full(1 << 16, 0x4B, np.uint8)


@contextmanager
def guard_bands() -> Iterator[list[str]]:
    """Buffers made within have a BAND behind them, which shaders can reach; they must be closed within, too.

    Yields:
        The names of those whose band was another one when they were closed.
    """
    overwritten: list[str] = []
    init, close = Buffer.__init__, Buffer.close
    guarded: set[Buffer] = set()

    def longer(kind: str, **fields: Any) -> Any:
        if kind == "VkBufferCreateInfo":
            fields["size"] += BAND.size
        return make(kind, **fields)

    def begin(self: Buffer, *arguments: Any, internal: bool = False, **options: Any) -> None:
        init(self, *arguments, internal=internal, **options)
        if not internal:  # those carry the bands
            self._device.transfer.write(self.handle, self.size, BAND)
            guarded.add(self)

    def end(self: Buffer) -> None:
        if self in guarded:
            guarded.remove(self)
            if not np.array_equal(self._device.transfer.read(self.handle, self.size, BAND.size), BAND):
                overwritten.append(self.name)
        close(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.gpu.buffer.make", longer)
        patch.setattr(Buffer, "__init__", begin)
        patch.setattr(Buffer, "close", end)
        yield overwritten
        assert not guarded
