"""Files are whole or not there, and folders are checked before."""

import errno
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.files import beside, check_file, check_folder


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


def test_the_command_that_makes_a_folder_is_one_for_a_shell(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        check_folder(tmp_path / "my pictures")
    assert shlex.split(raised.value.hint)[2:] == ["mkdir", "-p", str(tmp_path / "my pictures")]


def test_folder_whose_permissions_promise_too_much() -> None:
    """Root may write to /proc, but nobody makes files there."""
    with pytest.raises(InputError, match=r"^Cannot write to /proc: (no file can be made there|you may not write)"):
        check_folder(Path("/proc"))


def test_a_file_that_could_not_be_written_in_the_end_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "there.json").write_text("old")
    for name in ("new.json", "there.json", "x" * 200):
        check_file(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.json"]
    longest = tmp_path / ("x" * 255)  # a name that may be, but not that of the unfinished file beside it
    longest.touch()
    (tmp_path / "folder.json").mkdir()
    for path, complaint in (
        (tmp_path / "folder.json", "it is a folder."),
        (Path("/"), "it is a folder."),
        (longest, "File name too long."),
        (tmp_path / ("x" * 300) / "a.json", "File name too long."),
        (tmp_path / "no" / "a.json", "the folder does not exist."),
        (tmp_path / "there.json" / "a.json", "it is not a folder."),
    ):
        with pytest.raises(InputError, match=complaint):
            check_file(path)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_one(there: bool, tmp_path: Path) -> None:
    """What it leads to is written, and the folder of that is looked at."""
    other, link = tmp_path / "other", tmp_path / "latest.txt"
    other.mkdir()
    if there:
        (other / "a.txt").write_text("old")
    link.symlink_to(Path("other") / "a.txt")
    check_file(link)
    with beside(link) as temporary:
        assert temporary.parent.samefile(other)
        temporary.write_text("new")
    assert link.is_symlink() and (other / "a.txt").read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "latest.txt", "other"]
    lost = tmp_path / "lost.txt"
    lost.symlink_to(tmp_path / "gone" / "a.txt")
    with pytest.raises(InputError, match="gone: the folder does not exist"):
        check_file(lost)


@pytest.mark.parametrize("kind", ["device", "pipe", "link to a device"])
def test_what_is_no_file_is_not_replaced_by_one(kind: str, tmp_path: Path) -> None:
    """Root would lose /dev/stdout so."""
    path = tmp_path / "a.json"
    if kind == "device":
        path = Path(os.devnull)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)
    with pytest.raises(InputError, match="it is no regular file"):
        check_file(path)


def test_two_threads_may_write_the_same_file(tmp_path: Path) -> None:
    """It becomes what the last one wrote, whole."""
    target = tmp_path / "a.txt"

    def other() -> None:
        with beside(target) as temporary:
            temporary.write_text("other")

    with ThreadPoolExecutor(1) as thread, beside(target) as temporary:
        temporary.write_text("last")
        thread.submit(other).result()
        assert target.read_text() == "other"
    assert target.read_text() == "last" and list(tmp_path.iterdir()) == [target]


def test_libraries_see_the_kind_of_file_in_its_name(tmp_path: Path) -> None:
    with beside(tmp_path / "a.npz") as temporary:
        np.savez(temporary, numbers=np.arange(3))  # which adds the suffix where it is missing
    with np.load(tmp_path / "a.npz") as found:
        assert found["numbers"].tolist() == [0, 1, 2]
