"""What an error weighs: least squares in linear radiance, weighed by the slope of what the display shows."""

import torch
from torch import Tensor

from app.scene.tonemap import FRESNEL_OFFSET, START_COMPRESSION

# Below this the weight stays constant. The sRGB curve is steepest near black, where the tone map's toe
# flattens it.
SHADOW = 0.01
# Highlights keep this share of their weight: a prediction that is far too bright must find its way back.
LEAST_HIGHLIGHT = 0.05
# Beyond an error of this many times the way from black to white a target counts evenly, not squared: the rest of its
# light is lost. At 1, fireflies' light was, and the light that comes through lids, nostrils and ears is nothing else.
HUBER_LIMIT = 16.0
# An error counts half where the noise around its pixel has this variance, in the display's range squared, so that
# noisy places do not decide for all others. Asked of the pixels around, the weight knows nothing of the pixel's own
# noise, and that still averages out.
HALF_NOISE = 0.1


def display_slope(radiance: Tensor) -> Tensor:
    """How steeply the display value rises with each channel: d sRGB(tone map(x)) / dx, smoothed and bounded.

    Args:
        radiance: (..., 3) exposed linear radiance; negative counts as 0.

    Returns:
        (..., 3), 0.2 to 6.5 for display values below white. It follows `app.scene.tonemap` without the mixing
        of channels.
    """
    radiance = radiance.clamp_min(0.0)
    lowest = radiance.amin(dim=-1, keepdim=True)
    toe = lowest - lowest.square() / (4.0 * FRESNEL_OFFSET)
    shown = radiance - torch.where(lowest < 2.0 * FRESNEL_OFFSET, toe, torch.full_like(toe, FRESNEL_OFFSET))
    room = 1.0 - START_COMPRESSION
    peak = shown.amax(dim=-1, keepdim=True).clamp_min(START_COMPRESSION)
    highlight = (room / (peak + room - START_COMPRESSION)).square().clamp_min(LEAST_HIGHLIGHT)
    return (1.055 / 2.4) * shown.clamp_min(SHADOW).pow(1.0 / 2.4 - 1.0) * highlight


def weighted_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The training loss (..., 3): squared error weighed by the slope at the prediction, which counts as a
    constant; beyond HUBER_LIMIT the error counts evenly (Huber 1964).

    Below that its gradient is linear in `target`, so the noise of an unbiased target averages out.
    """
    error = (display_slope(prediction.detach()) * (prediction - target)).abs()
    return torch.where(error <= HUBER_LIMIT, error.square(), HUBER_LIMIT * (2.0 * error - HUBER_LIMIT))


def quietness(prediction: Tensor, noise: Tensor, half: float = HALF_NOISE) -> Tensor:
    """What errors of a prediction (..., 3) count, 0 to 1 (..., 1), where the noise around has a variance (..., 3).

    It is 1/2 at the variance `half` of what the display shows, and 1 where nothing is known of the noise: one sample a
    pixel tells no variance.
    """
    shown = (display_slope(prediction.detach()).square() * noise).mean(dim=-1, keepdim=True)
    return torch.where(shown.isfinite(), half / (half + shown), 1.0)
