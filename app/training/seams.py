"""Do tiles show? Jumps where the network changes against jumps inside tiles, and what a shift of the tile grid changes.

The seam ratio. Let e be the error of a pixel in units of the display, and e_p - e_q its jump between neighbouring
pixels of one surface. The ratio is the root mean square of that jump across borders where the network changes, over the
root mean square inside the tiles to both sides, on the same lines of pixels: 1 where nobody can tell a border from
anywhere else.

Targets are noisy. With s the display's slope near the truth, e = s (prediction - target), and over the noise

    E[(e_p - e_q)^2] = (jump of the true error)^2 + s_p^2 variance_p + s_q^2 variance_q

so what is pooled is the squared jump less the last two terms, which has no bias, and may be negative for few pixels, as
long as nothing in it but e knows the noise of p and q. The slope is taken at the generalist's picture. Pixels in noisy
places are left out, since a few of them would outweigh all others; whether a place is noisy is asked of the pixels
around, because pixels chosen for a small variance of their own have more noise than it says.

Errors of single pixels jump by many times what an eye makes out where it runs along a whole edge. Hence the line ratio.
With j_1 .. j_n the jumps of the displayed error T(prediction) - T(target) along a tile's edge, or along a line of
pixels inside a tile that is parallel to it, it pools

    mean over i != k of j_i j_k = ((sum of j)^2 - sum of j^2) / (n (n - 1))

in place of squares: what the jumps of a line have in common. Noise and grain, which differ from pixel to pixel, have
no part in it; nothing need be known of them, and no pixel left out.

The generalist knows no tiles, so what its squared jumps at these borders are more than inside is chance, or lies there.
Both pictures have that in common: it is taken from the other's (a control variate), and most of the doubt goes with it.

The step is what the change of network adds to the jumps of the *correction*, the picture less the generalist's: the
root of the mean square across borders less that inside tiles. It needs no reference and has no noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, uniform_filter

from app.arrays import F32, F64, Bools, Indices
from app.errors import InputError
from app.network.schema import TILE
from app.network.weights import WeightSet
from app.scene.tonemap import tonemap
from app.training.dataset import Dataset
from app.training.face_image import FaceImage, pairs, spread
from app.training.metrics import noise_error

QUIET = 0.05  # the noise's deviation around a pixel, of the display's range; more is a noisy place
AROUND, NEAR = 7, 3  # pixels along the squares whose difference is asked: all around a pixel but its neighbours
LINE = TILE // 2  # pixels that a line needs
BOOTSTRAPS = 1000
LEVELS = 255.0  # steps of an 8-bit display

Rows = F64  # sums of one frame each, to be added up in any selection


@dataclass(frozen=True)  # its fields are keys of `bungyo evaluate --json`
class SeamRatio:
    """How much more a picture jumps where the network changes than inside tiles.

    Standard errors are by bootstrap over people (see `Dataset.cluster_of`); NaN for one. Frames without a quiet pair
    across a border are left out.

    Attributes:
        ratio, deviation: of the root mean squares of the error's jumps, less what the error of the generalist, which
            knows no tiles, jumps across borders more than inside, and its standard error; NaN if the noise leaves
            nothing, or the network never changes.
        line_ratio, line_deviation: the same of what the jumps along a line of pixels have in common.
        picture_ratio, picture_deviation: of the picture's own jumps; the face's own edges count as well.
        step, step_deviation: what the change of network adds, root mean square, in 1/255 of the display's range.
        pairs: how many neighbouring pixels lie across such borders.
    """

    ratio: float
    deviation: float
    line_ratio: float
    line_deviation: float
    picture_ratio: float
    picture_deviation: float
    step: float
    step_deviation: float
    pairs: int


@dataclass(frozen=True)
class GridShift:
    """How much a picture changes when the tile grid moves, over all face pixels, in 1/255 of the display's range.

    Attributes:
        mean: of the absolute changes, a mean over the channels; NaN without a face.
        p95: their 95th percentile.
    """

    mean: float
    p95: float

    @staticmethod
    def of(changes: Sequence[F32]) -> "GridShift":
        """Pool the `shown_change` of frames."""
        change = np.concatenate(changes) if changes else np.zeros(0, np.float32)
        if not len(change):
            return GridShift(float("nan"), float("nan"))
        return GridShift(float(change.mean(dtype=np.float64)), float(np.percentile(change, 95)))


def shown_change(image: FaceImage, first: F32, second: F32) -> F32:
    """By how much the display changes between two pictures (H, W, 3) of a frame: (face pixels,), in 1/255."""
    before, after = (tonemap(picture[image.face], image.exposure_ev) for picture in (first, second))
    change: F32 = np.abs(after - before).mean(axis=-1) * np.float32(LEVELS)
    return change


def check_scale(weights: WeightSet, data: Dataset) -> None:
    """Raise InputError if the networks and the data set hash tiles at different scales."""
    if weights.hash_scale != data.hash_scale:
        scales = f"{weights.hash_scale} and {data.hash_scale}"
        raise InputError(f"The weights and the data set {data.path} hash tiles at different scales, {scales}.")


class Borders:
    """One frame's neighbouring pixels: across borders where the network changes, and inside the tiles beside these.

    Args:
        weights: say where the network changes; the jumps' errors are weighed by the display's slope at what their
            generalist draws, which depends neither on the targets' noise nor on the picture that is judged.
        image: the frame.
    """

    def __init__(self, weights: WeightSet, image: FaceImage) -> None:
        self._image = image
        self._generalist = image.radiance(weights, np.zeros(image.face.shape, np.uint32))
        self._target: F32 = tonemap(image.target, image.exposure_ev).astype(np.float32)
        self._slope = display_slope(self._generalist, image)
        known = image.face & np.isfinite(image.variance.max(axis=-1))  # one sample tells nothing of its noise
        self._noise = np.square(self._slope) * np.where(known[..., None], image.variance, 0.0)
        hashes = image.tile_hashes(weights.hash_scale)
        tiles = np.arange(hashes.size).reshape(hashes.shape)
        slot, tile = (spread(values, image.face.shape) for values in (weights.table[hashes], tiles))
        quiet = known & _quiet(self._noise.max(axis=-1), known)
        places: Indices = np.indices(image.face.shape)
        self._pairs = []
        for axis in (0, 1):
            p, q = pairs(axis)
            near = image.neighbors(axis)
            across = near & (slot[p] != slot[q])
            straight = np.moveaxis(np.ones((1, 3), bool), 1, axis)
            beside = binary_dilation(across, straight, iterations=TILE // 2 - 1)  # the nearer half of the tile
            inside = near & (tile[p] == tile[q]) & beside
            lines = tile[p] * TILE + places[axis][p] % TILE
            self._pairs.append([_Pairs(chosen, quiet[p] & quiet[q], lines) for chosen in (across, inside)])
        self._general = self._errors(self._generalist)

    def sums(self, picture: F32) -> Rows:
        """The squared jumps of a picture (H, W, 3 radiance) of this frame, to be put together by `seams_of`.

        Returns:
            (2, 9): across borders where the network changes, and inside tiles: the numbers of pairs, of quiet pairs and
            of lines; sums over pairs of the squared jumps (mean of the channels) of the picture and of the correction;
            sums over quiet pairs of those of the error without noise, and over lines of what these have in common; the
            same two of the generalist's error.
        """
        shown, general = (tonemap(radiance, self._image.exposure_ev) for radiance in (picture, self._generalist))
        rows = np.zeros((2, 5))
        for axis in (0, 1):
            p, q = pairs(axis)
            for row, found in enumerate(self._pairs[axis]):
                jumps = (np.square(values[p] - values[q])[found.chosen] for values in (shown, shown - general))
                rows[row] += *found.counts, *(jump.mean(axis=-1).sum() for jump in jumps)
        return np.concatenate([rows, self._errors(picture), self._general], axis=1)

    def _errors(self, picture: F32) -> Rows:
        """Sums (2, 2) over quiet pairs and over lines, across borders and inside tiles, of a picture's error."""
        error, sums = self._slope * (picture - self._image.target), np.zeros((2, 2))
        shown = tonemap(picture, self._image.exposure_ev) - self._target
        for axis in (0, 1):
            p, q = pairs(axis)
            for row, found in enumerate(self._pairs[axis]):
                squares = np.square(error[p] - error[q]) - self._noise[p] - self._noise[q]
                sums[row] += found.sum_quiet(squares), found.sum_lines(shown[p] - shown[q])
        return sums


