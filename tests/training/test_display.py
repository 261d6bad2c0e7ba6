"""What a training says of its progress: whole lines with the time left in a log, and figures of what is kept."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from torch import Tensor

from app import progress
from app.training import run as run_module
from app.training import train as train_module
from app.training.checkpoint import Checkpoint
from app.training.dataset import Dataset
from app.training.display import Display
from app.training.experts import GroupResult
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.judge import Judge
from app.training.train import train
from tests.training.sphere_source import SphereSource
from tests.training.test_train import TINY


class Clock:
    """The time, as a log sees it."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def console(width: int = 80) -> tuple[Console, Callable[[], list[str]]]:
    """A console that is a log, and the lines in it."""
    file = io.StringIO()
    return Console(file=file, width=width), lambda: file.getvalue().splitlines()


def test_a_log_tells_the_time_left_in_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    log, lines = console(width=40)
    with Display(log) as display:
        with display.stage("Generalist", 2000) as show:
            show(500)
            for done in (600, 700, 800):
                clock.now += 50.0
                show(done, "30.00 dB")
        display.print("A [bold] line " + "that goes on and on " * 4)
    said = lines()
    assert said[0] == "Generalist: 700 of 2000, 2.0/s, 0:10:50 left  30.00 dB"
    assert re.fullmatch(r"Generalist: done in \d+ s  30\.00 dB", said[1])
    assert said[2].startswith("A [bold] line that goes on and on that") and len(said) == 3


def test_slow_steps_are_counted_by_the_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done before the first call says nothing of the rate."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    log = progress.Log(10, "frames")
    assert log.line(4) is None
    clock.now = 120.0
    assert log.line(6) == "frames: 6 of 10, 1.0/min, 0:04:00 left"


def test_stages_close_with_what_is_kept_and_scores_begin_with_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with the last step's dB, nor the last group's; and what is against noisy targets is called so."""
    generate(Here(SphereSource(noise=0.7)), tmp_path / "set", Plan(4, 1, (96, 96), 0.6), 120)
    data = Dataset(tmp_path / "set")
    gains: list[float] = []
    judged: list[float] = []
    save, decibel = Checkpoint.save, run_module._decibel

    def saved(state: Checkpoint) -> None:
        gains[:] = [GroupResult(*group).gain for group in state.groups["main"].values()]
        save(state)

    def note(drawn: Tensor, judge: Judge) -> float:
        judged.append(decibel(drawn, judge))
        return judged[-1]

    monkeypatch.setattr(Checkpoint, "save", saved)
    monkeypatch.setattr(run_module, "_decibel", note)
    monkeypatch.setattr(run_module, "CHUNK", 20)
    monkeypatch.setattr(Judge, "nearer", lambda *_: False)  # of 20, 40 and 60 steps, so the state after 40 is kept
    for name in ("plot_curves", "plot_uv"):
        monkeypatch.setattr(train_module, name, lambda path, what: path.touch())
    log, lines = console()
    result = train(data, tmp_path / "out", TINY, console=log)
    said = lines()
    (generalist,) = (line for line in said if line.startswith("Generalist: done"))
    assert judged[3] == judged[1] != judged[2] and generalist.endswith(f"  {judged[1]:.2f} dB")
    (experts,) = (line for line in said if line.startswith("Experts: done"))
    assert len(gains) > 1 and experts.endswith(f"  {np.mean(gains):+.2f} dB")
    assert result.evaluation is not None
    truth = result.evaluation.truth("experts")
    (line,) = (line.strip() for line in said if line.strip().startswith("experts "))
    assert line.startswith(f"experts  {truth.mean():.2f} dB against the truth, worst {truth.min():.2f} dB; ")
    assert line.endswith(f"against noisy targets {result.evaluation.scores['experts']}")
    (line,) = (line.strip() for line in said if line.strip().startswith("noise "))
    assert line == f"noise  against noisy targets {result.evaluation.scores['noise']}"
