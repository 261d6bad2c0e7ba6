"""Picture files hold what they should, and are never there half-written."""

import os
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from app.errors import BungyoError, InputError
from app.pictures import check_output, first_free, numbered, write_exr, write_png


def test_png_round_trip(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 4), np.uint8)
    write_png(tmp_path / "a.png", pixels)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels[..., :3])
    write_png(tmp_path / "grey.png", pixels[..., 0])
    with Image.open(tmp_path / "grey.png") as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), pixels[..., 0])


def test_exr_round_trip_with_layers(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    layers = {
        "": random.normal(size=(4, 6, 3)).astype(np.float32),
        "uv": random.random((4, 6, 2), np.float32),
        "depth": np.full((4, 6), np.inf, np.float32),
        "diffuse": random.random((4, 6, 3), np.float32),
        "cut": random.random((4, 6, 4), np.float32),
    }
    write_exr(tmp_path / "a.exr", layers)
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        read = {name: channel.pixels for name, channel in file.channels().items()}
    of_colors = {f"{name}.{letter}" for name in ("diffuse", "cut") for letter in "RGB"}
    assert set(read) == {*"RGB", "uv.U", "uv.V", "depth.Y", *of_colors, "cut.A"}
    np.testing.assert_array_equal(read["cut.A"], layers["cut"][..., 3])
    np.testing.assert_array_equal(read["G"], layers[""][..., 1])
    np.testing.assert_array_equal(read["uv.V"], layers["uv"][..., 1])
    np.testing.assert_array_equal(read["depth.Y"], layers["depth"])


def test_unwritable_places() -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(BungyoError, match=r"Cannot write /proc/a\.png: .+\.$"):
        write_png(Path("/proc/a.png"), pixels)
    with pytest.raises(BungyoError, match=r"Cannot write /proc/a\.exr: .+\.$"):
        write_exr(Path("/proc/a.exr"), {"": pixels.astype(np.float32)})
    with pytest.raises(InputError, match="it is not a folder"):
        check_output(Path(__file__) / "a.png")
    with pytest.raises(InputError, match=r"Cannot write x+\.png: File name too long\.$"):
        check_output(Path(f"{'x' * 300}.png"))


def test_names_that_are_no_utf_8(tmp_path: Path) -> None:
    """OpenEXR takes none; what would fail in the end is refused at once."""
    strange = tmp_path / os.fsdecode(b"caf\xe9.png")
    check_output(strange)
    write_png(strange, np.zeros((2, 2, 3), np.uint8))
    assert strange.is_file()
    with pytest.raises(InputError, match=r"an \.exr's name must be UTF-8\.$"):
        check_output(strange.with_suffix(".exr"))


def test_names(tmp_path: Path) -> None:
    assert numbered(tmp_path / "face.png", 7) == tmp_path / "face_0007.png"
    assert first_free(tmp_path, "shot") == tmp_path / "shot_0001.png"
    (tmp_path / "shot_0001.png").touch()
    assert first_free(tmp_path, "shot") == tmp_path / "shot_0002.png"
