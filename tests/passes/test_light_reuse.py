"""A light that moves: what the light cache knew of the others, of the environment and of shapes is used again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import CACHE_IMAGES, CACHE_STATE, FINE_SCALE, GATHERED_LIGHT
from app.passes.light_points import face_texels
from app.passes.scene_buffers import SceneBuffers
from app.scene.default import default_scene
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from tests.conftest import watched
from tests.passes.looks import read_shares, shadow_texels

SIZE, SAMPLES = 48, 16

SUN = DirectionalLight((0.5, -0.7, -0.6), irradiance=2.0, angular_radius=0.0)  # looked for once a fine texel
BULB = PointLight((-0.35, 0.1, 0.25), intensity=0.3, radius=0.03)
LAMP = AreaLight.facing((0.4, 0.5, -0.6), (0.0, 0.0, 0.0), 0.3, 0.3, radiance=9.0)
LIGHTS: tuple[Light, ...] = (SUN, BULB, LAMP)
OTHER_BULB = replace(BULB, position=(0.2, -0.1, 0.4))
OTHER_SUN = replace(SUN, direction=(-0.6, -0.3, -0.6))


class Cache:
    """A light cache of the default face, under lights that change."""

    def __init__(self, gpu: Device) -> None:
        self.scene = default_scene(lights="outdoor", aspect=1.0)
        parts = tuple(part for part in self.scene.parts if not part.hair)
        self.scene = replace(self.scene, parts=parts, rig=replace(self.scene.rig, lights=LIGHTS))
        self._buffers = SceneBuffers(gpu, self.scene)
        self._cache = LightCache(gpu, self._buffers, size=SIZE, samples=SAMPLES)
        fine = face_texels(self._buffers, FINE_SCALE * SIZE)["traced"] > 0
        self._fine, self._coarse = fine, fine.reshape(SIZE, FINE_SCALE, SIZE, FINE_SCALE).all(axis=(1, 3))

    def begin(self, lights: Sequence[Light], moved: Sequence[int] | None) -> None:
        rig = replace(self.scene.rig, lights=tuple(lights))
        assert not self._buffers.set_lights(replace(self.scene, rig=rig))
        self._cache.restart(moved)

    def update(self, times: int = SAMPLES) -> None:
        for _ in range(times):
            self._buffers.set_frame(self.scene.camera, 64, 64, jitter=(0.0, 0.0), sample_index=0)
            self._cache.update()

    def fresh(self, lights: Sequence[Light]) -> dict[str, F32]:
        self.begin(lights, None)
        self.update()
        return self.images()

    def images(self, samples: int = SAMPLES) -> dict[str, F32]:
        """The cache's images where the face is, and light gathered at vertices by so many samples since the start."""
        found = {}
        for name, (image, _) in zip(CACHE_IMAGES, self._cache.images, strict=True):
            texels = image.read().astype(np.float32)
            found[name] = texels[self._coarse if len(texels) == SIZE else self._fine.reshape(texels.shape[:2])]
        vertices = self._cache.gathered.read(GATHERED_LIGHT.dtype)[SIZE**2 :]
        found["vertices"] = np.asarray(vertices["environment"] + vertices["lights"] / samples, np.float32)
        return found

    def unit(self) -> float:
        """What the images' light is multiplied with."""
        return float(self._cache.state.read(CACHE_STATE.dtype)["unit"][0])

    def shares(self) -> F32:
        """How much of each light (L, n) is seen from shadow texels on the face."""
        return read_shares(self._cache, len(LIGHTS))[:, shadow_texels(self._fine)]

    def close(self) -> None:
        self._cache.close()
        self._buffers.close()


@pytest.fixture(scope="module")
def kept_cache(session_device: Device) -> Iterator[Cache]:
    with watched(session_device) as gpu:
        cache = Cache(gpu)
        yield cache
        cache.close()


@pytest.fixture
def cache(gpu: Device, kept_cache: Cache) -> Cache:
    """The cache; after the test the validation layer must have nothing to say."""
    return kept_cache


def off(one: dict[str, F32], other: dict[str, F32], name: str) -> float:
    """Mean difference, over the mean."""
    a, b = one[name].astype(np.float64), other[name].astype(np.float64)
    return float(np.abs(a - b).mean() / np.abs(b).mean())


