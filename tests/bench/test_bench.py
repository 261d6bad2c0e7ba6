"""`bungyo bench` runs and writes a report that programs can read. How fast anything is, is not tested."""

import json
import math
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.bench import convolution, layered, sgemm
from app.bench.earlier import check_same, load
from app.bench.figures import Samples, short, spread
from app.bench.meanings import MEANINGS
from app.bench.measure import PASSES, identity
from app.bench.packages import PACKAGES, absence, version
from app.bench.view import View
from app.errors import InputError
from app.network.layers import flops
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.scene_options import LEAST_TEXELS, SceneOptions
from tests.bench.missing_figures import KEYS, NO_RAYS, WIDE_GENERALIST, absent

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")  # tests open no windows on a person's screen
ROOT = Path(__file__).parents[2]
# The command, but light is gathered as coarsely as with the fixture `coarse_light`.
SCRIPT = f"""
import sys
from functools import partial
from app.commands import bench
from app.main import main
bench.SceneOptions = partial(bench.SceneOptions, light_texels={LEAST_TEXELS})
sys.exit(main())
"""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, "bench", *arguments],
        capture_output=True,
        text=True,
        timeout=400,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in SCREENS} | {"COLUMNS": "120"},
    )


def assert_figure(figure: Any) -> None:
    assert set(figure) == {"median", "min", "max"}
    assert all(math.isfinite(value) for value in figure.values())
    assert 0 < figure["min"] <= figure["median"] <= figure["max"]


