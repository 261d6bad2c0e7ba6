"""What rays find of lights (`hit_light` in shaders/include/lights.glsl), near the edges of their discs."""

import math

import numpy as np
import pytest

from app.arrays import F64
from app.gpu import Device
from app.passes.light_records import light_records
from app.scene.lights import DirectionalLight, Light, PointLight
from tests.passes.shader_answers import answers

SHADER = """
#include "scene_structs.glsl"
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Lights { Light light; };
layout(set = 0, binding = 1, scalar) readonly buffer Directions { vec3 directions[]; };
layout(set = 0, binding = 2, scalar) writeonly buffer Answers { uint answers[]; };
#include "sampling.glsl"
#include "lights.glsl"

void main()
{
    uint i = gl_GlobalInvocationID.x;
    if (i >= directions.length()) return;
    vec3 radiance;
    float pdf;
    answers[i] = uint(hit_light(light, vec3(0.0), normalize(directions[i]), LIGHT_FAR, radiance, pdf));
}
"""
TOWARDS = np.array([0.36, 0.48, 0.8])
DISTANCE = 10.0


def beside(angle: float, count: int = 1000) -> F64:
    """(count, 3) unit directions all around TOWARDS, this far from it."""
    across = np.cross(TOWARDS, (1.0, 0.0, 0.0))
    across /= np.linalg.norm(across)
    turn = np.linspace(0.0, 2.0 * math.pi, count, endpoint=False)[:, None]
    around: F64 = np.cos(turn) * across + np.sin(turn) * np.cross(TOWARDS, across)
    return math.cos(angle) * TOWARDS + math.sin(angle) * around


@pytest.mark.parametrize("sine", [0.999, 0.3, 4.7e-3, 1e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("ball", [True, False])
def test_rays_find_a_light_as_far_as_it_reaches(gpu: Device, ball: bool, sine: float) -> None:
    radius = math.asin(sine)
    light: Light = DirectionalLight(tuple(-TOWARDS), angular_radius=radius)
    if ball:
        light = PointLight(tuple(DISTANCE * TOWARDS), radius=DISTANCE * sine)
    record = light_records([light], np.zeros(3))[0]
    for share, found in ((0.0, True), (0.5, True), (0.95, True), (1.05, False), (2.0, False)):
        directions = beside(share * radius).astype(np.float32)
        got = answers(gpu, SHADER, [record, directions], np.uint32, (len(directions),))
        assert (got == found).all(), share
