"""The fused tile network as GLSL, generated for its layer widths, and the order of parameters it reads.

Why generated text. A driver that compiles for a CPU reads a weight from shared memory as one scalar,
broadcast into the multiplication, but only where the address is a constant and no branch or loop surrounds
it; anything else is tens of times slower. So every weight is an expression with a constant index in
straight-line code. A GPU's compiler unrolls to the same.

Why blocks. Such a driver runs the code for 8 pixels at a time, and the 40 KB that 32-32-28-15 compiles to
would be fetched anew for every 8; worse, its compiler loads all weights of a long stretch of code first and
then spills them. A barrier after each block of outputs makes all pixels pass one block (8 to 16 KB, which
stays in the instruction cache) before any goes on, and bounds what is loaded ahead. Nothing is exchanged
there, so it is a barrier of execution only: one with memory semantics costs ten times more (an mfence
each). A GPU needs none of this (macro BLOCK_BARRIER).

How large a block is best depends on the registers, which hold a running sum per output, and so does the
arithmetic: both make a `Variant` (docs/tile-network.md has times).

Order of parameters, as vec4 (widths padded to multiples of 4 with zeros), layer after layer: the bias, then
for each input the weights towards all outputs. An input is thus multiplied into 16 running sums while it is
in a register.

On chip. The weights of as many whole layers as fit into 32 KB of shared memory are staged together; a
network that does not fit is staged group of layers by group. The widest layer, 64 to 64, takes 16.6 KB.
Activations are registers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.network.layers import COLORS, MIXED, check_layers
from app.network.schema import CHANNELS, channels

SHARED_BYTES = 32 * 1024  # for a tile's weights: what every desktop GPU has, and lavapipe
MAX_WIDTH = 64  # of a hidden layer; wider ones would neither fit on chip nor compile in seconds
BLOCKS = (8, 12, 16, 24, 32)  # outputs between two block barriers: what is worth trying


@dataclass(frozen=True)
class Variant:
    """One way to write a network's shader.

    Attributes:
        block: outputs computed between two block barriers; a multiple of 4 up to MAX_WIDTH.
        half: weights, sums and activations are halves; only the mixing is in floats.
    """

    block: int = 16
    half: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.block <= MAX_WIDTH or self.block % 4:
            raise ValueError(f"blocks of {self.block} outputs, but multiples of 4 up to {MAX_WIDTH} are possible")

    @property
    def name(self) -> str:
        """As `parse` reads it: arithmetic and block, e.g. "float-16"."""
        return f"{'half' if self.half else 'float'}-{self.block}"

    @classmethod
    def parse(cls, name: str) -> "Variant":
        """The variant of this name; InputError, a clause without its subject, if there is none."""
        match = re.fullmatch(r"(float|half)-([0-9]{1,3})", name, re.ASCII)
        if not match:
            raise InputError(f"is {name!r}, but must be float or half and a block's outputs, like float-16")
        try:
            return cls(int(match[2]), match[1] == "half")
        except ValueError as error:
            raise InputError(f"is {name!r}: {error}") from None

    @property
    def vector_bytes(self) -> int:
        """Size of four weights in shared memory."""
        return 8 if self.half else 16


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


def check_widths(layers: Sequence[int]) -> str:
    """Says in a clause why the shader cannot run these widths, or returns "" if it can."""
    return check_layers(layers, MAX_WIDTH)


def plan(layers: Sequence[int]) -> list[Layer]:
    """The layers of a network with these widths and where their parameters lie."""
    result: list[Layer] = []
    for index, (inputs, outputs) in enumerate(pairwise(layers)):
        offset = result[-1].offset + result[-1].vectors if result else 0
        result.append(Layer(index, inputs, outputs, offset))
    return result


def groups(layers: Sequence[int], variant: Variant) -> list[list[Layer]]:
    """The layers whose weights are staged together, each group at most SHARED_BYTES."""
    result: list[list[Layer]] = []
    for layer in plan(layers):
        if result and _count([*result[-1], layer]) * variant.vector_bytes <= SHARED_BYTES:
            result[-1].append(layer)
        else:
            result.append([layer])
    return result


def parameter_vectors(layers: Sequence[int]) -> int:
    """Length of one network's parameters in vec4."""
    last = plan(layers)[-1]
    return last.offset + last.vectors


def shared_bytes(layers: Sequence[int], variant: Variant) -> int:
    """Shared memory a tile's workgroup needs."""
    return max(map(_count, groups(layers, variant))) * variant.vector_bytes


