"""The data set on disk: every tile's binary record goes into the folder of its hash.

    DIR/manifest.jsonl             first line: what the set is; then a line a shard: its frames, tile counts
    DIR/hashes/0x01c3/00007.tiles  tiles with hash 0x01c3 of shard 7: records of `TILE_DTYPE`, nothing else

numpy alone reads it. The manifest's first line gives the record:

    header = json.loads(open("manifest.jsonl").readline())
    record = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in header["dtype"]])
    tiles = np.fromfile("hashes/0x01c3/00007.tiles", record)
    features = tiles["features"].view("<f2")    # (n, 256, 32) halves in the order of header["features"]

A *shard* is a run of frames written together. Its files are written beside their final names and renamed; its
manifest line is appended last. Whatever is not named by a complete manifest line does not exist for a reader
and is swept away by the next writer, so a kill loses at most the shard under way and never counts a tile
twice.
"""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import BungyoError, InputError
from app.training.manifest import (
    MANIFEST,
    SPLITS,
    TILE_DTYPE,
    DatasetSpec,
    FrameInfo,
    Shard,
    TileBatch,
    folder_name,
    header_of,
    read_manifest,
    shard_path,
    split_of,
    view_of,
)

__all__ = [
    "SPLITS",
    "TILE_DTYPE",
    "Dataset",
    "DatasetSpec",
    "DatasetWriter",
    "FrameInfo",
    "TileBatch",
    "split_of",
    "view_of",
]


