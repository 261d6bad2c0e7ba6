"""Ctrl-C and SIGTERM end the demo cleanly wherever they come, though Python may raise their exceptions anywhere."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.window.hand import Hand, wait_for
from tests.window.self_interrupting import STRUCK
from tests.window.test_demo import demo

SECONDS = 20.0  # ending takes less than one on an idle machine


@pytest.mark.parametrize(
    ("place", "sent", "status"),
    [
        ("vkAcquireNextImageKHR", signal.SIGINT, 130),
        ("vkResetFences", signal.SIGTERM, 143),
        ("vkQueueSubmit2", signal.SIGINT, 130),
        ("vkQueuePresentKHR", signal.SIGTERM, 143),
        ("callback", signal.SIGTERM, 143),
        ("finaliser", signal.SIGINT, 130),
    ],
)
def test_a_signal_between_two_steps(
    place: str, sent: signal.Signals, status: int, display: str, hand: Hand, tmp_path: Path
) -> None:
    command = (sys.executable, "-m", "tests.window.self_interrupting", place, str(int(sent)))
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference", command=command) as running:
        if place == "callback":
            running.find()

        def reached() -> bool:
            if place == "callback":
                running.press("Home")
            return STRUCK in running.said("stdout") or running.process.poll() is not None

        wait_for(reached, "the place")
        try:
            assert running.process.wait(SECONDS) == status, running.said("stderr")
        except subprocess.TimeoutExpired:
            pytest.fail(f"it went on for {SECONDS:.0f} s: {running.said('stderr')}", pytrace=False)
        assert STRUCK in running.said("stdout")
        assert not running.said("stderr").strip()  # after ^C the line is ended
