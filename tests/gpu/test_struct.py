"""One description, two layouts: numpy and GLSL must agree to the byte."""

import numpy as np
import pytest

from app.gpu import Binding, Device, Struct
from tests.conftest import Keep

INNER = Struct("Inner", [("id", "uint"), ("pair", "i16vec2"), ("flag", "uint8_t")])
AWKWARD = Struct(
    "Awkward",
    [
        ("first", "float"),
        ("half_float", "float16_t"),
        ("direction", "vec3"),
        ("big", "uint64_t"),
        ("matrix", "mat3"),
        ("byte_value", "uint8_t"),
        ("weights", "float[3]"),
        ("inner", INNER),
        ("many", (INNER, 2)),
        ("tail", "u8vec4"),
    ],
)


def test_offsets_follow_scalar_layout() -> None:
    assert INNER.size == 12
    offsets = [AWKWARD.offset(name) for name, _ in AWKWARD.fields]
    assert offsets == [0, 4, 8, 24, 32, 68, 72, 84, 96, 120]
    assert AWKWARD.size == AWKWARD.dtype.itemsize == 128  # 124 and a tail
    assert AWKWARD.dtype["direction"].shape == (3,)
    assert Struct("S", [("m", "mat4x3")]).dtype["m"].shape == (4, 3)
    assert "uint8_t padding_[3];" in INNER.glsl and "padding_" not in Struct("S", [("m", "vec3")]).glsl
    assert "uint padding_[1];" in Struct("S", [("address", "uint64_t"), ("count", "uint")]).glsl
    assert "uint64_t padding_[1];" in Struct("S", [("address", "uint64_t")], multiple=16).glsl
    assert AWKWARD.glsl.startswith("struct Awkward {\n    float first;\n")


def test_round_trip_through_a_shader(gpu: Device, keep: Keep) -> None:
    count = 50
    random = np.random.default_rng(1)
    given = np.frombuffer(random.bytes(count * AWKWARD.size), AWKWARD.dtype).copy()
    for name in ("first", "direction", "matrix", "weights"):
        given[name] = random.normal(size=given[name].shape)
    given["half_float"] = random.integers(0, 100, count)
    source, target = keep(gpu.buffer(given)), keep(gpu.buffer(AWKWARD.size * count))
    pipeline = keep(
        gpu.compute_pipeline(
            "awkward.comp",
            [Binding(0, "storage"), Binding(1, "storage")],
            includes={"awkward.glsl": INNER.glsl + AWKWARD.glsl},
        )
    )
    bound = keep(pipeline.bind({0: source, 1: target}))
    with gpu.commands() as cmd:
        cmd.bind(pipeline, bound)
        cmd.dispatch(-(-count // 32))
    gpu.submit(keep(cmd))
    result = target.read(AWKWARD.dtype, count)

    expected = given.copy()
    expected["first"] += np.float32(1)
    expected["half_float"] *= np.float16(2)
    expected["direction"] = given["direction"][:, [2, 0, 1]]
    expected["big"] += np.uint64(1)
    expected["matrix"] = given["matrix"].transpose(0, 2, 1)
    expected["byte_value"] = 255 - given["byte_value"]
    expected["weights"][:, 2] += given["weights"][:, 0]
    expected["inner"]["pair"] = given["inner"]["pair"][:, ::-1]
    expected["many"]["id"][:, 1] ^= np.uint32(0xFFFF)
    expected["tail"] = given["tail"][:, ::-1]
    for name, _ in AWKWARD.fields:
        assert (result[name] == expected[name]).all(), name


RECORD = Struct(
    "Record",
    [("scale", "float"), ("bits", "uvec3"), ("index", "int"), ("color", "vec3"), ("pair", "ivec2"), ("count", "uint")],
    multiple=16,
)
LOAD = """
layout(local_size_x = 8) in;
#include "texels.glsl"
TEXELS(0, records);
layout(set = 0, binding = 1, scalar) writeonly buffer Target { Record target[]; };
"""


@pytest.mark.parametrize("wanted", [0, 2**62], ids=["texel buffer", "storage buffer"])
def test_records_come_from_texels_bit_by_bit(wanted: int, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Integers as well, whose bits as floats are NaNs and denormals."""
    monkeypatch.setattr("app.gpu.selection._TEXELS_WANTED", wanted)
    assert RECORD.size == 48  # 44 and a tail
    device, count = keep(Device.open(raytracing=None, validation=True)), 40
    given = RECORD.zeros(count)
    random = np.random.default_rng(2)
    for name, _ in RECORD.fields:
        field = given[name]
        field[...] = random.integers(0, 2**32, field.shape, dtype=np.uint32).view(field.dtype)
    given["scale"], given["color"] = random.normal(size=count), random.normal(size=(count, 3))
    given["bits"][0], given["index"][:2], given["count"][:2] = (0x7F800001, 0xFFFFFFFF, 1), (-1, 1), (0, 3)
    source, target = keep(device.buffer(given)), keep(device.buffer(given.nbytes))
    main = "void main() { uint i = gl_GlobalInvocationID.x; target[i] = load_record(i); }"
    text = "\n".join([RECORD.glsl, LOAD, RECORD.texel_loader("records"), main])
    pipeline = keep(
        device.compute_pipeline(
            "load.comp", [Binding(0, "texels"), Binding(1, "storage")], includes={"load.comp": text}
        )
    )
    bound = keep(pipeline.bind({0: source, 1: target}))
    with device.commands() as cmd:
        cmd.bind(pipeline, bound)
        cmd.dispatch(count // 8)
    device.submit(keep(cmd))
    result = target.read(RECORD.dtype, count)
    for name, _ in RECORD.fields:
        assert result[name].tobytes() == given[name].tobytes(), name


def test_what_does_not_come_from_texels_is_named() -> None:
    with pytest.raises(ValueError, match="Inner has 12 bytes, which are no whole texels"):
        INNER.texel_loader("records")
    with pytest.raises(ValueError, match="Awkward: half_float does not come from texels"):
        AWKWARD.texel_loader("records")


@pytest.mark.parametrize("kind", ["vec5", "float[]", "sampler2D", "mat4x9"])
def test_unknown_types_are_named(kind: str) -> None:
    with pytest.raises(ValueError, match="field x"):
        Struct("S", [("x", kind)])
    with pytest.raises(ValueError, match="no fields"):
        Struct("Empty", [])
