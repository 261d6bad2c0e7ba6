"""Curves that several parts of a person are shaped by."""

import numpy as np
from numpy.typing import ArrayLike

from app.arrays import F64


def smoothstep(x: ArrayLike, low: float, high: float) -> F64:
    """Hermite step from 0 at `low` to 1 at `high`, which may be below `low`."""
    t = np.clip((np.asarray(x) - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
