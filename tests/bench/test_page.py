"""The bench's page holds its plots and all figures, whatever was measured."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.arrays import F64

pytest.importorskip("matplotlib")

import matplotlib.pyplot as plt
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from app.bench import page
from app.bench.growth import MEANINGS as GROWTH
from app.bench.meanings import CHANNELS, MEANINGS, RATIOS
from app.bench.packages import PACKAGES, absence
from app.bench.page import render
from tests.bench.missing_figures import absent
from tests.bench.test_bench import bench

NETWORKS = ("fused_gflops", "fused_gflops_deep", "fused_gflops_wide", "layered_gflops", "layered_gflops_deep")
CONVOLUTIONS = ("conv32_gflops", "conv64_gflops", "conv128_gflops")


def results(present: Collection[str], *missing: str) -> dict[str, Any]:
    figures = {
        name: {"median": 2.0 + index, "min": 1.0 + index, "max": 4.0 + index} for index, name in enumerate(MEANINGS)
    }
    return {
        "device": "A <fast> GPU & more",
        "driver": "1.2",
        "kind": "discrete",
        "cpu_cores": 4,
        "rounds": 3,
        "layers": [32, 32, 20, 15],
        "variant": "direct-1",
        "fused_layers": [32, 32, 28, 15],
        "fused_layers_deep": [32, 32, 32, 28, 15],
        "wide_generalist_layers": [32, 48, 48, 15],
        "fused_layers_wide": [32, 64, 64, 64, 64, 15],
        "fused_networks": 225,
        "fused_variant": "half-16",
        "fused_variant_deep": "matrix-16x16x16",
        "fused_variant_wide": "direct-2",
        "wide_generalist_variant": "float-24",
        "layered_variant": "half-24",
        "layered_variant_deep": "float-8",
        "size": [512, 512],
        "layered_activations": "half",
        "convolution_shape": "2 pixels x 8 channels a thread, paced",
        "left_out": [absence(name) for name in PACKAGES if name not in present],
        "best_cpu": "a library" if present else None,
        "passes_ms": {"gbuffer": {"median": 3.0, "min": 2.0, "max": 5.0}},
        "flop_per_byte": {name: 10.0 + index for index, name in enumerate((*NETWORKS, *CONVOLUTIONS))},
        **{name: figure for name, figure in figures.items() if name not in {*missing, *absent(present)}},
    }


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The plots of pages that are rendered from now on: roofline, opponents, passes, growth."""
    drawn: list[Figure] = []

    def keep(figure: Figure) -> str:
        drawn.append(figure)
        return ""

    monkeypatch.setattr(page, "_embedded", keep)
    yield drawn
    for figure in drawn:
        plt.close(figure)


def grown() -> dict[str, Any]:
    spread = {"median": 2.0, "min": 1.5, "max": 3.0}
    return {kind: {"at": [1, 4], "ms": {"G-buffer": [spread, spread]}} for kind in GROWTH}


