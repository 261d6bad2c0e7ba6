"""A virtual screen for the tests of windows."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.window.hand import Hand, tool


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """The name of a virtual X screen of 1280x800 pixels (":5")."""
    read, write = os.pipe()
    # -noreset: otherwise the server starts over when its last client leaves, and turns the next one away meanwhile.
    options = ["-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset"]
    with open(os.devnull, "wb") as nothing:
        server = subprocess.Popen([tool("Xvfb", "xvfb"), *options], pass_fds=[write], stdout=nothing, stderr=nothing)
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def on_screen(display: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lets this process open windows on the virtual screen."""
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("PYGLFW_LIBRARY_VARIANT", "x11")
    return display


@pytest.fixture
def hand(display: str) -> Hand:
    """A hand on the virtual screen."""
    return Hand(display)
