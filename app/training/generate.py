"""Filling a data set: random situations, rendered tile by tile, written shard by shard.

The renderer stands behind the small protocol `FrameSource`, so that this loop can be tested without a GPU.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.network.schema import unpack
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import Light
from app.training.dataset import DatasetSpec, DatasetWriter, FrameInfo, TileBatch, split_of, view_of
from app.training.metrics import auto_exposure, plain_shading
from app.training.situations import Ranges, draw

SHARD_FRAMES = 25  # some 60 MB in memory; a kill loses at most these frames
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

    def choose(self, tiles: npt.NDArray[np.integer]) -> npt.NDArray[np.intp]:
        """Ascending positions in `tiles` (n,), the indices of the frame's face tiles, to be path traced.

        A tile's fate depends on its index and the seed only, not on the order in which the GPU listed it.
        """
        if not len(tiles):
            return np.zeros(0, np.intp)
        luck = np.random.default_rng(self.seed).random(int(np.max(tiles)) + 1)[tiles]
        return np.flatnonzero(luck <= max(self.fraction, float(luck.min())))


class FrameSource(Protocol):
    """A renderer that makes teacher data of one scene."""

    @property
    def bounds(self) -> npt.NDArray[np.float64]:
        """(2,3) corners of the head in world space, metres."""
        ...

    @property
    def description(self) -> dict[str, Any]:
        """What decides its pictures besides the arguments of `render`: mesh, materials. Plain JSON values."""
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
        and independent of the features' own noise; `seed` decides both.
        """
        ...


def generate(
    source: FrameSource,
    out: str | Path,
    *,
    frames: int,
    spp: int = 64,
    seed: int = 0,
    size: tuple[int, int] = (640, 640),
    tile_fraction: float = 0.4,
    environments: Sequence[Path] = (),
    ranges: Ranges | None = None,
    held_out: bool = False,
    shard_frames: int = SHARD_FRAMES,
    progress: Callable[[int, int, int], None] | None = None,
) -> int:
    """Bring a data set to `frames` frames; those it has already are kept, so an interrupted run goes on.

    Args:
        source: the renderer.
        out: the data set's folder.
        frames: how many frames it shall have in the end.
        spp: samples a pixel; frames for validation and scores get JUDGED_SPP_FACTOR times as many.
        seed: all random choices of frame i follow from (seed, i).
        size: (width, height) of the frames in pixels.
        tile_fraction: share of each frame's face tiles that is path traced.
        environments: files of environment maps to choose from.
        ranges: of the random situations.
        held_out: make a set for scores only: every frame judges, with the samples that `spp` says.
        shard_frames: frames written together.
        progress: called after every frame with (frames done, frames wanted, tiles of this frame).

    Returns:
        How many frames were added.

    Raises:
        InputError: an option is out of range, or the folder holds something else or a set made with other
            options.
        BungyoError: rendering or writing failed. Frames finished before are on disk, after Ctrl-C as well.
    """
    ranges = ranges or Ranges()
    _check(frames, spp, seed, size, tile_fraction, shard_frames)
    scene = {
        "tile_fraction": tile_fraction,
        "environments": [path.name for path in environments],
        "ranges": {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(ranges).items()},
        **({"held_out": True} if held_out else {}),
        **source.description,
    }
    added = 0
    with DatasetWriter(out, DatasetSpec(seed, size, spp, scene)) as writer:
        try:
            while writer.next_frame < frames:
                index = writer.next_frame
                info, tiles = _frame(source, index, spp, seed, size, tile_fraction, environments, ranges, held_out)
                writer.add_frame(info, tiles)
                added += 1
                if writer.next_frame % shard_frames == 0:
                    writer.commit_shard()
                if progress:
                    progress(writer.next_frame, frames, len(tiles))
        except BaseException:
            # Whatever went wrong, finished frames are worth keeping; the first trouble is the one to report.
            with suppress(Exception):
                writer.commit_shard()
            raise
        writer.commit_shard()
    return added


def _frame(
    source: FrameSource,
    index: int,
    spp: int,
    seed: int,
    size: tuple[int, int],
    tile_fraction: float,
    environments: Sequence[Path],
    ranges: Ranges,
    held_out: bool,
) -> tuple[FrameInfo, TileBatch]:
    split = "held-out" if held_out else split_of(index)
    judging = split != "train"
    situation = draw(seed, index, source.bounds, size[0] / size[1], environments, ranges, judging=judging)
    frame_spp = spp if held_out or not judging else spp * JUDGED_SPP_FACTOR
    selection = TileSelection(tile_fraction, situation.view_seed)
    jitter_x, jitter_y = np.random.default_rng(situation.view_seed).uniform(-0.5, 0.5, 2)
    tiles = source.render(
        situation.camera,
        situation.lights,
        situation.environment,
        size=size,
        spp=frame_spp,
        jitter=(float(jitter_x), float(jitter_y)),
        seed=situation.seed,
        selection=selection,
    )
    shaded = plain_shading(unpack(tiles.features), tiles.light_scale)
    info = FrameInfo(
        index=index,
        split=split,
        view=index if judging else view_of(index),
        spp=frame_spp,
        exposure_ev=auto_exposure(shaded[tiles.mask.astype(bool)], situation.irradiance),
        camera=situation.camera_record(),
        lights=situation.light_records(),
        environment=situation.environment_source,
    )
    return info, tiles


def _check(frames: int, spp: int, seed: int, size: tuple[int, int], tile_fraction: float, shard_frames: int) -> None:
    for name, value, low in (
        ("frames", frames, 1),
        ("spp", spp, 1),
        ("seed", seed, 0),
        ("shard", shard_frames, 1),
    ):
        if value < low:
            raise InputError(f"A data set needs {name} >= {low}, not {value}.")
    if min(size) < 16 or max(size) > 8192:
        raise InputError(f"A frame must measure 16 to 8192 pixels a side, not {size[0]}x{size[1]}.")
    if not 0.0 < tile_fraction <= 1.0:
        raise InputError(f"The share of tiles must be above 0 and at most 1, not {tile_fraction}.")
