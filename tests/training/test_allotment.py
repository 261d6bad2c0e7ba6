"""Samples go where they are worth most."""

import numpy as np
import pytest

from app.training.allotment import LEAST, MOST, allot


def doubt(noise: np.ndarray, samples: np.ndarray) -> float:
    """What the samples leave unknown of the tiles' summed error."""
    return float(np.sqrt(np.square(noise / samples).sum()))


@pytest.mark.parametrize("seed", range(5))
def test_noisy_tiles_get_more(seed: int) -> None:
    noise = np.random.default_rng(seed).lognormal(0.0, 2.0, 400)
    samples = allot(noise, 4.0)
    assert 3.5 < samples.mean() <= 4.0
    assert set(samples) <= set(2 ** np.arange(8)) and samples.min() >= LEAST and samples.max() <= MOST
    order = np.argsort(noise)
    assert (np.diff(samples[order]) >= 0).all()
    assert doubt(noise, samples) < 0.5 * doubt(noise, np.full(400, 4))


def test_even_noise_shares_evenly() -> None:
    assert (allot(np.full(10, 0.3), 8.0) == 8).all()
    assert (allot(np.full(3, 0.3), 1.0) == LEAST).all()
    assert (allot(np.full(3, 0.3), 1e6) == MOST).all()
