"""What keeps a generalist from learning its few dozen people by heart: pixels of mirrored heads, and of places nearby.

Both are for generalists of many people alone: one fixed face is to be known by heart (on 256 frames of the default
head, noise cost 0.3 to 0.8 dB). An expert knows one place of the face, and mirrored pixels belong to another.
"""

import torch

from app.network.schema import channels
from app.training.pixels import Batch

# A head that is mirrored left to right, under mirrored light: these change their sign along the head's x axis.
_ACROSS = tuple(channels(name).start for name in ("normal", "view", "light_direction"))
_PLACE = channels("uv")


def mirrored(batch: Batch, generator: torch.Generator) -> Batch:
    """Mirror every other pixel, picked at random, with its head and its light: u becomes 1 - u.

    It holds for faces whose left and right halves lie mirrored in the texture square, as those of all avatars do.

    Args:
        batch: features (..., 32), scale (..., 1), target (..., 3).
        generator: picks them, on the host.
    """
    features, scale, target = batch
    chosen = (torch.rand(*features.shape[:-1], generator=generator) < 0.5).to(features.device)
    features = features.clone()
    u = features[..., _PLACE.start]
    features[..., _PLACE.start] = torch.where(chosen, 1.0 - u, u)
    for channel in _ACROSS:
        features[..., channel] = torch.where(chosen, -features[..., channel], features[..., channel])
    return features, scale, target


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
