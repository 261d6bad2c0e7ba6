"""Pipelines: what compute, ray-tracing and graphics pipelines share, and the compute pipeline."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.bindings import Binding, BindingSet, Bound, make_set_layout
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.results import check
from app.gpu.struct import Struct


@dataclass(frozen=True)
class Text:
    """What goes into the shader text besides the file: macros, generated includes, specialisation constants."""

    defines: Mapping[str, str | int]
    includes: Mapping[str, str]
    constants: Mapping[int, int | float]


class Stage(NamedTuple):
    """A stage of a pipeline: name of its file, VkShaderStageFlagBits, flags of the stage, SPIR-V."""

    name: str
    bit: int
    flags: int
    code: bytes


class Pipeline(Resource):
    """A pipeline with its layout: descriptor set 0 and one block of push constants, both visible to all its stages.

    Those of the same shaders, bindings and state share what the driver has compiled, which the device keeps.
    """

    bind_point: int
    _program: Hashable = None  # what is taken of the device's programs

    def __init__(
        self, device: OpenDevice, name: str, bindings: Sequence[Binding], push: Struct | None, stages: int
    ) -> None:
        super().__init__(device.ledger, name)
        self._device = device
        self.bindings = tuple(bindings)
        self.push = push
        self.stages = stages
        self.handle: Handle = None
        with self.building():
            # Vulkan wants push constant blocks in multiples of four bytes.
            self.push_size = (push.size + 3) // 4 * 4 if push else 0
            if self.push_size > device.info.limits.push_constants:
                raise ValueError(
                    f"{name}: {self.push_size} bytes of push constants, {device.info.limits.push_constants} allowed"
                )
            self.set_layout = make_set_layout(self, device, bindings, stages)
            self.layout = self._make_layout()

    def _make_layout(self) -> Handle:
        device = self._device
        block = make("VkPushConstantRange", stageFlags=self.stages, offset=0, size=self.push_size)
        info = make(
            "VkPipelineLayoutCreateInfo",
            setLayoutCount=1,
            pSetLayouts=[self.set_layout],
            pushConstantRangeCount=1 if self.push else 0,
            pPushConstantRanges=[block] if self.push else None,
        )
        out = ffi.new("VkPipelineLayout *")
        check(vk.vkCreatePipelineLayout(device.handle, info, ffi.NULL, out), f"lay out pipeline {self.name}")
        layout = out[0]
        return self.own("VkPipelineLayout", layout, lambda: vk.vkDestroyPipelineLayout(device.handle, layout, ffi.NULL))

    def bind(self, bound: Mapping[int, Bound]) -> BindingSet:
        """A set of resources for every slot of this pipeline; ValueError/TypeError name the slot that is wrong."""
        return BindingSet(self._device, self.name, self.bindings, self.set_layout, bound)

    def _take(
        self,
        stages: Sequence[Stage],
        constants: Mapping[int, int | float],
        state: Hashable,
        create: Callable[..., int],
        describe: Callable[[list[Handle]], Handle],
    ) -> None:
        """Take the VkPipeline of these stages, or compile it.

        Args:
            stages: in any order.
            constants: specialisation constants of all of them.
            state: all else that goes into the pipeline besides what this class knows.
            create: the driver's function.
            describe: its VkPipelineCreateInfo, by VkPipelineShaderStageCreateInfos.
        """
        # Bindings without the names that errors call them by.
        slots = tuple((binding.slot, binding.kind, binding.count) for binding in self.bindings)
        key = (self.bind_point, tuple(stages), repr(dict(constants)), slots, self.push_size, state)

        def compile() -> Handle:
            device, out = self._device, array("VkPipeline", 1)
            with self._modules(stages, constants) as infos:
                result = create(device.handle, device.pipeline_cache, 1, describe(infos), ffi.NULL, out)
            check(result, f"make pipeline {self.name}")
            return out[0]

        self._program, self.handle = self._device.programs.take(key, compile)

    def close(self) -> None:
        """Destroy the layout; the program is its device's."""
        super().close()
        if self._program is not None:
            self._device.programs.give_back(self._program)
            self._program = None

    def _compile(self, names: Sequence[str], text: Text) -> list[bytes]:
        """The shaders' SPIR-V."""
        compile = self._device.shaders.compile
        return [compile(name, includes=text.includes, defines=text.defines) for name in names]

    @contextmanager
    def _modules(self, stages: Sequence[Stage], constants: Mapping[int, int | float]) -> Iterator[list[Handle]]:
        """VkPipelineShaderStageCreateInfos of these; their modules live in the block."""
        device = self._device.handle
        modules: list[Handle] = []
        special = specialisation(constants)
        try:
            infos = []
            for name, bit, flags, code in stages:
                info = make("VkShaderModuleCreateInfo", codeSize=len(code), pCode=code)
                out = ffi.new("VkShaderModule *")
                check(vk.vkCreateShaderModule(device, info, ffi.NULL, out), f"load shader {name}")
                modules.append(out[0])
                infos.append(
                    make(
                        "VkPipelineShaderStageCreateInfo",
                        flags=flags,
                        stage=bit,
                        module=out[0],
                        pName="main",
                        pSpecializationInfo=special,
                    )
                )
            yield infos
        finally:
            for module in modules:
                vk.vkDestroyShaderModule(device, module, ffi.NULL)


def specialisation(constants: Mapping[int, int | float]) -> Handle:
    """VkSpecializationInfo of constant id -> value (int: 32-bit integer, bool, float: 32-bit float), or None."""
    if not constants:
        return None
    words = [
        np.float32(value).tobytes() if isinstance(value, float) else int(value & 0xFFFF_FFFF).to_bytes(4, "little")
        for value in constants.values()
    ]
    entries = [
        make("VkSpecializationMapEntry", constantID=key, offset=4 * index, size=4)
        for index, key in enumerate(constants)
    ]
    data = b"".join(words)
    return make(
        "VkSpecializationInfo",
        mapEntryCount=len(entries),
        pMapEntries=entries,
        dataSize=len(data),
        pData=data,
    )


class ComputePipeline(Pipeline):
    """A compute pipeline, made by `Device.compute_pipeline`."""

    def __init__(
        self,
        device: OpenDevice,
        shader: str,
        bindings: Sequence[Binding],
        push: Struct | None,
        text: Text,
        full_subgroups: bool,
    ) -> None:
        self.bind_point = vk.VK_PIPELINE_BIND_POINT_COMPUTE
        super().__init__(device, shader, bindings, push, vk.VK_SHADER_STAGE_COMPUTE_BIT)
        flags = vk.VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT if full_subgroups else 0

        def described(infos: list[Handle]) -> Handle:
            return make("VkComputePipelineCreateInfo", stage=infos[0], layout=self.layout)

        with self.building():
            (code,) = self._compile([shader], text)
            stages = [Stage(shader, vk.VK_SHADER_STAGE_COMPUTE_BIT, flags, code)]
            self._take(stages, text.constants, None, vk.vkCreateComputePipelines, described)
