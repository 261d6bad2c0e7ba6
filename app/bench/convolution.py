"""Networks of 3x3 convolutions, as images are drawn with today: opponents of the fused pass.

A layer's pixel depends on its neighbours in the layer before, so that all of the picture must be through one layer
before the next begins: one dispatch a layer or more, activations through memory. What helps such a network on a chip
is done here (app/bench/layered.py has the same for 1x1 layers):

* Activations are packed as halves, in planes of two channels with a border of zeros, so that neighbouring threads read
  neighbouring words and no pixel is a special case. The input comes in this form; nobody is charged for making it.
  Memory is read by address: a CPU driver checks every word of a bound buffer against its size, which takes three times
  as long.
* Register tiles: a thread adds up a few pixels of a few channels (`Shape`). Arithmetic is in floats. Which tile is the
  quickest is tried on the device (app/bench/opponents.py), as the tile network's text is chosen by its tuner.
* Weights in shared memory, on a GPU by address, at constant places in straight-line code (app/network/shader.py says
  why). A text of that form for all inputs of a wide layer would take a compiler minutes, so a dispatch takes INPUTS of
  them, and sums go on through memory from dispatch to dispatch. So two short texts serve all widths.
* Activations are staged in shared memory (18x18 pixels for 16x16) except on CPU drivers, whose shared memory is the
  same cache that the loads meet anyway.

No use is made of Winograd's or Fourier transforms, which save multiplications (2.25 times at most for the usual
Winograd tile of 2x2; Lavin & Gray 2015) at the price of more memory traffic.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from app.arrays import F32, U32
from app.gpu import ComputePipeline, Device, DeviceInfo, Struct
from app.gpu.commands import CommandBuffer
from app.gpu.vector_width import compile_wide, offers_wide
from app.network.layers import COLORS
from app.network.schema import CHANNELS, glsl, to_half
from app.passes.owner import Owner
from app.passes.tile_radiance import TileRadiance

INPUTS = 32  # channels a dispatch adds up: a text that compiles in a second
EDGE = 16  # pixels along a workgroup's edge
TIMER = "convolution"

_PUSH = Struct(
    "ConvolutionPush",
    [
        ("size", "uvec2"),  # of the picture, pixels
        ("chunk", "uint"),  # of INPUTS channels of the layer before: which, of how many
        ("chunks", "uint"),
        ("source", "uvec2"),  # addresses: activations of the layer before, planes of two channels as halves
        ("target", "uvec2"),  # those of this layer
        ("parameters", "uvec2"),
        ("partial", "uvec2"),  # sums over the chunks so far
        ("radiance", "uvec2"),  # of the last layer
    ],
)


@dataclass(frozen=True)
class Shape:
    """What a thread adds up, and how.

    Attributes:
        rows: pixels, below each other.
        columns: vec4 of outputs; 1 in the last layer, which has a colour's.
        paced: whether the threads of a workgroup wait for each other after every two inputs. Then they read the same
            weights and neighbouring activations at the same time, and a CPU driver's compiler, which moves nothing
            across a barrier, has fewer values to keep at once.
        wide: whether a CPU driver compiles for wide vectors, as it may the tile network.
    """

    rows: int
    columns: int
    paced: bool
    wide: bool = False

    def __str__(self) -> str:
        ways = f"{', paced' if self.paced else ''}{', wide vectors' if self.wide else ''}"
        return f"{self.rows} pixels x {4 * self.columns} channels a thread{ways}"


SHAPES = tuple(Shape(*tile, paced) for tile in ((2, 1), (2, 2), (4, 2)) for paced in (False, True))


def shapes(device: DeviceInfo) -> tuple[Shape, ...]:
    """What is worth trying on a device."""
    return (*SHAPES, *(replace(shape, wide=True) for shape in SHAPES if offers_wide(device)))


@dataclass(frozen=True)
class Kernel:
    """One layer, with ReLU behind all but the last: weight (out, in, 3, 3) by row and column, bias (out,); float32."""

    weight: F32
    bias: F32


def widths(channels: int, layers: int) -> tuple[int, ...]:
    """Widths of a network with so many layers: the features, `channels` in between, a colour."""
    return (CHANNELS, *[channels] * (layers - 1), COLORS)


def flops(network: Sequence[int]) -> int:
    """Multiplications and additions a pixel; biases and activations do not count."""
    return 18 * sum(inputs * outputs for inputs, outputs in pairwise(network))


def memory_bytes(network: Sequence[int]) -> float:
    """Bytes a pixel from and to memory if every activation and sum is read once and written once; a colour takes 8."""
    total = 8.0
    for inputs, outputs in pairwise(network):
        total += 2 * inputs  # halves
        total += 2 * 4 * outputs * (inputs // INPUTS - 1)  # sums that go on in the next dispatch
        total += 2 * outputs if outputs != COLORS else 0
    return total


def random_kernels(network: Sequence[int], seed: int = 0) -> list[Kernel]:
    """Random layers (He et al. 2015) of these widths."""
    generator = np.random.default_rng(seed)
    kernels = []
    for inputs, outputs in pairwise(network):
        weight = generator.normal(0.0, np.sqrt(2.0 / (9 * inputs)), (outputs, inputs, 3, 3))
        kernels.append(Kernel(weight.astype(np.float32), generator.normal(0.0, 0.1, outputs).astype(np.float32)))
    return kernels


def planes(image: F32) -> U32:
    """Lay an image (H, W, C), C even, out as a shader's source: (C / 2, H + 2, W + 2) words of two halves."""
    half = to_half(np.pad(image, ((1, 1), (1, 1), (0, 0))))
    words: U32 = np.ascontiguousarray(half).view("<u4")
    return np.ascontiguousarray(words.transpose(2, 0, 1))


