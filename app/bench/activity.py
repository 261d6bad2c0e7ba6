"""How many of a network's channels are zero: at a pixel, and at all pixels of a tile.

The talk's "irrelevant channels": in a network that draws everything, most channels have nothing to say about the pixel
at hand, yet cost as much as the others. A channel here is an output of a hidden layer, after its ReLU.
"""

import numpy as np

from app.arrays import F32, U32, Bools
from app.network.weights import WeightSet


def zero_shares(weights: WeightSet, features: F32, face: Bools, hashes: U32) -> dict[str, float]:
    """Shares (0..1) of hidden channels that are zero.

    Args:
        weights: the networks, with one hidden layer or more.
        features: (tiles, 256, 32) unpacked.
        face: (tiles, 256) the pixels that count; some in every tile.
        hashes: (tiles,).

    Returns:
        By figure: "zero_channels_*" at a pixel (mean over pixels), "idle_channels_*" at all pixels of a tile (mean over
        tiles; a tile could do without these); "*_generalist" of slot 0, "*_experts" of the network that draws the tile.
    """
    found = {}
    for name, slots in (
        ("generalist", np.zeros(len(hashes), np.uint32)),
        ("experts", weights.table[hashes]),
    ):
        zero, idle = 0.0, 0.0
        for slot in np.unique(slots):
            chosen = slots == slot
            quiet = _hidden(weights, int(slot), features[chosen]) == 0.0
            counted = face[chosen]
            zero += float(quiet[counted].mean(axis=-1).sum())
            idle += float((quiet | ~counted[..., None]).all(axis=1).mean(axis=-1).sum())
        found[f"zero_channels_{name}"] = zero / int(face.sum())
        found[f"idle_channels_{name}"] = idle / len(hashes)
    return found


def _hidden(weights: WeightSet, slot: int, values: F32) -> F32:
    """All hidden channels (..., sum of the hidden widths) of a network."""
    layers = []
    for weight, bias in weights.matrices(slot)[:-1]:
        values = np.maximum(values @ weight.T + bias, 0.0)
        layers.append(values)
    return np.concatenate(layers, axis=-1)
