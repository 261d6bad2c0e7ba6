"""The interrupted run on disk: what keeps it from being written is one sentence."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import torch

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


def test_a_run_on_a_gpu_that_is_gone_is_not_said_to_be_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with monkeypatch.context() as there, Checkpoint.open(tmp_path, {"device": "cuda"}, fresh=False) as state:
        there.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        state.generalists["main"] = {"step": 250, "best": {"weight": torch.arange(3.0)}}
        state.save()
    with pytest.raises(InputError, match="other options or data: device was cuda and is now cpu"):
        Checkpoint.open(tmp_path, {"device": "cpu"}, fresh=False)


def test_a_run_goes_on_with_all_that_it_had(tmp_path: Path) -> None:
    with Checkpoint.open(tmp_path, {"options": 1}, fresh=False) as state:
        state.generalists["main"] = {"step": 250, "best": {"weight": torch.arange(3.0)}}
        state.groups["main"][2] = ([0x0101], [torch.ones(2)], 0.5)
        state.learning[12] = {"people": 12}
        state.curves["generalist"].append((250.0, 30.0))
        state.save()
    with Checkpoint.open(tmp_path, {"options": 1}, fresh=False) as state:
        assert state.generalists["main"]["step"] == 250
        assert torch.equal(state.generalists["main"]["best"]["weight"], torch.arange(3.0))
        assert list(state.groups) == ["main"] and state.groups["main"][2][2] == 0.5
        assert state.learning == {12: {"people": 12}} and state.curves == {"generalist": [(250.0, 30.0)]}
        state.groups["more"][0] = ()
        state.curves["more"].append((1.0, 2.0))  # what is new needs no beginning
    with pytest.raises(InputError, match="other options or data: options was 1 and is now 2"):
        Checkpoint.open(tmp_path, {"options": 2}, fresh=False)


def test_a_training_is_forgotten_with_its_teachers_alone(tmp_path: Path) -> None:
    names = ("2 people", "2 people: teacher 1", "12 people", "12 people: teacher 1", "main: teacher 2")
    with Checkpoint.open(tmp_path, {}, fresh=False) as state:
        for name in names:
            state.generalists[name] = {"step": 1}
            state.groups[name][0] = ()
        state.forget("2 people")
        assert tuple(state.generalists) == tuple(state.groups) == names[2:]
