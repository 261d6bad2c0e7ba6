"""Judging networks whose errors are known: figures by hand, noise seen through, parts left out with a reason."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.arrays import F32
from app.errors import InputError
from app.network.layers import flops, parameter_count
from app.network.schema import TILE, channels, unpack
from app.network.twin import forward
from app.network.weights import WeightSet
from app.scene.default import default_scene
from app.scene.tonemap import tonemap
from app.training.dataset import Dataset
from app.training.evaluate import UV_CELLS, draw_wide, evaluate, wide_generalists
from app.training.figures import figures
from app.training.frames import JUDGED_SPP_FACTOR
from app.training.groups import distance_groups, light_groups
from app.training.manifest import BLOCK
from app.training.metrics import TruthError, plain_shading, psnr, squared_error
from app.training.quality import HAS_FLIP, flip, judge_pictures, ssim, with_noise
from tests.training.judged_sphere import LAYERS, linear_skin, make, moved_set, network, weight_set
from tests.training.sphere_source import RADIUS, SpherePeople


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Without noise."""
    return make(tmp_path_factory.mktemp("exact") / "set", noise=0.0)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """64 skewed samples a pixel: their noise, 30 dB, is larger than the errors to be told."""
    return make(tmp_path_factory.mktemp("noisy") / "set", noise=1.0, frames=8)


def pixels_of(data: Dataset, frame: int) -> tuple[F32, F32, F32, np.ndarray]:
    """Features, light scale and truth of a frame's face pixels, and the hash of each."""
    parts = []
    for tile_hash in data.hashes:
        tiles = data.tiles(tile_hash)
        tiles = tiles[tiles["frame"] == frame]
        mask = tiles["mask"].astype(bool)
        features, scale = unpack(tiles["features"])[mask], tiles["light_scale"][mask]
        parts.append((features, scale, linear_skin(features, scale), np.full(len(scale), tile_hash)))
    features, scale, truth, hashes = (np.concatenate(part) for part in zip(*parts, strict=True))
    return features, scale, truth, hashes


def test_figures_by_hand(exact: Dataset) -> None:
    """Without noise every figure is that of a plain comparison of pictures."""
    own = exact.hashes[::2]
    weights = weight_set(0.8, 0.9, own)
    result = evaluate(weights, exact)
    quality = judge_pictures(weights, exact, result, keep=[result.shown[0]])
    found = figures(weights, exact, result, quality=quality)
    db: dict[str, list[float]] = {"experts": [], "generalist": [], "plain": []}
    drawn, uv_pixels = 0, np.zeros((UV_CELLS, UV_CELLS))
    for frame in result.frames:
        features, scale, truth, hashes = pixels_of(exact, frame.info.index)
        u, v = (features[:, channels("uv")] * UV_CELLS).astype(int).T
        np.add.at(uv_pixels, (v, u), 1)
        special = np.isin(hashes, own)
        drawn += int(special.sum())
        pictures = {
            "experts": truth * np.where(special, 0.9, 0.8).astype(np.float32)[:, None],
            "generalist": truth * np.float32(0.8),
            "plain": plain_shading(features, scale),
        }
        for name, picture in pictures.items():
            db[name].append(psnr(float(squared_error(picture, truth, frame.info.exposure_ev).mean())))
        assert frame.pixels == len(truth)
        # the tangent halfway between both networks stands in for the tone map between it and the truth
        assert frame.truth["experts"] == pytest.approx(db["experts"][-1], abs=1.0)
        assert frame.raw["experts"] == pytest.approx(db["experts"][-1], abs=1e-3)
    assert found["psnr_raw_mean"] == pytest.approx(np.mean(db["experts"]), abs=0.01)
    assert found["psnr_raw_worst"] == pytest.approx(min(db["experts"]), abs=0.01)
    assert found["models"]["plain"]["psnr_raw_mean"] == pytest.approx(np.mean(db["plain"]), abs=0.01)
    gain = np.mean(db["experts"]) - np.mean(db["generalist"])
    assert gain > 1.0 and found["gain_over_generalist_db"] == pytest.approx(gain, abs=0.3)
    tiles = {tile_hash: int(exact.tiles(tile_hash)["mask"].any(axis=1).sum()) for tile_hash in exact.hashes}
    share = sum(count for tile_hash, count in tiles.items() if tile_hash not in own) / sum(tiles.values())
    assert found["generalist_tile_share"] == pytest.approx(share, rel=1e-4) and 0.0 < share < 1.0
    assert found["generalist_pixel_share"] == pytest.approx(
        1.0 - drawn / sum(f.pixels for f in result.frames), rel=1e-3
    )
    assert found["flop_per_pixel"] == flops(LAYERS)
    assert found["data"]["frames"] == len(result.frames) == 6 and found["data"]["samples"] == [64]
    np.testing.assert_array_equal(result.uv_pixels, uv_pixels)
    assert result.uv_pixels.sum() == sum(frame.pixels for frame in result.frames)
    assert len(quality.pictures) == 1 and found["ssim_of_noise"] == 1.0
    assert found["seam_ratio"] > 1.5  # a step of 10% between neighbours
    own, seen = found["models"]["experts"], result.truth("experts")
    assert own["psnr_worst"] == found["psnr_worst"] == pytest.approx(seen.min(), rel=1e-4)
    assert own["psnr_worst_frame"] == found["psnr_worst_frame"] == result.frames[int(seen.argmin())].info.index
    assert (own["width"], own["parameters_per_network"]) == (LAYERS[1], parameter_count(LAYERS))
    worst = {"ssim": np.min, "flip": np.max}
    for measure in ("ssim", "flip") if HAS_FLIP else ("ssim",):
        values = getattr(quality, measure)
        assert found[f"{measure}_mean"] == pytest.approx(values["experts"].mean(), rel=1e-4)
        assert found[f"{measure}_worst"] == pytest.approx(worst[measure](values["experts"]), rel=1e-4)
        assert found[f"{measure}_of_noise"] == pytest.approx(values["noise"].mean(), rel=1e-4)


