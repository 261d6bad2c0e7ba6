"""What the hand does at the window arrives where it belongs; without GPU and screen."""

from pathlib import Path
from typing import Any

import pytest

from app import viewer as viewer_module
from app.controls import Controls
from app.light_switch import LightSwitch
from app.weight_switch import WeightSwitch
from tests.window.test_viewer import FakeWindow, run


def test_keys_and_mouse_reach_controls_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[object, ...]] = []
    for kind, name in ((Controls, "orbit"), (Controls, "pan"), (Controls, "zoom")):
        monkeypatch.setattr(kind, name, lambda _, *how, name=name: done.append((name, *how)))
    for switch, name in ((LightSwitch, "lights"), (WeightSwitch, "weights")):
        monkeypatch.setattr(switch, "next", lambda _, name=name: done.append((name,)))

    def act(window: Any) -> None:
        window.input.orbit(1.0, 2.0)
        window.input.pan(3.0, 4.0)
        window.input.zoom(5.0)
        assert window.input.press("L") and window.input.press("W") and not window.input.press("Q")

    run(monkeypatch, FakeWindow(act))
    assert done == [("orbit", 1.0, 2.0), ("pan", 3.0, 4.0), ("zoom", 5.0), ("lights",), ("weights",)]


def test_a_screenshot_names_the_networks_that_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named: list[Path] = []

    def save(_drawn: object, _options: object, weights: Path, folder: Path) -> tuple[Path, str]:
        named.append(weights)
        return folder / "screenshot.png", "bungyo render"

    monkeypatch.setattr(viewer_module, "save_screenshot", save)
    monkeypatch.setattr(WeightSwitch, "sets", (Path("shown"), Path("next")))
    run(monkeypatch, FakeWindow(lambda window: window.input.press("F12")), out=tmp_path)
    assert named == [Path("shown")]
