"""What `bungyo bench --compare` makes of an earlier report of the same machine."""

from pathlib import Path
from typing import Any

import pytest

from app.bench.earlier import ratios, remarks
from app.bench.meanings import CHANNELS, FRAME, MEANINGS, NETWORK, RATIOS
from app.bench.packages import PACKAGES

ONE = {"median": 1.0, "min": 1.0, "max": 1.0}
WHOLE: dict[str, Any] = {
    "passes_ms": {"gbuffer": ONE, "tile_network": ONE},
    **dict.fromkeys(MEANINGS, ONE),
    "gbuffer": "trace",
    "variant": "float-12",
    "fused_layers": [32, 32, 28, 15],
    "fused_layers_deep": [32, 32, 32, 28, 15],
    "fused_layers_wide": [32, 64, 64, 64, 64, 15],
    "wide_generalist_layers": [32, 48, 48, 15],
    "fused_variant": "float-12",
    "fused_variant_deep": "float-12",
    "fused_variant_wide": "float-12",
    "wide_generalist_variant": "float-12",
    "layered_variant": "float-12",
    "layered_variant_deep": "float-12",
    "numpy": "2.4.6",
    **dict.fromkeys(PACKAGES, "1.2"),
}
"""A report with all figures."""
ALL_RATIOS = {*MEANINGS, *WHOLE["passes_ms"]}


def names(*words: str) -> set[str]:
    return {name for name in MEANINGS if any(word in name for word in words)}


def test_ratios_of_reports() -> None:
    old = {"passes_ms": {"a": {"median": 2.0, "min": 1.0, "max": 4.0}}, "b": {"median": 1.0, "min": 1.0, "max": 1.0}}
    new = {"passes_ms": {"a": {"median": 3.0, "min": 2.0, "max": 5.0}}, "c": {"median": 1.0, "min": 1.0, "max": 1.0}}
    assert ratios(old, new) == {"a": {"median": 1.5, "min": 0.5, "max": 5.0}}


def test_what_took_no_time_has_no_ratio() -> None:
    """As passes do that a clock is too coarse for."""
    none = {"median": 1.0, "min": 0.0, "max": 2.0}
    for old, new in ((none, ONE), (ONE, none)):
        assert ratios({"passes_ms": {"a": old, "b": ONE}}, {"passes_ms": {"a": new, "b": ONE}}) == {"b": ONE}


@pytest.mark.parametrize(
    ("change", "left_out", "sentence"),
    [
        (
            {"gbuffer": "raster"},
            {"gbuffer", *FRAME, *CHANNELS},
            "the way to fill the G-buffer (raster there, trace here)",
        ),
        ({"torch": "1.1"}, names("torch", "best_cpu"), "the version of torch (1.1 there, 1.2 here)"),
        ({"openvino": None}, names("openvino", "best_cpu"), "the version of OpenVINO (none there, 1.2 here)"),
        ({"numpy": "1.26"}, names("sgemm"), "the version of numpy (1.26 there, 2.4.6 here)"),
        (
            {"pygfx": "1.1", "mitsuba": "1.0"},
            names("pygfx", "mitsuba"),
            "the version of Mitsuba (1.0 there, 1.2 here), the version of pygfx (1.1 there, 1.2 here)",
        ),
        ({"ncnn": "1.0"}, names("ncnn"), "the version of ncnn (1.0 there, 1.2 here)"),
        (
            {"fused_layers": [32, 15], "fused_layers_wide": [32, 15]},
            {*NETWORK, *RATIOS},
            "the widths of the networks compared (32-15 there, 32-32-28-15 here), "
            "the widths of the networks compared (32-15 there, 32-64-64-64-64-15 here)",
        ),
        (
            {"fused_layers_deep": [32, 15], "fused_variant_deep": "float-8"},
            {*NETWORK, *RATIOS},
            "the widths of the networks compared (32-15 there, 32-32-32-28-15 here)",
        ),
        (
            {"wide_generalist_layers": [32, 40, 15]},
            names("wide_generalist"),
            "the widths of the wide generalist (32-40-15 there, 32-48-48-15 here)",
        ),
    ],
)
def test_what_is_of_other_work_is_left_out(change: dict[str, Any], left_out: set[str], sentence: str) -> None:
    old = {**WHOLE, **change}
    assert left_out and set(ratios(old, WHOLE)) == ALL_RATIOS - left_out
    assert remarks(old, WHOLE, Path("old.json")) == [f"Left out is what depends on {sentence}."]


def test_other_variants_are_compared_and_named() -> None:
    assert set(ratios(WHOLE, WHOLE)) == ALL_RATIOS and not remarks(WHOLE, WHOLE, Path("old.json"))
    old = {**WHOLE, "variant": "half-16", "layered_variant": "float-8"}
    assert set(ratios(old, WHOLE)) == ALL_RATIOS
    assert remarks(old, WHOLE, Path("old.json")) == [
        "Ratios show other variants of the tile network, too: of the view (half-16 there, float-12 here), "
        "the networks layer by layer (float-8 there, float-12 here)."
    ]
    some = {"passes_ms": {"gbuffer": ONE}, "gbuffer": "trace", "variant": "float-12"}  # by --pass
    assert set(ratios(old, some)) == {"gbuffer"} and not remarks(old, some, Path("old.json"))


def test_what_an_older_report_does_not_tell_is_said() -> None:
    old = {key: value for key, value in WHOLE.items() if "variant" not in key and key not in ("gbuffer", "numpy")}
    old |= dict.fromkeys(PACKAGES, True) | {"ncnn": False}
    new = {**WHOLE, "ncnn": None}
    assert set(ratios(old, new)) == ALL_RATIOS
    assert remarks(old, new, Path("old.json")) == [
        "old.json does not tell the variants of the tile network, the way to fill the G-buffer, "
        "the version of numpy, the version of torch, the version of OpenVINO, the version of Mitsuba, "
        "the version of pygfx: taken to be as they are here."
    ]
