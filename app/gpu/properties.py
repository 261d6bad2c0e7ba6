"""The properties of a physical device, as Vulkan tells them, and the limits among them that layouts depend on."""

from dataclasses import dataclass
from typing import Self

from app.gpu.binding import Handle, make, vk


@dataclass(frozen=True)
class Limits:
    """Numbers of the device that layouts depend on."""

    push_constants: int
    image_edge: int  # pixels
    sub_pixel_bits: int  # of the places that rasterisers round to
    storage_buffer: int  # bytes that can be bound
    texel_elements: int
    # Descriptors that a shader may have of a kind.
    stage_buffers: int
    stage_images: int
    stage_textures: int
    sbt_handle_size: int
    sbt_handle_alignment: int
    sbt_base_alignment: int
    ray_recursion: int
    scratch_alignment: int
    anisotropy: float
    timestamp_bits: int


@dataclass(frozen=True)
class Properties:
    """Vulkan's structs of a device's properties; all is 0 in those that it was not asked for."""

    whole: Handle  # which `core`, a part of it, does not keep
    v11: Handle
    v12: Handle
    v13: Handle
    rays: Handle
    structures: Handle

    @classmethod
    def of(cls, physical: Handle, *, modern: bool = False, raytracing: bool = False) -> Self:
        """Ask a device.

        Args:
            physical: the device.
            modern: for what Vulkan 1.1 to 1.3 have added, too; it must have Vulkan 1.3.
            raytracing: with these for what ray tracing has; it must have that.
        """
        rays = make("VkPhysicalDeviceRayTracingPipelinePropertiesKHR")
        structures = make("VkPhysicalDeviceAccelerationStructurePropertiesKHR", pNext=rays)
        # Structs of extensions may be chained only where the extension exists.
        v11 = make("VkPhysicalDeviceVulkan11Properties", pNext=structures if raytracing else None)
        v12 = make("VkPhysicalDeviceVulkan12Properties", pNext=v11)
        v13 = make("VkPhysicalDeviceVulkan13Properties", pNext=v12)
        whole = make("VkPhysicalDeviceProperties2", pNext=v13 if modern else None)
        vk.vkGetPhysicalDeviceProperties2(physical, whole)
        return cls(whole, v11, v12, v13, rays, structures)

    @property
    def core(self) -> Handle:
        """Those of the first Vulkan."""
        return self.whole.properties

    def limits(self, timestamp_bits: int) -> Limits:
        """What layouts depend on, where the device's queue has timestamps of so many bits."""
        of_core, rays = self.core.limits, self.rays
        return Limits(
            push_constants=of_core.maxPushConstantsSize,
            image_edge=of_core.maxImageDimension2D,
            sub_pixel_bits=of_core.subPixelPrecisionBits,
            storage_buffer=of_core.maxStorageBufferRange,
            texel_elements=of_core.maxTexelBufferElements,
            stage_buffers=of_core.maxPerStageDescriptorStorageBuffers,
            stage_images=of_core.maxPerStageDescriptorStorageImages,
            stage_textures=min(of_core.maxPerStageDescriptorSamplers, of_core.maxPerStageDescriptorSampledImages),
            sbt_handle_size=rays.shaderGroupHandleSize,
            sbt_handle_alignment=rays.shaderGroupHandleAlignment,
            sbt_base_alignment=rays.shaderGroupBaseAlignment,
            ray_recursion=rays.maxRayRecursionDepth,
            scratch_alignment=self.structures.minAccelerationStructureScratchOffsetAlignment,
            anisotropy=of_core.maxSamplerAnisotropy,
            timestamp_bits=timestamp_bits,
        )
