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

    def choose(self, allowed: int, kind: MemoryKind, *, buffer: bool) -> int:
        """Index of the best type among the bits `allowed`.

        `buffer`: the CPU may read it where it is, for which cached memory is better; an image it never does. "device"
        avoids host-visible memory on a discrete GPU (its window is small and slow to read) and prefers it
        on a unified one, where staging copies then fall away. "upload" and "readback" are always mappable.
        """
        local = vk.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
        visible = vk.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | vk.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
        cached = vk.VK_MEMORY_PROPERTY_HOST_CACHED_BIT
        # Memory of other purposes (lazily allocated, protected, AMD's device-coherent debugging memory).
        usual = local | visible | cached
        best, best_score = -1, -1
        for index, flags in enumerate(self.flags):
            if not allowed >> index & 1 or flags & ~usual:
                continue
            mappable = flags & visible == visible
            if kind == "device":
                score = 4 * bool(flags & local) + 2 * (mappable == self._unified) + bool(buffer and flags & cached)
            elif not mappable:
                continue
            elif kind == "upload":
                score = 2 * (bool(flags & local) == self._unified) + (not flags & cached)
            else:
                score = 2 * bool(flags & cached) + (bool(flags & local) == self._unified)
            if score > best_score:
                best, best_score = index, score
        if best < 0:
            raise BungyoError(f"The GPU offers no memory for {kind} data.")
        return best

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
    """Allocate memory for VkMemoryRequirements of a buffer, which has an address, or an image, owned by `owner`."""
    index = types.choose(requirements.memoryTypeBits, kind, buffer=buffer)
    flags = make("VkMemoryAllocateFlagsInfo", flags=vk.VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT)
    info = make(
        "VkMemoryAllocateInfo",
        pNext=flags if buffer else None,
        allocationSize=requirements.size,
        memoryTypeIndex=index,
    )
    out = ffi.new("VkDeviceMemory *")
    megabytes = requirements.size / 2**20
    check(
        vk.vkAllocateMemory(device, info, ffi.NULL, out),
        f"allocate {megabytes:.1f} MiB for {owner.name or 'data'}",
    )
    memory = out[0]
    owner.own("VkDeviceMemory", memory, lambda: vk.vkFreeMemory(device, memory, ffi.NULL))
    return Allocation(memory, types.mappable(index), types.readable(index))
