"""The order of a network's parameters on the GPU.

As vec4 (widths padded to multiples of 4 with zeros), layer after layer: the bias, then for each input the weights
towards all outputs. An input is thus multiplied into 16 running sums while it is in a register, and the weights of a
layer are a matrix, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.arrays import F32


@dataclass(frozen=True)
class Layer:
    """One layer's place among the parameters, in vec4.

    Attributes:
        index: 0 for the first.
        inputs, outputs: widths as trained.
        offset: of its bias from the start of the network's parameters; the weights follow.
        columns: vec4 that hold all outputs.
    """

    index: int
    inputs: int
    outputs: int
    offset: int

    @property
    def columns(self) -> int:
        """Vectors of four outputs."""
        return -(-self.outputs // 4)

    @property
    def vectors(self) -> int:
        """Parameters of this layer in vec4."""
        return (self.inputs + 1) * self.columns


def plan(layers: Sequence[int]) -> list[Layer]:
    """The layers of a network with these widths and where their parameters lie."""
    result: list[Layer] = []
    for index, (inputs, outputs) in enumerate(pairwise(layers)):
        offset = result[-1].offset + result[-1].vectors if result else 0
        result.append(Layer(index, inputs, outputs, offset))
    return result


def parameter_vectors(layers: Sequence[int]) -> int:
    """Length of one network's parameters in vec4."""
    last = plan(layers)[-1]
    return last.offset + last.vectors


def arrange(layers: Sequence[int], slots: F32) -> F32:
    """Parameters in the shader's order.

    Args:
        layers: widths. slots: (slots, parameters) float32 as in the weight file: weight[out][in] row-major,
        then bias, per layer.

    Returns:
        (slots, 4 * parameter_vectors) float32.
    """
    result = np.zeros((len(slots), parameter_vectors(layers), 4), np.float32)
    start = 0
    for layer in plan(layers):
        middle = start + layer.inputs * layer.outputs
        weight = slots[:, start:middle].reshape(-1, layer.outputs, layer.inputs)
        rows = np.zeros((len(slots), layer.inputs + 1, layer.columns * 4), np.float32)
        rows[:, 0, : layer.outputs] = slots[:, middle : middle + layer.outputs]
        rows[:, 1:, : layer.outputs] = weight.swapaxes(1, 2)
        result[:, layer.offset : layer.offset + layer.vectors] = rows.reshape(len(slots), -1, 4)
        start = middle + layer.outputs
    return result.reshape(len(slots), -1)
