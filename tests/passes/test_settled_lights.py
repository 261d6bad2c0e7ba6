"""Lights about which all rays from around a texel agree: which these are, and that looking no more changes nothing."""

from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import Bools
from app.gpu import Device
from app.network.schema import TILE_PIXELS, VECTORS
from app.passes.gbuffer import GBuffer
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import CACHE_IMAGES, FINE_SCALE, SETTLED_LIGHTS, SETTLING_SAMPLES, SHADOW_SCALE
from app.passes.light_points import face_texels
from app.passes.light_rays import LightRays
from app.passes.scene_buffers import SceneBuffers
from app.passes.visible_triangles import face_triangles, visible_triangles
from app.scene.default import default_scene
from app.scene.lights import AreaLight, DirectionalLight, LightRig, PointLight
from app.scene.model import Part, Scene
from tests.conftest import Keep, watched
from tests.passes.looks import read_looks

SIZE, SAMPLES = 48, 16
FINE = FINE_SCALE * SIZE
LIGHTS = LightRig(
    (
        DirectionalLight((0.5, -0.7, -0.6), irradiance=2.0, angular_radius=0.05),
        PointLight((-0.35, 0.1, 0.25), intensity=0.3, radius=0.03),
        AreaLight.facing((0.4, 0.5, 0.6), (0.0, 0.0, 0.0), 0.3, 0.3, radiance=9.0),
    )
)


HEAD = Scene(default_scene(aspect=1.0).parts, LIGHTS)


def halved(part: Part) -> Part:
    """The same with its texture in one corner of the square, if it is face."""
    return replace(part, mesh=replace(part.mesh, uvs=0.5 * part.mesh.uvs)) if part.face else part


def gather(cache: LightCache, buffers: SceneBuffers) -> None:
    """All samples that are missing."""
    buffers.set_frame(HEAD.camera, 64, 64, jitter=(0.0, 0.0), sample_index=0)
    while not cache.converged:
        cache.update()


class Gathered:
    """What a light cache has of a face after all samples, on fine texels; `before`: the scene it had just before."""

    def __init__(self, gpu: Device, scene: Scene = HEAD, before: Scene | None = None) -> None:
        with ExitStack() as stack:
            first = stack.enter_context(SceneBuffers(gpu, before or scene))
            cache = stack.enter_context(LightCache(gpu, first, size=SIZE, samples=SAMPLES, background=False))
            buffers = first
            if before is not None:
                gather(cache, first)
                buffers = stack.enter_context(SceneBuffers(gpu, scene))
                cache.bind(buffers)
            gather(cache, buffers)
            texels = face_texels(buffers, FINE).reshape(FINE, FINE)
            self.traced, self.anywhere = texels["traced"] > 0, texels["anywhere"] > 0
            self.looks, self.seen = read_looks(cache, len(LIGHTS.lights))
            self.settled = cache.settled.read(SETTLED_LIGHTS.dtype).reshape(FINE, FINE)
            images = zip(CACHE_IMAGES, cache.images, strict=True)
            self.images = {name: image.read().astype(np.float32) for name, (image, _) in images}

    def bits(self, field: str) -> Bools:
        """(lights, FINE, FINE): the bits of "seen" or "hidden"."""
        return np.stack([self.settled[field] >> light & 1 for light in range(len(LIGHTS.lights))]) > 0


@pytest.fixture(scope="module")
def gathered(session_device: Device) -> Gathered:
    with watched(session_device) as gpu:
        return Gathered(gpu)


