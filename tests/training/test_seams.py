"""Seams where they can be worked out by hand: known steps, known noise, and borders that are none."""

import math
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.network.schema import TILE, channels, pack, unpack
from app.network.tile_hash import HASH_SCALE
from app.network.twin import forward
from app.network.weights import WeightSet
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight
from app.scene.tonemap import tonemap
from app.training.dataset import Dataset
from app.training.face_image import FaceImage, Shift, draw, face_images
from app.training.frames import Plan, TileSelection
from app.training.generate import Here, generate
from app.training.manifest import TileBatch
from app.training.seams import LEVELS, Borders, GridShift, SeamRatio, bootstrap, check_scale, seams_of, shown_change
from tests.training.made_faces import GRAIN, RIPPLE, SIZE, TONE, checkered, flat_face, grainy_face
from tests.training.sphere_source import SphereSource

OFFSET = 0.006


def seams(weights: WeightSet, images: list[FaceImage]) -> SeamRatio:
    rows = [Borders(weights, image).sums(draw(weights, image)) for image in images]
    return seams_of(rows, [image.cluster for image in images])


def grid_shift(weights: WeightSet, image: FaceImage, shift: Shift = (TILE // 2, TILE // 2)) -> GridShift:
    return GridShift.of([shown_change(image, draw(weights, image), draw(weights, image, shift))])


def shown(radiance: float) -> float:
    return float(tonemap(np.full(3, radiance))[0])


@pytest.mark.parametrize("noise", [0.0, 0.008])
def test_known_steps_give_their_ratios_through_noise(noise: float) -> None:
    found = seams(checkered(OFFSET), [grainy_face(seed, noise) for seed in range(4)])
    # Across a border the error jumps by the step of 2 OFFSET as well; along an edge all its pixels do.
    inside = 2.0 * GRAIN**2 + (2.0 * RIPPLE) ** 2
    assert found.ratio == pytest.approx(math.sqrt(1.0 + (2.0 * OFFSET) ** 2 / inside), rel=0.05)
    assert found.line_ratio == pytest.approx(math.sqrt(1.0 + (OFFSET / RIPPLE) ** 2), rel=0.05)
    assert found.step == pytest.approx(LEVELS * (shown(TONE + OFFSET) - shown(TONE - OFFSET)), rel=1e-3)
    assert found.pairs == 4 * 2 * 7 * SIZE
    assert 0.0 < found.deviation < 0.1 and found.line_deviation < 0.1 and found.step_deviation < 1e-3


def test_borders_that_nobody_sees_have_the_ratio_1() -> None:
    """Different networks that draw the same: what is left is the same everywhere."""
    found = seams(checkered(0.0), [grainy_face(seed, 0.008) for seed in range(4)])
    assert found.ratio == found.line_ratio == 1.0 and found.step == 0.0
    # That is so because the generalist's own is divided out; it is 1 as well, but for chance.
    faces = [grainy_face(seed, 0.008) for seed in range(8)]
    rows = np.sum([Borders(checkered(0.0), face).sums(face.target) for face in faces], axis=0)
    across, inside = rows[:, 7:] / rows[:, 1:3]
    np.testing.assert_allclose(across / inside, 1.0, atol=0.1)
    picture = seams_of([Borders(checkered(0.0), face).sums(face.target) for face in faces], range(8))
    assert picture.picture_ratio == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("chance", [-0.9, 0.0, 3.0])
def test_chance_that_all_networks_share_is_taken_away(chance: float) -> None:
    """Even where it leaves the generalist next to no jumps across borders, by which nothing could be divided."""
    across = [100.0, 100.0, 100.0, 1.0, 0.2, *(jumps + 100.0 * chance for jumps in (121.0, 144.0, 100.0, 100.0))]
    inside = [100.0, 100.0, 100.0, 1.0, 0.1, *4 * [100.0]]
    found = seams_of([np.array([across, inside])] * 2, [0, 1])
    assert (found.ratio, found.line_ratio) == pytest.approx((1.1, 1.2))
    assert found.step == pytest.approx(LEVELS * math.sqrt(0.2 / 100.0 - 0.1 / 100.0))  # what is inside is no step


def test_noisy_places_are_left_out() -> None:
    """Fireflies in one corner: unbiased, but they would outweigh everything."""
    faces = [grainy_face(seed) for seed in range(4)]
    for number, face in enumerate(faces):
        corner = face.target[:40, :40]
        corner[number::8, ::8] += 2.0
        face.variance[:40, :40] = 4.0
    found = seams(checkered(OFFSET), faces)
    assert found.ratio == pytest.approx(seams(checkered(OFFSET), [grainy_face(9)]).ratio, rel=0.05)


def test_standard_errors_of_few_are_as_large_as_those_of_means() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4))
    rows = np.stack([values.ravel(), np.ones(12)], axis=-1)
    (found,) = bootstrap(rows, np.arange(3).repeat(4).tolist(), lambda sums: sums[..., :1] / sums[..., 1:])
    assert found == pytest.approx(values.mean(axis=1).std(ddof=1) / math.sqrt(3.0), rel=0.06)


