"""The Vulkan device: opens a GPU and makes everything that lives on it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from app.gpu.acceleration import Blas, Geometry, Instance, Tlas
from app.gpu.binding import vk
from app.gpu.bindings import Binding
from app.gpu.buffer import Buffer, as_bytes
from app.gpu.commands import CommandBuffer
from app.gpu.formats import format_features, image_format
from app.gpu.graphics import Cull, DrawState, GraphicsPipeline, VertexLayout
from app.gpu.image import Image, Sampler
from app.gpu.memory import MemoryKind
from app.gpu.open_device import OpenDevice
from app.gpu.pipeline import ComputePipeline, Text
from app.gpu.raytracing import HitGroup, RayTracingPipeline
from app.gpu.struct import Struct


class Device(OpenDevice):
    """An open GPU that makes all that lives on it, and runs commands. Made by `Device.open`; a context manager."""

    def buffer(self, data: "np.ndarray | bytes | int", *, memory: MemoryKind = "device", name: str = "") -> Buffer:
        """A buffer filled with an array or bytes, or (int) of that many bytes with undefined contents.

        `memory`: "device" is fast for the GPU; "upload" and "readback" can be mapped by the CPU (`Buffer.map`).
        """
        if isinstance(data, int | np.integer):
            return Buffer(self, int(data), memory, name)
        raw = as_bytes(data)
        buffer = Buffer(self, raw.size, memory, name)
        with buffer.building():
            buffer.write(raw)
        return buffer

    def image(self, width: int, height: int, format: str, *, name: str = "", mips: int = 1, samples: int = 1) -> Image:
        """An image with undefined contents, usable for everything its format allows; formats: `formats.FORMATS`."""
        return Image(self, width, height, format, name, mips, samples)

    @property
    def float_texture(self) -> str:
        """The format for textures of floats that are looked up with filtering: whole floats, or else halves."""
        offered = format_features(self.physical, image_format("rgba32f").value)
        return "rgba32f" if offered & vk.VK_FORMAT_FEATURE_SAMPLED_IMAGE_FILTER_LINEAR_BIT else "rgba16f"

    def sampler(
        self,
        filter: Literal["linear", "nearest"] = "linear",
        wrap_u: Literal["repeat", "mirror", "clamp"] = "repeat",
        wrap_v: Literal["repeat", "mirror", "clamp"] = "repeat",
        *,
        anisotropy: float = 1.0,
    ) -> Sampler:
        """A sampler; with mips, "linear" is trilinear."""
        return Sampler(self, filter, wrap_u, wrap_v, anisotropy)

    def blas(self, geometries: Sequence[Geometry], *, updatable: bool = False, name: str = "blas") -> Blas:
        """A bottom-level acceleration structure, built. `updatable` keeps what `Blas.rebuild` needs."""
        return Blas(self, geometries, updatable=updatable, name=name)

    def tlas(self, instances: Sequence[Instance], *, capacity: int = 0, name: str = "tlas") -> Tlas:
        """A top-level acceleration structure, built, with room for `capacity` instances (at least those given)."""
        return Tlas(self, instances, capacity=capacity, name=name)

    def compute_pipeline(
        self,
        shader: str,
        bindings: Sequence[Binding],
        *,
        push: Struct | None = None,
        defines: Mapping[str, str | int] | None = None,
        includes: Mapping[str, str] | None = None,
        constants: Mapping[int, int | float] | None = None,
        full_subgroups: bool = False,
    ) -> ComputePipeline:
        """A compute pipeline; ShaderError says where the shader is wrong.

        `full_subgroups`: no subgroup lacks threads, and the text has the macro FULL_SUBGROUPS, where the device can see
        to it (feature computeFullSubgroups). Workgroups are a multiple of any subgroup's size.
        """
        full = full_subgroups and "computeFullSubgroups" in self.info.features
        text = Text({**(defines or {}), **({"FULL_SUBGROUPS": 1} if full else {})}, includes or {}, constants or {})
        return ComputePipeline(self, shader, bindings, push, text, full)

    def raytracing_pipeline(
        self,
        raygen: str,
        misses: Sequence[str],
        hits: Sequence[HitGroup],
        bindings: Sequence[Binding],
        *,
        push: Struct | None = None,
        defines: Mapping[str, str | int] | None = None,
        includes: Mapping[str, str] | None = None,
        constants: Mapping[int, int | float] | None = None,
        recursion: int = 1,
    ) -> RayTracingPipeline:
        """A ray-tracing pipeline with its shader binding table; `recursion` is the depth of nested trace calls."""
        text = Text(defines or {}, includes or {}, constants or {})
        return RayTracingPipeline(self, raygen, misses, hits, bindings, push, text, recursion)

    def graphics_pipeline(
        self,
        vertex: str,
        fragment: str,
        bindings: Sequence[Binding],
        *,
        push: Struct | None = None,
        defines: Mapping[str, str | int] | None = None,
        includes: Mapping[str, str] | None = None,
        constants: Mapping[int, int | float] | None = None,
        color_formats: Sequence[str],
        depth_format: str | None = None,
        depth_test: bool = True,
        vertex_layout: VertexLayout | None = None,
        cull: Cull = "none",
        blend: bool = False,
        samples: int = 1,
    ) -> GraphicsPipeline:
        """A pipeline for triangle lists, drawn in `CommandBuffer.rendering`.

        `color_formats` and `depth_format` are those of the images; nearer or equal depth passes. `vertex_layout` has
        an entry for each vertex buffer, a Struct or a VertexBinding. Fronts are counter-clockwise on the screen;
        with `cull` "dynamic", `CommandBuffer.cull` says before the draws whether back sides are left out.
        `blend` is straight alpha blending.
        """
        text = Text(defines or {}, includes or {}, constants or {})
        state = DrawState(color_formats, depth_format, depth_test, vertex_layout, cull, blend, samples)
        return GraphicsPipeline(self, vertex, fragment, bindings, push, text, state)

    def commands(self, *, reusable: bool = True, overlapping: bool = False, timed: bool = True) -> CommandBuffer:
        """A command buffer to record: `with device.commands() as cmd: ...`. It stays alive after the block.

        `overlapping`: it may be submitted again, among others, before it has run. `timed`: its timers measure.
        """
        return CommandBuffer(self, reusable=reusable, overlapping=overlapping, timed=timed)

    def submit(self, *commands: CommandBuffer, wait: bool = True) -> None:
        """Run recorded commands one after the other; with `wait` return when all are done. DeviceLost if the GPU fails.

        What they wait for among themselves is what barriers in them say. Those that draw to the window come last.
        """
        commands[-1].submit(commands[:-1], wait=wait)
