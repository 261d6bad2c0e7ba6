"""Who makes things on the GPU and closes them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Protocol, Self, TypeVar


class Closes(Protocol):
    """What holds something until `close()`, which may be called twice."""

    def close(self) -> None:
        """Release it."""


_T = TypeVar("_T", bound=Closes)
_Entered = TypeVar("_Entered")


class Owner:
    """Closes what it owns, last first; a context manager. By itself it is a group of things that are replaced together.

    A constructor makes things inside `with self.building():`, so that one that fails half way leaves nothing.
    """

    def __init__(self) -> None:
        self._owned: list[Closes] = []

    def own(self, thing: _T) -> _T:
        """Take over a thing. Returns it."""
        self._owned.append(thing)
        return thing

    def enter(self, manager: AbstractContextManager[_Entered]) -> _Entered:
        """Enter a context manager, which is left in its turn when what is owned is closed. Returns what it yields."""
        return self.own(ExitStack()).enter_context(manager)

    def let_go(self, thing: _T) -> _T:
        """Own a thing no longer: the caller closes it. Returns it."""
        self._owned = [other for other in self._owned if other is not thing]
        return thing

    @contextmanager
    def building(self) -> Iterator[None]:
        """Close whatever is owned if the block raises."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release everything on the GPU that is owned, whatever one of the things raises. Harmless when repeated."""
        with ExitStack() as stack:
            for thing in self._owned:
                stack.callback(thing.close)
            self._owned = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
