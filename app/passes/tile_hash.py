"""Tile hash: lists the tiles that show the face, each with the hash that will pick its network."""

import numpy as np

from app.gpu import Binding, Buffer, CommandBuffer, Device, Struct
from app.network.schema import glsl, tile_grid
from app.network.tile_hash import HASH_SCALE
from app.passes.owner import Owner

TILE_DISPATCH = Struct(
    "TileDispatch",
    [
        ("groups_x", "uint"),  # read by dispatch_indirect: one workgroup a listed tile
        ("groups_y", "uint"),
        ("groups_z", "uint"),
    ],
)
TILE_HASH_PUSH = Struct(
    "TileHashPush",
    [
        ("first", "uint"),  # tiles from here to before `end` are hashed, and listed from here on
        ("end", "uint"),
        ("dispatch", "uint"),  # which record counts them
        ("scale", "float"),
    ],
)

MOST_GROUPS = 65535  # workgroups in x that every Vulkan device allows
_THREADS = 64  # a multiple of every subgroup size (4..64), so that all subgroups are full


class TileHash(Owner):
    """Hashes all tiles of an image of width x height pixels and lists those that show the face.

    After the pass `hashes` holds uint32 for every tile (0 = no face), `tiles` the listed tiles as uint32
    pairs (tile, hash) in no particular order, and `dispatch` (how many, 1, 1) for `dispatch_indirect`. Pictures with
    more tiles than a dispatch may have workgroups (beyond about 4000 x 4000) are hashed in parts of that many, each
    with such a record; `dispatches` says at which byte it lies, and from which place of `tiles` on the part is listed.

    Args:
        device: an open device.
        places: the G-buffer's tile-major buffer of that name (layout: app/network/schema.py).
        width, height: pixels.
        hash_scale: bins along 0..1, as stored with the weights.
        most_groups: workgroups that a dispatch may have.
    """

    def __init__(
        self,
        device: Device,
        places: Buffer,
        width: int,
        height: int,
        *,
        hash_scale: int = HASH_SCALE,
        most_groups: int = MOST_GROUPS,
    ) -> None:
        super().__init__()
        tiles_x, tiles_y = tile_grid(width, height)
        self.tile_count = tiles_x * tiles_y
        firsts = range(0, self.tile_count, most_groups)
        self.dispatches = tuple((index * TILE_DISPATCH.size, first) for index, first in enumerate(firsts))
        empty = np.ones(len(firsts), TILE_DISPATCH.dtype)
        empty["groups_x"] = 0
        includes = {"features.glsl": glsl(), "tile_hash.glsl": f"{TILE_DISPATCH.glsl}\n{TILE_HASH_PUSH.glsl}\n"}
        with self.building():
            self.hashes = self.own(device.buffer(self.tile_count * 4, name="tile hashes"))
            self.tiles = self.own(device.buffer(self.tile_count * 8, name="tile list"))
            self.dispatch = self.own(device.buffer(empty.nbytes, name="tile dispatch"))
            self._empty = self.own(device.buffer(empty, name="empty tile dispatch"))
            self._pipeline = self.own(
                device.compute_pipeline(
                    "tile_hash.comp",
                    [Binding(0, "texels"), *(Binding(slot, "storage") for slot in range(1, 4))],
                    push=TILE_HASH_PUSH,
                    defines={"THREADS": _THREADS},
                    includes=includes,
                )
            )
            bound = (places, self.hashes, self.tiles, self.dispatch)
            self._bound = self.own(self._pipeline.bind(dict(enumerate(bound))))
        self._push = np.zeros(len(firsts), TILE_HASH_PUSH.dtype)
        self._push["first"] = firsts
        self._push["end"] = [min(first + most_groups, self.tile_count) for first in firsts]
        self._push["dispatch"] = range(len(firsts))
        self._subgroups = max(1, _THREADS // device.info.subgroup_size)
        self.set_scale(hash_scale)

    def set_scale(self, hash_scale: int) -> None:
        """Hash with so many bins from now on. Commands recorded before are stale."""
        self.hash_scale = hash_scale
        self._push["scale"] = hash_scale

    def record(self, command: CommandBuffer) -> None:
        """Record the pass, the counters' reset included; results are visible after the next barrier."""
        with command.timer("tile_hash"):
            command.copy(self._empty, self.dispatch)
            command.barrier()
            command.bind(self._pipeline, self._bound)
            for push in self._push:
                command.push(push)
                command.dispatch(-(-int(push["end"] - push["first"]) // self._subgroups))
