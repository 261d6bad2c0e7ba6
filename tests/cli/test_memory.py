"""Data that do not fit into memory are one sentence with what helps, whoever found out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.commands.memory import enough_memory
from app.main import main
from tests.training.judged_sphere import make, weight_set


def too_much_for_numpy(*_: Any, **__: Any) -> None:
    np.empty(10**16)


def too_much_for_torch(*_: Any, **__: Any) -> None:
    torch.empty(10**15, dtype=torch.uint8)


def too_much_for_a_gpu(*_: Any, **__: Any) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.mark.parametrize(
    ("fill", "whose"),
    [(too_much_for_numpy, "computer"), (too_much_for_torch, "computer"), (too_much_for_a_gpu, "GPU")],
)
def test_memory_that_ends(
    fill: Any, whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(make(tmp_path / "set", noise=0.1, frames=2).path)
    weights = weight_set(0.9).save(tmp_path / "networks")
    monkeypatch.setattr("app.training.train.train", fill)
    monkeypatch.setattr("app.training.evaluate.evaluate", fill)
    for command in (["train", "--out", str(tmp_path / "out")], ["evaluate", "--weights", str(weights.parent)]):
        assert main([*command, "--data", data]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[-2] == f"bungyo: error: The {whose}'s memory is not enough for this."
        assert said[-1].startswith("  It takes more memory, or a data set of fewer frames.")
        assert ("--device cpu" in said[-1]) == (command[0] == "train")


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="sizes must match"), enough_memory():
        raise RuntimeError("sizes must match")
