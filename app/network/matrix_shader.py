"""The tile network by way of cooperative matrices: GLSL in which a subgroup multiplies whole matrices.

A layer is a product, (pixels x inputs) * (inputs x outputs). A device offers it for matrices of few sizes only
(`Matrix`), so widths are padded with zeros to whole matrices, and a subgroup takes as many of its own pixels at a time
as a matrix has rows. Weights and activations are halves, sums floats or halves.

How a matrix is spread over a subgroup's threads is the driver's secret. So a layer's sums become the next one's inputs
by way of shared memory, where each pixel has a row that holds its inputs, then its outputs. Only the threads of one
subgroup touch its pixels' rows: its own barrier does. All of shared memory is declared as uvec4, since it holds halves
and floats in turn; a matrix may be read from either.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.network.parameters import Layer, plan
from app.network.schema import TILE_PIXELS, VECTORS

_HALVES, _FLOATS = 8, 4  # in a uvec4
_VECTOR_BYTES = 16
_ROW_MAJOR = "gl_CooperativeMatrixLayoutRowMajor"

_FUNCTIONS = """
uint own_pixel() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }

// Between what a subgroup's threads write to their pixels' rows and what they read there, or the other way round.
void subgroup_exchange() {
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// Vector c of so many in a row of parameters, and c and c + 1 as halves; zeros beyond its end.
uvec4 floats(uint row, uint c, uint columns) {
    return c < columns ? floatBitsToUint(PARAMETER(row + c)) : uvec4(0u);
}
uvec4 halves(uint row, uint c, uint columns) {
    vec4 a = uintBitsToFloat(floats(row, c, columns)), b = uintBitsToFloat(floats(row, c + 1u, columns));
    return uvec4(packHalf2x16(a.xy), packHalf2x16(a.zw), packHalf2x16(b.xy), packHalf2x16(b.zw));
}

// A layer's parameters from `source` on: the bias, then `inputs` rows, with `columns` vectors of outputs each.
// They become rows with `width` uvec4 of halves, up to `end`.
void stage_layer(uint source, uint inputs, uint columns, uint bias, uint start, uint end, uint width) {
    for (uint i = bias + gl_LocalInvocationIndex; i < start; i += THREADS) weights[i] = BIAS;
    for (uint i = gl_LocalInvocationIndex; i < end - start; i += THREADS) {
        uint row = i / width;
        uint from = source + columns * (row + 1u);
        weights[start + i] = row < inputs ? halves(from, 2u * (i % width), columns) : uvec4(0u);
    }
}
"""


@dataclass(frozen=True)
class Matrix:
    """The sizes of a product, (rows x depth) * (depth x columns): pixels, outputs and inputs.

    ValueError where a network cannot be made of them.
    """

    rows: int
    columns: int
    depth: int

    def __post_init__(self) -> None:
        if self.rows <= 0 or TILE_PIXELS % self.rows:
            raise ValueError(f"matrices of {self.rows} rows do not divide a tile of {TILE_PIXELS} pixels")
        if self.columns <= 0 or self.columns % _HALVES:
            raise ValueError(f"matrices of {self.columns} columns, but multiples of {_HALVES} are possible")
        if self.depth not in (8, 16, 32):
            raise ValueError(f"matrices with a depth of {self.depth}, but 8, 16 and 32 are possible")

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.depth}"


@dataclass(frozen=True)
class Place:
    """A layer in whole matrices.

    Attributes:
        layer: as trained.
        inputs, outputs: padded widths.
        bias, weights: where they start in shared memory, and where it ends, in uvec4.
    """

    layer: Layer
    inputs: int
    outputs: int
    bias: int
    weights: int

    @property
    def end(self) -> int:
        """The uvec4 behind this layer."""
        return self.weights + self.inputs * self.outputs // _HALVES


class MatrixShader:
    """The parts of a network's shader that differ from the one in vectors.

    Args:
        layers: widths. matrix: sizes of all products.
        half: sums are halves as well.
        budget: shared memory in bytes that is not to be exceeded while a group has more than one layer.

    Attributes:
        groups: the layers that are staged together.
        row: uvec4 of a pixel's row of activations.
    """

    def __init__(self, layers: Sequence[int], matrix: Matrix, half: bool, budget: int) -> None:
        self._matrix, self._half, self._last = matrix, half, len(layers) - 2
        self._sums = _HALVES if half else _FLOATS
        widths = [(layer, *self._padded(layer)) for layer in plan(layers)]
        self.row = max(widths[-1][2] // self._sums, *(inputs // _HALVES for _, inputs, _ in widths))
        room = budget // _VECTOR_BYTES - TILE_PIXELS * self.row
        self.groups: list[list[Place]] = []
        for layer, inputs, outputs in widths:
            start = self.groups[-1][-1].end if self.groups else 0
            place = Place(layer, inputs, outputs, start, start + outputs // self._sums)
            if not self.groups or place.end > room:
                place = Place(layer, inputs, outputs, 0, outputs // self._sums)
                self.groups.append([])
            self.groups[-1].append(place)

    def _padded(self, layer: Layer) -> tuple[int, int]:
        """Inputs and outputs in whole matrices; what a hidden layer puts out, the next one takes in."""
        both = math.lcm(self._matrix.columns, self._matrix.depth)
        inputs = _whole(layer.inputs, both if layer.index else self._matrix.depth)
        return inputs, _whole(layer.outputs, self._matrix.columns if layer.index == self._last else both)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a tile's workgroup."""
        return (self._weight_vectors + TILE_PIXELS * self.row) * _VECTOR_BYTES

    @property
    def _weight_vectors(self) -> int:
        return max(group[-1].end for group in self.groups)

    def declarations(self) -> list[str]:
        """Types, shared memory, the staging of weights, and what a subgroup's threads have to do with pixels."""
        sizes, sums = self._matrix, "float16_t" if self._half else "float"
        bias = "halves(source, 2u * (i - bias), columns)" if self._half else "floats(source, i - bias, columns)"
        return [
            f"#define PIXELS coopmat<float16_t, gl_ScopeSubgroup, {sizes.rows}, {sizes.depth}, gl_MatrixUseA>",
            f"#define WEIGHTS coopmat<float16_t, gl_ScopeSubgroup, {sizes.depth}, {sizes.columns}, gl_MatrixUseB>",
            f"#define SUMS_OF(x) coopmat<x, gl_ScopeSubgroup, {sizes.rows}, {sizes.columns}, gl_MatrixUseAccumulator>",
            f"#define SUMS SUMS_OF({sums})",
            f"const uint ROW = {self.row}u; // uvec4 of a pixel",
            f"shared uvec4 activations[{TILE_PIXELS * self.row}];",
            f"shared uvec4 weights[{self._weight_vectors}];",
            _FUNCTIONS.replace("BIAS", bias),
            *(line for number, group in enumerate(self.groups) for line in self._staging(number, group)),
            "void stage_network(uint slot) { stage_group_0(slot); }",
        ]

    def _staging(self, number: int, group: Sequence[Place]) -> list[str]:
        lines = [f"void stage_group_{number}(uint slot) {{", "    uint source = slot * PARAMETER_VECTORS;"]
        for place in group:
            layer = place.layer
            numbers = (layer.inputs, layer.columns, place.bias, place.weights, place.end, place.outputs // _HALVES)
            lines.append(f"    stage_layer(source + {layer.offset}u, {', '.join(f'{one}u' for one in numbers)});")
        return [*lines, "    barrier();", "}"]

    def body(self) -> tuple[list[str], list[str]]:
        """Lines that run the network on `words` in shared memory, and the expressions of its outputs."""
        lines = ["    uint own = own_pixel() * ROW, first = gl_SubgroupID * gl_SubgroupSize * ROW;"]
        lines += [f"    activations[own + {k}u] = words[{k}];" for k in range(VECTORS)]
        lines.append("    subgroup_exchange();")
        for number, group in enumerate(self.groups):
            if number:
                lines += [
                    "    barrier(); // all threads are done with the weights staged before",
                    f"    stage_group_{number}(slot);",
                ]
            step = f"{self._matrix.rows}u * ROW"
            lines.append(f"    for (uint row = first; row < first + gl_SubgroupSize * ROW; row += {step}) {{")
            for place in group:
                lines += self._layer(place, follows=place is not group[0])
            lines.append("    }")
        lines.append("    subgroup_exchange();")
        outputs = self.groups[-1][-1].layer.outputs
        return lines + self._outputs(outputs), [f"y{i // 4}.{'xyzw'[i % 4]}" for i in range(outputs)]

    def _layer(self, place: Place, *, follows: bool) -> list[str]:
        """One layer of the pixels from `row` on. All their inputs are loaded before the first output is stored."""
        index, matrix, width = place.layer.index, self._matrix, place.outputs // _HALVES
        inputs, outputs = place.inputs // matrix.depth, place.outputs // matrix.columns
        value, per_vector = ("y", self._sums) if index == self._last else ("SUMS_OF(float16_t)(y)", _HALVES)
        lines = [f"        // Layer {index}: {inputs} x {outputs} matrices of weights."]
        if follows:
            lines.append("        subgroup_exchange();")
        for k in range(inputs):
            x, first = f"x{index}_{k}", k * matrix.depth // _HALVES
            lines.append(f"        PIXELS {x}; coopMatLoad({x}, activations, row + {first}u, ROW, {_ROW_MAJOR});")
        bias = f"{place.bias}u + n * {matrix.columns // self._sums}u"
        lines += [
            "        subgroup_exchange();",
            f"        for (uint n = 0u; n < {outputs}u; n++) {{",
            "            SUMS y; // a stride of 0: each row is the bias",
            f"            coopMatLoad(y, weights, {bias}, 0u, {_ROW_MAJOR});",
            "            WEIGHTS w;",
        ]
        for k in range(inputs):
            start = f"{place.weights + k * matrix.depth * width}u + n * {matrix.columns // _HALVES}u"
            lines.append(f"            coopMatLoad(w, weights, {start}, {width}u, {_ROW_MAJOR});")
            lines.append(f"            y = coopMatMulAdd(x{index}_{k}, w, y);")
        if index < self._last:
            zero = "float16_t(0.0)" if self._half else "0.0"
            lines.append(f"            for (int i = 0; i < y.length(); i++) y[i] = max(y[i], {zero});")
        target = f"row + n * {matrix.columns // per_vector}u"
        lines.append(f"            coopMatStore({value}, activations, {target}, ROW, {_ROW_MAJOR});")
        return [*lines, "        }"]

    def _outputs(self, count: int) -> list[str]:
        """Lines that read the own pixel's outputs, as vec4 y0, y1, ..."""
        if not self._half:
            return [f"    vec4 y{c} = uintBitsToFloat(activations[own + {c}u]);" for c in range(-(-count // 4))]
        lines = []
        for c in range(-(-count // 4)):
            low, high = ("xy", "zw")[c % 2]
            source = f"activations[own + {c // 2}u]"
            lines.append(f"    vec4 y{c} = vec4(unpackHalf2x16({source}.{low}), unpackHalf2x16({source}.{high}));")
        return lines


def _whole(width: int, step: int) -> int:
    """The width, rounded up to whole steps."""
    return -(-width // step) * step
