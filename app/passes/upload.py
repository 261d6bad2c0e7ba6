"""What changes from frame to frame, on its way to the buffers that shaders read."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.gpu import Buffer, Device
from app.passes.owner import Owner


class Upload(Owner):
    """Memory of its own for some records, and `commands` that copy them into the buffers that shaders read.

    With one for each frame that may be under way, the next frame's records can be written while the GPU is still
    drawing with the last one's.

    Args:
        device: an open device.
        targets: a buffer for each record; what `write` is given has their sizes.
    """

    def __init__(self, device: Device, *targets: Buffer) -> None:
        super().__init__()
        starts = np.cumsum([0] + [target.size for target in targets])
        with self.building():
            staging = self.own(device.buffer(int(starts[-1]), memory="upload", name="upload"))
            memory = staging.map()
            self._places = [memory[a:b] for a, b in pairwise(starts)]
            with self.own(device.commands()) as self.commands:
                for target, start in zip(targets, starts[:-1], strict=True):
                    self.commands.copy(staging, target, target.size, source_offset=int(start))
                self.commands.barrier()

    def write(self, *records: NDArray[Any]) -> None:
        """Take over a record for each target. Those of the submit before must have been copied."""
        for place, record in zip(self._places, records, strict=True):
            place[:] = record.reshape(1).view(np.uint8)
