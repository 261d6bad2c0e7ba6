"""Keys reach the bench's window by way of the display, and the picture that they lead to is awaited."""

import pytest

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
