"""Mip levels: every level is the mean of the one before, in linear light."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.arrays import F64
from app.gpu import Device
from app.passes.array_store import ArrayStore
from app.passes.texture_upload import can_share, mip_chain, upload_texture
from app.scene.model import Texture
from app.scene.texture_files import srgb_to_linear
from app.scene.tonemap import srgb_encode
from tests.conftest import Keep

RANDOM = np.random.default_rng(1)


def halved(value: F64) -> F64:
    height, width, channels = value.shape
    blocks = value[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2, channels)
    return np.asarray(blocks.mean(axis=(1, 3)))


@pytest.mark.parametrize("srgb", [False, True], ids=["data", "colours"])
@pytest.mark.parametrize("size", [(64, 64), (67, 70), (131, 5), (2, 3), (1, 9)])
def test_levels_are_means(size: tuple[int, int], srgb: bool) -> None:
    pixels = RANDOM.integers(0, 256, (*size, 4)).astype(np.uint8)
    levels = mip_chain(pixels, srgb)
    assert len(levels) == min(size).bit_length() and (levels[0] == pixels).all()
    value = pixels / 255.0
    if srgb:
        value[..., :3] = srgb_to_linear(value[..., :3])
    for level in levels[1:]:
        value = halved(value)
        assert level.shape == value.shape and level.dtype == np.uint8
        # Half a step of rounding, and what floats add to it.
        stored = np.concatenate([srgb_encode(value[..., :3]), value[..., 3:]], axis=-1) if srgb else value
        assert np.abs(level - 255.0 * stored).max() < 0.5 + 1e-3


def test_floats_stay_floats() -> None:
    pixels: NDArray[Any] = RANDOM.random((70, 33, 3)).astype(np.float32)
    levels = mip_chain(pixels, srgb=False)
    value = pixels.astype(np.float64)
    for level in levels[1:]:
        value = halved(value)
        assert level.dtype == np.float32
        np.testing.assert_allclose(level, value, rtol=1e-5)


@pytest.mark.parametrize("size", [(256, 256), (67, 70), (131, 5)])
def test_what_is_not_there_colours_nothing(size: tuple[int, int]) -> None:
    """Strands of one colour, black beside them, keep it in all levels, and so does what is beside them there."""
    strands = np.zeros((*size, 4), np.uint8)
    strands[:, ::3] = 188, 148, 96, 255
    strands[::5, 1::3] = 188, 148, 96, 40
    for level in mip_chain(strands, srgb=True, by_opacity=True)[1:]:
        assert np.abs(level[..., :3] - (188.0, 148.0, 96.0)).max() <= 1.0
    mean = mip_chain(strands, srgb=True)
    for level, of_all in zip(mip_chain(strands, srgb=True, by_opacity=True), mean, strict=True):
        np.testing.assert_array_equal(level[..., 3], of_all[..., 3])


@pytest.mark.parametrize(("size", "first"), [(6, 4), (3, 2), (48, 36)])
def test_what_halving_leaves_out_is_no_hole(size: int, first: int) -> None:
    """Where all that is there lies in odd rows at the end of some level, smaller ones still have its colour."""
    pixels = np.full((size, size, 4), (90, 90, 90, 0), np.uint8)
    pixels[first:] = 90, 90, 90, 255
    with np.errstate(all="raise"):
        for level in mip_chain(pixels, srgb=True, by_opacity=True):
            assert np.abs(level[..., :3] - 90.0).max() <= 1.0


def test_cut_out_maps_take_little_more_memory_than_they_have() -> None:
    """The next level as floats is as large as the map, all below it a third of that; the rest goes by strips."""
    pixels = RANDOM.integers(0, 256, (1024, 1024, 4)).astype(np.uint8)
    pixels[::3, :, 3] = 0
    tracemalloc.start()
    try:
        mip_chain(pixels, srgb=True, by_opacity=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * pixels.nbytes


def test_colours_are_weighed_by_opacity() -> None:
    pixels = np.array([[[1.0, 0.0, 0.0, 0.75], [0.0, 1.0, 0.0, 0.25]], [[0.0, 0.0, 1.0, 0.0]] * 2], np.float32)
    np.testing.assert_allclose(mip_chain(pixels, srgb=False, by_opacity=True)[1], [[[0.75, 0.25, 0.0, 0.25]]])
    unseen = pixels * np.array([1.0, 1.0, 1.0, 0.0], np.float32)
    np.testing.assert_allclose(mip_chain(unseen, srgb=False, by_opacity=True)[1], [[[0.25, 0.25, 0.5, 0.0]]])


def test_maps_share_an_image_only_if_they_are_alike() -> None:
    normals, roughness = (Texture(np.zeros((4, 6, channels), np.uint8)) for channels in (3, 1))
    assert can_share(normals, roughness)
    for other in (np.zeros((6, 4, 1), np.uint8), np.zeros((4, 6, 1), np.float32)):
        assert not can_share(normals, Texture(other))
    assert not can_share(Texture(np.zeros((4, 6, 4), np.uint8)), roughness)
    colours = Texture(np.zeros((4, 6, 3), np.uint8), srgb=True)
    assert not can_share(colours, roughness) and not can_share(normals, colours)


def test_levels_that_are_kept_are_those_of_one_way_to_read_a_map(gpu: Device, keep: Keep, tmp_path: Path) -> None:
    """One file may be colours here and data there, cut out here and whole there."""
    pixels = RANDOM.integers(0, 256, (12, 8, 4)).astype(np.uint8)
    pixels[:7, :, 3] = 0
    before, store = pixels.copy(), ArrayStore(tmp_path, 1_000_000)
    ways = [(srgb, cut_out) for srgb in (False, True) for cut_out in (False, True)]
    found = set()
    for srgb, cut_out in (*ways, *ways):
        texture = Texture(pixels, srgb=srgb)
        kept = keep(upload_texture(gpu, texture, store, cut_out=cut_out))
        expected = keep(upload_texture(gpu, texture, cut_out=cut_out))
        for mip in range(expected.mips):
            np.testing.assert_array_equal(kept.read(mip), expected.read(mip))
        found.add((expected.read(0).tobytes(), expected.read(1).tobytes()))
    assert len(found) == len(ways)
    np.testing.assert_array_equal(pixels, before)
