"""Beards: from stubble to a full beard, by region of the face."""

import numpy as np

from app.arrays import F64, Bools
from app.scene.avatar import hair_color
from app.scene.avatar.hair_distance import SkinDistance
from app.scene.avatar.hair_roots import Roots, piecewise
from app.scene.avatar.person import Person
from app.scene.avatar.strands import Strands, tangents
from app.scene.model import normalized

TOP = [(0, -46), (16, -48), (26, -56), (36, -58), (46, -52), (58, -36), (66, -16), (72, 0), (82, 2), (90, -16),
       (100, -60)]  # fmt: skip
"""Height in mm of a full beard's upper edge on the canonical head by the angle from the front in degrees."""
MOUTH, MOUTH_CORNER = -62.0, 26.0  # mm: height of the line between the lips, and half its width
LONGEST = 0.09  # metres
_STUBBLE, _SHORT = 0.0035, 0.02  # metres: up to here strands have few segments
_LONG_STRANDS = 0.65  # share of the roots that bear longer hair, which covers more
_CLEARANCE = 3e-4


def reach(person: Person) -> float:
    """Length of the hair on the chin in metres."""
    length: float = 0.0012 + LONGEST * person["beard.length"] ** 2
    return length


def strands(person: Person, roots: Roots, skin: SkinDistance) -> Strands | None:
    """Lines of a beard, or None for the clean shaven."""
    rng = person.rng("hair.beard")
    kept, strong = _growing(person, roots, rng)
    chosen = np.flatnonzero(kept)
    if not len(chosen):
        return None
    long = reach(person)
    if long < _STUBBLE:  # single hairs, so twice as many
        chosen = np.tile(chosen, 2)
    elif long > _SHORT:
        chosen = chosen[: round(_LONG_STRANDS * len(chosen))]
    roots, strong = roots[chosen], strong[chosen]
    rings = 2 if long < _STUBBLE else 4 if long < _SHORT else 7
    length = long * rng.uniform(0.6, 1.1, len(roots)) * (0.35 + 0.65 * strong)
    lip = _above_lip(roots)
    length = np.where(lip, np.minimum(length, 0.006 + 0.35 * np.abs(roots.rest[:, 0]) * 1e-3), length)
    points = _comb(roots, length, lip, skin, rings, rng)
    points = _frizz(points, length, rng)
    points[:, 1:] = skin.pushed_out(points[:, 1:], _CLEARANCE)
    t = np.linspace(0.0, 1.0, rings)
    thick = np.interp(long, [0.001, 0.004, 0.02, 0.05], [0.33e-3, 0.33e-3, 0.45e-3, 0.8e-3])
    width = thick * (0.6 + 0.4 * strong)[:, None] * np.interp(t, [0.0, 0.5, 1.0], [0.9, 1.0, 0.3])
    grey = min(1.0, 1.2 * person["hair.greying"])
    outward = np.broadcast_to(roots.normals[:, None], points.shape)
    band = hair_color.bands(len(roots), grey, rng, single=long < _STUBBLE)
    return Strands(points, width, band, outward, rng.normal(0.0, 0.6, len(roots)))


def _above_lip(roots: Roots) -> Bools:
    x, y, z = roots.rest.T
    moustache: Bools = (y > MOUTH - 2.0) & (np.abs(x) < MOUTH_CORNER + 6.0) & (z > 70.0)
    return moustache


