"""Recording what every kind of work needs: bind a pipeline, push constants, barriers."""

from typing import Any

import numpy as np

from app.gpu.binding import ffi, make, vk
from app.gpu.bindings import BindingSet
from app.gpu.buffer import as_bytes
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.pipeline import Pipeline
from app.gpu.results import check
from app.gpu.transfer import allocate_command_buffer


class Recorder(Resource):
    """A Vulkan command buffer in the state of recording."""

    def __init__(self, device: OpenDevice, *, reusable: bool, overlapping: bool) -> None:
        super().__init__(device.ledger, "commands")
        self._device = device
        self._pipeline: Pipeline | None = None
        self._kept: list[object] = []  # what was recorded, alive as long as the recording
        self._recording = self._rendering = False
        with self.building():
            self.handle, self._array = allocate_command_buffer(self, device.logical)
            flags = 0 if reusable else vk.VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT
            if overlapping:
                flags |= vk.VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT
            begin = make("VkCommandBufferBeginInfo", flags=flags)
            check(vk.vkBeginCommandBuffer(self.handle, begin), "record commands")
            self._recording = True

    def bind(self, pipeline: Pipeline, binding_set: BindingSet | None = None) -> None:
        """Use a pipeline, and the resources bound to it, in what follows."""
        self._pipeline = pipeline
        self._kept += (pipeline, binding_set)
        vk.vkCmdBindPipeline(self.handle, pipeline.bind_point, pipeline.handle)
        if binding_set is not None:
            if binding_set.bindings != pipeline.bindings:
                raise ValueError(f"{binding_set.name} do not fit {pipeline.name}")
            vk.vkCmdBindDescriptorSets(
                self.handle, pipeline.bind_point, pipeline.layout, 0, 1, binding_set.array, 0, ffi.NULL
            )
        elif pipeline.bindings:
            raise ValueError(f"{pipeline.name} needs a binding set")

    def push(self, data: "np.ndarray[Any, Any] | np.void | bytes") -> None:
        """Set the push constants of the bound pipeline: one record of its `push` struct, or its bytes."""
        pipeline = self._bound()
        raw = as_bytes(np.asarray(data) if isinstance(data, np.void) else data)
        if not pipeline.push or raw.size != pipeline.push.size:
            wanted = pipeline.push.size if pipeline.push else 0
            raise ValueError(f"{pipeline.name} takes {wanted} bytes of push constants, not {raw.size}")
        padded = np.zeros(pipeline.push_size, np.uint8)
        padded[: raw.size] = raw
        vk.vkCmdPushConstants(self.handle, pipeline.layout, pipeline.stages, 0, padded.size, ffi.from_buffer(padded))

    def barrier(self) -> None:
        """What follows waits for everything before, and sees everything that it wrote; so does the CPU, at the end.

        Without one after the last commands, the CPU may find old bytes in buffers that are mapped.
        """
        vk.vkCmdPipelineBarrier2(self.handle, self._device.full_barrier)

    def _bound(self) -> Pipeline:
        if self._pipeline is None:
            raise ValueError("no pipeline is bound")
        return self._pipeline

    def close(self) -> None:
        """Free the commands."""
        super().close()
        self._kept.clear()
