"""Mirrored heads: avatars' halves lie mirrored in the texture square, so every pixel teaches two places."""

import torch
from torch import Tensor

from app.network.schema import HASH_BINS, channels

# A head that is mirrored left to right, under mirrored light: these change their sign along the head's x axis.
_ACROSS = tuple(channels(name).start for name in ("normal", "view", "light_direction"))
_U = channels("uv").start


def mirrored(features: Tensor, chosen: Tensor) -> Tensor:
    """Mirror head and light of the chosen pixels: u becomes 1 - u.

    Args:
        features: (..., 32).
        chosen: (...) which of them, bool.
    """
    features = features.clone()
    features[..., _U] = torch.where(chosen, 1.0 - features[..., _U], features[..., _U])
    for channel in _ACROSS:
        features[..., channel] = torch.where(chosen, -features[..., channel], features[..., channel])
    return features


def mirrored_hash(tile_hash: int) -> int:
    """The hash of a tile once its head is mirrored: the bins along u in reverse."""
    u_bins, v_bins = tile_hash & ((1 << HASH_BINS) - 1), tile_hash >> HASH_BINS
    return int(f"{u_bins:0{HASH_BINS}b}"[::-1], 2) | v_bins << HASH_BINS
