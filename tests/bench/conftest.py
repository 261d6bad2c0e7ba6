"""The virtual screen of the window tests, for a bench that opens a window."""

from tests.window.conftest import display, on_screen

__all__ = ["display", "on_screen"]
