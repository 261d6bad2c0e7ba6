"""Light of other colours: what a batch of pixels would look like if all its light were tinted.

Red, green and blue never mix: a pixel's colours under tinted light are its colours times the tint, in the input as in
the target, for any network and any noise. Data of some hundred light set-ups thus teach what all colours of light
would, above all that none of them turns into another.
"""

import torch
from torch import Tensor

from app.network.layers import MIXED
from app.network.schema import LIGHT_SCALE, channels
from app.scene.environment import LUMINANCE
from app.training.pixels import Batch

STRENGTH = 1.0  # the strongest tint multiplies a colour by e**STRENGTH or by its inverse


def tinted(batch: Batch, generator: torch.Generator) -> Batch:
    """Tint every pixel's light by a random colour of its own, white light keeping its luminance.

    `light_scale` follows; the first moment of light, which has no colour, gets as much brighter as the pixel's light.

    Args:
        batch: features (..., 32), scale (..., 1), target (..., 3).
        generator: draws the colours, on the host.
    """
    return tinted_noisy(batch, torch.zeros(()), generator)[0]


def tinted_noisy(batch: Batch, noise: Tensor, generator: torch.Generator) -> tuple[Batch, Tensor]:
    """The same, and what becomes of the variance (..., 3) of the targets' noise."""
    features, scale, target = batch
    noise = noise.to(features.device)
    shape = features.shape[:-1]
    strength = STRENGTH * torch.rand(*shape, 1, generator=generator)
    tint = torch.exp(strength * (2.0 * torch.rand(*shape, 3, generator=generator) - 1.0))
    weights = torch.tensor(LUMINANCE, dtype=torch.float32)
    tint = (tint / (tint @ weights)[..., None]).to(features.device)
    weights = weights.to(features.device)

    def brightness(values: Tensor) -> Tensor:
        """The part of light_scale that is made of features, over the present one."""
        mixed = torch.stack([share * values[..., channels(name)] for name, share in LIGHT_SCALE.items()]).sum(dim=0)
        return (mixed @ weights)[..., None]

    result = features.clone()
    for name in MIXED:
        result[..., channels(name)] *= tint
    before, after = brightness(features), brightness(result)
    # What is left of light_scale is its floor, which knows no colour.
    change = (1.0 + after - before).clamp_min(1e-3)
    for name in MIXED:
        result[..., channels(name)] /= change
    result[..., channels("light_direction")] *= after / before.clamp_min(1e-6) / change
    return (result, scale * change, target * tint), noise * tint.square()
