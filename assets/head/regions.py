"""Where things are on the face: soft masks in object space, millimetres on the symmetric rest shape.

x to the person's left, y up, z forward; the eyes' midpoint lies at y = 0. Lengths are for this default face; the
anchors that differ between faces come in through `Landmarks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F64
from assets.head.noise import fractal
from assets.head.shape import smoothstep

Singles = NDArray[Any]  # float32, mostly: numpy's types lose track where precisions meet


@dataclass(frozen=True)
class Landmarks:
    """Anchor points (3,) in mm; those beside the middle line are the left one's."""

    eye: F64  # centre of the eyeball
    eye_radius: float
    mouth: F64  # middle of the line between the lips
    mouth_corner: F64
    nose_tip: F64
    ear: F64  # middle of the ear
    lid_edge: F64  # (L, 3) points along the left eye's lid margin


@dataclass(frozen=True)
class Regions:
    """Soft masks (K,) in 0..1, one value a texel."""

    lips: Singles
    cheek: Singles
    nose: Singles
    nose_wing: Singles
    ear: Singles
    chin: Singles
    forehead: Singles
    upper_lid: Singles
    under_eye: Singles
    cavity: Singles  # folds and holes: nostrils, corners of the mouth, the ear's furrows
    nostril: Singles
    lid_edge: Singles  # 1 on the wet margin, 0 some 2 mm away
    lash_line: Singles
    inner_corner: Singles
    scalp: Singles  # cropped hair
    beard: Singles  # shaved stubble
    brow: Singles  # shade below the brows' hair
    front: Singles  # 1 on the face, 0 behind the ears
    neck: Singles


def blob(p: Singles, center: F64, size: tuple[float, float, float]) -> Singles:
    """Gaussian around `center` with standard deviations `size` mm; mirrored in x if the centre is off the middle."""
    x = np.abs(p[:, 0]) if abs(center[0]) > 1e-6 else p[:, 0]
    d = ((x - center[0]) / size[0]) ** 2
    d = d + ((p[:, 1] - center[1]) / size[1]) ** 2 + ((p[:, 2] - center[2]) / size[2]) ** 2
    return np.asarray(np.exp(-0.5 * d), np.float32)


def piecewise(x: Singles, knots: Sequence[tuple[float, float]]) -> Singles:
    """Piecewise linear function through `knots`."""
    at, to = zip(*knots, strict=True)
    return np.asarray(np.interp(x, at, to), np.float32)


HAIRLINE = [
    (0, 64),
    (14, 65),
    (28, 69),
    (38, 69),
    (48, 61),
    (57, 44),
    (64, 28),
    (70, 8),
    (75, -8),
    (84, -14),
    (92, -14),
    (98, -18),
    (104, -30),
    (114, -46),
    (130, -60),
    (150, -69),
    (180, -75),
]
"""Height of the hair's edge (mm) by the angle from the front (degrees), seen from above."""

BEARD_TOP = [
    (0, -50),
    (16, -50),
    (24, -54),
    (34, -60),
    (46, -58),
    (58, -46),
    (70, -26),
    (78, -16),
    (88, -18),
    (95, -60),
]
"""The same for the upper edge of the shaved beard."""
BROW = [(9.5, 14.0), (17.0, 16.5), (25.0, 18.5), (33.0, 20.0), (41.0, 19.3), (47.0, 16.6), (52.0, 12.8)]
"""The brow's middle line, x and y in mm; the person's left side."""


