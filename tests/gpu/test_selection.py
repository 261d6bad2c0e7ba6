"""What drivers say of their devices: features, properties and queues that are not there."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import BungyoError, InputError
from app.gpu import Device, features, list_devices, live_objects, selection
from app.gpu.binding import ffi, structure_type, vk
from app.gpu.features import extension_names
from app.gpu.instance import Instance
from app.gpu.lifetime import Ledger
from app.gpu.selection import WINDOW_EXTENSION


def linked(first: Any, kind: str) -> Iterator[Any]:
    """The structures of a kind in the chain behind one."""
    link = first.pNext
    while link != ffi.NULL:
        base = ffi.cast("VkBaseOutStructure *", link)
        if base.sType == structure_type(kind):
            yield ffi.cast(f"{kind} *", link)
        link = base.pNext


def test_a_device_without_arithmetic_across_subgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = vk.vkGetPhysicalDeviceProperties2

    def asked(physical: Any, properties: Any) -> None:
        ask(physical, properties)
        for found in linked(properties, "VkPhysicalDeviceVulkan11Properties"):
            found.subgroupSupportedOperations &= ~vk.VK_SUBGROUP_FEATURE_ARITHMETIC_BIT

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceProperties2", asked)
    info = list_devices()[0]
    assert info.missing == ["arithmetic across a subgroup"] and not info.usable
    with pytest.raises(InputError, match="lacks arithmetic across a subgroup"):
        Device.open(0)


def test_a_device_with_small_workgroups(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = vk.vkGetPhysicalDeviceProperties2

    def asked(physical: Any, properties: Any) -> None:
        ask(physical, properties)
        properties.properties.limits.maxComputeWorkGroupInvocations = 255

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceProperties2", asked)
    info = list_devices()[0]
    assert info.missing == ["workgroups of 256 threads"] and not info.usable
    with pytest.raises(InputError, match="lacks workgroups of 256 threads"):
        Device.open(0)


@pytest.mark.parametrize(
    ("struct", "field", "words", "rays"),
    [
        ("VkPhysicalDeviceVulkan12Features", "scalarBlockLayout", "scalar block layout", False),
        ("VkPhysicalDeviceVulkan13Features", "dynamicRendering", "dynamic rendering", False),
        ("VkPhysicalDeviceAccelerationStructureFeaturesKHR", "accelerationStructure", "acceleration structures", True),
    ],
)
def test_a_device_without_a_feature(
    monkeypatch: pytest.MonkeyPatch, struct: str, field: str, words: str, rays: bool
) -> None:
    ask = vk.vkGetPhysicalDeviceFeatures2

    def asked(physical: Any, asked_for: Any) -> None:
        ask(physical, asked_for)
        for found in linked(asked_for, struct):
            setattr(found, field, 0)

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceFeatures2", asked)
    info = list_devices()[0]
    assert info.missing == [words] and not info.raytracing
    assert (info.missing_raytracing == [words]) == info.usable == rays
    with pytest.raises(InputError, match=f"lacks {words}"):
        Device.open(0)


def test_a_device_of_an_older_vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed, though it is not asked for what it does not know, and others are taken."""
    ask = vk.vkGetPhysicalDeviceProperties2

    def asked(physical: Any, properties: Any) -> None:
        assert properties.pNext == ffi.NULL
        ask(physical, properties)
        properties.properties.apiVersion = (1 << 22) | (1 << 12) | 114

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceProperties2", asked)
    monkeypatch.setattr(vk, "vkGetPhysicalDeviceFeatures2", None)
    info = list_devices()[0]
    assert info.api_version == "1.1.114" and info.missing == ["Vulkan 1.3 (it has 1.1)"] and not info.usable
    with pytest.raises(InputError, match=r"lacks Vulkan 1\.3 \(it has 1\.1\)"):
        Device.open(0)


def test_choice_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first for graphics and compute that can show pictures, where that is wanted; some have no clock."""
    graphics, compute = vk.VK_QUEUE_GRAPHICS_BIT, vk.VK_QUEUE_COMPUTE_BIT
    families = [(compute, 64), (graphics, 64), (graphics | compute, 0), (graphics | compute, 36)]

    def listed(_: Any, count: Any, cells: Any) -> None:
        count[0] = len(families)
        for cell, (flags, bits) in zip(cells if cells else (), families, strict=False):
            cell.queueFlags, cell.timestampValidBits = flags, bits

    monkeypatch.setattr(vk, "vkGetPhysicalDeviceQueueFamilyProperties", listed)
    with Instance(Ledger()) as instance:
        one = selection.candidates(instance)[0]
        assert one.queue_family == 2 and one.info.timestamp_period_ns == 0.0
        one = selection.candidates(instance, lambda _, family: family != 2)[0]
        assert one.queue_family == 3 and one.info.timestamp_period_ns > 0.0 and one.info.limits.timestamp_bits == 36
        assert one.missing_window == () and one.info.usable
        with monkeypatch.context() as patch:
            patch.setattr(features, "extension_names", lambda physical: extension_names(physical) - {WINDOW_EXTENSION})
            one = selection.candidates(instance, lambda *_: False)[0]
        assert one.missing_window == (WINDOW_EXTENSION, "a way to this display") and one.info.usable
        del families[2:]
        one = selection.candidates(instance, lambda *_: True)[0]
        assert one.info.missing == ["a queue for graphics and compute"] and one.missing_window == ()


def test_a_loader_without_an_extension_is_explained() -> None:
    before = live_objects()
    with pytest.raises(BungyoError, match="loader lacks one of the extensions VK_KHR_no_such, ") as caught:
        Instance(Ledger(), extensions=["VK_KHR_no_such", "VK_KHR_surface"])
    assert "libvulkan1" in caught.value.hint
    assert live_objects() == before
