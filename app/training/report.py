"""The report of `bungyo evaluate`: one page with tables, plots and pictures side by side."""

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from app.errors import BungyoError, InputError
from app.files import check_folder
from app.pictures import write_png
from app.training.evaluate import Evaluation
from app.training.plots import plot_uv
from app.training.quality import AMPLIFIED, Quality

PAGE = "index.html"
TEMPLATE = Path(__file__).with_name("report.html")
RANKS = {0.0: "Worst", 0.25: "Lower quartile", 0.5: "Median", 0.75: "Upper quartile", 1.0: "Best"}
COLORS = {"experts": "#c0392b", "generalist": "#3b6ea8", "plain": "#999999", "noise": "#bbbbbb"}
WIDE = ("#7aa6d6", "#5f9e6e", "#8e6bb0", "#c39b3f")


def check_report(folder: Path) -> None:
    """Raise InputError unless a report can go to `folder`: a new one, an empty one, or one with an earlier report.

    It is made beside its place and then moved, so both must take files.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"A report needs a folder, and {folder} is a file.")
    if folder.exists() and any(folder.iterdir()) and not (folder / PAGE).exists():
        raise InputError(f"The folder {folder} holds other files, so no report is written into it.")
    check_folder(next(parent for parent in folder.resolve().parents if parent.exists()))
    if folder.exists():
        check_folder(folder)


def ranked_frames(evaluation: Evaluation) -> dict[int, str]:
    """The frames whose pictures are shown, by number: the experts' worst to best; and what each of them is."""
    order = np.argsort(evaluation.truth("experts"), kind="stable")
    places: dict[int, str] = {}
    for share in sorted(RANKS, key=lambda share: -abs(share - 0.5)):  # of few frames the best is that, no quartile
        places.setdefault(round(share * (len(order) - 1)), RANKS[share])
    return {evaluation.frames[order[place]].info.index: places[place] for place in sorted(places)}


def write_report(
    folder: Path, weights: Path, data: Path, figures: Mapping[str, Any], evaluation: Evaluation, quality: Quality | None
) -> Path:
    """Write the page and its PNG files; an earlier report there is replaced.

    Args:
        folder: of the report, which `check_report` allowed before the work; what else lies there by now stays.
        weights, data: what was judged, on what; for the title.
        figures: what `figures.figures` gives.
        evaluation: of all pixels.
        quality: of whole pictures, with the pictures of `ranked_frames`.

    Returns:
        The page.

    Raises:
        BungyoError: it cannot be written.
    """
    place = folder.resolve()  # "." has no name
    beside = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        beside.mkdir(parents=True)
        _plot_models(beside / "models.png", figures)
        _plot_frames(beside / "frames.png", evaluation)
        _plot_groups(beside / "groups.png", figures)
        plot_uv(beside / "uv.png", evaluation)
        pictures = _write_pictures(beside, figures, evaluation, quality)
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        page = environment.from_string(TEMPLATE.read_text()).render(
            f=figures,
            weights=str(weights),
            data=str(data),
            pictures=pictures,
            amplified=f"{AMPLIFIED:g}",
            n=_number,
            pm=_with_error,
            share=lambda value: "–" if value is None else f"{value:.1%}",
            label=_label,
        )
        (beside / PAGE).write_text(page, encoding="utf-8", errors="replace")  # names of files may be no UTF-8
        folder.mkdir(exist_ok=True)
        for stale in (*folder.glob("frame_*.png"), folder / PAGE):
            stale.unlink(missing_ok=True)
        for file in sorted(beside.iterdir(), key=lambda file: file.name == PAGE):  # the page last: it names the others
            os.replace(file, folder / file.name)
    except OSError as error:
        raise BungyoError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder / PAGE


def _write_pictures(
    folder: Path, figures: Mapping[str, Any], evaluation: Evaluation, quality: Quality | None
) -> list[dict[str, Any]]:
    """The frames' pictures as files; what the page says of each."""
    rows = {row["frame"]: row for row in figures["per_frame"]}
    found = []
    for frame, rank in ranked_frames(evaluation).items():
        if quality is None or frame not in quality.pictures:
            continue
        shown, files = quality.pictures[frame], []
        for kind in ("reference", "neural", "error"):
            files.append(f"frame_{frame:04d}_{kind}.png")
            write_png(folder / files[-1], getattr(shown, kind))
        row = rows[frame]
        found.append(
            {
                "rank": rank,
                "frame": frame,
                "files": files,
                "psnr": row["psnr"]["experts"],
                "ssim": row["ssim"],
                "flip": row["flip"],
            }
        )
    return found


