"""What stands in a data set's files: the record of a tile, and the lines of the manifest."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from app.arrays import F32, U32, Bools, Records
from app.errors import InputError
from app.network.schema import FEATURES, HASH_BINS, SCHEMA_VERSION, TILE, WORDS
from app.network.schema import TILE_PIXELS as PIXELS
from app.network.tile_hash import HASH_SCALE

FORMAT = "bungyo data set"
FORMAT_VERSION = 2  # version 1 had no people, and shards of any length numbered 0, 1, 2 ...
READABLE_VERSIONS = (1, 2)
MANIFEST = "manifest.jsonl"
GATHERING = "gathering"  # in a spec's scene: the version of whatever makes features and targets; sets before had none
# Raise it with every change of G-buffer, light cache or reference that gives a frame other features or another target:
# a data set whose frames were gathered in two ways would teach both.
GATHERING_VERSION = 15

TILE_DTYPE = np.dtype(
    [
        ("features", "<u4", (PIXELS, WORDS)),  # schema's packing: two halves a word, low half first
        ("light_scale", "<f4", (PIXELS,)),
        ("target", "<f4", (PIXELS, 3)),  # radiance: the mean of the reference's samples, noisy, unbiased
        ("variance", "<f4", (PIXELS, 3)),  # of that mean
        ("frame", "<u4"),
        ("tile_xy", "<u2", (2,)),  # in tiles, from the image's upper left corner
        ("mask", "u1", (PIXELS,)),  # 1 where the pixel shows face and its target is possible
    ]
)

IMPOSSIBLE = 1e9  # radiance: what scenes show stays far below

_SHAPES: dict[str, tuple[int, ...]] = {
    name: TILE_DTYPE[name].shape for name in ("features", "light_scale", "mask", "target", "variance", "tile_xy")
}

SPLITS = ("train", "validation", "held-out")
SPLIT_PERIOD = 10  # blocks
LIGHTINGS = 4  # of a block
CAMERAS = 2  # of a lighting: its light cache costs as much as a picture or two, so they share one
BLOCK = LIGHTINGS * CAMERAS  # frames


def block_of(frame: int) -> int:
    """The block of BLOCK frames that frame number `frame` belongs to: the unit of work, of one person."""
    return frame // BLOCK


def split_of(frame: int) -> str:
    """Which part frame number `frame` belongs to. Frames that share a person, a camera or lights stay together.

    Of every ten blocks eight train, one ("validation") chooses when to stop and which experts to keep, and
    one ("held-out") is looked at by nothing but the final scores.
    """
    return split_of_number(block_of(frame))


def split_of_number(number: int) -> str:
    """Which part a block of this number belongs to, or a person of this seed, in whatever data set."""
    return {1: "validation", 3: "held-out"}.get(number % SPLIT_PERIOD, "train")


def view_of(frame: int) -> int:
    """The first frame that sees the same points of the head as `frame` does: same camera, same tiles, other lights.

    A block of training frames is CAMERAS cameras under each of LIGHTINGS lightings, so that training can mix
    the lightings of a pixel. A frame that judges has a camera of its own.
    """
    if split_of(frame) != "train":
        return frame
    return block_of(frame) * BLOCK + frame % CAMERAS


@dataclass(frozen=True)
class TileBatch:
    """Tiles of one frame as a renderer hands them over; n tiles of 256 pixels, row by row.

    Attributes:
        features: (n, 256, 16) u32, packed as the schema says.
        light_scale: (n, 256) f32, >= 0.
        mask: (n, 256) bool, true where the pixel shows face.
        hashes: (n,) u32 below 65536.
        target: (n, 256, 3) f32 radiance, an unbiased estimate.
        variance: (n, 256, 3) f32, variance of that estimate; infinite where one sample tells nothing about it.
        tile_xy: (n, 2) u16.
    """

    features: U32
    light_scale: F32
    mask: Bools
    hashes: U32
    target: F32
    variance: F32
    tile_xy: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.hashes)

    def records(self, frame: int) -> Records:
        """Build the (n,) records of `TILE_DTYPE`; pixels without a possible target and light scale leave the mask.

        Raises:
            ValueError: an array has another shape than this class says.
        """
        n = len(self)
        for name, shape in _SHAPES.items():
            if (got := getattr(self, name).shape) != (n, *shape):
                raise ValueError(f"{name} has shape {got} instead of {(n, *shape)}")
        out = np.zeros(len(self), TILE_DTYPE)
        possible = (np.abs(self.target) < IMPOSSIBLE).all(-1) & (self.light_scale < IMPOSSIBLE)  # NaN is not
        mask = self.mask.astype(bool) & possible
        out["features"] = self.features
        out["light_scale"] = np.where(mask, self.light_scale, 0.0)
        out["target"] = np.where(mask[..., None], self.target, 0.0)
        out["variance"] = np.where(mask[..., None], np.nan_to_num(self.variance, nan=np.inf, posinf=np.inf), 0.0)
        out["frame"] = frame
        out["tile_xy"] = self.tile_xy
        out["mask"] = mask
        return out


class PersonInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose head a block of frames shows, and its expression.

    Attributes:
        seed: of the person; `split_of_number` tells in which split alone it appears.
        values: parameters of person and expression that differ from their defaults.
    """

    seed: int
    values: dict[str, float]


class Seeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frame's random choices that are no part of its situation.

    Attributes:
        jitter: where in the pixel its rays go, pixels from the centre.
        tiles: decides which tiles are traced.
        noise: decides the samples of its targets.
    """

    jitter: tuple[float, float]
    tiles: int
    noise: int


class FrameInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame showed: with its block's person and the header's spec, enough to render it again.

    Attributes:
        index: the frame's number; it decides `split`, and `block_of` it the person.
        split: one of SPLITS.
        view: frames with equal `view` show the same points of the head under other lights.
        spp: samples a pixel of the target.
        exposure_ev: the exposure at which its errors are judged.
        camera: position, target, up, fov_y, near, far.
        lights: one entry a light, with its "kind".
        environment: its source, rotation and intensity, or None.
        scene: empty; a field of version 1.
        dropped_pixels: face pixels left out because their target was not finite, or IMPOSSIBLE.
        seeds: its other random choices; None in a set of version 1, whose frames cannot be made again.
    """

    index: int
    split: str
    view: int
    spp: int
    exposure_ev: float
    camera: dict[str, Any]
    lights: list[dict[str, Any]]
    environment: dict[str, Any] | None = None
    scene: dict[str, Any] = {}
    dropped_pixels: int = 0
    seeds: Seeds | None = None


class DatasetSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all frames of a set share, chosen when it is begun: seed, image size, samples, scene.

    Attributes:
        seed: all random choices of frame i follow from (seed, i).
        size: (width, height) of the frames in pixels.
        spp: samples a pixel of training frames.
        scene: people or mesh, environment maps, sampling ranges: whatever must not change between two runs that
            add to one set.
    """

    seed: int
    size: tuple[int, int]
    spp: int
    scene: dict[str, Any] = {}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest's first line: the versions and the layout a reader needs, and what all frames share."""

    format: str
    format_version: int
    schema_version: int
    hash_bins: int
    hash_scale: int
    tile: int
    features: list[tuple[str, int]]
    dtype: list[tuple[str, str, list[int]]]
    spec: DatasetSpec