def test_one_light_moves(cache: Cache) -> None:
    before = cache.fresh(LIGHTS)
    shares = cache.shares()
    moved = (SUN, OTHER_BULB, LAMP)
    expected, expected_shares = cache.fresh(moved), cache.shares()
    assert off(expected, before, "LIGHTS") > 0.1  # it matters
    cache.begin(moved, None)
    cache.update(1)
    restarted = cache.images(1)

    cache.fresh(LIGHTS)
    cache.begin(moved, [1])
    cache.update(1)
    at_once = cache.images(1)
    assert np.array_equal(cache.shares()[[0, 2]], shares[[0, 2]])
    # All that is noisy is the bulb. What surfaces reflect and let through is that of before: better than nothing of it.
    for name, better in (
        ("LIGHTS", 0.6),
        ("WIDE", 0.6),
        ("OPENING", 0.5),
        ("NARROW", 0.6),
        ("TRANSMISSION", 0.6),
        ("vertices", 0.6),
    ):
        assert off(at_once, expected, name) < better * off(restarted, expected, name), name
    cache.update()
    after = cache.images()
    found = cache.shares()
    assert np.array_equal(found[[0, 2]], shares[[0, 2]])
    # The first of its looks is another one than those of a light that stays.
    assert np.abs(found[1] - expected_shares[1]).max() <= 1.01 / (SAMPLES - 1)
    assert (found[1] != expected_shares[1]).any()
    for name in ("LIGHTS", "WIDE", "NARROW", "MOMENT", "TRANSMISSION", "vertices"):
        # As far from it as another sixteen samples would be, or less.
        assert off(after, expected, name) < (0.02 if name in ("LIGHTS", "WIDE", "vertices") else 0.1), name
        assert after[name].mean() == pytest.approx(expected[name].mean(), rel=0.02), name


def test_one_after_the_other(cache: Cache) -> None:
    """A known light moves before it was looked for again; two move between two updates; one comes back."""
    cache.fresh(LIGHTS)
    shares = cache.shares()
    cache.begin((OTHER_SUN, BULB, LAMP), [0])
    cache.update(2)
    cache.begin((OTHER_SUN, OTHER_BULB, LAMP), [1])
    cache.begin((SUN, OTHER_BULB, LAMP), [0])
    cache.update()
    found = cache.images()
    assert np.array_equal(cache.shares()[2], shares[2])
    expected = cache.fresh((SUN, OTHER_BULB, LAMP))
    assert np.array_equal(cache.shares()[0], shares[0])
    for name in ("LIGHTS", "WIDE", "vertices"):
        assert off(found, expected, name) < 0.02, name


def test_brightness_alone_asks_no_ray(cache: Cache) -> None:
    cache.fresh(LIGHTS)
    shares = cache.shares()
    dim = (SUN, replace(BULB, intensity=0.1), LAMP)
    cache.begin(dim, [])
    cache.update()
    found = cache.images()
    assert np.array_equal(cache.shares(), shares)
    expected = cache.fresh(dim)
    for name in ("LIGHTS", "WIDE", "vertices"):
        assert off(found, expected, name) < 0.02, name


def test_what_surfaces_reflect_is_as_bright_as_it_was_in_another_unit(cache: Cache) -> None:
    """Until it is gathered anew. Images are in a unit that goes with all of the light."""
    before, unit = cache.fresh(LIGHTS), cache.unit()
    cache.begin((replace(SUN, irradiance=50.0), BULB, LAMP), [])
    cache.update(1)
    assert cache.unit() >= 4.0 * unit
    after = cache.images(1)
    for name in ("NARROW", "TRANSMISSION"):
        light, expected = (image[name][..., :3] * scale for image, scale in ((after, cache.unit()), (before, unit)))
        assert light.mean() == pytest.approx(expected.mean(), rel=0.02), name


def test_what_was_never_gathered_is_not_kept(cache: Cache) -> None:
    expected = cache.fresh(LIGHTS)
    cache.begin((OTHER_SUN, BULB, LAMP), None)
    cache.begin(LIGHTS, [0])  # nothing was gathered in between
    cache.update()
    found = cache.images()
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name


def test_light_of_wide_lamps_is_as_bright_at_their_terminator(cache: Cache) -> None:
    """What a texel sees is a share of all of a lamp, and looks below its horizon bring nothing: once, not twice."""
    sun, bulb = replace(SUN, angular_radius=0.5), replace(BULB, position=(-0.4, 0.1, 0.1), radius=0.2)
    lamp = AreaLight.facing((0.7, 0.1, 0.0), (0.0, 0.0, 0.0), 1.2, 1.2, radiance=1.0)
    cache.fresh((sun, bulb, lamp))
    changed = (sun, bulb, replace(lamp, radiance=0.9))
    cache.begin(changed, [])
    cache.update()
    found = cache.images()
    expected = cache.fresh(changed)
    for name in ("LIGHTS", "WIDE"):
        light, true = (image[name][..., :3].mean(axis=-1) for image in (found, expected))
        dim = (true > 0.02 * true.max()) & (true < 0.25 * true.max())
        # What hides a lamp hides more of it near the horizon, which a share does not tell.
        assert 0.2 < dim.mean() < 0.4
        assert light[dim].mean() == pytest.approx(true[dim].mean(), rel=0.05), name
        assert light.mean() == pytest.approx(true.mean(), rel=0.025), name
