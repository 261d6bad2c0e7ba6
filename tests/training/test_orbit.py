"""Flicker where it is known: nothing moves but the camera, so what is glued to the surface does not flicker."""

import math
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import F32
from app.network.schema import to_tiles, unpack
from app.network.tile_hash import HASHES
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight
from app.training.face_image import FaceImage
from app.training.metrics import KEY_LUMINANCE, LUMINANCE, plain_shading
from app.training.orbit import (
    FRAMES,
    Flicker,
    Motion,
    Orbit,
    OrbitFrame,
    flicker_of,
    flicker_ratio,
    record_orbit,
    track,
)
from tests.training.made_faces import SIZE, checkered, flat_face
from tests.training.sphere_source import SphereSource, skin

LIGHT = DirectionalLight((0.3, -0.5, -1.0), irradiance=3.0)
STEP = math.radians(1.0)
WEIGHTS = checkered(0.0)


def make(noise: float) -> Orbit:
    return record_orbit(
        SphereSource(noise), Camera(), [LIGHT], None, size=(80, 80), spp=8, step=STEP, progress=lambda done: None
    )


@pytest.fixture(scope="module")
def orbit() -> Orbit:
    return make(0.0)


@pytest.fixture(scope="module")
def clean(orbit: Orbit) -> list[FaceImage]:
    return [frame.image for frame in orbit]


@pytest.fixture(scope="module")
def motion(orbit: Orbit) -> Motion:
    return Motion(orbit)


def truth(image: FaceImage) -> F32:
    return skin(unpack(image.features), image.light_scale)


def paint(image: FaceImage) -> F32:
    """A pattern that is glued to the surface."""
    u, v = np.moveaxis(image.feature("uv"), -1, 0)
    return np.where(image.face, 0.1 * np.sin(12.0 * u) * np.cos(6.0 * v), 0.0)[..., None].repeat(3, axis=-1)


def flicker(motion: Motion, pictures: list[F32]) -> Flicker:
    return flicker_of(list(motion.sums(pictures)[:, None]))  # every pair of frames as if of another head


