"""Picking memory types and allocating. One allocation a resource: the renderer makes hundreds, drivers allow 4096."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from app.errors import BungyoError
from app.gpu.binding import Handle, ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.results import check

MemoryKind: TypeAlias = Literal["device", "upload", "readback"]


class MemoryTypes:
    """The memory types of a physical device, and the choice among them.

    Args:
        flags: the VkMemoryPropertyFlags of each type.
        unified: the GPU shares the computer's memory (integrated, CPU), so that mapping device memory is cheap.
    """

    def __init__(self, flags: Sequence[int], *, unified: bool) -> None:
        self.flags = list(flags)
        self._unified = unified

    @classmethod
    def of(cls, physical: Handle, *, unified: bool) -> "MemoryTypes":
        """The memory types of a VkPhysicalDevice."""
        properties = ffi.new("VkPhysicalDeviceMemoryProperties *")
        vk.vkGetPhysicalDeviceMemoryProperties(physical, properties)
        count = properties.memoryTypeCount
        return cls([properties.memoryTypes[i].propertyFlags for i in range(count)], unified=unified)

    def ranked(self, allowed: int, kind: MemoryKind, *, buffer: bool) -> list[int]:
        """Indices of the types among the bits `allowed` that will do, the best first; BungyoError if there are none.

        `buffer`: the CPU may reach it where it is, and reads it better in cached memory; an image it never does.
        "device" prefers host-visible memory for buffers on a unified GPU, where staging copies then fall away.
        Otherwise it avoids it: the window of a discrete GPU is small and slow to read, and some unified ones compress
        images only where the CPU cannot see them. "upload" and "readback" are always mappable.
        """
        local = vk.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
        visible = vk.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | vk.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
        cached = vk.VK_MEMORY_PROPERTY_HOST_CACHED_BIT
        # Memory of other purposes (lazily allocated, protected, AMD's device-coherent debugging memory).
        usual = local | visible | cached
        scores: dict[int, int] = {}
        for index, flags in enumerate(self.flags):
            if not allowed >> index & 1 or flags & ~usual:
                continue
            mappable = flags & visible == visible
            if kind == "device":
                wanted = self._unified and buffer
                score = 4 * bool(flags & local) + 2 * (mappable == wanted) + bool(buffer and flags & cached)
            elif not mappable:
                continue
            elif kind == "upload":
                score = 2 * (bool(flags & local) == self._unified) + (not flags & cached)
            else:
                score = 2 * bool(flags & cached) + (bool(flags & local) == self._unified)
            scores[index] = score
        if not scores:
            raise BungyoError(f"The GPU offers no memory for {kind} data.")
        return sorted(scores, key=lambda index: -scores[index])

    def mappable(self, index: int) -> bool:
        """True where the type can be mapped and needs no flushes."""
        visible = vk.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | vk.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
        return bool(self.flags[index] & visible == visible)

    def readable(self, index: int) -> bool:
        """True where the CPU also reads it quickly: other mapped memory takes it a microsecond for a few bytes."""
        return self.mappable(index) and bool(self.flags[index] & vk.VK_MEMORY_PROPERTY_HOST_CACHED_BIT)


class Allocation(NamedTuple):
    """A VkDeviceMemory, and how the CPU reaches it; see MemoryTypes."""

    memory: Handle
    mappable: bool
    readable: bool


def allocate(
    owner: Resource,
    device: Handle,
    types: MemoryTypes,
    requirements: Handle,
    kind: MemoryKind,
    *,
    buffer: bool,
) -> Allocation:
    """Allocate memory for VkMemoryRequirements of a buffer, which has an address, or an image, owned by `owner`.

    Where the memory of the best type is full, that of the next one is taken.
    """
    flags = make("VkMemoryAllocateFlagsInfo", flags=vk.VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT)
    info = make("VkMemoryAllocateInfo", pNext=flags if buffer else None, allocationSize=requirements.size)
    out = ffi.new("VkDeviceMemory *")
    for index in types.ranked(requirements.memoryTypeBits, kind, buffer=buffer):
        info.memoryTypeIndex = index
        result = vk.vkAllocateMemory(device, info, ffi.NULL, out)
        if result != vk.VK_ERROR_OUT_OF_DEVICE_MEMORY:
            break
    check(result, f"allocate {requirements.size / 2**20:.1f} MiB for {owner.name or 'data'}")
    memory = out[0]
    owner.own("VkDeviceMemory", memory, lambda: vk.vkFreeMemory(device, memory, ffi.NULL))
    return Allocation(memory, types.mappable(index), types.readable(index))
