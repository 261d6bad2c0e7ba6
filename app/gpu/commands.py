"""Command buffers: recorded once in a `with` block, submitted as often as wanted."""

from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from app.gpu.binding import ffi, make, vk
from app.gpu.bindings import BindingSet
from app.gpu.buffer import Buffer, as_bytes
from app.gpu.image import Image, blit_region
from app.gpu.lifetime import Resource
from app.gpu.pipeline import Pipeline
from app.gpu.raytracing import RayTracingPipeline
from app.gpu.results import check
from app.gpu.transfer import allocate_command_buffer, make_fence, wait_for_fence

if TYPE_CHECKING:
    from app.gpu.device import Device


class CommandBuffer(Resource):
    """Commands for the GPU, made by `Device.commands`.

    The `with` block records; leaving it ends the recording (or, on an exception, discards everything). Afterwards
    `Device.submit` runs it any number of times, until `close()`. What it uses must stay alive until then.
    """

    def __init__(self, device: "Device", *, reusable: bool = True) -> None:
        super().__init__(device.ledger, "commands")
        self._device = device
        self._pipeline: Pipeline | None = None
        self._kept: list[object] = []  # recorded objects: alive as long as the recording
        self._recording = self._pending = False
        with self.building():
            self.handle, self._array = allocate_command_buffer(self, device)
            self._fence = make_fence(self, device)
            flags = 0 if reusable else vk.VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT
            check(
                vk.vkBeginCommandBuffer(self.handle, make("VkCommandBufferBeginInfo", flags=flags)),
                "record commands",
            )
            self._recording = True
            command = make("VkCommandBufferSubmitInfo", commandBuffer=self.handle)
            self._submit_info = make("VkSubmitInfo2", commandBufferInfoCount=1, pCommandBufferInfos=[command])

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

    # Compute and ray tracing.

    def bind(self, pipeline: Pipeline, binding_set: BindingSet | None = None) -> None:
        """Use a pipeline, and the resources bound to it, in what follows."""
        self._pipeline = pipeline
        self._kept += (pipeline, binding_set)
        vk.vkCmdBindPipeline(self.handle, pipeline.bind_point, pipeline.handle)
        if binding_set is not None:
            if binding_set.pipeline.bindings != pipeline.bindings:
                raise ValueError(f"{binding_set.name} do not fit {pipeline.name}")
            vk.vkCmdBindDescriptorSets(
                self.handle, pipeline.bind_point, pipeline.layout, 0, 1, binding_set.array, 0, ffi.NULL
            )
        elif pipeline.bindings:
            raise ValueError(f"{pipeline.name} needs a binding set")

    def push(self, data: "np.ndarray | np.void | bytes") -> None:
        """Set the push constants of the bound pipeline: one record of its `push` struct, or its bytes."""
        pipeline = self._bound()
        raw = as_bytes(np.asarray(data) if isinstance(data, np.void) else data)
        if not pipeline.push or raw.size != pipeline.push.size:
            wanted = pipeline.push.size if pipeline.push else 0
            raise ValueError(f"{pipeline.name} takes {wanted} bytes of push constants, not {raw.size}")
        padded = np.zeros(pipeline.push_size, np.uint8)
        padded[: raw.size] = raw
        vk.vkCmdPushConstants(
            self.handle, pipeline.layout, pipeline.stages, 0, padded.size, ffi.from_buffer(padded)
        )

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

    # Order and copies.

    def barrier(self) -> None:
        """What follows sees everything written before, and waits for it."""
        vk.vkCmdPipelineBarrier2(self.handle, self._device.full_barrier)

    def copy(
        self,
        source: Buffer | Image,
        target: Buffer | Image,
        size: int | None = None,
        *,
        source_offset: int = 0,
        target_offset: int = 0,
        mip: int = 0,
    ) -> None:
        """Copy between buffers (`size` bytes, default all that fits), or a whole mip between images and buffers.

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
            region = target.copy_region(mip, source_offset)
            vk.vkCmdCopyBufferToImage(self.handle, source.handle, target.handle, general, 1, region)
        elif isinstance(source, Image) and isinstance(target, Buffer):
            region = source.copy_region(mip, target_offset)
            vk.vkCmdCopyImageToBuffer(self.handle, source.handle, general, target.handle, 1, region)
        elif isinstance(source, Image) and isinstance(target, Image):
            width, height = source.size_of_mip(mip)
            region = make(
                "VkImageCopy",
                srcSubresource=source.layers(mip),
                dstSubresource=target.layers(mip),
                extent={"width": width, "height": height, "depth": 1},
            )
            vk.vkCmdCopyImage(self.handle, source.handle, general, target.handle, general, 1, region)

    def fill(self, buffer: Buffer, value: int = 0, *, offset: int = 0, size: int | None = None) -> None:
        """Set every 32-bit word of a buffer (or of `size` bytes from `offset`, multiples of four) to `value`."""
        self._kept.append(buffer)
        length = vk.VK_WHOLE_SIZE if size is None else size
        vk.vkCmdFillBuffer(self.handle, buffer.handle, offset, length, value & 0xFFFF_FFFF)

    def clear(self, image: Image, color: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)) -> None:
        """Set every pixel of the first mip of a colour image."""
        self._kept.append(image)
        value = ffi.new("VkClearColorValue *", {"float32": list(color)})
        whole = make("VkImageSubresourceRange", aspectMask=image.format.aspect, levelCount=1, layerCount=1)
        vk.vkCmdClearColorImage(self.handle, image.handle, vk.VK_IMAGE_LAYOUT_GENERAL, value, 1, whole)

    def blit(self, source: Image, target: Image) -> None:
        """Stretch an image over another one, with filtering and format conversion."""
        self._kept += (source, target)
        general = vk.VK_IMAGE_LAYOUT_GENERAL
        region = blit_region(
            source.layers(), (source.width, source.height), target.layers(), (target.width, target.height)
        )
        vk.vkCmdBlitImage(
            self.handle, source.handle, general, target.handle, general, 1, region, vk.VK_FILTER_LINEAR
        )

    # Running.

    def submit(self, *, wait: bool) -> None:
        """See `Device.submit`."""
        device = self._device
        if self.closed or self._recording:
            raise ValueError("these commands are closed or still being recorded")
        self.wait()
        check(vk.vkQueueSubmit2(device.queue, 1, self._submit_info, self._fence[0]), "submit commands")
        self._pending = True
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until the last submit has completed."""
        if self._pending:
            wait_for_fence(self._device.handle, self._fence, "run commands")
            check(vk.vkResetFences(self._device.handle, 1, self._fence), "run commands")
            self._pending = False

    def _bound(self) -> Pipeline:
        if self._pipeline is None:
            raise ValueError("no pipeline is bound")
        return self._pipeline

    def close(self) -> None:
        """Free the commands, waiting for them if they run."""
        try:
            self.wait()
        finally:
            super().close()
            self._kept.clear()
