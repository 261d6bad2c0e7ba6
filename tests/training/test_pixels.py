"""Pixels for training: mixing the lights of a pixel gives what a frame with all these lights would."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.network.schema import LIGHT_CHANNELS, channels
from app.training.coverage import coverage
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.loss import quietness
from app.training.manifest import BLOCK, CAMERAS, LIGHTINGS
from app.training.pixels import MIXED, Pixels, load_pixels, people_of
from tests.training.sphere_source import SpherePeople, SphereSource, skin


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("pixels") / "set"
    generate(Here(SphereSource(noise=0.0)), path, Plan(1, 3, (96, 96)), 32)
    return Dataset(path)


@pytest.fixture(scope="module")
def pixels(data: Dataset) -> Pixels:
    return load_pixels(data, "train")


def follow(pixels: Pixels, index: torch.Tensor, steps: int) -> torch.Tensor:
    for _ in range(steps):
        index = pixels.sibling[index].long()
    return index


def test_siblings_are_the_same_point_under_all_its_lights(pixels: Pixels) -> None:
    everything = torch.arange(len(pixels))
    assert torch.equal(follow(pixels, everything, LIGHTINGS), everything)
    geometry = torch.from_numpy(~LIGHT_CHANNELS)
    for steps in range(1, LIGHTINGS):
        other = follow(pixels, everything, steps)
        assert (other != everything).all()
        assert torch.equal(pixels.features[other][:, geometry], pixels.features[:, geometry])
    for start, stop in pixels.runs.values():
        run = pixels.sibling[start:stop]
        assert len(run) == 0 or (start <= int(run.min()) and int(run.max()) < stop)


def test_mixed_pixels_obey_the_truth(pixels: Pixels) -> None:
    """The sphere's radiance is linear in its lights, as all light is; so must be what is drawn."""
    index = torch.randint(len(pixels), (4000,), generator=torch.Generator().manual_seed(0))
    features, scale, target = pixels.draw(index, torch.Generator().manual_seed(1))
    truth = skin(features.numpy(), scale[:, 0].numpy())
    np.testing.assert_allclose(target.numpy(), truth, rtol=5e-3, atol=2e-3)
    alone = round(MIXED[1] * 4000)
    for drawn, stored in zip((features, scale, target), pixels.take(index), strict=True):
        torch.testing.assert_close(drawn[alone:], stored[alone:], rtol=1e-5, atol=1e-5)
    assert not torch.isclose(scale[:alone], pixels.scale[index[:alone], None]).all()


def test_mixed_pixels_know_the_noise_around_them(tmp_path: Path) -> None:
    """The variance of a mixture of independent targets is the sum of theirs times the squares of their shares."""
    generate(Here(SphereSource(noise=1.0)), tmp_path / "set", Plan(9, 3, (96, 96)), BLOCK)
    pixels = load_pixels(Dataset(tmp_path / "set"), "train")
    index = torch.randint(len(pixels), (4000,), generator=torch.Generator().manual_seed(0))
    (_, _, target), noise = pixels.draw_noisy(index, torch.Generator().manual_seed(1))
    torch.testing.assert_close(target, pixels.draw(index, torch.Generator().manual_seed(1))[2])
    (features, scale, _), _ = pixels.draw_noisy(index, torch.Generator().manual_seed(1))
    truth = torch.from_numpy(skin(features.numpy(), scale[:, 0].numpy()))
    for some in (slice(0, 600), slice(2600, 4000)):  # of four lights, and of one
        usable = torch.isfinite(noise[some]).all(dim=1)
        off = (target - truth)[some][usable].square().mean(dim=0)
        np.testing.assert_allclose(off / noise[some][usable].mean(dim=0), 1.0, atol=0.25)


def test_the_noisiest_places_count_least(tmp_path: Path) -> None:
    """Also where their variance is more than a half holds: it is not unknown, which would count in full."""

    class Noisy(SphereSource):
        def render(self, *args, **named):  # type: ignore[no-untyped-def]
            tiles = super().render(*args, **named)
            tiles.variance[...] = 1e7
            return tiles

    generate(Here(Noisy(noise=1.0)), tmp_path / "set", Plan(9, 3, (96, 96)), BLOCK)
    pixels = load_pixels(Dataset(tmp_path / "set"), "train")
    (_, _, target), noise = pixels.draw_noisy(torch.arange(len(pixels)), torch.Generator().manual_seed(1))
    known = torch.isfinite(noise).all(dim=1)  # a pixel alone in its tile has nothing around
    assert float(known.float().mean()) > 0.95
    assert float(quietness(target[known], noise[known]).max()) < 0.02


