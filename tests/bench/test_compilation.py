"""Compiling is timed without what was compiled before."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.bench import compilation
from app.bench.compilation import Compilation
from app.gpu import Device


def test_wider_networks_take_longer(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    compiled = Compilation(gpu)
    narrow, wide = (compiled.seconds((32, width, width, 15)) for width in (4, 32))
    assert 0 < narrow < wide
    assert compiled.seconds((32, 32, 32, 15)) > wide / 3  # compiled again, whatever else runs
    assert os.environ["XDG_CACHE_HOME"] == "/nowhere" and "__GL_SHADER_DISK_CACHE_PATH" not in os.environ


def test_a_cache_that_mesa_is_told_of_is_no_help(gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mesa asks for its own variable first."""
    monkeypatch.setenv("MESA_SHADER_CACHE_DIR", str(tmp_path))
    Compilation(gpu).seconds((32, 4, 15))
    assert not list(tmp_path.iterdir()) and os.environ["MESA_SHADER_CACHE_DIR"] == str(tmp_path)


def test_what_is_compiled_is_kept_whatever_the_environment_says(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time would compile as well, and the difference be nothing, or less."""
    seen: list[str] = []
    monkeypatch.setenv("MESA_SHADER_CACHE_DISABLE", "true")
    monkeypatch.setattr(compilation, "warm_up", lambda *_, **__: seen.append(os.environ["MESA_SHADER_CACHE_DISABLE"]))
    Compilation(gpu).seconds((32, 15))
    assert seen == ["false"] * 2 and os.environ["MESA_SHADER_CACHE_DISABLE"] == "true"


def test_what_drawing_takes_is_not_compiling(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 5.0, 6.0, 7.5])
    monkeypatch.setattr(compilation, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(compilation, "warm_up", lambda *_, **__: None)
    assert Compilation(gpu).seconds((32, 15)) == 3.5