def test_seen_through_the_noise(noisy: Dataset) -> None:
    """From noisy targets alone, a network's distance from the truth; the perfect one's is what noise lets one see."""
    truth_of = {frame: pixels_of(noisy, frame)[2] for frame in noisy.frames}
    last = np.inf
    for factor in (1.0, 0.94, 1.12):
        result = evaluate(weight_set(factor), noisy)
        measured, raw = result.truth("experts").mean(), result.scores["experts"].mean
        if factor == 1.0:
            assert measured > raw + 12.0 and raw == pytest.approx(result.scores["noise"].mean, abs=0.7)
        else:
            true = [
                psnr(float(squared_error(truth * np.float32(factor), truth, noisy.frames[frame].exposure_ev).mean()))
                for frame, truth in truth_of.items()
            ]
            assert measured == pytest.approx(np.mean(true), abs=0.7) and measured > raw + 4.0
        assert measured < last
        last = measured
        assert result.judged_share > 0.99


def test_networks_are_told_apart_though_noise_hides_them(noisy: Dataset) -> None:
    """One set with a better expert for some hashes: a gain, with a doubt that it exceeds."""
    weights = weight_set(0.94, 0.98, noisy.hashes)
    result = evaluate(weights, noisy)
    found = figures(weights, noisy, result)
    assert found["psnr_noise_ceiling"] == pytest.approx(result.scores["noise"].mean, rel=1e-4)
    assert all(group["gain_over_generalist_db"] > 0.0 for group in found["lights"])
    assert found["gain_over_generalist_db"] > 4.0 * found["gain_over_generalist_doubt"] > 0.0
    assert found["generalist_tile_share"] == found["lent_tile_share"] == 0.0
    first, *others = noisy.hashes
    lent = replace(weights, metadata={"reach": {f"0x{first:04x}": 1.0}, "lent": {"hashes": len(others)}})
    result = evaluate(lent, noisy)
    share = sum(result.tiles[tile_hash] for tile_hash in others) / sum(result.tiles.values())
    assert figures(lent, noisy, result)["lent_tile_share"] == pytest.approx(share, rel=1e-4) and 0.0 < share < 1.0
    few = replace(weight_set(0.94, 0.98, noisy.hashes[:2]), metadata=lent.metadata)  # the generalist draws the others
    share = result.tiles[noisy.hashes[1]] / sum(result.tiles.values())
    assert figures(few, noisy, result)["lent_tile_share"] == pytest.approx(share, rel=1e-4)
    alone = weight_set(0.94)
    result = evaluate(alone, noisy)
    found = figures(alone, noisy, result, quality=judge_pictures(alone, noisy, result))
    assert found["generalist_tile_share"] == 1.0 and str(found["gain_over_generalist_db"]) == "0.0"
    assert found["seam_ratio"] is None and "never changes" in found["not_measured"]["seams"]


