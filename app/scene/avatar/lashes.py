"""Lashes along the lids' front edges."""

import numpy as np

from app.arrays import F64
from app.scene.avatar.head_shape import Eye
from app.scene.avatar.person import Person
from app.scene.avatar.strands import Hairs
from app.scene.model import normalized

_RINGS = 5
_UP = np.array([0.0, 1.0, 0.0])


def strands(person: Person, eyes: tuple[Eye, Eye]) -> Hairs | None:
    """Lashes of both eyes; mascara makes them longer, thicker and closer together."""
    dials, mascara = person.group("lash"), person["lash.mascara"]
    dense = min(1.3, dials["density"] + 0.4 * mascara)
    rng = person.rng("hair.lashes")
    curves, widths = [], []
    for eye in eyes:
        beside = 1.0 if eye.center[0] > 0.0 else -1.0
        for upper, half in zip((True, False), _halves(eye, beside), strict=True):
            count = round((170 if upper else 80) * dense)
            if count == 0:
                continue
            curves.append(_curves(half, eye, beside, upper, count, rng, 0.75 + 0.6 * dials["length"] + 0.2 * mascara))
            widths.append(rng.uniform(0.10, 0.14, count) * (1.0 if upper else 0.75) * (1.0 + 0.6 * mascara) * 1e-3)
    if not curves:
        return None
    t = np.linspace(0.0, 1.0, _RINGS)
    basis = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    points = np.einsum("rk,skd->srd", basis, np.concatenate(curves))
    width = np.concatenate(widths)[:, None] * (1.0 - 0.7 * t)
    return Hairs(points, width, np.zeros(len(points), np.int64))


def _halves(eye: Eye, beside: float) -> tuple[F64, F64]:
    """The upper and the lower half of the margin, each from the inner corner to the outer one."""
    x = eye.margin[:, 0] * beside
    inner, outer = int(x.argmin()), int(x.argmax())
    loop = np.roll(eye.margin, -inner, axis=0)
    split = (outer - inner) % len(loop)
    one, other = loop[: split + 1], np.concatenate([loop[split:], loop[:1]])[::-1]
    return (one, other) if one[:, 1].mean() > other[:, 1].mean() else (other, one)


def _curves(half: F64, eye: Eye, beside: float, upper: bool, count: int, rng: np.random.Generator, long: float) -> F64:
    """Quadratic Bezier curves (count,3,3) in metres; `beside` is the sign of x towards the eye's outer corner."""
    steps = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(half, axis=0), axis=1)))
    t = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    where = (0.14 + 0.85 * t) * steps[-1]
    root = np.stack([np.interp(where, steps, half[:, k]) for k in range(3)], axis=1)
    reach = np.interp(t, [0.0, 0.35, 0.8, 1.0], [4.2, 6.8, 8.0, 6.6] if upper else [2.0, 3.2, 4.0, 3.4]) * 1e-3
    reach = (long * reach * rng.uniform(0.7, 1.12, count))[:, None]
    fan = np.interp(t, [0.0, 0.5, 1.0], [-0.45, 0.05, 0.85]) + rng.normal(0.0, 0.08, count)
    fan = np.stack([beside * fan, np.zeros(count), np.zeros(count)], axis=1)
    # Lashes turn with the lid: an open upper lid stands about 0.4 radii above the eye's centre, the lower below.
    ahead = (root - eye.center) / eye.radius * [0.35, 1.0, 1.0] - [0.0, 0.4 if upper else -0.4, 0.0]
    ahead = normalized(ahead)
    up = normalized(_UP - ahead * ahead[:, 1:2])
    lean = rng.normal(0.0, 0.07, (count, 1))
    if upper:
        middle = root + reach * (0.52 * ahead + 0.30 * fan - 0.02 * up)
        tip = root + reach * (0.72 * ahead + 0.62 * fan + (0.52 + lean) * up)
    else:
        middle = root + reach * (0.42 * ahead + 0.28 * fan - 0.30 * up)
        tip = root + reach * (0.75 * ahead + 0.55 * fan - (0.52 + lean) * up)
    return np.stack([root - 2e-4 * ahead, middle, tip], axis=1)
