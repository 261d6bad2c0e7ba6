"""Filling a data set: reproducible, resumable, within the ranges it promises."""

import math
from pathlib import Path

import numpy as np
import pytest

from app.errors import BungyoError, InputError
from app.network.schema import LIGHT_CHANNELS, unpack
from app.scene.lights import AreaLight, DirectionalLight, PointLight
from app.training.dataset import SPLITS, Dataset, split_of
from app.training.generate import JUDGED_SPP_FACTOR, TileSelection, generate
from app.training.situations import LUMINANCE, Ranges, black_body, draw, lobe_map
from tests.training.sphere_source import RADIUS, SphereSource

BOUNDS = np.array([[-RADIUS] * 3, [RADIUS] * 3])


def make(out: Path, frames: int = 12, source: SphereSource | None = None, seed: int = 5) -> int:
    return generate(source or SphereSource(), out, frames=frames, spp=4, seed=seed, size=(96, 80), shard_frames=4)


def contents(path: Path) -> dict[int, bytes]:
    data = Dataset(path)
    return {h: data.tiles(h).tobytes() for h in data.hashes}


def test_same_seed_same_data(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(tmp_path / name, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b") != contents(tmp_path / "c")
    assert Dataset(tmp_path / "a").frames == Dataset(tmp_path / "b").frames


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), BungyoError("The GPU was lost.")])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(tmp_path: Path, failure: BaseException) -> None:
    make(tmp_path / "whole")
    with pytest.raises(type(failure)):
        make(tmp_path / "set", source=SphereSource(fail_at=6, failure=failure))
    assert list(Dataset(tmp_path / "set").frames) == list(range(6))  # also the shard that was under way
    assert make(tmp_path / "set") == 6
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")
    assert make(tmp_path / "set") == 0
    assert make(tmp_path / "set", frames=14) == 2


def test_frames_are_described_and_split(tmp_path: Path) -> None:
    make(tmp_path / "set", frames=32)
    data = Dataset(tmp_path / "set")
    splits = [frame.split for frame in data.frames.values()]
    assert splits == ["train"] * 8 + ["validation"] * 8 + ["train"] * 8 + ["held-out"] * 8
    for index, frame in data.frames.items():
        assert frame.spp == (4 if frame.split == "train" else 4 * JUDGED_SPP_FACTOR)
        again = draw(5, index, BOUNDS, 96 / 80)
        assert frame.camera["position"] == list(again.camera.position)
        assert [light["kind"] for light in frame.lights] == [light["kind"] for light in again.light_records()]
        assert (frame.environment is None) == (again.environment is None)
        if frame.split == "train":
            assert len(frame.lights) + (frame.environment is not None) == 1
    cameras = {split: {str(f.camera) for f in data.frames.values() if f.split == split} for split in SPLITS}
    lights = {
        split: {str((f.lights, f.environment)) for f in data.frames.values() if f.split == split} for split in SPLITS
    }
    assert [len(found) for found in cameras.values()] == [4, 8, 8]  # two cameras a block, or one a frame
    assert [len(found) for found in lights.values()] == [8, 4, 4]
    for kind in (cameras, lights):  # what judges has never been seen
        assert sum(map(len, kind.values())) == len(set.union(*kind.values()))


def test_frames_of_a_view_show_the_same_points_under_other_lights(tmp_path: Path) -> None:
    make(tmp_path / "set", frames=8)
    data = Dataset(tmp_path / "set")
    tiles = np.concatenate([data.tiles(h) for h in data.hashes])
    assert [frame.view for frame in data.frames.values()] == [0, 1] * 4
    for first, others in ((0, (2, 4, 6)), (1, (3, 5, 7))):
        mine = tiles[tiles["frame"] == first]
        mine = mine[np.lexsort(mine["tile_xy"].T)]
        for other in others:
            theirs = tiles[tiles["frame"] == other]
            theirs = theirs[np.lexsort(theirs["tile_xy"].T)]
            np.testing.assert_array_equal(mine["tile_xy"], theirs["tile_xy"])
            a, b = unpack(mine["features"]), unpack(theirs["features"])
            np.testing.assert_array_equal(a[..., ~LIGHT_CHANNELS], b[..., ~LIGHT_CHANNELS])
            assert not np.array_equal(a, b)


