"""One frame of a data set: what it shows follows from the plan and its number; a renderer makes it, and makes it again.

The renderer stands behind the small protocol `FrameSource`, so that everything here can be tested without a GPU.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from app.arrays import F64, Indices
from app.errors import InputError
from app.network.schema import TILE, unpack
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import Light
from app.scene_options import MAX_SIZE
from app.training.manifest import (
    DatasetSpec,
    FrameInfo,
    PersonInfo,
    Seeds,
    TileBatch,
    block_of,
    split_of,
    view_of,
)
from app.training.metrics import auto_exposure, plain_shading
from app.training.people import People, cast, check_limit
from app.training.records import camera_of, camera_record, environment_of, light_records, lights_of
from app.training.situations import Ranges, draw

JUDGED_SPP_FACTOR = 4  # frames that judge get this many times the samples: their noise limits what can be measured


@dataclass(frozen=True)
class TileSelection:
    """Which of a frame's face tiles are worth path tracing: a random subset.

    Few tiles a camera and many lightings teach more than all tiles of few frames, at the same cost.

    Attributes:
        fraction: share of the tiles, 0..1; at least one tile is taken where there is one.
        seed: decides which.
    """

    fraction: float
    seed: int

    def choose(self, tiles: npt.NDArray[np.integer]) -> Indices:
        """Ascending positions in `tiles` (n,), the indices of the frame's face tiles, to be path traced.

        A tile's fate depends on its index and the seed only, not on the order in which the GPU listed it.
        """
        if not len(tiles):
            return np.zeros(0, np.intp)
        luck = np.random.default_rng(self.seed).random(int(np.max(tiles)) + 1)[tiles]
        return np.flatnonzero(luck <= max(self.fraction, float(luck.min())))


class FrameSource(Protocol):
    """A renderer that makes teacher data of one head at a time."""

    @property
    def people(self) -> People | None:
        """Whoever makes the heads that `show` wants; None if there is one fixed face."""
        ...

    @property
    def description(self) -> dict[str, Any]:
        """What decides its pictures besides the arguments of `show` and `render`. Plain JSON values."""
        ...

    @property
    def bounds(self) -> F64:
        """(2,3) corners of the head shown, in world space, metres."""
        ...

    def show(self, person: PersonInfo) -> None:
        """Take this head from now on; only where there are `people`."""
        ...

    def render(
        self,
        camera: Camera,
        lights: Sequence[Light],
        environment: Environment | None,
        *,
        size: tuple[int, int],
        spp: int,
        jitter: tuple[float, float],
        seed: int,
        selection: TileSelection,
    ) -> TileBatch:
        """Render the selected face tiles.

        Target and features of a pixel must belong to the same point of the surface: both from the primary ray
        that `jitter` (pixels, -0.5..0.5) shifts from the pixel's centre. The target's samples must be unbiased
        and independent of the features' own noise; `seed` decides both. What was rendered before must not matter.
        """
        ...


class Made(NamedTuple):
    """A finished frame, and whom it shows."""

    info: FrameInfo
    tiles: TileBatch
    person: PersonInfo | None


@dataclass(frozen=True)
class Plan:
    """What all frames of a data set are made by; frame i follows from it and from i.

    Attributes:
        spp: samples a pixel; frames for validation and scores get JUDGED_SPP_FACTOR times as many.
        seed: of all random choices.
        size: (width, height) of the frames in pixels.
        tile_fraction: share of each frame's face tiles that is path traced.
        environments: files of environment maps to choose from.
        ranges: of the random situations.
        held_out: a set for scores only: every frame judges, with the samples that `spp` says.
        people: how many different people there are at most; None: every block has a new one.
        uv_layout: of a fixed face, `UvLayout.plain`: tells which meshes the networks will know. None: of the avatars.
    """

    spp: int = 64
    seed: int = 0
    size: tuple[int, int] = (640, 640)
    tile_fraction: float = 0.4
    environments: tuple[Path, ...] = ()
    ranges: Ranges = field(default_factory=Ranges)
    held_out: bool = False
    people: int | None = None
    uv_layout: list[list[float] | None] | None = None

    def check(self) -> None:
        """Raise InputError if an option is out of range."""
        for name, value, low in (("spp", self.spp, 1), ("seed", self.seed, 0)):
            if value < low:
                raise InputError(f"A data set needs {name} >= {low}, not {value}.")
        if min(self.size) < TILE or max(self.size) > MAX_SIZE:
            width, height = self.size
            raise InputError(f"A frame must measure {TILE} to {MAX_SIZE} pixels a side, not {width}x{height}.")
        if not 0.0 < self.tile_fraction <= 1.0:
            raise InputError(f"The share of tiles must be above 0 and at most 1, not {self.tile_fraction}.")
        names = [path.name for path in self.environments]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"Two environment maps are called {twice[0]}: the manifest tells them apart by name.")
        check_limit(self.people, self.held_out)

    def spec(self, source: dict[str, Any]) -> DatasetSpec:
        """What the manifest says of all frames, made by a source of this description.

        Raises:
            InputError: an environment map cannot be read.
        """
        scene = {
            "tile_fraction": self.tile_fraction,
            "environments": {path.name: digest_of(path) for path in self.environments},
            "ranges": asdict(self.ranges),
            **({"held_out": True} if self.held_out else {}),
            **({"people_limit": self.people} if self.people is not None else {}),
            **({"uv_layout": self.uv_layout} if self.uv_layout is not None else {}),
            **source,
        }
        return DatasetSpec(self.seed, self.size, self.spp, scene)

    def split(self, frame: int) -> str:
        """The split of a frame."""
        return "held-out" if self.held_out else split_of(frame)


def digest_of(file: Path) -> str:
    """Tells an environment map from another one of the same name; InputError if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise InputError(f"The environment map {file} cannot be read: {error.strerror}.") from error