def test_draws_keep_shape_and_order(pixels: Pixels) -> None:
    index = torch.randint(len(pixels), (3, 40))
    features, scale, target = pixels.draw(index, torch.Generator().manual_seed(0))
    assert features.shape == (3, 40, 32) and scale.shape == (3, 40, 1) and target.shape == (3, 40, 3)
    uv = channels("uv")
    torch.testing.assert_close(features[..., uv], pixels.features[index][..., uv].float())


def test_frames_that_judge_are_not_mixed(data: Dataset) -> None:
    judge = load_pixels(data, "validation")
    assert torch.equal(judge.sibling.long(), torch.arange(len(judge)))


def test_unfinished_views_and_dropped_pixels_are_no_trouble(tmp_path: Path) -> None:
    class Spoiled(SphereSource):
        def render(self, *args, **named):  # type: ignore[no-untyped-def]
            tiles = super().render(*args, **named)
            tiles.target[::2, self.calls % 5 :: 11] = np.nan  # other pixels in every lighting
            return tiles

    generate(Here(Spoiled(noise=0.0)), tmp_path / "set", Plan(1, 3, (96, 96)), 5)  # ends inside a block
    pixels = load_pixels(Dataset(tmp_path / "set"), "train")
    index = torch.arange(len(pixels))
    assert torch.equal(follow(pixels, index, 6), index)  # rings of 3 and of 2 lightings
    assert (pixels.scale > 0.0).all() and torch.isfinite(pixels.target).all()
    features, scale, target = pixels.draw(index, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(target.numpy(), skin(features.numpy(), scale[:, 0].numpy()), rtol=5e-3, atol=2e-3)


def test_data_that_does_not_fit_is_thinned_evenly(data: Dataset, pixels: Pixels) -> None:
    thinned = load_pixels(data, "train", max_pixels=20_000, seed=2)
    assert pixels.kept == 1.0 and len(thinned) <= 20_000 and thinned.kept < 1.0
    index = torch.arange(len(thinned))
    assert torch.equal(follow(thinned, index, LIGHTINGS), index)
    for tile_hash in data.hashes:
        if (count := pixels.count(tile_hash)) > 2000:
            assert thinned.count(tile_hash) == pytest.approx(count * thinned.kept, rel=0.3)


def test_as_much_is_loaded_as_is_allowed(data: Dataset, pixels: Pixels) -> None:
    """Neither other splits nor the pixels beside a face take room from those that are wanted."""
    allowed = len(pixels) // 2
    assert 0.9 * allowed < len(load_pixels(data, "train", max_pixels=allowed)) <= allowed
    for few in (1, 200, 1000):
        assert len(load_pixels(data, "train", max_pixels=few)) <= few
    judge = load_pixels(data, "validation")
    assert load_pixels(data, "validation", max_pixels=int(1.1 * len(judge))).kept == 1.0
    assert {split: data.count_split(split) for split in ("train", "validation", "held-out")} == {
        split: sum(len(data.tiles(tile_hash, split)) for tile_hash in data.hashes)
        for split in ("train", "validation", "held-out")
    }


def test_fewer_people(tmp_path: Path) -> None:
    generate(Here(SphereSource(noise=0.5, people=SpherePeople())), tmp_path / "set", Plan(1, 3, (96, 96)), 6 * BLOCK)
    data = Dataset(tmp_path / "set")
    who = people_of(data, "train")
    assert sorted(set(who.values())) == [0, 1, 2, 3] and min(who) == 0  # blocks 1 and 3 judge
    everybody = load_pixels(data, "train")
    some = everybody.of_people(2)
    assert set(some.person.tolist()) == {0, 1} and some.runs.keys() == everybody.runs.keys()
    index = torch.arange(len(some))
    assert torch.equal(follow(some, index, LIGHTINGS), index)
    _, scale, target = some.draw(index, torch.Generator().manual_seed(0))
    assert torch.isfinite(target / scale).all()
    for tile_hash, (start, stop) in some.runs.items():
        first, last = everybody.runs[tile_hash]
        chosen = everybody.person[first:last] < 2
        assert torch.equal(some.target[start:stop], everybody.target[first:last][chosen])
        assert (some.tiles[tile_hash][:, 1] < 2).all()
        lightings = {int(frame) // CAMERAS for frame in data.tiles(tile_hash, "train")["frame"]}
        assert set(everybody.tiles[tile_hash][:, 0].tolist()) == lightings


def test_coverage_is_what_the_tiles_show(tmp_path: Path) -> None:
    generate(Here(SphereSource(noise=0.5, people=SpherePeople())), tmp_path / "set", Plan(1, 3, (96, 96)), 6 * BLOCK)
    data = Dataset(tmp_path / "set")
    pixels, who = load_pixels(data, "train"), people_of(data, "train")
    least = int(np.median([pixels.count(h) for h in pixels.hashes]))
    found = coverage(pixels, least, 2)
    tiles = {h: data.tiles(h, "train") for h in pixels.hashes}
    people = {h: {who[int(frame)] for frame in tiles[h]["frame"]} for h in tiles}
    enough = [h for h in tiles if pixels.count(h) >= least and len(people[h]) >= 1]  # a quarter of four people
    assert 0 < len(enough) < len(tiles)
    assert (found.hashes, found.enough, found.people) == (len(tiles), len(enough), 4)
    assert found.share == pytest.approx(sum(map(pixels.count, enough)) / len(pixels))
    for spread, counts in (
        (found.tiles, [len(tiles[h]) for h in enough]),
        (found.lightings, [len({int(frame) // CAMERAS for frame in tiles[h]["frame"]}) for h in enough]),
        (found.seen, [len(people[h]) for h in enough]),
    ):
        counts.sort()
        middle, tenth = (counts[int(share * (len(counts) - 1))] for share in (0.5, 0.1))
        assert (spread.median, spread.tenth, spread.least) == (middle, tenth, counts[0])


def test_a_quarter_of_the_people_or_so_many_are_enough() -> None:
    count = 50
    arrays = (
        np.zeros((count, 32), np.float16),
        np.ones(count, np.float32),
        np.zeros((count, 3), np.float32),
        *(np.zeros((count, 3), np.float16),) * 2,
        np.arange(count, dtype=np.int32),
        np.arange(count, dtype=np.int32) % 5,
    )
    runs = {0x0101: (0, 10), 0x0202: (10, 20), 0x0404: (20, 50)}  # of one, two and five people
    seen = ([0], [0, 1], [0, 1, 2, 3, 4])
    tiles = {h: torch.tensor([[7, who] for who in people]) for h, people in zip(runs, seen, strict=True)}
    pixels = Pixels.of(arrays, runs, 1.0, tiles)
    assert pixels.with_enough(1, 8) == pixels.with_enough(10, 2) == [0x0202, 0x0404]  # of five that is two
    assert pixels.with_enough(1, 1) == list(runs) and pixels.with_enough(11, 1) == [0x0404]


def test_pixels_know_their_noise(tmp_path: Path) -> None:
    """A sphere's deviation is a third of its mean; so is that of the targets from the truth."""
    generate(Here(SphereSource(noise=1.0)), tmp_path / "set", Plan(9, 3, (96, 96)), BLOCK)
    pixels = load_pixels(Dataset(tmp_path / "set"), "train")
    index = torch.arange(len(pixels))
    features, scale, target = pixels.take(index)
    truth = torch.from_numpy(skin(features.numpy(), scale[:, 0].numpy()))
    np.testing.assert_allclose(pixels.noise(index), (truth / 3.0).square(), rtol=0.02, atol=1e-5)
    known = torch.isfinite(pixels.noise_around(index)).all(dim=1)  # a pixel alone in its tile has nothing around
    assert float(known.float().mean()) > 0.99
    smooth = pixels.noise_around(index)[known].mean(dim=0) / pixels.noise(index)[known].mean(dim=0)
    np.testing.assert_allclose(smooth, 1.0, atol=0.05)
    data, inside = Dataset(tmp_path / "set"), (slice(4, 9), slice(6, 11))
    for tile in (tile for tile_hash in data.hashes for tile in data.tiles(tile_hash)):
        if tile["mask"].reshape(16, 16)[inside].all():
            noise = tile["variance"].reshape(16, 16, 3)[inside].reshape(25, 3)
            wanted = np.delete(noise, 12, axis=0).mean(axis=0) * 4.0 ** data.frames[int(tile["frame"])].exposure_ev
            assert np.isclose(pixels.around.float().numpy(), wanted, rtol=1e-2, atol=2e-7).all(axis=1).any()
    lit = truth > 0.03  # halves tell nothing of smaller variances
    assert float(((target - truth).square() / pixels.noise(index))[lit].mean()) == pytest.approx(1.0, abs=0.1)
