"""An interrupted training run on disk, written beside and renamed: a kill at any moment leaves the last."""

import fcntl
import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from app.errors import BungyoError, InputError
from app.files import check_folder
from app.training.differences import differences

FILE_NAME = "unfinished.pt"
VERSION = 4  # raise it with whatever makes a run go on otherwise than it began: what is stored, the loss
_BEGIN_ANEW = "Give --fresh to begin anew."


@dataclass
class Checkpoint:
    """All that a run has reached. Whatever has a name belongs to one of the trainings that the run consists of.

    A context manager: until its end no other run can be opened in the folder.

    Attributes:
        path: the file.
        identity: options and data of the run; another identity is another run.
        generalists: by name what `Run.generalist` has reached: "step", "best", "net" and "optimizer".
        groups: by name and number the `experts.GroupResult` of finished groups, as plain tuples.
        learning: by number of people the finished points of the learning curve, as plain values.
        curves: by name (step, validation dB).
    """

    path: Path
    identity: dict[str, Any]
    generalists: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: defaultdict[str, dict[int, Any]] = field(default_factory=lambda: defaultdict(dict))
    learning: dict[int, dict[str, Any]] = field(default_factory=dict)
    curves: defaultdict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    @staticmethod
    def open(folder: Path, identity: dict[str, Any], fresh: bool) -> "Checkpoint":
        """Take up the run in `folder`, or begin one there.

        Raises:
            InputError: the folder holds an interrupted run of another identity or a damaged one (unless
                `fresh`), belongs to a run that goes on right now, cannot be made, or cannot be written to.
        """
        path = folder / FILE_NAME
        state = Checkpoint(path, identity)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            check_folder(folder)
            state._lock()
        except OSError as error:
            raise InputError(f"The weights cannot go to {folder}: {error.strerror}.") from error
        try:
            state._take_up(fresh)
        except BaseException:
            state.close()
            raise
        return state

    def _lock(self) -> None:
        """Hold the folder itself: the file in it is replaced with every save."""
        self._folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise InputError(f"Another training writes its weights to {self.path.parent}.") from error
        except OSError:  # network file systems lock no folders
            pass

    def _take_up(self, fresh: bool) -> None:
        """Read what an interrupted run has reached, if there is one and it is wanted."""
        path, identity = self.path, self.identity
        if fresh or not path.exists():
            return
        try:
            # What was trained on a GPU that is not there is to be told from a damaged file: its device differs.
            where = None if torch.cuda.is_available() else "cpu"
            stored = torch.load(path, map_location=where, weights_only=True)
            version = stored["version"]
        except Exception as error:  # torch raises whatever its unpickler meets
            raise InputError(f"The interrupted training run {path} cannot be read.", _BEGIN_ANEW) from error
        if version != VERSION:
            raise InputError(f"{path} is of another version of bungyo, whose training cannot go on here.", _BEGIN_ANEW)
        try:
            self.identity = stored["identity"]
            self.generalists, self.learning = stored["generalists"], stored["learning"]
            self.groups.update(stored["groups"])
            self.curves.update(stored["curves"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"The interrupted training run {path} cannot be read.", _BEGIN_ANEW) from error
        if self.identity != identity:
            found = "; ".join(differences(self.identity, identity))
            raise InputError(
                f"{path} is an interrupted training run with other options or data: {found}.",
                "Repeat the options and the data it was begun with, or give --fresh to begin anew.",
            )

    def save(self) -> None:
        """Write everything to disk; BungyoError if the disk refuses."""
        stored = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "path"}
        stored |= {"version": VERSION, "curves": dict(self.curves), "groups": dict(self.groups)}
        beside = self.path.with_suffix(".part")
        try:
            torch.save(stored, beside)
            beside.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            with suppress(OSError):  # what refused the file may refuse this, too
                beside.unlink(missing_ok=True)
            raise BungyoError(f"The training run cannot be saved to {self.path}: {error}.") from error

    def forget(self, name: str) -> None:
        """Drop what a finished training needed to go on, its teachers ("NAME: ...") included."""
        for found in (self.generalists, self.groups):
            for one in [key for key in found if key == name or key.startswith(f"{name}: ")]:
                found.pop(one)

    def remove(self) -> None:
        """Forget the run: it is finished."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._folder)

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