def test_frames_that_say_nothing_change_nothing() -> None:
    weights, faces = checkered(OFFSET), [grainy_face(seed) for seed in range(3)]
    hidden = replace(faces[0], face=np.zeros((SIZE, SIZE), bool))
    unknown = replace(faces[0], variance=np.full((SIZE, SIZE, 3), np.inf, np.float32))
    np.testing.assert_equal(astuple(seams(weights, [*faces, hidden, unknown])), astuple(seams(weights, faces)))
    no_experts = replace(weights, table=np.zeros_like(weights.table))
    for nothing in (seams(weights, [hidden]), seams(weights, [unknown]), seams(no_experts, faces), seams_of([], [])):
        assert nothing.pairs == 0 and math.isnan(nothing.ratio) and math.isnan(nothing.step)
    alone = seams(weights, faces[:1])
    assert alone.ratio > 1.5 and math.isnan(alone.deviation)


def test_frames_of_one_person_are_one_cluster() -> None:
    weights, faces = checkered(OFFSET), [grainy_face(seed, 0.008) for seed in range(6)]
    together = seams(weights, [replace(face, cluster=9) for face in faces])
    assert together.pairs > 0 and math.isnan(together.deviation) and math.isnan(together.step_deviation)
    apart = seams(weights, faces)
    again = seams(weights, [*faces, *faces, *faces])  # thrice the frames, but nobody new
    assert again.ratio == pytest.approx(apart.ratio) and again.deviation == pytest.approx(apart.deviation)


