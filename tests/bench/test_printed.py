"""What `bungyo bench` prints and writes is what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.bench import growth, measure
from app.bench.figures import short, spread
from app.bench.growth import POINTS
from app.bench.meanings import MEANINGS
from app.bench.packages import PACKAGES, absence
from app.commands.bench import bench
from tests.bench.test_page import results


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What has been asked of the measurement, which takes no time here: all libraries but torch are there."""
    asked: list[dict[str, Any]] = []

    def measure_all(_options: object, rounds: int, _counted: object, **how: Any) -> dict[str, Any]:
        asked.append({"rounds": rounds, **how})
        present = [name for name in PACKAGES if name != "torch"]
        return {**results(present), "resident_mb_720": 256.4, "peak_mb_720": 512.4}

    monkeypatch.setattr(measure, "measure_all", measure_all)
    return asked


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(bench, arguments, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    return result.output


def rows(output: str) -> list[tuple[str, ...]]:
    """The cells of all tables."""
    return [tuple(cell.strip() for cell in line[1:-1].split("│")) for line in output.splitlines() if line[:1] == "│"]


@pytest.mark.usefixtures("asked")
def test_all_figures_are_printed_and_written(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    output = printed("--json", str(file))
    report = json.loads(file.read_text())
    figures = [*report["passes_ms"].items(), *((MEANINGS[name], report[name]) for name in MEANINGS if name in report)]
    assert rows(output) == [
        (name, *(short(figure[kind]) for kind in ("median", "min", "max"))) for name, figure in figures
    ]
    lines = output.splitlines()
    assert "memory at 1280x720: 256 MB, 512 MB at most" in lines and absence("torch") in lines
    assert "quickest library on the CPU for these networks: a library" in lines


def test_rounds_are_those_asked_for(asked: list[dict[str, Any]]) -> None:
    printed()
    printed("--rounds", "3")
    printed("--rounds", "3", "--quick", "--wide", "some.safetensors")
    assert asked == [
        {"rounds": 5, "quick": False, "wide": None},
        {"rounds": 3, "quick": False, "wide": None},
        {"rounds": 1, "quick": True, "wide": Path("some.safetensors")},
    ]


@pytest.mark.usefixtures("asked")
def test_growth_is_printed_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown = {
        kind: {"at": list(values), "ms": {"G-buffer": [spread([1.0, 2.0 + value, 1e4]) for value in values]}}
        for kind, values in POINTS.items()
    }
    monkeypatch.setattr(growth, "measure_growth", lambda *_, **__: grown)
    file = tmp_path / "bench.json"
    output = printed("--growth", "--json", str(file))
    report = json.loads(file.read_text())
    assert list(report["growth"]) == [*POINTS, "networks"]
    some = [report[f"tile_network_ms_{name}"] for name in ("1", "full", "2000")]
    assert report["growth"]["networks"] == {"at": [1, 225, 2000], "ms": {"tile network": some}}
    lines = [
        (name, *(short(one["median"]) for one in spreads))
        for kind in report["growth"].values()
        for name, spreads in kind["ms"].items()
    ]
    assert rows(output)[-len(lines) :] == lines
