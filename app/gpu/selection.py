"""Which GPUs there are, what each lacks, and which one to take."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from app.environment_variables import switched_on
from app.errors import BungyoError, InputError
from app.gpu.binding import Handle, ffi, version_text, vk
from app.gpu.enumeration import enumerate_all
from app.gpu.features import Offer, query
from app.gpu.install_commands import INSTALL_DRIVER, INSTALL_DRIVER_ON_BOOKWORM, RAY_TRACING_MESA
from app.gpu.instance import Instance
from app.gpu.lifetime import Ledger
from app.gpu.matrices import MatrixProduct, matrix_products
from app.gpu.properties import Limits, Properties

WINDOW_EXTENSION = "VK_KHR_swapchain"  # of a device that draws into windows

# Best first.
KINDS = ("discrete", "integrated", "virtual", "cpu", "other")

# Whether a physical device can show images on the display from a queue family; see `candidates`.
Presents: TypeAlias = Callable[[Handle, int], bool]

# Of a texel buffer, to use one at all: the vertices of a mesh are two each. Vulkan promises 65,536.
_TEXELS_WANTED = 2**24

# Of a workgroup: a tile's pixels, one each. Vulkan promises 128.
_THREADS_WANTED = 256

# So long a number is no index but part of a name: GeForce RTX 4090, Arc A770.
_DIGITS_OF_NAMES = 3

# Set to anything but 0, it makes all devices ones without ray tracing, so that those can be tried on any machine.
NO_RAY_TRACING = "BUNGYO_NO_RAY_TRACING"

_NEWER_MESA = (
    f"The software driver traces rays from Mesa {RAY_TRACING_MESA}.0 on: on Debian 12 install it with "
    f"{INSTALL_DRIVER_ON_BOOKWORM}"
)
_NEWER_DRIVER = "A newer driver of the GPU may offer it."
_SOFTWARE_DRIVER = f"The software driver, which is slow, can be installed with: {INSTALL_DRIVER}"
NO_WINDOW_HINT = "Pictures in files need no window: bungyo render makes them."


@dataclass(frozen=True)
class DeviceInfo:
    """One GPU, as `list_devices` and `Device.info` describe it.

    `index` counts all devices of the machine, the best kinds first, then by name: it is the same in every list of them
    that finds the same devices. `uuid` is the card's and its driver's identity, hexadecimal.
    `kind` is one of discrete, integrated, virtual, cpu, other. `missing` says in words what the driver lacks of all
    that the renderer can use (empty = everything is there); `missing_raytracing` is the part of it that only ray
    tracing needs, without which the neural picture is drawn all the same.
    `features` are optional Vulkan features that are switched on ("shaderFloat16", "storageBuffer16BitAccess" ...);
    "rayQuery" is with ray tracing only. GPUs that trace rays without it have no hardware for rays.
    `min_subgroup_size` is the least a driver may take; `matrices` are products a subgroup can work out, none where
    "cooperativeMatrix" is not among the features.
    `timestamp_period_ns` is 0 where the device has no timestamps. Sizes are in bytes.
    """

    index: int
    uuid: str
    name: str
    driver: str
    kind: str
    api_version: str
    raytracing: bool
    subgroup_size: int
    min_subgroup_size: int
    max_shared_memory: int
    timestamp_period_ns: float
    memory_bytes: int
    missing: list[str]
    missing_raytracing: list[str]
    features: frozenset[str] = field(repr=False)
    extensions: frozenset[str] = field(repr=False)
    limits: Limits = field(repr=False)
    matrices: tuple[MatrixProduct, ...] = field(repr=False)

    def lacks(self, raytracing: bool | None) -> list[str]:
        """What stands in the way of opening this device, with ray tracing or (False, None) without."""
        if raytracing:
            return self.missing
        return [entry for entry in self.missing if entry not in self.missing_raytracing]

    @property
    def usable(self) -> bool:
        """Whether the renderer runs on it, if only without ray tracing."""
        return not self.lacks(raytracing=False)

    @property
    def rank(self) -> tuple[int, bool]:
        """Less for a device that is taken before another where none is named: of a better kind, or one with rays."""
        return KINDS.index(self.kind), not self.raytracing

    @property
    def macros(self) -> dict[str, int]:
        """Macros that all shaders have on this device: how it reads memory, and halves, quickest."""
        cpu = self.kind == "cpu"
        wanted = {
            "TEXEL_BUFFERS": cpu and self.limits.texel_elements >= _TEXELS_WANTED,
            "LOADS_64": cpu and "shaderInt64" in self.features,
            "BITWISE_HALVES": cpu,
        }
        return {name: 1 for name, here in wanted.items() if here}

    @property
    def description(self) -> str:
        """One line: index, name, kind, driver."""
        return f"{self.index}: {self.name} ({self.kind}, {self.driver})"


# What names one: see `choose`.
Selection: TypeAlias = str | int | DeviceInfo | None


@dataclass(frozen=True)
class Candidate:
    """A physical device with all that opening it needs.

    `missing_window` says in words what it lacks for a window, where it is to have one.
    """

    physical: Handle
    info: DeviceInfo
    offer: Offer
    queue_family: int
    missing_window: tuple[str, ...] = ()

    def lacks(self, raytracing: bool | None) -> list[str]:
        """What stands in the way of opening this device as it is wanted; `raytracing` as in DeviceInfo.lacks."""
        return [*self.info.lacks(raytracing), *self.missing_window]


def list_devices() -> list[DeviceInfo]:
    """All Vulkan devices of this machine, without opening any; BungyoError where there is no loader or driver."""
    with Instance(Ledger()) as instance:
        return [candidate.info for candidate in candidates(instance)]


def best_devices() -> list[DeviceInfo]:
    """The devices on which work that traces rays is spread: the best ones, which are alike; none where none traces.

    Warns (`warnings.warn`) as `choose` does. BungyoError where there is no loader or driver.
    """
    with Instance(Ledger()) as instance:
        return [candidate.info for candidate in _best(candidates(instance), raytracing=True)]


def candidates(instance: Instance, presents: Presents | None = None) -> list[Candidate]:
    """All physical devices of an instance, in the order of their `DeviceInfo.index`.

    The loader's order may be another one for an instance with a window.

    With `presents` they are to draw into a window: it chooses among a device's queues, and tells of those without one.
    """
    found = [_candidate(instance, physical, presents) for physical in instance.physical_devices()]
    found.sort(key=lambda one: (KINDS.index(one.info.kind), one.info.name, one.info.uuid))
    return [replace(one, info=replace(one.info, index=index)) for index, one in enumerate(found)]


def _hint(lacking: Sequence[Candidate], found: Sequence[Candidate]) -> str:
    """What may help where those `lacking` lack something, of all that were found."""
    hints = [_NEWER_DRIVER] if any(one.info.kind != "cpu" for one in lacking) else []
    if any(one.info.kind == "cpu" for one in lacking):
        hints.append(_NEWER_MESA)
    elif all(one.info.kind != "cpu" for one in found):
        hints.append(_SOFTWARE_DRIVER)
    return " ".join(hints)


def _raytracing_hint(lacking: Sequence[Candidate], found: Sequence[Candidate]) -> str:
    return f"Unset {NO_RAY_TRACING} to have it." if switched_on(NO_RAY_TRACING) else _hint(lacking, found)


def _reasons(found: Sequence[Candidate], lacks: Callable[[Candidate], Sequence[str]]) -> str:
    """Who lacks what, for a sentence."""
    return "; ".join(f"{one.info.name} lacks {', '.join(lacking)}" for one in found if (lacking := lacks(one)))


def _best(found: Sequence[Candidate], raytracing: bool | None) -> list[Candidate]:
    """Those that are taken where none is named; warns if they are CPUs because what the GPUs lack is needed."""
    usable = [one for one in found if not one.lacks(raytracing)]
    rank = min((one.info.rank for one in usable), default=None)
    best = [one for one in usable if one.info.rank == rank]
    gpus = [one for one in found if one.info.kind != "cpu"]
    if best and best[0].info.kind == "cpu" and (reasons := _reasons(gpus, lambda one: one.lacks(raytracing))):
        warnings.warn(f"The CPU does all the work ({best[0].info.name}): {reasons}.", stacklevel=3)
    return best


def choose(found: Sequence[Candidate], select: Selection, *, raytracing: bool | None) -> Candidate:
    """The device to open.

    Warns (`warnings.warn`) where nothing was selected and a CPU is taken because what the GPUs lack is needed.

    Args:
        found: what `candidates` returned.
        select: an index, part of a name (upper and lower case are the same), a device that was found before, or None
            for the best one.
        raytracing: it must trace rays; None: among devices of a kind, those that do are better.

    Raises:
        InputError: `select` matches nothing, or what it matches cannot run the renderer or show it in a window, or it
            must trace rays and all that can run the renderer cannot.
        BungyoError: nothing was selected and no device can run the renderer, or none of those that can shows windows.
    """
    usable = [candidate for candidate in found if not candidate.lacks(raytracing)]
    listing = "; ".join(candidate.info.description for candidate in found)
    if select is None:
        hidden = [candidate for candidate in found if not candidate.info.lacks(raytracing)]
        if hidden and not usable:
            reasons = _reasons(hidden, lambda one: one.missing_window)
            raise BungyoError(f"No GPU here can show pictures in a window: {reasons}.", NO_WINDOW_HINT)
        if not usable:
            reasons = _reasons(found, lambda one: one.info.lacks(raytracing))
            if any(candidate.info.usable for candidate in found):
                hint = _raytracing_hint(found, found)
                raise InputError(f"This needs ray tracing, which no GPU here offers: {reasons}.", hint)
            raise BungyoError(f"No GPU here can run the renderer: {reasons}.", _hint(found, found))
        return _best(found, raytracing)[0]
    chosen = _selected(found, usable, select)
    if chosen is None:
        wanted = select.name if isinstance(select, DeviceInfo) else select
        raise InputError(f"There is no GPU '{wanted}'; there are: {listing}.")
    lacking = chosen.info.lacks(raytracing)
    if lacking and chosen.info.usable:
        raise InputError(
            f"This needs ray tracing, but the GPU {chosen.info.name} lacks {', '.join(lacking)}.",
            _raytracing_hint([chosen], found),
        )
    if lacking:
        raise InputError(f"The GPU {chosen.info.name} lacks {', '.join(lacking)}.", _hint([chosen], found))
    if chosen.missing_window:
        lacking = list(chosen.missing_window)
        raise InputError(
            f"The GPU {chosen.info.name} cannot show pictures in a window: it lacks {', '.join(lacking)}.",
            f"Choose another one with --device (there are: {listing}). {NO_WINDOW_HINT}",
        )
    return chosen


def _selected(
    found: Sequence[Candidate], usable: Sequence[Candidate], select: str | int | DeviceInfo
) -> Candidate | None:
    if isinstance(select, DeviceInfo):
        return next((candidate for candidate in found if candidate.info.uuid == select.uuid), None)
    text = str(select).strip()
    if text.isdecimal() and len(text) < _DIGITS_OF_NAMES:
        index = int(text)
        return found[index] if index < len(found) else None
    if not text:
        return None
    matches = [candidate for candidate in found if text.lower() in candidate.info.name.lower()]
    return next((candidate for candidate in matches if candidate in usable), matches[0] if matches else None)


def _candidate(instance: Instance, physical: Handle, presents: Presents | None) -> Candidate:
    properties = Properties.of(physical)
    version = properties.core.apiVersion
    offer = query(physical, version, instance.unknown)
    if switched_on(NO_RAY_TRACING):
        offer = replace(offer, missing_raytracing=(f"ray tracing ({NO_RAY_TRACING} is set)",))
    modern = version >= vk.VK_API_VERSION_1_3
    raytracing = modern and not offer.missing_raytracing
    if modern:
        properties = Properties.of(physical, raytracing=raytracing, modern=True)
    core, v11, v12, v13 = properties.core, properties.v11, properties.v12, properties.v13
    missing, missing_window = [*offer.missing], []
    families = _queue_families(physical)
    if not families:
        missing.append("a queue for graphics and compute")
    arithmetic, compute = vk.VK_SUBGROUP_FEATURE_ARITHMETIC_BIT, vk.VK_SHADER_STAGE_COMPUTE_BIT
    if core.limits.maxComputeWorkGroupInvocations < _THREADS_WANTED:
        missing.append(f"workgroups of {_THREADS_WANTED} threads")
    if modern and not (v11.subgroupSupportedOperations & arithmetic and v11.subgroupSupportedStages & compute):
        missing.append("arithmetic across a subgroup")
    if presents is not None:
        if WINDOW_EXTENSION not in offer.extensions:
            missing_window.append(WINDOW_EXTENSION)
        shown = [(family, bits) for family, bits in families if presents(physical, family)]
        if families and not shown:
            missing_window.append("a way to this display")
        families = shown or families
    family, timestamp_bits = families[0] if families else (-1, 0)
    info = DeviceInfo(
        index=-1,  # until all are known
        uuid=bytes([*v11.deviceUUID, *v11.driverUUID]).hex(),
        name=ffi.string(core.deviceName).decode(errors="replace"),
        driver=f"{ffi.string(v12.driverName).decode()} {ffi.string(v12.driverInfo).decode()}".strip(),
        kind=_kind(core.deviceType),
        api_version=version_text(version),
        raytracing=raytracing and not missing,
        subgroup_size=v11.subgroupSize,
        min_subgroup_size=v13.minSubgroupSize,
        max_shared_memory=core.limits.maxComputeSharedMemorySize,
        timestamp_period_ns=core.limits.timestampPeriod if timestamp_bits else 0.0,
        memory_bytes=_memory_bytes(physical),
        missing=[*missing, *offer.missing_raytracing],
        missing_raytracing=[*offer.missing_raytracing],
        features=offer.optional,
        extensions=offer.extensions,
        limits=properties.limits(timestamp_bits),
        matrices=matrix_products(instance.handle, physical) if "cooperativeMatrix" in offer.optional else (),
    )
    return Candidate(physical, info, offer, family, tuple(missing_window))


def _kind(device_type: int) -> str:
    kinds = {
        vk.VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: "discrete",
        vk.VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: "integrated",
        vk.VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: "virtual",
        vk.VK_PHYSICAL_DEVICE_TYPE_CPU: "cpu",
    }
    return kinds.get(device_type, "other")


def _queue_families(physical: Handle) -> list[tuple[int, int]]:
    """Those with graphics and compute, and their timestamp bits."""
    action, function = "list the queues of the GPU", vk.vkGetPhysicalDeviceQueueFamilyProperties
    wanted = vk.VK_QUEUE_GRAPHICS_BIT | vk.VK_QUEUE_COMPUTE_BIT
    return [
        (index, family.timestampValidBits)
        for index, family in enumerate(enumerate_all("VkQueueFamilyProperties", action, function, physical))
        if family.queueFlags & wanted == wanted
    ]


def _memory_bytes(physical: Handle) -> int:
    """Bytes of the largest device-local heap."""
    properties = ffi.new("VkPhysicalDeviceMemoryProperties *")
    vk.vkGetPhysicalDeviceMemoryProperties(physical, properties)
    heaps = [properties.memoryHeaps[i] for i in range(properties.memoryHeapCount)]
    return max((heap.size for heap in heaps if heap.flags & vk.VK_MEMORY_HEAP_DEVICE_LOCAL_BIT), default=0)
