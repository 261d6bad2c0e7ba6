"""Mirrored heads and displaced places: what changes and what must not; avatars are laid out as mirroring assumes."""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from app.network.schema import CHANNELS, channels
from app.scene.default import default_scene
from app.training.augmentation import displaced, mirrored
from app.training.pixels import Batch

COUNT = 4000


def batch() -> Batch:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.rand(COUNT, width, generator=generator) for width in (CHANNELS, 1, 3))  # type: ignore[return-value]


def channel(features: Tensor, name: str) -> Tensor:
    return features[..., channels(name)]


def test_half_of_the_pixels_are_mirrored_with_head_and_light() -> None:
    before = batch()
    kept = before[0].clone()
    after = mirrored(before, torch.Generator().manual_seed(4))
    assert torch.equal(before[0], kept)  # the caller's pixels stay
    turned = channel(after[0], "normal")[:, 0] < 0.0
    assert abs(float(turned.float().mean()) - 0.5) < 0.04
    assert torch.equal(after[0][~turned], kept[~turned])
    expected = kept[turned].clone()
    for name in ("normal", "view", "light_direction"):
        channel(expected, name)[:, 0] *= -1.0
    channel(expected, "uv")[:, 0] = 1.0 - channel(expected, "uv")[:, 0]
    assert torch.equal(after[0][turned], expected)
    assert torch.equal(after[1], before[1]) and torch.equal(after[2], before[2])


def test_displaced_pixels_differ_in_their_place_alone() -> None:
    before = batch()
    after = displaced(before, 0.03, torch.Generator().manual_seed(5))
    offset = channel(after[0], "uv") - channel(before[0], "uv")
    assert np.allclose(offset.mean(dim=0), 0.0, atol=3e-3)
    assert np.allclose(np.cov(offset.T), 0.03**2 * np.eye(2), atol=1e-4)
    others = torch.ones(CHANNELS, dtype=torch.bool)
    others[channels("uv")] = False
    assert torch.equal(after[0][:, others], before[0][:, others])
    assert torch.equal(after[1], before[1]) and torch.equal(after[2], before[2])
    assert torch.equal(displaced(before, 0.0, torch.Generator())[0], before[0])


def test_avatars_have_mirrored_halves() -> None:
    """Where a vertex has a partner on the head's other side, that one's u is 1 - u, and its v the same."""
    mesh = next(part.mesh for part in default_scene().parts if part.face)
    distance, partner = cKDTree(mesh.positions).query(mesh.positions * [-1.0, 1.0, 1.0])
    near = distance < 2e-3  # metres: people are not quite symmetric
    assert near.mean() > 0.95
    apart = np.abs(mesh.uvs[partner] - (mesh.uvs * [-1.0, 1.0] + [1.0, 0.0]))[near].max(axis=1)
    assert np.quantile(apart, 0.9) < 0.002
