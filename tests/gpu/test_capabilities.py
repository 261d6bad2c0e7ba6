"""What the project's shaders need of a device, as their SPIR-V says it, is switched on or asked for."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from app.bench.convolution import SHAPES, ConvolutionNetwork, random_kernels, widths
from app.bench.costs import Costs
from app.bench.layered import LayeredNetwork, ways
from app.gpu import Device
from app.gpu.features import REQUIRED, REQUIRED_RAYTRACING
from app.gpu.shader import SHADER_FOLDER, ShaderCompiler
from app.network import schema
from app.network.matrix_shader import Matrix
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes import network_pipeline, tile_variant
from app.passes.scanned_triangles import FEATURES as SCANNING
from app.passes.tile_hash import TileHash
from app.passes.tile_radiance import TileRadiance
from app.renderer import Renderer
from app.scene.default import default_scene
from tests.passes.veil import with_veil

ROOT = Path(__file__).parents[2]
# They read 64 bits at once where a CPU has those.
BY_ADDRESS = ("tile_network.comp", "bench_layer.comp")
# They do the rasteriser's work on a CPU that has what it takes.
BY_DISPATCH = ("scanned_triangles.comp", "large_triangles.frag")

# Capabilities of the shaders here (SPIR-V specification, "Capability"), and the feature each needs (Vulkan
# specification, "SPIR-V Environment"); "" where Vulkan 1.3 has it in any case.
CAPABILITIES = {
    1: ("Shader", ""),
    9: ("Float16", "shaderFloat16"),
    11: ("Int64", "shaderInt64"),
    12: ("Int64Atomics", "shaderBufferInt64Atomics"),
    46: ("SampledBuffer", ""),
    50: ("ImageQuery", ""),
    61: ("GroupNonUniform", ""),  # Vulkan 1.1 promises it to compute shaders
    63: ("GroupNonUniformArithmetic", "arithmetic across a subgroup"),  # no feature, but a property
    4433: ("StorageBuffer16BitAccess", "storageBuffer16BitAccess"),
    4472: ("RayQueryKHR", "rayQuery"),
    4479: ("RayTracingKHR", "rayTracingPipeline"),
    5301: ("ShaderNonUniform", ""),
    5307: ("SampledImageArrayNonUniformIndexing", "shaderSampledImageArrayNonUniformIndexing"),
    5345: ("VulkanMemoryModel", "vulkanMemoryModel"),
    5347: ("PhysicalStorageBufferAddresses", "bufferDeviceAddress"),
    6022: ("CooperativeMatrixKHR", "cooperativeMatrix"),
}

# Opcodes, decorations and storage classes that are looked at.
OP_CAPABILITY, OP_CONSTANTS, OP_TYPE_IMAGE, OP_TYPE_SAMPLED_IMAGE = 17, (43, 50), 25, 27
OP_TYPE_ARRAYS, OP_TYPE_STRUCT, OP_TYPE_POINTER = (28, 29), 30, 32
OP_TYPES = (OP_TYPE_IMAGE, OP_TYPE_SAMPLED_IMAGE, *OP_TYPE_ARRAYS, OP_TYPE_STRUCT, OP_TYPE_POINTER)
OP_VARIABLE, OP_LOAD, OP_ACCESS_CHAINS, OP_DECORATE, OP_MEMBER_DECORATE = 59, 61, (65, 66), 71, 72
NON_WRITABLE, NON_UNIFORM = 24, 5300
UNIFORM_CONSTANT, STORAGE_BUFFER = 0, 12

# What needs a feature without a capability that the compiler declares.
DYNAMIC_INDEXING = {
    OP_TYPE_SAMPLED_IMAGE: "shaderSampledImageArrayDynamicIndexing",
    OP_TYPE_IMAGE: "shaderStorageImageArrayDynamicIndexing",
    OP_TYPE_STRUCT: "shaderStorageBufferArrayDynamicIndexing",
}
STORES = {"vert": "vertexPipelineStoresAndAtomics", "frag": "fragmentStoresAndAtomics"}


@dataclass
class Needs:
    """What a shader needs, and faults that no capability tells of."""

    features: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def needs(code: bytes, stage: str) -> Needs:
    """Read a shader's SPIR-V."""
    result = Needs()
    words = np.frombuffer(code, "<u4").tolist()
    at = 5
    types: dict[int, tuple[int, list[int]]] = {}
    variables: dict[int, tuple[int, int]] = {}  # type behind the pointer, storage class
    constants: set[int] = set()
    decorations: dict[int, set[int]] = defaultdict(set)
    members: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    elements: dict[int, int] = {}  # results of dynamic indexing into arrays of descriptors: opcode of what they hold
    while at < len(words):
        opcode, length = words[at] & 0xFFFF, words[at] >> 16
        operands = words[at + 1 : at + length]
        at += length
        if opcode == OP_CAPABILITY:
            name, feature = CAPABILITIES.get(operands[0], (f"capability {operands[0]}", "?"))
            if feature == "?":
                result.faults.append(f"{name} is not in the table")
            elif feature:
                result.features.add(feature)
        elif opcode == OP_DECORATE:
            decorations[operands[0]].add(operands[1])
        elif opcode == OP_MEMBER_DECORATE:
            members[operands[0]][operands[1]].add(operands[2])
        elif opcode in OP_CONSTANTS:
            constants.add(operands[1])
        elif opcode in OP_TYPES:
            types[operands[0]] = (opcode, operands[1:])
        elif opcode == OP_VARIABLE:
            variables[operands[1]] = (types[operands[0]][1][1], operands[2])
        elif opcode in OP_ACCESS_CHAINS and operands[2] in variables:
            kind, storage = variables[operands[2]]
            of_descriptors = storage in (UNIFORM_CONSTANT, STORAGE_BUFFER) and types[kind][0] in OP_TYPE_ARRAYS
            if of_descriptors and operands[3] not in constants:
                elements[operands[1]] = types[types[kind][1][0]][0]
        # The image's own instructions read this. Unless it is marked, all threads have to take the same element.
        elif opcode == OP_LOAD and operands[2] in elements and NON_UNIFORM not in decorations[operands[1]]:
            result.features.add(DYNAMIC_INDEXING[elements[operands[2]]])
    if stage not in STORES:
        return result
    for variable, (kind, storage) in variables.items():
        while types.get(kind, (0, []))[0] in OP_TYPE_ARRAYS:
            kind = types[kind][1][0]
        if storage != STORAGE_BUFFER or NON_WRITABLE in decorations[variable]:
            continue
        if not all(NON_WRITABLE in members[kind][index] for index in range(len(types[kind][1]))):
            result.features.add(STORES[stage])
    return result


