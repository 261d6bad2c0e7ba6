"""The page of `bungyo bench --html`: roofline, opponents, passes, and all figures; one file that needs no other."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from app.bench.figures import short
from app.bench.growth import MEANINGS
from app.bench.meanings import RATIOS, SECTIONS

TEMPLATE = Path(__file__).with_name("page.html")
OWN, OTHER, CEILING = "#c0392b", "#3b6ea8", "#777777"
# Names on the roofline, and how far right of and above their mark they stand, in points.
_POINTS = {
    "fused_gflops": ("fused", (-8, 0)),
    "fused_gflops_deep": ("fused, deeper", (8, 0)),
    "fused_gflops_wide": ("fused, wide", (8, 0)),
    "layered_gflops": ("layer by layer", (8, -7)),
    "layered_gflops_deep": ("layer by layer, deeper", (8, 7)),
    "conv32_gflops": ("3x3, 32 channels", (8, 0)),
    "conv64_gflops": ("3x3, 64", (0, -12)),
    "conv128_gflops": ("3x3, 128", (-8, 0)),
}


def render(results: Mapping[str, Any]) -> str:
    """The page, as HTML, of what `app.bench.measure.measure_all` returns."""
    plots = {
        "roofline": _embedded(_roofline(results)),
        "ratios": _embedded(_ratios(results)),
        "passes": _embedded(_passes(results)),
    }
    if "growth" in results:
        plots["growth"] = _embedded(_growth(results["growth"]))
    sections = {
        heading: [(meaning, results[name]) for name, meaning in meanings.items() if name in results]
        for heading, meanings in SECTIONS.items()
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        r=results,
        plots=plots,
        sections={heading: rows for heading, rows in sections.items() if rows},
        short=short,
    )


def _roofline(results: Mapping[str, Any]) -> Figure:
    figure, axis = plt.subplots(figsize=(10.0, 5.5))
    memory = results["memory_copy_gb_s"]["median"]
    places = {name: results["flop_per_byte"][name] for name in _POINTS if name in results}
    edges = np.array([min(places.values()) / 4.0, max(places.values()) * 3.0])
    roof = edges * memory
    if results["kind"] == "cpu":  # numpy's sgemm says nothing of a GPU
        ceiling = results["sgemm_gflops"]["median"]
        edges = np.sort([*edges, ceiling / memory])
        roof = np.minimum(edges * memory, ceiling)
        label = f"numpy's sgemm, {short(ceiling)} GFLOP/s"
        axis.annotate(label, (edges[-1], ceiling), (0, 5), textcoords="offset points", ha="right")
    axis.plot(edges, roof, color=CEILING)
    axis.annotate(
        f"memory, {short(memory)} GB/s", (edges[0], edges[0] * memory), (8, 0), textcoords="offset points", va="center"
    )
    for name, place in places.items():
        label, offset = _POINTS[name]
        found, color = results[name], OWN if name.startswith("fused") else OTHER
        axis.errorbar(place, found["median"], _whiskers([found]), fmt="o", color=color, capsize=3)
        axis.annotate(
            label,
            (place, found["median"]),
            offset,
            textcoords="offset points",
            color=color,
            ha="center" if offset[0] == 0 else "left" if offset[0] > 0 else "right",
            va="center",
        )
    axis.set(xscale="log", yscale="log", xlabel="FLOP a byte from or to memory", ylabel="GFLOP/s")
    axis.grid(alpha=0.3, which="both")
    return figure


def _ratios(results: Mapping[str, Any]) -> Figure:
    """Times of opponents over the fused pass's."""
    names = [name for name in RATIOS if name in results and ("fused_over" in name or "over_fused" in name)]
    figure, axis = plt.subplots(figsize=(10.0, 0.45 * len(names) + 1.2))
    found = [results[name] for name in names]
    _bars(axis, [RATIOS[name] for name in names], found, OTHER)
    axis.axvline(1.0, color=OWN)
    axis.set(xscale="log", xlabel="times the time of the fused pass (red)")
    axis.set_xlim(left=min(0.5, *(0.7 * one["min"] for one in found)))
    return figure


def _passes(results: Mapping[str, Any]) -> Figure:
    passes = results["passes_ms"]
    figure, axis = plt.subplots(figsize=(10.0, 0.45 * len(passes) + 1.2))
    _bars(axis, list(passes), list(passes.values()), OTHER)
    width, height = results["size"]
    axis.set(xlabel=f"ms, view of {width}x{height}, lights at rest")
    return figure


def _growth(growth: Mapping[str, Any]) -> Figure:
    """A small plot for each thing that grows, with a line for each pass."""
    columns = 3
    rows = -(-len(growth) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(12.0, 3.6 * rows), squeeze=False)
    names = list(dict.fromkeys(name for grown in growth.values() for name in grown["ms"]))
    colors = {name: f"C{index}" for index, name in enumerate(names)}
    for axis, (kind, grown) in zip(axes.flat, growth.items(), strict=False):
        for name, spreads in grown["ms"].items():
            medians = [spread["median"] for spread in spreads]
            axis.errorbar(
                grown["at"], medians, _whiskers(spreads), marker="o", capsize=2, color=colors[name], label=name
            )
        axis.set(xscale="log", yscale="log", xlabel=MEANINGS[kind], ylabel="ms")
        axis.set_xticks(grown["at"], [f"{at:,.0f}" if at >= 1 else f"{at:.2f}" for at in grown["at"]])
        axis.xaxis.set_minor_locator(NullLocator())
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, high / 10.0), high)  # what hardly changes is to look so
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(growth) :]:
        axis.set_axis_off()
    handles = [Line2D([], [], color=color, marker="o", label=name) for name, color in colors.items()]
    axes.flat[-1].legend(handles=handles, loc="center", fontsize=9)
    return figure


def _bars(axis: Any, labels: Sequence[str], found: Sequence[Mapping[str, float]], color: str) -> None:
    places = np.arange(len(labels))[::-1]
    axis.barh(places, [one["median"] for one in found], xerr=_whiskers(found), color=color, capsize=3)
    for place, one in zip(places, found, strict=True):
        axis.annotate(
            short(one["median"]), (one["max"], place), (6, 0), textcoords="offset points", va="center", fontsize=9
        )
    axis.set_yticks(places, labels)
    axis.margins(x=0.12)
    axis.grid(alpha=0.3, axis="x")


def _whiskers(found: Sequence[Mapping[str, float]]) -> Any:
    """Lengths down to the least and up to the greatest value: (2, n)."""
    return np.array([(one["median"] - one["min"], one["max"] - one["median"]) for one in found]).T


def _embedded(figure: Figure) -> str:
    """The figure as the address of an image that it contains itself."""
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    plt.close(figure)
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
