"""The data set on disk: every tile's binary record goes into the folder of its hash.

    DIR/manifest.jsonl             first line: what the set is; then a line a shard: person, frames, tile counts
    DIR/hashes/0x01c3/00008.tiles  tiles with hash 0x01c3 of shard 8: records of `TILE_DTYPE`, nothing else

numpy alone reads it. The manifest's first line gives the record:

    header = json.loads(open("manifest.jsonl").readline())
    record = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in header["dtype"]])
    tiles = np.fromfile("hashes/0x01c3/00008.tiles", record)
    features = tiles["features"].view("<f2")    # (n, 256, 32) halves in the order of header["features"]

A *shard* is the frames of one block, written together and named by the first of them, so that blocks can be finished
in any order and by anybody: the files are the same. They are written beside their final names and renamed; the
shard's manifest line is appended last. Whatever is not named by a complete manifest line does not exist for a reader
and is swept away by the next writer, so a kill loses at most the blocks under way and never counts a tile twice.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from app.arrays import F64, Records
from app.errors import InputError
from app.training.manifest import (
    CAMERAS,
    GATHERING,
    SPLITS,
    TILE_DTYPE,
    Shard,
    block_of,
    fault_of,
    folder_name,
    read_manifest,
    shard_path,
)

if TYPE_CHECKING:
    from app.scene.uv_layout import UvLayout


class Dataset:
    """A data set opened for reading.

    Args:
        path: its folder.

    Attributes:
        spec: what its frames share.
        frames: FrameInfo by frame index, in ascending order.
        people: PersonInfo by block; empty where the set has one fixed face.
        hashes: all hashes that occur, ascending.
        hash_scale: bins of the tile hash along 0..1.

    Raises:
        InputError: no data set there, a damaged manifest, or one of another schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        header, self._shards, _ = read_manifest(self.path)
        self.spec = header.spec
        self.hash_scale = header.hash_scale
        self.frames = dict(sorted((f.index, f) for shard in self._shards for f in shard.frames))
        self.people = {block_of(s.shard): s.person for s in self._shards if s.person is not None}
        self.hashes = sorted({int(name, 16) for shard in self._shards for name in shard.tiles})
        self._split = np.full(max(self.frames, default=-1) + 1, len(SPLITS), np.uint8)
        for index, frame in self.frames.items():
            self._split[index] = SPLITS.index(frame.split)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells the set from any other one, as plain JSON values: all but its tiles' bytes."""
        counts = {folder_name(tile_hash): self.count(tile_hash) for tile_hash in self.hashes}
        digest = hashlib.sha256(msgspec.json.encode([list(self.frames), counts])).hexdigest()
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self.spec))
        return {"spec": plain, "frames": len(self.frames), "tiles": digest}

    @property
    def gathering(self) -> int | None:
        """The version of whatever made features and targets (GATHERING_VERSION); None where the set does not say."""
        version: int | None = self.spec.scene.get(GATHERING)
        return version

    @property
    def uv_layout(self) -> "UvLayout | None":
        """How its heads are unwrapped; None where it does not say. InputError if what it says is damaged."""
        from app.scene.uv_layout import UvLayout, canonical_layout

        own = self.spec.scene.get("uv_layout")  # of one fixed face
        if own is None:
            return canonical_layout() if "generator" in self.spec.scene.get("people", {}) else None
        try:
            return UvLayout.parse(own)
        except ValueError as error:
            raise InputError(f"The data set {self.path} has an unreadable uv_layout: {error}.") from error

    @property
    def whole_frames(self) -> bool:
        """Whether it has all tiles of its frames (`bungyo dataset --tiles 1`)."""
        return bool(self.spec.scene.get("tile_fraction") == 1.0)

    def check_people(self, described: object) -> None:
        """Refuse frames of other people than those that are made by this description (`People.description`).

        Raises:
            InputError: it shows others, or one fixed face.
        """
        shown = self.spec.scene.get("people")
        if shown is None or shown != msgspec.json.decode(msgspec.json.encode(described)):
            raise InputError(f"The data set {self.path} does not show people as this version makes them.")

    def shows_face(self, split: str) -> bool:
        """Whether any pixel of one of SPLITS shows face; reads no more tiles than it takes to see that."""
        if all(frame.split != split for frame in self.frames.values()):
            return False
        return any(self.tiles(tile_hash, split)["mask"].any() for tile_hash in self.hashes)

    @property
    def head_center(self) -> F64:
        """(3,) about where the heads are, metres: a mesh file's need not be at the world's origin.

        It is the mean of the points that cameras look at, each at random up to 15% of its head's height off the middle.
        """
        center: F64 = np.mean([frame.camera["target"] for frame in self.frames.values()], axis=0)
        return center

    def cluster_of(self, frame: int) -> int:
        """A number that frames share which stand or fall together: they show one person.

        Of one fixed face, they have the lights in common.
        """
        return self.people[block_of(frame)].seed if self.people else frame // CAMERAS

    def count(self, tile_hash: int) -> int:
        """How many tiles the set has for a hash, over all splits."""
        return sum(shard.tiles.get(folder_name(tile_hash), 0) for shard in self._shards)

    def tiles(self, tile_hash: int, split: str | None = None) -> Records:
        """Read the tiles of one hash.

        Args:
            tile_hash: any 16-bit hash; one that never occurs has no tiles.
            split: one of SPLITS, or None for all.

        Returns:
            (n,) records of `TILE_DTYPE`, frame by frame.

        Raises:
            InputError: a tile file is missing, of another size than the manifest says, holds impossible values, or
                names an unknown frame.
        """
        parts = list(self._files(folder_name(tile_hash)))
        tiles = np.concatenate(parts) if parts else np.zeros(0, TILE_DTYPE)
        if len(tiles) and int(tiles["frame"].max()) >= len(self._split):
            raise InputError(f"A tile of {folder_name(tile_hash)} in {self.path} names a frame that does not exist.")
        return tiles if split is None else self._of_split(tiles, split)

    def count_split(self, split: str) -> int:
        """How many tiles one of SPLITS has; where shards hold frames of several (version 1), at most."""
        shards = [shard for shard in self._shards if any(frame.split == split for frame in shard.frames)]
        return sum(sum(shard.tiles.values()) for shard in shards)

    def some_tiles(self, count: int, split: str | None = None) -> Records:
        """Read about `count` random tiles of all hashes, the same ones every time, without reading the others.

        Args:
            count: how many.
            split: one of SPLITS, or None for all.

        Returns:
            (n,) records of `TILE_DTYPE`; all tiles, if the set has no more than `count`.

        Raises:
            InputError: a tile file is missing or of another size than the manifest says.
        """
        rng = np.random.default_rng(0)
        shards = [s for s in self._shards if split is None or any(frame.split == split for frame in s.frames)]
        share = min(1.0, count / max(sum(sum(shard.tiles.values()) for shard in shards), 1))
        parts = []
        for shard in shards:
            for name, tiles in shard.tiles.items():
                chosen = np.flatnonzero(rng.random(tiles) < share)
                if len(chosen):
                    parts.append(np.memmap(self._checked(shard, name), TILE_DTYPE, "r")[chosen])
        sample = np.concatenate(parts) if parts else np.zeros(0, TILE_DTYPE)
        return sample if split is None else self._of_split(sample, split)

    def _of_split(self, tiles: Records, split: str) -> Records:
        chosen: Records = tiles[self._split[tiles["frame"]] == SPLITS.index(split)]
        return chosen

    def _files(self, name: str) -> Iterator[Records]:
        for shard in self._shards:
            if name in shard.tiles:
                path = self._checked(shard, name)
                tiles = np.fromfile(path, TILE_DTYPE)
                if fault := fault_of(tiles):
                    raise InputError(f"The tile file {path} is damaged: it holds {fault}.")
                yield tiles

    def _checked(self, shard: Shard, name: str) -> Path:
        """The file of a shard's tiles in a hash's folder; InputError if it is not as long as it must be."""
        path = shard_path(self.path, name, shard.shard)
        expected = shard.tiles[name] * TILE_DTYPE.itemsize
        try:
            size = path.stat().st_size
        except OSError as error:
            raise InputError(f"The tile file {path} is missing: {error.strerror}.") from error
        if size != expected:
            raise InputError(f"The tile file {path} is damaged: it has {size} bytes instead of {expected}.")
        return path
