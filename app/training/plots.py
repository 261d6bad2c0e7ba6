"""Pictures of a training run: its loss curves, and where on the face the networks are good."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from app.network.schema import HASH_BINS
from app.training.evaluate import Evaluation

FEW = 6  # curves that are told apart by name


def plot_curves(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw validation dB over training steps: one panel a kind of network, one line a curve.

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
            axis.plot(*np.transpose(points), linewidth=1.0 if few else 0.5, label=which)
        if few and len(lines) > 1:
            axis.legend()
        axis.set(title=kind, xlabel="step", ylabel="validation, dB against the truth")
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


def plot_uv(path: Path, evaluation: Evaluation) -> None:
    """Draw over the UV square: the experts' dB, their gain over the generalist, and how many pixels judged.

    The white lines are the tile hash's bins; v points up as in the texture.
    """
    pixels = evaluation.uv_pixels
    with np.errstate(divide="ignore", invalid="ignore"):
        db = {name: -10.0 * np.log10(evaluation.uv_error[name] / pixels) for name in ("generalist", "experts")}
        panels = [
            ("experts, dB", db["experts"], "viridis", (25.0, 50.0)),
            ("experts - generalist, dB", db["experts"] - db["generalist"], "RdBu", (-3.0, 3.0)),
            (
                "held-out pixels, log10",
                np.log10(pixels),
                "magma",
                (0.0, max(1.0, float(np.log10(pixels.max())))),
            ),
        ]
    figure, axes = plt.subplots(1, 3, figsize=(16.0, 5.0))
    for axis, (title, values, colors, (low, high)) in zip(axes, panels, strict=True):
        shown = np.ma.masked_where(pixels == 0, values)
        image = axis.imshow(shown, origin="lower", extent=(0, 1, 0, 1), cmap=colors, vmin=low, vmax=high)
        axis.set(title=title, xlabel="u", ylabel="v")
        axis.set_xticks(np.arange(HASH_BINS + 1) / HASH_BINS, minor=True)
        axis.set_yticks(np.arange(HASH_BINS + 1) / HASH_BINS, minor=True)
        axis.grid(which="minor", color="white", linewidth=0.4)
        figure.colorbar(image, ax=axis, shrink=0.8)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


def plot_learning_curve(path: Path, people: Sequence[int], db: Mapping[str, Sequence[float]]) -> None:
    """Draw dB against the truth over the number of people to learn from, one line a kind of network."""
    figure, axis = plt.subplots(figsize=(6.0, 4.0))
    for model, values in db.items():
        axis.plot(people, values, marker="o", label=model)
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(people), [f"{count:,}" for count in people])
    axis.set(title="What more people bring", xlabel="people to learn from", ylabel="validation, dB against the truth")
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)
