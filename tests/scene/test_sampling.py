"""Alias tables: every index comes as often as its weight says."""

import numpy as np
import pytest

from app.arrays import F64
from app.scene.sampling import alias_table

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize(
    "weights",
    [
        np.array([2.5]),
        np.ones(7),
        np.array([0.0, 1.0, 0.0, 3.0]),
        np.array([1.0, 3.0, 1.0, 3.0]),  # one gives exactly what another lacks
        np.array([1e-30, 1.0, 1e6]),
        RANDOM.exponential(1.0, 2048) ** 4,
    ],
    ids=["one", "even", "zeros", "ties", "far apart", "random"],
)
def test_probabilities_are_the_weights(weights: F64) -> None:
    keep, alias = alias_table(weights)
    assert keep.dtype == np.float32 and alias.dtype == np.uint32
    assert (keep >= 0).all() and (keep <= 1).all()
    kept = keep.astype(np.float64)
    found = kept + np.bincount(alias, 1.0 - kept, len(weights))  # of an index drawn uniformly, then kept or not
    # A rounding of `keep` may move a share from an index to its alias; the drift of sums is far below that.
    np.testing.assert_allclose(found / len(weights), weights / weights.sum(), rtol=1e-6, atol=1e-7)
    assert not found[weights == 0].any()


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -0.5], [1.0, np.inf], [np.nan, 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="finite, non-negative weights"):
        alias_table(np.array(weights))