class Dataset:
    """A data set opened for reading.

    Args:
        path: its folder.

    Attributes:
        spec: what its frames share.
        frames: FrameInfo by frame index, in ascending order.
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
        self.hashes = sorted({int(name, 16) for shard in self._shards for name in shard.tiles})
        self._split = np.full(max(self.frames, default=-1) + 1, len(SPLITS), np.uint8)
        for index, frame in self.frames.items():
            self._split[index] = SPLITS.index(frame.split)

    def count(self, tile_hash: int) -> int:
        """How many tiles the set has for a hash, over all splits."""
        return sum(shard.tiles.get(folder_name(tile_hash), 0) for shard in self._shards)

    def tiles(self, tile_hash: int, split: str | None = None) -> npt.NDArray[np.void]:
        """Read the tiles of one hash.

        Args:
            tile_hash: any 16-bit hash; one that never occurs has no tiles.
            split: one of SPLITS, or None for all.

        Returns:
            (n,) records of `TILE_DTYPE`, in the order in which they were made.

        Raises:
            InputError: a tile file is missing, of another size than the manifest says, or names an unknown
                frame.
        """
        parts = list(self._files(folder_name(tile_hash)))
        tiles = np.concatenate(parts) if parts else np.zeros(0, TILE_DTYPE)
        if len(tiles) and int(tiles["frame"].max()) >= len(self._split):
            raise InputError(f"A tile of {folder_name(tile_hash)} in {self.path} names a frame that does not exist.")
        if split is None:
            return tiles
        chosen: npt.NDArray[np.void] = tiles[self._split[tiles["frame"]] == SPLITS.index(split)]
        return chosen

    def _files(self, name: str) -> Iterator[npt.NDArray[np.void]]:
        for shard in self._shards:
            if name not in shard.tiles:
                continue
            path = shard_path(self.path, name, shard.shard)
            expected = shard.tiles[name] * TILE_DTYPE.itemsize
            try:
                size = path.stat().st_size
            except OSError as error:
                raise InputError(f"The tile file {path} is missing: {error.strerror}.") from error
            if size != expected:
                raise InputError(f"The tile file {path} is damaged: it has {size} bytes instead of {expected}.")
            yield np.fromfile(path, TILE_DTYPE)


class DatasetWriter:
    """Adds frames to a data set, begun here or on an earlier day. One writer at a time.

    Args:
        path: the folder; made if it does not exist.
        spec: must equal that of a set which is there already.

    Attributes:
        next_frame: index of the first frame that is not on disk yet.

    Raises:
        InputError: the folder belongs to something else, to another spec or schema, to another writer, or
            cannot be written.
    """

    def __init__(self, path: str | Path, spec: DatasetSpec) -> None:
        self.path = Path(path)
        # Through JSON and back, so that tuples and lists compare equal to what an earlier run stored.
        self.spec = msgspec.json.decode(msgspec.json.encode(spec), type=DatasetSpec)
        self._frames: list[FrameInfo] = []
        self._pending: dict[str, list[npt.NDArray[np.void]]] = {}
        manifest = self.path / MANIFEST
        self._beside = manifest.with_suffix(".part")  # the manifest of a set that was just being begun
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"A data set needs a folder, and {self.path} is a file.")
        if manifest.exists():
            shards = self._resume()
        elif self.path.exists() and any(file != self._beside for file in self.path.iterdir()):
            raise InputError(f"The folder {self.path} holds other files, so no data set is begun in it.")
        else:
            shards = self._begin()
        self._next_shard = max((shard.shard for shard in shards), default=-1) + 1
        self.next_frame = max((f.index for shard in shards for f in shard.frames), default=-1) + 1

    def _begin(self) -> list[Shard]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._beside.write_bytes(msgspec.json.encode(header_of(self.spec)) + b"\n")
            self._beside.rename(self.path / MANIFEST)
        except OSError as error:
            raise InputError(f"No data set can be begun at {self.path}: {error.strerror}.") from error
        self._lock()
        return []

    def _resume(self) -> list[Shard]:
        manifest = self.path / MANIFEST
        header, _, _ = read_manifest(self.path)
        theirs, ours = msgspec.to_builtins(header.spec), msgspec.to_builtins(self.spec)
        for key in ours:
            if theirs[key] != ours[key]:
                raise InputError(
                    f"The data set {self.path} was begun with {key} {theirs[key]!r}, so it cannot go on with "
                    f"{ours[key]!r}."
                )
        self._lock()
        # Read again: only now can no other writer add a line.
        _, shards, complete = read_manifest(self.path)
        try:
            if complete < manifest.stat().st_size:
                os.truncate(manifest, complete)
            self._sweep({shard.shard for shard in shards})
        except OSError as error:
            raise InputError(f"The data set {self.path} cannot be written: {error.strerror}.") from error
        return shards

    def _lock(self) -> None:
        try:
            # Held open as the lock until `close`; unbuffered, so that a line is written now or not at all.
            self._manifest = open(self.path / MANIFEST, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise InputError(f"The data set {self.path} cannot be written: {error.strerror}.") from error
        try:
            fcntl.flock(self._manifest, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._manifest.close()
            raise InputError(f"The data set {self.path} is being written by another process.") from error

    def _sweep(self, known: set[int]) -> None:
        """Remove what an unfinished shard left. Files that we cannot have written are left alone."""
        for file in (self.path / "hashes").glob("0x????/*"):
            match = re.fullmatch(r"(\d{5})\.tiles(\.part)?", file.name)
            if match and (match[2] or int(match[1]) not in known):
                file.unlink()

    def add_frame(self, frame: FrameInfo, tiles: TileBatch) -> None:
        """Keep a frame's tiles in memory (24 KB each) until `commit_shard`.

        Raises:
            ValueError: the frame is already in the set, a hash does not fit 16 bits, or shapes differ from
                TileBatch's.
        """
        if frame.index < self.next_frame:
            raise ValueError(f"frame {frame.index} is already in the data set")
        if len(tiles) and int(tiles.hashes.max()) > 0xFFFF:
            raise ValueError("a hash has more than 16 bits")
        records = tiles.records(frame.index)
        dropped = int(np.count_nonzero(tiles.mask)) - int(np.count_nonzero(records["mask"]))
        self._frames.append(msgspec.structs.replace(frame, dropped_pixels=dropped))
        for value in np.unique(tiles.hashes):
            self._pending.setdefault(folder_name(int(value)), []).append(records[tiles.hashes == value])
        self.next_frame = frame.index + 1

    def commit_shard(self) -> None:
        """Write the frames added since the last commit, those without tiles as well; without any, do nothing.

        Raises:
            BungyoError: the disk is full or refuses; the shard's files are removed, earlier shards are
                untouched, and the frames stay in memory, so that a later commit can succeed.
        """
        if not self._frames:
            return
        # First everything beside, then all renames: a full disk is met before the first file is in place.
        paths = {name: shard_path(self.path, name, self._next_shard) for name in sorted(self._pending)}
        beside = {name: path.with_suffix(".tiles.part") for name, path in paths.items()}
        try:
            for name, part in beside.items():
                part.parent.mkdir(parents=True, exist_ok=True)
                np.concatenate(self._pending[name]).tofile(part)
            for name, path in paths.items():
                beside[name].rename(path)
            counts = {name: sum(map(len, self._pending[name])) for name in paths}
            self._append(msgspec.json.encode(Shard(self._next_shard, self._frames, counts)) + b"\n")
        except OSError as error:
            for file in (*beside.values(), *paths.values()):
                file.unlink(missing_ok=True)
            # numpy reports a short write without an errno; a full disk is its only likely cause.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, None)
            reason = "the disk is full" if full else error.strerror
            raise BungyoError(
                f"Frames {self._frames[0].index} to {self._frames[-1].index} could not be written to "
                f"{self.path}: {reason}; all earlier frames are safe."
            ) from error
        self._next_shard += 1
        self._frames, self._pending = [], {}

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._manifest.fileno()).st_size
        try:
            if self._manifest.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Half a line would swallow the next shard's line, so it goes.
            os.ftruncate(self._manifest.fileno(), size)
            raise

    def close(self) -> None:
        """Let go of the data set. Frames that were not committed are forgotten."""
        self._manifest.close()

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
