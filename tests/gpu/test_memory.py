"""Buffers, images and samplers: what goes in comes out, and wrong sizes are named."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from app.errors import BungyoError, InputError
from app.gpu import FORMATS, Binding, Device
from app.gpu.binding import vk
from app.gpu.memory import MemoryKind, MemoryTypes
from app.gpu.raw_buffer import RawBuffer
from app.gpu.results import NEEDS_LESS
from app.passes.environment_maps import EnvironmentMaps
from app.passes.texture_upload import upload_texture
from app.scene.environment import Environment
from app.scene.model import Texture
from tests.conftest import REACHES, Keep, Reach


@pytest.mark.parametrize("memory", ["device", "upload", "readback"])
@pytest.mark.parametrize("reach", REACHES)
def test_buffer_round_trip(
    gpu: Device, keep: Keep, memory: MemoryKind, reach: Reach, reach_memory: Callable[[Reach], None]
) -> None:
    reach_memory(reach)
    data = np.arange(1000, dtype=np.uint32).reshape(50, 20)
    buffer = keep(gpu.buffer(data, memory=memory, name="numbers"))
    assert buffer.size == 4000 and buffer.address % 4 == 0
    assert (buffer.read(np.uint32, (50, 20)) == data).all()
    buffer.write(data[:2], offset=400)
    buffer.write(b"\x01\x02\x03\x04", offset=3996)
    assert (buffer.read(np.uint32, (2, 20), offset=400) == data[:2]).all()
    assert buffer.read(np.uint32)[-1] == 0x04030201
    for array in (data.T, data.astype(">u4")):  # C order and the array's own bytes
        buffer.write(array)
        assert (buffer.read(array.dtype, array.shape) == array).all()
    if memory == "device":
        with pytest.raises(ValueError, match="not mapped"):
            buffer.map()
    else:
        buffer.map()[:4] = 255
        assert buffer.read(np.int32, 1)[0] == -1


def test_memory_that_is_slow_to_read_is_copied(
    gpu: Device, keep: Keep, reach_memory: Callable[[Reach], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[int] = []
    read = gpu.transfer.read

    def counted(source: Any, offset: int, size: int) -> Any:
        copied.append(size)
        return read(source, offset, size)

    monkeypatch.setattr(gpu.transfer, "read", counted)
    for reach in REACHES:
        reach_memory(reach)
        buffer = keep(gpu.buffer(np.arange(4)))
        assert buffer.mapped == (reach != "discrete")
        assert buffer.read(np.int64).tolist() == [0, 1, 2, 3]
    assert copied == [32, 32]


def test_the_cpu_waits_for_a_barrier_as_well(gpu: Device) -> None:
    """Waiting for the end of commands hands it nothing (Vulkan specification, "Host Access to Device Memory")."""
    barrier = gpu.full_barrier.pMemoryBarriers[0]
    assert barrier.dstStageMask == vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT | vk.VK_PIPELINE_STAGE_2_HOST_BIT
    assert barrier.dstAccessMask & vk.VK_ACCESS_2_MEMORY_READ_BIT


def test_staging_path(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """A discrete GPU's memory cannot be mapped: copies go through the staging buffer, in pieces."""
    buffer = keep(gpu.buffer(5000))
    monkeypatch.setattr(buffer, "_bytes", None)
    monkeypatch.setattr("app.gpu.transfer.STAGING_LIMIT", 1024)
    data = np.random.default_rng(2).integers(0, 255, 4001, np.uint8)
    buffer.write(data, offset=999)
    assert (buffer.read(np.uint8, 4001, offset=999) == data).all()
    assert (buffer.read(np.uint8, 1000, offset=1500) == data[501:1501]).all()


def test_the_staging_buffer_grows_with_what_is_copied() -> None:
    with Device.open(raytracing=None, validation=True) as device:
        before = device.live_objects
        for height in (128, 256, 128):
            pixels = np.arange(128 * height, dtype=np.uint32).reshape(height, 128, 1)
            with device.image(128, height, "r32u") as image:
                image.upload(pixels)
                assert (image.read() == pixels).all()
        after = device.live_objects
        assert after["VkBuffer"] == before.get("VkBuffer", 0) + 2  # one for either way, not one for each size
        assert not device.validation_messages


