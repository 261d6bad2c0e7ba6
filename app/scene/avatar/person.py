"""A person: a value for every parameter, and the seed of whatever no parameter decides."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.errors import InputError
from app.scene.avatar.parameters import BY_NAME, PARAMETERS


@dataclass(frozen=True)
class Person:
    """Values of all parameters.

    Args:
        values: by name; those not given have their defaults.
        seed: decides what parameters leave open: where moles sit, how each strand bends. >= 0.

    Raises:
        InputError: an unknown name, a value out of range or not finite, a negative seed, no ancestry at all.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the values and complete them."""
        if self.seed < 0:
            raise InputError(f"A person's seed must be 0 or more, not {self.seed}.")
        complete = {parameter.name: parameter.default for parameter in PARAMETERS}
        for name, value in self.values.items():
            if name not in BY_NAME:
                near = difflib.get_close_matches(name, BY_NAME, 1)
                hint = f"; did you mean {near[0]}?" if near else " (bungyo avatar --list shows all)."
                raise InputError(f"There is no parameter {name!r}{hint}")
            parameter = BY_NAME[name]
            if not (math.isfinite(value) and parameter.low <= value <= parameter.high):
                raise InputError(f"{name} must be {parameter.low:g} to {parameter.high:g}, not {value:g}.")
            complete[name] = float(value)
        if complete["person.african"] + complete["person.asian"] + complete["person.european"] <= 0.0:
            raise InputError("One of person.african, person.asian and person.european must be above 0.")
        object.__setattr__(self, "values", complete)

    def __getitem__(self, name: str) -> float:
        """The value of a parameter."""
        return self.values[name]

    def group(self, group: str) -> dict[str, float]:
        """Values of a group by the word after the dot."""
        return {name.partition(".")[2]: v for name, v in self.values.items() if name.startswith(group + ".")}

    @property
    def ancestry(self) -> tuple[float, float, float]:
        """Shares (african, asian, european), sum 1."""
        shares = np.array([self[f"person.{name}"] for name in ("african", "asian", "european")])
        african, asian, european = (shares / shares.sum()).tolist()
        return african, asian, european

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers for one purpose, the same whatever else is drawn."""
        key = [*purpose.encode()]
        return np.random.default_rng(np.random.SeedSequence(entropy=self.seed, spawn_key=key))
