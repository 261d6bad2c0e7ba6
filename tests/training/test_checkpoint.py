"""The interrupted run on disk: what keeps it from being written is one sentence."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from app.errors import BungyoError, InputError
from app.training import checkpoint
from app.training.checkpoint import FILE_NAME, Checkpoint


def test_a_folder_that_may_not_be_written_to_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(dir: Path) -> None:  # root may write anywhere
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.raises(InputError, match=r"Cannot write to .*: you may not write there"):
        Checkpoint.open(tmp_path, {}, fresh=False)


def test_a_disk_that_refuses_the_half_written_file_and_its_removal(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).with_suffix(".part").mkdir()
    with Checkpoint.open(tmp_path, {}, fresh=False) as state, pytest.raises(BungyoError, match="cannot be saved to"):
        state.save()


def test_a_run_of_another_version_is_not_said_to_be_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as before, Checkpoint.open(tmp_path, {}, fresh=False) as state:
        before.setattr(checkpoint, "VERSION", checkpoint.VERSION - 1)
        state.save()
    with pytest.raises(InputError, match="is of another version of bungyo") as caught:
        Checkpoint.open(tmp_path, {}, fresh=False)
    assert "--fresh" in str(caught.value.hint)
    Checkpoint.open(tmp_path, {}, fresh=True).close()