def test_moving_the_grid_shows_what_it_changes() -> None:
    weights, face = checkered(OFFSET), flat_face()
    found = grid_shift(weights, face)
    # By half a tile: all tiles show two bins and fall back to the generalist, but the quarters in the four corners.
    kept = 4 * (TILE // 2) ** 2 / SIZE**2
    steps = [LEVELS * abs(shown(TONE + sign * OFFSET) - shown(TONE)) for sign in (1.0, -1.0)]
    assert found.mean == pytest.approx(np.mean(steps) * (1.0 - kept), rel=1e-3)
    assert found.p95 == pytest.approx(max(steps), rel=1e-3)
    still = grid_shift(weights, face, (0, 0))
    assert still.mean == still.p95 == 0.0
    hidden = replace(face, face=np.zeros((SIZE, SIZE), bool))
    assert math.isnan(grid_shift(weights, hidden).mean)


def test_surfaces_end_where_uv_or_normals_jump() -> None:
    whole = flat_face()
    assert whole.neighbors(0).all() and whole.neighbors(1).all()
    features = unpack(whole.features)
    features[:, 64:, channels("uv")] = features[:, 64:, channels("uv")][::-1]
    features[40:, :, channels("normal")] = 1.0, 0.0, 0.0
    broken = replace(whole, features=pack(features), face=whole.face & (np.arange(SIZE) != 9))
    down, right = broken.neighbors(0), broken.neighbors(1)
    # Turned upside down, the right half fits the left one in the middle alone.
    assert not right[:50, 63].any() and right[20, 62] and right[20, 64] and not right[20, 8:10].any()
    assert not down[39].any() and down[38, :9].all() and not down[38, 9]


@pytest.fixture(scope="module")
def batch() -> TileBatch:
    return SphereSource(noise=0.0).render(
        Camera(),
        [DirectionalLight((0.3, -0.5, -1.0), irradiance=3.0)],
        None,
        size=(90, 70),
        spp=4,
        jitter=(0.0, 0.0),
        seed=0,
        selection=TileSelection(1.0, 0),
    )


def test_a_frame_is_put_together_from_its_tiles(batch: TileBatch) -> None:
    image = FaceImage.from_batch(batch, (90, 70), 0.0)
    hashes = image.tile_hashes(HASH_SCALE)
    x, y = batch.tile_xy.T.astype(int)
    np.testing.assert_array_equal(hashes[y, x], batch.hashes)
    assert hashes.sum() == batch.hashes.sum(dtype=np.uint64)
    weights = WeightSet.untrained((32, 8, 15), slots=5)
    picture = draw(weights, image)
    for tile in range(0, len(batch), 3):
        rows, columns = (slice(start * TILE, start * TILE + TILE) for start in (y[tile], x[tile]))
        drawn = forward(weights, unpack(batch.features[tile]), batch.light_scale[tile], batch.hashes[tile])
        drawn[~batch.mask[tile]] = 0.0
        whole = np.zeros((TILE, TILE, 3), np.float32)
        seen = picture[rows, columns]
        whole[: seen.shape[0], : seen.shape[1]] = seen
        np.testing.assert_array_equal(whole.reshape(-1, 3), drawn)


def test_a_shifted_grid_is_that_of_a_shifted_camera(batch: TileBatch) -> None:
    image = FaceImage.from_batch(batch, (90, 70), 0.0)
    padding = ((3, 0), (5, 0))
    moved = replace(
        image,
        features=np.pad(image.features, (*padding, (0, 0))),
        light_scale=np.pad(image.light_scale, padding),
        face=np.pad(image.face, padding),
        hashes=None,
    )
    np.testing.assert_array_equal(image.tile_hashes(8, (5, 3)), moved.tile_hashes(8))
    weights = WeightSet.untrained((32, 8, 15), slots=5)
    np.testing.assert_array_equal(draw(weights, image, (5, 3)), draw(weights, moved)[3:, 5:])
    assert not np.array_equal(draw(weights, image), draw(weights, image, (5, 3)))


def test_networks_are_chosen_as_the_renderer_chose_them(tmp_path: Path) -> None:
    """Hair that hides a part of the face takes pixels from the mask, but none from the hash."""

    class Haired(SphereSource):
        def render(self, *arguments: Any, **named: Any) -> TileBatch:
            tiles = super().render(*arguments, **named)
            hidden = (unpack(tiles.features)[..., channels("uv")][..., 1] > 0.55) & tiles.mask
            return replace(tiles, mask=tiles.mask & ~hidden)

    generate(Here(Haired(noise=0.1)), tmp_path / "set", Plan(8, 1, (96, 96), 1.0, held_out=True), 2)
    data = Dataset(tmp_path / "set")
    weights = WeightSet.untrained((32, 8, 15), slots=5)
    changed = 0
    for index, image in zip(data.frames, face_images(data), strict=True):
        picture, chosen = draw(weights, image), image.tile_hashes(HASH_SCALE)
        changed += int((replace(image, hashes=None).tile_hashes(HASH_SCALE) != chosen).sum())
        for tile_hash in data.hashes:
            tiles = data.tiles(tile_hash)
            for tile in tiles[tiles["frame"] == index]:
                (x, y), mask = tile["tile_xy"].astype(int), tile["mask"].astype(bool)
                assert chosen[y, x] == (tile_hash if mask.any() else 0)
                drawn = forward(weights, unpack(tile["features"]), tile["light_scale"], tile_hash)
                seen = picture[y * TILE :, x * TILE :][:TILE, :TILE].reshape(-1, 3)
                np.testing.assert_array_equal(seen[mask], drawn[mask])
    assert changed > 3
    assert not np.array_equal(image.tile_hashes(HASH_SCALE, (8, 8)), image.tile_hashes(HASH_SCALE))


def test_whole_frames_of_a_data_set_are_judged(tmp_path: Path) -> None:
    generate(Here(SphereSource(noise=0.1)), tmp_path / "set", Plan(8, 1, (96, 96), 1.0, held_out=True), 3)
    data = Dataset(tmp_path / "set")
    images = list(face_images(data))
    assert len(images) == 3 and {image.face.shape for image in images} == {(96, 96)}
    assert [image.exposure_ev for image in images] == [frame.exposure_ev for frame in data.frames.values()]
    weights = WeightSet.untrained((32, 8, 15), slots=5)
    check_scale(weights, data)
    found = seams(weights, images)
    assert found.pairs > 500
    assert found.line_ratio > 2.0  # five networks that have nothing in common
    with pytest.raises(InputError, match="hash tiles at different scales, 4 and 8"):
        check_scale(replace(weights, hash_scale=4), data)
    with pytest.raises(InputError, match="has no validation frames"):
        list(face_images(data, "validation"))
    generate(Here(SphereSource()), tmp_path / "some", Plan(2, 1, (64, 64), 0.5, held_out=True), 1)
    with pytest.raises(InputError, match="does not have all tiles") as caught:
        list(face_images(Dataset(tmp_path / "some")))
    assert "--tiles 1" in caught.value.hint