@pytest.mark.parametrize("move", [(0.0, 0.0), (1.25, -0.5), (-3.0, 2.75)])
def test_points_are_found_again_between_pixels(move: tuple[float, float]) -> None:
    first, second = flat_face(), flat_face(offset=move)
    found = track(first, second)
    y, x = np.nonzero(found.found)
    place = (found.weights[..., None] * np.stack([found.taps % SIZE, found.taps // SIZE], axis=-1)).sum(axis=1)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(place - np.stack([x, y], axis=-1), np.broadcast_to(move, place.shape), atol=0.1)
    assert len(y) > 0.85 * SIZE**2  # all but the edges that have left the picture


def test_no_point_is_found_where_the_surface_ends() -> None:
    first, second = flat_face(), flat_face(offset=(1.0, 0.0))
    hole = replace(second, face=second.face & ~((np.indices((SIZE, SIZE)) - 64) ** 2 < 25).all(axis=0))
    found = track(first, hole)
    assert not found.found[60:69, 59:68].any() and found.found[64, 40:54].all()
    assert hole.face.reshape(-1)[found.taps].all()


def test_the_truth_flickers_as_the_reference(clean: list[FaceImage], motion: Motion) -> None:
    found = flicker(motion, [image.target for image in clean])
    assert found.ratio == found.second_ratio == 1.0 and found.error == 0.0
    assert found.neural == found.reference > 0.1


def test_noise_of_the_reference_is_no_flicker(clean: list[FaceImage], motion: Motion) -> None:
    noisy, pictures = make(0.03), [truth(image) for image in clean]
    assert not np.array_equal(noisy[0].image.target, noisy[0].again)
    found, known = flicker(Motion(noisy), pictures), flicker(motion, pictures)
    assert found.reference == pytest.approx(known.reference, rel=0.1)
    assert found.ratio == pytest.approx(1.0, abs=0.1) and found.error < 0.3
    with_noise = flicker(motion, [frame.image.target for frame in noisy])
    assert with_noise.neural > 2.5 * known.neural  # that is what had to be taken away


def test_what_is_glued_to_the_surface_does_not_flicker(clean: list[FaceImage]) -> None:
    painted = [(0.3 + paint(image)).astype(np.float32) for image in clean]
    still = Motion([OrbitFrame(replace(image, target=one), one) for image, one in zip(clean, painted, strict=True)])
    glued = flicker(still, [0.3 - paint(image) for image in clean])
    assert glued.ratio == pytest.approx(1.0, abs=0.1)  # what finding points between pixels leaves, in both
    sliding = flicker(still, [0.3 - paint(clean[0]) for _ in clean])  # glued to the screen
    assert sliding.neural > 10.0 * glued.neural and sliding.ratio > 10.0 and sliding.error > 5.0 * glued.error


def test_what_changes_from_frame_to_frame_flickers(clean: list[FaceImage], motion: Motion) -> None:
    pictures = [truth(image) * (1.0 + 0.03 * (-1) ** index) for index, image in enumerate(clean)]
    found = flicker(motion, pictures)
    assert found.ratio > 1.2 and found.error > found.reference / 2
    assert found.second_ratio > found.ratio > 1.0 + 2.0 * found.deviation


def test_grain_hides_points_that_pop_but_not_patches(clean: list[FaceImage]) -> None:
    """A reference with grain, and a smooth network whose brightness jumps up and down."""
    grain = [0.02 * np.random.default_rng(seed).choice([-1.0, 1.0], clean[0].target.shape) for seed in range(FRAMES)]
    steady = [0.3 + 0.002 * index for index in range(FRAMES)]
    targets = [(tone + one).astype(np.float32) for tone, one in zip(steady, grain, strict=True)]
    still = Motion([OrbitFrame(replace(i, target=one), one) for i, one in zip(clean, targets, strict=True)])
    flat = [np.full(clean[0].target.shape, tone) for tone in steady]
    good, popping = flicker(still, flat), flicker(still, [one + 0.003 * (-1) ** n for n, one in enumerate(flat)])
    assert good.ratio < 0.2 and good.area_ratio == pytest.approx(1.0, abs=0.15)
    assert popping.ratio < 0.5 and popping.area_ratio > 2.0


def test_an_orbit_is_exposed_as_its_face_is_lit(clean: list[FaceImage]) -> None:
    """What lies beside the face has no say in it, nor any frame but the first."""
    first = clean[0]
    shaded = plain_shading(unpack(first.features[first.face]), first.light_scale[first.face])
    assert (shaded @ LUMINANCE).mean() * 2.0**first.exposure_ev == pytest.approx(KEY_LUMINANCE, rel=1e-4)
    assert {image.exposure_ev for image in clean} == {first.exposure_ev}


def test_points_without_a_second_target_are_no_face() -> None:
    class Spoiled(SphereSource):
        def render(self, *arguments, **named):  # type: ignore[no-untyped-def]
            tiles = super().render(*arguments, **named)
            tiles.target[:, 7 + named["seed"] % 2] = np.nan  # another pixel of every tile in either half
            return tiles

    spoiled = record_orbit(Spoiled(0.0), Camera(), [LIGHT], None, size=(80, 80), spp=8, step=STEP, frames=1)[0]
    lost = to_tiles(make(0.0)[0].image.face & ~spoiled.image.face)
    assert lost[:, 7:9].sum() > 10 and lost.sum() == lost[:, 7:9].sum() and lost[:, 7].any() and lost[:, 8].any()


def test_networks_that_change_with_the_tile_flicker(orbit: Orbit) -> None:
    same = flicker_ratio(WEIGHTS, [orbit])
    every_hash = (np.arange(HASHES) % 3).astype(np.uint32)
    popping = flicker_ratio(replace(checkered(0.05), table=every_hash), [orbit, orbit[:3]])
    assert popping.neural > 2.0 * same.neural and popping.error > 1.2 * same.error
    assert len(orbit) == FRAMES


def test_few_frames_say_little(orbit: Orbit) -> None:
    one, two, three = (flicker_ratio(WEIGHTS, [orbit[:count]]) for count in (1, 2, 3))
    assert math.isnan(one.ratio) and math.isnan(one.reference)
    assert two.reference > 0.0 and math.isnan(two.deviation) and math.isnan(two.second_ratio)
    assert math.isfinite(three.second_ratio) and math.isnan(three.deviation)  # of one head
    both = flicker_ratio(WEIGHTS, [orbit, orbit[:3]])
    assert math.isfinite(both.second_ratio) and math.isfinite(both.deviation)
    nobody = [OrbitFrame(replace(f.image, face=np.zeros_like(f.image.face)), f.again) for f in orbit]
    assert math.isnan(flicker_ratio(WEIGHTS, [nobody]).ratio)


def test_history_follows_the_surface() -> None:
    sliding = [flat_face(offset=(2.0 * index, 0.0)) for index in range(FRAMES)]
    patterns = [np.sin(40.0 * image.feature("uv")[..., :1]).repeat(3, axis=-1) for image in sliding]
    blinking = [pattern * (index % 2) for index, pattern in enumerate(patterns)]
    motion = Motion([OrbitFrame(image, image.target) for image in sliding])
    shares = [0.0]
    for index in range(1, FRAMES):
        shares.append(0.75 * shares[-1] + 0.25 * (index % 2))
    inner = slice(20, -20), slice(20, -20)  # seen by all frames
    for picture, pattern, share in zip(motion.accumulate(blinking, 4), patterns, shares, strict=True):
        np.testing.assert_allclose(picture[inner], share * pattern[inner], atol=0.02)
    assert all(np.array_equal(a, b) for a, b in zip(motion.accumulate(blinking, 1), blinking, strict=True))
