"""The feature schema: channel order, packing, the tile-major buffers, the texts derived from it."""

import numpy as np
import pytest

from app.network import schema


def test_channels_are_the_documented_ones() -> None:
    assert schema.CHANNELS == 32
    assert [f.name for f in schema.FEATURES][:3] == ["uv", "normal", "view"]
    assert schema.channels("uv") == slice(0, 2)
    assert schema.channels("ambient_visibility") == slice(31, 32)
    starts = [schema.channels(f.name).start for f in schema.FEATURES]
    assert starts == np.cumsum([0] + [f.channels for f in schema.FEATURES[:-1]]).tolist()


def test_light_channels_are_those_that_scale_with_the_lights() -> None:
    names = {f.name for f in schema.FEATURES if f.light}
    assert names == {
        "diffuse", "diffuse_narrow", "diffuse_wide", "specular", "light_direction", "transmission",
    }  # fmt: skip
    assert schema.LIGHT_CHANNELS.sum() == 18
    assert schema.LIGHT_CHANNELS[schema.channels("specular")].all()
    assert not schema.LIGHT_CHANNELS[schema.channels("thickness")].any()


def test_records_mappings_and_channels_mean_the_same() -> None:
    values = np.random.default_rng(0).normal(size=(5, 7, 32)).astype(np.float32)
    named = schema.split(values)
    records = np.zeros((5, 7), schema.DTYPE)
    for name, column in named.items():
        records[name] = column
    np.testing.assert_array_equal(schema.join(named), values)
    np.testing.assert_array_equal(schema.join(records), values)
    np.testing.assert_array_equal(records.view(np.float32).reshape(5, 7, 32), values)
    np.testing.assert_array_equal(schema.pack(records), schema.pack(values))


@pytest.mark.parametrize("fault", ["missing", "unknown", "narrow", "channels"])
def test_wrong_features_are_refused(fault: str) -> None:
    features = dict(schema.split(np.zeros((4, 32), np.float32)))
    if fault == "missing":
        del features["uv"]
    elif fault == "unknown":
        features["colour"] = np.zeros((4, 3), np.float32)
    elif fault == "narrow":
        features["normal"] = np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match=r"colour|uv|normal|32 channels"):
        schema.pack(np.zeros((4, 31), np.float32) if fault == "channels" else features)


def test_packing_puts_the_lower_channel_into_the_low_half() -> None:
    values = np.zeros(32, np.float32)
    values[2], values[3] = 1.0, -2.0
    words = schema.pack(values)
    assert words.shape == (16,) and words.dtype == np.uint32
    assert words[1] == 0x3C00 | 0xC000 << 16
    np.testing.assert_array_equal(schema.unpack(words), values)


def test_halves_are_rounded_to_even_clamped_and_never_nan() -> None:
    values = [2049.0, 2051.0, 65519.0, 65520.0, 1e30, np.inf, -np.inf, np.nan, 2.0**-25, 2.0**-24]
    expected = [2048.0, 2052.0, 65504.0, 65504.0, 65504.0, 65504.0, -65504.0, 0.0, 0.0, 2.0**-24]
    np.testing.assert_array_equal(schema.to_half(values).astype(np.float64), expected)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 33), (40, 15)])
def test_buffers_are_tile_major(width: int, height: int) -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 2**32, (height, width, 16), dtype=np.uint32)
    buffer = schema.feature_buffer(words)
    tiles_x, tiles_y = schema.tile_grid(width, height)
    assert buffer.shape == (tiles_x * tiles_y * 4 * 256, 4)
    np.testing.assert_array_equal(schema.feature_image(buffer, width, height), words)
    x, y = width - 1, height - 1
    tile, pixel = (y // 16) * tiles_x + x // 16, (y % 16) * 16 + x % 16
    np.testing.assert_array_equal(buffer[(tile * 4 + 3) * 256 + pixel], words[y, x, 12:])


def test_pixels_beyond_the_image_are_not_face() -> None:
    surface = schema.surface_buffer(np.full((10, 20), 0.5), np.full((10, 20), 3.0)).reshape(2, 256, 2)
    assert np.isfinite(surface[..., 0]).sum() == 200
    depth = schema.from_tiles(surface, 20, 10)
    assert (depth == [0.5, 3.0]).all()


def test_documentation_names_every_channel() -> None:
    table = schema.schema_markdown()
    assert all(f"`{f.name}`" in table for f in schema.FEATURES)
    assert "| 24-26 | `light_direction` |" in table
