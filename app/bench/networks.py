"""Tile hash and tile network alone, on a picture that is all face; and the same networks layer by layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.bench.layered import TIMER, LayeredNetwork, Way, ways
from app.gpu import CommandBuffer, Device
from app.network import schema
from app.network.shader import Variant
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.open_renderer import open_device
from app.passes.owner import Owner
from app.passes.tile_check import all_face
from app.passes.tile_hash import TileHash
from app.passes.tile_network import TileNetwork
from app.passes.tile_radiance import TileRadiance
from app.scene_options import SceneOptions

SIZE = 512  # pixels along an edge of the picture
NETWORKS = 225  # different ones, random per tile
RESIDENT = (1, 2000)  # the same with so many, to see what it costs to have more of them


class Picture(Owner):
    """The G-buffer of a picture that is all face (`tile_check.all_face`), SIZE along an edge; and where to draw to.

    Args:
        device: an open device.
    """

    def __init__(self, device: Device) -> None:
        super().__init__()
        features, surface = all_face(SIZE // schema.TILE)
        with self.building():
            self.features = self.own(device.buffer(features, name="features"))
            self.surface = self.own(device.buffer(surface, name="surface"))
            self.places = self.own(device.buffer(schema.place_buffer(features, surface), name="places"))
            self.radiance = self.own(TileRadiance(device, SIZE, SIZE))


def random_weights(layers: tuple[int, ...], count: int = NETWORKS) -> WeightSet:
    """So many random networks; each hash has one of them at random."""
    random = WeightSet.untrained(layers, slots=count)
    table = np.random.default_rng(1).integers(0, count, HASHES, np.uint32)
    return WeightSet(layers, random.slots, table)


class Networks(Owner):
    """The two passes for one or more lists of widths, each with NETWORKS random networks. A context manager.

    For the first list there are those with RESIDENT networks as well.

    Args:
        options: their device is used.
        widths: lists of layer widths.
        alone: lists of layer widths for which there is nothing layer by layer.
        single: layer widths of a network that draws all tiles.
    """

    def __init__(
        self,
        options: SceneOptions,
        widths: Sequence[tuple[int, ...]],
        alone: Sequence[tuple[int, ...]] = (),
        single: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self._commands: dict[tuple[int, ...], CommandBuffer] = {}
        self._resident: dict[tuple[tuple[int, ...], int], CommandBuffer] = {}
        self._variants: dict[tuple[int, ...], Variant] = {}
        self._layered: dict[tuple[int, ...], dict[Way, CommandBuffer]] = {}
        self._quickest: dict[tuple[int, ...], list[Way]] = {}
        with self.building():
            self._device = self.enter(open_device(options, raytracing=False))
            self._picture = self.own(Picture(self._device))
            for layers in widths:
                self._record(layers)
            for layers in alone:
                self._commands[layers] = self._drawing(self._fused(layers))
            counted = [(widths[0], count) for count in RESIDENT]
            for layers, count in counted if single is None else [*counted, (single, 1)]:
                self._resident[layers, count] = self._drawing(self._fused(layers, count))

    def milliseconds(self, layers: tuple[int, ...]) -> tuple[float, float, float]:
        """Draw with one of the lists of widths; return ms of the hash, the network, and it layer by layer.

        Layer by layer it is drawn in all `ways`, and the least time counts: whose it is depends on the device.
        """
        timings = self._timed(self._commands[layers])
        took = {way: self._timed(commands)[TIMER] for way, commands in self._layered[layers].items()}
        self._quickest[layers].append(min(took, key=took.__getitem__))
        return timings["tile_hash"], timings["tile_network"], min(took.values())

    def fused(self, layers: tuple[int, ...]) -> float:
        """Draw with one of the lists of widths; return ms of the network."""
        return self._timed(self._commands[layers])["tile_network"]

    def resident(self, layers: tuple[int, ...], count: int) -> float:
        """Draw with so many networks (RESIDENT of the first widths, 1 of `single`); return ms of the network."""
        return self._timed(self._resident[layers, count])["tile_network"]

    def variant(self, layers: tuple[int, ...]) -> Variant:
        """How the shader is written that draws with networks of these widths."""
        return self._variants[layers]

    def quickest_way(self, layers: tuple[int, ...]) -> Way:
        """How these networks were drawn layer by layer the soonest, most of the times that were measured."""
        return max(self._layered[layers], key=self._quickest[layers].count)

    def _fused(self, layers: tuple[int, ...], count: int = NETWORKS) -> tuple[Any, ...]:
        """What a network's pass is made of, with so many random networks: the arguments of TileNetwork."""
        weights, picture = random_weights(layers, count), self._picture
        hashing = self.own(TileHash(self._device, picture.places, SIZE, SIZE, hash_scale=weights.hash_scale))
        return (self._device, weights, hashing, picture.features, picture.surface, picture.radiance, SIZE, SIZE)

    def _drawing(self, arguments: tuple[Any, ...]) -> CommandBuffer:
        """Commands for both passes, run already: drivers compile at the first dispatch."""
        hashing, network = arguments[2], self.own(TileNetwork(*arguments))
        self._variants.setdefault(arguments[1].layers, network.variant)
        with self.own(self._device.commands()) as commands:
            hashing.record(commands)
            commands.barrier()
            network.record(commands)
            commands.barrier()
        for _ in range(2):
            self._device.submit(commands)
        return commands

    def _record(self, layers: tuple[int, ...]) -> None:
        shared = self._fused(layers)
        self._commands[layers] = self._drawing(shared)  # and the tiles are listed for what follows
        self._layered[layers] = {
            way: self._record_layered(self.own(LayeredNetwork(*shared, way=way)))
            for way in ways(self._device.info, self._variants[layers])
        }
        self._quickest[layers] = []

    def _record_layered(self, network: LayeredNetwork) -> CommandBuffer:
        with self.own(self._device.commands()) as commands:
            network.record(commands)
            commands.barrier()
        self._device.submit(commands)
        return commands

    def _timed(self, commands: CommandBuffer) -> dict[str, float]:
        """Draw twice, of which the first brings its data back into the caches, whatever ran before."""
        for _ in range(2):
            self._device.submit(commands)
        return commands.timings()
