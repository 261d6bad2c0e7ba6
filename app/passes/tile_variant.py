"""Which variant of the tile network's shader to take: what the user says, what the tuner found, or a default.

The tuner (`bungyo bench --tune`) compiles all variants, which takes too long for starting up, and leaves what it found
in the cache folder, one small file per device, driver, processor and network shader.
"""

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import InputError
from app.gpu import DeviceInfo, cache_folder
from app.gpu.shader import store_atomically
from app.network.shader import Variant, generate
from app.processor import processor, processor_name

OVERRIDE = "BUNGYO_TILE_VARIANT"  # environment variable, e.g. float-16


def chosen(device: DeviceInfo, layers: Sequence[int]) -> Variant:
    """The variant for networks of these widths.

    Warns (`warnings.warn`) about a damaged file of the tuner, which is ignored.

    Raises:
        InputError: the environment variable names no variant, or one that the device cannot run.
    """
    if name := os.environ.get(OVERRIDE, ""):
        try:
            variant = Variant.parse(name)
        except InputError as error:
            raise InputError(f"{OVERRIDE} {error.message}.") from None
        if not possible(device, variant):
            raise InputError(f"{OVERRIDE} is {name!r}, but {device.name} does not calculate with halves.")
        return variant
    return _remembered(device, layers) or default(device)


def possible(device: DeviceInfo, variant: Variant) -> bool:
    """The device can run it."""
    return not variant.half or "shaderFloat16" in device.features


def default(device: DeviceInfo) -> Variant:
    """A good guess: on a CPU, as many sums as its vector registers hold beside an input and a product."""
    if device.kind == "cpu" and "avx512vl" not in processor().get("flags", "").split():
        return Variant(12)  # 16 registers
    return Variant(16)


def remember(device: DeviceInfo, layers: Sequence[int], milliseconds: Mapping[Variant, float]) -> Path:
    """Keep the quickest of these variants for `chosen`; returns the file."""
    best = min(milliseconds, key=milliseconds.__getitem__)
    content = {"variant": best.name, "milliseconds": {one.name: round(t, 4) for one, t in milliseconds.items()}}
    path = _file(device, layers)
    store_atomically(path, json.dumps(content, indent=1).encode())
    return path


def _remembered(device: DeviceInfo, layers: Sequence[int]) -> Variant | None:
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
    return variant if possible(device, variant) else None


def _file(device: DeviceInfo, layers: Sequence[int]) -> Path:
    """Where the choice for these widths is kept. The shader's text is part of the name: a new one is tuned anew."""
    calculates = processor_name() if device.kind == "cpu" else ""
    identity = "\n".join((device.name, device.driver, calculates, generate(layers, Variant())))
    return cache_folder() / "tile_variants" / hashlib.sha256(identity.encode()).hexdigest()[:32]
