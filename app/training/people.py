"""Who appears in a data set: random people, each in one split only.

A person is decided by its seed. The last digit of the seed says to which split it belongs, in whatever data set:
1 is for validation, 3 held out, all others train (`manifest.split_of_number`, as for blocks). So no network
that was trained on any data set has seen a person that judges in any other.
"""

from typing import Any, Protocol

import numpy as np

from app.errors import InputError
from app.scene.model import Part
from app.training.manifest import SPLIT_PERIOD, SPLITS, PersonInfo, split_of_number

FEWEST = 3  # people: one a split


class People(Protocol):
    """Somebody who makes heads."""

    @property
    def description(self) -> dict[str, Any]:
        """What decides a head besides PersonInfo: plain JSON values."""
        ...

    def draw(self, seed: int, expression: int) -> PersonInfo:
        """A plausible person, decided by `seed`, with an expression that the seed `expression` decides."""
        ...

    def parts(self, person: PersonInfo) -> tuple[Part, ...]:
        """The person's head in its expression; at least one part is face."""
        ...


def cast(people: People, seed: int, block: int, split: str, *, limit: int | None, held_out: bool) -> PersonInfo:
    """Choose whom a block shows, with what expression.

    Args:
        people: makes them.
        seed: of the data set.
        block: the block's number.
        split: the one it belongs to.
        limit: how many people the set has at most; they come back with other expressions. None: no limit.
        held_out: whether the whole set is held out.
    """
    digits = [digit for digit in range(SPLIT_PERIOD) if split_of_number(digit) == split]
    period, position = divmod(block, SPLIT_PERIOD)
    rank = block if held_out else period * len(digits) + digits.index(position)  # among the split's blocks
    if limit is not None:
        rank %= limit if held_out else people_of_split(limit, split)
    key = SPLITS.index(split)
    luck = int(_random(seed, 3, key, rank)) >> 15  # with one more digit, a seed stays exact as a JSON number
    return people.draw(luck * SPLIT_PERIOD + digits[luck % len(digits)], int(_random(seed, 4, key, block)) >> 12)


def people_of_split(limit: int, split: str) -> int:
    """How many of `limit` people a split gets: a tenth each, but one at least, to judge by."""
    judges = max(1, round(limit / SPLIT_PERIOD))
    return limit - 2 * judges if split == "train" else judges


def check_limit(limit: int | None, held_out: bool) -> None:
    """Raise InputError if a set cannot do with so few people."""
    fewest = 1 if held_out else FEWEST
    if limit is not None and limit < fewest:
        reason = "" if held_out else ", so that training, validation and held-out scores have one each"
        raise InputError(f"A data set needs {fewest} people or more{reason}, not {limit}.")


def _random(seed: int, *key: int) -> np.uint64:
    """A random number that (seed, key) decides; `situations.draw` uses the keys 0, 1 and 2."""
    number: np.uint64 = np.random.SeedSequence(entropy=seed, spawn_key=key).generate_state(1, np.uint64)[0]
    return number
