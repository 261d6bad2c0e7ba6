"""What a parameter of a person is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One dial.

    Attributes:
        name: "group.word", as people type it after --set.
        low, high: its range, both ends allowed.
        default: of the person that no one asked for in particular.
        meaning: what it does, for `bungyo avatar --list`; says what the two ends look like.
    """

    name: str
    low: float
    high: float
    default: float
    meaning: str

    @property
    def group(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]
