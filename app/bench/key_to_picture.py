"""From a key to the picture: a window as the demo's, keys sent to it by way of the display, and the frames that follow.

Needs X11, where a program may send keys to its own window. A display that shows nothing (Xvfb) will do.
"""

import ctypes
import os
import random
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from app.errors import BungyoError, InputError
from app.gpu import Device
from app.light_switch import LightSwitch
from app.open_renderer import open_device, open_renderer
from app.renderer import Renderer
from app.scene_options import SceneOptions
from app.viewer import Viewer
from app.weight_sets import DEFAULT_WEIGHTS, load_weights
from app.weight_switch import WeightSwitch
from app.window import NoDisplay, Window, glfw_ready

# For X11 a window must not go to Wayland: the process that measures does not see this.
HINDRANCES = ("WAYLAND_DISPLAY",)
KEYS = {"neural": "n", "reference": "r", "tiles": "t"}  # by the mode that they lead to
_PATIENCE = 60.0  # seconds that a key may take

_PRESS, _PRESS_MASK = 2, 1  # X.h: KeyPress, KeyPressMask


class _KeyEvent(ctypes.Structure):
    """XKeyEvent; see Xlib.h."""

    _fields_ = (
        ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong), ("root", ctypes.c_ulong), ("subwindow", ctypes.c_ulong), ("time", ctypes.c_ulong),
        ("x", ctypes.c_int), ("y", ctypes.c_int), ("x_root", ctypes.c_int), ("y_root", ctypes.c_int),
        ("state", ctypes.c_uint), ("keycode", ctypes.c_uint), ("same_screen", ctypes.c_int),
        ("rest", ctypes.c_long * 24),  # of the union that is sent
    )  # fmt: skip


class Typist:
    """Sends keys to a window by a connection of its own. A context manager.

    Raises:
        NoDisplay: there is no X11.
    """

    def __init__(self, window: int) -> None:
        try:
            self._x = ctypes.CDLL("libX11.so.6")
        except OSError as error:
            raise NoDisplay(f"Xlib cannot be loaded ({error})") from error
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._x.XKeysymToKeycode.argtypes = (ctypes.c_void_p, ctypes.c_ulong)
        self._x.XSendEvent.argtypes = (
            ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.POINTER(_KeyEvent)
        )  # fmt: skip
        for function in (self._x.XFlush, self._x.XCloseDisplay):
            function.argtypes = (ctypes.c_void_p,)
        self._display = self._x.XOpenDisplay(None)
        if not self._display:
            raise NoDisplay(f"the display {os.environ.get('DISPLAY')} cannot be opened by Xlib")
        self._window, self._time = window, 0

    def press(self, letter: str) -> None:
        """Send the key of a letter."""
        self._time += 1  # the same time again would pass for the same event
        code = self._x.XKeysymToKeycode(self._display, ord(letter)) & 0xFF
        event = _KeyEvent(type=_PRESS, window=self._window, keycode=code, time=self._time, same_screen=1)
        self._x.XSendEvent(self._display, self._window, 1, _PRESS_MASK, ctypes.byref(event))
        self._x.XFlush(self._display)

    def close(self) -> None:
        """Let go of the display."""
        self._x.XCloseDisplay(self._display)


class _Watch:
    """Notes when the first picture in a mode has been shown."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.awaited: str | None = None
        self.seen: float | None = None

    def look(self, mode: str) -> None:
        """See a picture in this mode."""
        if self.seen is None and mode == self.awaited:
            self._device.wait_idle()  # until then the picture is only on its way
            self.seen = time.perf_counter()


class KeyView:
    """The demo's window; see `key_view`."""

    def __init__(self, window: Window, renderer: Renderer, viewer: Viewer, watch: _Watch, typist: Typist) -> None:
        self._window, self.renderer = window, renderer
        self._viewer, self._watch, self._typist = viewer, watch, typist
        self._random = random.Random(0)
        viewer.run(3)  # drivers compile at the first dispatch

    def milliseconds(self, mode: str) -> float:
        """Press the key that leads to this mode, of KEYS, while frames are drawn; return ms until its picture is shown.

        Raises:
            BungyoError: the key did not arrive, or somebody closed the window.
        """
        watch, pressed = self._watch, 0.0

        def press() -> None:
            nonlocal pressed
            pressed = time.perf_counter()
            self._typist.press(KEYS[mode])

        watch.awaited, watch.seen = mode, None
        hand = threading.Timer(self._random.random() * 0.1, press)
        patience = threading.Timer(_PATIENCE, self._window.ask_to_close)
        hand.start()
        patience.start()
        try:
            while watch.seen is None:
                self._viewer.run(1)
                if self._window.closing:
                    raise BungyoError(
                        f"The bench's window was closed, or the key {KEYS[mode]} did not reach it in {_PATIENCE:.0f} s."
                    )
        finally:
            patience.cancel()
            hand.join()
        return (watch.seen - pressed) * 1e3


@contextmanager
def key_view(options: SceneOptions, size: tuple[int, int]) -> Iterator[KeyView | str]:
    """For a `Worker`: a window of that size with the view that `options` name, or why there is none, as a clause."""
    with ExitStack() as stack:
        try:
            glfw = stack.enter_context(glfw_ready())
            window = stack.enter_context(Window(size, "bungyo bench"))
            typist = Typist(glfw.get_x11_window(window.handle))
            stack.callback(typist.close)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of missing rays the report speaks
                device = stack.enter_context(_shown(options))
        except NoDisplay as error:
            reason = error.message
        else:
            settings = replace(options, light_samples=1)
            renderer = stack.enter_context(open_renderer(settings, device, size, "neural"))
            sets = (options.weights or DEFAULT_WEIGHTS,)
            switch = WeightSwitch(renderer, sets, load_weights, window.wake)
            stack.callback(switch.close)
            lights = LightSwitch(renderer, [renderer.scene.rig.file])
            watch = _Watch(device)
            viewer = stack.enter_context(Viewer(window, device, renderer, Path("out"), switch, lights, watch.look))
            yield KeyView(window, renderer, viewer, watch, typist)
            return
    yield reason


@contextmanager
def _shown(options: SceneOptions) -> Iterator[Device]:
    """The device that all else is measured on, for a window; NoDisplay where it has none here, whatever others have."""
    with open_device(options, raytracing=None) as device:
        info = device.info
    with ExitStack() as stack:
        try:
            own = replace(options, device=str(info.index))
            device = stack.enter_context(open_device(own, window=True, raytracing=None))
        except InputError as error:
            raise NoDisplay(f"{info.name} shows no windows on this display") from error
        yield device


def absence(view: KeyView | str) -> str:
    """Why there is no window, or ""."""
    return view if isinstance(view, str) else ""


def milliseconds(view: KeyView | str, mode: str) -> float:
    """See `KeyView.milliseconds`; there must be a window."""
    assert isinstance(view, KeyView)
    return view.milliseconds(mode)
