"""The virtual screen of the window tests, for the swapchain."""

from tests.window.conftest import display, on_screen

__all__ = ["display", "on_screen"]
