"""Compiling is timed without what was compiled before."""

import os
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


def test_what_drawing_takes_is_not_compiling(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 5.0, 6.0, 7.5])
    monkeypatch.setattr(compilation, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(compilation, "warm_up", lambda *_, **__: None)
    assert Compilation(gpu).seconds((32, 15)) == 3.5
