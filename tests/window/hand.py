"""A hand at the keyboard and mouse of an X screen."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable

import pytest


def tool(name: str, package: str) -> str:
    """The path of a program; its absence fails the test and says what to install."""
    path = shutil.which(name)
    if not path:
        pytest.fail(f"{name} is not installed: sudo apt-get install {package}", pytrace=False)
    return path


class Hand:
    """Types keys and moves the mouse on a screen, as xdotool does."""

    def __init__(self, display: str) -> None:
        self._display = display
        self._tool = tool("xdotool", "xdotool")

    def do(self, *words: str) -> str:
        """Run xdotool and return what it prints."""
        result = subprocess.run(
            [self._tool, *words],
            env=os.environ | {"DISPLAY": self._display},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def window(self, title: str = "bungyo") -> str:
        """The id of the window with that title, once it is there, with the keyboard's focus."""
        wait_for(lambda: self.find(title), "a window")
        found = self.find(title)
        self.do("windowfocus", "--sync", found)
        return found

    def find(self, title: str) -> str:
        """The id of the window with that title, or "" while there is none."""
        result = subprocess.run(
            [self._tool, "search", "--onlyvisible", "--name", title],
            env=os.environ | {"DISPLAY": self._display},
            capture_output=True,
            text=True,
        )
        return result.stdout.split("\n")[0].strip()


def wait_for(done: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until `done()` is true; fail, naming `what` did not come, if that takes too long."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.05)
