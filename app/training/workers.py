"""An engine of several local processes, each with a device of its own.

They make frames and nothing else; this process alone writes. What a process that died had not handed over is made
again by a new one. Frames depend on plan and number only, so the data set is the one that a single process makes.
"""

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Self, TypeAlias

from app.errors import BungyoError, InputError
from app.interruption import interrupts_held
from app.training.frames import FrameSource, Made, Plan, make_frames

MakeSource: TypeAlias = Callable[[int, int], AbstractContextManager[FrameSource]]
"""Opens the source of worker number k of n. Goes to another process, so it must be picklable."""

TRIES = 3  # of a block whose processes die; a block that kills them all would do so for ever
PATIENCE = 5.0  # seconds until a process that should end is made to


class Failure(NamedTuple):
    """An error on its way from a worker."""

    bad_input: bool
    message: str
    hint: str

    @classmethod
    def of(cls, error: Exception) -> Self:
        """What there is to say about an error."""
        if isinstance(error, BungyoError):
            return cls(isinstance(error, InputError), error.message, error.hint)
        return cls(False, f"Something unforeseen went wrong in a worker ({type(error).__name__}: {error}).", "")

    def error(self) -> BungyoError:
        """The error again."""
        return (InputError if self.bad_input else BungyoError)(self.message, self.hint)


def check_tries(tries: Counter[int], job: Sequence[int], reason: str) -> None:
    """Count that a job's worker was lost; BungyoError once that has happened too often."""
    tries[job[0]] += 1
    if tries[job[0]] >= TRIES:
        raise BungyoError(f"Frames {job[0]} to {job[-1]} were given up: {TRIES} workers in a row died ({reason}).")


@dataclass
class _Worker:
    """A process, our end of its pipe, and the frames of its job that are still to come."""

    process: BaseProcess
    pipe: "Connection[Any, Any]"
    job: list[int]

    def end(self, patience: float) -> None:
        self.pipe.close()  # it takes that for the end
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


class Workers:
    """An `Engine` of `count` processes of this machine. A context manager; leaving it ends them.

    After an error in `make`, or when its frames were not all taken, workers are still busy: leave it then.

    Args:
        make_source: opens a worker's source.
        count: how many, >= 1.

    Raises:
        InputError, BungyoError: a source could not be opened.
    """

    def __init__(self, make_source: MakeSource, count: int) -> None:
        self._make_source, self._count = make_source, count
        self._workers: list[_Worker] = []
        try:
            self._workers = [self._start(number) for number in range(count)]
            self._description: dict[str, Any] = self._expect(self._workers[0])
        except BaseException:
            self._end(0.0)
            raise

    @property
    def description(self) -> dict[str, Any]:
        """See `generate.Engine`."""
        return self._description

    def make(self, plan: Plan, jobs: Sequence[Sequence[int]]) -> Generator[Made, None, None]:
        """See `generate.Engine`."""
        waiting = deque(list(job) for job in jobs)
        tries: Counter[int] = Counter()
        for worker in self._workers:
            self._next(worker, plan, waiting)
        while busy := [worker for worker in self._workers if worker.job]:
            ready = wait([worker.pipe for worker in busy])
            for worker in busy:
                if worker.pipe not in ready:
                    continue
                try:
                    made = self._expect(worker)
                except (EOFError, OSError):
                    number = self._workers.index(worker)
                    worker.end(PATIENCE)
                    check_tries(tries, worker.job, f"status {worker.process.exitcode}")
                    waiting.appendleft(worker.job)
                    worker = self._workers[number] = self._start(number)
                else:
                    if isinstance(made, dict):  # of a worker that has just started
                        continue
                    worker.job.remove(made.info.index)
                    yield made
                if not worker.job:
                    self._next(worker, plan, waiting)

    def _start(self, number: int) -> _Worker:
        spawn = multiprocessing.get_context("spawn")  # a fork would share this one's GPU
        pipe, theirs = spawn.Pipe()
        arguments = (theirs, self._make_source, number, self._count)
        process = spawn.Process(target=_serve, args=arguments, daemon=True, name=f"bungyo worker {number}")
        with interrupts_held():
            process.start()
        theirs.close()
        return _Worker(process, pipe, [])

    @staticmethod
    def _next(worker: _Worker, plan: Plan, waiting: deque[list[int]]) -> None:
        if waiting:
            worker.job = waiting.popleft()
            with suppress(OSError):  # it has died already, and is found out when its answer is read
                worker.pipe.send((plan, worker.job))

    @staticmethod
    def _expect(worker: _Worker) -> Any:
        answer = worker.pipe.recv()
        if isinstance(answer, Failure):
            raise answer.error()
        return answer

    def _end(self, patience: float) -> None:
        for worker in self._workers:
            worker.end(patience)
        self._workers = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end(PATIENCE if kind is None else 0.0)


def _serve(pipe: "Connection[Any, Any]", make_source: MakeSource, number: int, count: int) -> None:
    """A worker's life: say what its source is, then make the frames of one job after the other."""
    with suppress(EOFError, OSError):  # nobody is there any more
        try:
            with make_source(number, count) as source:
                pipe.send(source.description)
                while True:
                    plan, job = pipe.recv()
                    for made in make_frames(source, plan, job):
                        pipe.send(made)
        except (EOFError, ConnectionError):
            pass
        except Exception as error:
            pipe.send(Failure.of(error))