class _Pairs:
    """Some neighbouring pixels along an axis.

    Args:
        chosen: which, of all pairs along the axis (see `face_image.pairs`).
        quiet: of the same shape, pairs in places with little noise.
        lines: of the same shape, which line across the axis a pair belongs to.

    Attributes:
        chosen: as above.
        counts: pairs, quiet pairs, and lines that are long enough.
    """

    def __init__(self, chosen: Bools, quiet: Bools, lines: Indices) -> None:
        self.chosen, self._quiet = chosen, chosen & quiet
        _, self._line, self._lengths = np.unique(lines[chosen], return_inverse=True, return_counts=True)
        self._long = self._lengths >= LINE
        self.counts = int(chosen.sum()), int(self._quiet.sum()), int(self._long.sum())

    def sum_quiet(self, values: F32) -> float:
        """The sum over quiet pairs of values (..., 3) of all pairs along the axis, mean of the channels."""
        return float(values[self._quiet].mean(axis=-1).sum(dtype=np.float64))

    def sum_lines(self, jumps: npt.NDArray[Any]) -> float:
        """The sum over lines of the mean product of two different jumps, of (..., 3) of all pairs along the axis."""
        total = 0.0
        for jump in jumps[self.chosen].T:
            sums, squares = (np.bincount(self._line, v, len(self._long)) for v in (jump, np.square(jump)))
            products = (np.square(sums) - squares)[self._long]
            total += float((products / (self._lengths * (self._lengths - 1))[self._long]).sum()) / 3.0
        return total


