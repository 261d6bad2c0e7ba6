"""Lights about which all rays from around a texel agree: which these are, and that looking no more changes nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.gpu import Device
from app.passes import light_cache
from app.passes.light_cache import CACHE_IMAGES, FINE_SCALE, SETTLED_LIGHTS, SETTLING_SAMPLES, LightCache
from app.passes.light_points import face_texels
from app.passes.scene_buffers import SceneBuffers
from app.scene.default import default_scene
from app.scene.lights import AreaLight, DirectionalLight, LightRig, PointLight
from app.scene.model import Scene
from tests.conftest import watched

SIZE, SAMPLES = 48, 16
FINE = FINE_SCALE * SIZE
LIGHTS = LightRig(
    (
        DirectionalLight((0.5, -0.7, -0.6), irradiance=2.0, angular_radius=0.05),
        PointLight((-0.35, 0.1, 0.25), intensity=0.3, radius=0.03),
        AreaLight.facing((0.4, 0.5, 0.6), (0.0, 0.0, 0.0), 0.3, 0.3, radiance=9.0),
    )
)


class Gathered:
    """What a light cache of the default face has after all samples, on fine texels of the face."""

    def __init__(self, gpu: Device) -> None:
        scene = Scene(default_scene(aspect=1.0).parts, LIGHTS)
        with SceneBuffers(gpu, scene) as buffers, LightCache(gpu, buffers, size=SIZE, samples=SAMPLES) as cache:
            buffers.set_frame(scene.camera, 64, 64, jitter=(0.0, 0.0), sample_index=0)
            while not cache.converged:
                cache.update()
            texels = face_texels(buffers, FINE).reshape(FINE, FINE)
            self.traced, self.anywhere = texels["traced"] > 0, texels["anywhere"] > 0
            sums = cache.visibility.read(np.float32).reshape(len(LIGHTS.lights), -1)[:, : FINE * FINE]
            self.sums = sums.reshape(-1, FINE, FINE)
            self.settled = cache.settled.read(SETTLED_LIGHTS.dtype).reshape(FINE, FINE)
            images = zip(CACHE_IMAGES, cache.images, strict=True)
            self.images = {name: image.read().astype(np.float32) for name, (image, _) in images}

    def bits(self, field: str) -> NDArray[np.bool_]:
        """(lights, FINE, FINE): the bits of "seen" or "hidden"."""
        return np.stack([self.settled[field] >> light & 1 for light in range(len(LIGHTS.lights))]) > 0


@pytest.fixture(scope="module")
def gathered(session_device: Device) -> Gathered:
    with watched(session_device) as gpu:
        return Gathered(gpu)


def test_a_light_is_settled_where_every_ray_from_around_agrees(gathered: Gathered) -> None:
    """Bit by bit what numpy finds in the sums; beside the face no ray is counted, so its edges never see."""
    looks = SAMPLES - 1  # the first update leaves fine texels to the texel around them
    around = [
        np.roll(gathered.sums, (down, right), axis=(1, 2))[:, 1:-1, 1:-1] for down in (-1, 0, 1) for right in (-1, 0, 1)
    ]
    may = (gathered.traced & ~gathered.anywhere)[1:-1, 1:-1]
    seen, hidden = np.min(around, axis=0) == looks, np.max(around, axis=0) == 0.0
    assert np.array_equal(gathered.bits("seen")[:, 1:-1, 1:-1], seen & may)
    assert np.array_equal(gathered.bits("hidden")[:, 1:-1, 1:-1], hidden & may)
    for light in range(len(LIGHTS.lights)):
        assert 0.1 < (seen & may)[light].sum() / may.sum() < 0.9, light
        assert 0.1 < (hidden & may)[light].sum() / may.sum() < 0.9, light


def test_looking_no_more_changes_next_to_nothing(
    session_device: Device, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SETTLING_SAMPLES < SAMPLES
    monkeypatch.setattr(light_cache, "SETTLING_SAMPLES", SAMPLES + 1)
    with watched(session_device) as gpu:
        all_rays = Gathered(gpu)
    assert not all_rays.bits("seen").any() and not all_rays.bits("hidden").any()
    shares = np.abs(gathered.sums - all_rays.sums)[:, gathered.traced] / (SAMPLES - 1)
    assert 0.0 < shares.mean() < 2e-3  # some do differ: rays were indeed left out
    for name, image in gathered.images.items():
        error = np.abs(image - all_rays.images[name]).mean() / np.abs(all_rays.images[name]).mean()
        assert error < 1e-3, name
