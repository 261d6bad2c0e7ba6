"""The tile networks layer by layer: an opponent of the fused pass that does the same work in one dispatch a layer.

It is given what the fused pass has: the same list of tiles, one workgroup a tile, weights staged in shared memory or by
address, straight-line code in blocks, sums in floats or halves (see app/network/shader.py). The only difference is the
one to be measured: activations go through memory, and the next layer waits until all tiles have been through this one.
Two things it does not have: cooperative matrices, and two pixels a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from app.gpu import Binding, Buffer, ComputePipeline, Device, DeviceInfo, Struct
from app.gpu.commands import CommandBuffer
from app.gpu.vector_width import compile_wide
from app.network.layers import COLORS, MIXED
from app.network.parameters import Layer, parameter_vectors, plan
from app.network.schema import CHANNELS, TILE_PIXELS, channels, glsl
from app.network.shader import ADDRESSED_WEIGHTS, Variant, blocks, by_address, staging
from app.network.weights import WeightSet
from app.passes import tile_variant
from app.passes.network_pipeline import defines
from app.passes.owner import Owner
from app.passes.tile_hash import TileHash
from app.passes.tile_radiance import Precision, TileRadiance

Activations: TypeAlias = Literal["half", "float"]
ACTIVATIONS: tuple[Activations, ...] = ("half", "float")
TIMER = "layered"

_PUSH = Struct(
    "LayerPush",
    [
        ("size", "uvec2"),  # of the picture, pixels
        ("features", "uvec2"),  # addresses
        ("surface", "uvec2"),
        ("parameters", "uvec2"),
        ("source", "uvec2"),  # activations of the layer before
        ("target", "uvec2"),
        ("radiance", "uvec2"),
    ],
)
_PER_VECTOR = {"half": 8, "float": 4}  # activations in a uvec4
_CPU_BLOCK = 12  # in which layers by themselves are the quickest on a CPU, in wide vectors, too


@dataclass(frozen=True)
class Way:
    """How layers are calculated, and how activations lie in memory between them.

    ValueError where there is no such way.

    Attributes:
        variant: arithmetic, block, and where weights come from, as of the fused pass.
        activations: what halves have summed up is stored as halves.
    """

    variant: Variant
    activations: Activations = "half"

    def __post_init__(self) -> None:
        if self.variant.matrix or self.variant.pixels > 1:
            raise ValueError(f"layer by layer there is no {self.variant.name}")
        if self.variant.half and self.activations != "half":
            raise ValueError("sums in halves are stored as halves")


def ways(device: DeviceInfo, fused: Variant) -> list[Way]:
    """What draws layer by layer as a fused pass of this variant does; the quickest is its opponent.

    That is its own arithmetic, on a CPU in another block as well. There is none in matrices; in their place blocks of
    halves may try, as matrices round to halves (but not on a CPU: see `tile_variant.candidates`), and so may the
    device's default, where these are slower.
    """
    if fused.matrix:
        halves = [] if device.kind == "cpu" else [Variant(half=True)]
        variants = [*halves, tile_variant.default(device)]
    elif fused.direct:
        variants = [Variant(direct=1)]
    else:
        tried = (fused.block, _CPU_BLOCK) if device.kind == "cpu" else (fused.block,)
        variants = [replace(fused, block=block) for block in dict.fromkeys(tried)]
    return [Way(one, stored) for one in variants for stored in ACTIVATIONS if stored == "half" or not one.half]


class LayeredNetwork(Owner):
    """Writes what `TileNetwork` writes, with one dispatch a layer.

    Args:
        device: an open device.
        weights: the networks; of layers no wider than the fused pass allows.
        tile_hash: lists the tiles to draw; recorded before this pass, with a barrier between.
        features, surface: the G-buffer's tile-major buffers (layouts: app/network/schema.py).
        radiance: drawn to.
        width, height: its pixels.
        way: one of `ways`.
    """

    def __init__(
        self,
        device: Device,
        weights: WeightSet,
        tile_hash: TileHash,
        features: Buffer,
        surface: Buffer,
        radiance: TileRadiance,
        width: int,
        height: int,
        *,
        way: Way,
    ) -> None:
        if len(tile_hash.dispatches) > 1:
            raise ValueError(f"{tile_hash.tile_count} tiles are more than one dispatch draws")
        super().__init__()
        self._dispatch = tile_hash.dispatch
        keep = self.own
        with self.building():
            table = keep(device.buffer(weights.table, name="hash to slot"))
            parameters = keep(device.buffer(weights.gpu_parameters(), name="network parameters"))
            vectors = max(_vectors(one, way.activations) for one in weights.layers)
            size = tile_hash.tile_count * TILE_PIXELS * vectors * 16
            between = [keep(device.buffer(size, name="activations")) for _ in range(2)]
            self._steps = []
            for layer in plan(weights.layers):
                text = generate(weights.layers, layer, way)
                pipeline = keep(_pipeline(device, text, radiance.precision, wide=way.variant.wide))
                bound = keep(pipeline.bind(dict(enumerate((tile_hash.tiles, table)))))
                source, target = between[layer.index % 2], between[1 - layer.index % 2]
                buffers = (features, surface, parameters, source, target, radiance.buffer)
                addresses = [buffer.address_words for buffer in buffers]
                self._steps.append((pipeline, bound, np.array(([width, height], *addresses), _PUSH.dtype)))

    def record(self, command: CommandBuffer) -> None:
        """Record all layers, with barriers between; the picture is visible after the next barrier."""
        with command.timer(TIMER):
            for index, (pipeline, bound, push) in enumerate(self._steps):
                if index:
                    command.barrier()
                command.bind(pipeline, bound)
                command.push(push)
                command.dispatch_indirect(self._dispatch)


def memory_bytes(layers: Sequence[int], activations: Activations) -> tuple[float, float]:
    """Bytes a pixel from and to memory: of the fused pass, and those that a dispatch a layer adds.

    Features, surface and radiance once and a tile's parameters once; layer by layer, what each hidden layer writes
    and the next reads, and the features once more, which the last layer's outputs weigh.
    """
    features = CHANNELS * 2
    fused = features + 8 + 8 + parameter_vectors(layers) * 16 / TILE_PIXELS
    between = sum(2 * 16 * _vectors(width, activations) for width in layers[1:-1])
    return fused, between + (features if len(layers) > 2 else 0)


def _vectors(width: int, activations: Activations) -> int:
    """Vectors of 16 bytes that hold a pixel's activations."""
    return -(-width // _PER_VECTOR[activations])


def _pipeline(device: Device, text: str, precision: Precision, *, wide: bool) -> ComputePipeline:
    make = partial(
        device.compute_pipeline,
        "bench_layer.comp",
        [Binding(0, "storage"), Binding(1, "storage")],
        push=_PUSH,
        defines=defines(precision, device.info.kind),
        includes={"features.glsl": glsl(), "push.glsl": _PUSH.glsl, "layer.glsl": text},
        full_subgroups=True,
    )
    return compile_wide(device, make) if wide else make()


def generate(layers: Sequence[int], layer: Layer, way: Way) -> str:
    """The GLSL include "layer.glsl" for one layer of a network with these widths.

    It defines `void stage_layer(uint slot)` and `void run_layer(uint slot, uint tile, uint pixel)`, to be called one
    after the other by all threads, and needs push.parameters (address of all parameters) and the macro PARAMETER(i).
    """
    last, variant = layer.index == len(layers) - 2, way.variant
    lines = [
        f"// Generated by app/bench/layered.py: layer {layer.index} of {'-'.join(map(str, layers))}, {variant.name}.",
        f"const uint PARAMETER_VECTORS = {parameter_vectors(layers)}u;",
        *(by_address() if variant.direct else staging(layer.vectors, variant.vector)),
        f"void stage_layer(uint slot) {{ stage_weights(slot, {layer.offset}u, {layer.vectors}u); }}",
        "void run_layer(uint slot, uint tile, uint pixel) {",
    ]
    if layer.index == 0:
        code, inputs = _load("push.features", CHANNELS, "half", "x", half=variant.half)
    else:
        code, inputs = _load("push.source", layer.inputs, way.activations, "x", half=variant.half)
    lines += code
    weights, start = (ADDRESSED_WEIGHTS, layer.offset) if variant.direct else ("weights", 0)
    for columns in blocks(layer, variant):
        if columns.start:
            lines.append("    BLOCK_BARRIER();")
        lines += [f"    {variant.vector} y{c} = {weights}[{start + c}];" for c in columns]
        for i, value in enumerate(inputs):
            row = start + layer.columns * (i + 1)
            lines += [f"    y{c} += {value} * {weights}[{row + c}];" for c in columns]
        if not last:
            lines += [f"    y{c} = max(y{c}, {variant.vector}(0.0));" for c in columns]
    lines += ["    BLOCK_BARRIER();", *_mix(layer)] if last else _store(layer, way)
    return "\n".join([*lines, "}", ""])


def _load(
    address: str, width: int, activations: Activations, name: str, *, half: bool = False
) -> tuple[list[str], list[str]]:
    """Lines that load a pixel's channels, and the expressions of the channels, as halves where asked for."""
    vectors = _vectors(width, activations)
    lines = [
        f"    uvec4 {name}{k} = load_vector({address}, (tile * {vectors}u + {k}u) * TILE_PIXELS + pixel);"
        for k in range(vectors)
    ]
    if activations == "float":
        return lines, [f"uintBitsToFloat({name}{i // 4}.{'xyzw'[i % 4]})" for i in range(width)]
    vector, unpack = ("f16vec2", "unpackFloat2x16") if half else ("vec2", "unpack_halves")
    for word in range(-(-width // 2)):
        halves = f"{unpack}({name}{word // 4}.{'xyzw'[word % 4]})"
        lines.append(f"    {vector} {name}_{word} = {halves if half else f'KEPT({halves})'};")
    return lines, [f"{name}_{i // 2}.{'xy'[i % 2]}" for i in range(width)]


def _store(layer: Layer, way: Way) -> list[str]:
    """Lines that store the outputs y0, y1, ..., padded with zeros to whole vectors."""
    outputs = [f"y{i}" for i in range(layer.columns)]
    if way.activations == "float":
        words = [f"floatBitsToUint({y})" for y in outputs]
    else:
        pack = "packFloat2x16" if way.variant.half else "packHalf2x16"
        outputs += [f"{way.variant.vector}(0.0)"] * (layer.columns % 2)
        halves = [[f"{pack}({y}.xy)", f"{pack}({y}.zw)"] for y in outputs]
        words = [f"uvec4({', '.join([*a, *b])})" for a, b in zip(halves[::2], halves[1::2], strict=True)]
    vectors = len(words)
    return [
        f"    Target(push.target).vectors[(tile * {vectors}u + {k}u) * TILE_PIXELS + pixel] = {word};"
        for k, word in enumerate(words)
    ]


def _mix(layer: Layer) -> list[str]:
    """Lines that weigh the light features with the outputs, as `app.network.layers.mix`, and write the pixel."""
    # Loaded once more; a compiler joins them with a first layer's.
    lines, light = _load("push.features", CHANNELS, "half", "f")
    outputs = [f"y{c // 4}.{'xyzw'[c % 4]}" for c in range(layer.outputs)]
    for index, name in enumerate(MIXED):
        weights = ", ".join(outputs[COLORS * index : COLORS * (index + 1)])
        declared, sign = ("", "+=") if index else ("vec3 ", "=")
        lines.append(f"    {declared}color {sign} vec3({weights}) * vec3({', '.join(light[channels(name)])});")
    return [*lines, "    write_color(tile, pixel, max(color, vec3(0.0)));"]
