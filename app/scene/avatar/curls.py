"""Curls: strands of as many points as make coils round, and as few strands as keep the triangles few."""

import numpy as np

from app.arrays import F64, I64
from app.scene.avatar.strands import carried_frames

FROM = 0.2  # hair.curl from which hair is made so; below, coils are thinner than 3 mm
COMBED = 12  # points of a strand before it is wound
_A_TURN = 9.0  # segments; with fewer, coils are polygons whose corners show
_FEWEST, _MOST = 6, 36  # points of a strand
_WIDEST = 0.007  # metres from an axis at most, about


def pitch(curl: float) -> float:
    """Metres along a strand that a turn takes where there are points enough."""
    return 0.030 - 0.016 * curl


def points(length: F64, curl: float) -> I64:
    """How many points (S,) strands need that are `length` (S,) metres."""
    return np.asarray(np.clip(1 + np.ceil(_A_TURN * length / pitch(curl)), _FEWEST, _MOST), np.int64)


def wound(axes: F64, segment: F64, lock: I64, phase: F64, curl: float, rng: np.random.Generator) -> F64:
    """Wind strands around lines.

    Args:
        axes: (S,K,3) the lines, of equal segments.
        segment: (S,) metres between the points that a strand will be left with: turns are not shorter than it can show.
        lock: (S,) which lock a strand belongs to. Those of a lock turn the same way, about as far from their axes.
        phase: (S,) radians at the root.
        curl: the person's, from FROM.
        rng: decides what differs from lock to lock.
    """
    segments = np.linalg.norm(np.diff(axes, axis=1), axis=2)
    arc = np.concatenate([np.zeros((len(axes), 1)), np.cumsum(segments, axis=1)], axis=1)
    turn = np.maximum(pitch(curl), _A_TURN * segment)[:, None]
    grown = np.clip(arc / 0.012, 0.0, 1.0)  # hair leaves the skin straight
    # Axes bend, each its own way: coils around parallel ones would look woven.
    bend = np.sin(2.0 * np.pi * (0.45 * arc / turn + rng.random((len(axes), 1))))
    aside = np.minimum(0.2 * turn, 0.005) * curl**0.5 * grown * bend
    axes = axes + aside[..., None] * rng.normal(0.0, 1.0, (len(axes), 1, 3))
    locks = int(lock.max()) + 1
    way = np.where(rng.random(locks) < 0.5, -1.0, 1.0)[lock, None]
    radius = np.minimum(0.28 * turn * min(1.0, 1.6 * curl), _WIDEST)
    radius = radius * rng.uniform(0.6, 1.1, locks)[lock, None] * grown
    angle = way * (2.0 * np.pi * arc / turn + phase[:, None])
    side, other = carried_frames(axes)
    wound: F64 = axes + radius[..., None] * (np.sin(angle)[..., None] * side + np.cos(angle)[..., None] * other)
    return wound
