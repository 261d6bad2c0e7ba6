"""Parts of the bench in processes of their own."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.bench.worker import Worker
from app.errors import BungyoError, InputError


class Adder:
    def __init__(self, total: int) -> None:
        self.total = total

    def add(self, value: int, *, times: int = 1) -> int:
        if value < 0:
            raise ValueError("only upwards")
        self.total += value * times
        return self.total

    def read(self) -> None:
        raise EOFError("the file is cut off")

    def leave(self) -> None:
        os._exit(7)

    def hears_interrupts(self) -> bool:
        return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def variable(self, name: str) -> str | None:
        return os.environ.get(name)


@contextmanager
def adder(start: int) -> Iterator[Adder]:
    if start < 0:
        raise InputError("The start is negative.", "Take another.")
    yield Adder(start)


def test_a_part_lives_on_between_questions() -> None:
    with Worker(adder, 5) as worker:
        assert worker.ask(Adder.add, 3) == 8
        assert worker.ask(Adder.add, 3, times=4) == 20


def test_errors_come_back_as_the_users() -> None:
    with Worker(adder, -1) as worker, pytest.raises(InputError, match="The start is negative") as caught:
        worker.ask(Adder.add, 1)
    assert caught.value.hint == "Take another."
    with Worker(adder, 1) as worker, pytest.raises(BungyoError, match=r"ValueError: only upwards"):
        worker.ask(Adder.add, -1)
    with Worker(adder, 1) as worker, pytest.raises(BungyoError, match=r"EOFError: the file is cut off"):
        worker.ask(Adder.read)
    with Worker(adder, 1) as worker, pytest.raises(BungyoError, match="status 7"):
        worker.ask(Adder.leave)


def test_hindrances_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("BUNGYO_OTHER", "kept")
    with Worker(adder, 1, without=("OPENBLAS_CORETYPE", "NOT_SET")) as worker:
        assert worker.ask(Adder.variable, "OPENBLAS_CORETYPE") is None
        assert worker.ask(Adder.variable, "BUNGYO_OTHER") == "kept"
    assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"


def test_a_terminal_s_interrupt_is_for_the_process_that_asks() -> None:
    """Workers would each print a traceback."""
    with Worker(adder, 1) as worker:
        assert not worker.ask(Adder.hears_interrupts)


def test_only_what_ends_in_order_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C more than a dozen workers, at a question each, would take a minute to end."""
    close, patience = Worker.close, []

    def closed(worker: Worker[Adder], seconds: float) -> None:
        patience.append(seconds)
        close(worker, seconds)

    monkeypatch.setattr(Worker, "close", closed)
    with Worker(adder, 1):
        pass
    with pytest.raises(KeyboardInterrupt), Worker(adder, 1):
        raise KeyboardInterrupt
    assert patience[0] > patience[1] == 0.0


@contextmanager
def lingering(late: Path) -> Iterator[Adder]:
    try:
        yield Adder(0)
    finally:
        time.sleep(20.0)
        late.touch()


def test_a_part_that_does_not_end_is_ended(tmp_path: Path) -> None:
    late = tmp_path / "late"
    worker = Worker(lingering, late)
    assert worker.ask(Adder.add, 1) == 1
    worker.close(patience=0.0)
    assert not late.exists()
