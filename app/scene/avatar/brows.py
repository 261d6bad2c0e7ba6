"""Brows: hairs along a line in the map, so that they rise and frown with the skin."""

import numpy as np

from app.arrays import F64
from app.scene.avatar import hair_color
from app.scene.avatar.hair_roots import places
from app.scene.avatar.person import Person
from app.scene.avatar.strands import Strands
from app.scene.model import Mesh

LINE = [(0.5191, 0.5182), (0.5236, 0.5236), (0.5409, 0.5369), (0.5592, 0.5501), (0.5784, 0.5618), (0.6006, 0.5682),
        (0.6208, 0.5677), (0.6441, 0.5646), (0.6586, 0.5626)]  # fmt: skip
"""The brow's middle line in the map, from its inner end; the person's left side."""
PER_MM = np.array([0.0023, 0.0030])
"""How far one millimetre reaches in the map there, on the canonical head."""
_RINGS = 4


def strands(person: Person, skin: Mesh) -> Strands | None:
    """Hairs of both brows: they rise at the inner end, turn outward along the ridge and meet on its middle line."""
    dials = person.group("brow")
    count = round(1500 * dials["density"])
    if count == 0:
        return None
    rng = person.rng("hair.brows")
    t_ring = np.linspace(0.0, 1.0, _RINGS)
    basis = np.stack([(1 - t_ring) ** 2, 2 * t_ring * (1 - t_ring), t_ring**2], axis=1)
    uvs, lifts, widths = [], [], []
    for mirrored in (False, True):
        curve, lift, width = _curves(dials, count, rng)
        uv = np.einsum("rk,skd->srd", basis, curve)
        uvs.append(np.stack([1.0 - uv[..., 0], uv[..., 1]], axis=-1) if mirrored else uv)
        lifts.append(np.einsum("rk,sk->sr", basis, lift))
        widths.append(width)
    uv, lift = np.concatenate(uvs), np.concatenate(lifts)
    positions, normals = places(uv.reshape(-1, 2), skin)
    points = (positions + normals * lift.reshape(-1, 1)).reshape(*lift.shape, 3)
    width = np.concatenate(widths)[:, None] * np.interp(t_ring, [0.0, 0.3, 1.0], [0.8, 1.0, 0.3])
    band = hair_color.bands(2 * count, max(0.0, 0.8 * person["hair.greying"] - 0.2), rng, single=True)
    return Strands(points, width, band, normals.reshape(points.shape), rng.normal(0.0, 0.5, 2 * count))


def _curves(dials: dict[str, float], count: int, rng: np.random.Generator) -> tuple[F64, F64, F64]:
    """Hairs as quadratic Bezier curves (count,3,2) in the map; their height (count,3) and width (count,) in metres."""
    line = np.array(LINE)
    t = rng.beta(1.3, 1.25, count)
    knots = np.linspace(0.0, 1.0, len(line))
    root = np.stack([np.interp(t, knots, line[:, k]) for k in range(2)], axis=1)
    across = np.clip(rng.normal(0.0, 0.5, count), -1.15, 1.15)
    thick = 0.45 + 1.5 * dials["thickness"]
    width = thick * np.interp(t, [0.0, 0.14, 0.55, 1.0], [1.9, 3.0, 2.6, 0.6])
    arch = 2.6 * dials["arch"] * np.interp(t, [0.0, 0.35, 0.68, 1.0], [-0.5, 0.2, 1.0, 0.0])
    root += np.stack([rng.normal(0.0, 0.7, count) - 0.35 * across * width, across * width + arch], axis=1) * PER_MM
    angle = np.interp(t, [0.0, 0.1, 0.3, 0.6, 0.8, 1.0], [84, 66, 40, 18, -10, -26])
    angle = angle - across * np.interp(t, [0.0, 0.25, 1.0], [4, 20, 16]) + rng.normal(0.0, 9.0, count)
    bent = angle - np.interp(t, [0.0, 0.5, 1.0], [16, 12, 8])
    length = np.interp(t, [0.0, 0.3, 0.75, 1.0], [5.5, 7.5, 7.0, 4.5]) * rng.uniform(0.6, 1.15, count)
    # Brows fade at their edges: hairs are shorter and finer there.
    edge = (1.0 - 0.45 * np.abs(across) / 1.15) * np.interp(t, [0.0, 0.15, 0.75, 1.0], [0.6, 1.0, 1.0, 0.6])
    length *= (0.6 + 0.8 * dials["length"]) * (0.4 + 0.6 * edge)

    def step(degrees: F64) -> F64:
        turn = np.radians(degrees)
        move: F64 = 0.5 * length[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1) * PER_MM
        return move

    middle = root + step(angle)
    curve = np.stack([root, middle, middle + step(bent)], axis=1)
    lift = np.stack([np.full(count, -1e-4), rng.uniform(0.7, 1.7, count) * 1e-3, rng.uniform(0.2, 0.8, count) * 1e-3])
    return curve, lift.T, rng.uniform(0.11, 0.18, count) * 1e-3 * edge
