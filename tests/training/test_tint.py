"""Tinted light: linear in every colour, consistent with light_scale, white light kept as bright."""

import numpy as np
import torch

from app.network.layers import MIXED
from app.network.schema import LIGHT_SCALE, channels
from app.scene.environment import LUMINANCE
from app.training.pixels import Batch
from app.training.tint import tinted, tinted_noisy

FLOOR = 0.02


def some_batch(count: int) -> Batch:
    """Pixels whose light_scale is what the G-buffer would make it, and targets that are linear in their colours."""
    random = np.random.default_rng(0)
    light = {name: random.gamma(1.0, 1.0, (count, 3)) for name in MIXED}
    scale = sum(share * light[name] for name, share in LIGHT_SCALE.items()) @ LUMINANCE + FLOOR
    features = random.normal(size=(count, 32))
    for name, value in light.items():
        features[:, channels(name)] = value / scale[:, None]
    target = sum(weight * light[name] for weight, name in enumerate(MIXED, start=1))
    tensors = [torch.tensor(x, dtype=torch.float32) for x in (features, scale[:, None], target)]
    return tensors[0], tensors[1], tensors[2]


def test_noise_is_tinted_as_the_target_is() -> None:
    batch = some_batch(500)
    noise = torch.rand(500, 3)
    (_, _, target), got = tinted_noisy(batch, noise, torch.Generator().manual_seed(0))
    torch.testing.assert_close(target, tinted(batch, torch.Generator().manual_seed(0))[2])
    torch.testing.assert_close(got, noise * (target / batch[2]).square(), rtol=1e-4, atol=1e-5)


def test_tinted_pixels_obey_the_same_law() -> None:
    features, scale, target = some_batch(500)
    got, new_scale, new_target = tinted((features, scale, target), torch.Generator().manual_seed(0))
    light = {name: got[:, channels(name)] * new_scale for name in MIXED}
    again = sum(weight * light[name] for weight, name in enumerate(MIXED, start=1))
    torch.testing.assert_close(new_target, again, rtol=1e-4, atol=1e-5)
    weights = torch.tensor(LUMINANCE, dtype=torch.float32)
    unit = torch.stack([share * light[name] for name, share in LIGHT_SCALE.items()]).sum(dim=0) @ weights + FLOOR
    torch.testing.assert_close(new_scale[:, 0], unit, rtol=1e-4, atol=1e-5)
    ratio = new_target / target
    assert (ratio.amax(dim=1) / ratio.amin(dim=1)).median() > 1.3  # it does tint
    torch.testing.assert_close(ratio @ weights, torch.ones(500), rtol=1e-4, atol=1e-4)  # white stays as bright


def test_what_has_no_colour_stays() -> None:
    features, scale, target = some_batch(50)
    got, _, _ = tinted((features, scale, target), torch.Generator().manual_seed(1))
    for name in ("uv", "normal", "view", "albedo", "roughness", "thickness", "ambient_visibility"):
        assert torch.equal(got[:, channels(name)], features[:, channels(name)])
    before, after = features[:, channels("light_direction")], got[:, channels("light_direction")]
    torch.testing.assert_close(after / after.norm(dim=1, keepdim=True), before / before.norm(dim=1, keepdim=True))
    assert torch.equal(features, some_batch(50)[0])  # nothing is changed in place


def test_the_first_moment_gets_as_much_brighter_as_the_light() -> None:
    features, scale, target = some_batch(200)
    got, new_scale, _ = tinted((features, scale, target), torch.Generator().manual_seed(1))
    moment = channels("light_direction")
    brighter = (new_scale - FLOOR) / (scale - FLOOR)
    assert brighter.max() > 1.2 and brighter.min() < 0.9
    torch.testing.assert_close(got[:, moment] * new_scale, features[:, moment] * scale * brighter, rtol=1e-3, atol=1e-4)
