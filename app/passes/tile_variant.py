"""Which variant of the tile network's shader to take: what the user says, what the tuner found, or a default.

The tuner (`bungyo bench --tune`) compiles all variants, which takes too long for starting up, and leaves what it found
in the cache folder, one small file per device, driver, processor and network shader.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from app.errors import InputError
from app.gpu import DeviceInfo
from app.gpu.cache_files import cache_folder, store_atomically
from app.gpu.vector_width import WIDE, offers_wide
from app.network.matrix_shader import Matrix
from app.network.shader import BLOCKS, DIRECT, Variant, generate, shared_bytes
from app.processor import processor_name

OVERRIDE = "BUNGYO_TILE_VARIANT"  # environment variable, e.g. float-16
_NARROW = 32  # outputs of layers for which blocks of 16 of them are the quickest in wide vectors; of wider ones 12
_FOR_MATRICES = ("cooperativeMatrix", "vulkanMemoryModel", "shaderFloat16", "computeFullSubgroups")


def chosen(device: DeviceInfo, layers: Sequence[int], *, alone: bool = True) -> Variant:
    """The variant for networks of these widths; unless `alone`, none that only compiles while nothing else does.

    Warns (`warnings.warn`) about a damaged file of the tuner, which is ignored.

    Raises:
        InputError: the environment variable names no variant, or one that the device cannot run.
    """
    if name := os.environ.get(OVERRIDE, ""):
        try:
            variant = Variant.parse(name)
        except InputError as error:
            raise InputError(f"{OVERRIDE} {error.message}.") from None
        if fault := lacks(device, variant):
            raise InputError(f"{OVERRIDE} is {name!r}, but {device.name} {fault}.")
    else:
        variant = tuned(device, layers) or default(device, layers)
    return variant if alone else replace(variant, wide=False)


def lacks(device: DeviceInfo, variant: Variant) -> str:
    """Says in a clause why the device cannot run a variant, or returns "" if it can."""
    if variant.matrix:
        offered = matrices(device)
        if "VK_KHR_cooperative_matrix" in device.extensions and "cooperativeMatrix" not in device.features:
            return "has cooperative matrices that the installed validation layer does not know"
        if not offered:
            return "has no cooperative matrices for it"
        names = " and ".join(one.name for one in offered)
        return "" if variant in offered else f"has cooperative matrices for {names} only"
    if variant.wide and not offers_wide(device):
        return f"has no vectors of {WIDE} bits besides its usual ones"
    if variant.direct and device.kind == "cpu":
        return "is a CPU, for which weights by address take minutes to compile"
    return "does not calculate with halves" if variant.half and "shaderFloat16" not in device.features else ""


def matrices(device: DeviceInfo) -> list[Variant]:
    """The variants in cooperative matrices that the device can run."""
    if not device.features.issuperset(_FOR_MATRICES):
        return []
    halves = {(one.rows, one.columns) for one in device.matrices if one.factors == one.sums == "half"}
    result = []
    for product in device.matrices:
        # A subgroup's pixels are whole matrices, however many threads the driver gives it.
        if product.factors != "half" or product.sums == "other" or device.min_subgroup_size % product.rows:
            continue
        if (product.rows, product.columns) not in halves:  # what becomes of float sums before the next layer
            continue
        with suppress(ValueError):  # other sizes than a network can be made of
            sizes = Matrix(product.rows, product.columns, product.depth)
            result.append(Variant(half=product.sums == "half", matrix=sizes))
    return result


def candidates(device: DeviceInfo, layers: Sequence[int]) -> list[Variant]:
    """What is worth timing for networks of these widths.

    On a CPU no halves in blocks: lavapipe with LLVM 19 takes minutes to compile them, and they never were the quickest.
    """
    halves = (False,) if device.kind == "cpu" else (False, True)
    blocks = [Variant(block, half) for half in halves for block in BLOCKS]
    wide = [Variant(block, wide=True) for block in BLOCKS]
    direct = [Variant(direct=pixels) for pixels in DIRECT]
    room = device.max_shared_memory
    return [
        *(one for one in [*blocks, *wide, *direct] if not lacks(device, one)),
        *(one for one in matrices(device) if shared_bytes(layers, one) <= room),
    ]


def default(device: DeviceInfo, layers: Sequence[int] = ()) -> Variant:
    """A good guess for networks of these widths: on a CPU what was the quickest on two of them, else what a GPU's
    compiler makes most of.

    docs/tile-network.md has the figures of both.
    """
    if device.kind != "cpu":
        return Variant(direct=1)
    if not offers_wide(device):
        return Variant(12)
    return Variant(12 if max(layers[1:], default=0) > _NARROW else 16, wide=True)


def remember(device: DeviceInfo, layers: Sequence[int], milliseconds: Mapping[Variant, float]) -> Path:
    """Keep the quickest of these variants for `chosen`; returns the file."""
    best = min(milliseconds, key=milliseconds.__getitem__)
    content = {"variant": best.name, "milliseconds": {one.name: round(t, 4) for one, t in milliseconds.items()}}
    path = _file(device, layers)
    store_atomically(path, json.dumps(content, indent=1).encode())
    return path


def tuned(device: DeviceInfo, layers: Sequence[int]) -> Variant | None:
    """The variant that was the quickest on the device for networks of these widths, if the tuner has run.

    Warns (`warnings.warn`) about a damaged file of the tuner, which is ignored.
    """
    path = _file(device, layers)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    try:
        variant = Variant.parse(json.loads(content)["variant"])
    except (ValueError, LookupError, TypeError, InputError):
        warnings.warn(f"{path} is damaged and ignored: bungyo bench --tune makes a new one.", stacklevel=3)
        return None
    return None if lacks(device, variant) else variant


def _file(device: DeviceInfo, layers: Sequence[int]) -> Path:
    """Where the choice for these widths is kept. The shader's text is part of the name: a new one is tuned anew."""
    calculates = processor_name() if device.kind == "cpu" else ""
    texts = [generate(layers, variant) for variant in (Variant(), Variant(direct=1), *matrices(device))]
    choices = "wide" if offers_wide(device) else ""
    identity = "\n".join((device.name, device.driver, calculates, choices, *texts))
    return cache_folder() / "tile_variants" / hashlib.sha256(identity.encode()).hexdigest()[:32]
