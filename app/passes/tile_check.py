"""Pictures that are all face, and a small one on which a tile network is compared with its numpy twin before use."""

import numpy as np

from app.arrays import F32, U32
from app.gpu import Device
from app.network import schema, twin
from app.network.tile_hash import tile_list
from app.network.weights import WeightSet
from app.passes.owner import Owner
from app.passes.tile_radiance import Precision, TileRadiance

HALF_TOLERANCE = 2.0**-4
"""Of a pixel's largest channel, or of 1 where that is less: random layers of 64 channels are off by up to 0.04."""
FLOAT_TOLERANCE = 2.0**-9
"""The same of floats, whose picture is rounded to halves."""

_TILES = 4  # along an edge
_SHOWN = 0.2  # of u and v by a tile


def all_face(tiles: int) -> tuple[U32, F32]:
    """A square picture that is all face, each of its tiles another place of it; everything else random.

    Args:
        tiles: along an edge.

    Returns:
        The G-buffer's features and surface (app/network/schema.py).
    """
    rng, edge = np.random.default_rng(0), tiles * schema.TILE
    channels = rng.normal(0.0, 1.0, (edge, edge, schema.CHANNELS)).astype(np.float32)
    inside = np.arange(edge) % schema.TILE / schema.TILE * _SHOWN
    corner = rng.uniform(0.0, 1.0 - _SHOWN, (2, tiles, tiles))
    u, v = corner.repeat(schema.TILE, axis=1).repeat(schema.TILE, axis=2)
    channels[..., 0], channels[..., 1] = u + inside, v + inside[:, None]
    surface = schema.surface_buffer(np.ones((edge, edge)), np.ones((edge, edge)))
    return schema.feature_buffer(schema.pack(channels)), surface


class CheckPicture(Owner):
    """`all_face`, a few tiles large. A context manager.

    Attributes:
        features, surface, tiles: as the tile network reads them; radiance: it draws there.
        size: (width, height) in pixels. tile_count: all tiles show face.
    """

    def __init__(self, device: Device, weights: WeightSet, precision: Precision) -> None:
        super().__init__()
        self._weights = weights
        edge = _TILES * schema.TILE
        self._packed, self._surface = all_face(_TILES)
        listed = tile_list(schema.place_buffer(self._packed, self._surface), weights.hash_scale)
        self.size, self.tile_count = (edge, edge), len(listed)
        with self.building():
            self.features = self.own(device.buffer(self._packed, name="check: features"))
            self.surface = self.own(device.buffer(self._surface, name="check: surface"))
            self.tiles = self.own(device.buffer(listed, name="check: tiles"))
            self.radiance = self.own(TileRadiance(device, edge, edge, precision, name="check: radiance"))
            self.radiance.write(0.0)

    def difference(self) -> float:
        """The largest error of what was drawn, relative to the pixel's largest channel (at least 1); NaN if any is."""
        wanted = twin.draw(self._weights, self._packed, self._surface, *self.size)
        drawn = self.radiance.read().astype(np.float32)
        size = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
        return float((np.abs(drawn - wanted) / size).max())