def test_other_options_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "set")
    with pytest.raises(InputError, match="was begun with spp 4"):
        generate(SphereSource(), tmp_path / "set", frames=20, spp=8, seed=5, size=(96, 80))
    with pytest.raises(InputError, match="was begun with scene"):
        generate(SphereSource(), tmp_path / "set", frames=20, spp=4, seed=5, size=(96, 80), tile_fraction=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames >= 1, not 0"),
        ({"spp": 0}, "spp >= 1, not 0"),
        ({"seed": -1}, "seed >= 0, not -1"),
        ({"size": (8, 64)}, "16 to 8192 pixels a side, not 8x64"),
        ({"tile_fraction": 0.0}, r"share of tiles must be .* not 0\.0"),
        ({"tile_fraction": math.nan}, r"share of tiles must be .* not nan"),
    ],
)
def test_bad_options_touch_nothing(tmp_path: Path, options: dict[str, object], message: str) -> None:
    given = {"frames": 2, "spp": 1, "size": (64, 64)} | options
    with pytest.raises(InputError, match=message):
        generate(SphereSource(), tmp_path / "set", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()


def test_tile_selection_takes_its_share_in_any_order() -> None:
    tiles = np.arange(100, 1100)
    chosen = TileSelection(0.4, 1).choose(tiles)
    assert 330 < len(chosen) < 470
    shuffled = np.random.default_rng(0).permutation(tiles)
    assert set(shuffled[TileSelection(0.4, 1).choose(shuffled)]) == set(tiles[chosen])
    assert len(TileSelection(1e-9, 1).choose(tiles)) == 1
    assert len(TileSelection(1.0, 1).choose(tiles)) == 1000
    assert len(TileSelection(0.4, 1).choose(tiles[:0])) == 0


def test_situations_keep_to_their_ranges() -> None:
    ranges, behind, kinds = Ranges(), 0, {DirectionalLight: 0, PointLight: 0, AreaLight: 0}
    for index in range(400):
        drawn = draw(0, index, BOUNDS, 1.0)
        camera = drawn.camera
        offset = np.array(camera.position) - np.array(camera.target)
        share = 2 * RADIUS / (2 * camera.distance * math.tan(camera.fov_y / 2))
        assert 0.34 < share < 1.11
        assert abs(math.degrees(math.atan2(offset[0], offset[2]))) <= 75.01
        assert -25.01 <= math.degrees(math.asin(offset[1] / camera.distance)) <= 35.01
        assert 15 <= math.degrees(camera.fov_y) <= 40
        assert camera.near < camera.distance - RADIUS
        assert drawn.lights or drawn.environment is not None
        assert len(drawn.lights) <= (1 if split_of(index) == "train" else 4)
        for light in drawn.lights:
            kinds[type(light)] += 1
            assert float(np.dot(light.color, LUMINANCE)) == pytest.approx(1.0)
            if isinstance(light, DirectionalLight):
                z = -light.direction[2]
            else:
                z = light.position[2] if isinstance(light, PointLight) else light.center[2]
            behind += z < 0
        if drawn.environment is not None:
            assert np.isfinite(drawn.environment.pixels).all() and drawn.environment.pixels.min() >= 0
            assert drawn.environment.intensity > 0
    total = sum(kinds.values())
    assert min(kinds.values()) > 0.2 * total
    assert 0.2 < behind / total < 0.4 and ranges.from_behind == 0.3


def test_colors_of_black_bodies() -> None:
    warm, day, blue = black_body(2500.0), black_body(6504.0), black_body(12000.0)
    assert warm[0] > warm[1] > warm[2] and blue[2] > blue[1] > blue[0]
    np.testing.assert_allclose(day, 1.0, atol=0.06)  # Rec.709 white is D65, near the locus but not on it


def test_lobes_point_where_environments_say() -> None:
    pixels = lobe_map([0.1] * 3, [{"axis": [1.0, 0.0, 0.0], "color": [1.0, 2.0, 3.0], "sharpness": 20.0}])
    row, column = np.unravel_index(pixels[..., 0].argmax(), pixels.shape[:2])
    u, v = (column + 0.5) / 64, (row + 0.5) / 32
    theta, phi = v * math.pi, (u - 0.5) * 2 * math.pi  # u = atan2(x, -z) / (2 pi) + 0.5, v = acos(y) / pi
    direction = (math.sin(theta) * math.sin(phi), math.cos(theta), -math.sin(theta) * math.cos(phi))
    assert direction[0] > 0.99


def test_a_set_for_scores_only(tmp_path: Path) -> None:
    generate(SphereSource(), tmp_path / "set", frames=4, spp=3, seed=5, size=(96, 80), held_out=True)
    frames = Dataset(tmp_path / "set").frames.values()
    assert all(frame.split == "held-out" and frame.spp == 3 for frame in frames)
    assert len({tuple(frame.camera["position"]) for frame in frames}) == 4
    with pytest.raises(InputError, match="was begun with scene"):
        generate(SphereSource(), tmp_path / "set", frames=6, spp=3, seed=5, size=(96, 80))
