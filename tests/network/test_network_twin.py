"""The numpy twin of the tile network, and the order of parameters for the shader."""

import numpy as np
import pytest

from app.network import schema, shader, twin
from app.network.layers import parameter_count
from app.network.weights import WeightSet


def test_forward_is_a_plain_network() -> None:
    weights = WeightSet.untrained((32, 24, 20, 3), seed=1, slots=4)
    features = schema.to_half(np.random.default_rng(0).normal(size=(6, 5, 32)))
    hashes = np.arange(30).reshape(6, 5)
    result = twin.forward(weights, features, 2.0, hashes)
    for y, x in np.ndindex(6, 5):
        values = features[y, x].astype(np.float64)
        matrices = weights.matrices(int(hashes[y, x]) % 4)
        for layer, (weight, bias) in enumerate(matrices):
            if layer == len(matrices) - 1:  # the last one sees the features, too
                values = np.concatenate([features[y, x].astype(np.float64), values])
            values = np.maximum(weight.astype(np.float64) @ values + bias, 0)
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
    result = twin.forward(weights, np.ones((1, 32)), 1e9, 0)
    assert result.max() <= schema.HALF_MAX and result.min() >= 0


def test_draw_leaves_pixels_without_face_alone() -> None:
    weights = WeightSet.untrained(slots=3)
    depth = np.full((9, 21), np.inf, np.float32)
    depth[2:5, 10:18] = 0.5
    channels = np.random.default_rng(0).random((9, 21, 32))
    features = schema.feature_buffer(schema.pack(channels))
    image = twin.draw(weights, features, schema.surface_buffer(depth, np.ones((9, 21))), 21, 9)
    np.testing.assert_array_equal(image[..., 3], np.isfinite(depth))
    assert not image[~np.isfinite(depth)].any()


@pytest.mark.parametrize("layers", [(32, 3), (32, 32, 32, 3), (32, 17, 6, 3), (32, 64, 64, 64, 64, 3)])
def test_shader_parameters_are_a_padded_transpose(layers: tuple[int, ...]) -> None:
    weights = WeightSet.untrained(layers, slots=2)
    assert weights.slots.shape == (2, parameter_count(layers))
    vectors = weights.gpu_parameters().reshape(2, -1, 4)
    assert vectors.shape[1] == shader.parameter_vectors(layers)
    for slot in range(2):
        seen = [np.zeros(weight.shape[1], int) for weight, _ in weights.matrices(slot)]
        for block in shader.plan(layers):
            weight, bias = weights.matrices(slot)[block.layer]
            rows = vectors[slot, block.offset : block.offset + block.vectors].reshape(block.inputs + block.bias, -1)
            if block.bias:
                np.testing.assert_array_equal(rows[0, : block.outputs], bias)
            inputs = slice(block.column, block.column + block.inputs)
            np.testing.assert_array_equal(rows[int(block.bias) :, : block.outputs], weight[:, inputs].T)
            assert not rows[:, block.outputs :].any()
            seen[block.layer][inputs] += 1
        assert all((times == 1).all() for times in seen)


def test_weights_stay_within_32_kilobytes_on_chip() -> None:
    assert shader.shared_bytes((32, 32, 32, 3)) < 16 * 1024
    assert len(shader.groups((32, 32, 32, 3))) == 1
    widest = (32, 64, 64, 64, 64, 3)
    assert shader.shared_bytes(widest) <= 32 * 1024
    assert [[block.layer for block in group] for group in shader.groups(widest)] == [[4, 0, 1], [2], [3, 4]]


def test_generated_code_is_straight() -> None:
    text = shader.generate((32, 32, 32, 3))
    body = text[text.index("vec3 run_network") :]
    assert "for" not in body and "if" not in body
    assert body.count("BLOCK_BARRIER();") == 4
    # One multiplication a weight, four at a time.
    assert body.count("+=") == 32 * 8 + 32 * 8 + 64
