"""Whether two noisy pictures show the same: tests that hold for rare bright samples as well."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm as normal
from scipy.stats import t as student

from app.arrays import F64, Bools

LEVEL = 0.001  # how often a picture that is right fails by chance: one in a hundred runs of ten pictures
PARTS = 4  # along an edge of the picture
SURE = 1e-4  # noise below this share of the value counts as none


@dataclass(frozen=True)
class Runs:
    """Mean of independent pictures (H,W,3), the variance of that mean, and how many they were.

    The variance comes from the spread of whole pictures, never from squares of single samples: few samples a pixel hide
    the rare bright ones in the mean and in the squares alike.
    """

    mean: F64
    variance: F64
    count: int

    @classmethod
    def of(cls, pictures: NDArray[np.floating]) -> "Runs":
        """From (K,H,W,3), K >= 2."""
        stack = np.asarray(pictures, np.float64)
        return cls(stack.mean(axis=0), stack.var(axis=0, ddof=1) / len(stack), len(stack))


@dataclass(frozen=True)
class Agreement:
    """How two pictures compare where `mask` is set.

    Attributes:
        passed: share of the pixels' channels whose difference is within the noise, at LEVEL corrected for their number
            (Sidak).
        spread: size of the differences in units of the noise; 1 where there is nothing but noise.
        leaning: the largest difference of a part of the picture, and of the whole, in units of its noise.
        limit: of `leaning`, at LEVEL corrected for the number of parts.
        ratio: mean of the first picture over that of the second where they have noise, per channel, and its standard
            deviation.
        still: whether pixels without noise (the sky) are the same.
        z: the differences in units of the noise (H,W,3), 0 where there is none.
    """

    passed: float
    spread: float
    leaning: float
    limit: float
    ratio: F64
    ratio_sigma: F64
    still: bool
    z: F64

    @property
    def good(self) -> bool:
        """Whether the two show the same."""
        return self.passed >= 0.9975 and 0.85 < self.spread < 1.15 and self.leaning < self.limit and self.still

    def __str__(self) -> str:
        ratio = " ".join(f"{r:.4f}±{s:.4f}" for r, s in zip(self.ratio, self.ratio_sigma, strict=True))
        return (
            f"ratio {ratio}, pixels within the noise {100 * self.passed:.2f}% (99.75), spread {self.spread:.3f} "
            f"(0.85-1.15), leaning {self.leaning:.1f} ({self.limit:.1f}){'' if self.still else ', the sky differs'}"
        )


def compare(ours: Runs, theirs: Runs, mask: Bools) -> Agreement:
    """Compare pictures where `mask` (H,W) is set."""
    degrees = min(ours.count, theirs.count) - 1
    chosen = np.broadcast_to(mask[..., None], ours.mean.shape)
    variance = ours.variance + theirs.variance
    noisy = chosen & (variance > (SURE * theirs.mean) ** 2)
    still = chosen & ~noisy
    # A pixel that happened to get no bright sample seems to be calmer than it is: its neighbours say how calm.
    nearby = np.where(noisy, _around(np.where(noisy, variance, 0.0)) / np.maximum(_around(noisy), 1.0), 1.0)
    # Nor does a pixel that hardly any light reaches, and that rarely, tell its noise.
    weight = np.where(noisy, 1.0 / (nearby + 0.1 * variance[noisy].mean()), 0.0)
    difference = np.where(noisy, ours.mean - theirs.mean, 0.0)
    z = difference / np.sqrt(np.maximum(np.where(noisy, variance, 0.0), nearby))
    level = _sidak(int(noisy.sum()))
    leanings = []
    for parts in (1, PARTS):
        for rows in np.array_split(np.arange(z.shape[0]), parts):
            for columns in np.array_split(np.arange(z.shape[1]), parts):
                part = np.ix_(rows, columns)
                total = np.where(noisy, variance, 0.0)[part].sum(axis=(0, 1))
                leanings.append(difference[part].sum(axis=(0, 1)) / np.sqrt(np.where(total > 0.0, total, np.inf)))
    tests = sum(int((leaning != 0.0).sum()) for leaning in leanings)
    ours_sum, theirs_sum = (np.where(noisy, r.mean, 0.0).sum(axis=(0, 1)) for r in (ours, theirs))
    sigma = np.sqrt(np.where(noisy, variance, 0.0).sum(axis=(0, 1)))
    return Agreement(
        passed=float((np.abs(z[noisy]) < student.isf(level / 2.0, degrees)).mean()),
        spread=math.sqrt(float((weight * difference**2).sum() / (weight * variance).sum())),
        leaning=float(np.abs(leanings).max()),
        # The variance of a part adds up those of many pixels: the normal distribution's limit.
        limit=float(normal.isf(_sidak(tests) / 2.0)),
        ratio=ours_sum / theirs_sum,
        ratio_sigma=sigma / theirs_sum,
        still=bool(np.allclose(ours.mean[still], theirs.mean[still], rtol=3.0 * SURE, atol=1e-6)),
        z=z,
    )


def _sidak(tests: int) -> float:
    """The level of each of so many tests which together are to fail by chance as rarely as LEVEL says."""
    return 1.0 - math.pow(1.0 - LEVEL, 1.0 / max(tests, 1))


def _around(values: NDArray[np.generic]) -> F64:
    """Sum over each pixel and its 8 neighbours."""
    padded = np.pad(values.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    height, width = values.shape[:2]
    total: F64 = np.sum([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)
    return total
