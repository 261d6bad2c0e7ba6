"""The VkDevice of a GPU, and what all that is made on it needs to know of the two."""

from collections.abc import Sequence

from app.gpu.binding import Handle, ffi, make, vk
from app.gpu.features import enable_chain
from app.gpu.lifetime import Ledger, Resource
from app.gpu.memory import MemoryTypes
from app.gpu.results import check
from app.gpu.selection import Candidate, DeviceInfo


class LogicalDevice(Resource):
    """VkDevice, its queue and command pool.

    Attributes:
        ledger: counts what is made on it.
        info: the GPU's description.
        physical, handle, queue, queue_family, command_pool: Vulkan's.
        raytracing: True where ray tracing is switched on.
        memory_types: the GPU's.
        full_barrier: VkDependencyInfo; what follows waits for everything before and sees everything that it wrote.
    """

    def __init__(self, ledger: Ledger, candidate: Candidate, extensions: Sequence[str], *, raytracing: bool) -> None:
        super().__init__(ledger, "device", internal=True)
        self.ledger = ledger
        self.info: DeviceInfo = candidate.info
        self.physical: Handle = candidate.physical
        self.queue_family = candidate.queue_family
        self.raytracing = raytracing
        self.memory_types = MemoryTypes.of(self.physical, unified=self.info.kind in ("cpu", "integrated"))
        with self.building():
            queue = make(
                "VkDeviceQueueCreateInfo",
                queueFamilyIndex=candidate.queue_family,
                queueCount=1,
                pQueuePriorities=[1.0],
            )
            info = make(
                "VkDeviceCreateInfo",
                pNext=enable_chain(candidate.offer, raytracing=raytracing),
                queueCreateInfoCount=1,
                pQueueCreateInfos=[queue],
                enabledExtensionCount=len(extensions),
                ppEnabledExtensionNames=list(extensions),
            )
            out = ffi.new("VkDevice *")
            check(
                vk.vkCreateDevice(candidate.physical, info, ffi.NULL, out),
                f"open the GPU {candidate.info.name}",
            )
            handle = out[0]
            self.handle = self.own("VkDevice", handle, lambda: vk.vkDestroyDevice(handle, ffi.NULL))
            queue_out = ffi.new("VkQueue *")
            vk.vkGetDeviceQueue(handle, candidate.queue_family, 0, queue_out)
            self.queue: Handle = queue_out[0]
            pool_info = make(
                "VkCommandPoolCreateInfo",
                queueFamilyIndex=candidate.queue_family,
                flags=vk.VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
            )
            pool_out = ffi.new("VkCommandPool *")
            check(vk.vkCreateCommandPool(handle, pool_info, ffi.NULL, pool_out), "make a command pool")
            pool = pool_out[0]
            self.command_pool = self.own("VkCommandPool", pool, lambda: vk.vkDestroyCommandPool(handle, pool, ffi.NULL))
        everything = vk.VK_ACCESS_2_MEMORY_READ_BIT | vk.VK_ACCESS_2_MEMORY_WRITE_BIT
        barrier = make(
            "VkMemoryBarrier2",
            srcStageMask=vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
            srcAccessMask=everything,
            # With the CPU, which sees of what was written only what was handed to it so, even after a wait.
            dstStageMask=vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | vk.VK_PIPELINE_STAGE_2_HOST_BIT,
            dstAccessMask=everything,
        )
        # Built once: a barrier struct costs more than the rest of recording it.
        self.full_barrier = make("VkDependencyInfo", memoryBarrierCount=1, pMemoryBarriers=[barrier])
