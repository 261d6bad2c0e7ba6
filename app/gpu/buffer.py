"""Buffers: memory that shaders, copies, acceleration structures and draws all may use."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from app.gpu.binding import ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.memory import MemoryKind, allocate
from app.gpu.results import check

if TYPE_CHECKING:
    from app.gpu.device import Device

_USAGES = (
    "TRANSFER_SRC",
    "TRANSFER_DST",
    "STORAGE_BUFFER",
    "UNIFORM_TEXEL_BUFFER",
    "INDEX_BUFFER",
    "VERTEX_BUFFER",
    "INDIRECT_BUFFER",
    "SHADER_DEVICE_ADDRESS",
)


class Buffer(Resource):
    """A buffer of `size` bytes, made by `Device.buffer`.

    `handle` is the VkBuffer, `address` its 64-bit device address, `size` its bytes. Reading and writing assume that
    the GPU is not using the buffer at that moment.
    """

    def __init__(self, device: "Device", size: int, memory: MemoryKind, name: str, *, internal: bool = False) -> None:
        super().__init__(device.ledger, name, internal=internal)
        if size <= 0:
            self.close()
            raise ValueError(f"buffer {name!r}: a buffer needs at least one byte, not {size}")
        self._device = device
        self.size = size
        self.memory = memory
        usage = sum(getattr(vk, f"VK_BUFFER_USAGE_{word}_BIT") for word in _USAGES)
        if device.raytracing:
            usage |= vk.VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_BUILD_INPUT_READ_ONLY_BIT_KHR
            usage |= vk.VK_BUFFER_USAGE_ACCELERATION_STRUCTURE_STORAGE_BIT_KHR
            usage |= vk.VK_BUFFER_USAGE_SHADER_BINDING_TABLE_BIT_KHR
        with self.building():
            info = make("VkBufferCreateInfo", size=size, usage=usage, sharingMode=vk.VK_SHARING_MODE_EXCLUSIVE)
            out = ffi.new("VkBuffer *")
            check(vk.vkCreateBuffer(device.handle, info, ffi.NULL, out), f"make buffer {name}")
            self.handle = self.own("VkBuffer", out[0], lambda: vk.vkDestroyBuffer(device.handle, out[0], ffi.NULL))
            requirements = ffi.new("VkMemoryRequirements *")
            vk.vkGetBufferMemoryRequirements(device.handle, self.handle, requirements)
            block = allocate(self, device.handle, device.memory_types, requirements, memory, buffer=True)
            check(vk.vkBindBufferMemory(device.handle, self.handle, block.memory, 0), f"bind buffer {name}")
            query = make("VkBufferDeviceAddressInfo", buffer=self.handle)
            self.address = int(vk.vkGetBufferDeviceAddress(device.handle, query))
            self._bytes: np.ndarray[Any, np.dtype[np.uint8]] | None = None
            # A copy is quicker than to read memory of the GPU that the CPU has no cache for.
            self._reads_mapped = block.readable or memory != "device"
            if block.mappable:
                pointer = ffi.new("void **")
                check(
                    vk.vkMapMemory(device.handle, block.memory, 0, vk.VK_WHOLE_SIZE, 0, pointer),
                    f"map buffer {name}",
                )
                self._bytes = np.frombuffer(ffi.buffer(pointer[0], size), np.uint8)

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
            self._device.transfer.write(self.handle, offset, raw)

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
            raw = self._device.transfer.read(self.handle, offset, size)
        return raw.view(kind).reshape(dimensions)

    def map(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """The buffer's memory itself as bytes ("upload" and "readback" only); invalid after close()."""
        if self._bytes is None or self.memory == "device":
            raise ValueError(f"buffer {self.name!r} is {self.memory} memory, which is not mapped")
        return self._bytes

    def _check_range(self, offset: int, size: int) -> None:
        if self.closed:
            raise ValueError(f"buffer {self.name!r} is closed")
        if offset < 0 or offset + size > self.size:
            raise ValueError(f"buffer {self.name!r}: bytes {offset}..{offset + size} of {self.size}")

    def close(self) -> None:
        """Free the buffer and its memory."""
        self._bytes = None
        super().close()


def as_bytes(data: "np.ndarray | bytes | bytearray | memoryview") -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """The bytes of an array or bytes object, flat and in C order, without a copy where possible."""
    if isinstance(data, bytes | bytearray | memoryview):
        return np.frombuffer(data, np.uint8)
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
