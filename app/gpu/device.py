"""The Vulkan device: opens a GPU and makes everything that lives on it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from app.environment_variables import switched_on
from app.errors import BungyoError, InputError
from app.gpu.acceleration import Blas, Geometry, Instance, Tlas
from app.gpu.binding import Handle, ffi, make, vk
from app.gpu.bindings import Binding
from app.gpu.buffer import Buffer, as_bytes
from app.gpu.commands import CommandBuffer
from app.gpu.features import RAYTRACING_EXTENSIONS, enable_chain, optional_extensions
from app.gpu.formats import format_features, image_format
from app.gpu.graphics import Cull, DrawState, GraphicsPipeline, VertexLayout
from app.gpu.image import Image, Sampler
from app.gpu.instance import Instance as VulkanInstance
from app.gpu.lifetime import Ledger, Resource
from app.gpu.memory import MemoryKind, MemoryTypes
from app.gpu.pipeline import ComputePipeline, Text
from app.gpu.pipeline_cache import PipelineCache
from app.gpu.programs import Programs
from app.gpu.raytracing import HitGroup, RayTracingPipeline
from app.gpu.results import DeviceLost, check
from app.gpu.selection import WINDOW_EXTENSION, Candidate, DeviceInfo, Selection, candidates, choose
from app.gpu.shader import SHADER_FOLDER, ShaderCompiler
from app.gpu.struct import Struct
from app.gpu.swapchain import presentation, window_extensions
from app.gpu.transfer import Transfer


class _Logical(Resource):
    """VkDevice, its queue and command pool."""

    def __init__(self, ledger: Ledger, candidate: Candidate, extensions: Sequence[str], *, raytracing: bool) -> None:
        super().__init__(ledger, "device", internal=True)
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
            self.queue = queue_out[0]
            pool_info = make(
                "VkCommandPoolCreateInfo",
                queueFamilyIndex=candidate.queue_family,
                flags=vk.VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
            )
            pool_out = ffi.new("VkCommandPool *")
            check(vk.vkCreateCommandPool(handle, pool_info, ffi.NULL, pool_out), "make a command pool")
            pool = pool_out[0]
            self.command_pool = self.own("VkCommandPool", pool, lambda: vk.vkDestroyCommandPool(handle, pool, ffi.NULL))


class Device:
    """An open GPU. Made by `Device.open`; a context manager.

    Attributes:
        info: the GPU's description.
        validation_messages: what the validation layer complained about so far, and leaks found by `close()`.
        shaders: the shader compiler; its `folders` may be extended.
        raytracing: True where ray tracing is switched on.
    """

    def __init__(
        self,
        select: Selection,
        *,
        window: bool,
        validation: bool,
        raytracing: bool | None,
        shader_folders: Sequence[Path],
        extensions: Sequence[str],
    ) -> None:
        self.ledger = Ledger()
        self.validation = validation
        self.validation_messages: list[str] = []
        self.shaders = ShaderCompiler([*shader_folders, SHADER_FOLDER])
        self._closed = False
        self._instance: VulkanInstance | None = None
        self._logical: _Logical | None = None
        self._cache: PipelineCache | None = None
        self._programs: Programs | None = None
        try:
            self._open(select, window, raytracing, list(extensions))
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(
        cls,
        select: Selection = None,
        *,
        window: bool = False,
        validation: bool | None = None,
        raytracing: bool | None = True,
        shader_folders: Sequence[Path] = (),
        extensions: Sequence[str] = (),
    ) -> "Device":
        """Open a GPU.

        Args:
            select: index or part of the name as `list_devices` gives them, or what describes an open device (`info`);
                None takes the best one.
            window: prepare for a swapchain, and take only devices that have one (GLFW must be initialised).
            validation: run under the validation layer; None asks the environment (BUNGYO_VALIDATION=1).
            raytracing: switch on ray tracing, and take only devices that have it; None: switch it on where there is
                any, and take others as well.
            shader_folders: searched for shaders before the project's own folder.
            extensions: further Vulkan device extensions to switch on.

        Raises:
            InputError: `select` matches no usable device or one that shows no windows, or only the ray tracing that is
                asked for is missing.
            BungyoError: no loader, no driver, no usable device, or the driver fails.
        """
        if validation is None:
            validation = switched_on("BUNGYO_VALIDATION")
        return cls(
            select,
            window=window,
            validation=validation,
            raytracing=raytracing,
            shader_folders=shader_folders,
            extensions=extensions,
        )

    def _open(self, select: Selection, window: bool, raytracing: bool | None, extensions: list[str]) -> None:
        instance_extensions: list[str] = []
        if window:
            instance_extensions = window_extensions()
            extensions.append(WINDOW_EXTENSION)
        self._instance = VulkanInstance(
            self.ledger,
            validation=self.validation,
            extensions=instance_extensions,
            messages=self.validation_messages,
        )
        self.instance: Handle = self._instance.handle
        presents = presentation(self.instance) if window else None
        candidate = choose(candidates(self._instance, presents), select, raytracing=raytracing)
        self.info: DeviceInfo = candidate.info
        self.shaders.defines = self.info.macros
        self.raytracing = self.info.raytracing if raytracing is None else raytracing
        self.physical: Handle = candidate.physical
        self.queue_family = candidate.queue_family
        if self.raytracing:
            extensions += RAYTRACING_EXTENSIONS
        lacking = [name for name in extensions if name not in candidate.offer.extensions]
        if lacking:
            raise BungyoError(f"The GPU {self.info.name} lacks {', '.join(lacking)}.")
        extensions += optional_extensions(candidate.offer, raytracing=self.raytracing)
        self._logical = _Logical(self.ledger, candidate, extensions, raytracing=self.raytracing)
        self.handle: Handle = self._logical.handle
        self.queue: Handle = self._logical.queue
        self.command_pool: Handle = self._logical.command_pool
        self._cache = PipelineCache(self)
        self.pipeline_cache: Handle = self._cache.handle
        self.memory_types = MemoryTypes.of(self.physical, unified=self.info.kind in ("cpu", "integrated"))
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
        self.programs = self._programs = Programs(self)
        self.transfer = Transfer(self)

    # Making things.

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

    def commands(self, *, reusable: bool = True, overlapping: bool = False) -> CommandBuffer:
        """A command buffer to record: `with device.commands() as cmd: ...`. It stays alive after the block.

        `overlapping`: it may be submitted again, among others, before it has run.
        """
        return CommandBuffer(self, reusable=reusable, overlapping=overlapping)

    # Running and ending.

    def submit(self, *commands: CommandBuffer, wait: bool = True) -> None:
        """Run recorded commands one after the other; with `wait` return when all are done. DeviceLost if the GPU fails.

        What they wait for among themselves is what barriers in them say. Those that draw to the window come last.
        """
        commands[-1].submit(commands[:-1], wait=wait)

    def wait_idle(self) -> None:
        """Wait until the GPU has nothing left to do."""
        check(vk.vkDeviceWaitIdle(self.handle), "wait for the GPU")

    @property
    def ray_queries(self) -> bool:
        """Whether all shaders may trace rays, not only those of ray-tracing pipelines."""
        return self.raytracing and "rayQuery" in self.info.features

    def need_raytracing(self) -> None:
        """Raise BungyoError unless ray tracing is switched on."""
        if not self.raytracing:
            raise BungyoError(f"The GPU {self.info.name} was opened without ray tracing.")

    def need_clock(self) -> None:
        """Raise InputError unless it has timestamps."""
        if self.info.timestamp_period_ns == 0.0:
            raise InputError(f"{self.info.name} has no clock (timestamps), without which nothing can be timed.")

    @property
    def live_objects(self) -> dict[str, int]:
        """Vulkan objects made and not destroyed, by kind, but for `programs`; empty after close()."""
        return {kind: count for kind, count in self.ledger.counts.copy().items() if count}

    @property
    def objects_made(self) -> dict[str, int]:
        """Vulkan objects made so far, by kind, destroyed ones included ("VkDeviceMemory": allocations)."""
        return dict(self.ledger.made + self.programs.ledger.made)

    def close(self) -> None:
        """Wait for the GPU and destroy everything. With validation, what the caller left open is reported as a leak."""
        if self._closed:
            return
        self._closed = True
        if self._logical is not None:
            vk.vkDeviceWaitIdle(self._logical.handle)  # its result does not matter any more
            if self._cache is not None:
                self._cache.save()
        own: tuple[Resource | None, ...] = (self._instance, self._logical)
        for resource in reversed(list(self.ledger.resources.values())):
            if resource in own:
                continue
            if self.validation and not resource.internal:
                self.validation_messages.append(f"Leak: {resource!r} was still open when the device closed.")
            with suppress(DeviceLost):  # it cannot be waited for, and is destroyed all the same
                resource.close()
        for owner in (self._programs, *reversed(own)):
            if owner is not None:
                owner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Device {self.info.name!r}>" if hasattr(self, "info") else "<Device not open>"
