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


@pytest.mark.parametrize("kind", ["vec5", "float[]", "sampler2D", "mat4x9"])
def test_unknown_types_are_named(kind: str) -> None:
    with pytest.raises(ValueError, match="field x"):
        Struct("S", [("x", kind)])
    with pytest.raises(ValueError, match="no fields"):
        Struct("Empty", [])
