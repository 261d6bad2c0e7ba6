"""Halves by integer operations (shaders/include/halves.glsl)."""

import numpy as np

from app.gpu import Device
from tests.passes.shader_answers import answers

SHADER = """
#include "halves.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Words { uint words[]; };
layout(set = 0, binding = 1, scalar) writeonly buffer Answers { vec2 answers[]; };

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < words.length()) answers[i] = unpack_halves(words[i]);
}
"""
SMALLEST_NORMAL = 2.0**-14


def test_every_finite_half_is_the_float_that_it_stands_for(gpu: Device) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    pairs = np.stack([halves, halves[::-1]], axis=1)  # each in the lower and in the upper half of a word
    drawn = answers(gpu, SHADER, [pairs.view(np.uint32)[:, 0]], np.float32, pairs.shape)
    normal = np.abs(pairs.astype(np.float32)) >= SMALLEST_NORMAL
    np.testing.assert_array_equal(drawn[normal], pairs.astype(np.float32)[normal])
    # What is smaller may become 0, as devices are free to do with floats of such exponents.
    rest, wanted = drawn[~normal], pairs.astype(np.float32)[~normal]
    assert ((rest == wanted) | (rest == 0.0)).all()
    assert "BITWISE_HALVES" in gpu.shaders.defines or gpu.info.kind != "cpu"