def test_doubts_are_those_of_people(exact: Dataset, tmp_path: Path) -> None:
    """Frames of one person tell nothing of others, of two something; one fixed face has its lights to draw."""
    weights, found = weight_set(0.8, 0.9, exact.hashes[::2]), {}
    for count in (BLOCK, 2 * BLOCK):
        data = make(tmp_path / str(count), noise=0.1, frames=count, people=SpherePeople())
        result = evaluate(weights, data)
        found[count] = figures(weights, data, result, quality=judge_pictures(weights, data, result))
    one, two = found.values()
    assert one["data"]["people"] == 1 and "All frames show one person" in one["not_measured"]["doubts"]
    for name in ("psnr_mean", "gain_over_generalist", "seam_ratio"):
        assert one[f"{name}_doubt"] is None and two[f"{name}_doubt"] > 0.0
    for group in one["lights"]:  # of one person as well
        assert group["psnr_mean_doubt"] is None and group["gain_over_generalist_doubt"] is None
    assert one["psnr_mean"] > 20.0 and one["seam_ratio"] > 0.0 and "doubts" not in two["not_measured"]
    truth = [frame["psnr"]["experts"] for frame in two["per_frame"]]
    halves = [np.mean(truth[:BLOCK]), np.mean(truth[BLOCK:])]
    assert two["psnr_mean_doubt"] == pytest.approx(abs(halves[0] - halves[1]) / 2, rel=1e-2)
    fixed = evaluate(weights, exact)
    truth = fixed.truth("experts").reshape(3, 2).mean(axis=1)  # three lightings of two cameras
    wanted = truth.std(ddof=1) / np.sqrt(3)
    assert figures(weights, exact, fixed)["psnr_mean_doubt"] == pytest.approx(wanted, rel=1e-3)


def test_only_people_who_are_judged_are_counted(exact: Dataset, tmp_path: Path) -> None:
    weights = weight_set(0.8)
    data = make(tmp_path / "all", noise=0.1, frames=4 * BLOCK, held_out=False, people=SpherePeople())
    result = evaluate(weights, data)
    found = figures(weights, data, result)
    assert found["data"]["frames"] == BLOCK and found["data"]["people"] == 1 < len(data.people)
    assert found["data"]["samples"] == [JUDGED_SPP_FACTOR * data.spec.spp]
    worst = int(result.truth("experts").argmin())  # by its number in the set, not among those judged
    assert found["psnr_worst_frame"] == result.frames[worst].info.index != worst
    assert figures(weights, exact, evaluate(weights, exact))["data"]["people"] is None


def test_regions_are_where_the_face_has_them(tmp_path: Path) -> None:
    """Pixels at the UVs of the default head's highest and foremost places are those of its scalp and its nose."""

    class Avatars(SpherePeople):
        @property
        def description(self) -> dict[str, Any]:
            return {"generator": "of spheres"}

    data, weights = make(tmp_path / "set", noise=0.1, frames=1, people=Avatars()), weight_set(0.9)
    result = evaluate(weights, data)
    (skin,) = default_scene().face_parts
    for name, axis in (("scalp", 1), ("nose", 2)):
        far = skin.mesh.positions[:, axis]
        u, v = (skin.mesh.uvs[far > np.quantile(far, 0.99)] * (UV_CELLS - 1e-3)).astype(int).T
        shown = np.zeros((UV_CELLS, UV_CELLS))
        np.add.at(shown, (v, u), 10)
        error = {model: 1e-4 * shown * (4.0 if model == "generalist" else 1.0) for model in result.uv_error}
        there = replace(result, uv_pixels=shown, uv_error=error)
        regions = {region["name"]: region for region in figures(weights, data, there)["regions"]}
        assert 0.6 < regions[name]["pixel_share"] <= 1.0
        assert regions[name]["psnr"] == pytest.approx(40.0)
        assert regions[name]["gain_over_generalist_db"] == pytest.approx(10.0 * np.log10(4.0), rel=1e-4)


