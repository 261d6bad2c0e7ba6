"""How good a picture is: PSNR of what the display shows, over face pixels, frame by frame.

The measure is 10 log10(1 / MSE) of tone-mapped sRGB values in 0..1 (`app.scene.tonemap`), at the frame's
exposure. Targets of a path tracer are noisy, so no network can reach an infinite PSNR on them. `FrameErrors`
therefore also carries the noise's own share of the squared error, to first order: the variance of the
target's mean times the squared slope of tone map and sRGB curve. Its PSNR is the ceiling a perfect network
would be measured at. `TruthError` takes that share away again: pooled over many pixels it estimates the error
against the truth itself. `truth_error` does without an estimate of the noise, where there are several targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.arrays import F32, F64, Bools
from app.network.schema import TILE, TILE_PIXELS, channels
from app.scene import environment
from app.scene.tonemap import tonemap

KEY_LUMINANCE = 0.25  # the mean luminance a face is exposed to: skin by plain shading, sRGB about 0.5
LIT_LUMINANCE = 0.05  # the mean luminance of a face for every W/m2 of light before it, roughly: albedo / (2 pi)
CLEAN_NOISE = 0.5  # of the display's range
LUMINANCE = environment.LUMINANCE.astype(np.float32)


def plain_shading(features: F32, light_scale: F32) -> F32:
    """Lambert's diffuse reflection plus the GGX reflection: what the input alone gives, without a network.

    Args:
        features: (..., 32) as in the schema.
        light_scale: (...).

    Returns:
        (..., 3) radiance.
    """
    shaded: F32 = (features[..., channels("diffuse")] + features[..., channels("specular")]) * light_scale[..., None]
    return shaded


def auto_exposure(radiance: F32, irradiance: float = 0.0) -> float:
    """The stops that bring the mean luminance of a face to KEY_LUMINANCE; 0 for one that no light reaches.

    Args:
        radiance: (n, 3) of the face's pixels. Feed it `plain_shading`, not path-traced targets: an exposure must not
            depend on their noise.
        irradiance: W/m2 that the lights would give a surface that nothing shades. A face whose lights are all
            behind it must stay as dark as it is (its exposure would show nothing but noise), so its mean luminance
            counts as at least that of a face with a tenth of the lights before it.
    """
    mean = float(np.mean(radiance @ LUMINANCE)) if len(radiance) else 0.0
    mean = max(mean, 0.1 * LIT_LUMINANCE * irradiance)
    return float(np.log2(KEY_LUMINANCE / mean)) if mean > 1e-12 else 0.0


def psnr(mean_squared_error: float, standard_error: float = 0.0) -> float:
    """Decibels of a mean squared error of display values in 0..1; 99 dB where there is none.

    An error below its `standard_error` counts as that: noise lets it be told from 0 no better.
    """
    return float(-10.0 * np.log10(max(mean_squared_error, standard_error, 10.0**-9.9)))


def mean_and_standard_error(values: F64, clusters: npt.NDArray[np.integer]) -> tuple[float, float]:
    """The mean of (n,) values and its standard error, where values of one cluster (n,) stand or fall together.

    Where all clusters have equally many values it is the standard error of the clusters' own means; else the
    cluster-robust one of Liang & Zeger 1986, "Longitudinal data analysis using generalized linear models". NaN for a
    single cluster, as nothing tells what another one would change.
    """
    mean = float(values.mean()) if len(values) else float("nan")
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], values - mean)
    count = len(sums)
    if count < 2:
        return mean, float("nan")
    return mean, float(np.sqrt(count / (count - 1) * np.square(sums).sum())) / len(values)


def squared_error(prediction: F32, target: F32, exposure_ev: float | F32) -> F32:
    """Squared difference of display values (n, 3) of two radiances (n, 3); exposure scalar or (n, 1)."""
    error: F32 = np.square(tonemap(prediction, exposure_ev) - tonemap(target, exposure_ev))
    return error


def noise_error(target: F32, variance: F32, exposure_ev: float | F32) -> F32:
    """The squared display error (n, 3) to expect from noise of this `variance` alone, to first order."""
    gain = np.exp2(np.asarray(exposure_ev, np.float32))
    error: F32 = np.square(_display_slope(np.maximum(target * gain, 0.0)) * gain) * variance
    return error


def truth_error(prediction: F32, targets: F32, exposure_ev: float) -> F32:
    """Squared display errors (n,) against the truth, mean of the channels; of single pixels noisy and of either sign.

    The errors against two targets with noise of their own multiply: on average the product is the squared error
    against the truth, whatever the noise is like. Display values are linear in the target here, by the slope at the
    prediction. So as in `TruthError`, an even error of the whole picture is taken for too large where it is too dark.

    Args:
        prediction: (n, 3) radiance.
        targets: (m, n, 3), m >= 2, noisy and unbiased.
        exposure_ev: stops.
    """
    gain = np.float32(np.exp2(exposure_ev))
    exposed = np.maximum(prediction * gain, 0.0)
    errors = _apply(_display_jacobian(exposed), (prediction - targets) * gain)
    together = np.square(errors.sum(axis=0)) - np.square(errors).sum(axis=0)
    count = len(targets)
    squared: F32 = together.mean(axis=-1) / (count * (count - 1))
    return squared


def tiled(values: F32, mask: Bools) -> F32:
    """Values of face pixels (n, 3) back in their tiles, black elsewhere: for `TruthError`."""
    result = np.zeros((*mask.shape, 3), np.float32)
    result[mask] = values
    return result


class TruthError:
    """Squared display errors against the truth, from noisy targets: of single pixels noisy and of either sign.

    Let r be a reference near the truth t, y the target, T tone map and sRGB curve, J their Jacobian (3, 3) at r. The
    display error of a prediction p is

        e = T(p) - T(t) = K + J (r - t) + ...,    K = T(p) - T(r) exactly,  J (r - t) to first order,

    and what is linear in t is estimated without bias by y, however skewed its noise is. So e^2 = K^2 + 2 K J (r - t) +
    (J (r - t))^2 needs care in the last term alone, which is the same for all predictions. There the square of a
    channel's own residual is too large by its variance. Products of two channels (the toe of the tone map subtracts
    the lowest channel from all) hold the covariance of their noise, which nobody has recorded: they are taken
    between neighbouring pixels instead, whose noise is independent.

    Bias, on the default head (studio and rim lights, 64 and 256 samples a pixel, exposed automatically, truth from
    independent renderings): 0.4 to 4% of the noise's own squared error, so a perfect network reads 40 to 50 dB, and
    37.8 dB under the rim lights read 36.0 by 64 samples and 37.1 by 256. Beside that, faces that are evenly 8% too dark
    read up to 1.1 dB too low, 8% too bright up to 1 dB too high; errors that vary over the face cancel that. Two
    simpler ways were worse: (T(p) - T(y))^2 - ((T(y + s) - T(y - s)) / 2)^2 with s the noise's deviation leaves 6 to
    31% of the noise, since T is concave, and takes 35.7 dB for 29.7; squares of each channel's residual by itself, to
    first order, read up to 2.5 dB too low where a backlit face is evenly too dark. An error that changes from pixel to
    pixel counts in full, but for its products of channels. Where the two lowest channels agree to 1% (0.3% of skin),
    T has a kink and J is between its sides.

    Args:
        reference: (n, TILE_PIXELS, 3) radiance near the truth, independent of the target's noise, the same for all that
            are compared: the median of the networks' pictures.
        target, variance: of the same shape, noisy radiance and the variance of its noise.
        face: (n, TILE_PIXELS) bool. Pixels outside, and those in places whose noise is as large as half the way from
            black to white (one of them could outweigh all others), are not judged. Whether a place is that noisy is
            asked of the pixels around, but not of those next to it, whose residuals count as well: chosen by a small
            variance of their own, targets of 64 samples are darker than the truth by 0.6/255 on average.
        exposure_ev: (n,) stops.
    """

    def __init__(self, reference: F32, target: F32, variance: F32, face: Bools, exposure_ev: F32) -> None:
        self._exposure = exposure_ev[:, None, None]
        gain = np.exp2(self._exposure)
        exposed = np.maximum(reference * gain, 0.0)
        jacobian = _display_jacobian(exposed.reshape(-1, 3)).reshape(*exposed.shape, 3)
        residual = np.where(face[..., None], (reference - target) * gain, 0.0)
        noise = np.where(face[..., None], variance * np.square(gain), 0.0)
        other, squares = _neighbors(residual, face), np.square(jacobian)
        self._shown = tonemap(exposed)
        self._linear = _apply(jacobian, residual)
        self._square = self._linear * _apply(jacobian, other)
        self._square += _apply(squares, np.square(residual) - noise - residual * other)
        with np.errstate(invalid="ignore"):  # infinite variances
            shown = _apply(squares, noise).max(axis=-1)
        known = face & np.isfinite(shown)
        self.judged: Bools = known & (around(shown[..., None], known, 3, 1)[..., 0] <= CLEAN_NOISE**2)

    def __call__(self, prediction: F32) -> F32:
        """The squared errors (n, TILE_PIXELS) of radiance (n, TILE_PIXELS, 3), mean of the channels.

        NaN where the pixel is not `judged`.
        """
        apart = tonemap(prediction, self._exposure) - self._shown
        error: F32 = (np.square(apart) + 2.0 * apart * self._linear + self._square).mean(axis=-1)
        error[~self.judged] = np.nan
        return error


def _neighbors(values: F32, face: Bools) -> F32:
    """The values (n, TILE_PIXELS, 3) of a neighbour of every pixel: one beside it, or else below or above.

    0 where neither is face.
    """
    pixel = np.arange(TILE_PIXELS)
    beside, below = pixel ^ 1, pixel ^ TILE
    other: F32 = np.where(face[:, beside, None], values[:, beside], 0.0)
    alone = ~face[:, beside] & face[:, below]
    other[alone] = values[:, below][alone]
    return other


def around(values: F32, known: Bools, reach: int, but: int) -> F64:
    """What the known pixels around each one have on average. A pixel chosen by it is not chosen by noise of its own.

    Args:
        values: (n, TILE_PIXELS, C).
        known: (n, TILE_PIXELS) bool.
        reach: pixels along x and y, within the tile, that still are around.
        but: those so near are not.

    Returns:
        (n, TILE_PIXELS, C); infinite where there are none.
    """
    apart = np.abs(np.subtract.outer(np.arange(TILE), np.arange(TILE)))

    def sums(summed: npt.NDArray[np.generic]) -> F64:
        grid = summed.reshape(len(summed), TILE, -1).astype(np.float64)
        far, near = (
            band @ (band @ grid).reshape(len(grid), TILE, TILE, -1)
            for band in ((apart <= distance).astype(np.float64) for distance in (reach, but))
        )
        total: F64 = (far - near).reshape(len(grid), TILE_PIXELS, -1)
        return total

    count = np.rint(sums(known))
    total = np.maximum(sums(np.where(known[..., None], values, 0.0)), 0.0)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.inf)


def _apply(matrix: F32, vector: F32) -> F32:
    """Matrices (..., 3, 3) times vectors (..., 3)."""
    with np.errstate(invalid="ignore"):  # 0 times infinity, of variances
        product: F32 = (matrix * vector[..., None, :]).sum(axis=-1)
    return product


def _display_slope(exposed: F32) -> F32:
    """d display / d radiance, (n, 3), of each channel on its own."""
    slope: F32 = np.diagonal(_display_jacobian(exposed), axis1=-2, axis2=-1)
    return slope


def _display_jacobian(exposed: F32) -> F32:
    """d display channel i / d radiance channel j as (n, 3, 3) of exposed radiance (n, 3), 0 or more."""
    jacobian = np.empty((*exposed.shape, 3), exposed.dtype)
    for channel in range(3):
        step = np.zeros_like(exposed)
        step[:, channel] = 0.01 * (exposed[:, channel] + 1e-3)
        low, high = np.maximum(exposed - step, 0.0), exposed + step
        jacobian[:, :, channel] = (tonemap(high) - tonemap(low)) / (high - low)[:, channel, None]
    return jacobian


@dataclass(frozen=True)
class Score:
    """A PSNR over several frames.

    Attributes:
        mean: mean of the frames' PSNR, dB.
        worst: the lowest of them, dB.
        worst_frame: its index.
        frames: how many frames had face pixels.
    """

    mean: float
    worst: float
    worst_frame: int
    frames: int

    def __str__(self) -> str:
        return f"{self.mean:.2f} dB, worst {self.worst:.2f} dB (frame {self.worst_frame}; {self.frames} judged)"


class Pooled:
    """The mean of pixels' errors, which may be noisy and negative, and how far it can be trusted."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, errors: F32) -> None:
        """Add the errors of (n,) pixels; NaN are left out."""
        errors = errors[np.isfinite(errors)]
        self._count += len(errors)
        self._sum += float(errors.sum(dtype=np.float64))
        self._squares += float(np.square(errors, dtype=np.float64).sum())

    @property
    def db(self) -> float:
        """PSNR of the mean error; 99 dB if noise has made it negative. NaN without pixels."""
        return psnr(self._sum / self._count) if self._count else float("nan")

    @property
    def range(self) -> tuple[float, float]:
        """PSNR two standard errors to either side of the mean: the lower and the upper end."""
        if self._count < 2:
            return float("nan"), float("nan")
        mean = self._sum / self._count
        standard_error = np.sqrt(max(self._squares / self._count - mean * mean, 0.0) / self._count)
        return psnr(mean + 2.0 * standard_error), psnr(mean - 2.0 * standard_error)

    def __str__(self) -> str:
        low, high = self.range
        return f"{self.db:.2f} dB ({low:.2f} to {high:.2f})"