def _label(name: str, model: Mapping[str, Any]) -> str:
    if name == "generalist":
        return "generalist of equal cost"
    return f"generalist, {model['width']} wide" if name.startswith("generalist-") else name


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:z.{digits}f}"


def _with_error(value: float | None, standard_error: float | None) -> str:
    return _number(value) if standard_error is None or value is None else f"{value:z.2f} ± {standard_error:.2f}"


def _colors(names: list[str]) -> dict[str, str]:
    wide = [name for name in names if name not in COLORS]
    return {**COLORS, **{name: WIDE[i % len(WIDE)] for i, name in enumerate(wide)}}


def _doubts(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """The standard errors of the rows' means; NaN, which draws no bar, where a single person leaves none to measure."""
    return [math.nan if row["psnr_mean_doubt"] is None else row["psnr_mean_doubt"] for row in rows]


def _plot_models(path: Path, figures: Mapping[str, Any]) -> None:
    models = figures["models"]
    names, colors = list(models), _colors(list(models))
    figure, axis = plt.subplots(figsize=(1.6 + 1.5 * len(names), 3.6))
    means = [models[name]["psnr_mean"] for name in names]
    standard_errors = _doubts([models[name] for name in names])
    tops = np.add(means, np.nan_to_num(standard_errors))
    axis.bar(
        range(len(names)), means, yerr=standard_errors, capsize=4, color=[colors[name] for name in names], width=0.65
    )
    for place, name in enumerate(names):
        axis.text(place, tops[place] + 0.15, f"{means[place]:.2f}", ha="center", va="bottom")
        axis.plot([place - 0.25, place + 0.25], [models[name]["psnr_worst"]] * 2, color="black", linewidth=1.5)
    labels = [f"{_label(name, models[name])}\n{models[name]['flop_per_pixel']:,} flop" for name in names]
    axis.set_xticks(range(len(names)), labels, fontsize=8)
    low = min(model["psnr_worst"] for model in models.values())
    axis.set_ylim(low - 1.0, tops.max() + 1.5)
    axis.set(ylabel="dB against the truth", title="Mean over frames, ± one standard error; line: worst frame")
    _save(figure, path)


def _plot_frames(path: Path, evaluation: Evaluation) -> None:
    order = np.argsort(evaluation.truth("experts"), kind="stable")
    names = [name for name in evaluation.clean if name != "plain"]
    colors = _colors(names)
    figure, axis = plt.subplots(figsize=(11.0, 4.0))
    place = np.arange(len(order))
    for name in names:
        width = 2.0 if name == "experts" else 1.0
        axis.plot(place, evaluation.truth(name)[order], ".-", color=colors[name], label=name, linewidth=width)
    noise = np.array([frame.raw["noise"] for frame in evaluation.frames])
    axis.plot(place, noise[order], ":", color="#777777", label="the targets' own noise")
    indexes = [evaluation.frames[i].info.index for i in order]
    step = max(1, len(order) // 40)
    axis.set_xticks(place[::step], [str(index) for index in indexes[::step]], fontsize=7, rotation=90)
    axis.set(xlabel="frame, by the experts' dB", ylabel="dB against the truth")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    _save(figure, path)


def _plot_groups(path: Path, figures: Mapping[str, Any]) -> None:
    groups = [*figures["lights"], *(figures["distances"] or [])]
    figure, axis = plt.subplots(figsize=(11.0, 0.8 + 0.3 * len(groups)))
    place = -np.arange(len(groups))
    means = [group["psnr_mean"] for group in groups]
    standard_errors = _doubts(groups)
    questions = list(dict.fromkeys(group["question"] for group in groups))
    shades = [plt.get_cmap("tab10")(questions.index(group["question"])) for group in groups]
    axis.barh(place, means, xerr=standard_errors, capsize=3, color=shades, alpha=0.75, height=0.7)
    axis.plot([group["psnr_worst"] for group in groups], place, "|", color="black", markersize=10)
    labels = [f"{group['question']}: {group['name']} ({group['frames']})" for group in groups]
    axis.set_yticks(place, labels, fontsize=8)
    low = min(group["psnr_worst"] for group in groups)
    axis.set_xlim(low - 1.0, np.add(means, np.nan_to_num(standard_errors)).max() + 0.5)
    axis.set(xlabel="dB against the truth: mean, ± one standard error; line: worst frame; in brackets: frames")
    axis.grid(axis="x", alpha=0.3)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.axes[0].spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)
