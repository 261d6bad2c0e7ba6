"""What a pipeline's shaders read and write: binding declarations, and sets of resources bound to them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from app.errors import BungyoError, InputError
from app.gpu.acceleration import Tlas
from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.buffer import Buffer
from app.gpu.image import Image, Sampler
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.results import NEEDS_LESS, check

BindingKind: TypeAlias = Literal["storage", "texels", "image", "texture", "textures", "tlas"]
TEXEL_BYTES = 16  # of a buffer's texel: four floats
Texture: TypeAlias = tuple[Image, Sampler]
Bound: TypeAlias = "Buffer | Image | Texture | Tlas | Sequence[Buffer | Image | Texture]"


@dataclass(frozen=True)
class Binding:
    """`layout(set = 0, binding = slot)` of a shader.

    Args:
        slot: the binding number.
        kind: "storage" buffer, "texels" (a buffer that is read four floats at a time, declared and read as
            shaders/include/texels.glsl has it), storage "image", sampled "texture", "textures" (an array of sampled
            images, indexed non-uniformly) or "tlas".
        count: length of the array in the shader (1 = no array).
        name: for error messages.
    """

    slot: int
    kind: BindingKind
    count: int = 1
    name: str = ""

    @property
    def label(self) -> str:
        """How errors call this binding."""
        return f"slot {self.slot} ({self.name or self.kind})"

    def descriptor_type(self, device: OpenDevice) -> int:
        """The VkDescriptorType on this device."""
        texel_buffers = "TEXEL_BUFFERS" in device.shaders.defines
        return int(
            {
                "storage": vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                "texels": vk.VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                if texel_buffers
                else vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                "image": vk.VK_DESCRIPTOR_TYPE_STORAGE_IMAGE,
                "texture": vk.VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                "textures": vk.VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                "tlas": vk.VK_DESCRIPTOR_TYPE_ACCELERATION_STRUCTURE_KHR,
            }[self.kind]
        )


def make_set_layout(owner: Resource, device: OpenDevice, bindings: Sequence[Binding], stages: int) -> Handle:
    """The VkDescriptorSetLayout of `bindings`, owned by `owner`; BungyoError if the device allows fewer of a kind."""
    slots = [binding.slot for binding in bindings]
    if len(set(slots)) != len(slots):
        raise ValueError(f"{owner.name}: two bindings share a slot in {sorted(slots)}")
    counts, limits = Counter[int](), device.info.limits
    for binding in bindings:
        counts[binding.descriptor_type(device)] += binding.count
    for kind, name, allowed in (
        (vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, "storage buffers", limits.stage_buffers),
        (vk.VK_DESCRIPTOR_TYPE_STORAGE_IMAGE, "storage images", limits.stage_images),
        (vk.VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, "textures", limits.stage_textures),
    ):
        if counts[kind] > allowed:
            raise BungyoError(f"{device.info.name} allows {allowed} {name} a shader; {owner.name} has {counts[kind]}.")
    entries = [
        make(
            "VkDescriptorSetLayoutBinding",
            binding=binding.slot,
            descriptorType=binding.descriptor_type(device),
            descriptorCount=binding.count,
            stageFlags=stages,
        )
        for binding in bindings
    ]
    info = make("VkDescriptorSetLayoutCreateInfo", bindingCount=len(entries), pBindings=entries)
    out = ffi.new("VkDescriptorSetLayout *")
    check(
        vk.vkCreateDescriptorSetLayout(device.handle, info, ffi.NULL, out),
        f"lay out the bindings of {owner.name}",
    )
    layout = out[0]
    return owner.own(
        "VkDescriptorSetLayout",
        layout,
        lambda: vk.vkDestroyDescriptorSetLayout(device.handle, layout, ffi.NULL),
    )


class BindingSet(Resource):
    """Resources bound to the slots of a pipeline, made by `Pipeline.bind`. Others with equal `bindings` take it, too.

    Closing it does not close the resources. Those must live, and stay the same objects, while it is used.
    """

    def __init__(
        self,
        device: OpenDevice,
        pipeline: str,
        bindings: Sequence[Binding],
        set_layout: Handle,
        bound: Mapping[int, Bound],
    ) -> None:
        super().__init__(device.ledger, f"bindings of {pipeline}")
        self._device = device
        self._pipeline = pipeline  # its name
        self.bindings = tuple(bindings)
        self.resources = dict(bound)
        known = {binding.slot for binding in bindings}
        with self.building():
            if extra := sorted(set(bound) - known):
                raise ValueError(f"{pipeline} has no slot {extra[0]}")
            self.handle, self.array = self._allocate(set_layout)
            writes = [self._write(binding) for binding in bindings]
            if writes:
                cells = array("VkWriteDescriptorSet", writes)
                vk.vkUpdateDescriptorSets(device.handle, len(writes), cells, 0, ffi.NULL)

    def _allocate(self, set_layout: Handle) -> tuple[Handle, Handle]:
        device = self._device
        sizes: dict[int, int] = {}
        for binding in self.bindings:
            kind = binding.descriptor_type(device)
            sizes[kind] = sizes.get(kind, 0) + binding.count
        # A pool needs a size even for an empty set.
        sizes = sizes or {vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER: 1}
        cells = [make("VkDescriptorPoolSize", type=kind, descriptorCount=count) for kind, count in sizes.items()]
        info = make("VkDescriptorPoolCreateInfo", maxSets=1, poolSizeCount=len(cells), pPoolSizes=cells)
        out = ffi.new("VkDescriptorPool *")
        check(vk.vkCreateDescriptorPool(device.handle, info, ffi.NULL, out), f"make {self.name}")
        pool = out[0]
        self.own("VkDescriptorPool", pool, lambda: vk.vkDestroyDescriptorPool(device.handle, pool, ffi.NULL))
        request = make(
            "VkDescriptorSetAllocateInfo",
            descriptorPool=pool,
            descriptorSetCount=1,
            pSetLayouts=[set_layout],
        )
        sets = array("VkDescriptorSet", 1)
        check(vk.vkAllocateDescriptorSets(device.handle, request, sets), f"make {self.name}")
        return sets[0], sets

    def _write(self, binding: Binding) -> Handle:
        if binding.slot not in self.resources:
            raise ValueError(f"{self._pipeline}: {binding.label} is not bound")
        value = self.resources[binding.slot]
        items: list[Any] = list(value) if isinstance(value, list) else [value]
        if len(items) != binding.count:
            raise ValueError(f"{self._pipeline}: {binding.label} takes {binding.count} items, not {len(items)}")
        fields: dict[str, Any]
        descriptor_type = binding.descriptor_type(self._device)
        if descriptor_type == vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER:
            fields = {"pBufferInfo": [self._buffer(binding, item) for item in items]}
        elif descriptor_type == vk.VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER:
            fields = {"pTexelBufferView": array("VkBufferView", [self._texels(binding, item) for item in items])}
        elif binding.kind == "tlas":
            if not isinstance(items[0], Tlas):
                raise self._wrong(binding, items[0], "a Tlas")
            fields = {
                "pNext": make(
                    "VkWriteDescriptorSetAccelerationStructureKHR",
                    accelerationStructureCount=1,
                    pAccelerationStructures=[items[0].handle],
                )
            }
        else:
            fields = {"pImageInfo": [self._image(binding, item) for item in items]}
        return make(
            "VkWriteDescriptorSet",
            dstSet=self.handle,
            dstBinding=binding.slot,
            descriptorCount=len(items),
            descriptorType=descriptor_type,
            **fields,
        )

    def _buffer(self, binding: Binding, item: Any) -> Handle:
        if not isinstance(item, Buffer):
            raise self._wrong(binding, item, "a Buffer")
        device, most = self._device, self._device.info.limits.storage_buffer
        # Lavapipe says 128 MiB, but knows no bounds.
        if item.size > most and device.info.kind != "cpu":
            raise InputError(
                f"{item.name or 'A buffer'}: {item.size / 2**20:.0f} MiB are more than the {most / 2**20:.0f} MiB that "
                f"{device.info.name} can bind.",
                NEEDS_LESS,
            )
        return make("VkDescriptorBufferInfo", buffer=item.handle, offset=0, range=vk.VK_WHOLE_SIZE)

    def _texels(self, binding: Binding, item: Any) -> Handle:
        if not isinstance(item, Buffer):
            raise self._wrong(binding, item, "a Buffer")
        device, most = self._device, self._device.info.limits.texel_elements
        if item.size > most * TEXEL_BYTES:
            count = item.size // TEXEL_BYTES
            raise BungyoError(f"{item.name} are {count} texels, of which {device.info.name} reads {most} at most.")
        info = make(
            "VkBufferViewCreateInfo",
            buffer=item.handle,
            format=vk.VK_FORMAT_R32G32B32A32_SFLOAT,
            offset=0,
            range=item.size // TEXEL_BYTES * TEXEL_BYTES,
        )
        out = ffi.new("VkBufferView *")
        check(vk.vkCreateBufferView(device.handle, info, ffi.NULL, out), f"make {self.name}")
        view = out[0]
        return self.own("VkBufferView", view, lambda: vk.vkDestroyBufferView(device.handle, view, ffi.NULL))

    def _image(self, binding: Binding, item: Any) -> Handle:
        general = vk.VK_IMAGE_LAYOUT_GENERAL
        if binding.kind == "image":
            if not isinstance(item, Image):
                raise self._wrong(binding, item, "an Image")
            return make("VkDescriptorImageInfo", imageView=item.target_view, imageLayout=general)
        if not (isinstance(item, tuple) and isinstance(item[0], Image) and isinstance(item[1], Sampler)):
            raise self._wrong(binding, item, "an (Image, Sampler)")
        image, sampler = item
        return make("VkDescriptorImageInfo", sampler=sampler.handle, imageView=image.view, imageLayout=general)

    def _wrong(self, binding: Binding, item: Any, wanted: str) -> TypeError:
        return TypeError(f"{self._pipeline}: {binding.label} takes {wanted}, not {type(item).__name__}")
