"""What blending morph targets cannot do: a level rim of the neck and lips that meet.

For the lids see `lids.py`, for the cut that is seen at the neck `neck.py`.
"""

import numpy as np

from app.arrays import F64
from app.scene.avatar.curves import smoothstep
from app.scene.avatar.targets import HeadData

NECK_EDGE = 0.003
"""The least height of the faces along the neck's cut, metres."""
LIP_OVERLAP = 0.00012
"""How far closed lips press into each other, metres."""
LIP_GAP = 0.003
"""Closed lips are never further apart than this by mistake, metres; more is left as it is."""


def trim_neck(coarse: F64, data: HeadData) -> F64:
    """Move the neck's rim up or down onto one plane: a planar rim stays planar under subdivision.

    The rim follows the cage's faces and has steps, so that moving it along the mesh would fold it.

    Args:
        coarse: (C,3) metres.
        data: names the rim and what lies next to it.
    """
    p = coarse.copy()
    rim, near = data.neck_rim, data.neck_near
    plane = np.linalg.lstsq(np.c_[np.ones(len(rim)), p[rim][:, [0, 2]]], p[rim, 1], rcond=None)[0]

    def height(q: F64) -> F64:
        return np.asarray(q[:, 1] - plane[0] - plane[1] * q[:, 0] - plane[2] * q[:, 2])

    # What lies next to the rim must stay above the cut.
    plane[0] += min(0.0, float(height(coarse[near[near >= 0]]).min()) - NECK_EDGE)
    p[rim, 1] -= height(p[rim])
    return p


def close_lips(fine: F64, data: HeadData, amount: float = 1.0) -> F64:
    """Move both lips towards each other until they touch.

    Args:
        fine: (F,3) metres.
        data: names the lips.
        amount: 0 leaves the gap, 1 closes it.
    """
    p = fine.copy()
    rim = p[data.lip_rim]
    low, high = rim[np.argmin(rim[:, 0])], rim[np.argmax(rim[:, 0])]
    to_upper, to_lower = data.to_upper, data.to_lower
    sides = ((to_upper, to_lower, -1.0), (to_lower, to_upper, 1.0))
    edges_of = [np.flatnonzero((near <= 4) & (near < far)) for near, far, _ in sides]
    moved = [np.flatnonzero((near <= 9) & (near < far)) for near, far, _ in sides]
    grid = np.linspace(low[0], high[0], 81)
    reach = 1.1 * (grid[1] - grid[0]) + 0.0006
    inside = smoothstep(np.minimum(grid - grid[0], grid[-1] - grid), -1e-3, 1e-3)
    for _ in range(3):
        heights = []
        for mine, (_, _, sign) in zip(edges_of, sides, strict=True):
            close = np.abs(p[mine, 0][None] - grid[:, None]) < reach
            height = np.where(close, sign * p[mine, 1][None], -np.inf).max(axis=1)
            heights.append(sign * np.where(np.isfinite(height), height, sign * low[1]))
        gap = np.clip(heights[0] - heights[1] + LIP_OVERLAP, 0.0, LIP_GAP) * inside * amount
        gap = np.convolve(np.pad(gap, 3, mode="edge"), np.ones(7) / 7, mode="valid")
        for mine, (near, _, sign) in zip(moved, sides, strict=True):
            weight = 0.5 * smoothstep(near[mine], 9.5, 2.5)
            p[mine, 1] += sign * weight * np.interp(p[mine, 0], grid, gap, left=0.0, right=0.0)
    return p
