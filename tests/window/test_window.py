"""The window delivers keys and mouse moves, and closes cleanly."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import window as window_module
from app.window import NoDisplay, Window, display_name, glfw_ready, why_no_display
from tests.window.drag import drag
from tests.window.hand import Hand


class Recorder:
    """An app.window.Input that writes down what it is told."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.moves: list[tuple[str, float, float]] = []

    def press(self, name: str) -> bool:
        self.keys.append(name)
        return True

    def orbit(self, dx: float, dy: float) -> None:
        self.moves.append(("orbit", dx, dy))

    def pan(self, dx: float, dy: float) -> None:
        self.moves.append(("pan", dx, dy))

    def zoom(self, clicks: float) -> None:
        self.moves.append(("zoom", clicks, 0.0))

    def total(self, kind: str) -> tuple[float, float]:
        """Sum of all moves of a kind."""
        moves = [move for move in self.moves if move[0] == kind]
        return sum(move[1] for move in moves), sum(move[2] for move in moves)


def until(window: Window, done: Callable[[], object], turns: int = 100) -> None:
    """Deliver events until `done()`."""
    for _ in range(turns):
        if done():
            return
        window.wait(0.05)
    pytest.fail("it did not happen")


def test_a_function_key_that_is_held_is_one_press(on_screen: str, hand: Hand) -> None:
    """F12 saves a file each time; an arrow goes on."""
    with Window((400, 200), "bungyo test") as window:
        window.input = recorder = Recorder()
        hand.window("bungyo test")
        for key in ("F12", "Left"):
            hand.do("keydown", key)
            end = time.monotonic() + 1.2
            while time.monotonic() < end:
                window.wait(0.05)
            hand.do("keyup", key)
        until(window, lambda: recorder.keys.count("LEFT") > 2)
        assert recorder.keys.count("F12") == 1


def test_keys_and_mouse(on_screen: str, hand: Hand) -> None:
    with Window((400, 200), "bungyo test") as window:
        window.input = recorder = Recorder()
        assert window.framebuffer_size == (400, 200)
        name = hand.window("bungyo test")
        hand.do("key", "n", "G", "1", "plus", "bracketleft", "minus", "KP_Add", "Left", "Up", "F1", "F12", "Home")
        until(window, lambda: "HOME" in recorder.keys)
        assert recorder.keys == ["N", "G", "1", "+", "[", "-", "+", "LEFT", "UP", "F1", "F12", "HOME"]

        hand.do("mousemove", "--window", name, "200", "100")
        hand.do("mousedown", "1", "mousemove_relative", "--", "40", "-20", "mouseup", "1")
        until(window, lambda: recorder.total("orbit") == (0.2, -0.1))
        hand.do("mousedown", "3", "mousemove_relative", "--", "-40", "20", "mouseup", "3")
        until(window, lambda: recorder.total("pan") == (-0.2, 0.1))
        hand.do("mousedown", "2", "mousemove_relative", "20", "0", "mouseup", "2")
        until(window, lambda: recorder.total("pan") == (-0.1, 0.1))
        hand.do(
            "keydown",
            "shift",
            "mousedown",
            "1",
            "mousemove_relative",
            "0",
            "20",
            "mouseup",
            "1",
            "keyup",
            "shift",
        )
        until(window, lambda: recorder.total("pan") == (-0.1, 0.2))
        hand.do("click", "4", "click", "4", "click", "5")
        until(window, lambda: recorder.total("zoom") == (1.0, 0.0))
        before = list(recorder.moves)
        hand.do("mousemove_relative", "10", "10")  # no button is down
        window.wait(0.1)
        assert recorder.moves == before


def test_a_key_that_is_held_goes_on(on_screen: str) -> None:
    with Window((200, 100), "bungyo test") as window, glfw_ready() as glfw:
        window.input = recorder = Recorder()
        for action in (glfw.PRESS, glfw.REPEAT, glfw.REPEAT, glfw.RELEASE):
            window._key(None, glfw.KEY_LEFT, 0, action, 0)
        assert recorder.keys == ["LEFT"] * 3


def test_keys_of_other_scripts_are_those_of_an_american_keyboard(on_screen: str) -> None:
    with Window((200, 100), "bungyo test") as window, glfw_ready() as glfw:

        def typed(key: int, *characters: str) -> list[str]:
            window.input = recorder = Recorder()
            window._key(None, key, 0, glfw.PRESS, 0)
            for character in characters:
                window._character(None, ord(character))
            window._key(None, key, 0, glfw.RELEASE, 0)
            return recorder.keys

        for letter in "\u0434\u03bb\u0645\u05da":  # in Russian, Greek, Arabic and Hebrew
            assert typed(glfw.KEY_L, letter) == ["L"]
        assert typed(glfw.KEY_W, "\u0446") == typed(glfw.KEY_W, "\u0426") == ["W"]
        assert typed(glfw.KEY_LEFT_BRACKET, "\u0445") == ["["]
        assert typed(glfw.KEY_3, "\u06f3") == ["3"]
        # Layouts of Latin letters have all of them, if elsewhere; signs mean themselves.
        assert typed(glfw.KEY_Q, "a") == ["A"] and typed(glfw.KEY_2, "\u00e9") == ["\u00c9"]
        assert typed(glfw.KEY_E, "\u20ac") == ["\u20ac"] and typed(glfw.KEY_SLASH, ".") == ["."]
        # Words that are put together from keys are no keys.
        assert typed(glfw.KEY_SPACE, "\u4f60") == ["\u4f60"] and typed(glfw.KEY_1, *"\u4f60\u597d") == ["1", "\u597d"]


