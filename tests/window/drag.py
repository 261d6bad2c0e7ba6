"""Files dragged onto a window and let go there, as a file manager does it: the XDND protocol, version 5, by Xlib."""

import ctypes
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

_SELECTION_REQUEST, _SELECTION_NOTIFY, _CLIENT_MESSAGE = 30, 31, 33  # X.h
_BYTES, _LONGS = 8, 32  # bits of an item
_ID, _LONG, _INT = ctypes.c_ulong, ctypes.c_long, ctypes.c_int


class _Message(ctypes.Structure):
    """XClientMessageEvent; see Xlib.h."""

    _fields_ = (
        ("type", _INT), ("serial", _ID), ("send_event", _INT), ("display", ctypes.c_void_p),
        ("window", _ID), ("message", _ID), ("format", _INT), ("data", _LONG * 5),
    )  # fmt: skip


class _Request(ctypes.Structure):
    """XSelectionRequestEvent."""

    _fields_ = (
        ("type", _INT), ("serial", _ID), ("send_event", _INT), ("display", ctypes.c_void_p),
        ("owner", _ID), ("requestor", _ID), ("selection", _ID), ("target", _ID), ("property", _ID), ("time", _ID),
    )  # fmt: skip


class _Answer(ctypes.Structure):
    """XSelectionEvent."""

    _fields_ = (
        ("type", _INT), ("serial", _ID), ("send_event", _INT), ("display", ctypes.c_void_p),
        ("requestor", _ID), ("selection", _ID), ("target", _ID), ("property", _ID), ("time", _ID),
    )  # fmt: skip


class _Event(ctypes.Union):
    _fields_ = (
        ("type", _INT), ("message", _Message), ("request", _Request), ("answer", _Answer), ("pad", _LONG * 24),
    )  # fmt: skip


class _Source:
    """A window of ours, which nobody sees, that files are dragged from."""

    def __init__(self, display: str) -> None:
        x = self._x = ctypes.CDLL("libX11.so.6")
        x.XOpenDisplay.restype = x.XDefaultRootWindow.restype = ctypes.c_void_p
        x.XInternAtom.restype = x.XCreateSimpleWindow.restype = x.XDefaultRootWindow.restype = _ID
        opened = x.XOpenDisplay(display.encode())
        assert opened, f"there is no display {display}"
        self._display = ctypes.c_void_p(opened)
        root = _ID(x.XDefaultRootWindow(self._display))
        self._window = _ID(x.XCreateSimpleWindow(self._display, root, 0, 0, 1, 1, 0, _ID(0), _ID(0)))

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)

    def atom(self, name: str) -> int:
        return int(self._x.XInternAtom(self._display, name.encode(), 0))

    def own(self, selection: str) -> None:
        self._x.XSetSelectionOwner(self._display, _ID(self.atom(selection)), self._window, _ID(0))

    def say(self, target: int, name: str, *data: int) -> None:
        """Send a message to a window."""
        event = _Event()
        message = event.message
        message.type, message.display, message.window = _CLIENT_MESSAGE, self._display, target
        message.message, message.format = self.atom(name), _LONGS
        message.data = (_LONG * 5)(self._window.value, *data, *[0] * (4 - len(data)))
        self._send(target, event)

    def answer(self, request: _Request, contents: bytes) -> None:
        """Hand over what is dragged."""
        requestor, where = _ID(request.requestor), _ID(request.property)
        self._x.XChangeProperty(
            self._display, requestor, where, _ID(request.target), _BYTES, 0, contents, len(contents)
        )
        event = _Event()
        answer = event.answer
        answer.type, answer.display, answer.requestor = _SELECTION_NOTIFY, self._display, request.requestor
        answer.selection, answer.target = request.selection, request.target
        answer.property, answer.time = request.property, request.time
        self._send(request.requestor, event)

    def wait(self, wanted: Callable[[_Event], bool], seconds: float = 60.0) -> _Event:
        """The next event of a kind."""
        event, end = _Event(), time.monotonic() + seconds
        while time.monotonic() < end:
            if not self._x.XPending(self._display):
                time.sleep(0.01)
                continue
            self._x.XNextEvent(self._display, ctypes.byref(event))
            if wanted(event):
                return event
        pytest.fail(f"the window did not answer within {seconds:.0f} s")

    def _send(self, target: int, event: Any) -> None:
        self._x.XSendEvent(self._display, _ID(target), 0, _LONG(0), ctypes.byref(event))
        self._x.XFlush(self._display)


def drag(display: str, window: str, files: Sequence[Path]) -> None:
    """Drag files onto the middle of a window (its X11 id) and let go; returns once it has taken them."""
    target = int(window)
    with closing(_Source(display)) as source:

        def is_message(event: _Event, name: str) -> bool:
            return event.type == _CLIENT_MESSAGE and int(event.message.message) == source.atom(name)

        source.own("XdndSelection")
        uris, copy = source.atom("text/uri-list"), source.atom("XdndActionCopy")
        source.say(target, "XdndEnter", 5 << 24, uris)
        source.say(target, "XdndPosition", 0, 10 << 16 | 10, 0, copy)
        status = source.wait(lambda event: is_message(event, "XdndStatus"))
        assert status.message.data[1] & 1, "the window wants no files"
        source.say(target, "XdndDrop", 0, 0)
        request = source.wait(lambda event: event.type == _SELECTION_REQUEST).request
        assert request.target == uris
        source.answer(request, "".join(f"{file.absolute().as_uri()}\r\n" for file in files).encode())
        finished = source.wait(lambda event: is_message(event, "XdndFinished"))
        assert finished.message.data[1], "the window did not take the files"  # GLFW's flag is a number of bytes
