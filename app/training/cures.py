"""Cures for seams, tried on networks as they are: what each does to borders, motion and likeness, and what it costs.

Everything is drawn by the numpy twin, so a cure can be judged before any shader knows it. Three kinds, which combine:

*Restricted experts.* Every expert starts from the generalist, so its parameters are g + (e - g), and g + a (e - g) with
a below 1 lies between the two. Costs nothing to draw; takes from the gain what it takes from the seams.

*Blending.* Near a border a pixel is drawn by the networks of the tiles to both sides, with weights that are equal at
the border and reach 1 and 0 at `band` pixels from it, along x times along y. With a band of half a tile this is
bilinear interpolation between the centres of tiles. Networks that are the same count once, and tiles without a face do
not count at all, so only borders where the network changes cost anything.

*Shifted grids.* Every frame has the tile grid elsewhere, and what is shown is the mean of the last ones. Costs nothing
to draw; needs that many frames, and once things move a history that follows the surface (`orbit.Motion.accumulate`).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.arrays import F32, U32, Indices
from app.network.schema import TILE, to_tiles
from app.network.weights import WeightSet
from app.training.face_image import FaceImage, Shift, spread
from app.training.metrics import TruthError, mean_and_standard_error
from app.training.orbit import Flicker, Motion, Orbit, flicker_of
from app.training.seams import Borders, GridShift, Rows, SeamRatio, seams_of, shown_change

# About half a tile, but no multiple of the distances between shifted grids: moved by such a one, these fall on
# one another and nothing seems to change.
MOVE: Shift = (7, 9)
NETWORKS_NEAR = 4  # tiles whose centres surround a pixel


@dataclass(frozen=True)
class Cure:
    """A way to draw.

    Attributes:
        name: for tables.
        reach: how much of the way from the generalist the experts go, 0..1; 0 is the generalist alone.
        band: pixels to either side of a border that are blended, 0..TILE / 2.
        grids: shifted grids, and frames, that a picture is the mean of.
        always: whether a pixel pays for all networks near it, needed or not.
    """

    name: str
    reach: float = 1.0
    band: int = 0
    grids: int = 1
    always: bool = False


AS_IS = Cure("as they are")
GENERALIST = Cure("generalist alone", reach=0.0)
CURES = (
    GENERALIST,
    AS_IS,
    *(Cure(f"experts held to {reach:g} of their way", reach=reach) for reach in (0.75, 0.5, 0.25)),
    *(Cure(f"blended, {band} pixels to either side", band=band) for band in (2, 4, 8)),
    Cure("blended everywhere, no tests", band=TILE // 2, always=True),
    *(Cure(f"mean of {grids} shifted grids", grids=grids) for grids in (4, 8)),
)


@dataclass(frozen=True)
class Cost:
    """What a picture takes.

    Attributes:
        networks: evaluated a face pixel, on average; times `layers.flops` that is FLOP a pixel.
        loaded: networks whose weights a tile needs, on average.
    """

    networks: float
    loaded: float


@dataclass(frozen=True)
class Effect:
    """What a cure does, over all frames.

    Attributes:
        cure: which.
        seams: at the borders of the grid as it lies, where the networks as they are change.
        shift: what a move of the grid by `MOVE` changes.
        gain, standard_error: dB over the generalist against the truth, mean over the frames whose noise leaves an error
            to see, and its standard error over people (`Dataset.cluster_of`); NaN where there are too few.
        cost: means over the frames that show face.
        flicker: over the orbits; None without any.
    """

    cure: Cure
    seams: SeamRatio
    shift: GridShift
    gain: float
    standard_error: float
    cost: Cost
    flicker: Flicker | None


def compare(
    weights: WeightSet,
    images: Iterable[FaceImage],
    orbits: Sequence[Orbit] = (),
    cures: Sequence[Cure] = CURES,
    progress: Callable[[int], None] | None = None,
) -> list[Effect]:
    """Try cures on networks.

    Args:
        weights: the networks as they are.
        images: whole frames, with noisy targets.
        orbits: of `orbit.record_orbit`.
        cures: which.
        progress: called with the number of frames and orbits done.
    """
    frames: list[list[_Frame]] = [[] for _ in cures]
    motions: list[list[Rows]] = [[] for _ in cures]
    done = 0
    for image in images:
        for found, frame in zip(frames, _frames(weights, image, cures), strict=True):
            found.append(frame)
        done += 1
        if progress:
            progress(done)
    for orbit in orbits:
        motion, painters = Motion(orbit), [Painter(weights, frame.image) for frame in orbit]
        for found_motion, cure in zip(motions, cures, strict=True):
            found_motion.append(motion.sums(moving(cure, motion, painters)))
        done += 1
        if progress:
            progress(done)
    return [_effect(*found) for found in zip(cures, frames, motions, strict=True)]


@dataclass(frozen=True)
class _Frame:
    """What one cure does to one frame: sums for `seams_of`, changes for `GridShift.of`, dB over the generalist."""

    jumps: Rows
    changes: F32
    gain: float
    cost: Cost
    cluster: int


def _frames(weights: WeightSet, image: FaceImage, cures: Sequence[Cure]) -> list[_Frame]:
    borders, painter = Borders(weights, image), Painter(weights, image)
    alike = Painter(weights, replace(image, hashes=None))  # the renderer's hashes are known of one grid alone
    target, variance, face = (to_tiles(values) for values in (image.target, image.variance, image.face))
    exposure = np.full(len(face), image.exposure_ev, np.float32)
    truth = TruthError(to_tiles(painter.paint(AS_IS)[0]), target, variance, face, exposure)

    def error(picture: F32) -> float:
        return float(np.nansum(truth(to_tiles(picture)), dtype=np.float64))

    before = error(painter.paint(GENERALIST)[0])
    result = []
    for cure in cures:
        picture, cost = painter.paint(cure)
        still, moved = (alike.paint(cure, shift)[0] for shift in ((0, 0), MOVE))
        jumps, changes = borders.sums(picture), shown_change(image, still, moved)
        after = error(picture)
        gain = 10.0 * math.log10(before / after) if min(before, after) > 0.0 else math.nan
        result.append(_Frame(jumps, changes, gain, cost, image.cluster))
    return result


def _effect(cure: Cure, frames: Sequence[_Frame], motions: Sequence[Rows]) -> Effect:
    seen = [frame for frame in frames if math.isfinite(frame.gain)]
    costs = [frame.cost for frame in frames if len(frame.changes)] or [Cost(0.0, 0.0)]  # others take no network
    gains, clusters = np.array([f.gain for f in seen]), np.array([f.cluster for f in seen], np.int64)
    return Effect(
        cure,
        seams_of([frame.jumps for frame in frames], [frame.cluster for frame in frames]),
        GridShift.of([frame.changes for frame in frames]),
        *mean_and_standard_error(gains, clusters),
        Cost(*(float(np.mean([getattr(cost, name) for cost in costs])) for name in ("networks", "loaded"))),
        flicker_of(motions) if motions else None,
    )


class Painter:
    """Draws one frame by any cure, each picture once.

    Args:
        weights: the networks as they are.
        image: the frame.
    """

    def __init__(self, weights: WeightSet, image: FaceImage) -> None:
        self._weights, self._image = weights, image
        self._painted: dict[tuple[float, int, Shift], tuple[F32, Cost]] = {}

    def paint(self, cure: Cure, shift: Shift = (0, 0)) -> tuple[F32, Cost]:
        """The picture (H, W, 3) radiance of a frame at rest, with the grid shifted by 0..TILE-1 pixels."""
        grids = [self.grid(cure, number, shift) for number in range(cure.grids)]
        cost = Cost(NETWORKS_NEAR, grids[0][1].loaded) if cure.always else grids[0][1]
        return np.mean([picture for picture, _ in grids], axis=0, dtype=np.float32), cost

    def grid(self, cure: Cure, number: int, shift: Shift = (0, 0)) -> tuple[F32, Cost]:
        """The picture by the one of the cure's shifted grids that frame `number` has."""
        x, y = grid_shifts(cure.grids)[number % cure.grids]
        key = cure.reach, cure.band, ((x + shift[0]) % TILE, (y + shift[1]) % TILE)
        if key not in self._painted:
            self._painted[key] = blend(restricted(self._weights, cure.reach), self._image, cure.band, key[2])
        return self._painted[key]


