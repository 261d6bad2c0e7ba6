"""torch computes the same networks as numpy, whichever way."""

import numpy as np
import pytest

from app.bench.torch_networks import CHUNK, MANY, WAYS, TorchNetworks

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def networks() -> TorchNetworks:
    # 18 networks: one whole group and a part of one; two chunks and a part of one.
    return TorchNetworks((32, 12, 8, 15), 18, 2 * CHUNK + 1000)


@pytest.mark.parametrize("way", WAYS)
def test_draws_what_numpy_draws(networks: TorchNetworks, way: str) -> None:
    networks.run("batch" if way in MANY else "groups_4")  # so that nothing right is left over
    drawn = networks.run(way)
    assert drawn.shape == (18, networks.rows, 15)
    for network in range(18):
        values = networks.features[network]
        for index, (weight, bias) in enumerate(networks.weights.matrices(network if way in MANY else 0)):
            values = values @ weight.T + bias
            values = np.maximum(values, 0) if index < 2 else values
        np.testing.assert_allclose(drawn[network], values, rtol=1e-4, atol=1e-4)


def test_time_is_for_a_picture(networks: TorchNetworks) -> None:
    assert all(networks.milliseconds(way) > 0 for way in WAYS)