def test_a_light_is_settled_where_every_ray_from_around_agrees(gathered: Gathered) -> None:
    """Bit by bit what numpy finds in what was written down; beside the face no ray agrees with any."""

    def all_around(of_shadows: Bools) -> Bools:
        within = of_shadows.reshape(-1, FINE, SHADOW_SCALE, FINE, SHADOW_SCALE).all(axis=(2, 4)) & gathered.traced
        around = [np.roll(within, (y, x), axis=(1, 2))[:, 1:-1, 1:-1] for y in (-1, 0, 1) for x in (-1, 0, 1)]
        return np.asarray(np.all(around, axis=0))

    may = (gathered.traced & ~gathered.anywhere)[1:-1, 1:-1]
    seen, hidden = all_around(gathered.seen == gathered.looks), all_around(gathered.seen == 0)
    assert np.array_equal(gathered.bits("seen")[:, 1:-1, 1:-1], seen & may)
    assert np.array_equal(gathered.bits("hidden")[:, 1:-1, 1:-1], hidden & may)
    for light in range(len(LIGHTS.lights)):
        assert 0.1 < (seen & may)[light].sum() / may.sum() < 0.9, light
        assert 0.1 < (hidden & may)[light].sum() / may.sum() < 0.9, light


def test_looking_no_more_changes_next_to_nothing(
    session_device: Device, gathered: Gathered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SETTLING_SAMPLES < SAMPLES
    monkeypatch.setattr(LightRays, "settles", False)
    with watched(session_device) as gpu:
        all_rays = Gathered(gpu)
    assert not all_rays.bits("seen").any() and not all_rays.bits("hidden").any()
    assert gathered.looks.sum() < 0.6 * all_rays.looks.sum()
    some, every = (found.seen / np.maximum(found.looks, 1) for found in (gathered, all_rays))
    assert np.abs(some - every).mean() < 2e-3
    for name, image in gathered.images.items():
        error = np.abs(image - all_rays.images[name]).mean() / np.abs(all_rays.images[name]).mean()
        assert error < 1e-3, name


def test_a_scene_before_leaves_nothing_behind(session_device: Device) -> None:
    """Where it had face and this one has none, its rays must not agree with those beside them."""
    small = Scene(tuple(halved(part) for part in HEAD.parts), LIGHTS)
    with watched(session_device) as gpu:
        alone, after = Gathered(gpu, small), Gathered(gpu, small, before=HEAD)
    assert np.array_equal(alone.settled, after.settled)
    assert np.array_equal(alone.looks, after.looks) and np.array_equal(alone.seen, after.seen)
    for name, image in alone.images.items():
        assert np.array_equal(image, after.images[name]), name


@pytest.mark.parametrize("moved", [None, (1,)], ids=["all at rest", "one has moved"])
def test_settled_lights_are_drawn_as_their_shadow_texels_are(gpu: Device, keep: Keep, moved: tuple[int] | None) -> None:
    """Which of them the G-buffer need not ask. After a move, those that stay are not looked for and are neither."""
    buffers = keep(SceneBuffers(gpu, HEAD))
    cache = keep(LightCache(gpu, buffers, size=SIZE, samples=SAMPLES, background=False))
    gather(cache, buffers)
    if moved is not None:
        cache.restart(moved)
        gather(cache, buffers)
    visible = keep(visible_triangles(gpu, buffers, 128, 128, face_triangles))
    gbuffer = keep(GBuffer(gpu, buffers, cache, visible))
    buffers.set_frame(HEAD.camera, 128, 128, jitter=(0.0, 0.0), sample_index=0)
    command = keep(gpu.commands())
    with command:
        visible.record(command)
        command.barrier()
        gbuffer.record(command)
    words, face = [], np.zeros(0, bool)
    for settled in (cache.settled.read(), np.zeros(cache.settled.size, np.uint8)):
        cache.settled.write(settled)
        gpu.submit(command)
        words.append(gbuffer.features.read(np.float16, (-1, VECTORS, TILE_PIXELS, 8)).swapaxes(1, 2))
        face = np.isfinite(gbuffer.surface.read(np.float32, (-1, TILE_PIXELS, 2))[..., 0])
    from_bits, from_texels = (of[face].astype(np.float32) for of in words)
    assert face.sum() > 3000
    assert np.allclose(from_bits, from_texels, rtol=2e-3, atol=1e-4)  # neighbours among the halves
    assert (from_bits != from_texels).mean() < 1e-3
