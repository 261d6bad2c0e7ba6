"""What `bungyo bench` prints and writes is what was measured."""

import json
import os
import sys
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
from app.main import main
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
    heads = (
        "A <fast> GPU & more, CPU cores: 4, rounds: 3",
        "tile network of the view 32-32-20-15 as direct-1",
        "networks compared 32-32-28-15 as half-16, deeper 32-32-32-28-15 as matrix-16x16x16,",
        "wide 32-64-64-64-64-15 as direct-2, generalist 32-48-48-15 as float-24",
        "layer by layer half-24, deeper float-8 passes of the view, 512x512, ms",
    )
    assert " ".join(heads) in " ".join(output.split())
    lines = output.splitlines()
    assert "memory at 1280x720: 256 MB, 512 MB at most" in lines and absence("torch") in lines
    assert "quickest library on the CPU for these networks: a library" in lines


@pytest.mark.usefixtures("asked")
def test_files_are_written_where_nobody_reads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `bungyo bench --json bench.json | head -5`."""
    file, page = tmp_path / "bench.json", tmp_path / "bench.html"
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as output, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as end:
            main(["bench", "--json", str(file), "--html", str(page)])
        assert end.value.code == 1
    assert json.loads(file.read_text())["rounds"] == 3 and "</html>" in page.read_text()


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


@pytest.mark.parametrize("name", ["old [bold][/b].json", ":smile:.json"])
@pytest.mark.usefixtures("asked")
def test_the_name_of_an_earlier_report_is_no_markup(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    of = dict.fromkeys(("device", "driver", "cpu", "cpu_cores", "size", "layers"), "the same")
    monkeypatch.setattr(measure, "identity", lambda _: of)
    Path(name).write_text(json.dumps({**results([]), **of}))
    assert f"new / {name} (min, max" in printed("--compare", name)


def test_files_that_a_page_names_need_not_be_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_out = "The time of {} is not measured."
    strange = {**results([]), "left_out": [left_out.format(os.fsdecode(b"caf\xe9"))]}
    monkeypatch.setattr(measure, "measure_all", lambda *_, **__: strange)
    page = tmp_path / "bench.html"
    assert main(["bench", "--html", str(page)]) == 0
    assert left_out.format("caf?") in page.read_text(encoding="utf-8")
