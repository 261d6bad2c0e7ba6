"""An earlier report of `bungyo bench`: figures are compared only with those of the same machine and the same work.

Reports of another device, driver, CPU, size or view are refused. Where other networks were compared, or other versions
of libraries, or the G-buffer was filled in another way, the figures that depend on it are left out. Other variants of
the tile network are no other work: what they gain is worth knowing, so ratios show it, and a sentence says so.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from app.bench.meanings import CHANNELS, FRAME, MEANINGS, NETWORK, RATIOS
from app.errors import InputError

_MACHINE = {"device": "the device", "driver": "the driver", "cpu": "the CPU", "cpu_cores": "the number of CPU cores"}
_WORK = {"size": "the view's size", "layers": "the networks' shape"}
_KINDS = ("median", "min", "max")


def _naming(*words: str) -> frozenset[str]:
    return frozenset(name for name in MEANINGS if any(word in name for word in words))


_Depending: TypeAlias = Mapping[str, tuple[str, frozenset[str]]]
_OTHER_WORK: _Depending = {
    "gbuffer": ("the way to fill the G-buffer", frozenset(("gbuffer", "light cache", *FRAME, *CHANNELS))),
    **dict.fromkeys(
        ("fused_layers", "fused_layers_deep", "fused_layers_wide"),
        ("the widths of the networks compared", frozenset((*NETWORK, *RATIOS))),
    ),
    "wide_generalist_layers": ("the widths of the wide generalist", _naming("wide_generalist")),
    "numpy": ("the version of numpy", _naming("sgemm")),
    "torch": ("the version of torch", _naming("torch", "best_cpu")),
    "openvino": ("the version of OpenVINO", _naming("openvino", "best_cpu")),
    "ncnn": ("the version of ncnn", _naming("ncnn")),
    "mitsuba": ("the version of Mitsuba", _naming("mitsuba")),
    "pygfx": ("the version of pygfx", _naming("pygfx")),
}
"""By key of a report: what it tells, and the figures that depend on it and mean something else where it differs."""
_VARIANTS: _Depending = {
    "variant": ("the view", frozenset(("tile_network", *FRAME))),
    "fused_variant": ("the networks compared", frozenset((*NETWORK, *RATIOS))),
    "fused_variant_deep": ("deeper ones", _naming("_deep", "over_fused")),
    "fused_variant_wide": ("wide ones", _naming("gflops_wide", "best_cpu_wide", "compile_s_wide")),
    "wide_generalist_variant": ("the wide generalist", _naming("wide_generalist")),
    "layered_variant": ("the networks layer by layer", _naming("layered")),
    "layered_variant_deep": ("deeper ones layer by layer", _naming("layered_gflops_deep", "over_layered_deep")),
}
"""The same of figures that are compared all the same: what a variant of the tile network drew."""


def load(path: Path) -> dict[str, Any]:
    """Read a report.

    Raises:
        InputError: it cannot be read, or is none, or does not say what it was measured on.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"{path} is no report of bungyo bench ({error}).") from error
    if not isinstance(report, dict) or not isinstance(report.get("passes_ms"), dict):
        raise InputError(f"{path} is no report of bungyo bench: it lists no passes.")
    for key, meaning in {**_MACHINE, **_WORK}.items():
        if key not in report:
            raise InputError(f"{path} does not name {meaning}: it was written by an older bungyo bench.")
    for name, figure in _figures(report):
        for value in figure.values():
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(f"{path} is damaged: its {name} is {value!r}, which is no number.")
    return report


def check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Raise InputError unless both reports are of the same machine and the same work."""
    for key, meaning in {**_MACHINE, **_WORK}.items():
        if now[key] != earlier[key]:
            there, here = (_text(report[key]) for report in (earlier, now))
            raise InputError(f"{path} cannot be compared with: {meaning} was {there} there and is {here} here.")


def ratios(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By figure or pass, this report's over the earlier one's, where both are of the same work.

    Returns:
        "median": of the medians; "min" and "max": the least and the greatest that the figures' spreads allow.
    """
    before = dict(_figures(earlier))
    for key in _differing(_OTHER_WORK, before, earlier, now):
        for name in _OTHER_WORK[key][1]:
            before.pop(name, None)
    return {
        name: {
            "median": figure["median"] / before[name]["median"],
            "min": figure["min"] / before[name]["max"],
            "max": figure["max"] / before[name]["min"],
        }
        for name, figure in _figures(now)
        if name in before and min(*figure.values(), *before[name].values()) > 0.0
    }


def remarks(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> list[str]:
    """Sentences about what `ratios` leave out, about what else differs, and about what the earlier report lacks."""
    sentences = []
    both, compared = dict(_figures(earlier)).keys() & dict(_figures(now)).keys(), ratios(earlier, now).keys()
    if differing := _differing(_OTHER_WORK, both, earlier, now):
        sentences.append(f"Left out is what depends on {', '.join(differing.values())}.")
    if differing := _differing(_VARIANTS, compared, earlier, now):
        sentences.append(f"Ratios show other variants of the tile network, too: of {', '.join(differing.values())}.")
    unknown = [what for key, (what, names) in _OTHER_WORK.items() if names & compared and _untold(earlier, key)]
    if any(names & compared and _untold(earlier, key) for key, (_, names) in _VARIANTS.items()):
        unknown.insert(0, "the variants of the tile network")
    if unknown:
        sentences.append(f"{path} does not tell {', '.join(dict.fromkeys(unknown))}: taken to be as they are here.")
    return sentences


def _differing(
    depending: _Depending, figures: Collection[str], earlier: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, str]:
    """What both reports tell, and not alike, as far as any of these figures depend on it: by key, words for it."""
    return {
        key: f"{what} ({_text(earlier[key])} there, {_text(now.get(key))} here)"
        for key, (what, names) in depending.items()
        if not names.isdisjoint(figures) and not _untold(earlier, key) and _text(earlier[key]) != _text(now.get(key))
    }


def _untold(report: Mapping[str, Any], key: str) -> bool:
    """Whether it lacks this; of packages older ones only tell that they are installed."""
    return report.get(key, True) is True


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Passes and figures, each with its spread."""
    for name, figure in (*report["passes_ms"].items(), *report.items()):
        if isinstance(figure, dict) and set(_KINDS) == set(figure):
            yield name, figure


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value or "none")