def moving(cure: Cure, motion: Motion, painters: Sequence[Painter]) -> list[F32]:
    """The pictures that a cure shows of the frames of an orbit that begins at rest."""
    pictures = [painter.grid(cure, number)[0] for number, painter in enumerate(painters[1:], start=1)]
    return motion.accumulate([painters[0].paint(cure)[0], *pictures], cure.grids)


def grid_shifts(count: int) -> list[Shift]:
    """Shifts of `count` grids, a divisor of TILE: a rank-1 lattice, so that no two share a border along x or y."""
    return [(k * TILE // count, 3 * k % count * TILE // count) for k in range(count)]


def restricted(weights: WeightSet, reach: float) -> WeightSet:
    """Networks that go `reach` (0..1) of the way from the generalist to where they are."""
    if reach == 1.0:
        return weights
    start = weights.slots[:1]
    return replace(weights, slots=start + np.float32(reach) * (weights.slots - start))


def blend(weights: WeightSet, image: FaceImage, band: int, shift: Shift = (0, 0)) -> tuple[F32, Cost]:
    """Draw a frame, every pixel by the networks of the tiles near it.

    Args:
        weights: the networks.
        image: the frame, (H, W) pixels.
        band: pixels to either side of a border in which both tiles' networks are blended, 0..TILE / 2; 0: none.
        shift: of the tile grid.

    Returns:
        The picture (H, W, 3) radiance, and what it costs.
    """
    tiles = image.tile_hashes(weights.hash_scale, shift)
    hashes, shares = _near(tiles, image.face.shape, band, shift)
    slots = weights.table[hashes]
    for later in range(1, len(slots)):
        for earlier in range(later):
            same = slots[later] == slots[earlier]
            shares[earlier] += np.where(same, shares[later], 0.0)
            shares[later][same] = 0.0
    shares[:, ~image.face] = 0.0
    picture = np.zeros((*image.face.shape, 3), np.float32)
    for tile_hash, share in zip(hashes, shares, strict=True):
        picture += share[..., None] * image.radiance(weights, tile_hash, share > 0.0)
    used = shares > 0.0
    tile = np.broadcast_to(spread(np.arange(tiles.size).reshape(tiles.shape), image.face.shape, shift), slots.shape)
    loaded = len(np.unique(np.stack([tile[used], slots[used]]), axis=1).T)
    return picture, Cost(int(used.sum()) / (int(image.face.sum()) or 1), loaded / (np.count_nonzero(tiles) or 1))


def _near(tiles: U32, shape: tuple[int, ...], band: int, shift: Shift) -> tuple[U32, F32]:
    """The hashes of the four tiles near each pixel, its own first, and their shares: both (4, H, W).

    Shares of tiles without a face are 0, the others' sum is 1 if the pixel's own tile has a face.
    """
    padded = np.pad(tiles, 1)
    rows, columns = (_along(size, moved, band) for size, moved in zip(shape, shift[::-1], strict=True))
    hashes = np.stack([padded[y[:, None], x] for y, _ in rows for x, _ in columns])
    shares = np.stack([down[:, None] * across for _, down in rows for _, across in columns])
    shares = np.where(hashes > 0, shares, 0.0)
    total = shares.sum(axis=0)
    return hashes, (shares / np.where(total > 0.0, total, 1.0)).astype(np.float32)


def _along(size: int, shift: int, band: int) -> list[tuple[Indices, F32]]:
    """Along one axis: places (size,) of own and of next tile in a grid with one more tile around it, and shares."""
    place = np.arange(size) + shift
    own, inside = place // TILE + 1, place % TILE + 0.5
    distance = np.minimum(inside, TILE - inside)  # from the nearer border to the pixel's centre
    other = np.where(inside < TILE / 2, own - 1, own + 1)
    share = np.minimum(0.5 + 0.5 * distance / band, 1.0) if band else np.ones(size)
    return [(own, share.astype(np.float32)), (other, (1.0 - share).astype(np.float32))]