class Shard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every further line: one shard. Lines come in the order in which shards were finished.

    Attributes:
        shard: the number of its first frame.
        frames: of one block, in ascending order.
        tiles: how many it has in each hash's folder.
        person: whom its frames show; None where the set has one fixed face.
    """

    shard: int
    frames: list[FrameInfo]
    tiles: dict[str, int]
    person: PersonInfo | None = None


def fault_of(tiles: Records) -> str:
    """What no writer puts into (n,) records of `TILE_DTYPE`, n > 0, as a noun; "" if they hold nothing of the kind."""
    # Whatever is NaN makes the least and the greatest NaN, and every comparison with it false.
    for name, low, high in (("light_scale", 0.0, IMPOSSIBLE), ("target", -IMPOSSIBLE, IMPOSSIBLE)):
        if not (tiles[name].min() >= low and tiles[name].max() < high):
            return f"a {name.replace('_', ' ')} that is impossible"
    if not tiles["variance"].min() >= 0.0:  # infinite: nothing is known
        return "a variance that is impossible"
    # Halves of this exponent are infinite or NaN. np.isfinite takes seven times as long, and all readers pass here.
    strange = tiles["features"].view("<u2") & 0x7C00 == 0x7C00
    if not strange.any():
        return ""
    known = tiles["mask"].astype(bool)
    return "a feature that is not finite" if strange.reshape(*known.shape, -1)[known].any() else ""


def header_of(spec: DatasetSpec) -> Header:
    """The first line of a set made by this version."""
    fields = [(name, TILE_DTYPE[name].base.str, list(TILE_DTYPE[name].shape)) for name in TILE_DTYPE.names or ()]
    features = [(feature.name, feature.channels) for feature in FEATURES]
    return Header(FORMAT, FORMAT_VERSION, SCHEMA_VERSION, HASH_BINS, HASH_SCALE, TILE, features, fields, spec)


def folder_name(tile_hash: int) -> str:
    """The folder of a hash below hashes/, e.g. "0x01c3"."""
    return f"0x{tile_hash:04x}"


def shard_path(root: Path, tile_hash: str, shard: int) -> Path:
    """The file with one shard's tiles of one hash, which is given as its folder's name."""
    return root / "hashes" / tile_hash / f"{shard:05d}.tiles"


def parse_manifest(path: Path, text: bytes) -> tuple[Header, list[Shard], int]:
    """Return header, shards and how many bytes of the manifest are complete lines; InputError if damaged."""
    complete = text.rfind(b"\n") + 1  # a line without its end is a shard that was never finished
    lines = text[:complete].splitlines()
    if not lines:
        raise InputError(f"The manifest {path} is empty or cut off in its first line.")
    try:
        head = msgspec.json.decode(lines[0])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"The manifest {path} is damaged in line 1: {error}.") from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of a {FORMAT}.")
    if head.get("format_version") not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise InputError(
            f"The data set {path.parent} has format_version {head.get('format_version')!r}; this version of bungyo "
            f"reads {readable}.",
            "Make it again with `bungyo dataset`.",
        )
    for key, ours in (
        ("schema_version", SCHEMA_VERSION),
        ("hash_bins", HASH_BINS),
        ("hash_scale", HASH_SCALE),
        ("tile", TILE),
    ):
        if head.get(key) != ours:
            raise InputError(
                f"The data set {path.parent} has {key} {head.get(key)!r}; this version reads {ours}.",
                "Make it again with `bungyo dataset`.",
            )
    try:
        header = msgspec.convert(head, Header)
    except msgspec.ValidationError as error:
        raise InputError(f"The manifest {path} is damaged in line 1: {error}.") from error
    ours_header = header_of(header.spec)
    if header.dtype != ours_header.dtype or header.features != ours_header.features:
        raise InputError(
            f"The data set {path.parent} stores other features than this version of bungyo reads.",
            "Make it again with `bungyo dataset`.",
        )
    shards: list[Shard] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            shard = msgspec.json.decode(line, type=Shard)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"The manifest {path} is damaged in line {number}: {error}.") from error
        if any(frame.split not in SPLITS for frame in shard.frames) or any(
            not re.fullmatch(r"0x[0-9a-f]{4}", name) or count <= 0 for name, count in shard.tiles.items()
        ):
            raise InputError(f"The manifest {path} is damaged in line {number}: impossible split, hash or tile count.")
        if header.format_version > 1 and not _is_whole(shard):
            raise InputError(f"The manifest {path} is damaged in line {number}: frames that do not belong together.")
        shards.append(shard)
    shards.sort(key=lambda shard: shard.shard)
    indexes = [frame.index for shard in shards for frame in shard.frames]
    if len(set(indexes)) != len(indexes) or len({s.shard for s in shards}) != len(shards):
        raise InputError(f"The manifest {path} is damaged: it names a frame or a shard twice.")
    return header, shards, complete


def _is_whole(shard: Shard) -> bool:
    """Whether a shard's frames are ascending, of one block, and named by the first of them."""
    indexes = [frame.index for frame in shard.frames]
    one_block = len({block_of(index) for index in indexes}) == 1
    return one_block and indexes == sorted(indexes) and indexes[0] == shard.shard >= 0


def read_manifest(root: Path) -> tuple[Header, list[Shard], int]:
    """`parse_manifest` of the data set in folder `root`; InputError if there is none."""
    path = root / MANIFEST
    try:
        if not root.exists():
            raise InputError(f"There is no data set at {root}: the folder does not exist.")
        if not root.is_dir():
            raise InputError(f"There is no data set at {root}: it is a file, not a folder.")
        if not path.is_file():
            raise InputError(f"There is no data set at {root}: the folder has no {MANIFEST}.")
    except OSError as error:  # a name that is too long, or a folder above that nobody may look into
        raise InputError(f"There is no data set at {root}: {error.strerror}.") from error
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    return parse_manifest(path, text)