def seams_of(frames: Sequence[Rows], clusters: Sequence[int]) -> SeamRatio:
    """The seam ratio of frames' `Borders.sums`, and whose `FaceImage.cluster` they are."""
    said = [place for place, sums in enumerate(frames) if sums[0, 1]]  # the others say nothing of borders
    rows = np.array([frames[place] for place in said]).reshape(-1, 2, 9)
    value = _measures(rows.sum(axis=0)).tolist()
    standard_errors = bootstrap(rows, [clusters[place] for place in said], _measures).tolist()
    (ratio, line, picture, step), count = zip(value, standard_errors, strict=True), int(rows[:, 0, 0].sum())
    return SeamRatio(*ratio, *line, *picture, *step, count)


def _quiet(noise: F32, known: Bools) -> Bools:
    """Where the noise (H, W; squared) of known pixels around a pixel, without its neighbours, is small on average."""
    count, total = (
        uniform_filter(values, AROUND, mode="constant") * AROUND**2
        - uniform_filter(values, NEAR, mode="constant") * NEAR**2
        for values in (known.astype(np.float64), np.where(known, noise, 0.0).astype(np.float64))
    )
    quiet: Bools = (count > 0.5) & (total <= QUIET**2 * count)
    return quiet


def display_slope(radiance: F32, image: FaceImage) -> F32:
    """d display / d radiance (H, W, 3) at a radiance (H, W, 3); 0 beside the face."""
    slope = np.zeros_like(radiance)
    near = radiance[image.face]
    slope[image.face] = np.sqrt(noise_error(near, np.ones_like(near), image.exposure_ev))
    return slope


def bootstrap(rows: Rows, clusters: Sequence[int], measure: Callable[[Rows], Rows]) -> Rows:
    """Standard errors of what is measured of the sum of rows, by drawing with replacement what is independent.

    Args:
        rows: (n, ...) sums.
        clusters: (n,), rows with equal numbers come together.
        measure: of their total (...), or of many totals (k, ...), any number of values (..., m).

    Returns:
        (m,); NaN where there are less than two clusters, or where some of them alone measure nothing.
    """
    numbers, which = np.unique(np.asarray(clusters, np.int64), return_inverse=True)
    count = len(numbers)
    if count < 2:
        return np.full_like(measure(rows.sum(axis=0)), np.nan)
    sums = np.zeros((count, *rows.shape[1:]))
    np.add.at(sums, which, rows)
    drawn = np.random.default_rng(0).integers(count, size=(BOOTSTRAPS, count))
    with np.errstate(invalid="ignore"):
        standard_errors: Rows = measure(sums[drawn].sum(axis=1)).std(axis=0)
    standard_errors *= np.sqrt(count / (count - 1))  # few clusters scatter less than what they were drawn from
    return standard_errors


def _measures(sums: Rows) -> Rows:
    """Ratio, line ratio, picture ratio and step (..., 4) of sums (..., 2, 9); NaN where there is no root."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 3:] / sums[..., [0, 0, 1, 2, 1, 2]]
        across, inside = means[..., 0, :], means[..., 1, :]
        step = LEVELS * np.sqrt(np.maximum(across[..., 1:2] - inside[..., 1:2], 0.0))
        picture = np.sqrt(across[..., :1] / inside[..., :1])
        # Expected of the generalist's jumps across borders are those inside; targets and chance are the same for both.
        without = inside[..., 4:] - across[..., 4:]
        return np.concatenate([np.sqrt((across[..., 2:4] + without) / inside[..., 2:4]), picture, step], axis=-1)
