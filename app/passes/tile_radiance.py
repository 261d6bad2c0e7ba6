"""What is drawn of a frame: the face by tile networks, all else by the background."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.gpu import Device
from app.network.schema import TILE_PIXELS, from_tiles, tile_grid, to_tiles
from app.passes.owner import Owner

Precision: TypeAlias = Literal["half", "float"]
_TYPES = {"half": np.float16, "float": np.float32}


class TileRadiance(Owner):
    """A buffer of linear Rec.709 and alpha, tile-major, with undefined contents.

    Networks write to pixels that show face, the background before them to all: alpha 0 where it draws nothing.

    Args:
        device: an open device.
        width, height: of the picture, pixels.
        precision: of a number; halves in frames, floats where the last bits count.
        name: for messages.

    Attributes:
        buffer: as shaders/include/radiance.glsl writes it.
        precision: as given.
    """

    def __init__(
        self, device: Device, width: int, height: int, precision: Precision = "half", *, name: str = "radiance"
    ) -> None:
        super().__init__()
        self._size, self.precision = (width, height), precision
        tiles_x, tiles_y = tile_grid(width, height)
        size = tiles_x * tiles_y * TILE_PIXELS * 4 * np.dtype(_TYPES[precision]).itemsize
        self.buffer = self.own(device.buffer(size, name=name))

    def read(self) -> NDArray[np.floating]:
        """The picture (height, width, 4), float16 or float32."""
        return from_tiles(self.buffer.read(_TYPES[self.precision]).reshape(-1, TILE_PIXELS, 4), *self._size)

    def write(self, picture: ArrayLike) -> None:
        """Put a picture there, of a shape that broadcasts to (height, width, 4)."""
        width, height = self._size
        self.buffer.write(to_tiles(np.broadcast_to(np.asarray(picture, _TYPES[self.precision]), (height, width, 4))))
