"""Inputs that no pixel had: they keep networks from learning a few dozen people by heart.

A generalist, which learns from targets, may be told a wrong place, as what is right there hardly changes. An expert
with a teacher may be told anything near what its tiles show, since the teacher says what to draw of it. Both are for
many people alone: one fixed face is to be known by heart (on 256 frames of the default head wrong places cost 0.3 to
0.8 dB).
"""

import torch
from torch import Tensor

from app.network.layers import MIXED
from app.network.schema import FEATURES, channels
from app.training.pixels import Batch

_PLACE = channels("uv")
_LIGHT = torch.tensor([feature.name in MIXED for feature in FEATURES for _ in range(feature.channels)])
# As much as brought experts nearest to their teachers on people they had not seen (docs/training.md).
SHARE, SPREAD, BRIGHTNESS = 0.5, 0.3, 0.2


def displaced(batch: Batch, deviation: float, generator: torch.Generator) -> Batch:
    """Say of every pixel that it lies somewhere near its place: uv plus normal noise of this deviation.

    A network then cannot tell people's single spots from each other, and has to learn what holds around a place.

    Args:
        batch: features (..., 32), scale (..., 1), target (..., 3).
        deviation: of u and v, 0 or more.
        generator: draws the noise, on the host.
    """
    features, scale, target = batch
    features = features.clone()
    noise = torch.randn(*features.shape[:-1], 2, generator=generator)
    features[..., _PLACE] += deviation * noise.to(features.device)
    return features, scale, target


def varied(features: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Inputs (..., n, 32) between those of two of the n pixels, and around.

    Every pixel goes up to SHARE of the way to another one (Zhang et al. 2018, "mixup"; with a teacher: Beyer et al.
    2022). Then light gets brighter or darker, each colour of each feature by itself, and all else gets noise.

    Args:
        features: of pixels that are drawn by the same network.
        deviation: (32,) of the channels over all pixels; SPREAD of it is the noise's.
        generator: draws all that is random, on the host.
    """
    shape, device = features.shape, features.device
    others = features[..., torch.randperm(shape[-2], generator=generator).to(device), :]
    way = SHARE * torch.rand(*shape[:-1], 1, generator=generator)
    noise = torch.randn(*shape, generator=generator).to(device)
    between = torch.lerp(features, others, way.to(device))
    return torch.where(_LIGHT.to(device), between * torch.exp(BRIGHTNESS * noise), between + SPREAD * deviation * noise)
