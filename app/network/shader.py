"""The fused tile network as GLSL, generated for its layer widths, and the order of parameters it reads.

Why generated text. A driver that compiles for a CPU reads a weight from shared memory as one scalar,
broadcast into the multiplication, but only where the address is a constant and no branch or loop surrounds
it; anything else is tens of times slower. So every weight is an expression with a constant index in
straight-line code. A GPU's compiler unrolls to the same.

Why blocks. Such a driver runs the code for 8 pixels at a time, and the 40 KB that 32-32-32-3 compiles to
would be fetched anew for every 8. A barrier after each block of 16 outputs makes all pixels pass one block
(8 to 16 KB, which stays in the instruction cache) before any goes on. Nothing is exchanged there, so it is
a barrier of execution only: one with memory semantics costs ten times more (an mfence each). A GPU needs
none of this (macro BLOCK_BARRIER).

Order of parameters, as vec4 (widths padded to multiples of 4 with zeros), block after block: the bias, then
for each input the weights towards all outputs. An input is thus multiplied into 16 running sums while it is
in a register. The first block is the last layer's, for what it sees of the input itself: so only three sums, not
32 inputs, have to be kept until the hidden layers are done. Else a block is a layer.

On chip. The weights of as many whole blocks as fit into 32 KB of shared memory are staged together; a
network that does not fit is staged group of blocks by group. The widest layer, 64 to 64, takes 16.6 KB.
Activations are registers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from app.network.layers import check_layers, shapes, shortcut
from app.network.schema import CHANNELS

SHARED_BYTES = 32 * 1024  # for a tile's weights: what every desktop GPU has, and lavapipe
MAX_WIDTH = 64  # of a hidden layer; wider ones would neither fit on chip nor compile in seconds
BLOCK = 16  # outputs computed between two block barriers
_VEC4 = 16  # bytes


@dataclass(frozen=True)
class Block:
    """Parameters that lie together: a layer's, or the part of the last layer's for some of its inputs.

    Attributes:
        layer: its number, 0 for the first.
        inputs, outputs: widths as trained.
        offset: of the block from the start of the network's parameters, in vec4.
        column: the first of its inputs among the layer's.
        bias: whether the layer's bias is here, before the weights: the block that begins the sums.
        last: whether the sums are complete with it.
    """

    layer: int
    inputs: int
    outputs: int
    offset: int
    column: int = 0
    bias: bool = True
    last: bool = True

    @property
    def columns(self) -> int:
        """Vectors of four outputs."""
        return -(-self.outputs // 4)

    @property
    def vectors(self) -> int:
        """Parameters of this block in vec4."""
        return (self.inputs + self.bias) * self.columns


def check_widths(layers: Sequence[int]) -> str:
    """Says in a clause why the shader cannot run these widths, or returns "" if it can."""
    return check_layers(layers, MAX_WIDTH)


def plan(layers: Sequence[int]) -> list[Block]:
    """The blocks of a network with these widths, in order."""
    direct, final = shortcut(layers), len(layers) - 2
    result: list[Block] = []
    if direct:
        result.append(Block(final, direct, layers[-1], 0, last=False))
    for layer, (inputs, outputs) in enumerate(pairwise(layers)):
        offset = result[-1].offset + result[-1].vectors if result else 0
        rest = bool(direct) and layer == final
        result.append(Block(layer, inputs, outputs, offset, direct if rest else 0, bias=not rest))
    return result


def groups(layers: Sequence[int]) -> list[list[Block]]:
    """The blocks whose weights are staged together, each group at most SHARED_BYTES."""
    result: list[list[Block]] = []
    for block in plan(layers):
        if result and sum(one.vectors for one in [*result[-1], block]) * _VEC4 <= SHARED_BYTES:
            result[-1].append(block)
        else:
            result.append([block])
    return result


def parameter_vectors(layers: Sequence[int]) -> int:
    """Length of one network's parameters in vec4."""
    last = plan(layers)[-1]
    return last.offset + last.vectors


def shared_bytes(layers: Sequence[int]) -> int:
    """Shared memory a tile's workgroup needs."""
    return max(map(_count, groups(layers))) * _VEC4


