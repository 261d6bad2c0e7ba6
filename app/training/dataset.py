"""The data set on disk: every tile's binary record goes into the folder of its hash.

    DIR/manifest.jsonl              first line: what the set is; then one line a shard: its frames and tile counts
    DIR/hashes/0x01c3/00007.tiles   the tiles with hash 0x01c3 of shard 7: records of `TILE_DTYPE`, nothing else

numpy alone reads it: the first line's "dtype" gives the record (`np.dtype([(n, t, tuple(s)) for n, t, s in dtype])`),
`np.fromfile` the tiles. The features are halves, channel after channel in the order of the first line's
"features": `tiles["features"].view("<f2")` has shape (n, 256, 32).

A *shard* is a run of frames written together. Its files are written beside their final names and renamed; its manifest
line is appended last. Whatever is not named by a complete manifest line does not exist for a reader and is swept away by
the next writer, so a kill loses at most the shard under way and never counts a tile twice.
"""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.errors import BungyoError, InputError
from app.network.schema import FEATURES, HASH_BINS, SCHEMA_VERSION, TILE

FORMAT = "bungyo data set"
FORMAT_VERSION = 1
MANIFEST = "manifest.jsonl"
PIXELS = TILE * TILE
CHANNELS = sum(feature.channels for feature in FEATURES)

