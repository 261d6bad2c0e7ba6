"""An update of the light cache in parts, between which pictures are drawn."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.arrays import F16
from app.gpu import Device
from app.passes.light_cache import SHADOW_KINDS, LightCache, ShadowKind
from app.passes.light_cache_layout import GATHERED_LIGHT, PARTS
from app.passes.scene_buffers import SceneBuffers
from app.scene.default import default_scene
from app.scene.lights import DirectionalLight, PointLight
from tests.conftest import Keep, watched

SIZE, SAMPLES = 48, 3
SUN = DirectionalLight((0.5, -0.7, -0.6), irradiance=2.0, angular_radius=0.05)
BULB = PointLight((-0.35, 0.1, 0.25), intensity=0.3, radius=0.03)
OTHER_BULB = replace(BULB, position=(0.2, -0.1, 0.4))


class Cache:
    """A light cache of the default face under a sun and a bulb, gathered in parts."""

    def __init__(self, gpu: Device, kind: ShadowKind = "trace") -> None:
        scene = default_scene(lights="outdoor", aspect=1.0)
        self._gpu = gpu
        self.scene = replace(scene, rig=replace(scene.rig, lights=(SUN, BULB)))
        self.buffers = SceneBuffers(gpu, self.scene)
        self.light = LightCache(gpu, self.buffers, size=SIZE, samples=SAMPLES, kind=kind)

    def restart(self, bulb: PointLight, moved: tuple[int, ...] | None = None) -> None:
        rig = replace(self.scene.rig, lights=(SUN, bulb))
        assert not self.buffers.set_lights(replace(self.scene, rig=rig))
        self.light.restart(moved)

    def gather(self, parts: int = PARTS) -> None:
        self.buffers.set_frame(self.scene.camera, 64, 64, jitter=(0.0, 0.0), sample_index=0)
        self.light.state.write(self.light.advance(parts))
        for commands in self.light.commands:
            self._gpu.submit(commands)

    def settle(self, parts: int = PARTS) -> None:
        while not self.light.converged:
            self.gather(parts)

    def images(self) -> list[F16]:
        return [image.read() for image, _ in self.light.images]

    def found(self) -> list[NDArray[np.generic]]:
        """All that readers see: images, sums at vertices, looks for lights."""
        vertices = self.light.gathered.read(GATHERED_LIGHT.dtype)[SIZE**2 :]
        return [*self.images(), vertices, self.light.visibility.read(np.uint32)]

    def close(self) -> None:
        self.light.close()
        self.buffers.close()


@pytest.fixture(scope="module")
def kept_cache(session_device: Device) -> Iterator[Cache]:
    with watched(session_device) as gpu:
        cache = Cache(gpu)
        yield cache
        cache.close()


@pytest.fixture
def cache(gpu: Device, kept_cache: Cache) -> Cache:
    """The cache, without any light; after the test the validation layer must have nothing to say."""
    kept_cache.restart(BULB)
    return kept_cache


@pytest.mark.parametrize("parts", [1, 3, 4, PARTS - 1])
def test_parts_find_what_the_whole_does(cache: Cache, parts: int) -> None:
    cache.settle()
    expected = cache.found()
    cache.restart(BULB)
    cache.settle(parts)
    for one, other in zip(cache.found(), expected, strict=True):
        assert np.array_equal(one, other)


def test_images_stay_until_the_last_part(cache: Cache) -> None:
    cache.gather(1)
    assert cache.light.between_updates, "the first update comes at once: without it there is nothing to see"
    first = cache.images()
    for part in range(PARTS):
        assert all(np.array_equal(one, other) for one, other in zip(cache.images(), first, strict=True)), part
        cache.gather(1)
        assert cache.light.between_updates is (part == PARTS - 1)
        assert cache.light.progress == pytest.approx((1.0 + (part + 1) / PARTS) / SAMPLES)
    assert not np.array_equal(cache.images()[-1], first[-1])


def test_the_whole_ends_what_parts_began(cache: Cache) -> None:
    cache.settle()
    expected = cache.found()
    cache.restart(BULB)
    cache.gather()
    cache.gather(1)
    cache.settle()
    for one, other in zip(cache.found(), expected, strict=True):
        assert np.array_equal(one, other)


def test_a_light_moves_between_two_parts(cache: Cache) -> None:
    """Points of the parts before have a sample more than the others, and are no brighter for it."""
    cache.restart(OTHER_BULB)
    cache.gather()
    cache.gather()
    expected = cache.images()
    cache.restart(BULB)
    cache.gather()
    cache.gather()
    cache.gather(PARTS // 2)
    cache.restart(OTHER_BULB, (1,))
    cache.gather()
    for one, other in zip(cache.images(), expected, strict=True):
        found, wanted = one[..., :3].astype(np.float64), other[..., :3].astype(np.float64)
        assert found.mean() == pytest.approx(wanted.mean(), rel=0.15)


@pytest.mark.parametrize("kind", SHADOW_KINDS)
def test_depth_maps_are_looked_into_at_once(gpu: Device, keep: Keep, kind: ShadowKind) -> None:
    cache = keep(Cache(gpu, kind))
    for _ in range(2):
        cache.gather(1)
    assert cache.light.between_updates is (kind == "maps")
