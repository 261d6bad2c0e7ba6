"""A window: GLFW, its input turned into a few plain calls. Knows no renderer."""

import contextlib
import os
import socket
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol, Self

from app.errors import BungyoError
from app.gpu.window_system import glfw_words
from app.interruption import uninterrupted

_OWN_DISPLAY = ("win32", "darwin")  # systems whose display no variable of the environment names
LIBRARIES_HINT = "`bungyo doctor` names the packages that a window needs."


class NoDisplay(BungyoError):
    """There is no screen to open a window on."""


class Input(Protocol):
    """Receives what the person at the window does. Lengths in heights of the window, x right, y down."""

    def press(self, name: str) -> bool:
        """A key went down (or repeats): its letter, or LEFT, F1, HOME...; False if it means nothing."""

    def orbit(self, dx: float, dy: float) -> None:
        """The mouse moved with the left button down."""

    def pan(self, dx: float, dy: float) -> None:
        """The mouse moved with the right or the middle button down, or the left one and shift."""

    def zoom(self, clicks: float) -> None:
        """The wheel turned; positive away from the hand."""


def why_no_display() -> str:
    """Return "" if a window can be opened here, else the reason as a clause."""
    try:
        with glfw_ready():
            return ""
    except NoDisplay as error:
        return error.message


@dataclass
class _Pointer:
    x: float = 0.0
    y: float = 0.0


class Window:
    """A window on the screen, for as long as it is open.

    Args:
        size: (width, height) of its contents in pixels.
        title: its first title.

    Attributes:
        input: receives what happens, if anybody does.
        drops: files that were let go together, each time it happened, for somebody to take out: they wait while a face
            is loaded.
        damaged: whether what it shows has to be shown again.

    Raises:
        NoDisplay: there is no display.
        BungyoError: no window can be opened on it.
    """

    def __init__(self, size: tuple[int, int], title: str) -> None:
        self._open = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            with uninterrupted:
                glfw = self._glfw = stack.enter_context(glfw_ready())
                glfw.default_window_hints()
                glfw.window_hint(glfw.CLIENT_API, glfw.NO_API)
                # Sizes are in pixels of the picture, whatever the scale of the desktop.
                glfw.window_hint(glfw.SCALE_TO_MONITOR, glfw.FALSE)
                glfw.window_hint(glfw.SCALE_FRAMEBUFFER, glfw.FALSE)
                glfw.window_hint_string(glfw.X11_CLASS_NAME, "bungyo")
                glfw.window_hint_string(glfw.WAYLAND_APP_ID, "bungyo")
                try:
                    self.handle: Any = glfw.create_window(*size, title, None, None)
                except glfw.GLFWError as error:
                    raise BungyoError(f"No window can be opened: {glfw_words(error)}.", LIBRARIES_HINT) from error
                stack.callback(glfw.destroy_window, self.handle)
                self.input: Input | None = None
                self.drops: list[list[Path]] = []
                self.damaged = False
                self._title = title
                self._place = ""  # what an American keyboard has on the key that was pressed last
                self._pointer = _Pointer(*glfw.get_cursor_pos(self.handle))
                glfw.set_key_callback(self.handle, self._key)
                glfw.set_char_callback(self.handle, self._character)
                glfw.set_cursor_pos_callback(self.handle, self._moved)
                glfw.set_scroll_callback(self.handle, self._scrolled)
                # glfw.set_drop_callback wants names in UTF-8, which they need not be. An attribute keeps it alive.
                self._drop_callback = glfw._GLFWdropfun(self._dropped)
                glfw._glfw.glfwSetDropCallback(self.handle, self._drop_callback)
                glfw.set_window_refresh_callback(self.handle, self._refresh)
            self._open = stack.pop_all()

    @property
    def framebuffer_size(self) -> tuple[int, int]:
        """(width, height) in pixels; (0, 0) while it is minimised."""
        width, height = self._glfw.get_framebuffer_size(self.handle)
        return int(width), int(height)

    @property
    def closing(self) -> bool:
        """True once somebody asked the window to close."""
        return bool(self._glfw.window_should_close(self.handle))

    def ask_to_close(self) -> None:
        """Make `closing` true."""
        self._glfw.set_window_should_close(self.handle, True)

    @property
    def title(self) -> str:
        """The text above the window."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        if title != self._title:
            self._title = title
            self._glfw.set_window_title(self.handle, writable(title))

    def poll(self) -> None:
        """Deliver what has happened since the last call."""
        with uninterrupted:  # input is delivered by C, where an exception would be lost
            self._glfw.poll_events()

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, but not longer than `seconds`, and deliver it."""
        with uninterrupted:
            self._glfw.wait_events_timeout(seconds)

    def wake(self) -> None:
        """End a `wait`. May be called in any thread, while the window is open."""
        self._glfw.post_empty_event()

    def close(self) -> None:
        """Remove the window. Surfaces made from it must be gone by then. Harmless when repeated."""
        with uninterrupted:
            self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _key(self, _: Any, key: int, scancode: int, action: int, mods: int) -> None:
        """Keys without a letter, by their place on the keyboard."""
        glfw = self._glfw
        if action not in (glfw.PRESS, glfw.REPEAT):
            return
        self._place = chr(key) if 32 < key < 128 else ""  # as GLFW numbers the keys with a character
        name = _key_names(glfw).get(key, "")
        once = name.startswith("F")  # F12 held for a second would be ten screenshots
        if key == glfw.KEY_ESCAPE:
            self.ask_to_close()
        elif self.input and name and (action == glfw.PRESS or not once):
            self.input.press(name)

    def _character(self, _: Any, codepoint: int) -> None:
        """Letters, digits and signs wherever the layout has them: + is shift-= here, [ is AltGr-8 there.

        A layout of another script has no L: there it is the key that an American keyboard has it on.
        """
        character = chr(codepoint)
        if _of_another_script(character):
            character = self._place or character
        self._place = ""
        if self.input:
            self.input.press(character.upper())

    def _moved(self, _: Any, x: float, y: float) -> None:
        dx, dy = x - self._pointer.x, y - self._pointer.y
        self._pointer.x, self._pointer.y = x, y
        glfw, height = self._glfw, self._glfw.get_window_size(self.handle)[1]
        if not self.input or not height:
            return

        def down(*buttons: int) -> bool:
            return any(glfw.get_mouse_button(self.handle, button) == glfw.PRESS for button in buttons)

        shifted = any(
            glfw.get_key(self.handle, key) == glfw.PRESS for key in (glfw.KEY_LEFT_SHIFT, glfw.KEY_RIGHT_SHIFT)
        )
        left = down(glfw.MOUSE_BUTTON_LEFT)
        if down(glfw.MOUSE_BUTTON_RIGHT, glfw.MOUSE_BUTTON_MIDDLE) or (left and shifted):
            self.input.pan(dx / height, dy / height)
        elif left:
            self.input.orbit(dx / height, dy / height)

    def _scrolled(self, _: Any, dx: float, dy: float) -> None:
        if self.input:
            self.input.zoom(dy)

    def _dropped(self, _: Any, count: int, files: Any) -> None:
        self.drops.append([Path(os.fsdecode(files[index])) for index in range(count)])

    def _refresh(self, _: Any) -> None:
        self.damaged = True


