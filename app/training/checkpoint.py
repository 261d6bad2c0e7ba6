"""An interrupted training run on disk, written beside and renamed: a kill at any moment leaves the last."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from app.errors import BungyoError, InputError

FILE_NAME = "unfinished.pt"
VERSION = 2


@dataclass
class Checkpoint:
    """All that a run has reached. Whatever has a name belongs to one of the trainings that the run consists of.

    Attributes:
        path: the file.
        identity: options and data of the run; another identity is another run.
        generalists: by name what `generalist.train_generalist` has reached.
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
                `fresh`), or cannot be made.
        """
        path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"The weights cannot go to {folder}: {error.strerror}.") from error
        state = Checkpoint(path, identity)
        if fresh or not path.exists():
            return state
        hint = "Give --fresh to begin anew."
        try:
            stored = torch.load(path, weights_only=True)
            if stored["version"] != VERSION:
                raise ValueError("version")
            state.identity = stored["identity"]
            state.generalists, state.learning = stored["generalists"], stored["learning"]
            state.groups.update(stored["groups"])
            state.curves.update(stored["curves"])
        except Exception as error:  # torch raises whatever its unpickler meets
            raise InputError(f"The interrupted training run {path} cannot be read.", hint) from error
        if state.identity != identity:
            raise InputError(f"{path} is an interrupted training run with other options or data.", hint)
        return state

    def save(self) -> None:
        """Write everything to disk; BungyoError if the disk refuses."""
        stored = {name: value for name, value in vars(self).items() if name != "path"}
        stored |= {"version": VERSION, "curves": dict(self.curves), "groups": dict(self.groups)}
        beside = self.path.with_suffix(".part")
        try:
            torch.save(stored, beside)
            beside.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            beside.unlink(missing_ok=True)
            raise BungyoError(f"The training run cannot be saved to {self.path}: {error}.") from error

    def forget(self, name: str) -> None:
        """Drop what a finished training needed to go on."""
        for found in (self.generalists, self.groups):
            found.pop(name, None)

    def remove(self) -> None:
        """Forget the run: it is finished."""
        self.path.unlink(missing_ok=True)
