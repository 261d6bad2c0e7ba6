"""Checks shared by the scene's constructors: each returns the cleaned value or raises InputError."""

import math
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError

Vec3: TypeAlias = tuple[float, float, float]

BRIGHTEST = 1e12
"""Irradiance, intensity, radiance, and factors on them, at most: products with areas stay within single precision."""


def vec3(value: Iterable[float], what: str, most: float = math.inf) -> Vec3:
    """Return `value` as three finite floats within -most..most; `what` names it in the error."""
    x = tuple(float(v) for v in value)
    if len(x) != 3 or not all(map(math.isfinite, x)):
        raise InputError(f"{what} must be three finite numbers, not {x}.")
    if max(map(abs, x)) > most:
        raise InputError(f"{what} must be within -{most:g}..{most:g}, but is {x}.")
    return x[0], x[1], x[2]


def triple(value: NDArray[np.floating]) -> Vec3:
    """Return an array (3,) as three floats, for what checks them itself."""
    return float(value[0]), float(value[1]), float(value[2])


def color3(value: Iterable[float], what: str, most: float = math.inf) -> Vec3:
    """Return `value` as three finite floats in 0..most."""
    x = vec3(value, what)
    if min(x) < 0.0:
        raise InputError(f"{what} must not be negative, but is {x}.")
    if max(x) > most:
        raise InputError(f"{what} must be <= {most:g}, but is {x}.")
    return x


def unit3(value: Iterable[float], what: str) -> Vec3:
    """Return `value` scaled to length 1."""
    x = vec3(value, what)
    length = math.hypot(*x)
    if not 1e-12 < length < math.inf:
        raise InputError(f"{what} must be a direction, not {x}.")
    return x[0] / length, x[1] / length, x[2] / length


def number(value: float, what: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a finite float in low..high."""
    x = float(value)
    if not math.isfinite(x):
        raise InputError(f"{what} must be a finite number, not {x}.")
    if x < low:
        raise InputError(f"{what} must be >= {low:g}, but is {x:g}.")
    if x > high:
        raise InputError(f"{what} must be <= {high:g}, but is {x:g}.")
    return x
