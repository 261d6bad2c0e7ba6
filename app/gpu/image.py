"""Images and samplers. Images stay in the GENERAL layout for life, so that no pass has to know who used them last."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from app.errors import InputError
from app.gpu.binding import Handle, ffi, make, vk
from app.gpu.formats import format_features, image_format
from app.gpu.lifetime import Resource
from app.gpu.memory import allocate
from app.gpu.open_device import OpenDevice
from app.gpu.results import check
from app.gpu.transfer import STAGING_LIMIT


class Image(Resource):
    """A two-dimensional image, made by `Device.image`.

    `handle` is the VkImage, `view` shows all mips (sampling), `target_view` the first one (attachment, storage).
    `format` is a `formats.Format`.
    """

    def __init__(
        self,
        device: OpenDevice,
        width: int,
        height: int,
        format: str,
        name: str,
        mips: int,
        samples: int,
    ) -> None:
        super().__init__(device.ledger, name)
        self._device = device
        self.width, self.height, self.mips, self.samples = width, height, mips, samples
        with self.building():
            self.format = image_format(format)
            if width <= 0 or height <= 0 or not 1 <= mips <= max(width, height).bit_length():
                raise ValueError(f"image {name!r}: {width}x{height} with {mips} mips")
            if max(width, height) > device.info.limits.image_edge:
                raise InputError(
                    f"The image {name} has {width} x {height} pixels, "
                    f"but {device.info.name} takes no more than {device.info.limits.image_edge} along an edge."
                )
            info = make(
                "VkImageCreateInfo",
                imageType=vk.VK_IMAGE_TYPE_2D,
                format=self.format.value,
                extent={"width": width, "height": height, "depth": 1},
                mipLevels=mips,
                arrayLayers=1,
                samples=samples,
                tiling=vk.VK_IMAGE_TILING_OPTIMAL,
                usage=self._usage(),
                sharingMode=vk.VK_SHARING_MODE_EXCLUSIVE,
                initialLayout=vk.VK_IMAGE_LAYOUT_UNDEFINED,
            )
            out = ffi.new("VkImage *")
            check(vk.vkCreateImage(device.handle, info, ffi.NULL, out), f"make image {name} ({width}x{height})")
            image = out[0]
            self.handle = self.own("VkImage", image, lambda: vk.vkDestroyImage(device.handle, image, ffi.NULL))
            requirements = ffi.new("VkMemoryRequirements *")
            vk.vkGetImageMemoryRequirements(device.handle, image, requirements)
            block = allocate(self, device.handle, device.logical.memory_types, requirements, "device", buffer=False)
            check(vk.vkBindImageMemory(device.handle, image, block.memory, 0), f"bind image {name}")
            self.view = make_view(self, device, image, self.format.value, self.format.aspect, mips)
            self.target_view = (
                self.view if mips == 1 else make_view(self, device, image, self.format.value, self.format.aspect, 1)
            )
            barrier = self._to_general()
            device.transfer.run(lambda cmd: vk.vkCmdPipelineBarrier2(cmd, barrier), f"prepare image {name}")

    def _usage(self) -> int:
        """All usages the format allows."""
        offered = format_features(self._device.physical, self.format.value)
        usage = vk.VK_IMAGE_USAGE_TRANSFER_SRC_BIT | vk.VK_IMAGE_USAGE_TRANSFER_DST_BIT
        if offered & vk.VK_FORMAT_FEATURE_SAMPLED_IMAGE_BIT:
            usage |= vk.VK_IMAGE_USAGE_SAMPLED_BIT
        if offered & vk.VK_FORMAT_FEATURE_STORAGE_IMAGE_BIT and self.samples == 1:
            usage |= vk.VK_IMAGE_USAGE_STORAGE_BIT
        if offered & vk.VK_FORMAT_FEATURE_COLOR_ATTACHMENT_BIT:
            usage |= vk.VK_IMAGE_USAGE_COLOR_ATTACHMENT_BIT
        if offered & vk.VK_FORMAT_FEATURE_DEPTH_STENCIL_ATTACHMENT_BIT:
            usage |= vk.VK_IMAGE_USAGE_DEPTH_STENCIL_ATTACHMENT_BIT
        return int(usage)

    def _to_general(self) -> Handle:
        return layout_barrier(self.handle, self.format.aspect, vk.VK_IMAGE_LAYOUT_UNDEFINED, vk.VK_IMAGE_LAYOUT_GENERAL)

    def size_of_mip(self, mip: int) -> tuple[int, int]:
        """(width, height) of a mip level."""
        if not 0 <= mip < self.mips:
            raise ValueError(f"image {self.name!r} has no mip {mip}")
        return max(1, self.width >> mip), max(1, self.height >> mip)

    def layers(self, mip: int = 0) -> dict[str, int]:
        """VkImageSubresourceLayers of one mip."""
        return {"aspectMask": self.format.aspect, "mipLevel": mip, "baseArrayLayer": 0, "layerCount": 1}

    def clear_value(self, color: Sequence[float]) -> dict[str, list[float]]:
        """VkClearColorValue of a colour, for this format's kind of numbers."""
        if self.format.dtype == np.uint32:
            return {"uint32": [int(value) for value in color]}
        return {"float32": list(color)}

    def copy_region(self, mip: int = 0, buffer_offset: int = 0, rows: range | None = None) -> Handle:
        """The VkBufferImageCopy between a tightly packed buffer and a whole mip, or some rows of it."""
        width, height = self.size_of_mip(mip)
        rows = range(height) if rows is None else rows
        return make(
            "VkBufferImageCopy",
            bufferOffset=buffer_offset,
            imageSubresource=self.layers(mip),
            imageOffset={"x": 0, "y": rows.start, "z": 0},
            imageExtent={"width": width, "height": len(rows), "depth": 1},
        )

    def upload(self, pixels: np.ndarray, mip: int = 0) -> None:
        """Fill a mip from an array (H, W, C), or (H, W) for one channel; a large one goes in strips of rows.

        Floats are converted to the format's float, those that it has not to the largest.
        """
        width, height = self.size_of_mip(mip)
        shape = (height, width, self.format.channels)
        array = np.asarray(pixels)
        if array.ndim == 2:
            array = array[:, :, None]
        floats = array.dtype.kind == "f" and self.format.dtype.kind == "f"
        if array.shape != shape or not (floats or array.dtype == self.format.dtype):
            raise ValueError(f"image {self.name!r} takes {shape} {self.format.dtype}, not {array.shape} {array.dtype}")
        if floats and array.dtype.itemsize > self.format.dtype.itemsize:
            array = np.clip(array, *(getattr(np.finfo(self.format.dtype), end) for end in ("min", "max")))
        raw = np.ascontiguousarray(array, self.format.dtype).reshape(-1).view(np.uint8)
        row = width * self.format.texel_bytes
        rows = max(1, STAGING_LIMIT // row)
        for top in range(0, height, rows):
            strip = raw[top * row : (top + rows) * row]
            self._upload_rows(strip, self.copy_region(mip, rows=range(top, min(top + rows, height))))

    def _upload_rows(self, raw: np.ndarray, region: Handle) -> None:
        staging = self._device.transfer.staging("upload", raw.size)
        staging.map()[: raw.size] = raw
        self._device.transfer.run(
            lambda cmd: vk.vkCmdCopyBufferToImage(
                cmd, staging.handle, self.handle, vk.VK_IMAGE_LAYOUT_GENERAL, 1, region
            ),
            f"upload image {self.name}",
        )

    def read(self, mip: int = 0) -> np.ndarray:
        """A copy of a mip as an array (H, W, C) of the format's dtype."""
        width, height = self.size_of_mip(mip)
        size = width * height * self.format.texel_bytes
        staging = self._device.transfer.staging("readback", size)
        region = self.copy_region(mip)
        self._device.transfer.run(
            lambda cmd: vk.vkCmdCopyImageToBuffer(
                cmd, self.handle, vk.VK_IMAGE_LAYOUT_GENERAL, staging.handle, 1, region
            ),
            f"read image {self.name}",
        )
        raw = staging.map()[:size].copy()
        return raw.view(self.format.dtype).reshape(height, width, self.format.channels)

    def generate_mips(self) -> None:
        """Fill every mip from the one above it by a 2x2 box filter (in linear light for sRGB formats)."""

        def record(cmd: Handle) -> None:
            for mip in range(1, self.mips):
                blit = blit_region(
                    self.layers(mip - 1), self.size_of_mip(mip - 1), self.layers(mip), self.size_of_mip(mip)
                )
                general = vk.VK_IMAGE_LAYOUT_GENERAL
                vk.vkCmdBlitImage(cmd, self.handle, general, self.handle, general, 1, blit, self.format.blit_filter)
                vk.vkCmdPipelineBarrier2(cmd, self._device.full_barrier)

        self._device.transfer.run(record, f"make mips of image {self.name}")


def blit_region(
    source: dict[str, int], source_size: tuple[int, int], target: dict[str, int], target_size: tuple[int, int]
) -> Handle:
    """The VkImageBlit that stretches one whole mip over another."""

    def corners(size: tuple[int, int]) -> list[dict[str, int]]:
        return [{"x": 0, "y": 0, "z": 0}, {"x": size[0], "y": size[1], "z": 1}]

    return make(
        "VkImageBlit",
        srcSubresource=source,
        srcOffsets=corners(source_size),
        dstSubresource=target,
        dstOffsets=corners(target_size),
    )


def make_view(owner: Resource, device: OpenDevice, image: Handle, format: int, aspect: int, mips: int) -> Handle:
    """A VkImageView of the first `mips` mips, owned by `owner`."""
    info = make(
        "VkImageViewCreateInfo",
        image=image,
        viewType=vk.VK_IMAGE_VIEW_TYPE_2D,
        format=format,
        subresourceRange={"aspectMask": aspect, "levelCount": mips, "layerCount": 1},
    )
    out = ffi.new("VkImageView *")
    check(vk.vkCreateImageView(device.handle, info, ffi.NULL, out), f"make a view of image {owner.name}")
    view = out[0]
    return owner.own("VkImageView", view, lambda: vk.vkDestroyImageView(device.handle, view, ffi.NULL))


def layout_barrier(image: Handle, aspect: int, old: int, new: int) -> Handle:
    """A VkDependencyInfo that waits for everything and changes the layout of a whole image."""
    access = vk.VK_ACCESS_2_MEMORY_READ_BIT | vk.VK_ACCESS_2_MEMORY_WRITE_BIT
    barrier = make(
        "VkImageMemoryBarrier2",
        srcStageMask=vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        srcAccessMask=access,
        dstStageMask=vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
        dstAccessMask=access,
        oldLayout=old,
        newLayout=new,
        srcQueueFamilyIndex=vk.VK_QUEUE_FAMILY_IGNORED,
        dstQueueFamilyIndex=vk.VK_QUEUE_FAMILY_IGNORED,
        image=image,
        subresourceRange={
            "aspectMask": aspect,
            "levelCount": vk.VK_REMAINING_MIP_LEVELS,
            "layerCount": 1,
        },
    )
    return make("VkDependencyInfo", imageMemoryBarrierCount=1, pImageMemoryBarriers=[barrier])


class Sampler(Resource):
    """How textures are filtered and wrapped, made by `Device.sampler`."""

    def __init__(
        self,
        device: OpenDevice,
        filter: Literal["linear", "nearest"],
        wrap_u: Literal["repeat", "mirror", "clamp"],
        wrap_v: Literal["repeat", "mirror", "clamp"],
        anisotropy: float,
    ) -> None:
        super().__init__(device.ledger, f"{filter} sampler")
        filters = {"linear": vk.VK_FILTER_LINEAR, "nearest": vk.VK_FILTER_NEAREST}
        mip_modes = {"linear": vk.VK_SAMPLER_MIPMAP_MODE_LINEAR, "nearest": vk.VK_SAMPLER_MIPMAP_MODE_NEAREST}
        wraps = {
            "repeat": vk.VK_SAMPLER_ADDRESS_MODE_REPEAT,
            "mirror": vk.VK_SAMPLER_ADDRESS_MODE_MIRRORED_REPEAT,
            "clamp": vk.VK_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
        }
        anisotropy = min(anisotropy, device.info.limits.anisotropy)
        anisotropic = anisotropy > 1.0 and "samplerAnisotropy" in device.info.features
        with self.building():
            info = make(
                "VkSamplerCreateInfo",
                magFilter=filters[filter],
                minFilter=filters[filter],
                mipmapMode=mip_modes[filter],
                addressModeU=wraps[wrap_u],
                addressModeV=wraps[wrap_v],
                addressModeW=wraps["clamp"],
                anisotropyEnable=anisotropic,
                maxAnisotropy=max(1.0, anisotropy),
                maxLod=vk.VK_LOD_CLAMP_NONE,
            )
            out = ffi.new("VkSampler *")
            check(vk.vkCreateSampler(device.handle, info, ffi.NULL, out), "make a sampler")
            self.handle = self.own("VkSampler", out[0], lambda: vk.vkDestroySampler(device.handle, out[0], ffi.NULL))
