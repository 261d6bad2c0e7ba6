"""What a head of skin costs: samples a second, and time for the same noise."""

import numpy as np
import pytest

from app.arrays import F32
from app.bench import skin
from app.bench.skin import Painter


class Clock:
    """The time, which only drawing takes."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_noise_that_takes_as_long_to_halve_costs_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variance of a picture, not of the difference of two, times the seconds of one."""
    clock, seeds = Clock(), []
    monkeypatch.setattr(skin, "time", clock)

    def draw(seed: int) -> F32:
        seeds.append(seed)
        clock.now += 4.0
        noise = np.random.default_rng(seed).normal(0.0, 0.5, (100, 100, 3))
        return (1.0 + noise).astype(np.float32)

    painter = Painter(draw, hits=20_000.0)
    for _ in range(2):
        cost = painter.cost()
        assert cost.head_samples_per_s == 5000.0
        assert cost.noise_cost == pytest.approx(0.25 * 4.0, rel=0.05)
    assert len(set(seeds)) == 5  # the first of which is not counted
