"""Ctrl-C and SIGTERM as exceptions, and a way to hold them back where a step must not be cut in two.

Python runs signal handlers between any two instructions of the main thread. An exception from there may come after
Vulkan has done something and before that is noted down: a fence is reset and still waited for, and the wait never ends.
In a function that C calls, or that runs when an object dies, it is printed and forgotten, and the program goes on.

Where nobody entered `signals_as_exceptions` (a library's user, a worker process), Python's own handlers stay, and
`uninterrupted` holds nothing back.
"""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # exit statuses: 128 + the signal's number

HANGING = 1.0  # seconds in one step after which another signal no longer waits for its end
ECHO = 0.1  # seconds; timeout(1) and others signal a process and then its group: one wish, not two


class Interruption(KeyboardInterrupt):
    """Ctrl-C, raised by our handler."""

    number = signal.SIGINT


class Termination(SystemExit):
    """SIGTERM, raised by our handler."""

    number = signal.SIGTERM


class _State(threading.local):
    """Of one thread. Python runs handlers in the main thread, so those of others stay as they are here."""

    depth = 0  # of `uninterrupted` blocks
    held: int | None = None  # the signal to raise when the outermost is left
    since = -math.inf  # when that one came
    raised = -math.inf  # when the last was raised


_state = _State()


class _Uninterrupted:
    """See `uninterrupted`. A class, as it is entered several times a frame: a generator costs thrice as much."""

    def __enter__(self) -> None:
        _state.depth += 1

    def __exit__(self, *_: object) -> None:
        _state.depth -= 1
        if _state.held is not None and not _state.depth:
            _raise(_state.held)


uninterrupted = _Uninterrupted()
"""`with uninterrupted:` a signal's exception comes when the outermost such block of the thread is left, not inside.

For steps that are short: a second signal interrupts those that take longer than HANGING.
"""


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """In this block (main thread) SIGINT raises KeyboardInterrupt, and SIGTERM SystemExit: windows are closed and
    half-written files removed on the way out. Afterwards the handlers are what they were.
    """
    before, hook = {}, sys.unraisablehook

    def unraisable(lost: "sys.UnraisableHookArgs") -> None:
        # Raised where Python can only print it: not lost, it comes with the next step that ends.
        if isinstance(lost.exc_value, Interruption | Termination):
            _state.held, _state.since = lost.exc_value.number, time.monotonic()
        else:
            hook(lost)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            # A shell's background jobs ignore Ctrl-C, which is meant for what runs before them.
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, _handle)
        sys.unraisablehook = unraisable
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        _state.held = None


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Block SIGINT in this thread, so that a process started in this block never hears of Ctrl-C.

    A terminal sends it to all processes; a worker inherits that it is held, and leaves it to us when work stops.
    """
    from multiprocessing import resource_tracker  # 4 ms, which only those pay who start processes

    resource_tracker.ensure_running()  # started with the first process otherwise, and would release the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handle(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _state.depth and (_state.held is None or now - _state.since < HANGING):
        if _state.held is None:
            _state.held, _state.since = number, now
    elif now - _state.raised >= ECHO:
        _raise(number)


def _raise(number: int) -> None:
    _state.held, _state.raised = None, time.monotonic()
    raise Interruption if number == signal.SIGINT else Termination(TERMINATED)
