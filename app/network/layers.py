"""The shape of a tile network: how wide its layers are, what each of them sees, and what that costs.

All hidden layers are dense with ReLU. The last layer sees the last hidden layer and, beside it, the input itself (a
shortcut as in Huang et al. 2017, "Densely Connected Convolutional Networks"): what the features say already, such as
the reflected light, need not be carried through the hidden layers, which are left with what it takes to correct it.
A network without hidden layers is linear in its input.
"""

from collections.abc import Sequence
from itertools import pairwise

from app.network.schema import CHANNELS

OUTPUTS = 3  # linear Rec.709 radiance over light_scale
MAX_WIDTH = 1024
MAX_LAYERS = 5


def check_layers(layers: Sequence[int], max_width: int = MAX_WIDTH) -> str:
    """Says in a clause why there can be no network with these widths, or returns "" if there can.

    Args:
        layers: widths from the input to the output, e.g. (32, 32, 32, 3).
        max_width: of a hidden layer.
    """
    if not 2 <= len(layers) <= MAX_LAYERS + 1:
        return f"has {len(layers) - 1} layers, but 1 to {MAX_LAYERS} are possible"
    if layers[0] != CHANNELS or layers[-1] != OUTPUTS:
        return f"leads from {layers[0]} to {layers[-1]} channels, but must lead from {CHANNELS} to {OUTPUTS}"
    if not all(1 <= width <= max_width for width in layers[1:-1]):
        return f"has hidden widths {list(layers[1:-1])}, but 1 to {max_width} are possible"
    return ""


def shortcut(layers: Sequence[int]) -> int:
    """How many channels of the input the last layer sees beside the last hidden layer; they come first."""
    return CHANNELS if len(layers) > 2 else 0


def shapes(layers: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, outputs) of every layer."""
    result = list(pairwise(layers))
    inputs, outputs = result[-1]
    return [*result[:-1], (shortcut(layers) + inputs, outputs)]


def parameter_count(layers: Sequence[int]) -> int:
    """Weights and biases of one network with these widths."""
    return sum((inputs + 1) * outputs for inputs, outputs in shapes(layers))


def flops(layers: Sequence[int]) -> int:
    """Multiplications and additions a pixel; biases and activations do not count."""
    return 2 * sum(inputs * outputs for inputs, outputs in shapes(layers))
