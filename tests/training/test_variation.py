"""Inputs that no pixel had: what changes, by how much, and what must not."""

import numpy as np
import pytest
import torch

from app.network.layers import MIXED
from app.network.schema import CHANNELS, channels
from app.training import variation
from app.training.pixels import Batch
from app.training.variation import displaced, varied

COUNT = 4000


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.rand(COUNT, width, generator=generator) for width in (CHANNELS, 1, 3))  # type: ignore[return-value]


def test_displaced_pixels_differ_in_their_place_alone() -> None:
    before = batch()
    after = displaced(before, 0.03, torch.Generator().manual_seed(5))
    offset = after[0][..., channels("uv")] - before[0][..., channels("uv")]
    assert np.allclose(offset.mean(dim=0), 0.0, atol=3e-3)
    assert np.allclose(np.cov(offset.T), 0.03**2 * np.eye(2), atol=1e-4)
    others = torch.ones(CHANNELS, dtype=torch.bool)
    others[channels("uv")] = False
    assert torch.equal(after[0][:, others], before[0][:, others])
    assert torch.equal(after[1], before[1]) and torch.equal(after[2], before[2])
    assert torch.equal(displaced(before, 0.0, torch.Generator())[0], before[0])


def test_varied_inputs_lie_between_two_pixels_of_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variation, "BRIGHTNESS", 0.0)
    features = torch.zeros(3, 50, CHANNELS)
    features[..., :] = torch.arange(50.0)[:, None]
    features += 1000.0 * torch.arange(3.0)[:, None, None]  # a network's pixels are no other's
    after = varied(features, torch.zeros(CHANNELS), torch.Generator().manual_seed(1))
    assert torch.allclose(after, after[..., :1].expand_as(after))  # all channels go the same way
    moved = (after - features)[..., 0]
    assert moved.abs().max() <= variation.SHARE * 49.0 and moved.abs().mean() > 3.0
    assert (after - 1000.0 * torch.arange(3.0)[:, None, None]).min() >= 0.0


def test_varied_inputs_have_noise_as_each_channel_deviates_and_light_stays_light(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variation, "SHARE", 0.0)
    features = torch.ones(2, COUNT, CHANNELS)
    deviation = torch.linspace(0.1, 2.0, CHANNELS)
    after = varied(features, deviation, torch.Generator().manual_seed(2))
    light = torch.zeros(CHANNELS, dtype=torch.bool)
    for name in MIXED:
        light[channels(name)] = True
    spread = after.std(dim=(0, 1))
    np.testing.assert_allclose(spread[~light], variation.SPREAD * deviation[~light], rtol=0.05)
    assert after[..., light].min() > 0.0
    np.testing.assert_allclose(after[..., light].log().std(dim=(0, 1)), variation.BRIGHTNESS, rtol=0.05)
    together = np.corrcoef(after[..., light].log().reshape(-1, int(light.sum())).T) - np.eye(int(light.sum()))
    assert np.abs(together).max() < 0.1  # each colour of each feature by itself
    again = varied(features, deviation, torch.Generator().manual_seed(2))
    assert torch.equal(after, again)
    assert torch.equal(features, torch.ones(2, COUNT, CHANNELS))