def test_everything_once(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    page = tmp_path / "bench.html"
    result = bench("--quick", "--json", str(path), "--html", str(page))
    assert result.returncode == 0, result.stderr
    report = json.loads(path.read_text())
    assert report["device"] and report["device"] in result.stdout
    assert report["rounds"] == 1 and report["size"] == [512, 512]
    # The tests' own choice, which all widths have (see tests/conftest.py).
    variants = {key: value for key, value in report.items() if "variant" in key}
    assert {variants.pop(f"layered_variant{kind}") for kind in ("", "_deep")} <= {Variant().name, Variant(12).name}
    assert set(variants.values()) == {Variant().name, None}
    title = " ".join(result.stdout.split())
    assert f"tile network of the view 32-32-20-15 as {Variant().name}" in title
    assert f"compared 32-32-28-15 as {Variant().name}, deeper 32-32-32-28-15 as {Variant().name}" in title
    missing = absent([name for name in PACKAGES if report[name]]) | WIDE_GENERALIST | KEYS | NO_RAYS
    for name in set(MEANINGS) - missing:
        assert_figure(report[name])
    assert not missing & set(report)
    for name in PACKAGES:
        assert (absence(name) in result.stdout.splitlines()) == (not report[name])
        assert report[name] == version(name)
    assert report["numpy"] == np.__version__
    assert "The time from a key to its picture is not measured: neither DISPLAY nor" in " ".join(report["left_out"])
    if report["pygfx"]:
        assert report["raster_over_pygfx"]["median"] > 0
    if report["best_cpu"]:
        assert f"quickest library on the CPU for these networks: {report['best_cpu']}" in result.stdout
    assert set(report["passes_ms"]) == set(PASSES) and list(report["passes_ms"])[-1] == "composite"
    for figure in report["passes_ms"].values():
        assert_figure(figure)
    assert 50 < report["resident_mb_720"] <= report["peak_mb_720"]
    # Frames whose passes have timers are no others than those without, but on a machine that does other work besides.
    frame = 1e3 / report["fps_512_traced"]["median"]
    passes = sum(figure["median"] for figure in report["passes_ms"].values())
    assert passes + report["python_ms"]["median"] <= 2.0 * frame
    # One frame of either kind was compared.
    traced, raster = (report[f"gbuffer_ms_512_{kind}"]["median"] for kind in ("traced", "raster"))
    assert math.isclose(report["gbuffer_raster_over_traced"]["median"], traced / raster, rel_tol=1e-6)
    assert report["triangles_ms_512"]["median"] < raster < 1e3 / report["fps_512_raster"]["median"]
    # The page is of the same run.
    assert f"<td>{short(report['conv64_over_fused']['median'])}</td>" in page.read_text()
    work = flops(report["fused_layers"]) * 512 * 512 * 1e-6
    assert math.isclose(report["fused_gflops"]["median"], work / report["tile_network_ms_full"]["median"], rel_tol=1e-6)


SOME = ("tile_hash", "light cache")


@pytest.fixture(scope="module")
def some_passes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of SOME passes."""
    path = tmp_path_factory.mktemp("some passes") / "bench.json"
    result = bench(*(f"--pass={name}" for name in SOME), "--quick", "--size=80x60", "--json", str(path))
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def test_some_passes(some_passes: dict[str, Any]) -> None:
    assert set(some_passes["passes_ms"]) == set(SOME) and some_passes["size"] == [80, 60]
    for figure in some_passes["passes_ms"].values():
        assert_figure(figure)
    assert not set(MEANINGS) & set(some_passes) and some_passes["variant"] == Variant().name


def test_passes_without_ray_tracing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNGYO_NO_RAY_TRACING", "1")
    path = tmp_path / "bench.json"
    what = ("--pass=triangles", "--pass=gbuffer", "--quick", "--size=80x60")
    result = bench(*what, "--json", str(path))
    assert result.returncode == 0, result.stderr
    assert set(json.loads(path.read_text())["passes_ms"]) == {"triangles", "gbuffer"}
    result = bench("--pass=reference")
    assert result.returncode == 2 and "There is no pass 'reference'; choose from triangles, " in result.stderr


def test_an_earlier_report_of_this_machine_is_compared(some_passes: dict[str, Any], tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert some_passes["cpu"] and some_passes["driver"]
    earlier = {"tile_hash": {"median": 2e-6, "min": 1e-6, "max": 4e-6}, "tile_network": spread([1.0])}
    old.write_text(json.dumps({**some_passes, "passes_ms": earlier, "variant": "half-32"}))
    result = bench(
        "--pass=tile_hash", "--pass=tile_network", "--quick", "--size=80x60", "--compare", str(old), "--json", str(new)
    )
    assert result.returncode == 0, result.stderr
    figure = json.loads(new.read_text())["passes_ms"]["tile_hash"]
    row = [line for line in result.stdout.splitlines() if "tile_hash" in line][-1]
    for kind, by in (("median", 2e-6), ("min", 4e-6), ("max", 1e-6)):
        assert short(figure[kind] / by) in row
    assert f"variants of the tile network, too: of the view (half-32 there, {Variant().name} here)." in result.stdout


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"device": "GeForce 3"}, "the device was GeForce 3 there and is "),
        ({"driver": "Mesa 1.0"}, "the driver was Mesa 1.0 there and is "),
        ({"cpu": "Z80"}, "the CPU was Z80 there and is "),
        ({"cpu_cores": 1000}, "the number of CPU cores was 1000 there and is "),
        ({"size": [81, 60]}, "the view's size was 81-60 there and is 80-60 here."),
        ({"layers": [32, 8, 15]}, "the networks' shape was 32-8-15 there and is "),
        ({"cpu": None}, "does not name the CPU: it was written by an older bungyo bench."),
        (
            {"passes_ms": {"tile_hash": {"median": "x", "min": 1, "max": 2}}},
            "damaged: its tile_hash is 'x'",
        ),
        (
            {"passes_ms": {"tile_hash": {"median": math.inf, "min": 1, "max": 2}}},
            "damaged: its tile_hash is inf, which is no number",
        ),
        ({"passes_ms": None}, "is no report of bungyo bench: it lists no passes."),
    ],
)
def test_reports_of_other_machines_are_refused(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    options = SceneOptions(size=(80, 60))
    report = {**identity(options), "passes_ms": {}, **change}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({key: value for key, value in report.items() if value is not None}))
    with pytest.raises(InputError, match=re.escape(complaint)):
        check_same(load(path), identity(options), path)


def test_reports_tell_whether_rays_are_traced(some_passes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert some_passes["gbuffer"] == identity(SceneOptions())["gbuffer"] == "trace"
    monkeypatch.setenv("BUNGYO_NO_RAY_TRACING", "1")
    assert identity(SceneOptions())["gbuffer"] == "raster"


def test_refusing_ends_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    work = {"device": "GeForce 3", "driver": "?", "cpu": "?", "cpu_cores": 1, "size": [80, 60], "layers": [32, 15]}
    for text, complaint in (
        (json.dumps({**work, "passes_ms": {}}), "the device was GeForce 3 there"),
        ("{", "is no report of bungyo bench (Expecting"),
    ):
        path.write_text(text)
        result = bench("--pass", "tile_hash", "--size", "80x60", "--compare", str(path))
        assert result.returncode == 2 and not result.stdout
        assert complaint in result.stderr and "Traceback" not in result.stderr
    result = bench("--compare", str(tmp_path / "none.json"))
    assert result.returncode == 2 and "none.json: No such file" in result.stderr


def test_versions_are_those_installed() -> None:
    assert version("numpy") == np.__version__
    assert {name for name in PACKAGES if version(name)} == {name for name in PACKAGES if find_spec(name)}


def test_an_unknown_pass_is_named() -> None:
    result = bench("--pass", "tile_hsah", "--size", "80x60")
    assert result.returncode == 2
    assert "There is no pass 'tile_hsah'; choose from triangles, gbuffer," in result.stderr
    assert "Traceback" not in result.stderr


def test_spread_of_values() -> None:
    samples = Samples()
    for value in (9.0, 1.0, 2.0):
        samples.add("a", value)
        samples.add_all({"b": value, "c": 1.0})
    assert samples.spreads()["a"] == {"median": 2.0, "min": 1.0, "max": 9.0}
    assert list(samples.spreads()) == ["a", "b", "c"]
    assert spread([1.0, 2.0])["median"] == 1.5
    with pytest.raises(ValueError):
        spread([])


@pytest.mark.parametrize(("value", "text"), [(0.0123, "0.012"), (9.5, "9.500"), (12.345, "12.35"), (12345.6, "12,346")])
def test_figures_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_memory_traffic_is_counted() -> None:
    # 64 of features, 8 of surface, 8 of radiance, and the parameters: 33 * 8 and 33 * 4 vec4 for 256 pixels.
    fused, between = layered.memory_bytes((32, 32, 15), "half")
    assert fused == 80 + 33 * (8 + 4) * 16 / 256
    assert between == 2 * 64 + 64  # written and read; the features once more
    assert layered.memory_bytes((32, 32, 15), "float")[1] == 2 * 128 + 64
    assert layered.memory_bytes((32, 15), "half")[1] == 0
    # Halves in and out; 64 inputs take two dispatches, with sums of 64 and 3 floats in between.
    assert convolution.memory_bytes((32, 64, 64, 3)) == 2 * (32 + 64) + 2 * (64 + 64) + 2 * 64 + 8 * (64 + 3) + 8


def test_the_ceiling_is_two_operations_for_each_product(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1.0, 1.5])
    monkeypatch.setattr(sgemm, "time", SimpleNamespace(perf_counter=lambda: next(ticks), sleep=lambda _: None))
    monkeypatch.setattr(sgemm, "SIZE", 100)
    assert sgemm.Sgemm().gflops() == pytest.approx(2 * 100**3 / 0.5 / 1e9)


def test_the_ceiling_is_reached_for_once_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def clock() -> float:
        done.append("clock")
        return float(len(done))

    monkeypatch.setattr(sgemm, "SIZE", 2)
    measured = sgemm.Sgemm()
    monkeypatch.setattr(sgemm, "time", SimpleNamespace(perf_counter=clock, sleep=lambda _: done.append("quiet")))
    monkeypatch.setattr(np, "matmul", lambda *_, **__: done.append("product"))
    measured.gflops()
    assert done == ["product", "clock", "product", "clock", "quiet"]


def test_flops_of_widths() -> None:
    assert flops((32, 32, 32, 15)) == 2 * (32 * 32 + 32 * 32 + 32 * 15 + 15)


def test_tuning_goes_alone() -> None:
    result = bench("--tune", "--pass", "gbuffer")
    assert result.returncode == 2
    assert "do not go with it" in result.stderr and "Traceback" not in result.stderr


def test_growth_needs_all_passes() -> None:
    result = bench("--growth", "--pass", "gbuffer")
    assert result.returncode == 2
    assert "--growth and --wide measure more than passes" in result.stderr and "Traceback" not in result.stderr


def test_a_wide_generalist_must_be_a_weight_file(tmp_path: Path) -> None:
    path = tmp_path / "generalist-64.safetensors"
    result = bench("--wide", str(path))
    assert result.returncode == 2 and f"There is no weight file {path}." in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("coarse_light")
def test_wide_generalists_are_counted_even_where_they_cannot_be_drawn(tmp_path: Path) -> None:
    path = WeightSet.untrained((32, 80, 15)).save(tmp_path / "generalist-80.safetensors")
    wide = WeightSet.load(path)
    with View(SceneOptions(), (96, 96)) as view:
        for shares in view.activity(wide):
            assert 0 < shares["idle_channels_generalist"] < shares["zero_channels_generalist"] < 1
            assert shares["zero_channels_experts"] == shares["zero_channels_generalist"]  # it has none


@pytest.mark.usefixtures("coarse_light")
def test_a_frame_at_rest_gathers_no_light() -> None:
    with View(SceneOptions(), (64, 64)) as view:
        assert not view.still("neural").passes
        cost = view.still("neural", timed=True)
        assert set(cost.passes) == set(PASSES)
        assert sum(cost.passes.values()) + cost.python <= cost.whole
        assert not view.still("neural").passes
    with View(SceneOptions(), (64, 64), 1) as view:
        for unsettle in (view.moving, view.gathering):
            assert set(unsettle().passes) == {"light cache"}
            assert not view.still("neural").passes
