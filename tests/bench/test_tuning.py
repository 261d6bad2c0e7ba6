"""The tuner leaves what the tile network then takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from app.bench import networks, tuning
from app.bench.comparison import DEEP, WIDE
from app.bench.tuning import Tuned
from app.commands.bench import bench
from app.errors import BungyoError, InputError
from app.gpu import Device
from app.network.layers import LAYERS as COMPARED
from app.network.shader import Variant
from app.passes.tile_variant import OVERRIDE, chosen
from app.scene_options import SceneOptions

LAYERS = (32, 8, 15)


def _counted(steps: int, _what: str) -> Iterator[int]:
    return iter(range(steps))


def test_a_device_without_a_clock_is_named(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(*_: object, **__: object) -> Iterator[Device]:
        monkeypatch.setattr(gpu, "info", replace(gpu.info, timestamp_period_ns=0.0))
        yield gpu

    monkeypatch.setattr(tuning, "open_device", opened)
    options = SceneOptions(device=str(gpu.info.index))
    with pytest.raises(InputError, match="has no clock"):
        tuning.tune(options, LAYERS, _counted)


def test_the_quickest_is_kept(gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(OVERRIDE)
    for module in (networks, tuning):
        monkeypatch.setattr(module, "SIZE", 64)
    options = SceneOptions(device=str(gpu.info.index))
    found = tuning.tune(options, LAYERS, _counted, rounds=2)
    assert {Variant(8), Variant(16), Variant(32)} <= set(found.milliseconds)
    least = {variant: spread["min"] for variant, spread in found.milliseconds.items()}
    assert min(least.values()) == least[found.best] > 0
    assert found.file.is_relative_to(tmp_path) and chosen(gpu.info, LAYERS) == found.best


def test_the_least_time_counts_and_what_is_hopeless_is_timed_no_further(
    gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else runs only ever adds to times."""

    class Timed:
        """Commands that take so long, the last of these times again and again."""

        def __init__(self, *milliseconds: float) -> None:
            self.left, self.asked = list(milliseconds), 0

        def timings(self) -> dict[str, float]:
            self.asked += 1
            return {"tile_network": self.left.pop(0) if len(self.left) > 1 else self.left[0]}

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disturbed, even, hopeless = Timed(9.0, 1.0, 9.0), Timed(1.5), Timed(3.1)
    recorded = {Variant(8): disturbed, Variant(16): even, Variant(32): hopeless}
    monkeypatch.setattr(tuning, "_record", lambda *_: recorded)
    monkeypatch.setattr(Device, "submit", lambda *_: None)
    found = tuning.tune(SceneOptions(device=str(gpu.info.index)), LAYERS, _counted, rounds=4)
    assert found.best == Variant(8) and found.milliseconds[Variant(8)] == {"median": 9.0, "min": 1.0, "max": 9.0}
    assert (disturbed.asked, even.asked, hopeless.asked) == (tuning.FIRST + 4, tuning.FIRST + 4, tuning.FIRST)


def test_a_choice_that_cannot_be_kept_is_not_said_to_be(
    gpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    commands = SimpleNamespace(timings=lambda: {"tile_network": 1.0})
    monkeypatch.setattr(tuning, "_record", lambda *_: {Variant(8): commands})
    monkeypatch.setattr(Device, "submit", lambda *_: None)
    with pytest.raises(BungyoError, match="float-8 is the quickest, but cannot be kept in"):
        tuning.tune(SceneOptions(device=str(gpu.info.index)), LAYERS, _counted, rounds=1)


@pytest.mark.parametrize(("weights", "first"), [("default", [(32, 32, 20, 15), COMPARED]), ("any-uv", [COMPARED])])
def test_all_widths_that_the_bench_draws_are_tuned(
    weights: str, first: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = []

    def tune(_options: SceneOptions, layers: tuple[int, ...], _counted: object) -> Tuned:
        tuned.append(layers)
        return Tuned({Variant(24): {"median": 2.0, "min": 1.0, "max": 3.0}}, Variant(24), Path(f"found-{len(tuned)}"))

    monkeypatch.setattr(tuning, "tune", tune)
    result = CliRunner().invoke(bench, ["--tune", "--weights", weights])
    assert result.exit_code == 0, result.output
    assert tuned == [*first, DEEP, WIDE]
    for number, layers in enumerate(tuned, start=1):
        assert f"tile network {'-'.join(map(str, layers))}, arithmetic" in result.output
        assert f"float-24 is the quickest and kept in found-{number}" in result.output
