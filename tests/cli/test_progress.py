"""The bar that somebody watches, or lines where there is none."""

from types import SimpleNamespace

import pytest

from app import progress
from app.progress import counted, percentage


def test_what_is_counted_is_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a picture's name, for one."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal has
    monkeypatch.setenv("TERM", "xterm")
    assert list(counted(2, "face[a].png")) == [0, 1]
    assert "face[a].png" in capsys.readouterr().err


def test_shares_are_told_in_percent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with percentage("light") as show:
        for share in (0.0, 0.2505, 1.0):
            show(share)
            clock.now += 61.0
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "light: 25 of 100",
        "light: 100 of 100",
    ]


def test_a_terminal_that_moves_no_cursor_is_a_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an editor's is, where nothing was said at all."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    for _ in counted(3, "frames"):
        clock.now += 50.0
    assert capsys.readouterr().err == "frames: 2 of 3, 1.2/min, 0:00:50 left\n"