def arrange(kernel: Kernel, columns: int, chunk: int = INPUTS) -> F32:
    """The parameters in the shader's order: (blocks of 4 * columns outputs, chunks of inputs, vec4, 4) float32.

    A record is the bias (with the first chunk only), then for each two inputs the weights by column of the kernel, row,
    which of the two, and output; missing outputs are zeros.
    """
    outputs, inputs = kernel.weight.shape[:2]
    block, chunks = 4 * columns, inputs // chunk
    blocks = -(-outputs // block)
    weight = np.zeros((blocks * block, inputs, 3, 3), np.float32)
    weight[:outputs] = kernel.weight
    weight = weight.reshape(blocks, block, chunks, chunk // 2, 2, 3, 3)
    bias = np.zeros((blocks, chunks, block), np.float32)
    bias[:, 0] = np.pad(kernel.bias, (0, blocks * block - outputs)).reshape(blocks, block)
    ordered = weight.transpose(0, 2, 3, 6, 5, 4, 1).reshape(blocks, chunks, -1)
    return np.concatenate([bias, ordered], axis=-1).reshape(blocks, chunks, -1, 4)


class ConvolutionNetwork(Owner):
    """A network of 3x3 convolutions from 32 channels to a colour, over one picture. Writes radiance and alpha 1.

    Args:
        device: an open device.
        kernels: the layers; hidden widths in multiples of `chunk`.
        picture: (H, W, 32) float32, H and W multiples of EDGE.
        radiance: drawn to, of that size.
        shape: what a thread adds up.
        staged: whether activations are staged in shared memory, and weights are not; by default as the device's kind
            wants it.
        chunk: channels that a dispatch adds up.

    Raises:
        ValueError: sizes or widths are no such multiples.
    """

    def __init__(
        self,
        device: Device,
        kernels: Sequence[Kernel],
        picture: F32,
        radiance: TileRadiance,
        *,
        shape: Shape,
        staged: bool | None = None,
        chunk: int = INPUTS,
    ) -> None:
        height, width = picture.shape[:2]
        inputs = [kernel.weight.shape[1] for kernel in kernels]
        if height % EDGE or width % EDGE or any(count % chunk for count in inputs):
            raise ValueError(
                f"{width} x {height} pixels or {inputs} inputs do not fit tiles of {EDGE}, chunks of {chunk}"
            )
        super().__init__()
        self._groups = width // EDGE, height // EDGE
        self._size = [width, height]
        keep = self.own
        defines: dict[str, str | int] = {
            "ROWS": f"{shape.rows}u",
            "PACED": int(shape.paced),
            "INPUTS": f"{chunk}u",
            "RADIANCE_FLOATS": int(radiance.precision == "float"),
            "STAGED": int(device.info.kind != "cpu" if staged is None else staged),
        }
        with self.building():
            widest = max(inputs)
            size = (height + 2) * (width + 2) * widest * 2
            between = [keep(device.buffer(size, name="activations")) for _ in range(2)]
            partial = keep(device.buffer(height * width * widest * 4, name="partial sums"))
            self._between = between
            source = keep(device.buffer(planes(picture), name="input"))
            hidden, last = (
                keep(_pipeline(device, {**defines, "LAST": final, "COLUMNS": f"{columns}u"}, wide=shape.wide))
                for final, columns in ((0, shape.columns), (1, 1))
            )
            bound = {pipeline: keep(pipeline.bind({})) for pipeline in (hidden, last)}
            self._steps = []
            for index, kernel in enumerate(kernels):
                final = index == len(kernels) - 1
                pipeline, parameters = (
                    (last, arrange(kernel, 1, chunk)) if final else (hidden, arrange(kernel, shape.columns, chunk))
                )
                target = between[index % 2]
                weights = keep(device.buffer(parameters, name="kernels"))
                addresses = [buffer.address_words for buffer in (source, target, weights, partial, radiance.buffer)]
                self._steps.append((pipeline, bound[pipeline], *parameters.shape[:2], addresses))
                source = target

    def clear(self, command: CommandBuffer) -> None:
        """Record what must be done once before all else, followed by a barrier: the borders of zeros."""
        for buffer in self._between:
            command.fill(buffer)

    def record(self, command: CommandBuffer, *, groups: tuple[int, int] | None = None) -> None:
        """Record all layers, with barriers between; the picture is visible after the next barrier.

        `groups`: so many workgroups along the picture's edges instead of all, which draw nothing of use.
        """
        across, down = groups or self._groups
        with command.timer(TIMER):
            for index, (pipeline, bound, blocks, chunks, addresses) in enumerate(self._steps):
                command.bind(pipeline, bound)
                for chunk in range(chunks):
                    if index or chunk:
                        command.barrier()
                    command.push(np.array((self._size, chunk, chunks, *addresses), _PUSH.dtype))
                    command.dispatch(across, down, blocks)


def _pipeline(device: Device, defines: dict[str, str | int], *, wide: bool) -> ComputePipeline:
    make = partial(
        device.compute_pipeline,
        "bench_convolution.comp",
        [],
        push=_PUSH,
        defines=defines,
        includes={"features.glsl": glsl(), "push.glsl": _PUSH.glsl},
        # Rows of a workgroup are shorter than the subgroups of some GPUs, which then cannot be full.
        full_subgroups=device.info.kind == "cpu",
    )
    return compile_wide(device, make) if wide else make()
