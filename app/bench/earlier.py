"""An earlier report of `bungyo bench`: figures are compared only with those of the same machine and the same work."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.errors import InputError

_MACHINE = {"device": "the device", "driver": "the driver", "cpu": "the CPU", "cpu_cores": "the number of CPU cores"}
_WORK = {"size": "the view's size", "layers": "the networks' shape"}
_KINDS = ("median", "min", "max")


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
    """By figure or pass, this report's over the earlier one's.

    Returns:
        "median": of the medians; "min" and "max": the least and the greatest that the figures' spreads allow.
    """
    before = dict(_figures(earlier))
    return {
        name: {
            "median": figure["median"] / before[name]["median"],
            "min": figure["min"] / before[name]["max"],
            "max": figure["max"] / before[name]["min"],
        }
        for name, figure in _figures(now)
        if name in before and min(*figure.values(), *before[name].values()) > 0.0
    }


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Passes and figures, each with its spread."""
    for name, figure in (*report["passes_ms"].items(), *report.items()):
        if isinstance(figure, dict) and set(_KINDS) == set(figure):
            yield name, figure


def _text(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
