"""Compiling is timed without what was compiled before."""

import os

import pytest

from app.bench.compilation import Compilation
from app.gpu import Device


def test_wider_networks_take_longer(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    compilation = Compilation(gpu)
    narrow, wide = (compilation.seconds((32, width, width, 15)) for width in (4, 32))
    assert 0 < narrow < wide
    assert compilation.seconds((32, 32, 32, 15)) > wide / 3  # compiled again, whatever else runs
    assert os.environ["XDG_CACHE_HOME"] == "/nowhere" and "__GL_SHADER_DISK_CACHE_PATH" not in os.environ
