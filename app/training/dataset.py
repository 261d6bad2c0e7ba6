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

import errno
import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import BungyoError, InputError
from app.training.differences import differences
from app.training.manifest import (
    CAMERAS,
    FORMAT_VERSION,
    GATHERING,
    MANIFEST,
    SPLITS,
    TILE_DTYPE,
    DatasetSpec,
    FrameInfo,
    PersonInfo,
    Shard,
    TileBatch,
    block_of,
    fault_of,
    folder_name,
    header_of,
    read_manifest,
    shard_path,
    split_of,
    view_of,
)

if TYPE_CHECKING:
    from app.scene.uv_layout import UvLayout

__all__ = [
    "SPLITS",
    "TILE_DTYPE",
    "Dataset",
    "DatasetSpec",
    "DatasetWriter",
    "FrameInfo",
    "PersonInfo",
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

    def shows_face(self, split: str) -> bool:
        """Whether any pixel of one of SPLITS shows face; reads no more tiles than it takes to see that."""
        if all(frame.split != split for frame in self.frames.values()):
            return False
        return any(self.tiles(tile_hash, split)["mask"].any() for tile_hash in self.hashes)

    @property
    def head_center(self) -> npt.NDArray[np.float64]:
        """(3,) about where the heads are, metres: a mesh file's need not be at the world's origin.

        It is the mean of the points that cameras look at, each at random up to 15% of its head's height off the middle.
        """
        center: npt.NDArray[np.float64] = np.mean([frame.camera["target"] for frame in self.frames.values()], axis=0)
        return center

    def cluster_of(self, frame: int) -> int:
        """A number that frames share which stand or fall together: they show one person.

        Of one fixed face, they have the lights in common.
        """
        return self.people[block_of(frame)].seed if self.people else frame // CAMERAS

    def count(self, tile_hash: int) -> int:
        """How many tiles the set has for a hash, over all splits."""
        return sum(shard.tiles.get(folder_name(tile_hash), 0) for shard in self._shards)

    def tiles(self, tile_hash: int, split: str | None = None) -> npt.NDArray[np.void]:
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

    def some_tiles(self, count: int, split: str | None = None) -> npt.NDArray[np.void]:
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

    def _of_split(self, tiles: npt.NDArray[np.void], split: str) -> npt.NDArray[np.void]:
        chosen: npt.NDArray[np.void] = tiles[self._split[tiles["frame"]] == SPLITS.index(split)]
        return chosen

    def _files(self, name: str) -> Iterator[npt.NDArray[np.void]]:
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


class DatasetWriter:
    """Adds frames to a data set, begun here or on an earlier day. One writer at a time.

    Args:
        path: the folder; made if it does not exist.
        spec: must equal that of a set which is there already.

    Attributes:
        done: numbers of the frames that are on disk.

    Raises:
        InputError: the folder belongs to something else, to another spec or schema, to another writer, or
            cannot be written.
    """

    def __init__(self, path: str | Path, spec: DatasetSpec) -> None:
        self.path = Path(path)
        # Through JSON and back, so that tuples and lists compare equal to what an earlier run stored.
        self.spec = msgspec.json.decode(msgspec.json.encode(spec), type=DatasetSpec)
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
        self.done = {frame.index for shard in shards for frame in shard.frames}

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
        if header.format_version != FORMAT_VERSION:
            raise InputError(
                f"The data set {self.path} was begun by an earlier version of bungyo, so it can be read but not go on.",
                "Begin another one.",
            )
        theirs, ours = (msgspec.to_builtins(spec) for spec in (header.spec, self.spec))
        versions = [spec["scene"].pop(GATHERING, None) for spec in (theirs, ours)]
        if found := differences(theirs, ours):
            raise InputError(
                f"The data set {self.path} was begun with other options: {'; '.join(found)}.",
                "Repeat the options it was begun with, or begin another one.",
            )
        if versions[0] != versions[1]:
            raise InputError(
                f"The frames of {self.path} were rendered by another version of bungyo, whose features differ, so the "
                "set can be read but not go on.",
                "Begin another one.",
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
            match = re.fullmatch(r"(\d{5,})\.tiles(\.part)?", file.name)
            if match and (match[2] or int(match[1]) not in known):
                file.unlink()

    def write(self, frames: Sequence[tuple[FrameInfo, TileBatch]], person: PersonInfo | None = None) -> None:
        """Write a shard: frames of one block in ascending order, those without tiles as well; none: do nothing.

        Args:
            frames: with their tiles.
            person: whom they show, if people differ.

        Raises:
            BungyoError: the disk is full or refuses; the shard's files are removed, all others are untouched, and the
                same frames can be written again later.
            ValueError: a frame is in the set already, frames are not of one block or not ascending, a hash does not
                fit 16 bits, or shapes differ from TileBatch's.
        """
        if not frames:
            return
        infos, pending = self._sorted_by_hash(frames)
        shard = infos[0].index
        # First everything beside, then all renames: a full disk is met before the first file is in place.
        paths = {name: shard_path(self.path, name, shard) for name in sorted(pending)}
        beside = {name: path.with_suffix(".tiles.part") for name, path in paths.items()}
        try:
            for name, part in beside.items():
                part.parent.mkdir(parents=True, exist_ok=True)
                # Not ndarray.tofile, which keeps quiet when the last bytes do not fit.
                part.write_bytes(np.concatenate(pending[name]).view(np.uint8).data)
            for name, path in paths.items():
                beside[name].rename(path)
            counts = {name: sum(map(len, pending[name])) for name in paths}
            # First known, then written: whatever interrupts here, no frame can come into the set twice.
            self.done.update(info.index for info in infos)
            self._append(msgspec.json.encode(Shard(shard, infos, counts, person)) + b"\n")
        except OSError as error:
            self.done.difference_update(info.index for info in infos)
            for file in (*beside.values(), *paths.values()):
                file.unlink(missing_ok=True)
            reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            raise BungyoError(
                f"Frames {infos[0].index} to {infos[-1].index} could not be written to {self.path}: {reason}; all "
                "earlier frames are safe."
            ) from error

    def _sorted_by_hash(
        self, frames: Sequence[tuple[FrameInfo, TileBatch]]
    ) -> tuple[list[FrameInfo], dict[str, list[npt.NDArray[np.void]]]]:
        """The frames with their dropped pixels counted, and the tiles' records by the name of their hash's folder."""
        indexes = [info.index for info, _ in frames]
        if indexes != sorted(set(indexes)) or len(set(map(block_of, indexes))) > 1:
            raise ValueError(f"the frames {indexes} are not ascending ones of one block")
        if again := self.done.intersection(indexes):
            raise ValueError(f"frame {min(again)} is already in the data set")
        infos: list[FrameInfo] = []
        pending: dict[str, list[npt.NDArray[np.void]]] = {}
        for info, tiles in frames:
            if len(tiles) and int(tiles.hashes.max()) > 0xFFFF:
                raise ValueError("a hash has more than 16 bits")
            records = tiles.records(info.index)
            dropped = int(np.count_nonzero(tiles.mask)) - int(np.count_nonzero(records["mask"]))
            infos.append(msgspec.structs.replace(info, dropped_pixels=dropped))
            for value in np.unique(tiles.hashes):
                pending.setdefault(folder_name(int(value)), []).append(records[tiles.hashes == value])
        return infos, pending

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
        """Let go of the data set."""
        self._manifest.close()

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
