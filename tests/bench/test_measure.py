"""Rounds: every part has its turn in each, and none begins that would probably end too late."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Generic, Self, TypeVar

import pytest

from app.bench import frames, measure
from app.bench.view import Description, FrameCost, View
from app.errors import InputError
from app.gpu import Device
from app.scene_options import SceneOptions

Part = TypeVar("Part")

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


def test_passes_are_of_frames_at_rest_unless_they_gather_light_or_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that do draw the other passes as well, which take longer there, as does the first frame after one."""

    class Machine(Generic[Part]):
        def __init__(self, *_: object) -> None:
            self.rests = False

        def ask(self, question: Callable[..., Any], *args: Any) -> Any:
            if question is View.describe:
                return VIEW
            if question is View.variant:
                return "float-12"
            rests, self.rests = self.rests, args == ("neural", True)
            if question is View.gathering:
                return FrameCost(90.0, 1.0, {"gbuffer": 9.0, "composite": 2.0, "light cache": 70.0})
            assert question is View.still
            if args == ("reference",):
                return FrameCost(60.0, 1.0, {"reference": 50.0, "composite": 3.0})
            slower = 1.0 if rests else 3.0
            return FrameCost(9.0, 1.0, {"triangles": 2.0, "gbuffer": 4.0 * slower, "composite": slower})

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(measure, "Worker", Machine)
    wanted = {"gbuffer": 4.0, "composite": 1.0, "light cache": 70.0, "reference": 50.0}
    report = measure.measure_passes(SceneOptions(), tuple(wanted), 2, counted)
    assert report["passes_ms"] == {name: {"median": took, "min": took, "max": took} for name, took in wanted.items()}


@pytest.mark.parametrize("passes", [(), ("gbuffer",)])
def test_a_device_without_a_clock_is_named(
    passes: tuple[str, ...], gpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is drawn: passes alone came as a table without a line."""

    @contextmanager
    def opened(*_: object, **__: object) -> Iterator[Device]:
        monkeypatch.setattr(gpu, "info", replace(gpu.info, timestamp_period_ns=0.0))
        yield gpu

    def started(*_: object, **__: object) -> None:
        raise AssertionError("a view was opened")

    monkeypatch.setattr(measure, "open_device", opened)
    for module in (measure, frames):
        monkeypatch.setattr(module, "Worker", started)
    with pytest.raises(InputError, match="has no clock"):
        if passes:
            measure.measure_passes(SceneOptions(), passes, 1, counted)
        else:
            measure.measure_all(SceneOptions(), 1, counted)
