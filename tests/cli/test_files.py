"""Files are whole or not there, and folders are checked before."""

import errno
import os
from pathlib import Path

import pytest

from app.errors import InputError
from app.files import beside, check_folder


def test_failed_writing_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt), beside(target) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text() == "old"


def test_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(dir: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    check_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as patched:  # root may write everywhere, so the answer of the system is replaced
        patched.setattr("tempfile.TemporaryFile", denied)
        with pytest.raises(InputError, match="you may not write there"):
            check_folder(tmp_path)


def test_folder_whose_permissions_promise_too_much() -> None:
    """Root may write to /proc, but nobody makes files there."""
    with pytest.raises(InputError, match=r"^Cannot write to /proc: (no file can be made there|you may not write)"):
        check_folder(Path("/proc"))