def writable(text: str) -> str:
    """Return text with a ? for every byte of a file's name that is no UTF-8: titles and terminals refuse them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _key_names(glfw: ModuleType) -> dict[int, str]:
    names = {getattr(glfw, f"KEY_{name}"): name for name in ("LEFT", "RIGHT", "UP", "DOWN", "HOME")}
    return names | {getattr(glfw, f"KEY_F{i}"): f"F{i}" for i in range(1, 13)}


def _of_another_script(character: str) -> bool:
    """Whether it is a letter or a digit that layouts have in the place of Latin ones; others have those as well."""
    letter = not character.isascii() and (character.isalpha() or character.isdecimal())
    return letter and not unicodedata.name(character, "").startswith("LATIN")


def display_name() -> str:
    """Return the name of the display that windows open on; "" where no variable of the environment has it."""
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY", ""), os.environ.get("DISPLAY", "")
    return (x11 or wayland) if os.environ.get("PYGLFW_LIBRARY_VARIANT", "").lower() == "x11" else (wayland or x11)


# GLFW counts nothing: glfwTerminate ends it for everybody. So count the users here.
_users = 0


def _is_on_wayland() -> bool:
    """Whether windows are Wayland's. Its variable outlives it (tmux, su), and then there may be an X display."""
    name = os.environ.get("WAYLAND_DISPLAY")
    if not name or not os.environ.get("DISPLAY"):
        return bool(name)
    with socket.socket(socket.AF_UNIX) as compositor:
        try:
            compositor.connect(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/")) / name))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def glfw_ready() -> Iterator[ModuleType]:
    """Keep GLFW initialised in the `with` block and yield its module; may be nested.

    Raises:
        NoDisplay: it cannot be loaded or finds no display.
    """
    global _users
    if sys.platform not in _OWN_DISPLAY and not os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY"):
        raise NoDisplay("neither DISPLAY nor WAYLAND_DISPLAY is set")
    # The package holds a library for each; by itself it goes by the session's type, wrong in ssh and Xvfb.
    os.environ.setdefault("PYGLFW_LIBRARY_VARIANT", "wayland" if _is_on_wayland() else "x11")
    try:
        import glfw
    except ImportError as error:
        raise NoDisplay(f"GLFW cannot be loaded ({error})", LIBRARIES_HINT) from error
    # Every error an exception, except that a desktop lacks some nicety.
    reporting: Any = {glfw.FEATURE_UNAVAILABLE: "ignore", glfw.FEATURE_UNIMPLEMENTED: "ignore", None: "raise"}
    glfw.ERROR_REPORTING = reporting
    if not _users:
        try:
            glfw.init()
        except glfw.GLFWError as error:
            where = display_name() or "of this computer"
            raise NoDisplay(f"the display {where} cannot be opened ({glfw_words(error)})", LIBRARIES_HINT) from error
    _users += 1
    try:
        yield glfw
    finally:
        _users -= 1
        if not _users:
            glfw.terminate()
