"""Where a reference's samples are worth most: more of them for tiles whose noise hides the picture's error.

The squared error of a pixel is known from noisy samples no better than to about the variance of their mean, V / n. A
frame's error is its pixels' sum, so the n of all tiles together should make the sum of (V / n)^2 small: by Lagrange, a
tile whose pixels have the squares of V sum up to S deserves samples in proportion to the cube root of S. In faces a few
tiles (ears, nostrils, folds in shadow) hold most of S.
"""

import numpy as np
import numpy.typing as npt

LEAST, MOST = 2, 128  # samples of a place; two tell their variance


def allot(noise: npt.NDArray[np.floating], mean: float) -> npt.NDArray[np.int64]:
    """How many samples each of n tiles gets.

    Args:
        noise: (n,), above 0, root of the sum of the squares of the pixels' variances, as an independent pilot estimates
            it. It must not come from the samples that are allotted: tiles that happened to catch no bright path would
            be believed, and read too dark.
        mean: how many the tiles get on average, or a few less.

    Returns:
        (n,) powers of two, LEAST to MOST.
    """
    wanted = np.power(noise, 2.0 / 3.0)
    low, high = 0.0, MOST / float(wanted.min())
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _rounded(middle * wanted).mean() <= mean else (low, middle)
    return _rounded(low * wanted)


def _rounded(samples: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    powers: npt.NDArray[np.int64] = np.rint(np.log2(np.clip(samples, LEAST, MOST))).astype(np.int64)
    return 2**powers
