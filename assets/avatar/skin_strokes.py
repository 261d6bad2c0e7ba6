"""Wrinkles as strokes across the resting face: where each kind of line runs, how wide and how deep it is.

Lines follow the relaxed skin tension lines, square to the muscles that fold the skin (A. F. Borges, "Relaxed skin
tension lines", 1989). A stroke is a furrow between two low ridges, which is what tells a fold from a scratch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.arrays import F64
from assets.head.regions import Landmarks

Singles = NDArray[Any]

STEP = 0.25
"""Distance between the points of a stroke, mm."""
RIDGE = 0.35
"""Height of a fold's shoulders relative to its depth."""


@dataclass(frozen=True)
class Stroke:
    """One line: `path` (L, 2) mm seen from the front, `width` mm (half, at 1/e), `depth` mm in its middle.

    A `fold` overhangs from the outer side: there it has a broad shoulder, and none towards the middle of the face.
    """

    path: F64
    width: float
    depth: float
    fold: bool = False


def kinds(marks: Landmarks) -> dict[str, list[Stroke]]:
    """All strokes by kind, both sides of the face; each side has its own wavering."""
    rng = np.random.default_rng(53)
    table = {
        "forehead": _forehead(rng),
        "glabella": _glabella(rng),
        "crow": list(_both(rng, _crow)),
        "under_eye": list(_both(rng, _under_eye)),
        "bunny": list(_both(rng, _bunny)),
        "nasolabial": list(_both(rng, _nasolabial)),
        "smile": list(_both(rng, _smile)),
        "marionette": list(_both(rng, _marionette)),
        "lip": _lip(rng, marks),
        "chin": _chin(rng),
        "neck": _neck(rng),
    }
    return table


def relief(strokes: list[Stroke], p: Singles, front: Singles) -> Singles:
    """Height (K,) in mm at texels `p` (K, 3); strokes are laid onto those where `front` is true."""
    ground = cKDTree(p[front][:, :2])
    points = p[front]
    height = np.zeros(len(p))
    everything = cKDTree(p)
    for stroke in strokes:
        path = _resampled(stroke.path)
        _, below = ground.query(path, 3)
        line = points[below].mean(axis=1)
        line[:, :2] = path
        reach = 6.0 * stroke.width
        near = np.unique(np.concatenate(everything.query_ball_point(line[::4], reach + 4 * STEP)).astype(np.int64))
        if len(near) == 0:
            continue
        d, at = cKDTree(line).query(p[near])
        along = at / max(len(line) - 1, 1)
        taper = np.clip(4.5 * along * (1 - along), 0, 1) ** 0.7
        x = d / stroke.width
        # A crease in the middle of a shallow trough, with shoulders where the skin is pushed up.
        profile = -0.6 * np.exp(-(x**2)) - 0.4 * np.exp(-((x / 2.2) ** 2))
        shoulder = RIDGE * np.exp(-(((x - 3.0) / 1.4) ** 2))
        if stroke.fold:
            outside = np.abs(p[near, 0]) > np.abs(line[at, 0])
            profile = np.where(outside, profile + 2.0 * shoulder, profile)
        else:
            profile += shoulder
        value = stroke.depth * taper * profile
        # Furrows keep the deeper of two where they meet; ridges do not pile up.
        old = height[near]
        height[near] = np.where((old < 0) | (value < 0), np.minimum(old, value), np.maximum(old, value))
    return height.astype(np.float32)


def _line(x: F64, y: F64) -> list[tuple[float, float]]:
    return [*zip(x.tolist(), y.tolist(), strict=True)]


def _resampled(path: F64) -> F64:
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(3, round(length[-1] / STEP)))
    return np.stack([np.interp(at, length, path[:, k]) for k in range(2)], axis=1)


def _curve(points: list[tuple[float, float]], rng: np.random.Generator, waver: float) -> F64:
    """A smooth line through `points`, shaken by `waver` mm at a wavelength of some 6 mm."""
    from scipy.interpolate import PchipInterpolator

    p = np.array(points, np.float64)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(p, axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(4, round(length[-1])))
    line = np.stack([PchipInterpolator(length, p[:, k])(at) for k in range(2)], axis=1)
    knots = np.arange(0, length[-1] + 6, 6.0)
    for k in range(2):
        shake = rng.normal(size=len(knots))
        line[:, k] += waver * PchipInterpolator(knots, shake)(np.minimum(at, knots[-1]))
    return line


