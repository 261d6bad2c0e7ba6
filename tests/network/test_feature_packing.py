"""GLSL and numpy pack and unpack features to the same bits."""

import numpy as np
import numpy.typing as npt
import pytest

from app.arrays import F32, U32
from app.gpu import Binding, Device
from app.network import schema

PACK = """
#include "features.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Source { Features source[]; };
layout(set = 0, binding = 1, scalar) writeonly buffer Target { uvec4 target[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= source.length()) return;
    uvec4 words[4];
    pack_features(source[i], words);
    for (uint k = 0u; k < 4u; ++k) target[4u * i + k] = words[k];
}
"""

UNPACK = """
#include "features.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Source { uvec4 source[]; };
layout(set = 0, binding = 1, scalar) writeonly buffer Target { Features target[]; };
void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= target.length()) return;
    uvec4 words[4];
    for (uint k = 0u; k < 4u; ++k) words[k] = source[4u * i + k];
    target[i] = unpack_features(words);
}
"""


def run(gpu: Device, shader: str, values: npt.NDArray[np.generic], bytes_out: int) -> U32:
    """One dispatch over all pixels; returns what it wrote as uint32."""
    with (
        gpu.buffer(np.ascontiguousarray(values).view(np.uint32)) as source,
        gpu.buffer(bytes_out) as target,
        gpu.compute_pipeline(
            "packing.comp",
            [Binding(0, "storage"), Binding(1, "storage")],
            includes={"packing.comp": shader, "features.glsl": schema.glsl()},
        ) as pipeline,
        pipeline.bind({0: source, 1: target}) as bound,
    ):
        with gpu.commands() as commands:
            commands.bind(pipeline, bound)
            commands.dispatch(-(-len(values) // 64))
        gpu.submit(commands)
        commands.close()
        return target.read(np.uint32, (bytes_out // 4,))


def hard_values() -> F32:
    """Floats where rounding to half goes wrong first: ties, denormal halves, the largest, infinities, NaN."""
    halves = np.arange(0, 0x7C00, 97, dtype=np.uint16).view(np.float16).astype(np.float32)
    middle = (halves[:-1] + np.nextafter(halves[:-1].astype(np.float16), np.float16(65504)).astype(np.float32)) / 2
    edge = [
        0.0,
        2**-24,
        2**-25,
        2**-25 * 1.001,
        2**-26,
        6.1e-5,
        65503.9,
        65504,
        65519.99,
        65520,
        7e4,
        1e38,
        np.inf,
    ]
    positive = np.concatenate([halves, middle, np.nextafter(middle, 0), np.nextafter(middle, 1e9), edge])
    random = np.random.default_rng(2).normal(0, 1, 4000) * 10.0 ** np.random.default_rng(3).uniform(-8, 5, 4000)
    return np.concatenate([positive, -positive, random, [np.nan, -np.nan]]).astype(np.float32)


def test_packing_is_bit_exact(gpu: Device) -> None:
    """But for denormal halves, which drivers may round up, down or to 0; others to nearest, or else towards zero."""
    values = np.resize(hard_values(), (1021, 32)).astype(np.float32)
    expected = schema.pack(values)
    words = run(gpu, PACK, values, expected.nbytes).reshape(expected.shape)
    found, wanted = words.view(np.uint16), expected.view(np.uint16)
    denormal = (wanted & 0x7C00) == 0
    near = (np.abs((found & 0x7FFF).astype(int) - (wanted & 0x7FFF)) <= 1) | ((found & 0x7FFF) == 0)
    with np.errstate(over="ignore"):
        exact = np.clip(np.nan_to_num(values), -65504, 65504).ravel()
        beyond = np.abs(wanted.view(np.float16).astype(np.float32)).ravel() > np.abs(exact)
    towards_zero = np.where(beyond.reshape(wanted.shape), wanted - 1, wanted)
    differ = min(((found != one) & ~(denormal & near) for one in (wanted, towards_zero)), key=np.count_nonzero)
    assert not differ.any(), values.reshape(-1)[np.flatnonzero(differ)[:5]]


def test_every_half_unpacks_alike(gpu: Device) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16)
    words = halves[np.isfinite(halves.view(np.float16))].view(np.uint32).reshape(-1, 16)
    channels = run(gpu, UNPACK, words, len(words) * schema.DTYPE.itemsize).view(np.float32).reshape(-1, 32)
    np.testing.assert_array_equal(channels, schema.unpack(words))


@pytest.mark.parametrize("name", [f.name for f in schema.FEATURES])
def test_each_feature_lands_in_its_channels(gpu: Device, name: str) -> None:
    record = np.zeros(1, schema.DTYPE)
    record[name] = 1.0
    words = run(gpu, PACK, record, 64).reshape(1, 16)
    channels = schema.unpack(words)[0]
    assert channels[schema.channels(name)].all() and channels.sum() == record[name].size
