"""The numpy twin of the tile network, and the order of parameters for the shader."""

import numpy as np
import pytest

from app.network import parameters, schema, shader, twin
from app.network.layers import MIXED, check_layers, flops, parameter_count
from app.network.schema import channels
from app.network.shader import Variant
from app.network.weights import WeightSet


def test_forward_is_a_plain_network() -> None:
    weights = WeightSet.untrained((32, 24, 20, 15), seed=1, slots=4)
    features = schema.to_half(np.random.default_rng(0).normal(size=(6, 5, 32)))
    hashes = np.arange(30).reshape(6, 5)
    result = twin.forward(weights, features, 2.0, hashes)
    for y, x in np.ndindex(6, 5):
        values = features[y, x].astype(np.float64)
        for weight, bias in weights.matrices(int(hashes[y, x]) % 4):
            outputs = weight.astype(np.float64) @ values + bias
            values = np.maximum(outputs, 0)
        light = [features[y, x][channels(name)] for name in MIXED]
        values = np.maximum((outputs.reshape(5, 3) * np.array(light, np.float64)).sum(axis=0), 0)
        np.testing.assert_allclose(result[y, x], 2 * values, rtol=1e-4, atol=1e-5)
    assert result.dtype == np.float32
    precise = twin.forward(weights, features, 2.0, hashes, np.float64)
    assert precise.dtype == np.float64
    np.testing.assert_allclose(result, precise, rtol=1e-4, atol=1e-5)


def test_doubling_the_lights_doubles_the_output_exactly() -> None:
    weights = WeightSet.untrained(seed=3)
    features = np.random.default_rng(1).normal(size=(50, 32))
    scale = np.random.default_rng(2).uniform(0.1, 5, 50)
    once, twice = (twin.forward(weights, features, k * scale, 0) for k in (1, 2))
    np.testing.assert_array_equal(2 * once, twice)


def test_output_is_limited_to_what_a_half_holds() -> None:
    weights = WeightSet.untrained(seed=3)
    result = twin.forward(weights, np.random.default_rng(1).normal(size=(50, 32)), 1e9, 0)
    assert result.max() == schema.HALF_MAX and result.min() == 0


def test_features_are_rounded_as_the_gbuffer_stores_them() -> None:
    weights = WeightSet.untrained(seed=3)
    features = np.random.default_rng(1).normal(size=(50, 32))
    features[0, 3], features[1, 4] = 1e9, np.nan
    stored = schema.unpack(schema.pack(features))
    assert not np.array_equal(stored, features)
    np.testing.assert_array_equal(twin.forward(weights, features, 1.0, 0), twin.forward(weights, stored, 1.0, 0))


def test_what_a_pixel_costs() -> None:
    """A multiplication and an addition a weight, and as many for each weight of the light."""
    assert flops((32, 15)) == 2 * 32 * 15 + 2 * 15
    assert flops((32, 8, 6, 15)) == 2 * (32 * 8 + 8 * 6 + 6 * 15) + 2 * 15


@pytest.mark.parametrize(
    ("layers", "fault"),
    [
        ((32, 0, 15), "has hidden widths [0], but 1 to 64 are possible"),
        ((32, 64, 65, 15), "has hidden widths [64, 65], but 1 to 64 are possible"),
        ((32, 15, 14), "leads from 32 to 14 channels, but must lead from 32 to 15"),
        ((31, 15), "leads from 31 to 15 channels, but must lead from 32 to 15"),
        ((32,), "has 0 layers, but 1 to 5 are possible"),
        ((32, 1, 1, 1, 1, 1, 15), "has 6 layers, but 1 to 5 are possible"),
        ((32, 1, 64, 1, 64, 15), ""),
        ((32, 15), ""),
    ],
)
def test_widths_that_are_possible(layers: tuple[int, ...], fault: str) -> None:
    assert check_layers(layers, 64) == fault


def test_draw_leaves_pixels_without_face_alone() -> None:
    weights = WeightSet.untrained(slots=3)
    depth = np.full((9, 21), np.inf, np.float32)
    depth[2:5, 10:18] = 0.5
    channels = np.random.default_rng(0).random((9, 21, 32))
    features = schema.feature_buffer(schema.pack(channels))
    image = twin.draw(weights, features, schema.surface_buffer(depth, np.ones((9, 21))), 21, 9)
    np.testing.assert_array_equal(image[..., 3], np.isfinite(depth))
    assert not image[~np.isfinite(depth)].any()


@pytest.mark.parametrize("layers", [(32, 15), (32, 32, 32, 15), (32, 17, 6, 15), (32, 64, 64, 64, 64, 15)])
def test_shader_parameters_are_a_padded_transpose(layers: tuple[int, ...]) -> None:
    weights = WeightSet.untrained(layers, slots=2)
    assert weights.slots.shape == (2, parameter_count(layers))
    vectors = weights.gpu_parameters().reshape(2, -1, 4)
    assert vectors.shape[1] == parameters.parameter_vectors(layers)
    for slot in range(2):
        for layer, (weight, bias) in zip(parameters.plan(layers), weights.matrices(slot), strict=True):
            block = vectors[slot, layer.offset : layer.offset + layer.vectors].reshape(layer.inputs + 1, -1)
            np.testing.assert_array_equal(block[0, : layer.outputs], bias)
            np.testing.assert_array_equal(block[1:, : layer.outputs], weight.T)
            assert not block[:, layer.outputs :].any()


def test_weights_stay_within_32_kilobytes_on_chip() -> None:
    floats, halves = Variant(16), Variant(16, half=True)
    assert shader.shared_bytes((32, 32, 32, 15), floats) < 16 * 1024
    assert len(shader.groups((32, 32, 32, 15), floats)) == 1
    widest = (32, 64, 64, 64, 64, 15)
    for variant, groups in ((floats, [[0, 1], [2], [3, 4]]), (halves, [[0, 1, 2, 3, 4]])):
        assert shader.shared_bytes(widest, variant) <= 32 * 1024
        assert [[layer.index for layer in group] for group in shader.groups(widest, variant)] == groups


@pytest.mark.parametrize(("block", "barriers"), [(4, 7 + 8 + 4 + 1), (12, 2 + 3 + 2 + 1), (16, 5), (32, 3)])
@pytest.mark.parametrize("half", [False, True])
def test_generated_code_is_straight(block: int, barriers: int, half: bool) -> None:
    text = shader.generate((32, 32, 32, 15), Variant(block, half))
    body = text[text.index("void run_network") :]
    assert "for" not in body and "if" not in body
    assert body.count("BLOCK_BARRIER();") == barriers
    # One multiplication a weight, four at a time.
    assert body.count("+=") == 32 * 8 + 32 * 8 + 32 * 4 + 4


@pytest.mark.parametrize("pixels", [1, 2])
def test_weights_by_address_are_named_once_a_pixel(pixels: int) -> None:
    variant = Variant(direct=pixels)
    text = shader.generate((32, 32, 32, 15), variant)
    assert "shared" not in text and shader.shared_bytes((32, 32, 32, 15), variant) == 0
    body = text[text.index("void run_network") :]
    assert "for" not in body and "if" not in body
    assert body.count("+=") == pixels * (32 * 8 + 32 * 8 + 32 * 4 + 4)
    # Every vector of the network, for each pixel: a compiler reads it once.
    vectors = parameters.parameter_vectors((32, 32, 32, 15))
    assert all(body.count(f".weights[{i}]") == pixels for i in range(vectors))