def test_interrupted_wait(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C during a copy the device still works: what must be saved can be read back."""
    image = keep(gpu.image(4, 4, "r32u"))
    with monkeypatch.context() as patch:
        patch.setattr("app.gpu.transfer.wait_for_fence", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            image.upload(np.full((4, 4), 7, np.uint32))
    assert (image.read() == 7).all()


def test_what_an_interrupted_copy_uses_outlives_it(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the validation layer says that it is in use."""
    image = gpu.image(4, 4, "r32u")
    with monkeypatch.context() as patch:
        patch.setattr("app.gpu.transfer.wait_for_fence", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            image.upload(np.full((4, 4), 7, np.uint32))
    image.close()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_buffer_misuse_is_named(gpu: Device, keep: Keep) -> None:
    buffer = keep(gpu.buffer(16, name="small"))
    with pytest.raises(ValueError, match=r"'small': bytes 8\.\.24 of 16"):
        buffer.write(np.zeros(4, np.float32), offset=8)
    with pytest.raises(ValueError, match=r"'small': bytes 0\.\.32 of 16"):
        buffer.read(np.float32, 8)
    with pytest.raises(ValueError, match=r"'small': bytes -8\.\.0 of 16"):
        buffer.write(np.zeros(2, np.float32), offset=-8)
    with pytest.raises(ValueError, match="at least one byte"):
        gpu.buffer(0)
    buffer.close()
    with pytest.raises(ValueError, match="closed"):
        buffer.read()


@pytest.mark.parametrize("name", FORMATS)
def test_image_round_trip(gpu: Device, keep: Keep, name: str) -> None:
    entry = FORMATS[name]
    shape = (5, 7, entry.channels)
    random = np.random.default_rng(3)
    pixels = (
        random.random(shape).astype(entry.dtype)
        if entry.dtype.kind == "f"
        else random.integers(0, 255, shape).astype(entry.dtype)
    )
    image = keep(gpu.image(7, 5, name, name="picture"))
    image.upload(pixels)
    assert (image.read() == pixels).all()
    with pytest.raises(ValueError, match=r"'picture' takes \(5, 7"):
        image.upload(pixels[:4])


@pytest.mark.parametrize(("room", "strips"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5])])
def test_large_images_are_uploaded_in_strips(
    room: int, strips: list[int], gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or else the staging buffer, which stays, would be as large as the largest of them."""
    row, staging = 7 * 16, gpu.transfer.staging
    taken: list[int] = []

    def noted(kind: Literal["upload", "readback"], size: int) -> RawBuffer:
        if kind == "upload":
            taken.append(size // row)
        return staging(kind, size)

    image = keep(gpu.image(14, 10, "rgba32f", mips=2))
    monkeypatch.setattr(gpu.transfer, "staging", noted)
    monkeypatch.setattr("app.gpu.image.STAGING_LIMIT", room * row + row // 2 if room > 1 else 1)
    pixels = np.random.default_rng(5).random((5, 7, 4)).astype(np.float32)
    image.upload(pixels, mip=1)
    assert (image.read(mip=1) == pixels).all()
    assert taken == strips


def test_mips(gpu: Device, keep: Keep) -> None:
    image = keep(gpu.image(8, 4, "rgba32f", mips=4))
    pixels = np.random.default_rng(4).random((4, 8, 4)).astype(np.float32)
    image.upload(pixels)
    image.generate_mips()
    half = pixels.reshape(2, 2, 4, 2, 4).mean((1, 3))
    assert np.allclose(image.read(mip=1), half, atol=1e-6)
    assert np.allclose(image.read(mip=3), pixels.mean((0, 1)), atol=1e-6)
    image.upload(half[:1, :2].astype(np.float64), mip=2)
    assert np.allclose(image.read(mip=2), half[:1, :2])
    with pytest.raises(ValueError, match="no mip 4"):
        image.read(mip=4)
    for width, height in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match=f"{width}x{height} with 1 mips"):
            gpu.image(width, height, "r8")
    with pytest.raises(ValueError, match="5 mips"):
        gpu.image(8, 4, "r8", mips=5)
    with pytest.raises(ValueError, match="no image format 'rgb8'"):
        gpu.image(8, 4, "rgb8")


FETCH = """
layout(local_size_x = 4) in;
#include "texels.glsl"
TEXELS(0, texels);
layout(set = 0, binding = 1, scalar) writeonly buffer Target { vec4 target[]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    target[i] = texel(texels, 3u - i);
}
"""


@pytest.mark.parametrize("wanted", [0, 2**62], ids=["texel buffer", "storage buffer"])
def test_texels_of_a_buffer(wanted: int, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.gpu.selection._TEXELS_WANTED", wanted)
    device = keep(Device.open(raytracing=None, validation=True))
    assert ("TEXEL_BUFFERS" in device.shaders.defines) == (wanted == 0)
    numbers = np.arange(18, dtype=np.float32)  # the last two are no whole texel
    texels, target = keep(device.buffer(numbers, name="numbers")), keep(device.buffer(64))
    pipeline = keep(
        device.compute_pipeline(
            "fetch.comp", [Binding(0, "texels"), Binding(1, "storage")], includes={"fetch.comp": FETCH}
        )
    )
    before = device.live_objects
    with pipeline.bind({0: texels, 1: target}) as bound:
        with device.commands() as cmd:
            cmd.bind(pipeline, bound)
            cmd.dispatch(1)
        device.submit(cmd)
        cmd.close()
    assert device.live_objects == before
    assert (target.read(np.float32, (4, 4)) == numbers[:16].reshape(4, 4)[::-1]).all()
    image = keep(device.image(1, 1, "r8"))
    before = device.live_objects
    with pytest.raises(TypeError, match=r"fetch\.comp: slot 0 \(texels\) takes a Buffer, not Image"):
        pipeline.bind({0: image, 1: target})
    if wanted == 0:
        few = replace(device.info, limits=replace(device.info.limits, texel_elements=3))
        monkeypatch.setattr(device, "info", few)
        with pytest.raises(BungyoError, match=f"numbers are 4 texels, of which {re.escape(few.name)} reads 3 at most"):
            pipeline.bind({0: texels, 1: target})
    assert device.live_objects == before
    assert not device.validation_messages


SAMPLE = """
layout(local_size_x = 8) in;
layout(set = 0, binding = 0) uniform sampler2D textures[2];
layout(set = 0, binding = 1, rgba32f) uniform image2D target;
layout(set = 0, binding = 2, scalar) readonly buffer Where { vec3 places[8]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    vec3 place = places[i];
    imageStore(target, ivec2(i, 0), textureLod(textures[nonuniformEXT(int(place.z))], place.xy, 0.0));
}
"""


def test_textures_and_samplers(gpu: Device, keep: Keep) -> None:
    """Eight look-ups in an array of two textures, with four different samplers."""
    ramp = np.zeros((1, 4, 4), np.float32)
    ramp[0, :, 0] = [0, 1, 2, 3]
    srgb = np.full((1, 1, 4), 188, np.uint8)
    images = keep(gpu.image(4, 1, "rgba32f")), keep(gpu.image(1, 1, "rgba8_srgb"))
    images[0].upload(ramp)
    images[1].upload(srgb)
    places = np.array(
        [(0.25, 0, 0), (0.5, 0, 0), (1.125, 0, 0), (-0.4, 0, 0), (0.3, 0, 1), (0, 0, 1), (1, 0, 0), (0.375, 0, 0)]
    )
    where = keep(gpu.buffer(places.astype(np.float32)))
    target = keep(gpu.image(8, 1, "rgba32f"))
    pipeline = keep(
        gpu.compute_pipeline(
            "sample.comp",
            [Binding(0, "textures", count=2), Binding(1, "image"), Binding(2, "storage")],
            includes={"sample.comp": SAMPLE},
        )
    )
    with pytest.raises(ValueError, match=r"sample\.comp: slot 0 \(textures\) takes 2 items, not 1"):
        pipeline.bind({0: (images[0], keep(gpu.sampler())), 1: target, 2: where})
    expected: dict[tuple[Literal["linear", "nearest"], Literal["repeat", "clamp"]], list[float]] = {
        ("linear", "repeat"): [0.5, 1.5, 0, 1.9],  # -0.4 is 0.6 of the way: between texels 1 and 2
        ("linear", "clamp"): [0.5, 1.5, 3, 0],
        ("nearest", "clamp"): [1, 2, 3, 0],
    }
    for (filtering, wrap), values in expected.items():
        sampler = keep(gpu.sampler(filtering, wrap, wrap, anisotropy=4.0 if filtering == "linear" else 1.0))
        bound = keep(pipeline.bind({0: [(image, sampler) for image in images], 1: target, 2: where}))
        with gpu.commands() as cmd:
            cmd.bind(pipeline, bound)
            cmd.dispatch(1)
        gpu.submit(keep(cmd))
        row = target.read()[0, :, 0]
        assert np.allclose(row[:4], values, atol=0.01), (filtering, wrap, row)
        assert np.allclose(row[4:6], ((188 / 255 + 0.055) / 1.055) ** 2.4, atol=0.003)


def test_samplers_blend_mips(gpu: Device, keep: Keep) -> None:
    image, target = keep(gpu.image(4, 4, "rgba32f", mips=3)), keep(gpu.image(8, 1, "rgba32f"))
    for mip, edge in enumerate((4, 2, 1)):
        image.upload(np.full((edge, edge, 4), 10.0**mip, np.float32), mip=mip)
    text = SAMPLE.replace("place.xy, 0.0", "place.xy, float(i) / 4.0")
    slots = [Binding(0, "textures", count=2), Binding(1, "image"), Binding(2, "storage")]
    pipeline = keep(gpu.compute_pipeline("sample.comp", slots, includes={"sample.comp": text}))
    where = keep(gpu.buffer(np.zeros((8, 3), np.float32)))
    filters: tuple[tuple[Literal["linear", "nearest"], list[float]], ...]
    filters = (("linear", [1, 3.25, 5.5, 7.75, 10, 32.5, 55, 77.5]), ("nearest", [1, 1, 1, 10, 10, 10, 10, 100]))
    for filtering, values in filters:
        sampler = keep(gpu.sampler(filtering, "clamp", "clamp"))
        bound = keep(pipeline.bind({0: [(image, sampler)] * 2, 1: target, 2: where}))
        with gpu.commands() as cmd:
            cmd.bind(pipeline, bound)
            cmd.dispatch(1)
        gpu.submit(keep(cmd))
        row = target.read()[0, :, 0]
        decided = np.arange(8) % 4 != 2 if filtering == "nearest" else slice(None)  # halves are rounded either way
        assert np.allclose(row[decided], np.array(values)[decided], rtol=0.01), row


def test_textures_may_repeat_one_way_and_end_the_other(gpu: Device, keep: Keep) -> None:
    """As panoramas do."""
    image = keep(gpu.image(2, 2, "rgba32f"))
    image.upload(np.repeat(np.arange(4, dtype=np.float32).reshape(2, 2, 1), 4, axis=2))
    where = keep(gpu.buffer(np.tile(np.array([1.25, 1.25, 0], np.float32), (8, 1))))
    target = keep(gpu.image(8, 1, "rgba32f"))
    slots = [Binding(0, "textures", count=2), Binding(1, "image"), Binding(2, "storage")]
    pipeline = keep(gpu.compute_pipeline("sample.comp", slots, includes={"sample.comp": SAMPLE}))
    wraps: tuple[tuple[Literal["repeat", "clamp"], Literal["repeat", "clamp"], int], ...]
    wraps = (("repeat", "clamp", 2), ("clamp", "repeat", 1))
    for wrap_u, wrap_v, value in wraps:
        sampler = keep(gpu.sampler("nearest", wrap_u, wrap_v))
        bound = keep(pipeline.bind({0: [(image, sampler)] * 2, 1: target, 2: where}))
        with gpu.commands() as cmd:
            cmd.bind(pipeline, bound)
            cmd.dispatch(1)
        gpu.submit(keep(cmd))
        assert (target.read()[..., 0] == value).all()


def test_anisotropy_is_at_most_what_the_device_has(gpu: Device, keep: Keep) -> None:
    """Or the validation layer says so."""
    assert gpu.info.limits.anisotropy < 1e3
    keep(gpu.sampler(anisotropy=1e3))


def test_choice_of_memory_types() -> None:
    """A discrete GPU with a small mappable window, and a unified one."""
    local, visible = vk.VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, vk.VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
    coherent, cached = vk.VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, vk.VK_MEMORY_PROPERTY_HOST_CACHED_BIT
    shared = visible | coherent
    discrete = MemoryTypes([0, local, shared, shared | cached, local | shared], unified=False)
    kinds: tuple[MemoryKind, ...] = ("device", "upload", "readback")
    assert [discrete.ranked(0b11111, kind, buffer=True)[0] for kind in kinds] == [1, 2, 3]
    assert discrete.ranked(0b11101, "device", buffer=True)[0] == 4  # only the window is allowed
    assert not discrete.mappable(1) and discrete.mappable(4)
    lazy = local | vk.VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT  # and others are for purposes that we have not
    assert MemoryTypes([lazy, local], unified=False).ranked(0b11, "device", buffer=False) == [1]
    unified = MemoryTypes([local, local | shared, local | shared | cached], unified=True)
    assert [unified.ranked(0b111, kind, buffer=True)[0] for kind in kinds] == [2, 1, 2]
    assert unified.ranked(0b111, "device", buffer=False) == [0, 1, 2]  # the CPU never reaches images
    assert unified.ranked(0b110, "device", buffer=False)[0] == 1  # the driver's order says which is better for them
    assert [(unified.mappable(index), unified.readable(index)) for index in range(3)] == [
        (False, False),
        (True, False),
        (True, True),
    ]


def test_full_memory_is_passed_over(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the best type has no room for lies in the next one, if there is another."""
    monkeypatch.setattr(gpu.logical.memory_types, "ranked", lambda *_, **__: [7, 0])
    allocate, asked = vk.vkAllocateMemory, []

    def allocated(device: Any, info: Any, *others: Any) -> int:
        asked.append(int(info.memoryTypeIndex))
        return int(vk.VK_ERROR_OUT_OF_DEVICE_MEMORY if asked[-1] == 7 else allocate(device, info, *others))

    monkeypatch.setattr(vk, "vkAllocateMemory", allocated)
    assert keep(gpu.buffer(np.arange(4))).read(np.int64).tolist() == [0, 1, 2, 3]
    assert asked == [7, 0]
    monkeypatch.setattr(gpu.logical.memory_types, "ranked", lambda *_, **__: [7])
    with pytest.raises(BungyoError, match=r"Could not allocate 0\.0 MiB for small: the GPU ran out of memory") as full:
        gpu.buffer(64, name="small")
    assert full.value.hint == NEEDS_LESS


def test_limits_are_named(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gpu.live_objects
    edge = gpu.info.limits.image_edge
    assert edge >= 4096 and gpu.info.limits.storage_buffer >= 2**27  # what Vulkan promises
    with pytest.raises(
        InputError, match=rf"image skin\.png has 1 x {edge + 1} pixels, but .* no more than {edge} along"
    ):
        gpu.image(1, edge + 1, "r8", name="skin.png")
    huge = Texture(np.zeros((1, edge + 1, 1), np.uint8), srgb=False, name="freckles.png")
    with pytest.raises(InputError, match=r"image freckles\.png has "):
        upload_texture(gpu, huge)
    assert gpu.live_objects == before

    source, target = keep(gpu.buffer(64)), keep(gpu.buffer(2**21, name="features"))
    pipeline = keep(
        gpu.compute_pipeline(
            "fetch.comp", [Binding(0, "texels"), Binding(1, "storage")], includes={"fetch.comp": FETCH}
        )
    )
    limits = replace(gpu.info.limits, storage_buffer=2**20)
    monkeypatch.setattr(gpu, "info", replace(gpu.info, limits=limits, kind="discrete"))
    with pytest.raises(InputError, match=r"features: 2 MiB are more than the 1 MiB that .* can bind"):
        pipeline.bind({0: source, 1: target})
    monkeypatch.setattr(gpu, "info", replace(gpu.info, kind="cpu"))
    keep(pipeline.bind({0: source, 1: target}))


def test_floats_without_filtering_are_halves(gpu: Device, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an environment with a sun brighter than a half can be."""
    assert gpu.float_texture == "rgba32f"
    monkeypatch.setattr("app.gpu.device.format_features", lambda *_: 0)
    assert gpu.float_texture == "rgba16f"
    pixels = np.full((4, 8, 3), 0.5, np.float32)
    pixels[1, 2] = 1e6
    maps = keep(EnvironmentMaps(gpu, Environment(pixels)))
    sharp = maps.levels[0].read()
    assert sharp.dtype == np.float16 and np.isfinite(sharp).all()
    assert sharp.max() == np.finfo(np.float16).max
    texture = keep(upload_texture(gpu, Texture(pixels, srgb=False)))
    assert texture.read()[1, 2].tolist() == [65504, 65504, 65504, 1]
