"""An interrupted training run on disk, written beside and renamed: a kill at any moment leaves the last."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.errors import BungyoError, InputError

FILE_NAME = "unfinished.pt"
VERSION = 1


@dataclass
class Checkpoint:
    """All that a run has reached.

    Attributes:
        path: the file.
        identity: options and data of the run; another identity is another run.
        step: generalist steps done.
        generalist, optimizer: state dictionaries; empty at the start.
        groups: groups of experts done.
        experts: by hash the kept expert's row of `WeightSet.slots`.
        gains: by hash its gain over the generalist on validation pixels, dB.
        curves: by name (step, validation dB).
    """

    path: Path
    identity: dict[str, Any]
    step: int = 0
    generalist: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    groups: int = 0
    experts: dict[int, Tensor] = field(default_factory=dict)
    gains: dict[int, float] = field(default_factory=dict)
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
        if fresh or not path.exists():
            return Checkpoint(path, identity)
        hint = "Give --fresh to begin anew."
        try:
            stored = torch.load(path, weights_only=True)
            if stored.pop("version") != VERSION:
                raise ValueError("version")
            curves = defaultdict(list, stored.pop("curves"))
            state = Checkpoint(path, curves=curves, **stored)
        except Exception as error:  # torch raises whatever its unpickler meets
            raise InputError(f"The interrupted training run {path} cannot be read.", hint) from error
        if state.identity != identity:
            raise InputError(f"{path} is an interrupted training run with other options or data.", hint)
        return state

    def save(self, **changes: Any) -> None:
        """Set the given attributes and write everything to disk; BungyoError if the disk refuses."""
        for name, value in changes.items():
            setattr(self, name, value)
        stored = {name: value for name, value in vars(self).items() if name != "path"}
        stored |= {"version": VERSION, "curves": dict(self.curves)}
        beside = self.path.with_suffix(".part")
        try:
            torch.save(stored, beside)
            beside.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            beside.unlink(missing_ok=True)
            raise BungyoError(f"The training run cannot be saved to {self.path}: {error}.") from error

    def remove(self) -> None:
        """Forget the run: it is finished."""
        self.path.unlink(missing_ok=True)
