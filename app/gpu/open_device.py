"""An open GPU: what everything that is made on one needs of it. `Device` is one that makes things, too."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from app.environment_variables import switched_on
from app.errors import BungyoError, InputError
from app.gpu.binding import Handle, vk
from app.gpu.features import RAYTRACING_EXTENSIONS, optional_extensions
from app.gpu.instance import Instance
from app.gpu.lifetime import Ledger, Resource
from app.gpu.logical_device import LogicalDevice
from app.gpu.pipeline_cache import PipelineCache
from app.gpu.programs import Programs
from app.gpu.results import DeviceLost, check
from app.gpu.selection import WINDOW_EXTENSION, DeviceInfo, Selection, candidates, choose
from app.gpu.shader import SHADER_FOLDER, ShaderCompiler
from app.gpu.transfer import Transfer
from app.gpu.window_system import presentation, window_extensions


class OpenDevice:
    """An open GPU. Made by `open`; a context manager.

    Attributes:
        info: the GPU's description.
        validation_messages: what the validation layer complained about so far, and leaks found by `close()`.
        shaders: the shader compiler; its `folders` may be extended.
        raytracing: True where ray tracing is switched on.
        ledger: counts what is made on it.
        logical: its VkDevice; `handle`, `queue`, `physical`, `queue_family`, `full_barrier` are those of it.
        instance: its VkInstance.
        pipeline_cache: the driver's, VkPipelineCache.
        programs: the compiled pipelines.
        transfer: copies to and from its memory.
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
        self._instance: Instance | None = None
        self._logical: LogicalDevice | None = None
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
    ) -> Self:
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

    def _window_extensions(self) -> list[str]:
        try:
            return window_extensions()
        except BungyoError:  # GLFW finds none without a driver, too, and then that is what is wrong
            with Instance(self.ledger) as bare:
                bare.physical_devices()
            raise

    def _open(self, select: Selection, window: bool, raytracing: bool | None, extensions: list[str]) -> None:
        instance_extensions: list[str] = []
        if window:
            instance_extensions = self._window_extensions()
            extensions.append(WINDOW_EXTENSION)
        self._instance = Instance(
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
        if self.raytracing:
            extensions += RAYTRACING_EXTENSIONS
        lacking = [name for name in extensions if name not in candidate.offer.extensions]
        if lacking:
            raise BungyoError(f"The GPU {self.info.name} lacks {', '.join(lacking)}.")
        extensions += optional_extensions(candidate.offer, raytracing=self.raytracing)
        logical = LogicalDevice(self.ledger, candidate, extensions, raytracing=self.raytracing)
        self.logical = self._logical = logical
        self.handle, self.queue, self.physical = logical.handle, logical.queue, logical.physical
        self.queue_family, self.full_barrier = logical.queue_family, logical.full_barrier
        self._cache = PipelineCache(logical)
        self.pipeline_cache: Handle = self._cache.handle
        self.programs = self._programs = Programs(logical)
        self.transfer = Transfer(logical)

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

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name!r}>" if hasattr(self, "info") else "<Device not open>"