class Page(HTMLParser):
    """The page's cells and the texts of its plots."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.plots: list[str] = []
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            kind, _, data = (dict(attrs)["src"] or "").partition(",")
            assert kind == "data:image/svg+xml;base64"
            tree = ElementTree.fromstring(base64.b64decode(data))
            assert tree.tag == "{http://www.w3.org/2000/svg}svg"
            self.plots.append(base64.b64decode(data).decode())
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell and data.strip():
            self.rows[-1].append(data)


def test_all_figures_are_there() -> None:
    text = render(results(PACKAGES))
    page = Page(text)
    assert len(page.plots) == 3 and "A &lt;fast&gt; GPU &amp; more" in text and "not installed" not in text
    rows = {tuple(row) for row in page.rows}
    for index, meaning in enumerate(MEANINGS.values()):
        assert (meaning, *(f"{v + index:.{2 if v + index >= 10 else 3}f}" for v in (2.0, 1.0, 4.0))) in rows
    assert not re.search(r"(src|href)=\"(?!data:)", text)  # nothing from elsewhere


@pytest.mark.usefixtures("figures")
def test_variants_are_named() -> None:
    text = " ".join(render(results(PACKAGES)).split())
    assert "32-32-28-15 (as half-16), deeper ones 32-32-32-28-15 (matrix-16x16x16), wide ones" in text
    assert "32-64-64-64-64-15 (direct-2)" in text
    assert "the wide generalist 32-48-48-15 (float-24)" in text and "networks 32-32-20-15 (as direct-1)" in text
    assert "drawn as half-24, deeper ones as float-8, and their activations are stored as halves." in text
    too_wide = {**results(PACKAGES), "wide_generalist_variant": None}  # it was not drawn
    assert "the wide generalist 32-48-48-15; 225 of them" in " ".join(render(too_wide).split())


def test_growth_is_plotted() -> None:
    plots = Page(render({**results(PACKAGES), "growth": grown()})).plots
    assert len(plots) == 4
    assert all(f"<!-- {meaning} -->" in plots[-1] for meaning in GROWTH.values())  # matplotlib's comment on a text


def points(line: Line2D) -> F64:
    """What a line goes through, (n, 2)."""
    return np.asarray(line.get_xydata(), np.float64)


def ends(bars: ErrorbarContainer) -> Any:
    """Where the whiskers begin and end, (n, 2): in x for bars, in y for points."""
    (lines,) = bars.lines[2]
    segments = np.array(lines.get_segments())
    return segments[:, :, 0] if bars.has_xerr else segments[:, :, 1]


@pytest.mark.parametrize("kind", ["cpu", "discrete"])
def test_the_roofline_shows_what_was_measured_below_the_ceilings_of_that_chip(kind: str, figures: list[Figure]) -> None:
    """numpy's sgemm runs on the CPU, and is no ceiling of a GPU, whose memory the slanted line is of."""
    found = {**results(PACKAGES), "kind": kind}
    text = " ".join(render(found).split())
    axis = figures[0].axes[0]
    x, y = points(axis.lines[0]).T
    memory, ceiling = found["memory_copy_gb_s"]["median"], found["sgemm_gflops"]["median"]
    np.testing.assert_allclose(y, np.minimum(x * memory, ceiling) if kind == "cpu" else x * memory)
    assert (ceiling / memory in x) == (kind == "cpu")
    assert any("sgemm" in note.get_text() for note in axis.texts) == (kind == "cpu")
    assert ("Below the flat line" in text) == (kind == "cpu") and "slanted one, more bytes" in text
    marks = [bars for bars in axis.containers if isinstance(bars, ErrorbarContainer)]
    assert len(marks) == len(found["flop_per_byte"])
    for name, bars in zip((*NETWORKS, *CONVOLUTIONS), marks, strict=True):
        assert points(bars.lines[0]).tolist() == [[found["flop_per_byte"][name], found[name]["median"]]]
        assert ends(bars).tolist() == [[found[name]["min"], found[name]["max"]]]
        assert (bars.lines[0].get_color() == page.OWN) == name.startswith("fused")


def test_bars_are_medians_beside_their_names_and_whiskers_reach_the_extremes(figures: list[Figure]) -> None:
    found = results(PACKAGES)
    found["passes_ms"]["background"] = {"median": 7.0, "min": 6.5, "max": 9.0}
    render(found)
    compared = {RATIOS[name]: found[name] for name in RATIOS if "_over_" in name and name != "many_over_one"}
    for figure, expected in ((figures[1], compared), (figures[2], found["passes_ms"])):
        (bars,) = (bars for bars in figure.axes[0].containers if isinstance(bars, BarContainer))
        assert bars.errorbar is not None
        names = dict(zip(figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels(), strict=True))
        shown = {}
        for patch, (low, high) in zip(bars.patches, ends(bars.errorbar), strict=True):
            name = names[patch.get_y() + patch.get_height() / 2].get_text()
            shown[name] = {"median": patch.get_width(), "min": pytest.approx(low), "max": pytest.approx(high)}
        assert shown == expected
    (own,) = (line for line in figures[1].axes[0].lines if line.get_color() == page.OWN)
    assert points(own)[:, 0].tolist() == [1, 1]


def test_lines_of_growth_go_through_the_medians(figures: list[Figure]) -> None:
    render({**results(PACKAGES), "growth": grown()})
    axes = [axis for axis in figures[3].axes if axis.containers]
    assert len(axes) == len(GROWTH)
    for axis in axes:
        (bars,) = axis.containers
        assert isinstance(bars, ErrorbarContainer)
        assert points(bars.lines[0]).tolist() == [[1, 2], [4, 2]]
        np.testing.assert_allclose(ends(bars), [[1.5, 3], [1.5, 3]])


def test_what_is_missing_is_said() -> None:
    text = render(results((), *CHANNELS))
    assert "is not compared with torch, which is not installed (.venv/bin/pip install -c constraints.txt" in text
    assert "is not compared with Mitsuba 3, which is not installed" in text and "The quickest library" not in text
    assert not any(MEANINGS[name] in text for name in (*absent(()), *CHANNELS))
    assert len(Page(text).plots) == 3


def test_a_page_needs_everything() -> None:
    result = bench("--pass", "gbuffer", "--html", "x.html")
    assert result.returncode == 2 and "--html does not go with --pass" in result.stderr
    assert not Path("x.html").exists()
