"""Counting the channels that are zero."""

import numpy as np

from app.bench.activity import zero_shares
from app.network.layers import parameter_count
from app.network.weights import WeightSet


def test_counts_by_hand() -> None:
    """Networks with hidden widths 2 and 1 whose channels are the first feature, its negative, and what is above 5."""
    layers = (32, 2, 1, 15)
    slots = np.zeros((2, parameter_count(layers)), np.float32)
    generalist = WeightSet(layers, slots, np.zeros(65536, np.uint32)).matrices(0)
    for weight, bias in generalist:
        weight[:], bias[:] = 0, 0
    (first, _), (second, bias), _ = generalist
    first[0, 0], first[1, 0] = 1, -1
    second[0, 0], bias[0] = 1, -5
    slots[1] = slots[0]
    slots[1, 0] = 0  # the expert's first channel is dead, and so is what follows from it
    table = np.zeros(65536, np.uint32)
    table[7] = 1
    features = np.zeros((2, 256, 32), np.float32)
    features[0, :, 0] = 1
    features[0, :10, 0] = 6
    features[1, :, 0] = -1
    face = np.zeros((2, 256), bool)
    face[0, :40] = face[1, :60] = True
    found = zero_shares(WeightSet(layers, slots, table), features, face, np.array([3, 7], np.uint32))
    # Of three channels: 10 pixels have one zero (the negative); all others have two.
    assert np.isclose(found["zero_channels_generalist"], (10 * 1 + 90 * 2) / 300)
    # First tile: only the negative is zero throughout. Second: only the negative is not.
    assert np.isclose(found["idle_channels_generalist"], (1 + 2) / 6)
    assert np.isclose(found["zero_channels_experts"], found["zero_channels_generalist"])
    assert np.isclose(found["idle_channels_experts"], (1 + 2) / 6)
    table[3] = 1  # now the expert draws the first tile, where it has nothing to say
    found = zero_shares(WeightSet(layers, slots, table), features, face, np.array([3, 7], np.uint32))
    assert np.isclose(found["zero_channels_experts"], (40 * 3 + 60 * 2) / 300)
    assert np.isclose(found["idle_channels_experts"], (3 + 2) / 6)


def test_pixels_beside_the_face_do_not_count() -> None:
    weights = WeightSet.untrained((32, 16, 15))
    features = np.random.default_rng(0).normal(0, 1, (1, 256, 32)).astype(np.float32)
    face = np.arange(256)[None] < 20
    found = zero_shares(weights, features, face, np.array([1], np.uint32))
    other = np.where(face[..., None], features, 1e3).astype(np.float32)
    assert zero_shares(weights, other, face, np.array([1], np.uint32)) == found
    weight, bias = weights.matrices(0)[0]
    hidden = features[0, :20] @ weight.T + bias
    assert np.isclose(found["zero_channels_experts"], (hidden <= 0).mean())
    assert np.isclose(found["idle_channels_experts"], (hidden <= 0).all(axis=0).mean())
