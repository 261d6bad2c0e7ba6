"""What the renderer asks of a Vulkan driver, what a driver has, and the chain that switches it on."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from app.gpu.binding import Handle, ffi, make, version_text, vk
from app.gpu.enumeration import enumerate_all

_CORE = "VkPhysicalDeviceFeatures"
_V11 = "VkPhysicalDeviceVulkan11Features"
_V12 = "VkPhysicalDeviceVulkan12Features"
_V13 = "VkPhysicalDeviceVulkan13Features"
_AS = "VkPhysicalDeviceAccelerationStructureFeaturesKHR"
_RT = "VkPhysicalDeviceRayTracingPipelineFeaturesKHR"
_QUERY = "VkPhysicalDeviceRayQueryFeaturesKHR"
_MATRIX = "VkPhysicalDeviceCooperativeMatrixFeaturesKHR"

# Without these nothing runs. Field -> what to call it in an error.
REQUIRED: dict[str, dict[str, str]] = {
    _V12: {
        "scalarBlockLayout": "scalar block layout",
        "bufferDeviceAddress": "buffer device addresses",
        "shaderSampledImageArrayNonUniformIndexing": "non-uniform texture indexing",
    },
    _V13: {
        "synchronization2": "synchronization2",
        "dynamicRendering": "dynamic rendering",
        "maintenance4": "maintenance4",
    },
}
REQUIRED_RAYTRACING: dict[str, dict[str, str]] = {
    _AS: {"accelerationStructure": "acceleration structures"},
    _RT: {"rayTracingPipeline": "ray-tracing pipelines"},
}

# Switched on where offered; `DeviceInfo.features` tells which are on.
OPTIONAL: dict[str, tuple[str, ...]] = {
    _CORE: (
        "samplerAnisotropy",
        "fillModeNonSolid",
        "fragmentStoresAndAtomics",
        "vertexPipelineStoresAndAtomics",
        "independentBlend",
        "shaderInt16",
        "shaderInt64",
        "shaderFloat64",
        "shaderStorageImageExtendedFormats",
        "shaderStorageImageReadWithoutFormat",
        "shaderStorageImageWriteWithoutFormat",
    ),
    _V11: (
        "storageBuffer16BitAccess",
        "uniformAndStorageBuffer16BitAccess",
        "storagePushConstant16",
        "shaderDrawParameters",
    ),
    _V12: (
        "shaderFloat16",
        "shaderInt8",
        "storageBuffer8BitAccess",
        "uniformAndStorageBuffer8BitAccess",
        "storagePushConstant8",
        "shaderSubgroupExtendedTypes",
        "uniformBufferStandardLayout",
        "vulkanMemoryModel",
        "vulkanMemoryModelDeviceScope",
        "shaderBufferInt64Atomics",
    ),
    _V13: (
        "subgroupSizeControl",
        "computeFullSubgroups",
        "shaderDemoteToHelperInvocation",
        "shaderTerminateInvocation",
        "shaderZeroInitializeWorkgroupMemory",
    ),
    _MATRIX: ("cooperativeMatrix",),
    _QUERY: ("rayQuery",),
}
_RAY_QUERIES = "VK_KHR_ray_query"
# Those of OPTIONAL that belong to an extension, which is switched on where it is offered.
OPTIONAL_EXTENSIONS = {"VK_KHR_cooperative_matrix": _MATRIX, _RAY_QUERIES: _QUERY}

RAYTRACING_EXTENSIONS = (
    "VK_KHR_acceleration_structure",
    "VK_KHR_ray_tracing_pipeline",
    "VK_KHR_deferred_host_operations",
)


@dataclass(frozen=True)
class Offer:
    """What one physical device lacks and offers.

    `missing` and `missing_raytracing` are phrases for a person; `optional` are field names of OPTIONAL.
    """

    missing: tuple[str, ...]
    missing_raytracing: tuple[str, ...]
    optional: frozenset[str]
    extensions: frozenset[str]


def extension_names(physical: Handle) -> frozenset[str]:
    """The device extensions a physical device offers."""
    action, function = "list the extensions of the GPU", vk.vkEnumerateDeviceExtensionProperties
    found = enumerate_all("VkExtensionProperties", action, function, physical, ffi.NULL)
    return frozenset(ffi.string(extension.extensionName).decode() for extension in found)


def query(physical: Handle, api_version: int, unknown: frozenset[str] = frozenset()) -> Offer:
    """What a physical device has of what is wanted; needs no logical device.

    Optional features of `unknown` extensions count as not offered.
    """
    if api_version < vk.VK_API_VERSION_1_3:
        return Offer((f"Vulkan 1.3 (it has {version_text(api_version, parts=2)})",), (), frozenset(), frozenset())
    extensions = extension_names(physical)
    lacking_extensions = tuple(name for name in RAYTRACING_EXTENSIONS if name not in extensions)
    structs, head = _chain(extensions - unknown, raytracing=not lacking_extensions)
    vk.vkGetPhysicalDeviceFeatures2(physical, head)
    missing = tuple(
        words
        for name, fields in REQUIRED.items()
        for field, words in fields.items()
        if not getattr(structs[name], field)
    )
    missing_raytracing = lacking_extensions or tuple(
        words
        for name, fields in REQUIRED_RAYTRACING.items()
        for field, words in fields.items()
        if not getattr(structs[name], field)
    )
    optional = frozenset(
        field
        for name, fields in OPTIONAL.items()
        for field in fields
        if name in structs and getattr(structs[name], field)
    )
    return Offer(missing, missing_raytracing, optional, extensions)


def enable_chain(offer: Offer, *, raytracing: bool) -> Handle:
    """A VkPhysicalDeviceFeatures2 chain that switches on all that is required and the offered optional features."""
    structs, head = _chain(optional_extensions(offer, raytracing=raytracing), raytracing=raytracing)
    wanted = {**REQUIRED, **(REQUIRED_RAYTRACING if raytracing else {})}
    for name, fields in wanted.items():
        for field in fields:
            setattr(structs[name], field, 1)
    for name, optional in OPTIONAL.items():
        for field in optional:
            if name in structs and field in offer.optional:
                setattr(structs[name], field, 1)
    return head


def optional_extensions(offer: Offer, *, raytracing: bool) -> list[str]:
    """Those of OPTIONAL_EXTENSIONS whose features are offered; ray queries only beside the rest of ray tracing.

    And what says that a driver offers less than Vulkan, which must be switched on; what it lacks is not used here.
    """
    offered = [name for name, struct in OPTIONAL_EXTENSIONS.items() if offer.optional.issuperset(OPTIONAL[struct])]
    wanted = [name for name in offered if raytracing or name != _RAY_QUERIES]
    return [*wanted, *({"VK_KHR_portability_subset"} & offer.extensions)]


def _chain(extensions: Collection[str], *, raytracing: bool) -> tuple[dict[str, Any], Handle]:
    """Zeroed feature structs by name, and the VkPhysicalDeviceFeatures2 that leads to them.

    Structs of extensions may be chained only where the extension exists.
    """
    following: Handle = None
    structs: dict[str, Any] = {}
    optional = [struct for name, struct in OPTIONAL_EXTENSIONS.items() if name in extensions]
    for name in (_V11, _V12, _V13, *(REQUIRED_RAYTRACING if raytracing else ()), *optional):
        following = structs[name] = make(name, pNext=following)
    head = make("VkPhysicalDeviceFeatures2", pNext=following)
    structs[_CORE] = head.features
    return structs, head
