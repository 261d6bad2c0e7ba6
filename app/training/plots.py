"""Pictures of a training run: its loss curves, and where on the face the networks are good."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from app.arrays import F64

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from app.network.schema import HASH_BINS
from app.training.evaluate import Evaluation

FEW = 6  # curves that are told apart by name
COARSER = 4  # cells along one that is drawn: smaller ones show the targets' noise
NOISE_WINS = 60.0  # dB: what noise makes of a few pixels whose measured error is below 0
FEWEST_PIXELS = 100  # of a cell whose dB are worth a colour


def plot_curves(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw validation dB over training steps: one panel a kind of network, one line a curve; of experts what they gain.

    Args:
        path: the PNG to write.
        curves: "kind" or "kind, which" -> points (step, dB).
    """
    kinds: dict[str, list[tuple[str, Sequence[tuple[float, float]]]]] = {}
    for name, points in curves.items():
        kind, _, which = name.partition(", ")
        kinds.setdefault(kind, []).append((which, points))
    figure, axes = plt.subplots(1, max(len(kinds), 1), figsize=(6.0 * max(len(kinds), 1), 4.0), squeeze=False)
    for axis, (kind, lines) in zip(axes[0], kinds.items(), strict=False):
        few = len(lines) <= FEW
        for which, points in lines:
            steps, values = np.transpose(points)
            values = np.where(values < NOISE_WINS, values, np.nan)
            values -= values[0] if kind == "experts" else 0.0
            axis.plot(steps, values, linewidth=1.0 if few else 0.5, label=which)
        if few and len(lines) > 1:
            axis.legend()
        said = "gain over the generalist, dB" if kind == "experts" else "dB against the truth"
        axis.set(title=kind, xlabel="step", ylabel=f"validation, {said}")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


def plot_uv(path: Path, evaluation: Evaluation) -> None:
    """Draw over the UV square: the experts' dB, their gain over the generalist, and how many pixels judged.

    The white lines are the tile hash's bins; v points up as in the texture. Cells of few pixels have no dB.
    """
    pixels = _coarse(evaluation.uv_pixels)
    error = {name: _coarse(evaluation.uv_error[name]) for name in ("generalist", "experts")}
    with np.errstate(divide="ignore", invalid="ignore"):
        db = {
            name: -10.0 * np.log10(np.where(pixels < FEWEST_PIXELS, np.nan, sums / pixels))
            for name, sums in error.items()
        }
        panels = [
            ("experts, dB", db["experts"], "viridis", (24.0, 42.0)),
            ("experts - generalist, dB", db["experts"] - db["generalist"], "RdBu", (-1.0, 1.0)),
            (
                "held-out pixels, log10",
                np.log10(pixels),
                "magma",
                (0.0, max(1.0, float(np.log10(pixels.max())))),
            ),
        ]
    figure, axes = plt.subplots(1, 3, figsize=(16.0, 5.0))
    for axis, (title, values, colors, (low, high)) in zip(axes, panels, strict=True):
        shown = np.ma.masked_invalid(values)
        image = axis.imshow(shown, origin="lower", extent=(0, 1, 0, 1), cmap=colors, vmin=low, vmax=high)
        axis.set(title=title, xlabel="u", ylabel="v")
        axis.set_xticks(np.arange(HASH_BINS + 1) / HASH_BINS, minor=True)
        axis.set_yticks(np.arange(HASH_BINS + 1) / HASH_BINS, minor=True)
        axis.grid(which="minor", color="white", linewidth=0.4)
        figure.colorbar(image, ax=axis, shrink=0.8)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


def _coarse(cells: F64) -> F64:
    """Sums of (n, n) cells over blocks of COARSER x COARSER of them."""
    count = len(cells) // COARSER
    sums: F64 = cells.reshape(count, COARSER, count, COARSER).sum(axis=(1, 3))
    return sums


def plot_learning_curve(path: Path, people: Sequence[int], db: Mapping[str, Sequence[float]], unit: str) -> None:
    """Draw dB against the truth over the number of people, named `unit`, to learn from; a line a kind of network."""
    figure, axis = plt.subplots(figsize=(6.0, 4.0))
    for model, values in db.items():
        axis.plot(people, values, marker="o", label=model)
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(people), [f"{count:,}" for count in people])
    axis.set(title=f"What more {unit} bring", xlabel=f"{unit} to learn from", ylabel="validation, dB against the truth")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)
