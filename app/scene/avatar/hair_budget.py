"""What the triangles of the head's hair are spent on: how many strands, of how many points, how wide."""

from dataclasses import dataclass

import numpy as np

from app.arrays import F64, I64
from app.scene.avatar import curls
from app.scene.avatar.hairline import reach
from app.scene.avatar.person import Person
from app.scene.avatar.strands import triangles

_CROPPED_TO, _SHORT_TO = 0.011, 0.045  # metres
_TIGHT = 0.5  # hair.curl
_STRAIGHT, _WAVED = 0.032, 0.018  # metres from point to point
_FEWEST, _MOST = 4, 22  # points of a strand that does not curl
_COVER = 1.6e-3  # width of curls in metres times the square root of thousands of strands: fewer are to cover as much
_WIDEST = 0.9e-3  # metres; long curls cover enough


@dataclass(frozen=True)
class Budget:
    """What a kind of hair is made of.

    Attributes:
        triangles: at density 1.
        combed: points of a strand as it is combed over the head.
        curled: whether it is wound.
    """

    triangles: int
    combed: int
    curled: bool = False


CROPPED, SHORT = Budget(42_000, 3), Budget(47_500, 4)
LONG, WAVY = Budget(106_000, 11), Budget(106_000, 14)
CURLS, SHORT_CURLS = Budget(115_000, curls.COMBED, curled=True), Budget(55_000, curls.COMBED, curled=True)


def budget(person: Person) -> Budget:
    """Which kind of hair the dials ask for."""
    long, curl = reach(person), person["hair.curl"]
    if long < _CROPPED_TO:
        return CROPPED
    if curl >= curls.FROM:
        return SHORT_CURLS if long < _SHORT_TO and curl < _TIGHT else CURLS
    if long < _SHORT_TO:
        return SHORT
    return WAVY if person["hair.wave"] > 0.4 else LONG


def points(person: Person, length: F64) -> I64:
    """How many points (S,) strands of these lengths (S,) in metres need: waves and curls more than straight hair."""
    kind = budget(person)
    if kind is CROPPED:
        return np.full(len(length), CROPPED.combed)
    if kind.curled:
        return curls.points(length, person["hair.curl"])
    spacing = np.interp(person["hair.wave"], [0.1, 0.6], [_STRAIGHT, _WAVED])
    return np.asarray(np.clip(np.ceil(3.5 + length / spacing), _FEWEST, _MOST), np.int64)


def affordable(person: Person, counts: I64) -> int:
    """How many strands, of so many points as some (S,) have, the budget at density 1 has triangles for."""
    return round(budget(person).triangles / float(triangles(counts).mean()))


def width(person: Person, strands: int) -> float:
    """Width of a strand in metres where it is widest, in the middle of the hair; `strands` there are at density 1."""
    if budget(person).curled:
        return min(_COVER * float(np.sqrt(1000.0 / strands)), _WIDEST)
    return float(np.interp(reach(person), [0.011, 0.045, 0.10, 0.30], [0.42e-3, 0.55e-3, 0.65e-3, 0.95e-3]))