@contextmanager
def recorded() -> Iterator[list[tuple[str, bytes]]]:
    """All that is compiled in the block: names and SPIR-V."""
    found: list[tuple[str, bytes]] = []
    compile = ShaderCompiler.compile

    def remember(self: ShaderCompiler, name: str, **options: object) -> bytes:
        code = compile(self, name, **options)  # type: ignore[arg-type]
        found.append((name, code))
        return code

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShaderCompiler, "compile", remember)
        yield found


def promised(raytracing: bool) -> set[str]:
    """Features that every device has which is opened."""
    tables = [*REQUIRED.values(), *(REQUIRED_RAYTRACING.values() if raytracing else ())]
    return {name for table in tables for name in table} | {"arithmetic across a subgroup"}


@pytest.mark.usefixtures("coarse_light")
def test_every_shader_needs_what_is_switched_on(
    gpu: Device, device_without_ray_queries: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = default_scene(lights="rim", aspect=1.0)
    weights = WeightSet.load(ROOT / "weights" / "default")
    edge = schema.TILE
    with recorded() as without_rays, Device.open(gpu.info.index, raytracing=False) as plain:
        Renderer(plain, with_veil(scene), weights, (64, 64)).close()
    with recorded() as without_queries:
        Renderer(device_without_ray_queries, with_veil(scene), weights, (64, 64)).close()
    with recorded() as with_rays, ExitStack() as kept:
        keep = kept.enter_context
        keep(Renderer(gpu, scene, weights, (64, 64)))
        keep(Renderer(gpu, with_veil(scene), weights, (64, 64)))
        with monkeypatch.context() as patch:
            patch.setattr(gpu, "info", replace(gpu.info, features=gpu.info.features - SCANNING))
            keep(Renderer(gpu, with_veil(scene), weights, (64, 64)))
        radiance = keep(TileRadiance(gpu, edge, edge))
        kernels = random_kernels(widths(32, 2))
        picture = np.zeros((edge, edge, schema.CHANNELS), np.float32)
        for shape in SHAPES:
            network = ConvolutionNetwork(gpu, kernels, picture, radiance, shape=shape, staged=shape.paced)
            kept.callback(network.close)
        places = keep(gpu.buffer(4 * schema.TILE_PIXELS))
        hashing = TileHash(gpu, places, edge, edge)
        kept.callback(hashing.close)
        for way in ways(gpu.info, Variant()):
            layered = LayeredNetwork(gpu, weights, hashing, places, places, radiance, edge, edge, way=way)
            kept.callback(layered.close)
        keep(Costs(gpu))
    shaders = {path.name for path in SHADER_FOLDER.iterdir() if path.is_file()}
    assert {name for name, _ in (*with_rays, *without_rays)} == shaders
    for device, compiled in (
        (gpu, with_rays),
        (device_without_ray_queries, without_queries),
        (plain, without_rays),
    ):
        for name, code in compiled:
            wanted = needs(code, name.rsplit(".", 1)[1])
            assert not wanted.faults, (name, wanted.faults)
            asked = {"shaderInt64"} & gpu.info.features if name in BY_ADDRESS else set()
            if device.ray_queries and name == "background.comp":
                asked.add("rayQuery")
            if name in BY_DISPATCH:
                asked |= SCANNING
            assert wanted.features <= promised(device.raytracing) | asked, name


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("matrix", [None, Matrix(16, 16, 16)])
def test_a_variant_needs_what_it_is_chosen_by(half: bool, matrix: Matrix | None) -> None:
    variant = Variant(half=half, matrix=matrix)
    code = ShaderCompiler().compile(
        "tile_network.comp",
        defines=network_pipeline.defines("half", "discrete"),
        includes=network_pipeline.includes((32, 32, 15), variant),
    )
    wanted = needs(code, "comp")
    asked = {"shaderFloat16"} if half else set()
    assert not wanted.faults
    assert wanted.features <= promised(False) | asked | (set(tile_variant._FOR_MATRICES) if matrix else set())


INDEXED = """
layout(local_size_x = 1) in;
layout(set = 0, binding = 0) uniform sampler2D maps[3];
layout(set = 0, binding = 1, scalar) buffer Values { vec4 value; uint which; };
void main() { value = texelFetch(maps[INDEX], ivec2(0), 0); }
"""


@pytest.mark.parametrize(
    ("index", "feature"),
    [
        ("2", None),
        ("nonuniformEXT(which)", "shaderSampledImageArrayNonUniformIndexing"),
        ("which", "shaderSampledImageArrayDynamicIndexing"),
    ],
)
def test_indexing_of_textures_is_seen(gpu: Device, index: str, feature: str | None) -> None:
    """The compiler declares no capability for the last of these."""
    code = gpu.shaders.compile("indexed.comp", includes={"indexed.comp": INDEXED.replace("INDEX", index)})
    assert needs(code, "comp").features == ({feature} if feature else set())
    assert needs(code, "frag").features >= {"fragmentStoresAndAtomics"}
