"""Keys reach the bench's window by way of the display, and the picture that they lead to is awaited."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from app.bench import key_to_picture
from app.bench.key_to_picture import KeyView, absence, key_view
from app.scene_options import SceneOptions

OPTIONS = SceneOptions()


def test_keys_lead_to_pictures(on_screen: str) -> None:
    with key_view(OPTIONS, (96, 80)) as view:
        assert isinstance(view, KeyView) and absence(view) == ""
        for mode in ("tiles", "neural", "tiles", "reference", "neural"):
            took = view.milliseconds(mode)
            assert view.renderer.mode == mode and took > 0


def test_without_a_display_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with key_view(OPTIONS, (96, 80)) as view:
        assert absence(view) == "neither DISPLAY nor WAYLAND_DISPLAY is set"


def test_time_runs_from_the_key_until_its_picture_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures in other modes do not count, nor does one that is still on its way."""
    clock, came = SimpleNamespace(now=5.0), threading.Event()
    modes = iter(("neural", "neural", "tiles", "tiles"))

    def wait_idle() -> None:
        clock.now += 0.5

    def run(_frames: int) -> None:
        if watch.awaited:
            came.wait()
            clock.now += 1.0
            watch.look(next(modes))

    monkeypatch.setattr(key_to_picture, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    device, viewer, window, typist = (
        SimpleNamespace(wait_idle=wait_idle),
        SimpleNamespace(run=run),
        SimpleNamespace(closing=False, ask_to_close=lambda: None),
        SimpleNamespace(press=lambda key: came.set() if key == "t" else None),
    )
    nothing: Any = None
    watch = key_to_picture._Watch(device)  # type: ignore[arg-type]
    view = KeyView(window, nothing, viewer, watch, typist)  # type: ignore[arg-type]
    assert view.milliseconds("tiles") == 3500.0
