"""What more data would bring: how good networks become that learn from fewer people.

All points are trained alike, with equally many steps, and judged on the same validation people. The people of a point
are among those of the next. Nothing is fitted to the four points: the excess error that a lack of data causes falls
with some power of their number, from 0 (not at all) to 1 (as the variance of a mean), so what the next doubling brings
is taken to lie between half of what the last one brought and all of it. Of one fixed face, blocks of frames stand for
people, as in `coverage`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.files import beside
from app.training.judge import Judgement
from app.training.metrics import psnr

HALVINGS = 3  # of the people: an eighth is the least
MODELS = ("generalist", "experts")
FILES = ("learning_curve.json", "learning_curve.png")


@dataclass(frozen=True)
class Point:
    """Networks that learned from so many people, and how they were judged."""

    people: int
    judged: Judgement

    def plain(self) -> dict[str, Any]:
        """The point as JSON values."""
        errors = {model: self.judged.errors[model].tolist() for model in MODELS}
        return {"people": self.people, "errors": errors, "pixels": self.judged.pixels.tolist()}

    @staticmethod
    def parse(values: dict[str, Any]) -> "Point":
        """The point that `plain` made them of."""
        errors = {model: np.array(values["errors"][model]) for model in MODELS}
        return Point(values["people"], Judgement(errors, np.array(values["pixels"])))


@dataclass(frozen=True)
class Gain:
    """What a doubling of the people brought.

    Attributes:
        people: how many there were before and after.
        db: the gain.
        standard_error: of it: what other validation people would change (jackknife); NaN if there is but one.
    """

    people: tuple[int, int]
    db: float
    standard_error: float

    def __str__(self) -> str:
        known = np.isfinite(self.standard_error)
        return f"{self.db:+.2f} dB" + (f" (give or take {2.0 * self.standard_error:.2f})" if known else "")


def sizes(people: int) -> list[int]:
    """Numbers of people to train with, ascending: an eighth, a quarter, half and all, where these are people at all."""
    return sorted({people >> halving for halving in range(HALVINGS + 1) if people >> halving})


def last_gain(points: Sequence[Point], model: str) -> Gain:
    """What the last doubling of at least two points brought."""
    before, after = points[-2], points[-1]
    pixels = after.judged.pixels

    def gain(errors: Sequence[float], count: float) -> float:
        return psnr(errors[1] / count) - psnr(errors[0] / count)

    errors = [point.judged.errors[model] for point in (before, after)]
    whole = gain([float(error.sum()) for error in errors], float(pixels.sum()))
    n, standard_error = len(pixels), float("nan")
    if n > 1:
        left = [gain([float(e.sum() - e[i]) for e in errors], float(pixels.sum() - pixels[i])) for i in range(n)]
        standard_error = float(np.sqrt((n - 1) / n * np.square(np.array(left) - np.mean(left)).sum()))
    return Gain((before.people, after.people), whole, standard_error)


def outlook(points: Sequence[Point], unit: str = "people") -> str:
    """Say in a sentence what twice the people would bring; `unit` is what they are called (`Coverage.unit`)."""
    if len(points) < 2:
        return f"There are too few {unit} to say what more of them would bring."
    found, generalist = (last_gain(points, model) for model in ("experts", "generalist"))
    who, gained = "experts", f"{found}, the generalist {generalist}"
    errors = [point.judged.errors for point in points[-2:]]
    if all(np.array_equal(one["experts"], one["generalist"]) for one in errors):
        who, gained = "generalist", str(generalist)  # no hash had an expert
    from_, to = found.people
    low, high = sorted((found.db / 2.0, found.db))
    return (
        f"From {from_:,} to {to:,} {unit} the {who} gained {gained}; twice the {unit} would bring the {who} about "
        f"{low:+.2f} to {high:+.2f} dB more."
    )


def write_learning_curve(folder: Path, points: Sequence[Point], unit: str = "people") -> None:
    """Write FILES into a folder; `unit` as in `outlook`."""
    from app.training.plots import plot_learning_curve

    db = {model: [round(point.judged.db(model), 3) for point in points] for model in MODELS}
    found: dict[str, Any] = {"people": [point.people for point in points], "db": db, "outlook": outlook(points, unit)}
    if len(points) > 1:
        gains = {model: last_gain(points, model) for model in MODELS}
        found["last_gain_db"] = {model: round(gain.db, 3) for model, gain in gains.items()}
        found["doubt_db"] = {
            model: round(2.0 * gain.standard_error, 3) if np.isfinite(gain.standard_error) else None
            for model, gain in gains.items()
        }
    values, picture = (folder / name for name in FILES)
    with beside(values) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
    with beside(picture) as temporary:
        plot_learning_curve(temporary, found["people"], db, unit)
