"""The tuner: times all variants of the tile network's shader on a device, and keeps the quickest for later runs."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.bench.figures import Samples
from app.bench.networks import SIZE, Picture, random_weights
from app.errors import BungyoError
from app.gpu import CommandBuffer, Device
from app.network.shader import Variant
from app.open_renderer import open_device
from app.passes import tile_variant
from app.passes.owner import Owner
from app.passes.tile_hash import TileHash
from app.passes.tile_network import TileNetwork
from app.scene_options import SceneOptions

FIRST = 3  # draws after which what is hopeless is timed no further
ROUNDS = 25  # the least of so many times counts: whatever else runs only ever adds to them
HOPELESS = 2.0  # times the quickest; halves on a CPU are
_TIMER = "tile_network"


@dataclass(frozen=True)
class Tuned:
    """What the tuner found: milliseconds by variant ({"median", "min", "max"}), and where the choice is kept."""

    milliseconds: dict[Variant, dict[str, float]]
    best: Variant
    file: Path


def tune(
    options: SceneOptions, layers: tuple[int, ...], counted: Callable[[int, str], Iterator[int]], rounds: int = ROUNDS
) -> Tuned:
    """Time all variants for networks of these widths, in turn, and keep the quickest.

    Variants in halves, matrices or wide vectors take part where the device has those and they agree with the twin.

    Args:
        options: device; nothing else is looked at.
        layers: widths.
        counted: shows progress.
        rounds: how often each is timed.

    Raises:
        InputError: the device has no timestamps.
        BungyoError: the choice cannot be kept.
    """
    with open_device(options, raytracing=False) as device, Owner() as kept:
        device.need_clock()
        recorded = _record(device, layers, kept, counted)
        times = Samples()
        least: dict[Variant, float] = {}
        for step in counted(FIRST + rounds, "timing"):
            limit = HOPELESS * min(least.values(), default=0.0)
            for variant, commands in recorded.items():
                if step < FIRST or least[variant] <= limit:
                    device.submit(commands)
                    took = commands.timings()[_TIMER]
                    times.add(variant.name, took)
                    least[variant] = min(took, least.get(variant, took))
        spreads = {Variant.parse(name): spread for name, spread in times.spreads().items()}
        file, best = tile_variant.remember(device.info, layers, least), min(least, key=least.__getitem__)
        if tile_variant.tuned(device.info, layers) != best:  # a cache says nothing of a disk that refuses
            raise BungyoError(
                f"{best.name} is the quickest, but cannot be kept in {file}.",
                "Name a folder that can be written:  export XDG_CACHE_HOME=/some/writable/folder",
            )
    return Tuned(spreads, best, file)


def _record(
    device: Device, layers: tuple[int, ...], kept: Owner, counted: Callable[[int, str], Iterator[int]]
) -> dict[Variant, CommandBuffer]:
    """Commands that draw the same picture with each variant, run once: drivers compile at the first dispatch."""
    picture, weights = kept.own(Picture(device)), random_weights(layers)
    hashing = kept.own(TileHash(device, picture.places, SIZE, SIZE, hash_scale=weights.hash_scale))
    with device.commands(reusable=False) as listing:
        hashing.record(listing)
        listing.barrier()
    device.submit(listing)
    listing.close()
    variants = tile_variant.candidates(device.info, layers)
    recorded: dict[Variant, CommandBuffer] = {}
    for step in counted(len(variants), "compiling"):
        with warnings.catch_warnings(record=True):  # what is dropped: then there is nothing to time
            network = TileNetwork(
                device,
                weights,
                hashing,
                picture.features,
                picture.surface,
                picture.radiance,
                SIZE,
                SIZE,
                variant=variants[step],
            )
        kept.own(network)
        if network.variant in recorded:
            continue
        with device.commands() as commands:
            network.record(commands)
            commands.barrier()
        kept.own(commands)
        device.submit(commands)
        recorded[network.variant] = commands
    return recorded
