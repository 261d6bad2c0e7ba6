"""Uncertain places: what changes and what must not."""

import numpy as np
import torch

from app.network.schema import CHANNELS, channels
from app.training.displacement import displaced
from app.training.pixels import Batch

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
