"""Compiling beside the drawing where a driver compiles at the first dispatch."""

import numpy as np

from app.gpu import Device
from app.network.schema import TILE, TILE_PIXELS, VECTORS
from app.network.weights import WeightSet
from app.passes import tile_variant
from app.passes.tile_hash import TILE_DISPATCH, TileHash
from app.passes.tile_network import TileNetwork
from app.passes.tile_radiance import TileRadiance


def warm_up(device: Device, weights: WeightSet, *, alone: bool = False) -> None:
    """Let the driver compile the tile network for these widths, so that the first frame with them need not wait for it.

    CPU drivers compile in the queue, at the first dispatch, and keep the result on disk. So a device of its own, whose
    queue nobody waits for, draws one tile. May run in any thread, unless `alone`: while nothing else in the process
    compiles, as for a first network (`tile_variant.chosen`).
    """
    one = WeightSet(weights.layers, weights.slots[:1], np.zeros_like(weights.table), weights.hash_scale)
    with (
        Device.open(device.info, raytracing=False, validation=False) as other,
        other.buffer(np.zeros(VECTORS * TILE_PIXELS * 4, np.uint32)) as features,
        other.buffer(np.ones((TILE_PIXELS, 2), np.float32)) as surface,
        other.buffer(np.zeros(TILE_PIXELS, np.uint32)) as places,
        TileRadiance(other, TILE, TILE) as radiance,
    ):
        hashing = TileHash(other, places, TILE, TILE, hash_scale=one.hash_scale)
        variant = tile_variant.chosen(other.info, one.layers, alone=alone)
        network = TileNetwork(other, one, hashing, features, surface, radiance, TILE, TILE, variant=variant)
        hashing.tiles.write(np.zeros(2, np.uint32))
        hashing.dispatch.write(np.ones((), TILE_DISPATCH.dtype))
        with other.commands(reusable=False) as commands:
            network.record(commands)
        other.submit(commands)
        for thing in (commands, network, hashing):
            thing.close()
