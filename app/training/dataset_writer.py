"""Writing a data set, shard by shard, so that no kill and no full disk damages it; `dataset` says what lies where."""

import errno
import fcntl
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from app.arrays import Records
from app.errors import BungyoError, InputError
from app.files import is_full
from app.training.differences import differences
from app.training.manifest import (
    FORMAT_VERSION,
    GATHERING,
    MANIFEST,
    DatasetSpec,
    FrameInfo,
    PersonInfo,
    Shard,
    TileBatch,
    block_of,
    folder_name,
    header_of,
    read_manifest,
    shard_path,
)


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
        try:
            exists, begun = self.path.exists(), manifest.exists()
            if exists and not self.path.is_dir():
                raise InputError(f"A data set needs a folder, and {self.path} is a file.")
            if exists and not begun and any(file != self._beside for file in self.path.iterdir()):
                raise InputError(f"The folder {self.path} holds other files, so no data set is begun in it.")
        except OSError as error:  # nobody may look into it, or into a folder above
            raise InputError(f"No data set can be begun at {self.path}: {error.strerror}.") from error
        shards = self._resume() if begun else self._begin()
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
        except BlockingIOError as error:
            self._manifest.close()
            raise InputError(f"The data set {self.path} is being written by another process.") from error
        except OSError:  # some network file systems lock no files
            pass

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
            reason = "the disk is full" if is_full(error) else error.strerror
            raise BungyoError(
                f"Frames {infos[0].index} to {infos[-1].index} could not be written to {self.path}: {reason}; all "
                "earlier frames are safe."
            ) from error

    def _sorted_by_hash(
        self, frames: Sequence[tuple[FrameInfo, TileBatch]]
    ) -> tuple[list[FrameInfo], dict[str, list[Records]]]:
        """The frames with their dropped pixels counted, and the tiles' records by the name of their hash's folder."""
        indexes = [info.index for info, _ in frames]
        if indexes != sorted(set(indexes)) or len(set(map(block_of, indexes))) > 1:
            raise ValueError(f"the frames {indexes} are not ascending ones of one block")
        if again := self.done.intersection(indexes):
            raise ValueError(f"frame {min(again)} is already in the data set")
        infos: list[FrameInfo] = []
        pending: dict[str, list[Records]] = {}
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
