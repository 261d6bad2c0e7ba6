"""The only place that speaks Vulkan: devices, memory, shaders, pipelines, acceleration structures. Knows no faces.

From the bottom up: calls into Vulkan (`binding`, `results`, `lifetime`), which GPU to take (`selection`), the VkDevice
(`logical_device`), what everything on a GPU needs of it (`open_device`), the things themselves (`buffer`, `image`,
`pipeline` ...), and `device`, which makes them.

A small general layer: some of what it offers (vertex layouts, multisampling, blending) only its tests use so far.
"""

from app.gpu.acceleration import Blas, Geometry, Instance, Tlas
from app.gpu.bindings import Binding, BindingSet
from app.gpu.buffer import Buffer
from app.gpu.commands import CommandBuffer
from app.gpu.device import Device
from app.gpu.formats import FORMATS, Format
from app.gpu.graphics import GraphicsPipeline, VertexAttribute, VertexBinding
from app.gpu.image import Image, Sampler
from app.gpu.lifetime import live_objects
from app.gpu.pipeline import ComputePipeline, Pipeline
from app.gpu.raytracing import HitGroup, RayTracingPipeline
from app.gpu.results import DeviceLost
from app.gpu.selection import DeviceInfo, list_devices
from app.gpu.shader import ShaderCompiler, ShaderError
from app.gpu.struct import Struct
from app.gpu.swapchain import Swapchain, SwapchainImage

__all__ = [
    "FORMATS",
    "Binding",
    "BindingSet",
    "Blas",
    "Buffer",
    "CommandBuffer",
    "ComputePipeline",
    "Device",
    "DeviceInfo",
    "DeviceLost",
    "Format",
    "Geometry",
    "GraphicsPipeline",
    "HitGroup",
    "Image",
    "Instance",
    "Pipeline",
    "RayTracingPipeline",
    "Sampler",
    "ShaderCompiler",
    "ShaderError",
    "Struct",
    "Swapchain",
    "SwapchainImage",
    "Tlas",
    "VertexAttribute",
    "VertexBinding",
    "list_devices",
    "live_objects",
]