def arrange(layers: Sequence[int], slots: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Parameters in the shader's order.

    Args:
        layers: widths. slots: (slots, parameters) float32 as in the weight file: weight[out][in] row-major,
        then bias, per layer.

    Returns:
        (slots, 4 * parameter_vectors) float32.
    """
    starts = np.cumsum([0, *((inputs + 1) * outputs for inputs, outputs in shapes(layers))])
    result = np.zeros((len(slots), parameter_vectors(layers), 4), np.float32)
    for block in plan(layers):
        inputs, outputs = shapes(layers)[block.layer]
        own = slots[:, starts[block.layer] : starts[block.layer + 1]]
        weight = own[:, : inputs * outputs].reshape(-1, outputs, inputs)
        rows = np.zeros((len(slots), block.inputs + block.bias, block.columns * 4), np.float32)
        if block.bias:
            rows[:, 0, :outputs] = own[:, inputs * outputs :]
        rows[:, int(block.bias) :, :outputs] = weight[..., block.column : block.column + block.inputs].swapaxes(1, 2)
        result[:, block.offset : block.offset + block.vectors] = rows.reshape(len(slots), -1, 4)
    return result.reshape(len(slots), -1)


def generate(layers: Sequence[int]) -> str:
    """The GLSL include "network.glsl" for a network with these widths.

    It declares `shared vec4 weights[]` and defines

        void stage_network(uint slot)                        // call first; ends with a barrier
        vec3 run_network(uint slot, uvec4 words[4])          // packed features -> rectified outputs

    to be called by all threads of the workgroup, and needs the macros PARAMETER(i) (vec4 i of all
    parameters), THREADS (of the workgroup) and BLOCK_BARRIER() beforehand.
    """
    parts = groups(layers)
    lines = [
        "// Generated by app/network/shader.py for the widths " + "-".join(map(str, layers)) + ".",
        f"const uint PARAMETER_VECTORS = {parameter_vectors(layers)}u; // vec4 of one network",
        f"shared vec4 weights[{shared_bytes(layers) // _VEC4}];",
        "",
        "void stage_layers(uint slot, uint first, uint count) {",
        "    for (uint i = gl_LocalInvocationIndex; i < count; i += THREADS)",
        "        weights[i] = PARAMETER(slot * PARAMETER_VECTORS + first + i);",
        "    barrier();",
        "}",
        f"void stage_network(uint slot) {{ stage_layers(slot, 0u, {_count(parts[0])}u); }}",
        "",
        "vec3 run_network(uint slot, uvec4 words[4]) {",
    ]
    for word in range(CHANNELS // 2):
        lines.append(f"    vec2 x{word} = unpackHalf2x16(words[{word // 4}].{'xyzw'[word % 4]});")
    features = [f"x{channel // 2}.{'xy'[channel % 2]}" for channel in range(CHANNELS)]
    values = features
    for number, group in enumerate(parts):
        if number:
            lines += [
                "    barrier(); // all threads are done with the weights staged before",
                f"    stage_layers(slot, {group[0].offset}u, {_count(group)}u);",
            ]
        for block in group:
            lines += _block(block, group[0].offset, values if block.last else features)
            if block.last:
                values = [f"y{block.layer}_{c // 4}.{'xyzw'[c % 4]}" for c in range(block.outputs)]
    lines += [f"    return vec3({', '.join(values[:3])});", "}", ""]
    return "\n".join(lines)


def _count(group: Sequence[Block]) -> int:
    return sum(block.vectors for block in group)


def _block(block: Block, base: int, inputs: Sequence[str]) -> list[str]:
    """One block's lines; `base` is what lies at weights[0]."""
    lines: list[str] = []
    start, y = block.offset - base, f"y{block.layer}"
    for first in range(0, block.columns, BLOCK // 4):
        columns = range(first, min(first + BLOCK // 4, block.columns))
        # What comes first follows the staging and the loads; its own barrier would only cost.
        if first or (block.layer > 0 and block.last):
            lines.append("    BLOCK_BARRIER();")
        lines.append(f"    // Layer {block.layer}, outputs from {4 * first}, inputs from {block.column}.")
        if block.bias:
            lines += [f"    vec4 {y}_{c} = weights[{start + c}];" for c in columns]
        for i in range(block.inputs):
            row = start + block.columns * (i + block.bias)
            lines += [f"    {y}_{c} += {inputs[i]} * weights[{row + c}];" for c in columns]
        if block.last:
            lines += [f"    {y}_{c} = max({y}_{c}, 0.0);" for c in columns]
    return lines