TILE_DTYPE = np.dtype(
    [
        ("features", "<u4", (PIXELS, CHANNELS // 2)),  # schema's packing: two halves a word, low half first
        ("light_scale", "<f4", (PIXELS,)),
        ("target", "<f4", (PIXELS, 3)),  # radiance: the mean of the reference's samples, noisy, unbiased
        ("variance", "<f4", (PIXELS, 3)),  # of that mean
        ("frame", "<u4"),
        ("tile_xy", "<u2", (2,)),  # in tiles, from the image's upper left corner
        ("mask", "u1", (PIXELS,)),  # 1 where the pixel shows face and its target is finite
    ]
)

SPLITS = ("train", "validation", "held-out")
SPLIT_PERIOD = 10


def split_of(frame: int) -> str:
    """Which part frame number `frame` belongs to; every frame has a camera and lights of its own.

    Of every ten frames eight train, one ("validation") chooses when to stop and which experts to keep, and one
    ("held-out") is looked at by nothing but the final scores.
    """
    return {4: "validation", 9: "held-out"}.get(frame % SPLIT_PERIOD, "train")


@dataclass(frozen=True)
class TileBatch:
    """Tiles of one frame as a renderer hands them over; n tiles of 256 pixels, row by row.

    Attributes:
        features: (n, 256, 16) u32, packed as the schema says.
        light_scale: (n, 256) f32, >= 0.
        mask: (n, 256) bool, true where the pixel shows face.
        hashes: (n,) u32 below 65536.
        target: (n, 256, 3) f32 radiance, an unbiased estimate.
        variance: (n, 256, 3) f32, variance of that estimate.
        tile_xy: (n, 2) u16.
    """

    features: npt.NDArray[np.uint32]
    light_scale: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    hashes: npt.NDArray[np.uint32]
    target: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    tile_xy: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.hashes)

    def records(self, frame: int) -> npt.NDArray[np.void]:
        """Build the (n,) records of `TILE_DTYPE`. Pixels without a finite target or light scale leave the mask."""
        out = np.zeros(len(self), TILE_DTYPE)
        finite = (
            np.isfinite(self.target).all(-1) & np.isfinite(self.variance).all(-1) & np.isfinite(self.light_scale)
        )
        mask = self.mask.astype(bool) & finite
        out["features"] = self.features
        out["light_scale"] = np.where(mask, self.light_scale, 0.0)
        out["target"] = np.where(mask[..., None], self.target, 0.0)
        out["variance"] = np.where(mask[..., None], self.variance, 0.0)
        out["frame"] = frame
        out["tile_xy"] = self.tile_xy
        out["mask"] = mask
        return out


class FrameInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame showed. Enough, with the header's seed and scene, to render it again.

    Attributes:
        index: the frame's number; it decides `split`.
        split: one of SPLITS.
        spp: samples a pixel of the target.
        exposure_ev: the exposure at which its errors are judged.
        camera: position, target, up, fov_y, near, far.
        lights: one entry a light, with its "kind".
        environment: its source, rotation and intensity, or None.
        scene: further scene parameters.
        dropped_pixels: face pixels left out because their target was not finite.
    """

    index: int
    split: str
    spp: int
    exposure_ev: float
    camera: dict[str, Any]
    lights: list[dict[str, Any]]
    environment: dict[str, Any] | None = None
    scene: dict[str, Any] = {}
    dropped_pixels: int = 0


class DatasetSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all frames of a set share, chosen when it is begun: seed, image size, samples, scene.

    Attributes:
        seed: all random choices of frame i follow from (seed, i).
        size: (width, height) of the frames in pixels.
        spp: samples a pixel of training frames.
        scene: mesh, materials, sampling ranges: whatever must not change between two runs that add to one set.
    """

    seed: int
    size: tuple[int, int]
    spp: int
    scene: dict[str, Any] = {}


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    format_version: int
    schema_version: int
    hash_bins: int
    tile: int
    features: list[tuple[str, int]]
    dtype: list[tuple[str, str, list[int]]]
    spec: DatasetSpec


class _Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shard: int
    frames: list[FrameInfo]
    tiles: dict[str, int]


def _header(spec: DatasetSpec) -> _Header:
    fields = [(name, TILE_DTYPE[name].base.str, list(TILE_DTYPE[name].shape)) for name in TILE_DTYPE.names or ()]
    features = [(feature.name, feature.channels) for feature in FEATURES]
    return _Header(FORMAT, FORMAT_VERSION, SCHEMA_VERSION, HASH_BINS, TILE, features, fields, spec)


def _folder_name(tile_hash: int) -> str:
    return f"0x{tile_hash:04x}"


def _shard_path(root: Path, tile_hash: str, shard: int) -> Path:
    return root / "hashes" / tile_hash / f"{shard:05d}.tiles"


def _parse_manifest(path: Path, text: bytes) -> tuple[_Header, list[_Shard], int]:
    """Return header, shards and how many bytes of the manifest are complete lines."""
    complete = text.rfind(b"\n") + 1  # a line without its end is a shard that was never finished
    lines = text[:complete].splitlines()
    if not lines:
        raise InputError(f"The manifest {path} is empty or cut off in its first line.")
    try:
        head = msgspec.json.decode(lines[0])
    except msgspec.DecodeError as error:
        raise InputError(f"The manifest {path} is damaged in line 1: {error}.") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of a {FORMAT}.")
    for key, ours in (
        ("format_version", FORMAT_VERSION),
        ("schema_version", SCHEMA_VERSION),
        ("hash_bins", HASH_BINS),
        ("tile", TILE),
    ):
        if head.get(key) != ours:
            raise InputError(
                f"The data set {path.parent} has {key} {head.get(key)!r}, and this version of bungyo reads {ours}.",
                "Make it again with `bungyo dataset`.",
            )
    try:
        header = msgspec.convert(head, _Header)
    except msgspec.ValidationError as error:
        raise InputError(f"The manifest {path} is damaged in line 1: {error}.") from error
    ours_header = _header(header.spec)
    if header.dtype != ours_header.dtype or header.features != ours_header.features:
        raise InputError(
            f"The data set {path.parent} stores other features than this version of bungyo reads.",
            "Make it again with `bungyo dataset`.",
        )
    shards: list[_Shard] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            shard = msgspec.json.decode(line, type=_Shard)
        except msgspec.DecodeError as error:
            raise InputError(f"The manifest {path} is damaged in line {number}: {error}.") from error
        if any(frame.split not in SPLITS for frame in shard.frames) or any(
            not re.fullmatch(r"0x[0-9a-f]{4}", name) or count <= 0 for name, count in shard.tiles.items()
        ):
            raise InputError(f"The manifest {path} is damaged in line {number}: impossible split, hash or tile count.")
        shards.append(shard)
    indexes = [frame.index for shard in shards for frame in shard.frames]
    if len(set(indexes)) != len(indexes) or len({s.shard for s in shards}) != len(shards):
        raise InputError(f"The manifest {path} is damaged: it names a frame or a shard twice.")
    return header, shards, complete


def _read_manifest(root: Path) -> tuple[_Header, list[_Shard], int]:
    path = root / MANIFEST
    if not root.exists():
        raise InputError(f"There is no data set at {root}: the folder does not exist.")
    if not root.is_dir():
        raise InputError(f"There is no data set at {root}: it is a file, not a folder.")
    if not path.is_file():
        raise InputError(f"There is no data set at {root}: the folder has no {MANIFEST}.")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    return _parse_manifest(path, text)


class Dataset:
    """A data set opened for reading.

    Args:
        path: its folder.

    Attributes:
        spec: what its frames share.
        frames: FrameInfo by frame index, in ascending order.
        hashes: all hashes that occur, ascending.

    Raises:
        InputError: no data set there, a damaged manifest, or one of another schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        header, self._shards, _ = _read_manifest(self.path)
        self.spec = header.spec
        self.frames = dict(sorted((f.index, f) for shard in self._shards for f in shard.frames))
        self.hashes = sorted({int(name, 16) for shard in self._shards for name in shard.tiles})
        self._split = np.full(max(self.frames, default=-1) + 1, len(SPLITS), np.uint8)
        for index, frame in self.frames.items():
            self._split[index] = SPLITS.index(frame.split)

    def count(self, tile_hash: int) -> int:
        """How many tiles the set has for a hash, over all splits."""
        return sum(shard.tiles.get(_folder_name(tile_hash), 0) for shard in self._shards)

    def tiles(self, tile_hash: int, split: str | None = None) -> npt.NDArray[np.void]:
        """Read the tiles of one hash.

        Args:
            tile_hash: any 16-bit hash; one that never occurs has no tiles.
            split: one of SPLITS, or None for all.

        Returns:
            (n,) records of `TILE_DTYPE`, in the order in which they were made.

        Raises:
            InputError: a tile file is missing, of another size than the manifest says, or names an unknown frame.
        """
        parts = list(self._files(_folder_name(tile_hash)))
        tiles = np.concatenate(parts) if parts else np.zeros(0, TILE_DTYPE)
        if len(tiles) and int(tiles["frame"].max()) >= len(self._split):
            raise InputError(f"A tile of {_folder_name(tile_hash)} in {self.path} names a frame that does not exist.")
        if split is None:
            return tiles
        return tiles[self._split[tiles["frame"]] == SPLITS.index(split)]

    def _files(self, name: str) -> Iterator[npt.NDArray[np.void]]:
        for shard in self._shards:
            if name not in shard.tiles:
                continue
            path = _shard_path(self.path, name, shard.shard)
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
        InputError: the folder belongs to something else, to another spec or schema, to another writer, or cannot be
            written.
    """

    def __init__(self, path: str | Path, spec: DatasetSpec) -> None:
        self.path = Path(path)
        # Through JSON and back, so that tuples and lists compare equal to what an earlier run stored.
        self.spec = msgspec.json.decode(msgspec.json.encode(spec), type=DatasetSpec)
        self._frames: list[FrameInfo] = []
        self._pending: dict[str, list[npt.NDArray[np.void]]] = {}
        manifest = self.path / MANIFEST
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"A data set needs a folder, and {self.path} is a file.")
        if manifest.exists():
            shards = self._resume()
        elif self.path.exists() and any(self.path.iterdir()):
            raise InputError(f"The folder {self.path} holds other files, so no data set is begun in it.")
        else:
            shards = self._begin()
        self._next_shard = max((shard.shard for shard in shards), default=-1) + 1
        self.next_frame = max((f.index for shard in shards for f in shard.frames), default=-1) + 1

    def _begin(self) -> list[_Shard]:
        manifest = self.path / MANIFEST
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            beside = manifest.with_suffix(".part")
            beside.write_bytes(msgspec.json.encode(_header(self.spec)) + b"\n")
            beside.rename(manifest)
        except OSError as error:
            raise InputError(f"No data set can be begun at {self.path}: {error.strerror}.") from error
        self._lock()
        return []

    def _resume(self) -> list[_Shard]:
        manifest = self.path / MANIFEST
        header, _, _ = _read_manifest(self.path)
        theirs, ours = msgspec.to_builtins(header.spec), msgspec.to_builtins(self.spec)
        for key in ours:
            if theirs[key] != ours[key]:
                raise InputError(
                    f"The data set {self.path} was begun with {key} {theirs[key]!r}, so it cannot go on with "
                    f"{ours[key]!r}."
                )
        self._lock()
        # Read again: only now can no other writer add a line.
        _, shards, complete = _read_manifest(self.path)
        try:
            if complete < manifest.stat().st_size:
                os.truncate(manifest, complete)
            self._sweep({shard.shard for shard in shards})
        except OSError as error:
            raise InputError(f"The data set {self.path} cannot be written: {error.strerror}.") from error
        return shards

    def _lock(self) -> None:
        try:
            self._manifest = open(self.path / MANIFEST, "ab")  # noqa: SIM115 (held open as the lock until close)
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
            ValueError: the frame is already in the set, a hash does not fit 16 bits, or shapes differ from TileBatch's.
        """
        if frame.index < self.next_frame:
            raise ValueError(f"frame {frame.index} is already in the data set")
        if len(tiles) and int(tiles.hashes.max()) > 0xFFFF:
            raise ValueError("a hash has more than 16 bits")
        records = tiles.records(frame.index)
        dropped = int(np.count_nonzero(tiles.mask)) - int(np.count_nonzero(records["mask"]))
        self._frames.append(msgspec.structs.replace(frame, dropped_pixels=dropped))
        order = np.argsort(tiles.hashes, kind="stable")
        values, starts = np.unique(tiles.hashes[order], return_index=True)
        for value, part in zip(values, np.split(records[order], starts[1:]), strict=True):
            self._pending.setdefault(_folder_name(int(value)), []).append(part)
        self.next_frame = frame.index + 1

    def commit_shard(self) -> None:
        """Write the frames added since the last commit; a frame without tiles counts too. Nothing added: no-op.

        Raises:
            BungyoError: the disk is full or refuses; the shard's files are removed, earlier shards are untouched, and
                the frames stay in memory, so that a later commit can succeed.
        """
        if not self._frames:
            return
        # First everything beside, then all renames: files of one shard appear together, as far as a folder allows.
        paths = {name: _shard_path(self.path, name, self._next_shard) for name in sorted(self._pending)}
        beside = {name: path.with_suffix(".tiles.part") for name, path in paths.items()}
        try:
            for name, part in beside.items():
                part.parent.mkdir(parents=True, exist_ok=True)
                np.concatenate(self._pending[name]).tofile(part)
            for name, path in paths.items():
                beside[name].rename(path)
            counts = {name: sum(map(len, self._pending[name])) for name in paths}
            self._append(msgspec.json.encode(_Shard(self._next_shard, self._frames, counts)) + b"\n")
        except OSError as error:
            for file in (*beside.values(), *paths.values()):
                file.unlink(missing_ok=True)
            # numpy reports a short write without an errno; a full disk is its only likely cause.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, None)
            reason = "the disk is full" if full else error.strerror
            raise BungyoError(
                f"Frames {self._frames[0].index} to {self._frames[-1].index} could not be written to {self.path}: "
                f"{reason}; all earlier frames are safe."
            ) from error
        self._next_shard += 1
        self._frames, self._pending = [], {}

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._manifest.fileno()).st_size
        try:
            self._manifest.write(line)
            self._manifest.flush()
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
