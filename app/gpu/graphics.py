"""Graphics pipelines for dynamic rendering."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from app.gpu.binding import Handle, make, vk
from app.gpu.bindings import Binding
from app.gpu.formats import image_format
from app.gpu.open_device import OpenDevice
from app.gpu.pipeline import Pipeline, Stage, Text
from app.gpu.struct import Struct

_ATTRIBUTE_FORMATS = {
    "float": "R32_SFLOAT",
    "vec2": "R32G32_SFLOAT",
    "vec3": "R32G32B32_SFLOAT",
    "vec4": "R32G32B32A32_SFLOAT",
    "uint": "R32_UINT",
    "uvec2": "R32G32_UINT",
    "uvec3": "R32G32B32_UINT",
    "uvec4": "R32G32B32A32_UINT",
    "int": "R32_SINT",
    "f16vec2": "R16G16_SFLOAT",
    "f16vec4": "R16G16B16A16_SFLOAT",
    "unorm8x4": "R8G8B8A8_UNORM",
}


@dataclass(frozen=True)
class VertexAttribute:
    """One `in` variable of the vertex shader: its location, type (a GLSL type, or "unorm8x4") and byte offset."""

    location: int
    type: str
    offset: int = 0


@dataclass(frozen=True)
class VertexBinding:
    """One vertex buffer: bytes from vertex to vertex (or instance to instance), and what a vertex holds."""

    stride: int
    attributes: Sequence[VertexAttribute]
    instanced: bool = False


Cull: TypeAlias = Literal["none", "back", "dynamic"]

# A Struct stands for a buffer of its records, each field at the next free location.
VertexLayout: TypeAlias = Sequence["VertexBinding | Struct"]


@dataclass(frozen=True)
class DrawState:
    """The fixed state of a graphics pipeline; see `Device.graphics_pipeline`."""

    color_formats: Sequence[str]
    depth_format: str | None
    depth_test: bool
    vertex_layout: VertexLayout | None
    cull: Cull
    blend: bool
    samples: int


class GraphicsPipeline(Pipeline):
    """A vertex and a fragment shader with their fixed state, made by `Device.graphics_pipeline`."""

    def __init__(
        self,
        device: OpenDevice,
        vertex: str,
        fragment: str,
        bindings: Sequence[Binding],
        push: Struct | None,
        text: Text,
        state: DrawState,
    ) -> None:
        self.bind_point = vk.VK_PIPELINE_BIND_POINT_GRAPHICS
        vertex_bit, fragment_bit = vk.VK_SHADER_STAGE_VERTEX_BIT, vk.VK_SHADER_STAGE_FRAGMENT_BIT
        super().__init__(device, vertex, bindings, push, vertex_bit | fragment_bit)

        def described(infos: list[Handle]) -> Handle:
            formats = [image_format(name).value for name in state.color_formats]
            depth = image_format(state.depth_format).value if state.depth_format else vk.VK_FORMAT_UNDEFINED
            rendering = make(
                "VkPipelineRenderingCreateInfo",
                colorAttachmentCount=len(formats),
                pColorAttachmentFormats=formats,
                depthAttachmentFormat=depth,
            )
            dynamic = [vk.VK_DYNAMIC_STATE_VIEWPORT, vk.VK_DYNAMIC_STATE_SCISSOR]
            if state.cull == "dynamic":
                dynamic.append(vk.VK_DYNAMIC_STATE_CULL_MODE)
            return make(
                "VkGraphicsPipelineCreateInfo",
                pNext=rendering,
                stageCount=2,
                pStages=infos,
                pVertexInputState=_vertex_input(layout),
                pInputAssemblyState=make(
                    "VkPipelineInputAssemblyStateCreateInfo", topology=vk.VK_PRIMITIVE_TOPOLOGY_TRIANGLE_LIST
                ),
                pViewportState=make("VkPipelineViewportStateCreateInfo", viewportCount=1, scissorCount=1),
                pRasterizationState=make(
                    "VkPipelineRasterizationStateCreateInfo",
                    polygonMode=vk.VK_POLYGON_MODE_FILL,
                    cullMode=vk.VK_CULL_MODE_BACK_BIT if state.cull == "back" else vk.VK_CULL_MODE_NONE,
                    # Counter-clockwise as seen on the screen.
                    frontFace=vk.VK_FRONT_FACE_COUNTER_CLOCKWISE,
                    lineWidth=1.0,
                ),
                pMultisampleState=make("VkPipelineMultisampleStateCreateInfo", rasterizationSamples=state.samples),
                pDepthStencilState=make(
                    "VkPipelineDepthStencilStateCreateInfo",
                    depthTestEnable=bool(state.depth_format) and state.depth_test,
                    depthWriteEnable=bool(state.depth_format),
                    depthCompareOp=vk.VK_COMPARE_OP_LESS_OR_EQUAL,
                ),
                pColorBlendState=_blend(len(formats), blend=state.blend),
                pDynamicState=make(
                    "VkPipelineDynamicStateCreateInfo", dynamicStateCount=len(dynamic), pDynamicStates=dynamic
                ),
                layout=self.layout,
            )

        with self.building():
            layout = _plain(state.vertex_layout or ())
            codes = self._compile([vertex, fragment], text)
            stages = [Stage(vertex, vertex_bit, 0, codes[0]), Stage(fragment, fragment_bit, 0, codes[1])]
            key = repr(replace(state, vertex_layout=layout))
            self._take(stages, text.constants, key, vk.vkCreateGraphicsPipelines, described)


def _plain(layout: VertexLayout) -> list[VertexBinding]:
    """Return the same without records."""
    plain: list[VertexBinding] = []
    location = 0
    for entry in layout:
        plain.append(_from_struct(entry, location) if isinstance(entry, Struct) else entry)
        location = max([location, *(attribute.location + 1 for attribute in plain[-1].attributes)])
    return plain


def _vertex_input(layout: Sequence[VertexBinding]) -> Handle:
    buffers: list[Handle] = []
    attributes: list[Handle] = []
    for slot, entry in enumerate(layout):
        rate = vk.VK_VERTEX_INPUT_RATE_INSTANCE if entry.instanced else vk.VK_VERTEX_INPUT_RATE_VERTEX
        buffers.append(make("VkVertexInputBindingDescription", binding=slot, stride=entry.stride, inputRate=rate))
        for attribute in entry.attributes:
            if attribute.type not in _ATTRIBUTE_FORMATS:
                raise ValueError(f"no vertex attribute type {attribute.type!r}")
            attributes.append(
                make(
                    "VkVertexInputAttributeDescription",
                    location=attribute.location,
                    binding=slot,
                    format=getattr(vk, f"VK_FORMAT_{_ATTRIBUTE_FORMATS[attribute.type]}"),
                    offset=attribute.offset,
                )
            )
    return make(
        "VkPipelineVertexInputStateCreateInfo",
        vertexBindingDescriptionCount=len(buffers),
        pVertexBindingDescriptions=buffers,
        vertexAttributeDescriptionCount=len(attributes),
        pVertexAttributeDescriptions=attributes,
    )


def _from_struct(struct: Struct, location: int) -> VertexBinding:
    attributes = []
    for index, (field, kind) in enumerate(struct.fields):
        if not isinstance(kind, str):
            raise ValueError(f"{struct.name}.{field} cannot be a vertex attribute")
        attributes.append(VertexAttribute(location + index, kind, struct.offset(field)))
    return VertexBinding(struct.size, attributes)


def _blend(targets: int, *, blend: bool) -> Handle:
    """Straight alpha over the target where `blend`, else plain writing."""
    attachment = make(
        "VkPipelineColorBlendAttachmentState",
        blendEnable=blend,
        srcColorBlendFactor=vk.VK_BLEND_FACTOR_SRC_ALPHA,
        dstColorBlendFactor=vk.VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
        colorBlendOp=vk.VK_BLEND_OP_ADD,
        srcAlphaBlendFactor=vk.VK_BLEND_FACTOR_ONE,
        dstAlphaBlendFactor=vk.VK_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA,
        alphaBlendOp=vk.VK_BLEND_OP_ADD,
        colorWriteMask=vk.VK_COLOR_COMPONENT_R_BIT
        | vk.VK_COLOR_COMPONENT_G_BIT
        | vk.VK_COLOR_COMPONENT_B_BIT
        | vk.VK_COLOR_COMPONENT_A_BIT,
    )
    return make("VkPipelineColorBlendStateCreateInfo", attachmentCount=targets, pAttachments=[attachment] * targets)
