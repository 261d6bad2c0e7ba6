"""Filling a data set: reproducible, resumable, within the ranges it promises."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.errors import BungyoError, InputError
from app.network.schema import LIGHT_CHANNELS, unpack
from app.scene.environment import LUMINANCE
from app.scene.lights import AreaLight, DirectionalLight, PointLight
from app.training.dataset import Dataset
from app.training.frames import JUDGED_SPP_FACTOR, Plan, TileSelection, make_again
from app.training.generate import Here, generate
from app.training.groups import toward
from app.training.manifest import BLOCK, SPLITS, block_of, split_of, split_of_number
from app.training.metrics import KEY_LUMINANCE, LIT_LUMINANCE
from app.training.records import camera_of, camera_record, light_records, lights_of
from app.training.situations import XYZ_TO_REC709, Ranges, black_body, draw, lobe_map
from tests.training.sphere_source import RADIUS, SpherePeople, SphereSource
from tests.training.test_dataset import contents

BOUNDS = np.array([[-RADIUS] * 3, [RADIUS] * 3])


PLAN = Plan(spp=4, seed=5, size=(96, 80))
WITH_PEOPLE = replace(PLAN, spp=1, size=(48, 48))


def make(out: Path, frames: int = 12, source: SphereSource | None = None, plan: Plan = PLAN) -> int:
    return generate(Here(source or SphereSource()), out, plan, frames)


def test_same_seed_same_data(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        make(tmp_path / name, plan=replace(PLAN, seed=seed))
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
        assert [light["kind"] for light in frame.lights] == [light["kind"] for light in light_records(again.lights)]
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
    before = (tmp_path / "set" / "manifest.jsonl").read_bytes()
    for plan, source, message in (
        (replace(PLAN, spp=8), None, "options: spp was 4 and is now 8$"),
        (replace(PLAN, tile_fraction=0.5), None, "options: --tiles was 0.4 and is now 0.5$"),
        (replace(PLAN, people=3), None, "options: --people was not given and is now 3$"),
        (PLAN, SphereSource(people=SpherePeople()), "options: mesh was sphere and is now not given; radius was "),
        (replace(PLAN, ranges=Ranges(fov=(20, 30))), None, r"options: ranges\.fov was \[15.0, 45.0\] and is now "),
    ):
        with pytest.raises(InputError) as caught:
            make(tmp_path / "set", 20, source, plan)
        assert re.search(message, caught.value.message.rstrip("."))
    assert (tmp_path / "set" / "manifest.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spp": 0}, "spp >= 1, not 0"),
        ({"seed": -1}, "seed >= 0, not -1"),
        ({"size": (8, 64)}, "16 to 8192 pixels a side, not 8x64"),
        ({"tile_fraction": 0.0}, r"share of tiles must be .* not 0\.0"),
        ({"tile_fraction": math.nan}, r"share of tiles must be .* not nan"),
        ({"people": 2}, "3 people or more, so that training, validation and held-out scores have one each, not 2"),
        ({"people": 0, "held_out": True}, "1 people or more, not 0"),
        ({"environments": (Path("a/x.exr"), Path("b/x.exr"))}, "Two environment maps are called x.exr"),
    ],
)
def test_bad_options_touch_nothing(tmp_path: Path, options: dict[str, object], message: str) -> None:
    plan = replace(PLAN, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        make(tmp_path / "set", plan=plan)
    with pytest.raises(InputError, match="frames >= 1, not 0"):
        make(tmp_path / "set", 0)
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
    yaws: list[float] = []
    ranges, behind, kinds = Ranges(), 0, {DirectionalLight: 0, PointLight: 0, AreaLight: 0}
    for index in range(400):
        drawn = draw(0, index, BOUNDS, 1.0)
        camera = drawn.camera
        offset = np.array(camera.position) - np.array(camera.target)
        share = 2 * RADIUS / (2 * camera.distance * math.tan(camera.fov_y / 2))
        assert 0.14 < share < 1.11
        yaws.append(abs(math.degrees(math.atan2(offset[0], offset[2]))))
        assert -25.01 <= math.degrees(math.asin(offset[1] / camera.distance)) <= 35.01
        assert 15 <= math.degrees(camera.fov_y) <= 45
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
    assert max(yaws) < 110.01 and np.median(yaws) < 40 and 0.05 < np.mean(np.array(yaws) > 75) < 0.18
    assert 0.2 < behind / total < 0.4 and ranges.from_behind == 0.3


def test_situations_are_as_bright_as_they_say() -> None:
    """The lights that face the head, and a surface that sees all of the surroundings."""
    ranges, both = Ranges(), 0
    for index in range(200):
        drawn = draw(0, index, BOUNDS)
        irradiance = sum(toward(light, np.zeros(3))[0] for light in drawn.lights)
        if (environment := drawn.environment) is not None:
            both += bool(drawn.lights)
            rows = environment.pixels.mean(axis=1, dtype=np.float64) @ LUMINANCE
            solid_angle = np.sin((np.arange(len(rows)) + 0.5) / len(rows) * math.pi)
            irradiance += math.pi * environment.intensity * np.average(rows, weights=solid_angle)
        assert irradiance == pytest.approx(drawn.irradiance)
        if split_of(index) == "train":
            assert ranges.irradiance[0] <= drawn.irradiance <= ranges.irradiance[1]
    assert both > 5


def test_cameras_stay_out_of_the_head_and_upright_pictures_hold_it() -> None:
    long = BOUNDS * [1.0, 1.0, 4.0]
    for index in range(100):
        position = np.array(draw(0, index, long, ranges=Ranges(off_center=0.0)).camera.position)
        assert (np.abs(position) > long[1]).any()
        camera = draw(0, index, BOUNDS, 0.5).camera
        assert 2 * RADIUS / (2 * camera.distance * math.tan(camera.fov_y / 2)) < 0.5 * Ranges().head_share[1] + 1e-6


def test_most_lamps_are_warm() -> None:
    """Colour temperatures are as evenly spread as they look: uniform in 1/T."""
    colors = [light.color for index in range(300) for light in draw(0, index, BOUNDS).lights]
    assert 0.65 < np.mean([red > blue for red, _, blue in colors]) < 0.85


def test_faces_that_light_hardly_reaches_stay_dark(tmp_path: Path) -> None:
    """Those are exposed as if they had a tenth of the light before them, so their noise is not all that is seen."""
    make(tmp_path / "set", 3 * BLOCK)
    limits, exposures = [], []
    for index, frame in Dataset(tmp_path / "set").frames.items():
        irradiance = draw(PLAN.seed, index, BOUNDS, 96 / 80).irradiance
        limits.append(math.log2(KEY_LUMINANCE / (0.1 * LIT_LUMINANCE * irradiance)))
        exposures.append(frame.exposure_ev)
    dark = np.isclose(exposures, limits)
    assert 0 < dark.sum() < 0.3 * len(dark) and (np.array(exposures) < np.array(limits) + 1e-6).all()


def test_colors_of_black_bodies() -> None:
    for kelvin, place in {  # CIE xy of the Planckian locus
        2000.0: (0.5267, 0.4133),
        2856.0: (0.4476, 0.4074),
        3500.0: (0.4053, 0.3907),
        5000.0: (0.3451, 0.3516),
        10000.0: (0.2807, 0.2884),
    }.items():
        xyz = np.linalg.inv(XYZ_TO_REC709) @ black_body(kelvin)
        np.testing.assert_allclose(xyz[:2] / xyz.sum(), place, atol=1e-3)
    for kelvin in (2222.0, 4000.0):  # where the pieces of the fit meet
        np.testing.assert_allclose(black_body(kelvin - 1e-3), black_body(kelvin + 1e-3), atol=2e-3)
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
    plan = replace(PLAN, spp=3, held_out=True)
    make(tmp_path / "set", 4, plan=plan)
    frames = Dataset(tmp_path / "set").frames.values()
    assert all(frame.split == "held-out" and frame.spp == 3 for frame in frames)
    assert len({tuple(frame.camera["position"]) for frame in frames}) == 4
    assert all(frame.view == frame.index for frame in frames)  # nothing is mixed with anything
    with pytest.raises(InputError, match="held_out was True and is now not given"):
        make(tmp_path / "set", 6, plan=replace(PLAN, spp=3))


def test_every_block_has_its_own_person(tmp_path: Path) -> None:
    make(tmp_path / "set", 5 * BLOCK + 3, SphereSource(people=SpherePeople()), WITH_PEOPLE)
    data = Dataset(tmp_path / "set")
    assert list(data.people) == list(range(6))
    assert len({person.seed for person in data.people.values()}) == 6
    assert len({person.values["tone"] for person in data.people.values()}) == 6
    for index, frame in data.frames.items():
        assert split_of_number(data.people[block_of(index)].seed) == frame.split


def seen(path: Path) -> tuple[dict[str, set[str]], ...]:
    """Per split: person seeds, cameras, lights."""
    data = Dataset(path)
    people: dict[str, set[str]] = {split: set() for split in SPLITS}
    cameras: dict[str, set[str]] = {split: set() for split in SPLITS}
    lights: dict[str, set[str]] = {split: set() for split in SPLITS}
    for index, frame in data.frames.items():
        people[frame.split].add(str(data.people[block_of(index)].seed))
        cameras[frame.split].add(str(frame.camera["position"]))
        lights[frame.split].update(str(light) for light in (*frame.lights, frame.environment) if light)
    return people, cameras, lights


@pytest.mark.parametrize("limit", [None, 4])
def test_what_judges_is_never_trained_on(tmp_path: Path, limit: int | None) -> None:
    """No person, camera or light of one split is in another, in one set, or in one for scores with the same seed."""
    plan = replace(WITH_PEOPLE, people=limit, size=(32, 32))
    make(tmp_path / "set", 14 * BLOCK, SphereSource(people=SpherePeople()), plan)
    make(tmp_path / "judge", 6 * BLOCK, SphereSource(people=SpherePeople()), replace(plan, held_out=True))
    for kind in range(3):
        ours, judge = seen(tmp_path / "set")[kind], seen(tmp_path / "judge")[kind]["held-out"]
        assert all(ours.values()) and judge
        assert len(set.union(*ours.values())) == sum(map(len, ours.values()))
        assert not judge & (ours["train"] | ours["validation"])
    people = seen(tmp_path / "set")[0]
    assert [len(people[split]) for split in SPLITS] == ([10, 2, 2] if limit is None else [2, 1, 1])
    expressions = {person.values["tone"] for person in Dataset(tmp_path / "set").people.values()}
    assert len(expressions) == 14


def test_people_of_different_sets_belong_to_the_same_splits(tmp_path: Path) -> None:
    """Whatever the seed of a set: no person of its training judges anywhere."""
    for seed in range(3):
        make(tmp_path / str(seed), 4 * BLOCK, SphereSource(people=SpherePeople()), replace(WITH_PEOPLE, seed=seed))
    seeds = [{s for p in Dataset(tmp_path / str(seed)).people.values() for s in [p.seed]} for seed in range(3)]
    assert len(set.union(*seeds)) == 12
    for found in seeds:
        assert [sum(split_of_number(s) == split for s in found) for split in SPLITS] == [2, 1, 1]


def test_frames_are_made_again_from_the_manifest(tmp_path: Path) -> None:
    make(tmp_path / "set", 4 * BLOCK, SphereSource(people=SpherePeople()), WITH_PEOPLE)
    data = Dataset(tmp_path / "set")
    stored = np.concatenate([data.tiles(h) for h in data.hashes])
    source = SphereSource(people=SpherePeople())
    for index in (30, 0, 11):
        again = make_again(source, data.spec, data.frames[index], data.people[block_of(index)])
        records = again.records(index)[np.argsort(again.hashes, kind="stable")]
        assert len(records) and records.tobytes() == stored[stored["frame"] == index].tobytes()
    with pytest.raises(InputError, match="made by another source: mesh, radius differs"):
        make_again(SphereSource(), data.spec, data.frames[0], None)
    with pytest.raises(InputError, match="version 1 do not tell enough"):
        make_again(source, data.spec, msgspec.structs.replace(data.frames[0], seeds=None), data.people[0])


def test_records_give_back_every_bit() -> None:
    for index in range(300):
        drawn = draw(1, index, BOUNDS)
        record = json.loads(json.dumps([camera_record(drawn.camera), light_records(drawn.lights)]))
        assert camera_of(record[0]) == drawn.camera and lights_of(record[1]) == drawn.lights
    with pytest.raises(InputError, match="unknown kind 'candle'"):
        lights_of([{"kind": "candle"}])
    with pytest.raises(InputError, match="recorded Camera is damaged"):
        camera_of({"position": [0, 0, 1], "lens": 50})
