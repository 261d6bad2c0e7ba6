"""Where hair can grow: makes roots.npz from the canonical head.

    python -m assets.avatar.hair.build      (in the project's root; some seconds)

A root is a place on a triangle of the skin, which all heads share, with its position on the canonical head, so that
hairlines and beards can be described in millimetres of one known face. Roots are in an order whose every beginning is
spread evenly over the skin: a smaller density takes fewer from the front of the list.
"""

from typing import Any

import numpy as np

from app.arrays import F64, I64, Bools
from app.files import atomic_write
from app.scene.assets import DEFAULT_HEAD
from app.scene.avatar.hair_roots import TABLE, piecewise
from app.scene.meshes import load_mesh

SCALP_ROOTS, BEARD_ROOTS = 14000, 8500
EAR = np.array(
    [(0.185, 0.83), (0.232, 0.80), (0.235, 0.74), (0.215, 0.69), (0.19, 0.645), (0.13, 0.59), (0.095, 0.61),
     (0.098, 0.68), (0.12, 0.76), (0.15, 0.82)]
)  # fmt: skip
"""Outline of an ear in the map, the groove behind it included; the other one is its mirror image about u = 0.5."""
LIPS = (0.5, 0.243, 0.098, 0.066)
"""Centre and half axes in the map of an ellipse over the lips and the hole between them."""
SCALP_BOTTOM = [(0, 45), (30, 52), (40, 48), (48, 32), (54, 12), (59, -8), (65, -26), (86, -28), (98, -26), (106, -38),
                (118, -56), (134, -70), (155, -80), (180, -84)]  # fmt: skip
"""Lowest height in mm where hair may grow by the angle from the front in degrees; hairlines are drawn above it."""
BEARD_TOP = [(0, -47), (16, -46), (26, -46), (40, -40), (52, -32), (62, -14), (70, 4), (82, 6), (92, -10), (100, -60)]
"""The highest height of a beard in the same terms."""


def main() -> None:
    """Write roots.npz beside this file."""
    skin = next(part.mesh for part in load_mesh(DEFAULT_HEAD) if part.face)
    assert len(skin.triangles) < 65536
    triangle, weights = _spread(skin.positions.astype(np.float64), skin.triangles.astype(np.int64))
    corners = skin.triangles[triangle]
    uv, rest = (np.einsum("kc,kcd->kd", weights, values[corners]) for values in (skin.uvs, skin.positions))
    x, y, z = rest.T * 1e3
    azimuth = np.degrees(np.arctan2(np.abs(x), z + 15))
    folded = np.stack([0.5 - np.abs(uv[:, 0] - 0.5), uv[:, 1]], axis=1)
    free = ~_inside(folded, EAR)
    scalp = free & (y > piecewise(azimuth, SCALP_BOTTOM))
    lips = ((uv[:, 0] - LIPS[0]) / LIPS[2]) ** 2 + ((uv[:, 1] - LIPS[1]) / LIPS[3]) ** 2 < 1.0
    beard = free & ~lips & (y < piecewise(azimuth, BEARD_TOP)) & (azimuth < 100)
    beard &= (y + 0.55 * (95 - z) > -136) & (y > -122)
    tables: dict[str, Any] = {}
    for name, mask, count in (("scalp", scalp, SCALP_ROOTS), ("beard", beard, BEARD_ROOTS)):
        assert mask.sum() >= count, (name, int(mask.sum()))
        chosen = np.flatnonzero(mask)[:count]
        tables[f"{name}_triangle"] = triangle[chosen].astype(np.uint16)
        tables[f"{name}_weights"] = np.round(weights[chosen, 1:] * 65535).astype(np.uint16)
        tables[f"{name}_rest"] = np.round(rest[chosen] * 1e4).astype(np.int16)  # tenths of millimetres
    with atomic_write(TABLE) as temporary:
        np.savez_compressed(temporary, **tables)


def _spread(positions: F64, triangles: I64, count: int = 60000) -> tuple[I64, F64]:
    """Triangles (count,) and barycentric weights (count, 3), spread evenly over a mesh; so is every beginning of them.

    Triangles are strung on a curve through their centres that keeps neighbours together (Morton 1966), and points are
    dropped on it by area at the radical inverse of their number (van der Corput 1935).
    """
    corners = positions[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    center = corners.mean(axis=1)
    cells = ((center - center.min(axis=0)) / np.ptp(center, axis=0).max() * 1023).astype(np.int64)
    code = sum(((cells[:, axis] >> bit) & 1) << (3 * bit + axis) for axis in range(3) for bit in range(10))
    order = np.argsort(code, kind="stable")
    along = np.cumsum(area[order])
    where = _radical_inverse(np.arange(1, count + 1), 2) * along[-1]
    triangle = order[np.searchsorted(along, where, side="right").clip(0, len(order) - 1)]
    rng = np.random.default_rng(1)
    a, b = rng.random(count), rng.random(count)
    a, b = np.where(a + b > 1, 1 - a, a), np.where(a + b > 1, 1 - b, b)
    return triangle, np.stack([1 - a - b, a, b], axis=1)


def _radical_inverse(index: I64, base: int) -> F64:
    result, scale, rest = np.zeros(len(index)), 1.0 / base, index.copy()
    while rest.any():
        result += scale * (rest % base)
        rest //= base
        scale /= base
    return result


def _inside(points: F64, polygon: F64) -> Bools:
    """Which points (K, 2) lie in a polygon (L, 2), by the even-odd rule."""
    inside = np.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        crosses = (y0 > points[:, 1]) != (y1 > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (points[:, 0] < (x1 - x0) * (points[:, 1] - y0) / (y1 - y0) + x0)
    return inside


if __name__ == "__main__":
    main()
