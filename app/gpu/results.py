"""VkResult in plain words."""

import functools

from app.errors import BungyoError
from app.gpu.binding import vk


class DeviceLost(BungyoError):
    """The GPU stopped answering (crash, reset, removal); everything made on the device is gone."""


NEEDS_LESS = "A smaller picture, or a mesh of fewer triangles, needs less."  # memory

_WORDS = {
    "VK_ERROR_OUT_OF_HOST_MEMORY": "the computer ran out of memory",
    "VK_ERROR_OUT_OF_DEVICE_MEMORY": "the GPU ran out of memory",
    "VK_ERROR_INITIALIZATION_FAILED": "the driver could not start",
    "VK_ERROR_DEVICE_LOST": "the GPU was lost",
    "VK_ERROR_MEMORY_MAP_FAILED": "the GPU's memory could not be mapped",
    "VK_ERROR_LAYER_NOT_PRESENT": "a Vulkan layer is not installed",
    "VK_ERROR_EXTENSION_NOT_PRESENT": "the driver lacks an extension",
    "VK_ERROR_FEATURE_NOT_PRESENT": "the driver lacks a feature",
    "VK_ERROR_INCOMPATIBLE_DRIVER": "no Vulkan driver answers",
    "VK_ERROR_TOO_MANY_OBJECTS": "the driver allows no more objects of this kind",
    "VK_ERROR_FORMAT_NOT_SUPPORTED": "the GPU does not support this image format",
    "VK_ERROR_FRAGMENTED_POOL": "a descriptor pool is fragmented",
    "VK_ERROR_OUT_OF_POOL_MEMORY": "a descriptor pool is full",
    "VK_ERROR_SURFACE_LOST_KHR": "the window was lost",
    "VK_ERROR_NATIVE_WINDOW_IN_USE_KHR": "the window is already in use",
    "VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS": "a buffer address was refused",
    "VK_ERROR_UNKNOWN": "the driver gives no reason",
}


@functools.cache
def words(result: int) -> str:
    """What a failed VkResult means, for a sentence."""
    for name, text in _WORDS.items():
        if getattr(vk, name) == result:
            return text
    return f"the driver answers with error {result}"


def check(result: int, action: str) -> None:
    """Raise BungyoError("Could not <action>: <why>.") unless `result` is VK_SUCCESS."""
    if result == 0:
        return
    if result == vk.VK_ERROR_DEVICE_LOST:
        raise DeviceLost(
            "The GPU was lost while it worked (it crashed, was reset or was removed).",
            "Start the program again; if it happens again, update the GPU driver.",
        )
    full = result in (vk.VK_ERROR_OUT_OF_HOST_MEMORY, vk.VK_ERROR_OUT_OF_DEVICE_MEMORY)
    raise BungyoError(f"Could not {action}: {words(result)}.", NEEDS_LESS if full else "")