def arrange(layers: Sequence[int], slots: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
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


def generate(layers: Sequence[int], variant: Variant) -> str:
    """The GLSL include "network.glsl" for a network with these widths.

    It declares the shared `weights[]` and defines

        void stage_network(uint slot)                        // call first; ends with a barrier
        vec3 run_network(uint slot, uvec4 words[4])          // packed features -> radiance over light_scale

    to be called by all threads of the workgroup, and needs the macros PARAMETER(i) (vec4 i of all
    parameters), THREADS (of the workgroup) and BLOCK_BARRIER() beforehand.
    """
    parts, vector = groups(layers, variant), _vector(variant)
    lines = [
        f"// Generated by app/network/shader.py for the widths {'-'.join(map(str, layers))}, {variant.name}.",
        f"const uint PARAMETER_VECTORS = {parameter_vectors(layers)}u; // vec4 of one network",
        f"shared {vector} weights[{max(map(_count, parts))}];",
        "",
        "void stage_layers(uint slot, uint first, uint count) {",
        "    for (uint i = gl_LocalInvocationIndex; i < count; i += THREADS)",
        f"        weights[i] = {vector}(PARAMETER(slot * PARAMETER_VECTORS + first + i));",
        "    barrier();",
        "}",
        f"void stage_network(uint slot) {{ stage_layers(slot, 0u, {_count(parts[0])}u); }}",
        "",
        "vec3 run_network(uint slot, uvec4 words[4]) {",
    ]
    for word in range(CHANNELS // 2):
        lines.append(f"    vec2 x{word} = unpackHalf2x16(words[{word // 4}].{'xyzw'[word % 4]});")
    features = [f"x{channel // 2}.{'xy'[channel % 2]}" for channel in range(CHANNELS)]
    values, last = features, len(layers) - 2
    if variant.half:
        for word in range(CHANNELS // 2):
            lines.append(f"    f16vec2 h{word} = unpackFloat2x16(words[{word // 4}].{'xyzw'[word % 4]});")
        values = [f"h{channel // 2}.{'xy'[channel % 2]}" for channel in range(CHANNELS)]
    for number, group in enumerate(parts):
        if number:
            lines += [
                "    barrier(); // all threads are done with the weights staged before",
                f"    stage_layers(slot, {group[0].offset}u, {_count(group)}u);",
            ]
        for layer in group:
            # The first block follows the staging and the loads; its own barrier would only cost.
            code, values = _layer(layer, group[0].offset, values, variant, hidden=layer.index < last)
            lines += code
    lines.append("    // Red, green and blue of each light feature have a weight of their own.")
    for index, name in enumerate(MIXED):
        weights, light = values[COLORS * index : COLORS * (index + 1)], features[channels(name)]
        sign = "+=" if index else "="
        declared = "" if index else "vec3 "
        lines.append(f"    {declared}color {sign} vec3({', '.join(weights)}) * vec3({', '.join(light)});")
    lines += ["    return max(color, vec3(0.0));", "}", ""]
    return "\n".join(lines)


def _count(group: Sequence[Layer]) -> int:
    return sum(layer.vectors for layer in group)


def _vector(variant: Variant) -> str:
    return "f16vec4" if variant.half else "vec4"


def _layer(
    layer: Layer, base: int, inputs: Sequence[str], variant: Variant, *, hidden: bool
) -> tuple[list[str], list[str]]:
    """One layer's lines, and the expressions of its outputs; `base` is what lies at weights[0]."""
    lines: list[str] = []
    start, vector, zero = layer.offset - base, _vector(variant), "float16_t(0.0)" if variant.half else "0.0"
    for first in range(0, layer.columns, variant.block // 4):
        columns = range(first, min(first + variant.block // 4, layer.columns))
        if first or layer.index:
            lines.append("    BLOCK_BARRIER();")
        lines.append(f"    // Layer {layer.index}, outputs from {4 * first}.")
        lines += [f"    {vector} y{layer.index}_{c} = weights[{start + c}];" for c in columns]
        for i in range(layer.inputs):
            row = start + layer.columns * (i + 1)
            lines += [f"    y{layer.index}_{c} += {inputs[i]} * weights[{row + c}];" for c in columns]
        if hidden:
            lines += [f"    y{layer.index}_{c} = max(y{layer.index}_{c}, {zero});" for c in columns]
    outputs = [f"y{layer.index}_{c // 4}.{'xyzw'[c % 4]}" for c in range(layer.outputs)]
    return lines, outputs
