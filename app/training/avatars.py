"""People from the avatar generator, for data sets."""

import hashlib
from typing import Any

from app.scene.avatar.build import build_avatar
from app.scene.avatar.parameters import BY_NAME, PARAMETERS
from app.scene.avatar.person import Person
from app.scene.avatar.sample import sample
from app.scene.model import Part
from app.training.manifest import PersonInfo

GENERATOR = 5  # to be raised whenever the same values begin to make another head
PHOTOGRAPH = ("camera", "light")  # groups of parameters that say nothing about the person


class Avatars:
    """People from the avatar generator."""

    @property
    def description(self) -> dict[str, Any]:
        """The generator's version, and a digest of its table of parameters: recorded values lean on its defaults."""
        rows = [(p.name, p.low, p.high, p.default) for p in PARAMETERS if p.group not in PHOTOGRAPH]
        return {"generator": GENERATOR, "parameters": hashlib.sha256(repr(rows).encode()).hexdigest()[:12]}

    def draw(self, seed: int, expression: int) -> PersonInfo:
        """See `People`."""
        moved = sample(expression, expression=True).values
        values = {**sample(seed).values, **{n: v for n, v in moved.items() if BY_NAME[n].group == "expression"}}
        changed = {
            name: value
            for name, value in values.items()
            if value != BY_NAME[name].default and BY_NAME[name].group not in PHOTOGRAPH
        }
        return PersonInfo(seed, changed)

    def parts(self, person: PersonInfo) -> tuple[Part, ...]:
        """See `People`."""
        return build_avatar(Person(person.values, person.seed))
