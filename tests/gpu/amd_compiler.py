"""What a GPU's compiler makes of every shader, where there is no GPU.

    python -m tests.gpu.amd_compiler [CHIP...]          (navi31, navi21 and vega10 where none is named)

Mesa's driver for AMD (RADV) compiles for the chip that RADV_FORCE_FAMILY names. It neither allocates nor runs anything
then, so here everything but devices, shaders, layouts and pipelines is made up: memory is the process's own, and
commands go nowhere. A whole renderer is built on that, and the driver says of each of its pipelines what
VK_KHR_pipeline_executable_properties has for it: registers, spills, and the compiler's guess of how many cycles 64
threads keep a SIMD busy, memory aside.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from app.gpu import Device, acceleration, binding, device, raytracing
from app.gpu.binding import array, ffi, make, vk
from app.gpu.features import enable_chain
from app.passes import network_pipeline
from app.passes.tile_variant import OVERRIDE, candidates
from app.renderer import Renderer
from app.scene.default import default_scene
from app.weight_sets import load_weights
from tests.passes.veil import with_veil

CHIPS = ("navi31", "navi21", "vega10")
ICD_FOLDERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d")
MISSING = "there is no RADV; setup/system.sh installs it (Debian package mesa-vulkan-drivers)"
SIZE = (640, 360)
COLUMNS = {
    "registers": "VGPRs",
    "spilled": "Spilled VGPRs",
    "shared": "LDS size",
    "scratch": "Scratch size",
    "waves": "Subgroups per SIMD",
    "instructions": "Instructions",
    "arithmetic": "VALU",
    "cycles": "Inverse Throughput",
}
_EXTENSION = "VK_KHR_pipeline_executable_properties"
_REAL = ("Instance", "Device", "ShaderModule", "DescriptorSetLayout", "PipelineLayout", "PipelineCache", "Pipeline")


def driver() -> Path | None:
    """RADV's description for the Vulkan loader, if it is installed."""
    found = [path for folder in ICD_FOLDERS for path in sorted(Path(folder).glob("radeon_icd*.json"))]
    return found[0] if found else None


def compiled(chip: str) -> list[dict[str, Any]]:
    """Build the renderer for a chip in a process of its own.

    Returns: for each shader of each pipeline "pipeline", "stage" and the figures of COLUMNS, as integers.
    """
    found: list[dict[str, Any]] = run(chip, "-m", "tests.gpu.amd_compiler", "--here")
    return found


