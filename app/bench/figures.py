"""Measured values and their spread."""

from collections.abc import Mapping, Sequence
from statistics import median


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return {"median", "min", "max"} of at least one value."""
    return {"median": float(median(values)), "min": float(min(values)), "max": float(max(values))}


def short(value: float) -> str:
    """Three digits or more, without a power of ten."""
    return f"{value:,.0f}" if value >= 1000.0 else f"{value:.{2 if value >= 10.0 else 3}f}"


class Samples:
    """Values by name, collected one at a time, in the order in which names first came."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        """Note one more value."""
        self._values.setdefault(name, []).append(value)

    def add_all(self, values: Mapping[str, float]) -> None:
        """Note one more value of each name."""
        for name, value in values.items():
            self.add(name, value)

    def spreads(self) -> dict[str, dict[str, float]]:
        """Return the spread of every name."""
        return {name: spread(values) for name, values in self._values.items()}
