"""Keys reach the bench's window by way of the display, and the picture that they lead to is awaited."""

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from app.bench import key_to_picture
from app.bench.key_to_picture import KeyView, absence, key_view
from app.errors import BungyoError
from app.gpu import open_device, selection
from app.gpu.selection import Candidate, Selection
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


@pytest.mark.usefixtures("on_screen")
def test_a_gpu_that_shows_no_windows_here_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """As most do not by ssh or on a display in memory, where drivers for CPUs do: that would be another's time."""
    selected: list[Selection] = []

    def choose(found: Sequence[Candidate], select: Selection, *, raytracing: bool | None) -> Candidate:
        selected.append(select)
        return selection.choose(found, select, raytracing=raytracing)

    monkeypatch.setattr(open_device, "presentation", lambda _instance: lambda _physical, _family: False)
    monkeypatch.setattr(open_device, "choose", choose)
    with key_view(OPTIONS, (96, 80)) as view:
        assert absence(view).endswith(" shows no windows on this display")
    assert selected[0] is None and selected[-1] is not None


def viewed(window: Any, viewer: Any, watch: Any, typist: Any) -> KeyView:
    """A window of stand-ins."""
    renderer: Any = None
    return KeyView(window, renderer, viewer, watch, typist)


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
    device: Any = SimpleNamespace(wait_idle=wait_idle)
    watch = key_to_picture._Watch(device)
    window = SimpleNamespace(closing=False, ask_to_close=lambda: None)
    typist = SimpleNamespace(press=lambda key: came.set() if key == "t" else None)
    assert viewed(window, SimpleNamespace(run=run), watch, typist).milliseconds("tiles") == 3500.0


def test_a_key_that_is_lost_is_not_awaited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    closed, watch = threading.Event(), SimpleNamespace(awaited=None, seen=None)

    class Closing:
        ask_to_close = staticmethod(closed.set)

        @property
        def closing(self) -> bool:
            return closed.is_set()

    def run(_frames: int) -> None:
        assert not watch.awaited or closed.wait(20.0)

    monkeypatch.setattr(key_to_picture, "_PATIENCE", 0.0)
    view = viewed(Closing(), SimpleNamespace(run=run), watch, SimpleNamespace(press=lambda _: None))
    with pytest.raises(BungyoError, match="the key t did not reach it"):
        view.milliseconds("tiles")
