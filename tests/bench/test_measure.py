"""Rounds: every part has its turn in each, and none begins that would probably end too late."""

from collections.abc import Iterator

import pytest

from app.bench import measure
from app.bench.view import Description

VIEW = Description("a GPU", "1.2", "discrete")


class Clock:
    """The time, which only goes on where something takes some."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def counted(steps: int, _what: str) -> Iterator[int]:
    return iter(range(steps))


@pytest.mark.parametrize(("asked", "made"), [(2, 2), (3, 3), (9, 3)])
def test_rounds_end_where_another_would_take_too_long(asked: int, made: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 30 s after 10 s for the start: three take 100 s, and a fourth would go beyond two minutes."""
    clock, turns = Clock(), ""
    monkeypatch.setattr(measure, "time", clock)

    def described() -> Description:
        clock.now += 10.0
        return VIEW

    def part(name: str, seconds: float) -> None:
        nonlocal turns
        turns += name
        clock.now += seconds

    parts = [lambda: part("a", 10.0), lambda: part("b", 20.0)]
    assert measure._run(described, parts, asked, counted) == (VIEW, made)
    assert turns == made * "ab"
