"""The numpy tile hash against the definition in the talk, written out pixel by pixel."""

import numpy as np
import pytest

from app.network import schema
from app.network.tile_hash import hash_bits, hash_pixels, tile_hash, tile_list


def by_definition(uv: np.ndarray, face: np.ndarray) -> int:
    """The talk's loop over the pixels of one tile."""
    hash_u = hash_v = 0
    for (u, v), is_face in zip(uv.tolist(), face.tolist(), strict=True):
        if is_face:
            hash_u |= 1 << (int(u * 8.0) % 8)
            hash_v |= 1 << (int(v * 8.0) % 8)
    return hash_u | hash_v << 8


def test_hash_is_the_talks() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 0.9, (50, 1, 2))
    uv = (corner + rng.uniform(0, 0.3, (50, 256, 2))) % 1
    uv = uv.astype(np.float16)
    face = rng.random((50, 256)) < rng.random((50, 1))
    expected = [by_definition(tile, mask) for tile, mask in zip(uv, face, strict=True)]
    np.testing.assert_array_equal(hash_pixels(uv, face), expected)


@pytest.mark.parametrize(
    ("u", "column"),
    [(0.0, 0), (0.124, 0), (0.125, 1), (0.9999, 0), (0.99, 7), (1.0, 0), (-0.3, 0), (7.0, 0), (np.nan, 0)],
)
def test_edges_of_the_bins(u: float, column: int) -> None:
    # 0.9999 rounds to 1 as a half, and 1 is the seam: bin 0, as u = 0 beside it.
    assert hash_bits([u, 0.5]) == 1 << column | 1 << (4 + 8)


def test_more_bins_wrap_around() -> None:
    assert hash_bits([0.55, 0.0], scale=16) == 1 << 0 | 1 << 8


def test_tiles_without_face_are_not_listed() -> None:
    depth = np.full((20, 40), np.inf, np.float32)
    depth[3, 20] = 1.0
    channels = np.full((20, 40, 32), 0.6, np.float32)
    features = schema.feature_buffer(schema.pack(channels))
    surface = schema.surface_buffer(depth, np.ones((20, 40)))
    places = schema.place_buffer(features, surface)
    assert (places == schema.NO_FACE).sum() == 6 * 256 - 1
    expected = 1 << 4 | 1 << 12
    np.testing.assert_array_equal(tile_hash(places), [0, expected, 0, 0, 0, 0])
    np.testing.assert_array_equal(tile_list(places), [[1, expected]])


def test_packing_never_yields_no_face() -> None:
    worst = np.full((1, 32), np.nan, np.float32)
    worst[0, 1] = -np.inf
    assert schema.pack(worst)[0, 0] != schema.NO_FACE
    every_half = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    assert not (schema.to_half(every_half).view(np.uint16) == schema.NO_FACE & 0xFFFF).any()
