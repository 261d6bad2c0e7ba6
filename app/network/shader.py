"""The fused tile network as GLSL, generated for its layer widths.

Why generated text. A driver that compiles for a CPU reads a weight from shared memory as one scalar,
broadcast into the multiplication, but only where the address is a constant and no branch or loop surrounds
it; anything else is tens of times slower. So every weight is an expression with a constant index in
straight-line code. A GPU's compiler unrolls to the same.

Why blocks. Such a driver runs the code for 8 pixels at a time, and the 40 KB that 32-32-28-15 compiles to
would be fetched anew for every 8; worse, its compiler loads all weights of a long stretch of code first and
then spills them. A barrier after each block of outputs makes all pixels pass one block (8 to 16 KB, which
stays in the instruction cache) before any goes on, and bounds what is loaded ahead. Nothing is exchanged
there, so it is a barrier of execution only: one with memory semantics costs ten times more (an mfence
each). One stands before the mixing, too, or the last block would be loaded and spilled with it. A GPU needs none of
this (macro BLOCK_BARRIER).

How large a block is best depends on the registers, which hold a running sum per output, and so does the
arithmetic: both make a `Variant` (docs/tile-network.md has times). Where a device multiplies whole matrices, the layers
can be products of these instead: see app/network/matrix_shader.py.

On chip. The weights of as many whole layers as fit into 32 KB of shared memory are staged together; a
network that does not fit is staged group of layers by group. The widest layer, 64 to 64, takes 16.6 KB.
Activations are registers.

Why not from shared memory on a GPU (`direct`). All threads of a tile multiply by the same weight, and shared memory
hands each thread a copy, 128 bytes a cycle: 4 weights for 32 threads take 4 cycles. AMD's compiler moves each into a
scalar register besides, so that half of its instructions are moves. Read by an address that the whole workgroup shares,
16 weights at a time arrive in scalar registers there, through a cache of scalars, and no thread waits for others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InputError
from app.network.layers import COLORS, MIXED, check_layers
from app.network.matrix_shader import Matrix, MatrixShader
from app.network.parameters import Layer, parameter_vectors, plan
from app.network.schema import CHANNELS, VECTORS, WORDS, channels

SHARED_BYTES = 32 * 1024  # for a tile's weights: what every desktop GPU has, and lavapipe
MAX_WIDTH = 64  # of a hidden layer; wider ones would neither fit on chip nor compile in seconds
BLOCKS = (8, 12, 16, 24, 32)  # outputs between two block barriers: what is worth trying
ADDRESSED_WEIGHTS = "Networks(push.parameters).at[slot].weights"  # of the workgroup's address: only constants are added
DIRECT = (1, 2)  # pixels of a thread that reads its weights by address; four do not fit into 256 registers


@dataclass(frozen=True)
class Variant:
    """One way to write a network's shader.

    Attributes:
        block: outputs computed between two block barriers; a multiple of 4 up to MAX_WIDTH.
        half: weights, sums and activations are halves; only the mixing is in floats.
        direct: 0 stages weights in shared memory; otherwise they are read by address where they are used, in floats,
            and a thread has so many pixels, for all of which a weight is read once: 1 or 2.
        matrix: layers are products of cooperative matrices of these sizes, if any; weights and activations are then
            halves in any case, and there are no blocks.
        wide: the same text as without, which a CPU's driver compiles for vectors of 512 bits (app/gpu/vector_width.py);
            in floats and blocks only.
    """

    block: int = 16
    half: bool = False
    matrix: Matrix | None = None
    direct: int = 0
    wide: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.block <= MAX_WIDTH or self.block % 4:
            raise ValueError(f"blocks of {self.block} outputs, but multiples of 4 up to {MAX_WIDTH} are possible")
        if self.direct not in (0, *DIRECT):
            raise ValueError(f"{self.direct} pixels a thread, but only {' or '.join(map(str, DIRECT))} are possible")
        if self.direct and self.rounds:
            raise ValueError("weights by address are floats")
        if self.wide and (self.direct or self.rounds):
            raise ValueError("wide vectors are for floats in blocks")

    @property
    def pixels(self) -> int:
        """Pixels of a thread."""
        return self.direct or 1

    @property
    def name(self) -> str:
        """As `parse` reads it: arithmetic and block, pixels, or sizes: "float-16", "direct-1", "matrix-8x8x8" ..."""
        if self.direct:
            return f"direct-{self.direct}"
        if self.matrix:
            return f"{'half-' if self.half else ''}matrix-{self.matrix}"
        return f"{'wide-' if self.wide else ''}{'half' if self.half else 'float'}-{self.block}"

    @classmethod
    def parse(cls, name: str) -> "Variant":
        """The variant of this name; InputError, a clause without its subject, if there is none."""
        blocks = re.fullmatch(r"(wide-)?(float|half)-([0-9]{1,3})", name, re.ASCII)
        direct = re.fullmatch(r"direct-([0-9]{1,3})", name, re.ASCII)
        matrices = re.fullmatch(r"(half-)?matrix-([0-9]{1,3})x([0-9]{1,3})x([0-9]{1,3})", name, re.ASCII)
        try:
            if blocks:
                return cls(int(blocks[3]), blocks[2] == "half", wide=bool(blocks[1]))
            if direct and int(direct[1]):
                return cls(direct=int(direct[1]))
            if matrices:
                rows, columns, depth = map(int, matrices.groups()[1:])
                return cls(half=bool(matrices[1]), matrix=Matrix(rows, columns, depth))
        except ValueError as error:
            raise InputError(f"is {name!r}: {error}") from None
        raise InputError(
            f"is {name!r}, but must be float or half and a block's outputs, like float-16, or like wide-float-16, "
            "direct-1 or matrix-16x16x16"
        )

    @property
    def rounds(self) -> bool:
        """Weights and activations are rounded to halves."""
        return self.half or self.matrix is not None

    @property
    def vector(self) -> str:
        """GLSL's type of four weights."""
        return "f16vec4" if self.half else "vec4"

    @property
    def vector_bytes(self) -> int:
        """Size of four weights in shared memory."""
        return 8 if self.half else 16


