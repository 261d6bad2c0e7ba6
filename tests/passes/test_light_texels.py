"""How finely light is gathered changes how sharp it is, not how far it spreads below the skin."""

import math
from contextlib import ExitStack, closing

import numpy as np
import pytest
from scipy.special import ndtr

from app.gpu import Device
from app.network.schema import SIGMA_WIDE
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import BLUR_REACH, BLUR_TAPS, DEFAULT_CACHE_SIZE
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene
from tests.passes.face_frame import draw_frame
from tests.primitives import quad

EDGE, ACROSS = 0.2, 160  # metres of skin, pixels
SPREAD = BLUR_TAPS * EDGE / DEFAULT_CACHE_SIZE / BLUR_REACH  # metres: as wide as the blur's texels allow


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_light_spreads_as_far_whatever_the_texels(gpu: Device, scale: float) -> None:
    path = 1e3 * SPREAD / SIGMA_WIDE
    material = Material("skin", albedo=(0.5, 0.5, 0.5), subsurface=1.0, mean_free_path=(path, path, path))
    skin = Part("skin", quad(edge_u=(EDGE / 2, 0.0, 0.0), edge_v=(0.0, EDGE / 2, 0.0)), material, face=True)
    black = Material(albedo=(0.0, 0.0, 0.0))
    shade = Part("shade", quad((-0.5, 0.0, 0.05), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0)), black)
    sun = DirectionalLight((0.0, 0.0, -1.0), irradiance=1.0, angular_radius=0.0)
    camera = Camera((0.0, 0.0, 0.04), (0.0, 0.0, 0.0), fov_y=2.0 * math.atan(0.5 * EDGE / 0.04))
    scene = Scene((skin, shade), LightRig((sun,)), None, camera)
    with ExitStack() as owned:
        buffers = owned.enter_context(closing(SceneBuffers(gpu, scene, store=None)))
        size = round(scale * DEFAULT_CACHE_SIZE)
        cache = owned.enter_context(closing(LightCache(gpu, buffers, size=size, samples=2, background=False)))
        frame = draw_frame(gpu, buffers, cache, camera, (ACROSS, ACROSS))
    row = ACROSS // 2
    light = frame.features["diffuse_wide"][row, :, 0] * frame.scale[row]
    x = ((np.arange(ACROSS) + 0.5) / ACROSS - 0.5) * EDGE
    inner = np.abs(x) < 0.35 * EDGE
    assert light[x > 0.3 * EDGE].min() > 0.0
    share = light[inner] / light[inner].max()
    assert np.abs(share - ndtr(x[inner] / SPREAD)).max() < 0.02