def test_what_was_covered_is_to_be_shown_again(on_screen: str, hand: Hand) -> None:
    with Window((200, 100), "bungyo test") as window:
        hand.window("bungyo test")
        with Window((200, 100), "another one"):
            hand.window("another one")
            window.wait(0.1)
            window.damaged = False
        until(window, lambda: window.damaged)


def test_files_are_dropped(on_screen: str, hand: Hand, tmp_path: Path) -> None:
    files = [tmp_path / "a b.toml", tmp_path / "\u5206\u696d.glb", tmp_path / os.fsdecode(b"f\xfcr.glb")]
    with Window((200, 100), "bungyo test") as window, ThreadPoolExecutor(1) as beside:
        name = hand.window("bungyo test")
        for together in (files, files[:1]):  # they wait for somebody to take them
            done = beside.submit(drag, on_screen, name, together)
            until(window, done.done)
            done.result()
        assert window.drops == [files, files[:1]]


def test_resize_and_title(on_screen: str, hand: Hand) -> None:
    with Window((320, 240), "bungyo test") as window:
        name = hand.window("bungyo test")
        hand.do("windowsize", name, "500", "300")
        until(window, lambda: window.framebuffer_size == (500, 300))
        window.title = "bungyo - neural"
        until(window, lambda: hand.do("getwindowname", name) == "bungyo - neural")
        window.title = os.fsdecode(b"loading f\xfcr.glb")
        until(window, lambda: hand.do("getwindowname", name) == "loading f?r.glb")


def test_sizes_do_not_grow_with_the_scale_of_the_desktop(on_screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window's on X11, its pixels' number on Wayland; this screen has no scale, so it is what GLFW is asked for."""
    with glfw_ready() as glfw:
        asked: dict[int, int] = {}
        hint = glfw.window_hint
        monkeypatch.setattr(glfw, "window_hint", lambda what, value: (asked.update({what: value}), hint(what, value)))
        with Window((320, 240), "bungyo test") as window:
            assert window.framebuffer_size == (320, 240)
        assert asked[glfw.SCALE_TO_MONITOR] == asked[glfw.SCALE_FRAMEBUFFER] == glfw.FALSE


def test_escape(on_screen: str, hand: Hand) -> None:
    with Window((200, 100), "bungyo test") as window:
        hand.window("bungyo test")
        assert not window.closing
        hand.do("key", "Escape")
        until(window, lambda: window.closing)


def test_opening_and_closing_again_and_again(on_screen: str) -> None:
    for _ in range(3):
        with Window((100, 100), "bungyo test") as window:
            window.poll()
        window.close()  # harmless
    assert window_module._users == 0
    assert why_no_display() == ""


def test_without_a_driver_the_display_is_not_to_blame(display: str) -> None:
    """GLFW names no extensions then, as if there were no display."""
    code = (
        "from app.errors import BungyoError\nfrom app.gpu import Device\nfrom app.window import glfw_ready\n"
        "with glfw_ready():\n    try: Device.open(window=True)\n    except BungyoError as error: print(error.message)"
    )
    nowhere = dict.fromkeys(("VK_ICD_FILENAMES", "VK_DRIVER_FILES"), "/nowhere.json")
    environment = {**os.environ, **nowhere, "DISPLAY": display, "PYGLFW_LIBRARY_VARIANT": "x11"}
    environment.pop("WAYLAND_DISPLAY", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "There is no working Vulkan driver on this machine.\n", done.stderr


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert why_no_display() == "neither DISPLAY nor WAYLAND_DISPLAY is set"
    with pytest.raises(NoDisplay):
        Window((10, 10), "bungyo test")
    monkeypatch.setenv("DISPLAY", ":987")
    assert "the display :987 cannot be opened" in why_no_display()
    assert window_module._users == 0


def test_wayland_has_a_library_of_its_own(on_screen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which is taken where a compositor answers, or where there is nothing else."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with socket.socket(socket.AF_UNIX) as compositor:
        compositor.bind(str(tmp_path / "wayland-1"))
        compositor.listen()
        for wayland, display, variant in (
            ("wayland-1", on_screen, "wayland"),
            (str(tmp_path / "wayland-1"), on_screen, "wayland"),
            ("wayland-987", on_screen, "x11"),
            ("wayland-987", "", "wayland"),
            ("", on_screen, "x11"),
        ):
            monkeypatch.setenv("WAYLAND_DISPLAY", wayland)
            monkeypatch.setenv("DISPLAY", display)
            monkeypatch.delenv("PYGLFW_LIBRARY_VARIANT", raising=False)
            why_no_display()
            assert os.environ["PYGLFW_LIBRARY_VARIANT"] == variant


def test_the_display_that_windows_open_on_is_the_one_that_is_named(
    on_screen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-987")  # which nobody answers at
    for variant in ("", "x11"):
        monkeypatch.delenv("PYGLFW_LIBRARY_VARIANT", raising=False)
        if variant:
            monkeypatch.setenv("PYGLFW_LIBRARY_VARIANT", variant)
        assert why_no_display() == "" and display_name() == on_screen
    monkeypatch.setenv("DISPLAY", ":987")
    assert "the display :987 cannot be opened" in why_no_display()
    monkeypatch.setenv("PYGLFW_LIBRARY_VARIANT", "wayland")
    assert "the display wayland-987 cannot be opened" in why_no_display()


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_no_variable_names_the_display_elsewhere(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert "the display of this computer cannot be opened" in why_no_display()  # which is asked, and is none of these