def find(p: Singles, marks: Landmarks, lips: Singles, ears: Singles, depth: Singles, rise: Singles) -> Regions:
    """Evaluate all masks at texel positions `p` (K, 3) mm.

    `lips` and `ears` are MakeHuman's own masks there, `depth` is how far (mm) the skin lies below its surroundings,
    `rise` the y of its normal.
    """
    from scipy.spatial import cKDTree

    eye, mouth, tip = marks.eye, marks.mouth, marks.nose_tip
    x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
    wobble = fractal(p, 14, 101, 3)
    fine = fractal(p, 2.5, 102, 2)
    azimuth = np.degrees(np.arctan2(x, z + 15)).astype(np.float32)
    front = smoothstep(azimuth, 95, 70)

    lid_points = np.concatenate([marks.lid_edge, marks.lid_edge * [-1, 1, 1]])
    near = (np.abs(x - eye[0]) < 30) & (np.abs(y) < 25) & (z > 55)
    to_lid = np.full(len(p), 99.0, np.float32)
    to_lid[near] = cKDTree(lid_points).query(p[near])[0]

    hair = y - piecewise(azimuth, HAIRLINE) + 3 * wobble + 3.5 * fine
    scalp = smoothstep(hair, -11, 17) * (1 - smoothstep(ears, 0.1, 0.5))
    beard_edge = piecewise(azimuth, BEARD_TOP) - y + 3 * wobble + 2 * fine
    beard = smoothstep(beard_edge, -3, 8) * smoothstep(y, -150, -118)
    beard *= smoothstep(y + 0.6 * (100 - z), -150, -100)
    beard *= (1 - smoothstep(lips, 0.02, 0.3)) * smoothstep(azimuth, 97, 80) * smoothstep(ears, 0.2, 0.02)
    # The bare patches beside the lower lip, and the philtrum's thin growth.
    bare = blob(p, np.array([14.0, mouth[1] - 12, mouth[2]]), (5, 3.5, 20))
    beard *= 1 - 0.7 * bare - 0.3 * blob(p, np.array([0.0, mouth[1] + 15, tip[2] - 12]), (3, 6, 20))

    spine = np.array(BROW)
    dense = np.stack([np.linspace(spine[0, 0], spine[-1, 0], 60)] * 2, axis=1)
    dense[:, 1] = np.interp(dense[:, 0], spine[:, 0], spine[:, 1])
    distance = cKDTree(dense).query(np.stack([x, y], axis=1))[0].astype(np.float32)
    width = np.interp(x, [9, 14, 34, 52], [2.6, 3.6, 3.2, 1.3])
    brow = smoothstep(distance / width + 0.25 * fine, 1.35, 0.35) * (z > 60)

    return Regions(
        lips=lips,
        cheek=blob(p, np.array([40.0, -34.0, 88.0]), (15, 13, 22)),
        nose=np.maximum(blob(p, tip - [0, 1, 5], (10, 8, 12)), 0.5 * blob(p, tip - [0, -18, 10], (7, 14, 12))),
        nose_wing=blob(p, tip + np.array([14, -3, -16]), (4.5, 6, 8)),
        ear=np.asarray(smoothstep(ears, 0.05, 0.6), np.float32),
        chin=blob(p, np.array([0.0, mouth[1] - 30, mouth[2] + 8]), (12, 9, 14)),
        forehead=np.asarray(smoothstep(y, 26, 42) * smoothstep(azimuth, 62, 40) * (1 - scalp), np.float32),
        upper_lid=blob(p, eye + np.array([0.5, 7.5, 16]), (12, 4.0, 9)),
        under_eye=blob(p, eye + np.array([-3.0, -12.0, 15]), (11, 4.5, 9)),
        cavity=np.asarray(smoothstep(depth, 0.3, 1.8) * smoothstep(y + 0.35 * (60 - z), -98, -88), np.float32),
        nostril=blob(p, tip + np.array([8.9, -4.5, -13.5]), (2.5, 3.0, 3.8)) * smoothstep(rise, -0.1, -0.6),
        lid_edge=np.asarray(smoothstep(to_lid, 2.4, 1.0), np.float32),
        lash_line=np.asarray(smoothstep(np.abs(to_lid - 2.3), 1.3, 0.2) * smoothstep(y, -3.5, 0.0), np.float32),
        inner_corner=blob(p, np.array([17.5, -4.0, 84.0]), (2.4, 2.2, 4)),
        scalp=np.asarray(np.clip(scalp, 0, 1), np.float32),
        beard=np.asarray(np.clip(beard, 0, 1), np.float32),
        brow=np.asarray(brow, np.float32),
        front=np.asarray(front, np.float32),
        neck=np.asarray(smoothstep(y + 0.35 * (60 - z), -100, -125), np.float32),
    )
