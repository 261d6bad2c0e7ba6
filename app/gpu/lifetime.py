"""Who owns which Vulkan object, and what is still alive."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from app.gpu.binding import Handle
from app.interruption import uninterrupted


class Ledger:
    """Counts Vulkan objects, and remembers the open resources in order of creation.

    Attributes:
        counts: those made and not destroyed, by kind.
        made: all that were ever made, by kind: what stays the same over some frames was not touched by them.
        resources: the open resources.
        wait_idle: waits for work that an exception (Ctrl-C) left running, and which may need any of them; None where
            there is none.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.resources: dict[int, Resource] = {}
        self.wait_idle: Callable[[], object] | None = None


# Objects of all devices and instances of this process: shows leaks even when a device failed to open.
_process = Counter[str]()
# Resources are made in other threads as well, beside the drawing.
_counting = threading.Lock()


def live_objects() -> dict[str, int]:
    """Vulkan objects made by this process and not destroyed, by kind ("VkBuffer": 3)."""
    return {kind: count for kind, count in _process.items() if count}


class Resource:
    """Something that owns Vulkan objects: destroys them in reverse order in `close()`, which may be called twice.

    A constructor does its work inside `with self.building():`, so that one that fails half way leaves nothing.
    `internal` marks what another resource or the device closes: being alive when the device closes is no leak.
    """

    def __init__(self, ledger: Ledger, name: str = "", *, internal: bool = False) -> None:
        self.name = name
        self.internal = internal
        self._ledger = ledger
        self._owned: list[tuple[str, Callable[[], object]]] = []
        self._closed = False
        ledger.resources[id(self)] = self

    def own(self, kind: str, handle: Handle, destroy: Callable[[], object]) -> Handle:
        """Take over `handle`, of Vulkan type `kind`; `destroy()` ends it. Returns the handle."""
        self._owned.append((kind, destroy))
        with _counting:
            self._ledger.counts[kind] += 1
            self._ledger.made[kind] += 1
            _process[kind] += 1
        return handle

    @contextmanager
    def building(self) -> Iterator[None]:
        """Close whatever was made if the block raises. Signals wait: what Vulkan has made is to be owned."""
        try:
            with uninterrupted:
                yield
        except BaseException:
            self.close()
            raise

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._closed

    def close(self) -> None:
        """Destroy what this owns. The GPU must have finished with it, but for what an exception left running.

        Harmless when repeated.
        """
        with uninterrupted:
            self._closed = True
            self._ledger.resources.pop(id(self), None)
            wait_idle, self._ledger.wait_idle = self._ledger.wait_idle, None
            if wait_idle is not None:
                wait_idle()
            while self._owned:
                kind, destroy = self._owned.pop()
                destroy()
                with _counting:
                    self._ledger.counts[kind] -= 1
                    _process[kind] -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}{' closed' if self._closed else ''}>"