def _both(rng: np.random.Generator, side: Any) -> Iterator[Stroke]:
    for sign in (1.0, -1.0):
        for stroke in side(rng):
            yield replace(stroke, path=stroke.path * [sign, 1])


def _forehead(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for y, half, depth in ((33.0, 38.0, 0.7), (40, 44, 1.0), (47.5, 42, 0.95), (55, 34, 0.7)):
        cut = rng.uniform(-0.4, 0.4)
        for low, high in ((-1.0, cut + 0.10), (cut - 0.06, 1.0)):
            x = np.linspace(low * half, high * half, 7)
            lift = y + rng.uniform(-0.9, 0.9) - 2.6 * np.exp(-((x / 11) ** 2)) - 2.2 * (x / half) ** 2
            strokes.append(Stroke(_curve(_line(x, lift), rng, 0.22), 1.0, 0.34 * depth))
    for _ in range(16):
        a, b, half = rng.uniform(-34, 34), rng.uniform(30, 58), rng.uniform(5, 13)
        strokes.append(Stroke(_curve([(a - half, b), (a, b + 0.6), (a + half, b)], rng, 0.2), 0.55, 0.09))
    return strokes


def _glabella(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for side, shift, depth in ((1, 0, 1.0), (-1, 0.6, 0.85)):
        line = [(side * 5.0, 9.0), (side * (7.2 + shift), 15), (side * (8.4 + shift), 21), (side * 8.0, 27)]
        strokes.append(Stroke(_curve(line, rng, 0.3), 0.95, 0.36 * depth))
        line = [(side * 11.0, 14.0), (side * 12.5, 19), (side * 12.6, 24)]
        strokes.append(Stroke(_curve(line, rng, 0.3), 0.65, 0.14))
    strokes.append(Stroke(_curve([(-8, 5), (0, 3.6), (8, 5.2)], rng, 0.3), 0.9, 0.20))
    strokes.append(Stroke(_curve([(1.0, 12), (1.4, 18), (1.0, 24)], rng, 0.3), 0.6, 0.12))
    return strokes


def _crow(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for start, slope, length, depth in (
        (5.0, 0.75, 13, 0.7),
        (1.5, 0.38, 16, 1.0),
        (-1.8, 0.02, 17, 1.0),
        (-5.0, -0.36, 16, 0.9),
        (-8.0, -0.70, 14, 0.7),
    ):
        x0, bend = 47.5 + rng.uniform(-1, 1) - 0.12 * abs(start + 1), rng.uniform(-0.02, 0.02)
        x = np.linspace(0, length * 0.85, 5)
        y = start + slope * x * (1 - 0.012 * x) + bend * x**1.5
        strokes.append(Stroke(_curve(_line(x0 + x, y), rng, 0.25), 0.65, 0.20 * depth))
    for _ in range(12):
        angle, r, half = rng.uniform(-0.75, 0.85), rng.uniform(9, 19), rng.uniform(2.5, 5)
        away = np.array([np.cos(angle), np.sin(angle)])
        middle = np.array([40.0, -1.5]) + away * (r + 3)
        line = [tuple(middle - half * away), tuple(middle), tuple(middle + half * away)]
        strokes.append(Stroke(_curve(line, rng, 0.3), 0.45, 0.08))
    return strokes


def _under_eye(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for drop, low, high, depth in ((9.0, 19, 40, 0.7), (11.5, 18, 43, 1.0), (14.0, 20, 45, 0.8), (17.5, 21, 40, 0.6)):
        x = np.linspace(low, high, 6)
        y = -drop + 0.020 * (x - 30) ** 2 - 0.10 * (x - 30)
        strokes.append(Stroke(_curve(_line(x, y), rng, 0.25), 0.6, 0.12 * depth))
    for _ in range(12):
        a, b, half = rng.uniform(22, 43), rng.uniform(-18, -8.5), rng.uniform(2, 4.5)
        slope = 0.04 * (a - 30)
        line = [(a - half, b - half * slope - 0.4), (a, b), (a + half, b + half * slope - 0.3)]
        strokes.append(Stroke(_curve(line, rng, 0.25), 0.42, 0.06))
    return strokes


def _bunny(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for k, y in enumerate((-4.0, -8.0, -12.5, -17.0)):
        line = [(4.0, y + 3.0), (8.5, y), (12.5 + k * 0.8, y - 4.5)]
        strokes.append(Stroke(_curve(line, rng, 0.25), 0.6, 0.16 - 0.02 * k))
    return strokes


def _nasolabial(rng: np.random.Generator) -> list[Stroke]:
    line = [(16.0, -34.0), (20.5, -42), (25.5, -50), (29.8, -58), (32.5, -66), (33.2, -73)]
    beside = [(27.0, -47.0), (31.5, -54), (35, -61), (36.5, -67)]
    return [Stroke(_curve(line, rng, 0.3), 1.5, 0.46, fold=True), Stroke(_curve(beside, rng, 0.3), 0.8, 0.12)]


def _smile(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for shift, length, depth in ((0, 1.0, 1.0), (6.0, 0.75, 0.7)):
        y = np.linspace(0, 1, 5)
        x = 38 + shift + 4.5 * np.sin(np.pi * (0.15 + 0.75 * y)) - 1.5 * y
        line = _line(x, -50 - 0.25 * shift - 30 * length * y)
        strokes.append(Stroke(_curve(line, rng, 0.4), 1.0, 0.22 * depth))
    return strokes


def _marionette(rng: np.random.Generator) -> list[Stroke]:
    line = [(25.0, -70.5), (27.2, -76), (28.0, -83), (27.0, -91), (25, -97)]
    short = [(30.5, -76.0), (32, -82), (31.5, -89)]
    return [Stroke(_curve(line, rng, 0.3), 1.3, 0.42, fold=True), Stroke(_curve(short, rng, 0.3), 0.7, 0.12)]


def _lip(rng: np.random.Generator, marks: Landmarks) -> list[Stroke]:
    strokes = []
    middle = float(marks.mouth[1])
    for x in np.arange(-19.5, 20, 2.6):
        x = x + rng.uniform(-0.6, 0.6)
        if abs(x) > 1.8:
            top, length = middle + 8.2 - 0.10 * abs(x), rng.uniform(4, 7.5) * (1 - 0.018 * abs(x))
            line = [(0.94 * x, top - 2.2), (x, top), (1.14 * x, top + length)]
            strokes.append(Stroke(_curve(line, rng, 0.15), 0.55, rng.uniform(0.09, 0.20)))
        if rng.random() < 0.7:
            low = middle - 11.5 + 0.16 * abs(x)
            line = [(0.95 * x, low + 1.5), (x, low), (1.08 * x, low - rng.uniform(3, 5.5))]
            strokes.append(Stroke(_curve(line, rng, 0.15), 0.5, rng.uniform(0.05, 0.11)))
    return strokes


def _chin(rng: np.random.Generator) -> list[Stroke]:
    strokes = [Stroke(_curve([(-13, -87.5), (-6, -84.6), (0, -84), (6, -84.6), (13, -87.3)], rng, 0.3), 1.5, 0.28)]
    for _ in range(22):  # the dimples of a tense chin
        x, y = rng.normal(0, 7), rng.normal(-95, 4)
        turn = rng.uniform(0, np.pi)
        half = 1.3 * np.array([np.cos(turn), np.sin(turn)])
        line = [(x - half[0], y - half[1]), (x, y), (x + half[0], y + half[1])]
        strokes.append(Stroke(_curve(line, rng, 0.1), 0.8, 0.10))
    return strokes


def _neck(rng: np.random.Generator) -> list[Stroke]:
    strokes = []
    for y, half, depth in ((-124.0, 50.0, 0.8), (-136, 52, 1.0), (-147, 46, 0.8)):
        x = np.linspace(-half, half, 9)
        line = _line(x, y + 0.006 * x**2 + rng.normal(0, 0.8, 9))
        strokes.append(Stroke(_curve(line, rng, 0.6), 1.3, 0.32 * depth))
    for _ in range(26):
        a, b, half = rng.uniform(-40, 40), rng.uniform(-150, -116), rng.uniform(4, 10)
        line = [(a - half, b + 0.4), (a, b), (a + half, b + rng.uniform(-1, 1))]
        strokes.append(Stroke(_curve(line, rng, 0.5), 0.6, 0.08))
    return strokes