def test_wide_generalists_beside_the_file(exact: Dataset, tmp_path: Path) -> None:
    wide = WeightSet.untrained((32, 128, 128, 15))
    wide.save(tmp_path / "generalist-128.safetensors")
    layers = (32, 64, 64, 15)
    better = WeightSet(layers=layers, slots=network(0.97, layers)[None], table=np.zeros(65536, np.uint32))
    better.save(tmp_path / "generalist-64.safetensors")
    weights = weight_set(0.9)
    weights.save(tmp_path)
    beside = wide_generalists(tmp_path)
    assert (
        list(beside) == ["generalist-64", "generalist-128"] == list(wide_generalists(tmp_path / "experts.safetensors"))
    )
    result = evaluate(weights, exact, wide=beside)
    quality = judge_pictures(weights, exact, result, wide=beside)
    found = figures(weights, exact, result, wide=beside, quality=quality)["models"]
    assert found["generalist-64"]["gain_over_experts_db"] > 5.0 and found["generalist-64"]["flop_per_pixel"] == flops(
        layers
    )
    assert found["generalist-128"]["psnr_mean"] < found["experts"]["psnr_mean"] < found["generalist-64"]["psnr_mean"]
    assert found["generalist-128"]["ssim_mean"] < found["experts"]["ssim_mean"] < found["generalist-64"]["ssim_mean"]
    features, scale, _, _ = pixels_of(exact, 0)
    expected = forward(wide, features, scale, 0)
    np.testing.assert_allclose(draw_wide(wide, features, scale), expected, rtol=1e-4, atol=1e-5 * expected.max())
    weight_set(0.9, 0.8, [5]).save(tmp_path / "generalist-256.safetensors")
    with pytest.raises(InputError, match=r"generalist-256\.safetensors has experts"):
        wide_generalists(tmp_path)
    (tmp_path / "generalist-256.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="cut off or not a safetensors file"):
        wide_generalists(tmp_path)


def test_what_cannot_be_judged_is_said(exact: Dataset, tmp_path: Path) -> None:
    part = make(tmp_path / "part", noise=1.0, tiles=0.5, frames=4)
    weights = weight_set(0.9)
    result = evaluate(weights, part)
    assert len(result.frames) == 4
    with pytest.raises(InputError, match=r"whole frames, and the data set .*part"):
        judge_pictures(weights, part, result)
    found = figures(weights, part, result, missing={"whole pictures": "Some tiles are missing."})
    assert found["psnr_mean"] > 20.0 and found["not_measured"] == {"whole pictures": "Some tiles are missing."}
    for name in ("ssim_mean", "flip_mean", "seam_ratio", "flicker_ratio", "distances", "regions"):
        assert found[name] is None
    assert [row["height"] for row in found["per_frame"]] == [None] * 4  # half of its tiles do not tell
    with pytest.raises(InputError, match="has no validation pixels to judge by"):
        evaluate(weights, exact, "validation")
    other = WeightSet(layers=LAYERS, slots=weights.slots, table=weights.table, hash_scale=5)
    with pytest.raises(InputError, match="hash tiles at different scales, 5 and 8"):
        evaluate(other, exact)
    grainy = make(tmp_path / "grainy", noise=1e4, spp=1, frames=2)
    with pytest.raises(InputError, match="are too noisy to judge by"):
        evaluate(weights, grainy)


def test_groups_of_frames(exact: Dataset) -> None:
    frames = evaluate(weight_set(0.9), exact).frames
    groups = light_groups(frames, exact.head_center)
    for question in {group.question for group in groups}:  # every frame has one answer to each question
        answered = sorted(place for group in groups if group.question == question for place in group.frames)
        assert answered == list(range(len(frames)))
    for group in groups:
        for place in group.frames:
            info = frames[place].info
            match group.question:
                case "number of lamps":
                    assert group.name == str(len(info.lights))
                case "surroundings":
                    assert (group.name == "black") == (info.environment is None)
                case "lamps":
                    kinds = {light["kind"] == "directional" for light in info.lights}
                    assert group.name == {(): "none, surroundings only", (True,): "suns", (False,): "lamps"}.get(
                        tuple(sorted(kinds)), "suns and lamps"
                    )
    assert len({group.name for group in groups if group.question == "lamps"}) > 1
    for frame in frames:
        rows = [
            int(tile["tile_xy"][1]) * TILE + int(row)
            for tile_hash in exact.hashes
            for tile in exact.tiles(tile_hash)
            if tile["frame"] == frame.info.index
            for row in np.flatnonzero(tile["mask"].reshape(TILE, TILE).any(axis=1))
        ]
        assert frame.height == (max(rows) - min(rows) + 1) / 96
    for group in distance_groups(frames):
        low, high = map(float, group.name.split(" to "))
        assert all(low <= frames[place].height <= high for place in group.frames)


def test_lights_are_seen_from_the_head_wherever_it_stands(exact: Dataset, tmp_path: Path) -> None:
    weights, shift = weight_set(0.9), np.array([0.5, 1.6, -9.0])
    moved = Dataset(moved_set(exact.path, tmp_path / "moved", shift))
    np.testing.assert_allclose(moved.head_center - exact.head_center, shift, atol=1e-6)
    assert np.abs(exact.head_center).max() < 0.1 * RADIUS
    lights = figures(weights, exact, evaluate(weights, exact))["lights"]
    assert figures(weights, moved, evaluate(weights, moved))["lights"] == lights
    assert {group["name"] for group in lights if group["question"] == "brightest lamp"} >= {"before the face"}


def test_similarity_and_what_noise_makes_of_it(noisy: Dataset) -> None:
    """Equal pictures; and for a perfect network about the values that the made-up noise foretells."""
    picture = np.random.default_rng(0).uniform(0.2, 0.8, (48, 48, 3)).astype(np.float32)
    everywhere = np.ones(picture.shape[:2], bool)
    assert ssim(picture, picture, everywhere) == pytest.approx(1.0)
    weights = weight_set(1.0)
    quality = judge_pictures(weights, noisy, evaluate(weights, noisy))
    worse = weight_set(0.7)
    worst = judge_pictures(worse, noisy, evaluate(worse, noisy))
    np.testing.assert_allclose(quality.ssim["experts"], quality.ssim["noise"], atol=0.03)
    assert quality.ssim["noise"].max() < 0.98 and (worst.ssim["experts"] < quality.ssim["experts"]).all()
    if HAS_FLIP:
        assert flip(picture, picture, everywhere) == pytest.approx(0.0, abs=1e-6)
        np.testing.assert_allclose(quality.flip["experts"], quality.flip["noise"], rtol=0.2)  # in faces of 200 pixels
        assert (worst.flip["experts"] > quality.flip["experts"]).all()


def test_made_up_noise_has_the_variance_asked_for() -> None:
    mean, variance = np.full((200, 200, 3), 0.3, np.float32), np.full((200, 200, 3), 0.04, np.float32)
    variance[:2] = np.inf
    noise = with_noise(mean, variance, np.random.default_rng(0))
    np.testing.assert_array_equal(noise[:2], mean[:2])  # nothing is known there
    assert noise[2:].mean() == pytest.approx(0.3, rel=0.01) and noise[2:].var() == pytest.approx(0.04, rel=0.03)


@pytest.mark.parametrize("color", [(1.0, 0.95, 0.9), (1.5, 0.9, 0.55), (1.0, 0.3, 0.03)])
def test_small_errors_without_noise_are_exact(color: tuple[float, float, float]) -> None:
    """Dark, saturated and bright colours, all channels 2% off: the display's own difference, channels coupled."""
    light = np.geomspace(0.02, 3.0, 128, dtype=np.float32).repeat(2)[None, :, None]
    truth = np.asarray(light * np.array(color, np.float32))
    picture, exposure = truth * np.float32(0.98), np.zeros(1, np.float32)
    judged = TruthError(picture, truth, np.zeros_like(truth), np.ones((1, 256), bool), exposure)
    expected = np.square(tonemap(picture) - tonemap(truth)).mean(axis=-1)
    assert judged(picture).mean() == pytest.approx(expected.mean(), rel=0.05)
    np.testing.assert_allclose(judged(picture), expected, rtol=0.15, atol=1e-7)
    far = truth * np.float32(3.0)  # what a network is off from the reference counts exactly
    assert judged(far).mean() == pytest.approx(float(np.square(tonemap(far) - tonemap(truth)).mean()), rel=0.02)


def test_judged_targets_are_as_bright_as_the_truth() -> None:
    """Fireflies have much light and a large recorded variance: to leave pixels out by the one takes the other."""
    rng, samples, tiles = np.random.default_rng(3), 16, 100
    truth = np.full((tiles, 256, 3), 0.2, np.float32)
    noisy = (np.arange(tiles) % 2 == 1)[:, None, None]  # every other tile is a place too noisy to judge by
    rare, bright = np.where(noisy, 0.2, 0.002), np.where(noisy, 60.0, 20.0)  # of samples
    drawn = np.stack([truth + bright * ((rng.random((tiles, 256, 1)) < rare) - rare) for _ in range(samples)])
    target, variance = drawn.mean(axis=0).astype(np.float32), drawn.var(axis=0, ddof=1).astype(np.float32) / samples
    face, exposure = np.ones(truth.shape[:2], bool), np.zeros(tiles, np.float32)
    judged = TruthError(truth, target, variance, face, exposure).judged
    assert judged[::2].mean() > 0.9 and not judged[1::2].any()
    off = (target - truth)[judged].mean(axis=-1)
    assert abs(off.mean()) < 3.0 * off.std() / np.sqrt(len(off)) and off.max() > 1.0
    variance[0, :128] = np.inf  # nothing is known of these
    assert not TruthError(truth, target, variance, face, exposure).judged[0, :128].any()


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("samples", [64, 256])
def test_no_bias_from_skewed_noise(common: bool, samples: int) -> None:
    """Path tracers' noise, with variances estimated from the same samples, and channels that share it or do not.

    Dark, saturated and bright skin; a perfect network's error must vanish against the noise's, and that of one that is
    evenly 8% off must be told.
    """
    rng = np.random.default_rng(samples)
    tiles = 40
    lum = np.exp(rng.normal(np.log(0.16), 0.9, (tiles, 128, 1))).repeat(2, axis=1)
    truth = (lum * np.array([1.5, 0.9, 0.55])).astype(np.float32)
    shape = np.exp(rng.normal(0.0, 1.2, lum.shape)) * 0.25  # a sample deviates by 0.6 to 6 times its mean
    shape = shape if common else shape.repeat(3, axis=2)
    drawn = np.stack([truth * (rng.gamma(shape) / shape) for _ in range(samples)])
    target, variance = drawn.mean(axis=0).astype(np.float32), drawn.var(axis=0, ddof=1).astype(np.float32) / samples
    face, exposure = np.ones(truth.shape[:2], bool), np.zeros(tiles, np.float32)
    noise = float(np.square(tonemap(target) - tonemap(truth)).mean())
    judged = TruthError(truth, target, variance, face, exposure)
    assert judged.judged.mean() > 0.97
    assert abs(np.nanmean(judged(truth))) < 0.06 * noise
    for factor in (0.92, 1.08):
        picture = truth * np.float32(factor)
        error = float(np.square(tonemap(picture) - tonemap(truth)).mean())
        judged = TruthError(picture, target, variance, face, exposure)
        assert abs(np.nanmean(judged(picture)) - error) < 0.06 * noise + 0.25 * error
        raw = float(np.square(tonemap(picture) - tonemap(target)).mean())
        assert raw > 2.5 * error if samples == 256 else raw > 8.0 * error