def run(chip: str, *arguments: str) -> Any:
    """Run Python with these arguments where the only GPU is such a chip; its last line, of JSON."""
    path = str(driver())
    environment = {"RADV_FORCE_FAMILY": chip, "VK_DRIVER_FILES": path, "VK_ICD_FILENAMES": path}
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment, "RADV_DEBUG": "nocache", "BUNGYO_VALIDATION": "", OVERRIDE: ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"RADV does not compile for {chip}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Nowhere:
    """Stands in for what RADV does not do without hardware. Handles are numbers, memory is the process's."""

    def __init__(self) -> None:
        self._last = 0
        self._sizes: dict[int, int] = {}
        self._memory: dict[int, Any] = {}

    def install(self) -> None:
        """Replace the functions, for the rest of the process."""
        for name in _functions():
            created = re.fullmatch(r"vkCreate([A-Za-z]+?)(KHR)?", name)
            ended = re.fullmatch(r"vk(?:Destroy|Free)([A-Za-z]+)", name)
            if created and created[1].removesuffix("s") not in (*_REAL, "ComputePipeline", "GraphicsPipeline"):
                setattr(vk, name, self._create(f"Vk{created[1]}{created[2] or ''}"))
            elif (ended and ended[1] not in _REAL) or name.startswith("vkCmd"):
                setattr(vk, name, _nothing)
        for name in (
            *("vkWaitForFences", "vkResetFences", "vkQueueSubmit2", "vkBeginCommandBuffer", "vkEndCommandBuffer"),
            *("vkDeviceWaitIdle", "vkBindBufferMemory", "vkBindImageMemory", "vkUpdateDescriptorSets"),
        ):
            setattr(vk, name, _nothing)
        for name in ("vkGetBufferMemoryRequirements", "vkGetImageMemoryRequirements"):
            setattr(vk, name, self._requirements)
        vk.vkGetPhysicalDeviceMemoryProperties = _memory_types
        vk.vkAllocateMemory = self._allocate
        vk.vkMapMemory = self._map
        vk.vkGetBufferDeviceAddress = lambda _, info: _number(info.buffer) << 32
        vk.vkAllocateCommandBuffers = self._several("VkCommandBuffer", "commandBufferCount")
        vk.vkAllocateDescriptorSets = self._several("VkDescriptorSet", "descriptorSetCount")
        _replace(acceleration, device_function=self._extension)

    def _handle(self, kind: str) -> Any:
        self._last += 1
        return ffi.cast(kind, self._last)

    def _create(self, kind: str) -> Callable[..., int]:
        def create(_: object, info: Any, _allocator: object, out: Any) -> int:
            out[0] = self._handle(kind)
            if kind == "VkBuffer":
                self._sizes[_number(out[0])] = info.size
            elif kind == "VkImage":  # the largest texel, and mips
                self._sizes[_number(out[0])] = 32 * info.extent.width * info.extent.height
            return 0

        return create

    def _several(self, kind: str, count: str) -> Callable[..., int]:
        def allocate(_: object, info: Any, out: Any) -> int:
            for index in range(getattr(info, count)):
                out[index] = self._handle(kind)
            return 0

        return allocate

    def _requirements(self, _: object, thing: Any, out: Any) -> None:
        out.size, out.alignment, out.memoryTypeBits = -(-self._sizes[_number(thing)] // 256) * 256, 256, 3

    def _allocate(self, _: object, info: Any, _allocator: object, out: Any) -> int:
        out[0] = self._handle("VkDeviceMemory")
        self._memory[_number(out[0])] = ffi.new("char[]", info.allocationSize)
        return 0

    def _map(self, _: object, memory: Any, offset: int, _size: int, _flags: int, out: Any) -> int:
        out[0] = ffi.cast("void *", self._memory[_number(memory)] + offset)
        return 0

    def _extension(self, _: object, name: str) -> Callable[..., int | None]:
        """Functions of the acceleration structures' extension."""
        if name == "vkGetAccelerationStructureBuildSizesKHR":
            return _build_sizes
        if name == "vkCreateAccelerationStructureKHR":
            return self._create("VkAccelerationStructureKHR")
        return _nothing


def _replace(module: ModuleType, **functions: object) -> None:
    """Give a module other functions than those it imported."""
    vars(module).update(functions)


def _nothing(*_: object) -> int:
    return 0


def _number(handle: Any) -> int:
    return int(ffi.cast("uintptr_t", handle))


def _memory_types(_: object, out: Any) -> None:
    """As a discrete GPU has them: memory of its own, and the computer's."""
    out.memoryTypeCount, out.memoryHeapCount = 2, 2
    out.memoryTypes[0].propertyFlags = vk.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
    out.memoryTypes[1].propertyFlags = (
        vk.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
        | vk.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
        | vk.VK_MEMORY_PROPERTY_HOST_CACHED_BIT
    )


def _build_sizes(_: object, _kind: int, _info: Any, _counts: Any, sizes: Any) -> None:
    sizes.accelerationStructureSize, sizes.buildScratchSize, sizes.updateScratchSize = 4096, 4096, 4096


def _functions() -> list[str]:
    """The Vulkan functions that bungyo calls."""
    texts = [path.read_text() for path in Path(binding.__file__).parents[1].rglob("*.py")]
    return sorted({name for text in texts for name in re.findall(r"\bvk\.(vk[A-Za-z0-9]+)", text)})


class Listener:
    """Asks the driver what it made of every pipeline, as it is made.

    Attributes:
        shaders: as `compiled` returns them.
    """

    def __init__(self) -> None:
        self.shaders: list[dict[str, Any]] = []
        self._name = ""

    def install(self) -> None:
        """Listen, for the rest of the process."""
        _replace(device, enable_chain=_with_executable_info)
        for kind in ("compute_pipeline", "graphics_pipeline", "raytracing_pipeline"):
            setattr(Device, kind, self._named(getattr(Device, kind)))
        for name in ("vkCreateComputePipelines", "vkCreateGraphicsPipelines"):
            setattr(vk, name, self._heard(getattr(vk, name), info=3))
        _replace(raytracing, device_function=self._extension)

    def _named(self, make_pipeline: Callable[..., Any]) -> Callable[..., Any]:
        def made(device: Device, shader: str, *arguments: Any, **options: Any) -> Any:
            self._name = shader
            return make_pipeline(device, shader, *arguments, **options)

        return made

    def _extension(self, handle: Any, name: str) -> Callable[..., Any]:
        if name.startswith("vkCmd"):
            return _nothing
        real = binding.device_function(handle, name)
        return self._heard(real, info=4) if name == "vkCreateRayTracingPipelinesKHR" else real

    def _heard(self, create: Callable[..., int], info: int) -> Callable[..., int]:
        """The function that makes one pipeline: its argument number `info` says how, and the last is the result."""

        def created(*arguments: Any) -> int:
            arguments[info].flags |= vk.VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR
            result = create(*arguments)
            if not result:
                self._ask(arguments[0], arguments[-1][0])
            return result

        return created

    def _ask(self, handle: Any, pipeline: Any) -> None:
        info, count = make("VkPipelineInfoKHR", pipeline=pipeline), ffi.new("uint32_t *")
        properties = binding.device_function(handle, "vkGetPipelineExecutablePropertiesKHR")
        statistics = binding.device_function(handle, "vkGetPipelineExecutableStatisticsKHR")
        properties(handle, info, count, ffi.NULL)
        stages = array("VkPipelineExecutablePropertiesKHR", [make("VkPipelineExecutablePropertiesKHR")] * count[0])
        properties(handle, info, count, stages)
        for index in range(count[0]):
            one = make("VkPipelineExecutableInfoKHR", pipeline=pipeline, executableIndex=index)
            statistics(handle, one, count, ffi.NULL)
            found = array("VkPipelineExecutableStatisticKHR", [make("VkPipelineExecutableStatisticKHR")] * count[0])
            statistics(handle, one, count, found)
            figures = {ffi.string(cell.name).decode(): int(cell.value.u64) for cell in found}
            stage = ffi.string(stages[index].name).decode()
            self.shaders.append(
                {"pipeline": self._name, "stage": stage, **{key: figures[name] for key, name in COLUMNS.items()}}
            )


def _with_executable_info(*arguments: Any, **options: Any) -> Any:
    chain = enable_chain(*arguments, **options)
    name = "VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR"
    return make(name, pNext=chain, pipelineExecutableInfo=1)


def _here() -> list[dict[str, Any]]:
    """What `compiled` returns, for the chip of this process."""
    listener, weights = Listener(), load_weights(None)
    Nowhere().install()
    listener.install()
    with Device.open(raytracing=None, extensions=[_EXTENSION]) as gpu:
        scene = default_scene(lights="rim", aspect=SIZE[0] / SIZE[1])
        for kind in ("trace", "raster") if gpu.raytracing else ("raster",):
            for shown in (scene, with_veil(scene)):
                Renderer(gpu, shown, weights, SIZE, gbuffer=kind).close()
    shaders, listener.shaders = listener.shaders, []
    with Device.open(raytracing=None, extensions=[_EXTENSION]) as gpu:  # the other has kept what it drew with
        for variant in candidates(gpu.info, weights.layers):
            network_pipeline.compile_network(gpu, weights.layers, "half", variant).close()
            listener.shaders[-1]["stage"] = variant.name
    unique = {json.dumps(shader): shader for shader in (*shaders, *listener.shaders)}
    return list(unique.values())


def _table(chip: str, shaders: list[dict[str, Any]]) -> str:
    lines = [f"{chip:34s}{'stage':30s}" + "".join(f"{name:>13s}" for name in COLUMNS)]
    for shader in shaders:
        figures = "".join(f"{shader[name]:13d}" for name in COLUMNS)
        lines.append(f"{shader['pipeline']:34s}{shader['stage'][:29]:30s}{figures}")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:] == ["--here"]:
        print(json.dumps(_here()))
        sys.exit()
    if driver() is None:
        sys.exit(MISSING)
    for name in sys.argv[1:] or CHIPS:
        try:
            print(_table(name, compiled(name)), end="\n\n")
        except RuntimeError as error:
            sys.exit(str(error).strip())
