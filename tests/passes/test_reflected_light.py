"""What is not face sends light of lamps on to the face, wherever the lamps reach it."""

import math

import numpy as np
import pytest

from app.gpu import Device
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import CACHE_IMAGES
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, Light, LightRig, PointLight
from app.scene.model import Material, Part, Scene
from tests.conftest import Keep
from tests.primitives import quad

SIZE = 8
HALF, DISTANCE = 0.3, 0.06  # metres: of the card's edge, and from the skin
ALBEDO = (0.12, 0.06, 0.03)  # dark: what surfaces reflect is taken to fall on the card as it does on the skin
SKIN = Part("skin", quad((0, 0, 0), (0.002, 0, 0), (0, 0.002, 0)), Material("skin", ior=1.0), face=True)
CARD = Part(
    "card", quad((0, 0, DISTANCE), (-HALF, 0, 0), (0, HALF, 0)), Material("card", albedo=ALBEDO, ior=1.0)
)  # its front looks at the skin, its back away from it
# From behind the skin, past it, onto the card's front: 45 degrees.
PAST = DirectionalLight((1.0, 0.0, 1.0), irradiance=2.0, angular_radius=0.0)
ON_THE_BACK = DirectionalLight((0.0, 0.0, -1.0), irradiance=2.0, angular_radius=0.0)
FAR_AWAY = PointLight((0.0, 0.0, -500.0), intensity=1e-3)


def share_of_view() -> float:
    """Of the skin's cosine-weighted hemisphere, how much the card takes up (a parallel square, from its axis)."""
    a = HALF / DISTANCE
    root = math.sqrt(1.0 + a * a)
    return 4.0 / math.pi * a / root * math.atan(a / root)


@pytest.mark.parametrize("others", [(), (FAR_AWAY, ON_THE_BACK)])
def test_a_card_lights_skin_that_no_lamp_reaches(gpu: Device, keep: Keep, others: tuple[Light, ...]) -> None:
    """However many other lamps there are; what falls on its back stays there."""
    if not gpu.raytracing:
        pytest.skip("depth maps know no light on what is not face")
    scene = Scene((SKIN, CARD), LightRig((*others, PAST)), None, Camera())
    buffers = keep(SceneBuffers(gpu, scene))
    buffers.set_frame(scene.camera, 16, 16, jitter=(0.0, 0.0), sample_index=0)
    cache = keep(LightCache(gpu, buffers, size=SIZE, samples=257, samples_per_update=32))
    while not cache.converged:
        cache.update()
    image, _ = cache.images[CACHE_IMAGES.index("WIDE")]
    found = image.read()[..., :3].astype(np.float64).mean(axis=(0, 1)) * cache._unit
    sent = np.array(ALBEDO) * share_of_view()
    irradiance = PAST.irradiance * math.cos(math.pi / 4) * sent
    assert (found > 0.98 * irradiance).all() and (found < 1.02 * irradiance / (1.0 - sent)).all(), found / irradiance
