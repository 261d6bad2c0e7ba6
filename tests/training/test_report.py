"""The page of `bungyo evaluate`: whole, readable by anybody, and never in the way of other files."""

import copy
import errno
import os
import re
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from PIL import Image

from app.errors import InputError
from app.network.weights import WeightSet
from app.training import report as report_module
from app.training.dataset import Dataset
from app.training.evaluate import Evaluation, evaluate
from app.training.figures import figures
from app.training.orbit import Flicker
from app.training.quality import AMPLIFIED, MARGIN, Quality, judge_pictures
from app.training.report import PAGE, check_report, ranked_frames, write_report
from app.training.seams import SeamRatio
from tests.training.judged_sphere import make, weight_set


@dataclass(frozen=True)
class Judged:
    data: Dataset
    evaluation: Evaluation
    quality: Quality
    figures: dict[str, Any]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    data = make(tmp_path_factory.mktemp("data") / "set", noise=0.1, frames=6)
    weights, wide = weight_set(0.85, 0.95, data.hashes[::2]), {"generalist-64": WeightSet.untrained((32, 64, 64, 15))}
    evaluation = evaluate(weights, data, wide=wide)
    quality = judge_pictures(weights, data, evaluation, wide=wide, keep=ranked_frames(evaluation))
    return Judged(data, evaluation, quality, figures(weights, data, evaluation, wide=wide, quality=quality))


def write(folder: Path, judged: Judged, weights: str = "weights/mine") -> str:
    page = write_report(folder, Path(weights), judged.data.path, judged.figures, judged.evaluation, judged.quality)
    assert page == folder / PAGE
    return page.read_text()


def test_page_is_whole(judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace = os.replace

    def noted(old: Path, new: Path) -> None:
        moved.append(new.name)
        replace(old, new)

    monkeypatch.setattr(os, "replace", noted)
    text = write(tmp_path / "deep" / "report", judged)
    assert moved[-1] == PAGE  # when it comes, what it shows is there
    images = set(re.findall(r'src="([^"]+)"', text))
    assert images == {file.name for file in (tmp_path / "deep" / "report").glob("*.png")}
    assert {"models.png", "frames.png", "groups.png", "uv.png"} < images and len(images) == 4 + 3 * 5
    assert not re.search(r"https?://|undefined|None|nan", text)
    found = judged.figures
    for name in ("psnr_mean", "psnr_worst", "psnr_noise_ceiling", "gain_over_generalist_db", "seam_ratio"):
        assert f"{found[name]:.2f}" in text
    assert f"{found['ssim_mean']:.3f}" in text and "generalist, 64 wide" in text
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report"]  # nothing beside it


def test_every_key_of_the_figures_is_explained(judged: Judged) -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text()
    explained = set(re.findall(r"`(\w+)`", page))

    def keys(value: Any) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(keys, value))
        found = set(value) if isinstance(value, dict) else set()
        for key in found - {"psnr", "psnr_raw", "not_measured"}:  # below these, and models, keys are names
            found = found | keys([*value[key].values()] if key == "models" else value[key])
        return found

    found = keys(judged.figures) | {field.name for kind in (Flicker, SeamRatio) for field in fields(kind)}
    assert {"psnr_mean", "ssim_worst", "question", "pairs", "height"} <= found
    assert {key for key in found if not key.endswith("_deviation")} - explained == set()


def test_pictures_are_those_judged(judged: Judged, tmp_path: Path) -> None:
    write(tmp_path / "report", judged)
    ranked, truth = ranked_frames(judged.evaluation), judged.evaluation.truth("experts")
    numbers = [frame.info.index for frame in judged.evaluation.frames]
    assert ranked[numbers[int(truth.argmin())]] == "Worst" and ranked[numbers[int(truth.argmax())]] == "Best"
    for frame in ranked:
        reference, neural, error = (
            np.asarray(Image.open(tmp_path / "report" / f"frame_{frame:04d}_{kind}.png"), np.float64)
            for kind in ("reference", "neural", "error")
        )
        assert reference[MARGIN:-MARGIN, MARGIN:-MARGIN].max() > 0.0 == reference[:MARGIN].max()
        expected = np.minimum(AMPLIFIED * np.abs(reference - neural), 255.0)
        np.testing.assert_allclose(error, expected, atol=AMPLIFIED + 1.0)


@pytest.mark.parametrize("count", range(1, 7))
def test_of_few_frames_the_best_and_the_worst_are_called_that(judged: Judged, count: int) -> None:
    some = replace(judged.evaluation, frames=judged.evaluation.frames[:count])
    ranks, truth = list(ranked_frames(some).items()), some.truth("experts")
    assert ranks[0] == (some.frames[int(truth.argmin())].info.index, "Worst")
    assert count == 1 or ranks[-1] == (some.frames[int(truth.argmax())].info.index, "Best")
    shown = [truth[[frame.info.index for frame in some.frames].index(number)] for number, _ in ranks]
    assert len(ranks) == min(count, 5) and shown == sorted(shown)


def test_names_are_escaped(judged: Judged, tmp_path: Path) -> None:
    text = write(tmp_path / "report", judged, weights="<script>alert(1)</script>")
    assert "<script>" not in text and "&lt;script&gt;" in text
    strange = os.fsdecode(b"caf\xe9")
    assert "<h1>caf? on " in write(tmp_path / strange, judged, weights=strange)


