"""Which roots of the scalp bear hair: the hairline, baldness, the parting."""

import numpy as np

from app.arrays import F64, Bools
from app.scene.avatar.hair_roots import Roots, piecewise
from app.scene.avatar.person import Person

HAIRLINE = [(0, 64), (14, 65), (28, 69), (38, 68), (47, 58), (54, 40), (60, 22), (65, -2), (70, -17), (84, -20),
            (92, -20), (98, -22), (104, -32), (114, -48), (130, -62), (150, -72), (180, -77)]  # fmt: skip
"""Height in mm of the hair's edge on the canonical head by the angle from the front in degrees, seen from above."""
LONGEST = 0.36  # metres
FURTHEST_PARTING = 38.0  # mm beside the middle
_PARTED_FROM = -30.0  # mm on the canonical head: where the parting ends, towards the crown
CROWN = (0.0, 86.0, -48.0)  # mm on the canonical head: where baldness of the crown starts
_SIDES_STAY = 1.1  # added to the recession that hair at the sides and the nape survives: more than there is


def reach(person: Person) -> float:
    """Length of the hair on top in metres."""
    length: float = 0.0012 + LONGEST * person["hair.length"] ** 2.2
    return length


def part_line(person: Person) -> float:
    """Where the parting runs: x in mm on the canonical head."""
    return FURTHEST_PARTING * person["hair.parting"]


def parted(person: Person) -> float:
    """0 for hair that lies as it grows .. 1 for hair long enough to fall to either side of a parting."""
    long_enough = min(max((reach(person) - 0.03) / 0.05, 0.0), 1.0)
    return long_enough * (1.0 - abs(person["hair.swept"])) * (1.0 - person["hair.curl"])


def growing(person: Person, roots: Roots) -> tuple[Bools, F64]:
    """Which roots (R,) bear hair, and how strong it is there: 0..1, weak at the hairline and around bald places."""
    rng = person.rng("hair.roots")
    x, y, z = roots.rest.T
    rough = 2.0 * np.sin(x * 0.31 + 1.3) * np.sin(z * 0.23) + 1.5 * np.sin(x * 0.83 - 0.4 * z)
    above = y - piecewise(roots.azimuth, HAIRLINE) + rough
    kept = rng.random(len(roots)) < np.clip((above + 4.0) / 9.0, 0.0, 1.0)
    left = survives(roots) + rng.normal(0.0, 0.03, len(roots)) - person["hair.recession"]
    strong = np.clip((above + 5.0) / 17.0, 0.12, 1.0) * np.clip(0.25 + left / 0.16, 0.0, 1.0)
    return kept & (left > 0.0), strong


def survives(roots: Roots) -> F64:
    """The recession (R,) that a root survives: temples go first, then the crown, then the top (Norwood 1975)."""
    x, y, z = roots.rest.T
    up = roots.elevation
    temple = np.exp(-(((np.abs(x) - 44.0) / 17.0) ** 2)) * np.clip((78.0 - up) / 30.0, 0.0, 1.0)
    front = 0.30 + np.clip(up - 25.0, 0.0, None) / 95.0 - 0.34 * temple
    crown = 0.42 + np.linalg.norm(roots.rest - CROWN, axis=1) / 95.0
    sides = np.clip((np.abs(x) - 50.0) / 10.0, 0.0, 1.0) + np.clip((52.0 - y) / 12.0, 0.0, 1.0) * (z < 20.0)
    stays: F64 = np.clip(sides, 0.0, 1.0) * (np.abs(x) > 20.0) * _SIDES_STAY
    nape = np.clip((40.0 - y) / 12.0, 0.0, 1.0) * (z < 0.0) * _SIDES_STAY
    survived: F64 = np.maximum(np.minimum(front, crown), 0.1) + np.maximum(stays, nape)
    return survived


def exposed(person: Person, roots: Roots, strong: F64) -> F64:
    """0 under hair that grows further up .. 1 at the hairline and the parting, where no such hair lies (R,).

    Args:
        strong: (R,) as `growing` returns it.
    """
    x, _, z = roots.rest.T
    beside = np.exp(-(((x - part_line(person)) / 12.0) ** 2)) * (z > _PARTED_FROM) * parted(person)
    return np.asarray(np.minimum(beside + 1.0 - strong, 1.0))


def parting(person: Person, roots: Roots) -> tuple[F64, F64]:
    """Where skin shows between the hair that falls to either side of a parting.

    Returns:
        How far roots lie beside the parting's line (R,), mm towards the person's left.
        How far to either side of it skin shows there (R,), mm; 0 where hair does not part.
    """
    x, _, z = roots.rest.T
    ragged = 0.9 + 0.3 * np.sin(0.3 * z + person.rng("hair.parting").uniform(0.0, 2.0 * np.pi))
    return x - part_line(person), ragged * (z > _PARTED_FROM) * (parted(person) > 0.5)
