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


def test_every_finite_half_is_the_float_that_it_stands_for(gpu: Device) -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    pairs = np.stack([halves, halves[::-1]], axis=1)  # each in the lower and in the upper half of a word
    drawn = answers(gpu, SHADER, [pairs.view(np.uint32)[:, 0]], np.float32, pairs.shape)
    wanted = pairs.astype(np.float32)
    normal = np.abs(wanted) >= 2.0**-14
    np.testing.assert_array_equal(drawn[normal], wanted[normal])
    assert ((drawn == wanted) | (drawn == 0.0))[~normal].all()  # to some drivers what is smaller is 0
    assert ("BITWISE_HALVES" in gpu.shaders.defines) == (gpu.info.kind == "cpu")
