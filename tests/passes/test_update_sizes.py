"""However samples of light are dealt out to updates, and however many are there yet, it is the same light."""

from contextlib import closing

import numpy as np

from app.arrays import F64
from app.gpu import Device
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import CACHE_IMAGES, VERTEX_LIGHT
from app.passes.scene_buffers import SceneBuffers

SAMPLES = 12


def means_of(gpu: Device, buffers: SceneBuffers, per_update: int, updates: int, seed: int) -> dict[str, F64]:
    """Mean light through skin, and from surroundings at vertices of hair and of everything else, linear RGB."""
    with closing(LightCache(gpu, buffers, size=40, samples=SAMPLES, samples_per_update=per_update, seed=seed)) as cache:
        for _ in range(updates):
            cache.update()
        image, _ = cache.images[CACHE_IMAGES.index("TRANSMISSION")]
        found = {"through skin": image.read()[..., :3].astype(np.float64).mean(axis=(0, 1))}
        vertices = cache.vertex_lights.read(VERTEX_LIGHT.dtype)["irradiance"].astype(np.float64)
        for name, hair in (("hair", True), ("eyes, teeth", False)):
            places = [
                slice(cache.vertex_offsets[index], cache.vertex_offsets[index] + len(buffers.meshes[index].positions))
                for index, part in enumerate(buffers.parts)
                if not part.face and part.hair == hair
            ]
            found[name] = np.concatenate([vertices[place] for place in places]).mean(axis=0)
    return found


def means(gpu: Device, buffers: SceneBuffers, per_update: int, updates: int) -> dict[str, F64]:
    """Of two seeds: little light comes through the skin, and through few texels."""
    one, other = (means_of(gpu, buffers, per_update, updates, seed) for seed in (0, 1))
    return {name: 0.5 * (one[name] + other[name]) for name in one}


def test_light_is_the_same(gpu: Device, buffers: SceneBuffers) -> None:
    wanted = means(gpu, buffers, 1, SAMPLES)
    for per_update, updates in ((4, SAMPLES // 4), (1, 3)):
        for name, light in means(gpu, buffers, per_update, updates).items():
            np.testing.assert_allclose(light, wanted[name], rtol=0.06, err_msg=f"{name}, {updates} of {per_update}")
