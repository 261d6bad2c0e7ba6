"""Mirrored heads: what changes and what must not; avatars are laid out as mirroring assumes."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from app.network.schema import CHANNELS, channels
from app.network.tile_hash import hash_pixels
from app.scene.default import default_scene
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import BLOCK
from app.training.mirroring import mirrored, mirrored_hash
from app.training.pixels import Pixels, load_pixels
from tests.training.sphere_source import SpherePeople, SphereSource

COUNT = 4000


def channel(features: Tensor, name: str) -> Tensor:
    return features[..., channels(name)]


def test_chosen_pixels_are_mirrored_with_head_and_light() -> None:
    before = torch.rand(COUNT, CHANNELS, generator=torch.Generator().manual_seed(3))
    kept, chosen = before.clone(), torch.arange(COUNT) % 3 == 0
    after = mirrored(before, chosen)
    assert torch.equal(before, kept)  # the caller's pixels stay
    assert torch.equal(after[~chosen], kept[~chosen])
    expected = kept[chosen].clone()
    for name in ("normal", "view", "light_direction"):
        channel(expected, name)[:, 0] *= -1.0
    channel(expected, "uv")[:, 0] = 1.0 - channel(expected, "uv")[:, 0]
    assert torch.equal(after[chosen], expected)


def test_the_mirrored_hash_is_that_of_mirrored_places() -> None:
    uv = np.random.default_rng(1).integers(0, 64, (400, 5, 2)) / 64 + 1 / 128  # exact as halves
    seen = np.ones(uv.shape[:2], bool)
    found = hash_pixels(uv, seen)
    turned = hash_pixels(uv * [-1.0, 1.0] + [1.0, 0.0], seen)
    assert [mirrored_hash(int(h)) for h in found] == turned.tolist()
    assert [mirrored_hash(int(h)) for h in turned] == found.tolist()


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> Pixels:
    path = tmp_path_factory.mktemp("mirrored") / "set"
    generate(Here(SphereSource(noise=0.0, people=SpherePeople())), path, Plan(1, 3, (96, 96)), 2 * BLOCK)
    return load_pixels(Dataset(path), "train")


def test_every_pixel_has_a_twin_in_the_mirrored_hash(pixels: Pixels) -> None:
    both, count = pixels.with_mirrored(), len(pixels)
    assert len(both) == 2 * count
    assert sum(both.count(h) for h in both.hashes) == 2 * count
    for tile_hash in both.hashes:
        own, other = pixels.ranges(tile_hash), pixels.ranges(mirrored_hash(tile_hash))
        assert both.ranges(tile_hash) == own + [(count + start, count + stop) for start, stop in other]
        people = {int(who) for ends in own + other for who in pixels.shown(torch.arange(*ends))}
        assert both.people_seen(tile_hash) == len(people)
    index = torch.randint(count, (500,), generator=torch.Generator().manual_seed(2))
    stored, twins = both.take(index), both.take(count + index)
    for mine, alone in zip(stored, pixels.take(index), strict=True):
        assert torch.equal(mine, alone)
    assert torch.equal(twins[0], mirrored(stored[0], torch.ones(500, dtype=torch.bool)))
    assert torch.equal(twins[1], stored[1]) and torch.equal(twins[2], stored[2])
    assert torch.equal(both.noise(count + index), pixels.noise(index))
    assert torch.equal(both.shown(count + index), pixels.shown(index))


def test_mirrored_lightings_mix_with_mirrored_ones(pixels: Pixels) -> None:
    both, count = pixels.with_mirrored(), len(pixels)
    index = torch.randint(count, (500,), generator=torch.Generator().manual_seed(2))
    drawn = [both.draw(i, torch.Generator().manual_seed(3)) for i in (index, count + index)]
    torch.testing.assert_close(drawn[1][0], mirrored(drawn[0][0], torch.ones(500, dtype=torch.bool)))
    assert torch.equal(drawn[1][1], drawn[0][1]) and torch.equal(drawn[1][2], drawn[0][2])


def test_avatars_have_mirrored_halves() -> None:
    """Where a vertex has a partner on the head's other side, that one's u is 1 - u, and its v the same."""
    mesh = next(part.mesh for part in default_scene().parts if part.face)
    distance, partner = cKDTree(mesh.positions).query(mesh.positions * [-1.0, 1.0, 1.0])
    near = distance < 2e-3  # metres: people are not quite symmetric
    assert near.mean() > 0.95
    apart = np.abs(mesh.uvs[partner] - (mesh.uvs * [-1.0, 1.0] + [1.0, 0.0]))[near].max(axis=1)
    assert np.quantile(apart, 0.9) < 0.002