def check_widths(layers: Sequence[int]) -> str:
    """Says in a clause why the shader cannot run these widths, or returns "" if it can."""
    return check_layers(layers, MAX_WIDTH)


def groups(layers: Sequence[int], variant: Variant) -> list[list[Layer]]:
    """The layers whose weights are staged together, each group at most SHARED_BYTES; all, where nothing is staged."""
    if variant.direct:
        return [plan(layers)]
    result: list[list[Layer]] = []
    for layer in plan(layers):
        if result and _count([*result[-1], layer]) * variant.vector_bytes <= SHARED_BYTES:
            result[-1].append(layer)
        else:
            result.append([layer])
    return result


def shared_bytes(layers: Sequence[int], variant: Variant) -> int:
    """Shared memory a tile's workgroup needs."""
    if variant.matrix:
        return _matrices(layers, variant, variant.matrix).shared_bytes
    if variant.direct:
        return 0
    return max(map(_count, groups(layers, variant))) * variant.vector_bytes


def generate(layers: Sequence[int], variant: Variant) -> str:
    """The GLSL include "network.glsl" for a network with these widths.

    It defines

        const uint OWN_PIXELS                                // of a thread
        void stage_network(uint slot)                        // call first; ends with a barrier if anything is staged
        uint own_pixel()                                     // of the tile: the thread's first, THREADS before the next
        void run_network(uint slot, uvec4 words[OWN_PIXELS * FEATURE_VECTORS], out vec3 colors[OWN_PIXELS])
                                                             // packed features -> radiance over light_scale

    to be called by all threads of the workgroup, and needs push.parameters (the address of all parameters) and the
    macros PARAMETER(i) (vec4 i of these), THREADS (of the workgroup) and BLOCK_BARRIER() beforehand.
    """
    if variant.matrix:
        matrices = _matrices(layers, variant, variant.matrix)
        declared, (code, weights) = matrices.declarations(), matrices.body()
        outputs = [weights]
    else:
        parts = [_count(group) for group in groups(layers, variant)]
        declared = [
            *(by_address() if variant.direct else staging(max(parts), variant.vector)),
            f"void stage_network(uint slot) {{ stage_weights(slot, 0u, {parts[0]}u); }}",
            "uint own_pixel() { return OWN_THREAD; }",
        ]
        code, outputs = _blocks(layers, variant)
    lines = [
        f"// Generated by app/network/shader.py for the widths {'-'.join(map(str, layers))}, {variant.name}.",
        f"const uint PARAMETER_VECTORS = {parameter_vectors(layers)}u; // vec4 of one network",
        f"const uint OWN_PIXELS = {variant.pixels}u;",
        *declared,
        "",
        "void run_network(uint slot, uvec4 words[OWN_PIXELS * FEATURE_VECTORS], out vec3 colors[OWN_PIXELS]) {",
    ]
    for pixel in range(variant.pixels):
        for word in range(WORDS):
            lines.append(f"    vec2 x{pixel}_{word} = KEPT(unpack_halves({_word(pixel, word)}));")
    lines += code
    lines.append("    BLOCK_BARRIER();")
    lines.append("    // Red, green and blue of each light feature have a weight of their own.")
    for pixel, weights in enumerate(outputs):
        features = _features(pixel)
        for index, name in enumerate(MIXED):
            own, light = weights[COLORS * index : COLORS * (index + 1)], features[channels(name)]
            sign = "+=" if index else "="
            lines.append(f"    colors[{pixel}] {sign} vec3({', '.join(own)}) * vec3({', '.join(light)});")
        lines.append(f"    colors[{pixel}] = max(colors[{pixel}], vec3(0.0));")
    lines += ["}", ""]
    return "\n".join(lines)


