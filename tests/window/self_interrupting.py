"""bungyo, sending itself a signal at a place of one's choice: PLACE SIGNAL ARGUMENTS...

The place is a Vulkan function (the signal comes as it returns), "callback" (what GLFW calls for a key that was pressed)
or "finaliser" (what runs when an object dies). It is reached when the demo has shown two pictures.
"""

import signal
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

from app.gpu.binding import vk
from app.main import main
from app.viewer import Viewer

PICTURES = 2
STRUCK = "signal sent"  # what it prints then


class _Strike:
    def __init__(self, number: int) -> None:
        self.number, self.pictures, self.done = number, 0, False

    def __call__(self) -> None:
        """Send the signal, once, if the demo has come far enough."""
        if self.pictures >= PICTURES and not self.done:
            self.done = True
            print(STRUCK, flush=True)
            signal.raise_signal(self.number)


class _Mortal:
    """Something that can die."""


def _run(place: str, number: int, arguments: list[str]) -> int:
    strike = _Strike(number)

    def shown(_: str) -> None:
        strike.pictures += 1
        if place == "finaliser":
            mortal = _Mortal()
            weakref.finalize(mortal, strike)
            del mortal

    def striking(function: Callable[..., Any]) -> Callable[..., Any]:
        def both(*values: Any) -> Any:
            result = function(*values)
            strike()
            return result

        return both

    with patch("app.viewer.Viewer", partial(Viewer, on_shown=shown)):
        if place == "finaliser":
            return main(arguments)
        owner, name = (Viewer, "press") if place == "callback" else (vk, place)
        with patch.object(owner, name, striking(getattr(owner, name))):
            return main(arguments)


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
