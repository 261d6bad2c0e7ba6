"""Do tiles show? Jumps where the network changes against jumps inside tiles, and what a shift of the tile grid changes.

The seam ratio. Let e be the error of a pixel in units of the display, and e_p - e_q its jump between neighbouring
pixels of one surface. The ratio is the root mean square of that jump across borders where the network changes, over the
root mean square inside the tiles to both sides, on the same lines of pixels: 1 where nobody can tell a border from
anywhere else.

Targets are noisy. With s the display's slope near the truth, e = s (prediction - target), and over the noise

    E[(e_p - e_q)^2] = (jump of the true error)^2 + s_p^2 variance_p + s_q^2 variance_q

so what is pooled is the squared jump less the last two terms, which has no bias, and may be negative for few pixels.
That needs a slope that knows nothing of the target's noise (it is taken at the generalist's picture), and pixels whose
noises are independent. Pixels noisier than `metrics.CLEAN_NOISE` are left out on both sides of the ratio alike.

The same ratio of the picture's own jumps needs no reference and has no noise, but counts the face's own edges as well.
Both hide a step that is small against what pores and lids do. The step itself is what the change of network adds to the
jumps of the *correction*, the picture less the generalist's, which knows no tiles: the root of the mean square across
borders less that inside tiles.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from app.errors import InputError
from app.network.schema import TILE
from app.network.weights import WeightSet
from app.scene.tonemap import tonemap
from app.training.dataset import Dataset
from app.training.face_image import F32, FaceImage, Shift, draw, face_images, pairs, spread
from app.training.metrics import CLEAN_NOISE, noise_error

HALF_TILE: Shift = (TILE // 2, TILE // 2)
BOOTSTRAPS = 1000
LEVELS = 255.0  # steps of an 8-bit display

Rows = npt.NDArray[np.float64]  # sums of one frame each, to be added up in any selection
Draw = Callable[[FaceImage, Shift], F32]  # a way to draw: the picture (H, W, 3) with the tile grid at a shift


@dataclass(frozen=True)
class SeamRatio:
    """How much more a picture jumps where the network changes than inside tiles.

    Attributes:
        ratio: of the root mean squares of the error's jumps; NaN if the noise leaves nothing, or the network never
            changes.
        deviation: its standard error, by bootstrap over the frames in which the network changes; NaN for one frame.
        picture_ratio, picture_deviation: the same of the picture's own jumps.
        step, step_deviation: what the change of network adds, root mean square, in 1/255 of the display's range.
        pairs: how many neighbouring pixels lie across such borders.
    """

    ratio: float
    deviation: float
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


def seam_ratio(weights: WeightSet, data: Dataset, split: str = "held-out") -> SeamRatio:
    """The seam ratio of networks on whole frames of a data set.

    Args:
        weights: the networks.
        data: a set with all tiles of its frames: `bungyo dataset --held-out --tiles 1`.
        split: one of `dataset.SPLITS`.

    Raises:
        InputError: the set has not all tiles, none of this split, or hashes at another scale.
    """
    check_scale(weights, data)
    return seams_of([Borders(weights, image).sums(draw(weights, image)) for image in face_images(data, split)])


def grid_shift(drawing: Draw, images: Iterable[FaceImage], shift: Shift = HALF_TILE) -> GridShift:
    """How much the picture changes when the tile grid moves, with the same features.

    Args:
        drawing: draws the picture, e.g. `lambda image, shift: draw(weights, image, shift)`.
        images: frames.
        shift: by how much, pixels.
    """
    return GridShift.of([shown_change(image, drawing(image, (0, 0)), drawing(image, shift)) for image in images])


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
        self._slope = display_slope(self._generalist, image)
        known = np.isfinite(image.variance.max(axis=-1))  # one sample tells nothing of its noise
        self._noise = np.square(self._slope) * np.where(known[..., None], image.variance, 0.0)
        hashes = image.tile_hashes(weights.hash_scale)
        tiles = np.arange(hashes.size).reshape(hashes.shape)
        slot, tile = (spread(values, image.face.shape) for values in (weights.table[hashes], tiles))
        judged = image.face & known & (self._noise.max(axis=-1) <= CLEAN_NOISE**2)  # see metrics.clean_error
        self._pairs = []
        for axis in (0, 1):
            p, q = pairs(axis)
            near = image.neighbors(axis) & judged[p] & judged[q]
            across = near & (slot[p] != slot[q])
            line = np.moveaxis(np.ones((1, 3), bool), 1, axis)
            beside = binary_dilation(across, line, iterations=TILE // 2 - 1)  # the nearer half of the tile
            self._pairs.append((across, near & (tile[p] == tile[q]) & beside))

    def sums(self, picture: F32) -> Rows:
        """The squared jumps of a picture (H, W, 3 radiance) of this frame, to be put together by `seams_of`.

        Returns:
            (2, 4): across borders where the network changes, and inside tiles: the number of pairs; the sums of the
            squared jumps (mean of the channels) of the error without noise, of the picture, and of the correction.
        """
        image, sums = self._image, np.zeros((2, 4))
        error = self._slope * (picture - image.target)
        shown, general = (tonemap(radiance, image.exposure_ev) for radiance in (picture, self._generalist))
        for axis in (0, 1):
            p, q = pairs(axis)
            jumps = [np.square(values[p] - values[q]) for values in (error, shown, shown - general)]
            jumps[0] -= self._noise[p] + self._noise[q]
            for row, chosen in enumerate(self._pairs[axis]):
                sums[row] += chosen.sum(), *(jump[chosen].mean(axis=-1).sum(dtype=np.float64) for jump in jumps)
        return sums


def seams_of(frames: Sequence[Rows]) -> SeamRatio:
    """The seam ratio of frames' `Borders.sums`."""
    rows = np.array([sums for sums in frames if sums[0, 0]]).reshape(-1, 2, 4)  # others say nothing of borders
    value, deviation = _measures(rows.sum(axis=0)).tolist(), bootstrap(rows, _measures).tolist()
    count = int(rows[:, 0, 0].sum())
    return SeamRatio(value[0], deviation[0], value[1], deviation[1], value[2], deviation[2], count)