def test_without_whole_pictures(judged: Judged, tmp_path: Path) -> None:
    weights = weight_set(0.9)
    found = figures(weights, judged.data, judged.evaluation, missing={"whole pictures": "Some tiles are <missing>."})
    page = write_report(tmp_path / "report", Path("w"), judged.data.path, found, judged.evaluation, None)
    text = page.read_text()
    assert "whole pictures: Some tiles are &lt;missing&gt;." in text and "frame_" not in text


def test_a_report_goes_into_the_folder_one_is_in(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for _ in range(2):
        assert "weights/mine" in write(Path(), judged)
    assert (folder / PAGE).is_file() and [path.name for path in tmp_path.iterdir()] == ["report"]


def test_an_earlier_report_is_replaced_and_other_files_are_left_alone(judged: Judged, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    write(folder, judged)
    (folder / "frame_9999_neural.png").write_bytes(b"of an earlier set")
    assert "weights/other" in write(folder, judged, weights="weights/other")
    assert not (folder / "frame_9999_neural.png").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="mine holds other files, so no report is written into it"):
        check_report(tmp_path / "mine")
    with pytest.raises(InputError, match=r"A report needs a folder, and .*thesis\.txt is a file"):
        check_report(tmp_path / "mine" / "thesis.txt")


def test_a_place_that_takes_no_files_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder itself, and what it or its first new parent is made in."""
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: it is not a folder"):
        check_report(tmp_path / "file" / "deep" / "report")
    (tmp_path / "there").mkdir()
    make_file = tempfile.TemporaryFile
    for closed, wanted in ((tmp_path / "there", "there"), (tmp_path, "there"), (tmp_path, "new/report")):

        def denied(dir: Path, closed: Path = closed) -> IO[bytes]:
            if dir == closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(dir))
            return make_file(dir=dir)

        monkeypatch.setattr(tempfile, "TemporaryFile", denied)
        with pytest.raises(InputError, match=f"Cannot write to {closed}: you may not write there"):
            check_report(tmp_path / wanted)
    monkeypatch.undo()
    check_report(tmp_path / "new" / "report")


def test_plots_show_the_figures(judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(report_module, "_save", lambda figure, path: drawn.setdefault(path.name, figure))
    found, truth = judged.figures, judged.evaluation.truth
    report_module._plot_models(tmp_path / "models.png", found)
    report_module._plot_frames(tmp_path / "frames.png", judged.evaluation)
    report_module._plot_groups(tmp_path / "groups.png", found)
    models, frames, groups = (drawn[f"{name}.png"].axes[0] for name in ("models", "frames", "groups"))

    rows = list(found["models"].values())
    assert [text.get_text() for text in models.texts] == [f"{row['psnr_mean']:.2f}" for row in rows]
    assert [bar.get_height() for bar in _bars(drawn["models.png"]).patches] == [row["psnr_mean"] for row in rows]
    worst = [line.get_ydata() for line in models.lines if line.get_linewidth() == 1.5 and line.get_marker() == "None"]
    assert [tuple(np.asarray(y)) for y in worst] == [(row["psnr_worst"],) * 2 for row in rows]

    order = np.argsort(truth("experts"), kind="stable")
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in frames.lines}
    assert set(lines) == {"generalist", "experts", "generalist-64", "the targets' own noise"}
    for name in ("generalist", "experts", "generalist-64"):
        np.testing.assert_array_equal(lines[name], truth(name)[order])
    assert [text.get_text() for text in frames.get_xticklabels()] == [
        str(judged.evaluation.frames[i].info.index) for i in order
    ]

    rows = [*found["lights"], *found["distances"]]
    assert [bar.get_width() for bar in _bars(drawn["groups.png"]).patches] == [row["psnr_mean"] for row in rows]
    (marks,) = (line for line in groups.lines if line.get_marker() == "|" and line.get_markersize() == 10)
    assert list(np.asarray(marks.get_xdata())) == [row["psnr_worst"] for row in rows]
    for figure in drawn.values():
        plt.close(figure)


def test_a_doubt_that_nobody_knows_is_not_drawn(
    judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as a bar nor as its caps, which would say that there is none; and the others are drawn as ever."""
    drawn: dict[str, Figure] = {}
    monkeypatch.setattr(report_module, "_save", lambda figure, path: drawn.setdefault(path.name, figure))
    for unknown in ({"experts"}, set(judged.figures["models"])):
        found = copy.deepcopy(judged.figures)
        for name in unknown:
            found["models"][name]["psnr_mean_doubt"] = None
        for group in found["lights"]:
            group["psnr_mean_doubt"] = None
        report_module._plot_models(tmp_path / "models.png", found)
        report_module._plot_groups(tmp_path / "groups.png", found)
        ends = {name: _caps(figure) for name, figure in drawn.items()}
        assert np.isnan(ends["models.png"]).tolist() == [name in unknown for name in found["models"]]
        assert np.isnan(ends["groups.png"][: len(found["lights"])]).all()
        for figure in drawn.values():
            assert np.isfinite([*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim()]).all()
            plt.close(figure)
        drawn.clear()


def _bars(figure: Figure) -> BarContainer:
    (bars,) = (found for found in figure.axes[0].containers if isinstance(found, BarContainer))
    return bars


def _caps(figure: Figure) -> np.ndarray:
    """Where the bars of doubt end, in the direction in which they lead."""
    bars = _bars(figure)
    assert bars.errorbar is not None
    cap = bars.errorbar.lines[1][1]
    return np.asarray(cap.get_ydata() if bars.orientation == "vertical" else cap.get_xdata(), float)
