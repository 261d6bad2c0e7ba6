"""Image formats by short name."""

from dataclasses import dataclass

import numpy as np

from app.gpu.binding import Handle, make, vk


@dataclass(frozen=True)
class Format:
    """One image format: its Vulkan constant's name, and how its texels look to numpy."""

    name: str
    constant: str
    dtype: np.dtype
    channels: int
    depth: bool = False

    @property
    def value(self) -> int:
        """The VkFormat."""
        return int(getattr(vk, self.constant))

    @property
    def aspect(self) -> int:
        """The VkImageAspectFlags of the whole image."""
        return int(vk.VK_IMAGE_ASPECT_DEPTH_BIT if self.depth else vk.VK_IMAGE_ASPECT_COLOR_BIT)

    @property
    def blit_filter(self) -> int:
        """The VkFilter of stretching: integers and depth cannot be averaged."""
        exact = self.depth or self.dtype == np.uint32
        return int(vk.VK_FILTER_NEAREST if exact else vk.VK_FILTER_LINEAR)

    @property
    def texel_bytes(self) -> int:
        """Bytes of one texel."""
        return self.dtype.itemsize * self.channels


def _format(name: str, constant: str, code: str, channels: int, depth: bool = False) -> Format:
    return Format(name, f"VK_FORMAT_{constant}", np.dtype(code), channels, depth)


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        _format("r8", "R8_UNORM", "u1", 1),
        _format("rgba8", "R8G8B8A8_UNORM", "u1", 4),
        _format("rgba8_srgb", "R8G8B8A8_SRGB", "u1", 4),
        _format("rgba16f", "R16G16B16A16_SFLOAT", "<f2", 4),
        _format("rgba32f", "R32G32B32A32_SFLOAT", "<f4", 4),
        _format("r32u", "R32_UINT", "<u4", 1),
        _format("rg32u", "R32G32_UINT", "<u4", 2),
        _format("d32", "D32_SFLOAT", "<f4", 1, depth=True),
    )
}


def format_features(physical: Handle, format: int) -> int:
    """VkFormatFeatureFlags: what images of a VkFormat can be used for on a physical device."""
    properties = make("VkFormatProperties2")
    vk.vkGetPhysicalDeviceFormatProperties2(physical, format, properties)
    return int(properties.formatProperties.optimalTilingFeatures)


def image_format(name: str) -> Format:
    """The format called `name`; ValueError lists those there are."""
    try:
        return FORMATS[name]
    except KeyError:
        raise ValueError(f"no image format {name!r}; there are {', '.join(FORMATS)}") from None