def display_slope(radiance: F32, image: FaceImage) -> F32:
    """d display / d radiance (H, W, 3) at a radiance (H, W, 3); 0 beside the face."""
    slope = np.zeros_like(radiance)
    near = radiance[image.face]
    slope[image.face] = np.sqrt(noise_error(near, np.ones_like(near), image.exposure_ev))
    return slope


def bootstrap(rows: Rows, measure: Callable[[Rows], Rows]) -> Rows:
    """Standard errors of what is measured of the sum of rows, by drawing rows with replacement.

    Args:
        rows: (n, ...) sums that are independent of one another.
        measure: of their total (...), or of many totals (k, ...), any number of values (..., m).

    Returns:
        (m,); NaN where there are less than two rows, or where a draw measures nothing.
    """
    if len(rows) < 2:
        return np.full_like(measure(rows.sum(axis=0)), np.nan)
    draws = np.random.default_rng(0).integers(len(rows), size=(BOOTSTRAPS, len(rows)))
    with np.errstate(invalid="ignore"):
        deviation: Rows = measure(rows[draws].sum(axis=1)).std(axis=0)
    return deviation


def _measures(sums: Rows) -> Rows:
    """Ratio, picture ratio and step (..., 3) of sums (..., 2, 4); NaN where there is no root."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[..., 1:] / sums[..., :1]
        across, inside = means[..., 0, :], means[..., 1, :]
        result: Rows = np.sqrt(across / inside)
        result[..., 2] = LEVELS * np.sqrt(np.maximum(across[..., 2] - inside[..., 2], 0.0))
    return result
