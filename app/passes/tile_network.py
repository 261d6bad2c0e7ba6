"""Tile network: draws all listed tiles in one dispatch, each with the network its hash picks."""

import numpy as np

from app.errors import BungyoError
from app.gpu import Binding, Buffer, CommandBuffer, Device, Image, Struct
from app.network import shader
from app.network.schema import TILE_PIXELS, glsl
from app.network.weights import WeightSet
from app.passes.tile_hash import TileHash

_PUSH = Struct("TileNetworkPush", [("size", "uvec2")])


class TileNetwork:
    """Writes radiance (linear Rec.709) and alpha 1 to an image's face pixels; others keep what they held.

    Args:
        device: an open device.
        weights: the networks.
        tile_hash: lists the tiles to draw; recorded before this pass, with a barrier between.
        features, surface: the G-buffer's tile-major buffers (layouts: app/network/schema.py).
        radiance: the image drawn to, rgba16f (or rgba32f, where half precision will not do).
        width, height: its pixels.

    Raises:
        ValueError: the weights were trained for another hash scale than `tile_hash` uses.
        BungyoError: the layers are too wide, or the device lacks the shared memory for a tile's weights.
    """

    def __init__(
        self,
        device: Device,
        weights: WeightSet,
        tile_hash: TileHash,
        features: Buffer,
        surface: Buffer,
        radiance: Image,
        width: int,
        height: int,
    ) -> None:
        if weights.hash_scale != tile_hash.hash_scale:
            raise ValueError(
                f"weights for hash scale {weights.hash_scale}, tiles hashed at {tile_hash.hash_scale}"
            )
        if fault := shader.check_widths(weights.layers):
            raise BungyoError(f"The tile network {fault}.")
        needed = shader.shared_bytes(weights.layers)
        if needed > device.info.max_shared_memory:
            raise BungyoError(
                f"The tile network needs {needed} bytes of shared memory, "
                f"but {device.info.name} has {device.info.max_shared_memory}."
            )
        self._dispatch = tile_hash.dispatch
        self._table = device.buffer(weights.table, name="hash to slot")
        self._parameters = device.buffer(weights.gpu_parameters(), name="network parameters")
        self._pipeline = device.compute_pipeline(
            "tile_network.comp",
            [*(Binding(slot, "storage") for slot in range(5)), Binding(5, "image")],
            push=_PUSH,
            defines={
                "THREADS": f"{TILE_PIXELS}u",
                "IMAGE_FORMAT": radiance.format.name,
                "SPLIT_BLOCKS": int(device.info.kind == "cpu"),
            },
            includes={"features.glsl": glsl(), "network.glsl": shader.generate(weights.layers)},
        )
        resources = (features, surface, tile_hash.tiles, self._table, self._parameters, radiance)
        self._bound = self._pipeline.bind(dict(enumerate(resources)))
        self._push = np.array(([width, height],), _PUSH.dtype)

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; results are visible after the next barrier."""
        with command.timer("tile_network"):
            command.bind(self._pipeline, self._bound)
            command.push(self._push)
            command.dispatch_indirect(self._dispatch)

    def close(self) -> None:
        """Releases everything on the GPU."""
        for thing in (self._bound, self._pipeline, self._parameters, self._table):
            thing.close()