def _word(pixel: int, word: int) -> str:
    """Two packed channels of one of the thread's pixels."""
    return f"words[{pixel * VECTORS + word // 4}].{'xyzw'[word % 4]}"


def _features(pixel: int, prefix: str = "x") -> list[str]:
    return [f"{prefix}{pixel}_{channel // 2}.{'xy'[channel % 2]}" for channel in range(CHANNELS)]


def _matrices(layers: Sequence[int], variant: Variant, matrix: Matrix) -> MatrixShader:
    return MatrixShader(layers, matrix, variant.half, SHARED_BYTES)


def staging(most: int, vector: str = "vec4") -> list[str]:
    """Declarations of shared `weights`, at most so many vectors, and of what stages them: some of a network's."""
    return [
        f"shared {vector} weights[{most}];",
        "void stage_weights(uint slot, uint first, uint count) {",
        "    // Sixteen threads copy vectors one after the other: memory that is read in order is fetched ahead.",
        "    uint rounds = (count + THREADS - 1u) / THREADS;",
        "    uint i = OWN_THREAD / 16u * 16u * rounds + OWN_THREAD % 16u;",
        "    for (uint end = i + 16u * rounds; i < min(end, count); i += 16u)",
        f"        weights[i] = {vector}(PARAMETER(slot * PARAMETER_VECTORS + first + i));",
        "    barrier();",
        "}",
    ]


def by_address() -> list[str]:
    """Declarations of ADDRESSED_WEIGHTS in the place of `staging`: there is nothing to stage."""
    return [
        "struct Network { vec4 weights[PARAMETER_VECTORS]; };",
        "layout(buffer_reference, scalar, buffer_reference_align = 16) readonly buffer Networks { Network at[]; };",
        "void stage_weights(uint slot, uint first, uint count) {}",
    ]


def _blocks(layers: Sequence[int], variant: Variant) -> tuple[list[str], list[list[str]]]:
    """Lines that run the network in blocks, and the expressions of its outputs, for each pixel of the thread."""
    lines: list[str] = []
    values, last = [_features(pixel) for pixel in range(variant.pixels)], len(layers) - 2
    if variant.half:
        for word in range(WORDS):
            lines.append(f"    f16vec2 h0_{word} = unpackFloat2x16({_word(0, word)});")
        values = [_features(0, "h")]
    for number, group in enumerate(groups(layers, variant)):
        if number:
            lines += [
                "    barrier(); // all threads are done with the weights staged before",
                f"    stage_weights(slot, {group[0].offset}u, {_count(group)}u);",
            ]
        for layer in group:
            # The first block follows the staging and the loads; its own barrier would only cost.
            code, values = _layer(layer, group[0].offset, values, variant, hidden=layer.index < last)
            lines += code
    return lines, values


def _count(group: Sequence[Layer]) -> int:
    return sum(layer.vectors for layer in group)


def blocks(layer: Layer, variant: Variant) -> list[range]:
    """The vectors of outputs of each block. By address a layer is one: what is read together is used together."""
    step = layer.columns if variant.direct else variant.block // 4
    return [range(first, min(first + step, layer.columns)) for first in range(0, layer.columns, step)]


def _layer(
    layer: Layer, base: int, inputs: Sequence[Sequence[str]], variant: Variant, *, hidden: bool
) -> tuple[list[str], list[list[str]]]:
    """One layer's lines, and the expressions of its outputs, for each pixel; `base` is what lies at weights[0]."""
    lines: list[str] = []
    start, vector, zero = layer.offset - base, variant.vector, "float16_t(0.0)" if variant.half else "0.0"
    weights = ADDRESSED_WEIGHTS if variant.direct else "weights"
    for columns in blocks(layer, variant):
        sums = [(f"y{pixel}_{layer.index}_{c}", c, own) for c in columns for pixel, own in enumerate(inputs)]
        if columns.start or layer.index:
            lines.append("    BLOCK_BARRIER();")
        lines.append(f"    // Layer {layer.index}, outputs from {4 * columns.start}.")
        lines += [f"    {vector} {y} = {weights}[{start + c}];" for y, c, _ in sums]
        for i in range(layer.inputs):
            row = start + layer.columns * (i + 1)
            lines += [f"    {y} += {own[i]} * {weights}[{row + c}];" for y, c, own in sums]
        if hidden:
            lines += [f"    {y} = max({y}, {zero});" for y, _, _ in sums]
    outputs = [
        [f"y{pixel}_{layer.index}_{c // 4}.{'xyzw'[c % 4]}" for c in range(layer.outputs)]
        for pixel in range(len(inputs))
    ]
    return lines, outputs
