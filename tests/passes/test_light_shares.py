"""Which shares of lights the G-buffer reads: what shadow texels have counted, in bytes."""

import math

import numpy as np
import pytest

from app.gpu import Device
from app.passes.light_cache import SHADOW_KINDS, LightCache, ShadowKind
from app.passes.light_cache_layout import LIGHT_SHARES
from app.passes.scene_buffers import SceneBuffers
from app.scene.default import default_scene
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Scene
from tests.conftest import Keep
from tests.passes.looks import read_shares

LIGHTS = LIGHT_SHARES + 3
AROUND = [2.0 * math.pi * k / LIGHTS for k in range(LIGHTS)]
SUNS = LightRig(
    tuple(DirectionalLight((math.sin(a), -0.6, math.cos(a)), irradiance=1.0, angular_radius=0.2) for a in AROUND)
)


@pytest.mark.parametrize("kind", SHADOW_KINDS)
def test_shares_are_what_was_counted(gpu: Device, keep: Keep, kind: ShadowKind) -> None:
    """To the byte, of more lights than lie together, and with vertices behind the shadow texels of every light."""
    scene = Scene(default_scene(aspect=1.0).parts, SUNS)
    buffers: SceneBuffers = keep(SceneBuffers(gpu, scene))
    buffers.set_frame(scene.camera, 64, 64, jitter=(0.0, 0.0), sample_index=0)
    cache: LightCache = keep(LightCache(gpu, buffers, size=48, samples=6, samples_per_update=2, kind=kind))
    for update in range(3):
        cache.update()
        counted = read_shares(cache, LIGHTS).reshape(LIGHTS, -1)
        together = cache.shares.read(np.uint8).reshape(-1, counted.shape[1], LIGHT_SHARES)
        shares = np.concatenate(list(together.swapaxes(1, 2)))
        assert np.array_equal(shares[:LIGHTS], np.rint(255.0 * counted)), update
        assert not shares[LIGHTS:].any()
        partly = (counted > 0.0) & (counted < 1.0)
        assert (partly.mean(axis=1) > 0.01).all() and ((counted == 1.0).mean(axis=1) > 0.1).all()
