"""A VkBuffer with memory of its own."""

from typing import Any

import numpy as np

from app.gpu.binding import ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.logical_device import LogicalDevice
from app.gpu.memory import MemoryKind, allocate
from app.gpu.results import check

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


class RawBuffer(Resource):
    """A buffer of `size` bytes, mapped where the CPU reaches its memory.

    `handle` is the VkBuffer, `address` its 64-bit device address, `size` its bytes.
    """

    def __init__(
        self, device: LogicalDevice, size: int, memory: MemoryKind, name: str, *, internal: bool = False
    ) -> None:
        super().__init__(device.ledger, name, internal=internal)
        if size <= 0:
            self.close()
            raise ValueError(f"buffer {name!r}: a buffer needs at least one byte, not {size}")
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

    def map(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """The buffer's memory itself as bytes ("upload" and "readback" only); invalid after close()."""
        if self._bytes is None or self.memory == "device":
            raise ValueError(f"buffer {self.name!r} is {self.memory} memory, which is not mapped")
        return self._bytes

    def close(self) -> None:
        """Free the buffer and its memory."""
        self._bytes = None
        super().close()