def blocks(frames: Iterable[int]) -> list[list[int]]:
    """Sort frames into runs of the same block: the jobs of a data set."""
    jobs: dict[int, list[int]] = {}
    for frame in sorted(frames):
        jobs.setdefault(block_of(frame), []).append(frame)
    return list(jobs.values())


def make_frames(source: FrameSource, plan: Plan, frames: Sequence[int]) -> Iterator[Made]:
    """Make frames of one block, one after the other.

    Raises:
        InputError: an environment map cannot be read.
        BungyoError: rendering failed.
    """
    person = None
    if source.people is not None:
        block = block_of(frames[0])
        split = plan.split(frames[0])
        person = cast(source.people, plan.seed, block, split, limit=plan.people, held_out=plan.held_out)
        source.show(person)
    for index in frames:
        yield Made(*_frame(source, plan, index), person)


def _frame(source: FrameSource, plan: Plan, index: int) -> tuple[FrameInfo, TileBatch]:
    split = plan.split(index)
    judging = split != "train"
    aspect = plan.size[0] / plan.size[1]
    situation = draw(plan.seed, index, source.bounds, aspect, plan.environments, plan.ranges, split=split)
    jitter_x, jitter_y = np.random.default_rng(situation.view_seed).uniform(-0.5, 0.5, 2)
    seeds = Seeds((float(jitter_x), float(jitter_y)), situation.view_seed, situation.seed)
    spp = plan.spp if plan.held_out or not judging else plan.spp * JUDGED_SPP_FACTOR
    tiles = source.render(
        situation.camera,
        situation.lights,
        situation.environment,
        size=plan.size,
        spp=spp,
        jitter=seeds.jitter,
        seed=seeds.noise,
        selection=TileSelection(plan.tile_fraction, seeds.tiles),
    )
    shaded = plain_shading(unpack(tiles.features), tiles.light_scale)
    info = FrameInfo(
        index=index,
        split=split,
        view=index if judging else view_of(index),
        spp=spp,
        exposure_ev=auto_exposure(shaded[tiles.mask.astype(bool)], situation.irradiance),
        camera=camera_record(situation.camera),
        lights=light_records(situation.lights),
        environment=situation.environment_source,
        seeds=seeds,
    )
    return info, tiles


def described_by(source: FrameSource) -> dict[str, Any]:
    """A source's description as a data set's spec has it: tuples have become lists."""
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(source.description))
    return described


def has_map(frame: FrameInfo, maps: Iterable[Path]) -> bool:
    """Return whether a frame's environment map, if it is a file's, is among `maps`, those of its set (`maps_of`)."""
    record = frame.environment
    if record is None or record.get("kind") != "file":
        return True
    return any(file.name == record.get("name") for file in maps)


def maps_of(spec: DatasetSpec, environments: Iterable[Path]) -> list[Path]:
    """Return those of the files that are maps of a data set, unchanged."""
    return [file for file in environments if spec.scene["environments"].get(file.name) == digest_of(file)]


def make_again(
    source: FrameSource,
    spec: DatasetSpec,
    frame: FrameInfo,
    person: PersonInfo | None,
    environments: Sequence[Path] = (),
) -> TileBatch:
    """Render a recorded frame once more, from what the manifest says alone: the same tiles, on the same driver.

    Args:
        source: as described in the spec.
        spec: of the data set.
        frame: what was recorded of the frame.
        person: whom it shows, `Dataset.people` of its block; None in a set with one fixed face.
        environments: files among which its environment map is looked for.

    Raises:
        InputError: the source is not the one that the spec describes, a map is missing, or the set is of version 1.
    """
    if frame.seeds is None:
        raise InputError("Data sets of version 1 do not tell enough to make their frames again.")
    described = described_by(source)
    differing = sorted(name for name, value in described.items() if spec.scene.get(name) != value)
    if differing or (person is None) != (source.people is None):
        what = ", ".join(differing) or "people"
        raise InputError(f"The data set was made by another source: {what} differs.")
    environment = environment_of(frame.environment, maps_of(spec, environments))
    if person is not None:
        source.show(person)
    return source.render(
        camera_of(frame.camera),
        lights_of(frame.lights),
        environment,
        size=spec.size,
        spp=frame.spp,
        jitter=frame.seeds.jitter,
        seed=frame.seeds.noise,
        selection=TileSelection(spec.scene["tile_fraction"], frame.seeds.tiles),
    )
