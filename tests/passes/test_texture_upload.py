"""Mip levels: every level is the mean of the one before, in linear light."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.passes.texture_upload import mip_chain

RANDOM = np.random.default_rng(1)


def halved(value: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width, channels = value.shape
    blocks = value[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, channels)
    return np.asarray(blocks.mean(axis=(1, 3)))


@pytest.mark.parametrize("srgb", [False, True], ids=["data", "colours"])
@pytest.mark.parametrize("size", [(64, 64), (67, 70), (131, 5), (2, 3), (1, 9)])
def test_levels_are_means(size: tuple[int, int], srgb: bool) -> None:
    pixels = RANDOM.integers(0, 256, (*size, 4)).astype(np.uint8)
    levels = mip_chain(pixels, srgb)
    assert len(levels) == min(size).bit_length() and (levels[0] == pixels).all()
    curve = np.array([2.2, 2.2, 2.2, 1.0]) if srgb else np.ones(4)
    value = (pixels / 255.0) ** curve
    for level in levels[1:]:
        value = halved(value)
        assert level.shape == value.shape and level.dtype == np.uint8
        # Half a step of rounding, and what floats add to it.
        assert np.abs(level - 255.0 * value ** (1.0 / curve)).max() < 0.5 + 1e-3


def test_floats_stay_floats() -> None:
    pixels: NDArray[Any] = RANDOM.random((70, 33, 3)).astype(np.float32)
    levels = mip_chain(pixels, srgb=False)
    value = pixels.astype(np.float64)
    for level in levels[1:]:
        value = halved(value)
        assert level.dtype == np.float32
        np.testing.assert_allclose(level, value, rtol=1e-5)