def _growing(person: Person, roots: Roots, rng: np.random.Generator) -> tuple[Bools, F64]:
    """Which roots (R,) bear hair, and how strong it is there, 0..1."""
    x, y, z = roots.rest.T
    rough = 2.5 * np.sin(0.27 * x + 1.0) * np.sin(0.21 * y) + 1.5 * np.sin(0.7 * y + 0.5 * x)
    below = piecewise(roots.azimuth, TOP) - y + rough
    lip, dials = _above_lip(roots), person.group("beard")
    chin = ~lip & (np.abs(x) < 27.0 + 0.15 * (MOUTH - y)) & (y < MOUTH + 2.0) & (z > 45.0)
    dial = np.where(lip, dials["moustache"], np.where(chin, dials["chin"], dials["cheeks"]))
    # What a dial leaves out last: the middle of the lip, the tip of the chin, the jaw.
    order = np.where(lip, (np.abs(x) - 3.0) / 36.0, np.where(chin, np.hypot(x / 34.0, (y + 88.0) / 55.0), 0.0))
    order = np.where(~lip & ~chin, 0.75 - below / 60.0, order)
    inside = np.clip((dial * 1.15 - 0.05 - order) / 0.12, 0.0, 1.0) * (dial > 0.0)
    inside *= np.where(lip, np.clip((below + 6.0) / 8.0, 0.0, 1.0), np.clip((below + 1.0) / 9.0, 0.0, 1.0))
    inside *= np.clip((y + 0.55 * (95.0 - z) + 132.0) / 14.0, 0.0, 1.0)  # fades out on the throat
    bare = np.exp(-(((np.abs(x) - 15.0) / 5.0) ** 2) - ((y - MOUTH + 13.0) / 4.5) ** 2)  # beside the lower lip
    bare = 0.8 * bare * (z > 70.0)
    chance = inside * (1.0 - bare) * dials["density"]
    return rng.random(len(roots)) < chance, np.clip(inside * (1.0 - bare), 0.15, 1.0)


def _comb(roots: Roots, length: F64, lip: Bools, skin: SkinDistance, rings: int, rng: np.random.Generator) -> F64:
    """Let hairs grow down and a little forward, those of the lip to the side: (S,rings,3)."""
    x = roots.rest[:, 0] / 30.0
    flow = np.stack([np.where(lip, 1.3 * x, 0.15 * x), np.full_like(x, -1.0), np.where(lip, 0.0, 0.12)], axis=1)
    flow = flow - (flow * roots.normals).sum(axis=1, keepdims=True) * roots.normals
    lift = rng.uniform(0.35, 0.75, len(x)) * np.where(lip, 0.7, 1.0)
    direction = normalized(normalized(flow) + lift[:, None] * roots.normals + rng.normal(0.0, 0.16, (len(x), 3)))
    aside = rng.normal(0.0, 0.0006, (len(x), 3))  # stubble has two hairs a root
    aside -= (aside * roots.normals).sum(axis=1, keepdims=True) * roots.normals
    position = roots.positions - 1e-4 * roots.normals + aside
    line = [position]
    for k in range(rings - 1):
        position = position + direction * (length / (rings - 1))[:, None]
        distance, outward = skin.sample(position)
        position = position + outward * np.maximum(0.0006 * k - distance, 0.0)[:, None]
        pull = np.clip(length / 0.05, 0.0, 1.0)[:, None] * [0.0, -0.35, 0.0]
        inward = np.clip(length / 0.03, 0.0, 1.0)[:, None] * [-0.35, 0.0, 0.0] * x[:, None]  # towards the chin's tip
        direction = normalized(direction + pull + np.where(lip[:, None], 0.0, inward))
        line.append(position)
    return np.stack(line, axis=1)


def _frizz(points: F64, length: F64, rng: np.random.Generator) -> F64:
    """Bend each hair its own way, more than on the head."""
    t = np.linspace(0.0, 1.0, points.shape[1])
    along = tangents(points)
    side = normalized(np.cross(along, rng.normal(0.0, 1.0, (len(points), 1, 3))), fallback=(1.0, 0.0, 0.0))
    wave = np.sin(t * rng.uniform(2.0, 7.0, (len(points), 1)) + rng.uniform(0.0, 6.3, (len(points), 1)))
    amplitude = np.minimum(0.10 * length, 0.0022)[:, None] * np.clip(3.0 * t, 0.0, 1.0)
    bent: F64 = points + (amplitude * wave)[..., None] * side
    return bent
