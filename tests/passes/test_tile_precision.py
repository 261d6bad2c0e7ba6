"""The tile network in halves, in matrices of halves, and into a picture of halves, against its twin."""

import re
from dataclasses import replace

import numpy as np
import pytest

from app.gpu import Device
from app.gpu.vector_width import offers_wide
from app.network import schema
from app.network.shader import Variant, shared_bytes
from app.network.weights import WeightSet
from app.passes.tile_check import HALF_TOLERANCE
from app.passes.tile_variant import default, matrices
from tests.passes.test_tile_passes import Picture, assert_drawn, expected, picture, rig


@pytest.mark.parametrize("layers", [(32, 15), (32, 32, 28, 15), (32, 64, 64, 64, 15)])
def test_halves_are_near_the_twin(gpu: Device, layers: tuple[int, ...]) -> None:
    if "shaderFloat16" not in gpu.info.features:
        pytest.skip("the device does not calculate with halves")
    llvm = re.search(r"LLVM (\d+)", gpu.info.driver)
    if len(layers) > 2 and llvm and int(llvm[1]) >= 19:
        pytest.skip(f"LLVM {llvm[1]} takes minutes to compile several layers in halves")
    weights = WeightSet.untrained(layers, slots=3)
    shown = picture(37, 21, seed=1)
    with rig(gpu, weights, shown, variant=Variant(12, half=True)) as passes:
        assert passes.network.variant.half
        drawn = passes.draw()
    wanted = expected(weights, shown)
    face = wanted[..., 3] == 1
    np.testing.assert_array_equal(drawn[..., 3], wanted[..., 3])
    error = np.abs(drawn - wanted)[face] / np.maximum(np.abs(wanted[face]).max(axis=-1, keepdims=True), 1)
    assert 1e-4 < error.max() < HALF_TOLERANCE
    assert np.sqrt((error**2).mean()) < HALF_TOLERANCE / 16


def test_halves_that_overflow_are_dropped(gpu: Device) -> None:
    if "shaderFloat16" not in gpu.info.features:
        pytest.skip("the device does not calculate with halves")
    usual = WeightSet.untrained((32, 8, 15), slots=3)
    weights = WeightSet(usual.layers, usual.slots * np.float32(1e3), usual.table)
    shown = picture(37, 21, seed=1)
    with (
        pytest.warns(UserWarning, match="in halves is off by .* it is drawn in floats"),
        rig(gpu, weights, shown, variant=Variant(12, half=True)) as passes,
    ):
        assert passes.network.variant == replace(default(gpu.info), wide=False)
        assert_drawn(passes.draw(), weights, shown)


@pytest.mark.parametrize("layers", [(32, 15), (32, 7, 18, 15), (32, 32, 28, 15), (32, 48, 48, 15)])
def test_matrices_are_near_the_twin(gpu: Device, layers: tuple[int, ...]) -> None:
    variants = matrices(gpu.info)
    if not variants:
        pytest.skip("the device has no cooperative matrices of halves")
    weights = WeightSet.untrained(layers, seed=1, slots=5)
    shown = picture(37, 21, seed=1)  # tiles that the image cuts
    wanted = expected(weights, shown)
    face = wanted[..., 3] == 1
    for variant in variants:
        if shared_bytes(layers, variant) > gpu.info.max_shared_memory:
            continue
        with rig(gpu, weights, shown, variant=variant) as passes:
            assert passes.network.variant == variant
            drawn = passes.draw()
        np.testing.assert_array_equal(drawn[..., 3], wanted[..., 3])
        error = np.abs(drawn - wanted)[face] / np.maximum(np.abs(wanted[face]).max(axis=-1, keepdims=True), 1)
        assert 1e-5 < error.max() < HALF_TOLERANCE
        assert np.sqrt((error**2).mean()) < HALF_TOLERANCE / 16


def test_matrices_that_overflow_are_dropped(gpu: Device) -> None:
    variants = matrices(gpu.info)
    if not variants:
        pytest.skip("the device has no cooperative matrices of halves")
    usual = WeightSet.untrained((32, 8, 15), slots=3)
    weights = WeightSet(usual.layers, usual.slots * np.float32(1e4), usual.table)
    shown = picture(37, 21, seed=1)
    with (
        pytest.warns(UserWarning, match="in matrices is off by .* it is drawn in floats"),
        rig(gpu, weights, shown, variant=variants[0]) as passes,
    ):
        assert passes.network.variant == replace(default(gpu.info), wide=False)
        assert_drawn(passes.draw(), weights, shown)


@pytest.mark.parametrize("layers", [(32, 15), (32, 7, 18, 15), (32, 32, 28, 15)])
def test_wide_vectors_draw_the_same_bits(gpu: Device, layers: tuple[int, ...]) -> None:
    if not offers_wide(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    weights = WeightSet.untrained(layers, seed=1, slots=5)
    shown = picture(37, 21, seed=1)  # tiles that the picture cuts
    drawn = []
    for variant in (Variant(12), Variant(12, wide=True), Variant(8, wide=True), Variant(12)):
        with rig(gpu, weights, shown, variant=variant) as passes:
            assert passes.network.variant == variant
            drawn.append(passes.draw())
    assert_drawn(drawn[0], weights, shown)
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])


def test_wide_vectors_that_the_driver_refuses_are_dropped(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if not offers_wide(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    monkeypatch.setattr("app.gpu.vector_width._VARIABLE", "BUNGYO_NO_DRIVER_READS_THIS")
    weights, shown = WeightSet.untrained((32, 8, 15), slots=3), picture(37, 21, seed=1)
    with (
        pytest.warns(UserWarning, match="in wide vectors is compiled for 256 bits .* it is drawn in usual ones"),
        rig(gpu, weights, shown, variant=Variant(8, wide=True)) as passes,
    ):
        assert passes.network.variant == replace(default(gpu.info), wide=False)
        assert_drawn(passes.draw(), weights, shown)


def test_wide_vectors_that_draw_something_else_are_dropped(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if not offers_wide(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    weights, shown = WeightSet.untrained((32, 8, 15), slots=3), picture(37, 21, seed=1)
    monkeypatch.setattr("app.passes.network_pipeline.FLOAT_TOLERANCE", 0.0)  # the check's picture is one of halves
    with (
        pytest.warns(UserWarning, match=r"in wide vectors is off by .* \(0 is allowed\) .* it is drawn in usual ones"),
        rig(gpu, weights, shown, "half", Variant(8, wide=True)) as passes,
    ):
        assert passes.network.variant == replace(default(gpu.info), wide=False)


def test_half_picture_holds_the_radiance_to_half_precision(gpu: Device) -> None:
    weights = WeightSet.untrained(slots=3)
    shown = picture(48, 32)
    with rig(gpu, weights, shown, "half") as passes:
        drawn = passes.draw()
    # A driver may round to half towards zero: one unit in the last of 11 places.
    np.testing.assert_allclose(drawn, expected(weights, shown), rtol=2**-10, atol=1e-6)


def test_radiance_is_limited_to_a_half(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15))
    shown = picture(20, 20, face=1.0)
    shown = Picture(shown.words, shown.depth, np.full((20, 20), 1e8, np.float32))
    with rig(gpu, weights, shown, "half") as passes:
        drawn = passes.draw()
    assert np.isfinite(drawn).all() and drawn.max() == schema.HALF_MAX
