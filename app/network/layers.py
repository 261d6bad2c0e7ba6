"""The shape of a tile network: how wide its layers are, what its outputs mean, and what it costs.

All layers are dense; hidden ones end in ReLU. The last layer's outputs are no colours but weights: red, green and blue
of every light feature in `MIXED` are multiplied by a weight each and added up to the pixel's radiance. So a network
does not have to carry the light through its layers, only to know how it spreads here (compare the kernels that Bako et
al. 2017, "Kernel-Predicting Convolutional Networks for Denoising", predict in place of colours), red light cannot turn
blue, and where no light arrives the picture is black.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from app.network.schema import CHANNELS, FEATURES, channels

MIXED = ("diffuse", "diffuse_narrow", "diffuse_wide", "specular", "transmission")
COLORS = 3  # linear Rec.709
OUTPUTS = COLORS * len(MIXED)  # red, green and blue of the first feature, then of the next
LAYERS = (CHANNELS, 32, 28, OUTPUTS)  # widths that training starts with; of what it learns, idle units are left out
MAX_WIDTH = 1024
MAX_LAYERS = 5


def check_layers(layers: Sequence[int], max_width: int = MAX_WIDTH) -> str:
    """Says in a clause why there can be no network with these widths, or returns "" if there can.

    Args:
        layers: widths from the input to the output, e.g. (32, 32, 28, 15).
        max_width: of a hidden layer.
    """
    if not 2 <= len(layers) <= MAX_LAYERS + 1:
        return f"has {len(layers) - 1} layers, but 1 to {MAX_LAYERS} are possible"
    if layers[0] != CHANNELS or layers[-1] != OUTPUTS:
        return f"leads from {layers[0]} to {layers[-1]} channels, but must lead from {CHANNELS} to {OUTPUTS}"
    if not all(1 <= width <= max_width for width in layers[1:-1]):
        return f"has hidden widths {list(layers[1:-1])}, but 1 to {max_width} are possible"
    return ""


def mix(outputs: Any, features: Any) -> Any:
    """The radiance (..., 3) over light_scale that the last layer's outputs (..., 15) make of features (..., 32).

    It may be negative: the shader cuts it at 0. For arrays of numpy as well as of torch; summed feature by feature.
    """
    radiance = outputs[..., :COLORS] * features[..., channels(MIXED[0])]
    for index, name in enumerate(MIXED[1:], start=1):
        radiance = radiance + outputs[..., COLORS * index : COLORS * (index + 1)] * features[..., channels(name)]
    return radiance


def parameter_count(layers: Sequence[int]) -> int:
    """Weights and biases of one network with these widths."""
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(layers))


def flops(layers: Sequence[int]) -> int:
    """Multiplications and additions a pixel, the mixing included; biases and activations do not count."""
    return 2 * sum(inputs * outputs for inputs, outputs in pairwise(layers)) + 2 * OUTPUTS


if any(feature.name in MIXED and not (feature.light and feature.channels == COLORS) for feature in FEATURES):
    raise AssertionError("only colours that scale with the lights can be mixed")