class FrameErrors:
    """Collects squared display errors frame by frame, for any number of models at once.

    Pixels may arrive in any order and in pieces: a frame's tiles lie in many folders.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[int, float]] = {}
        self._counts: dict[str, dict[int, int]] = {}

    def add(self, errors: Mapping[str, F32], frame: npt.NDArray[np.integer]) -> None:
        """Add pixels: for every model its (n, 3) squared errors, and the (n,) frames they belong to."""
        present, inverse = np.unique(frame, return_inverse=True)
        pixels = np.bincount(inverse, minlength=len(present))
        for name, error in errors.items():
            sums, counts = self._sums.setdefault(name, {}), self._counts.setdefault(name, {})
            totals = np.bincount(inverse, error.mean(axis=-1, dtype=np.float64), minlength=len(present))
            for index, total, count in zip(present, totals, pixels, strict=True):
                sums[int(index)] = sums.get(int(index), 0.0) + float(total)
                counts[int(index)] = counts.get(int(index), 0) + int(count)

    def frames(self, name: str) -> dict[int, float]:
        """PSNR of every frame of one model, by frame index."""
        sums, counts = self._sums.get(name, {}), self._counts.get(name, {})
        return {index: psnr(sums[index] / counts[index]) for index in sorted(sums)}

    def score(self, name: str) -> Score | None:
        """Mean and worst frame of one model; None if nothing was added for it."""
        frames = self.frames(name)
        if not frames:
            return None
        worst = min(frames, key=lambda index: frames[index])
        return Score(float(np.mean(list(frames.values()))), frames[worst], worst, len(frames))

    def scores(self) -> dict[str, Score]:
        """All models' scores, in the order in which they came."""
        return {name: score for name in self._sums if (score := self.score(name)) is not None}
