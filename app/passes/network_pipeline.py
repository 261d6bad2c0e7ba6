"""The compiled tile network for some layer widths, and the check of variants with halves or wide vectors."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from app.arrays import Records
from app.errors import BungyoError
from app.gpu import Binding, BindingSet, Buffer, ComputePipeline, Device, Struct
from app.gpu.vector_width import WidthRefused, compile_wide
from app.network import shader
from app.network.schema import TILE_PIXELS, glsl
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes import tile_variant
from app.passes.tile_check import FLOAT_TOLERANCE, HALF_TOLERANCE, CheckPicture
from app.passes.tile_radiance import Precision, TileRadiance

_PUSH = Struct(
    "TileNetworkPush",
    [
        ("size", "uvec2"),  # of the picture, pixels
        ("features", "uvec2"),  # addresses
        ("surface", "uvec2"),
        ("parameters", "uvec2"),
        ("radiance", "uvec2"),
        ("first", "uint"),  # tile of the list that the dispatch begins with
    ],
)


@dataclass(frozen=True)
class NetworkPipeline:
    """Draws with networks of some widths in some precision.

    Attributes:
        compute: the pipeline.
        variant: how its shader is written.
    """

    compute: ComputePipeline
    variant: Variant

    def bind(self, tiles: Buffer, table: Buffer) -> BindingSet:
        """What it reads of every tile (`TileHash.tiles`) and of every hash."""
        return self.compute.bind({0: tiles, 1: table})

    def push(
        self, size: tuple[int, int], features: Buffer, surface: Buffer, parameters: Buffer, radiance: TileRadiance
    ) -> Records:
        """What it reads of every pixel and of the networks, and where it draws to, by address: these must stay open
        while commands run.

        For a dispatch that begins with the list's first tile; of others `first` is to be set.
        """
        addresses = [buffer.address_words for buffer in (features, surface, parameters, radiance.buffer)]
        pushed: Records = np.array((list(size), *addresses, 0), _PUSH.dtype)
        return pushed

    def close(self) -> None:
        """Release the pipeline."""
        self.compute.close()


def network_pipeline(
    device: Device, weights: WeightSet, precision: Precision = "half", variant: Variant | None = None
) -> NetworkPipeline:
    """The pipeline for networks of these widths, whose picture has this precision.

    May be called in any thread, if not for wide vectors (`compile_wide`).

    Args:
        device: an open device.
        weights: the first networks of these widths that it is to draw.
        precision: the picture's.
        variant: how the shader is written; None asks `tile_variant`. One that rounds to halves or takes wide vectors,
            and differs from the networks' twin by more than is allowed, is dropped for a plain one, with a warning.

    Raises:
        BungyoError: the layers are too wide, or the device lacks the shared memory for a tile's weights.
        InputError: the user chose a variant that there is not (see `tile_variant.chosen`).
    """
    if fault := shader.check_widths(weights.layers):
        raise BungyoError(f"The tile network {fault}.")
    variant = variant or tile_variant.chosen(device.info, weights.layers)
    needed = shader.shared_bytes(weights.layers, variant)
    if needed > device.info.max_shared_memory:
        raise BungyoError(
            f"The tile network needs {needed} bytes of shared memory, "
            f"but {device.info.name} has {device.info.max_shared_memory}."
        )
    if (variant.rounds or variant.wide) and (fault := _fault(device, weights, precision, variant)):
        kind = "matrices" if variant.matrix else "halves" if variant.half else "wide vectors"
        instead = "floats" if variant.rounds else "usual ones"
        warnings.warn(
            f"The tile network in {kind} {fault} on {device.info.name}: it is drawn in {instead}.", stacklevel=2
        )
        variant = replace(tile_variant.default(device.info, weights.layers), wide=False)
    return compile_network(device, weights.layers, precision, variant)


def defines(precision: Precision, kind: str, pixels: int = 1) -> dict[str, str | int]:
    """Macros of tile_network.comp: of the picture's precision, the device's kind (`DeviceInfo`), a thread's pixels."""
    return {
        "THREADS": f"{TILE_PIXELS // pixels}u",
        "RADIANCE_FLOATS": int(precision == "float"),
        "SPLIT_BLOCKS": int(kind == "cpu"),
    }


def includes(layers: Sequence[int], variant: Variant) -> dict[str, str]:
    """Generated includes of tile_network.comp."""
    return {"features.glsl": glsl(), "push.glsl": _PUSH.glsl, "network.glsl": shader.generate(layers, variant)}


def compile_network(device: Device, layers: Sequence[int], precision: Precision, variant: Variant) -> NetworkPipeline:
    """The pipeline as this variant has it, whatever it then draws."""
    make = partial(
        device.compute_pipeline,
        "tile_network.comp",
        [Binding(0, "storage"), Binding(1, "storage")],
        push=_PUSH,
        defines=defines(precision, device.info.kind, variant.pixels),
        includes=includes(layers, variant),
        full_subgroups=True,
    )
    return NetworkPipeline(compile_wide(device, make) if variant.wide else make(), variant)


def _fault(device: Device, weights: WeightSet, precision: Precision, variant: Variant) -> str:
    """Says in a clause what is wrong with this variant's picture, or returns "" if nothing is."""
    allowed = HALF_TOLERANCE if variant.rounds else FLOAT_TOLERANCE
    try:
        difference = _difference(device, weights, precision, variant)
    except WidthRefused as refused:
        return refused.message
    return "" if difference <= allowed else f"is off by {difference:.2g} ({allowed:.2g} is allowed)"


def _difference(device: Device, weights: WeightSet, precision: Precision, variant: Variant) -> float:
    """How far it is off on a picture of random tiles, drawn on a device of its own: the queue belongs to who draws."""
    with (
        Device.open(device.info, raytracing=False, validation=False) as other,
        CheckPicture(other, weights, precision) as picture,
        other.buffer(weights.table) as table,
        other.buffer(weights.gpu_parameters()) as parameters,
    ):
        pipeline = compile_network(other, weights.layers, precision, variant)
        bound = pipeline.bind(picture.tiles, table)
        with other.commands(reusable=False) as commands:
            commands.bind(pipeline.compute, bound)
            commands.push(pipeline.push(picture.size, picture.features, picture.surface, parameters, picture.radiance))
            commands.dispatch(picture.tile_count)
            commands.barrier()
        other.submit(commands)
        difference = picture.difference()
        for thing in (commands, bound, pipeline):
            thing.close()
    return difference
