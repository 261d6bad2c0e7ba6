"""Libraries compute the same networks as numpy, whichever way."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from app.arrays import F32
from app.bench import cpu_networks
from app.bench.comparison import LIBRARIES
from app.bench.cpu_networks import CHUNK, CpuNetworks, timed
from app.bench.openvino_networks import GROUPS

WAYS = [(name, way) for name, kind in LIBRARIES.items() for way in (*kind.single, *kind.many)]
LAYERS = (32, 12, 8, 15)
COUNT = max(GROUPS.values()) + 2  # one whole group of any size and a part of one


@cache
def networks(name: str) -> CpuNetworks:
    pytest.importorskip(name)
    return LIBRARIES[name](LAYERS, COUNT, 2 * CHUNK + 1000)  # two chunks and a part of one


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_draws_what_numpy_draws(name: str, way: str) -> None:
    made = networks(name)
    many = way in made.many
    made.run(made.single[-1] if many else made.many[0])  # so that nothing right is left over
    drawn = made.run(way)
    assert drawn.shape == (COUNT, made.rows, 15)
    for network in range(COUNT):
        values = made.features[network]
        for index, (weight, bias) in enumerate(made.weights.matrices(network if many else 0)):
            values = values @ weight.T + bias
            values = np.maximum(values, 0) if index < 2 else values
        np.testing.assert_allclose(drawn[network], values, rtol=1e-4, atol=1e-4)


def test_times_are_those_of_512x512_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([1.0, 1.25])
    monkeypatch.setattr(cpu_networks, "time", SimpleNamespace(perf_counter=lambda: next(ticks), sleep=lambda _: None))
    assert timed(lambda: None, 512 * 256) == 500.0


def test_what_is_timed_has_been_done_once_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    class Recording(CpuNetworks):
        def run(self, way: str) -> F32:
            done.append(way)
            return self.features

    def timed(draw: Callable[[], object], pixels: int) -> float:
        assert done == ["chunks"]
        draw()
        return float(pixels)

    monkeypatch.setattr(cpu_networks, "timed", timed)
    assert Recording((32, 15), 3, 1000).milliseconds("chunks") == 999 and done == ["chunks"] * 2


@pytest.mark.parametrize("name", LIBRARIES)
def test_time_is_for_a_picture(name: str) -> None:
    made = networks(name)
    assert all(made.milliseconds(way) > 0 for way in (*made.single, *made.many))
