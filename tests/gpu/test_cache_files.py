"""Files that save time: whole or not there, and damaged ones are not read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.gpu import Device
from app.gpu.cache_files import cache_folder, load_checked, store_atomically, store_checked


def test_only_what_was_stored_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    assert load_checked(path) is None
    for data in (b"data", b""):
        store_checked(path, data)
        assert load_checked(path) == data
    store_checked(path, b"data")
    for damaged in (b"", path.read_bytes()[:-1], path.read_bytes() + b"\0", b"data"):
        path.write_bytes(damaged)
        assert load_checked(path) is None
    assert load_checked(tmp_path) is None


def test_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache" / "bungyo"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / "home" / ".cache" / "bungyo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home" / ".cache" / "bungyo"


def test_a_user_without_a_home_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", fails)
    folder = cache_folder()
    assert not folder.parent.parent.exists()
    assert load_checked(folder / "file") is None


def test_what_the_driver_compiled_is_kept_from_run_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And written again only where there is more of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Device.open(raytracing=None).close()
    (file,) = (tmp_path / "bungyo" / "pipelines").iterdir()
    assert load_checked(file)
    os.utime(file, (1, 1))
    Device.open(raytracing=None).close()
    assert file.stat().st_mtime == 1.0


def test_a_full_disk_costs_only_the_cache(tmp_path: Path, small_disk: Callable[[int], None]) -> None:
    store_atomically(tmp_path / "new" / "file", b"first")
    small_disk(100)
    store_atomically(tmp_path / "new" / "file", bytes(1000))
    store_atomically(tmp_path / "new" / "other", bytes(1000))
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == {"file": b"first"}
