"""Light that was gathered once is there at once the next time, and only where nothing has changed."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.arrays import U8
from app.controls import turned
from app.gpu import Device
from app.network.weights import WeightSet
from app.passes import array_store, baked_light
from app.passes.array_store import digest_of
from app.passes.baked_light import FEWEST_SAMPLES, NO_BAKED_LIGHT, BakedLight, BakedLights, is_worthwhile
from app.passes.light_cache import LightCache, ShadowKind
from app.passes.light_cache_layout import CACHE_IMAGES, VERTEX_LIGHT
from app.passes.scene_buffers import SceneBuffers
from app.renderer import Renderer
from app.scene.lights import AreaLight
from app.scene.model import Scene, Texture
from tests.conftest import SIZE, Keep

Cached = Callable[..., LightCache]


@pytest.fixture
def cached(gpu: Device, buffers: SceneBuffers, keep: Keep) -> Cached:
    """Makes a light cache that has gathered nothing."""

    def make(**options: Any) -> LightCache:
        cache: LightCache = keep(LightCache(gpu, buffers, **{"size": 32, "samples": 3, **options}))
        return cache

    return make


def baked(cache: LightCache, scene: Scene, folder: Path) -> BakedLight:
    return BakedLights(cache, digest_of(scene.parts), folder).under(scene)


def settle(cache: LightCache) -> LightCache:
    while not cache.converged:
        cache.update()
    return cache


def light(cache: LightCache) -> dict[str, NDArray[Any]]:
    """All that other passes read of it."""
    images = {name: image.read() for name, (image, _) in zip(CACHE_IMAGES, cache.images, strict=True)}
    vertices = cache.vertex_lights.read(VERTEX_LIGHT.dtype)
    return images | {name: vertices[name] for name in VERTEX_LIGHT.dtype.names or ()}


def assert_same(one: LightCache, other: LightCache) -> None:
    expected = light(one)
    assert max(np.abs(array.astype(np.float64)).max() for array in expected.values()) > 0.0
    for name, array in light(other).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize("kind", ["trace", "maps"])
def test_it_is_the_same_light(
    kind: ShadowKind, gpu: Device, face: Scene, buffers: SceneBuffers, cached: Cached, tmp_path: Path
) -> None:
    if kind == "trace" and not gpu.raytracing:
        pytest.skip("the device has no ray tracing")
    gathered = settle(cached(kind=kind))
    baked(gathered, face, tmp_path).keep()
    restored = cached(kind=kind)
    assert baked(restored, face, tmp_path).restore()
    assert restored.converged and restored.progress == 1.0
    assert_same(gathered, restored)

    # It goes on from there as the other does.
    key = face.rig.lights[0]
    assert isinstance(key, AreaLight)
    x, y, z = key.center
    moved = replace(key, center=(x + 0.3, y, z))
    lights = replace(face.rig, lights=(moved, *face.rig.lights[1:]))
    assert not buffers.set_lights(replace(face, rig=lights))
    buffers.set_frame(face.camera, 16, 16, jitter=(0.0, 0.0), sample_index=0)
    before = light(gathered)
    for cache in (gathered, restored):
        cache.restart([0])
        cache.update()
        cache.update()
    assert_same(gathered, restored)
    assert (light(gathered)["LIGHTS"] != before["LIGHTS"]).any()


def test_light_of_anything_else_is_not_taken(face: Scene, cached: Cached, tmp_path: Path) -> None:
    def path(scene: Scene = face, **options: Any) -> Path:
        return baked(cached(**options), scene, tmp_path).path

    def with_skin(**changes: Any) -> Scene:
        index = next(index for index, part in enumerate(face.parts) if part.face)
        part = replace(face.parts[index], **changes)
        return replace(face, parts=(*face.parts[:index], part, *face.parts[index + 1 :]))

    skin = next(part for part in face.parts if part.face)
    texture = skin.material.albedo_map
    assert texture is not None and face.environment is not None
    pixels = texture.pixels.copy()
    pixels[0, 0, 0] ^= 1
    positions = skin.mesh.positions.copy()
    positions[0, 0] += 1e-4
    shifted = skin.transform.copy()
    shifted[0, 3] += 1e-4
    others = [
        path(samples=4),
        path(seed=1),
        path(size=40),
        path(samples_per_update=2),
        path(background=False),
        path(replace(face, rig=replace(face.rig, lights=face.rig.lights[1:]))),
        path(replace(face, environment=None)),
        path(replace(face, environment=replace(face.environment, rotation=1.0))),
        path(with_skin(material=replace(skin.material, albedo_map=Texture(pixels, texture.srgb, texture.name)))),
        path(with_skin(material=replace(skin.material, mean_free_path=(3.0, 2.0, 1.0)))),
        path(with_skin(mesh=replace(skin.mesh, positions=positions))),
        path(with_skin(transform=shifted)),
    ]
    assert len({path(), *others}) == 1 + len(others)
    # What does not change the light that arrives.
    assert path(face.with_camera(face.camera.orbit(1.0, 0.0))) == path()
    assert path(replace(face, rig=replace(face.rig, exposure=3.0))) == path()


def test_other_code_gathers_anew(face: Scene, cached: Cached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cached()
    before = baked(cache, face, tmp_path).path
    monkeypatch.setattr(array_store, "_code", lambda: b"other")
    assert baked(cache, face, tmp_path).path != before


def test_a_damaged_file_is_no_light(face: Scene, cached: Cached, tmp_path: Path) -> None:
    kept = baked(settle(cached()), face, tmp_path)
    kept.keep()
    data = kept.path.read_bytes()
    kept.path.write_bytes(data[:5000])
    fresh = cached()
    assert not baked(fresh, face, tmp_path).restore()
    assert fresh.progress == 0.0
    kept.keep()
    assert baked(fresh, face, tmp_path).restore()


def test_light_of_another_size_is_refused(cached: Cached) -> None:
    settled, fresh = settle(cached()), cached(size=40)
    with pytest.raises(ValueError, match="the light of another scene"):
        fresh.restore(settled.read_gathered())
    assert fresh.progress == 0.0
    with pytest.raises(ValueError, match="not all of the light has been gathered"):
        fresh.read_gathered()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where renderers keep light; they always find it worth the while."""
    monkeypatch.setattr(baked_light, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr("app.scene_light.is_worthwhile", lambda _: True)
    return tmp_path / "light"


def test_renderers_keep_light_that_has_settled(gpu: Device, face: Scene, weights: WeightSet, folder: Path) -> None:
    def make(keeps_light: bool = True) -> Renderer:
        return Renderer(gpu, face, weights, SIZE, cache_size=32, cache_samples=2, keeps_light=keeps_light)

    def picture(renderer: Renderer) -> U8:
        while renderer.samples < 3:  # which begin anew with the last of the light
            renderer.render()
        return renderer.read()

    def files() -> int:
        return len(list(folder.iterdir())) if folder.exists() else 0

    fewer = replace(face, rig=replace(face.rig, lights=face.rig.lights[:1]))
    key, *others = face.rig.lights
    moved = replace(face, rig=replace(face.rig, lights=(turned(key, 0.3, 0.0, np.zeros(3)), *others)))
    with closing(make(keeps_light=False)) as renderer:
        renderer.settle_lights()
    assert files() == 0
    with closing(make()) as renderer:
        renderer.render()
        renderer.scene = moved  # before all of the light was there
        picture(renderer)
        assert files() == 0
        renderer.scene = fewer
        assert not renderer.lights_settled
        under_fewer = picture(renderer)
        assert files() == 1
        renderer.scene = face
        assert not renderer.lights_settled
        first = picture(renderer)
    assert files() == 2
    with closing(make()) as renderer:
        assert renderer.lights_settled
        np.testing.assert_array_equal(picture(renderer), first)
        renderer.scene = fewer
        assert renderer.lights_settled
        np.testing.assert_array_equal(picture(renderer), under_fewer)
        renderer.scene = face
        assert renderer.lights_settled
        renderer.gather_lights_anew()
        assert not renderer.lights_settled
        np.testing.assert_array_equal(picture(renderer), first)
    assert files() == 2


def test_only_what_takes_long_is_kept(cached: Cached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NO_BAKED_LIGHT, "0")
    cache = cached(samples=FEWEST_SAMPLES)
    monkeypatch.setattr(cache.device, "info", replace(cache.device.info, kind="cpu"))
    assert is_worthwhile(cache) and not is_worthwhile(cached(samples=FEWEST_SAMPLES - 1))
    monkeypatch.setenv(NO_BAKED_LIGHT, "1")
    assert not is_worthwhile(cache)
    monkeypatch.delenv(NO_BAKED_LIGHT)
    monkeypatch.setattr(cache.device, "info", replace(cache.device.info, kind="discrete"))
    assert not is_worthwhile(cache)
