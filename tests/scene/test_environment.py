"""Environment maps: directions, irradiance, prefiltering, files."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from app.errors import InputError
from app.scene.environment import Environment, directions_of, texel_directions
from app.scene.prefilter import prefilter_ggx, row_solid_angles, shrink


def random_map(height: int = 32, seed: int = 1) -> Any:
    return np.random.default_rng(seed).exponential(1.0, (height, 2 * height, 3)).astype(np.float32)


def write_exr(path: Path, pixels: Any, names: str = "RGB") -> Path:
    channels = {name: np.ascontiguousarray(pixels[..., i]) for i, name in enumerate(names)}
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, channels) as file:
        file.write(str(path))
    return path


@pytest.mark.parametrize(
    ("direction", "u", "v"),
    [((0, 0, -1), 0.5, 0.5), ((1, 0, 0), 0.75, 0.5), ((-1, 0, 0), 0.25, 0.5), ((0.001, 1, 0), 0.75, 0.0)],
)
def test_directions_find_their_texels(direction: Any, u: float, v: float) -> None:
    pixels = np.zeros((64, 128, 3), np.float32)
    row, column = min(int(v * 64), 63), int(u * 128) % 128
    pixels[max(row - 1, 0) : row + 1, column - 1 : column + 1] = 5  # the four texels around (u, v)
    assert Environment(pixels).radiance(np.array(direction, float))[0] == 5
    assert Environment(pixels).radiance(-np.array(direction, float))[0] == 0


def test_texel_directions_are_the_inverse() -> None:
    environment = Environment(random_map())
    np.testing.assert_array_equal(environment.radiance(texel_directions(32, 64)), environment.pixels)


def test_uvs_and_directions_are_inverse_between_the_centres_too() -> None:
    rows, columns = np.arange(33)[:, None] - 0.5, np.arange(64) + 0.25
    u, v = Environment(random_map()).uvs(3.0 * directions_of(rows, columns, 32, 64))
    assert np.allclose(v * 32 - 0.5, rows, atol=1e-6)
    assert np.allclose((u * 64 - 0.5)[1:-1], columns)  # the poles have all columns


def test_rotation_turns_the_surroundings_counter_clockwise_seen_from_above() -> None:
    pixels = np.zeros((64, 128, 3), np.float32)
    pixels[30:34, 94:98] = 1  # along +x
    environment = Environment(pixels, rotation=math.pi / 2, intensity=3.0)
    assert environment.radiance(np.array([0.0, 0, -1]))[0] == 3  # +x turned about +y by 90 degrees is -z
    assert environment.radiance(np.array([1.0, 0, 0]))[0] == 0


def test_solid_angles_cover_the_sphere() -> None:
    assert row_solid_angles(31, 62).sum() * 62 == pytest.approx(4 * math.pi)


def test_the_mean_is_that_of_all_directions() -> None:
    """The two rows at the poles of a map have half of its texels and 29% of all directions."""
    pixels = np.ones((4, 8, 3), np.float32)
    pixels[[0, 3]] = (3.0, 1.0, 0.0)
    share = 1.0 - math.cos(math.pi / 4)
    np.testing.assert_allclose(Environment(pixels).mean_radiance, (1.0 + 2.0 * share, 1.0, 1.0 - share))


def test_irradiance_of_a_constant_map_is_pi() -> None:
    normals = np.random.default_rng(0).normal(size=(20, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    irradiance = Environment.constant((1.0, 2.0, 0.5), height=128).irradiance(normals)
    np.testing.assert_allclose(irradiance, np.tile(np.pi * np.array([1.0, 2.0, 0.5]), (20, 1)), rtol=2e-3)


def test_irradiance_of_a_sky_matches_the_integral() -> None:
    d = texel_directions(128, 256)
    pixels = np.repeat((1.0 + 0.8 * d[..., 0:1]), 3, axis=2).astype(np.float32)  # brighter along +x
    environment = Environment(pixels, rotation=math.pi / 2)
    solid = row_solid_angles(128, 256)[:, None]
    for n in np.array([[1.0, 0, 0], [0, 0, -1], [0.6, 0.8, 0], [0, 0, 1]]):
        light = environment.radiance(d)[..., 0]
        exact = (light * np.maximum(d @ n, 0) * solid).sum()
        assert environment.irradiance(n)[0] == pytest.approx(exact, rel=5e-3)
    assert environment.irradiance(np.array([0.0, 0, -1]))[0] > environment.irradiance(np.array([1.0, 0, 0]))[0]


@pytest.mark.parametrize("height", [16, 33, 100, 256])
def test_prefiltering_keeps_a_constant_map(height: int) -> None:
    levels = Environment.constant((1.0, 2.0, 30000.0), height).prefiltered(6)
    assert len(levels) == 6
    for level in levels:
        assert level.dtype == np.float32 and level.shape[1] == 2 * level.shape[0]
        assert np.abs(level / np.array([1, 2, 30000]) - 1).max() < 1e-5


def test_prefiltering_keeps_the_total_light() -> None:
    pixels = random_map(128)
    pixels[30, 77] = 30_000
    exact = (pixels.astype(float) * row_solid_angles(128, 256)[:, None, None]).sum(axis=(0, 1))
    for level in Environment(pixels).prefiltered(6):
        h = level.shape[0]
        total = (level.astype(float) * row_solid_angles(h, 2 * h)[:, None, None]).sum(axis=(0, 1))
        np.testing.assert_allclose(total, exact, rtol=5e-3)


@pytest.mark.parametrize("roughness", [0.2, 0.6, 1.0])
def test_prefiltering_is_the_weighted_sum(roughness: float) -> None:
    """Against the definition, one output at a time."""
    pixels = random_map(64)
    out = prefilter_ggx(pixels, roughness)
    h = out.shape[0]
    source, d, solid = shrink(pixels, h), texel_directions(h, 2 * h), row_solid_angles(h, 2 * h)[:, None]
    for row, column in [(0, 3), (h // 3, 5), (h - 1, 2 * h - 1), (h // 2, h)]:
        n_dot_l = d @ d[row, column]
        n_dot_h = np.sqrt((1 + n_dot_l) / 2)
        weight = np.maximum(n_dot_l, 0) / (n_dot_h**2 * (roughness**4 - 1) + 1) ** 2 * solid
        expected = (weight[..., None] * source).sum(axis=(0, 1)) / weight.sum()
        np.testing.assert_allclose(out[row, column], expected, rtol=1e-5)


def test_rougher_is_smoother_and_level_0_is_the_map() -> None:
    environment = Environment(random_map(128))
    levels = environment.prefiltered(4)
    assert levels[0] is environment.pixels
    spread = [float(level.std()) for level in levels]
    assert spread == sorted(spread, reverse=True)
    with pytest.raises(InputError, match="at least 2 levels"):
        environment.prefiltered(1)


def test_exr_round_trip(tmp_path: Path) -> None:
    pixels = random_map(8)
    loaded = Environment.load(write_exr(tmp_path / "a.exr", pixels), rotation=0.5, intensity=2.0)
    np.testing.assert_array_equal(loaded.pixels, pixels)
    assert (loaded.rotation, loaded.intensity) == (0.5, 2.0)
    half = Environment.load(write_exr(tmp_path / "h.exr", pixels.astype(np.float16)))
    np.testing.assert_array_equal(half.pixels, pixels.astype(np.float16).astype(np.float32))


def hdr_bytes(height: int, rows: bytes) -> bytes:
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (height, 2 * height) + rows


def test_hdr_flat_and_run_length_encoded(tmp_path: Path) -> None:
    path = tmp_path / "a.hdr"
    path.write_bytes(hdr_bytes(2, bytes([128, 64, 0, 129]) * 8))
    np.testing.assert_allclose(Environment.load(path).pixels[1, 3], np.array([128.5, 64.5, 0.5]) / 128)
    line = b"\x02\x02\x00\x08" + b"\x88\x80" + b"\x08" + bytes(range(8)) + b"\x84\x01\x84\x02" + b"\x88\x88"
    path.write_bytes(hdr_bytes(4, line * 4))
    pixels = Environment.load(path).pixels
    assert pixels.shape == (4, 8, 3)
    np.testing.assert_allclose(pixels[2, :, 0], 128.5)
    np.testing.assert_allclose(pixels[2, :, 1], np.arange(8) + 0.5)
    np.testing.assert_allclose(pixels[2, :, 2], np.repeat([1.5, 2.5], 4))
    path.write_bytes(hdr_bytes(2, bytes([128, 64, 0, 0]) * 8))  # exponent 0 is black
    assert Environment.load(path).pixels.max() == 0
    path.write_bytes(hdr_bytes(2, bytes([2, 2, 0, 136]) * 8))  # a colour, as lines so short are never encoded
    np.testing.assert_array_equal(Environment.load(path).pixels[1, 3], (2.5, 2.5, 0.5))


def test_what_filters_leave_below_zero_is_read_as_zero(tmp_path: Path) -> None:
    pixels = random_map(16)
    pixels[3, 5, 1] = -1e-4
    with pytest.warns(UserWarning, match=r"ringing\.exr: negative values are read as 0 \(1 of them\)\."):
        found = Environment.load(write_exr(tmp_path / "ringing.exr", pixels)).pixels
    np.testing.assert_array_equal(found, np.maximum(pixels, 0.0))


@pytest.mark.parametrize("name", ["sky.EXR", "sky.HDR"])
def test_names_may_be_in_capitals(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("EXR"):
        write_exr(tmp_path / "sky.exr", random_map(2)).rename(path)
    else:
        path.write_bytes(hdr_bytes(2, bytes([128, 64, 0, 129]) * 8))
    assert Environment.load(path).pixels.shape == (2, 4, 3)


def test_the_picture_itself_is_read_where_there_are_layers_beside_it(tmp_path: Path) -> None:
    pixels = random_map(8)
    channels = {name: pixels[..., i] for i, name in enumerate("RGB")}
    path = write_channels(tmp_path / "both.exr", channels | {f"blurred.{name}": pixels[..., 0] for name in "RGB"})
    np.testing.assert_array_equal(Environment.load(path).pixels, pixels)


def test_the_only_layer_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    pixels = random_map(8)
    path = tmp_path / "layer.exr"
    channels = {f"env.{name}": np.ascontiguousarray(pixels[..., i]) for i, name in enumerate("RGB")}
    channels["FAR"] = channels["env.R"]  # which is no red
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, channels) as file:
        file.write(str(path))
    np.testing.assert_array_equal(Environment.load(path).pixels, pixels)


def write_channels(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    arrays = {name: np.ascontiguousarray(channel) for name, channel in channels.items()}
    with OpenEXR.File({"type": OpenEXR.scanlineimage} | header, arrays) as file:
        file.write(str(path))
    return path


@pytest.mark.parametrize("beside", ["", "A", "AZ"])
def test_a_map_without_colours_is_grey(tmp_path: Path, beside: str) -> None:
    plane = random_map(8)[..., 0]
    path = write_channels(tmp_path / "grey.exr", dict.fromkeys("Y" + beside, plane))
    np.testing.assert_array_equal(Environment.load(path).pixels, np.repeat(plane[..., None], 3, axis=2))


@pytest.mark.parametrize("names", [("X", "Y", "Z"), ("BY", "RY", "Y")])
def test_colours_other_than_red_green_blue_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = write_channels(tmp_path / "other.exr", dict.fromkeys(names, random_map(8)[..., 0]))
    with pytest.raises(InputError, match=rf"has no R, G, B channels, only {', '.join(names)}\."):
        Environment.load(path)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ((4, 2, 11, 5), (0, 0, 15, 7)),  # a part of the panorama, the rest of which is black
        ((-2, -1, 17, 8), (0, 0, 15, 7)),  # more than it
        ((12, 22, 19, 25), (10, 20, 25, 27)),
        ((6, -1, 21, 3), (0, 0, 15, 7)),
        ((20, 0, 27, 3), (0, 0, 15, 7)),  # all of it outside
    ],
)
def test_what_an_exr_stores_lies_in_what_it_shows(tmp_path: Path, data: Any, shown: Any) -> None:
    def corners(box: Any) -> Any:
        return np.array(box[:2], np.int32), np.array(box[2:], np.int32)

    left, top, right, bottom = data
    pixels = 1.0 + np.arange((right - left + 1) * (bottom - top + 1), dtype=np.float32).reshape(-1, right - left + 1)
    path = write_channels(
        tmp_path / "window.exr",
        dict.fromkeys("RGB", pixels),
        dataWindow=corners(data),
        displayWindow=corners(shown),
    )
    expected = np.zeros((8, 16))
    for y in range(8):
        for x in range(16):
            row, column = y + shown[1] - top, x + shown[0] - left
            if 0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]:
                expected[y, x] = pixels[row, column]
    np.testing.assert_array_equal(Environment.load(path).pixels[..., 1], expected)


def test_absurd_windows_are_refused(tmp_path: Path) -> None:
    far = (np.array([0, 0], np.int32), np.array([131071, 65535], np.int32))
    path = write_channels(tmp_path / "far.exr", dict.fromkeys("RGB", random_map(4)[..., 0]), displayWindow=far)
    with pytest.raises(InputError, match="has an impossible size of 131072 x 65536"):
        Environment.load(path)


def bad(value: float) -> Any:
    pixels = random_map(4)
    pixels[1, 2, 0] = value
    return pixels


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (bad(math.nan), "contains pixels that are infinite or not a number"),
        (bad(math.inf), "contains pixels that are infinite or not a number"),
        (bad(-0.1), "contains negative pixels"),
        (bad(1e12), r"its brightest pixel must be <= 1e\+11, but is 1e\+12 in all"),
        (np.ones((4, 4, 3), np.float32), "must be twice as wide as high, not 4 x 4"),
    ],
)
def test_bad_pixels_are_refused(tmp_path: Path, pixels: Any, message: str) -> None:
    path = write_exr(tmp_path / "bad.exr", pixels)
    with pytest.raises(InputError, match=message) as error:
        Environment.load(path)
    assert str(path) in error.value.message


def test_how_bright_a_map_may_be_depends_on_its_intensity() -> None:
    pixels = random_map(4)
    pixels[1, 2, 0] = 1e12
    assert Environment(pixels, intensity=0.01).intensity == 0.01
    with pytest.raises(InputError, match=r"its brightest pixel must be <= 1e\+11, but is 1e\+12 in all"):
        Environment(1e-6 * pixels, intensity=1e6)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.exr", b"", "is damaged or not an OpenEXR file"),
        ("a.exr", b"hello", "is damaged or not an OpenEXR file"),
        ("a.hdr", b"hello", "is not a Radiance HDR file"),
        ("a.hdr", hdr_bytes(4, b"\x02\x02\x00\x08\x88"), "is truncated or damaged"),
        ("a.hdr", hdr_bytes(4, b"abcd"), "is truncated or damaged"),
        ("a.hdr", b"#?RADIANCE\n\n+X 8 -Y 4\n", "unsupported size line"),
        ("a.hdr", hdr_bytes(4, bytes(128)).replace(b"rgbe", b"xyze"), "stores XYZ colours; only RGB is supported"),
        ("a.hdr", b"#?RADIANCE\n\n-Y 99999999 +X 99999999\n", "impossible size"),
        ("a.png", b"", "must be an .exr or .hdr file"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        Environment.load(path)
    assert str(path) in error.value.message and "\n" not in error.value.message


def test_files_are_read_where_nobody_hears_errors(tmp_path: Path) -> None:
    """With stderr closed, as a service may have it."""
    path = write_exr(tmp_path / "a.exr", random_map(4))
    read = f"from app.scene.environment import Environment; print(Environment.load({str(path)!r}).pixels.shape)"
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, read]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "(4, 8, 3)\n")


def test_missing_folder_truncated_and_colourless_files_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"gone\.exr: no such environment map"):
        Environment.load(tmp_path / "gone.exr")
    (tmp_path / "folder.exr").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        Environment.load(tmp_path / "folder.exr")
    (tmp_path / "locked.hdr").symlink_to("/proc/self/mem")  # a file that not even root may read from its beginning
    with pytest.raises(InputError, match=r"locked\.hdr: cannot be read \(.+\)\."):
        Environment.load(tmp_path / "locked.hdr")
    path = write_exr(tmp_path / "cut.exr", random_map(64))
    path.write_bytes(path.read_bytes()[:-3000])
    # The library's own prints stay out of sight: the sentence is all.
    with pytest.raises(InputError, match=r"cut\.exr: is damaged or not an OpenEXR file"):
        Environment.load(path)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="has no R, G, B channels, only G, Z"):
        Environment.load(write_exr(tmp_path / "gz.exr", random_map(4), "GZ"))


def test_an_exr_whose_name_the_library_cannot_take_is_told_so(tmp_path: Path) -> None:
    path = write_exr(tmp_path / "a.exr", random_map(8)).rename(tmp_path / os.fsdecode(b"caf\xe9.exr"))
    with pytest.raises(InputError, match=r"\.exr: an \.exr's name must be UTF-8"):
        Environment.load(path)
