"""Signals become exceptions, and wait where they must; no GPU."""

import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import interruption
from app.interruption import HANGING, signals_as_exceptions, uninterrupted

SIGNALS = pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)


class Clock:
    """The time, as the handler sees it."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(interruption, "time", clock)
    monkeypatch.setattr(interruption, "_state", interruption._State())
    return clock


@pytest.fixture
def handled(clock: Clock) -> Iterator[None]:
    with signals_as_exceptions():
        yield


@SIGNALS
@pytest.mark.usefixtures("handled")
def test_at_once(number: int, kind: type[BaseException]) -> None:
    with pytest.raises(kind) as caught:
        signal.raise_signal(number)
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 143


@SIGNALS
@pytest.mark.usefixtures("handled")
def test_after_the_outermost_block(number: int, kind: type[BaseException]) -> None:
    done = []
    with pytest.raises(kind), uninterrupted:
        with uninterrupted:
            signal.raise_signal(number)
            done.append("inner")
        signal.raise_signal(number)
        done.append("outer")
    assert done == ["inner", "outer"]
    with uninterrupted:
        pass  # both were one wish


@pytest.mark.usefixtures("handled")
def test_it_comes_in_place_of_an_error_of_the_block() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, uninterrupted:
        signal.raise_signal(signal.SIGINT)
        raise ValueError("the step failed")
    assert isinstance(caught.value.__context__, ValueError)


@pytest.mark.usefixtures("handled")
def test_another_one_ends_a_step_that_hangs(clock: Clock) -> None:
    with pytest.raises(SystemExit), uninterrupted:
        signal.raise_signal(signal.SIGINT)
        clock.now += HANGING / 2
        signal.raise_signal(signal.SIGTERM)
        clock.now += HANGING
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("still there")
    with uninterrupted:
        pass


@pytest.mark.usefixtures("handled")
def test_twice_at_the_same_moment_is_once(clock: Clock) -> None:
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    clock.now += 1.0
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)


@SIGNALS
@pytest.mark.usefixtures("handled")
def test_one_that_python_could_only_print_comes_with_the_next_block(
    number: int, kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    class Mortal:
        pass

    mortal = Mortal()
    weakref.finalize(mortal, signal.raise_signal, number)
    del mortal
    with pytest.raises(kind), uninterrupted:
        pass
    assert not capsys.readouterr().err


def test_other_unraisable_errors_are_shown_as_before(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    class Mortal:
        pass

    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: seen.append(lost.exc_type))
    with signals_as_exceptions():
        mortal = Mortal()
        weakref.finalize(mortal, fail)
        del mortal
    assert seen == [ZeroDivisionError]


@pytest.mark.usefixtures("handled")
def test_blocks_of_other_threads_hold_nothing_back() -> None:
    entered, leave = threading.Event(), threading.Event()
    failures = []

    def work() -> None:
        try:
            with uninterrupted:
                entered.set()
                leave.wait(30)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(30)
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    with uninterrupted:
        pass
    leave.set()
    thread.join()
    assert not failures


def test_handlers_are_put_back(clock: Clock) -> None:
    def own(number: int, frame: object) -> None:
        """A handler of the program around us."""

    before = {number: signal.signal(number, own) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = sys.unraisablehook
    try:
        with pytest.raises(KeyError), signals_as_exceptions():
            assert signal.getsignal(signal.SIGTERM) is not own
            raise KeyError
        assert all(signal.getsignal(number) is own for number in before)
        assert sys.unraisablehook is hook
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with signals_as_exceptions():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_without_our_handlers_nothing_is_held_back(clock: Clock) -> None:
    called = []
    before: Callable[..., object] | int | None = signal.signal(signal.SIGTERM, lambda *_: called.append(True))
    try:
        with uninterrupted:
            signal.raise_signal(signal.SIGTERM)
            assert called
    finally:
        signal.signal(signal.SIGTERM, before)


def test_processes_started_while_interrupts_are_held_never_hear_of_them(tmp_path: Path) -> None:
    """In a program of its own: the first process that one starts is the one that could differ."""
    program = tmp_path / "parent.py"
    program.write_text(
        """\
import multiprocessing
import signal

from app.interruption import interrupts_held


def held():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def report(pipe):
    pipe.send(held())


if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    for _ in range(2):
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=report, args=(theirs,))
        with interrupts_held():
            process.start()
        print(ours.recv(), held())
        process.join()
"""
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["True False", "True False"], done.stderr
