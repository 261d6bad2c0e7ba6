"""Command buffers: recorded once in a `with` block, submitted as often as wanted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.buffer import Buffer
from app.gpu.drawing import Color, DrawRecorder
from app.gpu.image import Image, blit_region, layout_barrier
from app.gpu.open_device import OpenDevice
from app.gpu.raytracing import RayTracingPipeline
from app.gpu.results import check
from app.gpu.swapchain import SwapchainImage
from app.gpu.timers import Timers
from app.gpu.transfer import at_work, make_fence, wait_for_fence
from app.interruption import uninterrupted


class CommandBuffer(DrawRecorder):
    """Commands for the GPU, made by `Device.commands`.

    The `with` block records; leaving it ends the recording (or, on an exception, discards everything). Afterwards
    `Device.submit` runs it any number of times, until `close()`. What it uses must stay alive until then.

    Submitting it again waits until it has run, unless it is `overlapping`: then it may be under way several times, if
    commands that are not end each submit.
    """

    _timers: Timers | None = None
    _pending = False  # the fence will be signalled
    _submitted = False  # at least once

    def __init__(self, device: OpenDevice, *, reusable: bool, overlapping: bool, timed: bool) -> None:
        # Before anything that may fail: `close` looks at them.
        self._last = self  # of those that were submitted with these: its fence tells the end of all
        self._submits: dict[tuple[CommandBuffer, ...], Handle] = {}  # by what was submitted before these
        super().__init__(device, reusable=reusable, overlapping=overlapping)
        self._overlapping, self._timed = overlapping, timed
        self._target: SwapchainImage | None = None
        with self.building():
            self._fence = make_fence(self, device.logical)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the recording."""
        if error is not None:
            self.close()
            return
        self._recording = False
        with self.building():
            check(vk.vkEndCommandBuffer(self.handle), "record commands")

    def dispatch(self, x: int, y: int = 1, z: int = 1) -> None:
        """Run the bound compute pipeline with x*y*z work groups."""
        self._bound()
        vk.vkCmdDispatch(self.handle, x, y, z)

    def dispatch_indirect(self, buffer: Buffer, offset: int = 0) -> None:
        """Run the bound compute pipeline with the three group counts (u32) at a byte offset of a buffer."""
        self._bound()
        self._kept.append(buffer)
        vk.vkCmdDispatchIndirect(self.handle, buffer.handle, offset)

    def trace(self, width: int, height: int, depth: int = 1) -> None:
        """Run the ray generation shader of the bound ray-tracing pipeline width*height*depth times."""
        pipeline = self._bound()
        if not isinstance(pipeline, RayTracingPipeline):
            raise ValueError(f"{pipeline.name} is no ray-tracing pipeline")
        pipeline.trace_rays(self.handle, *pipeline.regions, width, height, depth)

    def copy(
        self,
        source: Buffer | Image,
        target: Buffer | Image,
        size: int | None = None,
        *,
        source_offset: int = 0,
        target_offset: int = 0,
    ) -> None:
        """Copy between buffers (`size` bytes, default all that fits), between images (the first mip), or mixed.

        An image lies in a buffer row after row without gaps. Two images need the same size and texel bytes.
        """
        self._kept += (source, target)
        general = vk.VK_IMAGE_LAYOUT_GENERAL
        if isinstance(source, Buffer) and isinstance(target, Buffer):
            if size is None:
                size = min(source.size - source_offset, target.size - target_offset)
            region = make("VkBufferCopy", srcOffset=source_offset, dstOffset=target_offset, size=size)
            vk.vkCmdCopyBuffer(self.handle, source.handle, target.handle, 1, region)
        elif isinstance(source, Buffer) and isinstance(target, Image):
            region = target.copy_region(buffer_offset=source_offset)
            vk.vkCmdCopyBufferToImage(self.handle, source.handle, target.handle, general, 1, region)
        elif isinstance(source, Image) and isinstance(target, Buffer):
            region = source.copy_region(buffer_offset=target_offset)
            vk.vkCmdCopyImageToBuffer(self.handle, source.handle, general, target.handle, 1, region)
        elif isinstance(source, Image) and isinstance(target, Image):
            region = make(
                "VkImageCopy",
                srcSubresource=source.layers(),
                dstSubresource=target.layers(),
                extent={"width": source.width, "height": source.height, "depth": 1},
            )
            vk.vkCmdCopyImage(self.handle, source.handle, general, target.handle, general, 1, region)

    def fill(self, buffer: Buffer, value: int = 0, *, offset: int = 0, size: int | None = None) -> None:
        """Set every 32-bit word of a buffer (or of `size` bytes from `offset`, multiples of four) to `value`."""
        self._kept.append(buffer)
        length = (buffer.size - offset) // 4 * 4 if size is None else size
        vk.vkCmdFillBuffer(self.handle, buffer.handle, offset, length, value & 0xFFFF_FFFF)

    def clear(self, image: Image, color: Color = (0.0, 0.0, 0.0, 0.0)) -> None:
        """Set every pixel of the first mip of a colour image."""
        self._kept.append(image)
        value = ffi.new("VkClearColorValue *", image.clear_value(color))
        whole = make("VkImageSubresourceRange", aspectMask=image.format.aspect, levelCount=1, layerCount=1)
        vk.vkCmdClearColorImage(self.handle, image.handle, vk.VK_IMAGE_LAYOUT_GENERAL, value, 1, whole)

    def blit(self, source: Image, target: Image | SwapchainImage) -> None:
        """Stretch an image over another one or over the window, with filtering and format conversion.

        Integer and depth images are not filtered and need a target of their own kind.

        Commands that blit to a swapchain image may be submitted while that image is the acquired one; it must be
        the last thing that a command buffer does to it.
        """
        self._kept += (source, target)
        region = blit_region(
            source.layers(), (source.width, source.height), target.layers(), (target.width, target.height)
        )
        general = layout = vk.VK_IMAGE_LAYOUT_GENERAL
        if isinstance(target, SwapchainImage):
            self._target = target
            layout = vk.VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL
            self._transition(target, vk.VK_IMAGE_LAYOUT_UNDEFINED, layout)
        vk.vkCmdBlitImage(
            self.handle, source.handle, general, target.handle, layout, 1, region, source.format.blit_filter
        )
        if isinstance(target, SwapchainImage):
            self._transition(target, layout, vk.VK_IMAGE_LAYOUT_PRESENT_SRC_KHR)

    def _transition(self, target: SwapchainImage, old: int, new: int) -> None:
        barrier = layout_barrier(target.handle, vk.VK_IMAGE_ASPECT_COLOR_BIT, old, new)
        vk.vkCmdPipelineBarrier2(self.handle, barrier)

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        """Measure the GPU time of what is recorded in this block, if the commands are timed; not inside `rendering`."""
        if self._rendering:
            raise ValueError(f"timer {name!r}: measure around rendering, not inside it")
        if not self._timed or self._device.info.timestamp_period_ns == 0.0:
            yield
            return
        if self._timers is None:
            self._timers = Timers(self._device)
        index = self._timers.start(self.handle, name)
        yield
        self._timers.stop(self.handle, index)

    def timings(self) -> dict[str, float]:
        """GPU milliseconds of the last submit by timer name, once it has completed; empty without timers."""
        if self._timers is None:
            return {}
        if not self._submitted:  # queries that were never reset may not even be asked
            raise ValueError("timings() needs commands that were submitted")
        self.wait()
        return self._timers.read()

    def submit(self, before: "Sequence[CommandBuffer]" = (), *, wait: bool) -> None:
        """Run `before` one after the other, then these; see `Device.submit`."""
        device = self._device
        together = (*before, self)
        if any(one.closed or one._recording for one in together):
            raise ValueError("these commands are closed or still being recorded")
        if before and self._overlapping:
            raise ValueError("overlapping commands cannot be the last of several")
        for one in together:
            if one is self or not one._overlapping:
                one.wait()
        info = self._submit_info(together)
        with at_work(device.logical):
            with uninterrupted:
                if self._target is not None:
                    self._wait_for_target(self._target, info)
                # Not after the wait: whatever interrupts there, a wait for a fence that was reset would never end.
                check(vk.vkResetFences(device.handle, 1, self._fence), "submit commands")
                check(vk.vkQueueSubmit2(device.queue, 1, info, self._fence[0]), "submit commands")
                self._pending = True
                for one in together:
                    one._last, one._submitted = self, True
            if wait:
                self.wait()

    def _submit_info(self, together: "tuple[CommandBuffer, ...]") -> Handle:
        """VkSubmitInfo2; kept, as making one takes longer than submitting."""
        info = self._submits.get(together)
        if info is None:
            commands = [make("VkCommandBufferSubmitInfo", commandBuffer=one.handle) for one in together]
            info = make("VkSubmitInfo2", commandBufferInfoCount=len(commands), pCommandBufferInfos=commands)
            self._submits[together] = info
        return info

    def _wait_for_target(self, target: SwapchainImage, info: Handle) -> None:
        """Let the submit wait until the window gives the image back, and tell the window when it is drawn."""
        acquired, drawn = target.swapchain.semaphores(target)
        transfer = vk.VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT
        everything = vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT
        waits = make("VkSemaphoreSubmitInfo", semaphore=acquired, stageMask=transfer)
        signals = make("VkSemaphoreSubmitInfo", semaphore=drawn, stageMask=everything)
        self._semaphores = array("VkSemaphoreSubmitInfo", [waits, signals])
        info.waitSemaphoreInfoCount = info.signalSemaphoreInfoCount = 1
        info.pWaitSemaphoreInfos = self._semaphores
        info.pSignalSemaphoreInfos = self._semaphores + 1

    def wait(self) -> None:
        """Wait until the last submit has completed."""
        last = self._last
        if last._pending:
            with at_work(self._device.logical):
                wait_for_fence(self._device.handle, last._fence, "run commands")
            last._pending = False

    def close(self) -> None:
        """Free the commands, waiting for them if they run."""
        try:
            self.wait()
        finally:
            with uninterrupted:
                self._pending = False
                self._submits.clear()
                super().close()
                if self._timers is not None:
                    self._timers.close()
                    self._timers = None
