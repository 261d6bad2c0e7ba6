"""Commands that run once and are waited for, and the staging buffer for memory the CPU cannot map."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np

from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.logical_device import LogicalDevice
from app.gpu.raw_buffer import RawBuffer
from app.gpu.results import check
from app.interruption import uninterrupted

# Larger buffer copies go through the staging buffer in pieces.
STAGING_LIMIT = 64 * 2**20
# A wait is cut into slices, so that Ctrl-C is answered between them.
_WAIT_SLICE_NS = 200_000_000


@contextmanager
def at_work(device: LogicalDevice) -> Iterator[None]:
    """What an exception in this block (Ctrl-C) leaves running is waited for before anything is closed."""
    try:
        yield
    except BaseException:
        device.ledger.wait_idle = lambda: vk.vkDeviceWaitIdle(device.handle)  # if that fails, nothing runs
        raise


def wait_for_fence(device: Handle, fence_array: Handle, action: str) -> None:
    """Wait for one fence, however long it takes; `action` words the error."""
    while True:
        result = vk.vkWaitForFences(device, 1, fence_array, 1, _WAIT_SLICE_NS)
        if result != vk.VK_TIMEOUT:
            check(result, action)
            return


class Transfer(Resource):
    """Runs one-shot commands on the device's queue and owns the staging buffers."""

    def __init__(self, device: LogicalDevice) -> None:
        super().__init__(device.ledger, "transfer", internal=True)
        self._device = device
        self._staging: dict[str, RawBuffer] = {}
        self._pending = False
        with self.building():
            self._command, self._command_array = allocate_command_buffer(self, device)
            self._fence_array = make_fence(self, device)
            submit = make("VkCommandBufferSubmitInfo", commandBuffer=self._command)
            self._submit = make("VkSubmitInfo2", commandBufferInfoCount=1, pCommandBufferInfos=[submit])
            self._begin = make("VkCommandBufferBeginInfo", flags=vk.VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT)

    def run(self, record: Callable[[Handle], None], action: str = "copy data") -> None:
        """Record commands with `record(VkCommandBuffer)`, run them between full barriers and wait for the end."""
        device = self._device
        with at_work(device):
            self._finish(action)  # what an interrupted wait (Ctrl-C) left running
            with uninterrupted:
                check(vk.vkBeginCommandBuffer(self._command, self._begin), action)
                vk.vkCmdPipelineBarrier2(self._command, device.full_barrier)
                record(self._command)
                vk.vkCmdPipelineBarrier2(self._command, device.full_barrier)
                check(vk.vkEndCommandBuffer(self._command), action)
                # Not after the wait: whatever interrupts there, a wait for a fence that was reset would never end.
                check(vk.vkResetFences(device.handle, 1, self._fence_array), action)
                check(vk.vkQueueSubmit2(device.queue, 1, self._submit, self._fence_array[0]), action)
                self._pending = True
            self._finish(action)

    def _finish(self, action: str) -> None:
        if self._pending:
            wait_for_fence(self._device.handle, self._fence_array, action)
            self._pending = False

    def staging(self, kind: Literal["upload", "readback"], size: int) -> RawBuffer:
        """A mapped buffer of at least `size` bytes, reused by the next caller."""
        current = self._staging.get(kind)
        if current is None or current.size < size:
            if current is not None:
                del self._staging[kind]
                current.close()
            room = max(2**16, 1 << (size - 1).bit_length())
            current = self._staging[kind] = RawBuffer(self._device, room, kind, f"{kind} staging", internal=True)
        return current

    def write(self, target: Handle, offset: int, data: np.ndarray) -> None:
        """Copy bytes into a VkBuffer that cannot be mapped."""
        for start in range(0, data.size, STAGING_LIMIT):
            piece = data[start : start + STAGING_LIMIT]
            staging = self.staging("upload", piece.size)
            staging.map()[: piece.size] = piece
            self._copy(staging.handle, 0, target, offset + start, piece.size)

    def read(self, source: Handle, offset: int, size: int) -> np.ndarray:
        """Copy bytes out of a VkBuffer that cannot be mapped."""
        result = np.empty(size, np.uint8)
        for start in range(0, size, STAGING_LIMIT):
            length = min(STAGING_LIMIT, size - start)
            staging = self.staging("readback", length)
            self._copy(source, offset + start, staging.handle, 0, length)
            result[start : start + length] = staging.map()[:length]
        return result

    def _copy(self, source: Handle, source_offset: int, target: Handle, target_offset: int, size: int) -> None:
        region = make("VkBufferCopy", srcOffset=source_offset, dstOffset=target_offset, size=size)
        self.run(lambda cmd: vk.vkCmdCopyBuffer(cmd, source, target, 1, region))

    def close(self) -> None:
        """Free the staging buffers and the command buffer."""
        for buffer in self._staging.values():
            buffer.close()
        self._staging.clear()
        super().close()


def allocate_command_buffer(owner: Resource, device: LogicalDevice) -> tuple[Handle, Handle]:
    """A primary command buffer of the device's pool, owned by `owner`: (handle, C array of it)."""
    info = make(
        "VkCommandBufferAllocateInfo",
        commandPool=device.command_pool,
        level=vk.VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        commandBufferCount=1,
    )
    out = array("VkCommandBuffer", 1)
    check(vk.vkAllocateCommandBuffers(device.handle, info, out), "make a command buffer")
    owner.own("VkCommandBuffer", out[0], lambda: vk.vkFreeCommandBuffers(device.handle, device.command_pool, 1, out))
    return out[0], out


def make_fence(owner: Resource, device: LogicalDevice) -> Handle:
    """An unsignalled fence owned by `owner`, as a C array of one."""
    out = array("VkFence", 1)
    check(vk.vkCreateFence(device.handle, make("VkFenceCreateInfo"), ffi.NULL, out), "make a fence")
    owner.own("VkFence", out[0], lambda: vk.vkDestroyFence(device.handle, out[0], ffi.NULL))
    return out
