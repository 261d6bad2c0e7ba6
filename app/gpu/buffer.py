"""Buffers: memory that shaders, copies, acceleration structures and draws all may use."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from app.gpu.memory import MemoryKind
from app.gpu.open_device import OpenDevice
from app.gpu.raw_buffer import RawBuffer


class Buffer(RawBuffer):
    """A buffer of `size` bytes, made by `Device.buffer`.

    `handle` is the VkBuffer, `address` its 64-bit device address, `size` its bytes. Reading and writing assume that
    the GPU is not using the buffer at that moment.
    """

    def __init__(self, device: OpenDevice, size: int, memory: MemoryKind, name: str, *, internal: bool = False) -> None:
        super().__init__(device.logical, size, memory, name, internal=internal)
        self._transfer = device.transfer

    @property
    def mapped(self) -> bool:
        """Whether `write` reaches the memory directly; if not, it is a copy on the queue. `read` may be one anyway."""
        return self._bytes is not None

    @property
    def address_words(self) -> list[int]:
        """The address as a shader's uvec2."""
        return [self.address & 0xFFFF_FFFF, self.address >> 32]

    def write(self, data: "np.ndarray | bytes", offset: int = 0) -> None:
        """Copy an array (any dtype, C order) or bytes into the buffer at a byte offset."""
        raw = as_bytes(data)
        self._check_range(offset, raw.size)
        if self._bytes is not None:
            self._bytes[offset : offset + raw.size] = raw
        elif raw.size:
            self._transfer.write(self.handle, offset, raw)

    def read(self, dtype: DTypeLike = np.uint8, shape: int | tuple[int, ...] = -1, offset: int = 0) -> np.ndarray:
        """A copy of the contents from a byte offset as an array of `dtype` and `shape` (-1: all that is left)."""
        kind = np.dtype(dtype)
        if shape == -1:
            shape = ((self.size - offset) // kind.itemsize,)
        dimensions = (shape,) if isinstance(shape, int) else tuple(shape)
        size = int(np.prod(dimensions, dtype=np.int64)) * kind.itemsize
        self._check_range(offset, size)
        if self._bytes is not None and self._reads_mapped:
            raw = self._bytes[offset : offset + size].copy()
        else:
            raw = self._transfer.read(self.handle, offset, size)
        return raw.view(kind).reshape(dimensions)

    def _check_range(self, offset: int, size: int) -> None:
        if self.closed:
            raise ValueError(f"buffer {self.name!r} is closed")
        if offset < 0 or offset + size > self.size:
            raise ValueError(f"buffer {self.name!r}: bytes {offset}..{offset + size} of {self.size}")


def as_bytes(data: "np.ndarray | bytes | bytearray | memoryview") -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The bytes of an array or bytes object, flat and in C order, without a copy where possible."""
    if isinstance(data, bytes | bytearray | memoryview):
        return np.frombuffer(data, np.uint8)
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
