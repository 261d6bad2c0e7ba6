"""Lights partly below the horizon (shaders/include/lights.glsl) on the GPU, against directions all over their discs."""

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from tests.passes.shader_answers import answers

SHADER = """
#include "scene_structs.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Queries { vec2 queries[]; }; // cosine of the middle, sine
layout(set = 0, binding = 1, scalar) writeonly buffer Answers { vec2 answers[]; };
#include "sampling.glsl"
#include "lights.glsl"

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i < queries.length()) cut_at_horizon(queries[i].x, queries[i].y, answers[i].x, answers[i].y);
}
"""
MIDDLES = np.concatenate([-1.0 + np.geomspace(1e-6, 0.5, 60), np.linspace(-0.5, 1.0, 61)[1:-1]])  # over the sine


def cut(gpu: Device, sine: float) -> F32:
    """(n, 2): cosine, and the share that is above, for MIDDLES."""
    queries = np.stack([MIDDLES * sine, np.full_like(MIDDLES, sine)], axis=-1).astype(np.float32)
    found: F32 = answers(gpu, SHADER, [queries], np.float32, queries.shape)
    return found


@pytest.mark.parametrize("sine", [0.02, 0.2, 0.349, 0.351, 0.5, 0.7, 0.9, 0.99, 1.0])
def test_discs_are_cut_at_the_horizon(gpu: Device, sine: float) -> None:
    cosine, above = cut(gpu, sine).T.astype(np.float64)
    rim = np.sqrt(1.0 - sine * sine)
    shares = (np.arange(400) + 0.5) / 400
    along = 1.0 - shares[:, None] * (1.0 - rim)
    turn = np.cos(np.pi * shares)
    for middle, found, share in zip(MIDDLES * sine, cosine, above, strict=True):
        heights = middle * along + np.sqrt(1.0 - middle * middle) * np.sqrt(1.0 - along * along) * turn
        seen = np.maximum(heights, 0.0).mean() * 2.0 / (1.0 + rim)  # as on a surface that faces all of it
        assert abs(share - (heights > 0.0).mean()) < 0.011
        assert abs(found * share - seen) < 0.009
        # Where hardly anything is above, shadows may know of more: that must not be bright.
        highest = middle * rim + sine * np.sqrt(1.0 - middle * middle)
        assert -1e-6 <= found <= (1.15 if middle > 0.0 else 1.1 * 2.0 / (1.0 + rim) * highest + 1e-5)
