"""A part of the bench in a process of its own: it answers questions one at a time and sleeps in between.

Processes, because memory must be one view's alone, and because sgemm must start without the settings of a BLAS that
somebody made for other work. Asking them in turn lets a machine that is busy for a while slow all parts alike.
"""

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

from app.errors import BungyoError
from app.interruption import interrupts_held

Part = TypeVar("Part")
Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")


class Worker(Generic[Part]):
    """Runs `make(*arguments)`, a context manager, in a process of its own. A context manager itself.

    Args:
        make: a class or function at the top of a module; what its `with` yields is the part.
        arguments: for `make`; must be picklable.
        without: environment variables that the process must not see.
    """

    def __init__(
        self, make: Callable[..., AbstractContextManager[Part]], *arguments: Any, without: Sequence[str] = ()
    ) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would share this one's memory and threads
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, make, arguments), daemon=True)
        with _unset(without), interrupts_held():
            self._process.start()
        theirs.close()

    def ask(
        self, question: Callable[Concatenate[Part, Arguments], Answer], *args: Arguments.args, **named: Arguments.kwargs
    ) -> Answer:
        """Return `question(part, ...)`, called over there; a method of the part's class, for example.

        Raises:
            BungyoError: the part could not be made, the question failed, or the process died.
        """
        try:
            self._pipe.send((question, args, named))
            succeeded, answer = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise BungyoError(f"A measuring process ended by itself (status {self._process.exitcode}).") from error
        if not succeeded:
            raise answer
        result: Answer = answer
        return result

    def close(self, patience: float = 5.0) -> None:
        """End the process, by force after `patience` seconds."""
        self._pipe.close()  # it takes that for the end, after the question it is at
        self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(5.0 if error is None else 0.0)


class _Over(Exception):
    """Nobody asks any more."""


@contextmanager
def _noticing_the_end() -> Iterator[None]:
    """Around what is done with the pipe alone: a part may raise the same errors for reasons of its own."""
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise _Over from error


def _serve(pipe: Connection, make: Callable[..., AbstractContextManager[Any]], arguments: tuple[Any, ...]) -> None:
    """What the process does: answer until nobody asks any more."""
    asked = False
    try:
        try:
            with make(*arguments) as part:
                while True:
                    with _noticing_the_end():
                        question, args, named = pipe.recv()
                    asked = True
                    answer = question(part, *args, **named)
                    with _noticing_the_end():
                        pipe.send((True, answer))
                    asked = False
        except _Over:
            return
        except BungyoError as error:
            failure = error
        except Exception as error:
            failure = BungyoError(f"Measuring failed ({type(error).__name__}: {error}).", traceback.format_exc())
        with _noticing_the_end():
            if not asked:  # the part could not be made: the answer to the first question
                pipe.recv()
            pipe.send((False, failure))
    except _Over:
        return


@contextmanager
def _unset(names: Sequence[str]) -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)
