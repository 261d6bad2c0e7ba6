"""Uncertain places: they keep a generalist from learning its few dozen people by heart.

For many people alone: one fixed face is to be known by heart (on 256 frames of the default head it cost 0.3 to 0.8 dB).
"""

import torch

from app.network.schema import channels
from app.training.pixels import Batch

_PLACE = channels("uv")


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
