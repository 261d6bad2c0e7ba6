"""Tile network: draws all listed tiles in one dispatch, each with the network its hash picks."""

from app.gpu import BindingSet, Buffer, CommandBuffer, Device
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.network_pipeline import network_pipeline
from app.passes.owner import Owner
from app.passes.tile_hash import TileHash
from app.passes.tile_radiance import TileRadiance
from app.passes.weight_store import ResidentWeights, WeightStore


class TileNetwork(Owner):
    """Writes radiance (linear Rec.709) and 1 to the pixels that show face; others keep what they held.

    Args:
        device: an open device.
        weights: the networks; those of a store stay the store's.
        tile_hash: lists the tiles to draw; recorded before this pass, with a barrier between.
        features, surface: the G-buffer's tile-major buffers (layouts: app/network/schema.py).
        radiance: drawn to. It, features and surface are reached by address and must stay open as long as commands of
            this pass run.
        width, height: its pixels.
        variant: how the shader is written, for weights that are not in a store; see `network_pipeline`.

    Raises:
        ValueError: the weights were trained for another hash scale than `tile_hash` uses.
        BungyoError, InputError: see `network_pipeline`.
    """

    def __init__(
        self,
        device: Device,
        weights: WeightSet | ResidentWeights,
        tile_hash: TileHash,
        features: Buffer,
        surface: Buffer,
        radiance: TileRadiance,
        width: int,
        height: int,
        *,
        variant: Variant | None = None,
    ) -> None:
        super().__init__()
        self._tile_hash = tile_hash
        self._inputs, self._radiance, self._size = (features, surface), radiance, (width, height)
        self._bound: BindingSet | None = None
        with self.building():
            if isinstance(weights, WeightSet):
                self._check_scale(weights)
                store = WeightStore(
                    device, weights, lambda some: network_pipeline(device, some, radiance.precision, variant)
                )
                weights = self.own(store).current
            self.use(weights)

    @property
    def variant(self) -> Variant:
        """How the shader that draws is written."""
        return self._pipeline.variant

    def use(self, weights: ResidentWeights) -> BindingSet | None:
        """Draw with these from now on. Returns what commands recorded before need; the caller closes it."""
        self._check_scale(weights.weights)
        before, self._pipeline = self._bound, weights.pipeline
        self._bound = self.own(self._pipeline.bind(self._tile_hash.tiles, weights.table))
        self._push = self._pipeline.push(self._size, *self._inputs, weights.parameters, self._radiance)
        return None if before is None else self.let_go(before)

    def _check_scale(self, weights: WeightSet) -> None:
        if weights.hash_scale != self._tile_hash.hash_scale:
            raise ValueError(
                f"weights for hash scale {weights.hash_scale}, tiles hashed at {self._tile_hash.hash_scale}"
            )

    def record(self, command: CommandBuffer) -> None:
        """Record the pass; results are visible after the next barrier."""
        with command.timer("tile_network"):
            command.bind(self._pipeline.compute, self._bound)
            for offset, first in self._tile_hash.dispatches:
                self._push["first"] = first
                command.push(self._push)
                command.dispatch_indirect(self._tile_hash.dispatch, offset)
