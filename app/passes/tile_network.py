"""Tile network: draws all listed tiles in one dispatch, each with the network its hash picks."""

import numpy as np

from app.errors import BungyoError
from app.gpu import Binding, BindingSet, Buffer, CommandBuffer, ComputePipeline, Device, Image, Struct
from app.network import shader
from app.network.schema import TILE_PIXELS, glsl
from app.network.weights import WeightSet
from app.passes.tile_hash import TileHash
from app.passes.weight_store import ResidentWeights, WeightStore

_PUSH = Struct("TileNetworkPush", [("size", "uvec2")])


class TileNetwork:
    """Writes radiance (linear Rec.709) and alpha 1 to an image's face pixels; others keep what they held.

    Args:
        device: an open device.
        weights: the networks; those of a store stay the store's.
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
        weights: WeightSet | ResidentWeights,
        tile_hash: TileHash,
        features: Buffer,
        surface: Buffer,
        radiance: Image,
        width: int,
        height: int,
    ) -> None:
        self._tile_hash, self._dispatch = tile_hash, tile_hash.dispatch
        self._resources = (features, surface, tile_hash.tiles), radiance
        self._push = np.array(([width, height],), _PUSH.dtype)
        self._bound: BindingSet | None = None
        self._store: WeightStore | None = None
        if isinstance(weights, WeightSet):
            self._check_scale(weights)
            form = radiance.format.name
            self._store = WeightStore(device, weights, lambda layers: network_pipeline(device, layers, form))
            weights = self._store.current
        self.use(weights)

    def use(self, weights: ResidentWeights) -> BindingSet | None:
        """Draws with these from now on. Returns what commands recorded before need until they are closed."""
        self._check_scale(weights.weights)
        before = self._bound
        inputs, radiance = self._resources
        resources = (*inputs, weights.table, weights.parameters, radiance)
        self._pipeline = weights.pipeline
        self._bound = self._pipeline.bind(dict(enumerate(resources)))
        return before

    def _check_scale(self, weights: WeightSet) -> None:
        if weights.hash_scale != self._tile_hash.hash_scale:
            raise ValueError(
                f"weights for hash scale {weights.hash_scale}, tiles hashed at {self._tile_hash.hash_scale}"
            )

    def record(self, command: CommandBuffer) -> None:
        """Records the pass; results are visible after the next barrier."""
        with command.timer("tile_network"):
            command.bind(self._pipeline, self._bound)
            command.push(self._push)
            command.dispatch_indirect(self._dispatch)

    def close(self) -> None:
        """Releases everything on the GPU."""
        if self._bound is not None:
            self._bound.close()
        if self._store is not None:
            self._store.close()


def network_pipeline(device: Device, layers: tuple[int, ...], image_format: str) -> ComputePipeline:
    """The pipeline for networks of these widths, to images of this format. May be called in any thread.

    Raises:
        BungyoError: the layers are too wide, or the device lacks the shared memory for a tile's weights.
    """
    if fault := shader.check_widths(layers):
        raise BungyoError(f"The tile network {fault}.")
    needed = shader.shared_bytes(layers)
    if needed > device.info.max_shared_memory:
        raise BungyoError(
            f"The tile network needs {needed} bytes of shared memory, "
            f"but {device.info.name} has {device.info.max_shared_memory}."
        )
    return device.compute_pipeline(
        "tile_network.comp",
        [*(Binding(slot, "storage") for slot in range(5)), Binding(5, "image")],
        push=_PUSH,
        defines={
            "THREADS": f"{TILE_PIXELS}u",
            "IMAGE_FORMAT": image_format,
            "SPLIT_BLOCKS": int(device.info.kind == "cpu"),
        },
        includes={"features.glsl": glsl(), "network.glsl": shader.generate(layers)},
    )
