"""Images of any kind become textures of bytes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import InputError
from app.scene.model import Texture
from app.scene.texture_files import linear_mean, open_texture


@pytest.mark.parametrize(("name", "kind"), [("grey.png", np.uint16), ("grey.tif", np.int32)])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, name: str, kind: type) -> None:
    """Maps of roughness often have so many; Pillow by itself would cut them off at 255."""
    file = tmp_path / name
    Image.fromarray(np.array([[0, 257, 128 * 257, 65535]], kind)).save(file)
    texture = open_texture(file, tmp_path / "head.obj", srgb=False)
    assert texture.pixels.tolist() == [[[value] * 3 for value in (0, 1, 128, 255)]]


def test_floats_are_white_at_one(tmp_path: Path) -> None:
    file = tmp_path / "grey.tif"
    Image.fromarray(np.array([[-1.0, 0.0, 0.5, 1.0, 7.0]], np.float32)).save(file)
    texture = open_texture(file, tmp_path / "head.obj", srgb=False)
    assert texture.pixels[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    Image.fromarray(np.array([[0.0, np.nan]], np.float32)).save(file)
    with pytest.raises(InputError, match=r"its texture 'grey.tif' is damaged \(it has values that are not finite"):
        open_texture(file, tmp_path / "head.obj", srgb=False)


def test_a_transparent_colour_of_a_palette_is_opacity(tmp_path: Path) -> None:
    file = tmp_path / "palette.png"
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([200, 100, 50, 10, 20, 30])
    image.save(file, transparency=1)
    texture = open_texture(file, tmp_path / "head.obj", srgb=True)
    assert texture.srgb and texture.pixels.tolist() == [[[200, 100, 50, 255], [10, 20, 30, 0]]]
    image.save(file)
    assert open_texture(file, tmp_path / "head.obj", srgb=True).pixels.shape == (1, 2, 3)


@pytest.mark.parametrize(("srgb", "color"), [(True, 0.2159), (False, 128 / 255)])
def test_the_mean_of_a_texture_is_that_of_its_light(srgb: bool, color: float) -> None:
    """Opacity is no light."""
    pixels = np.full((2, 3, 4), 128, np.uint8)
    np.testing.assert_allclose(linear_mean(Texture(pixels, srgb)), (color, color, color, 128 / 255), atol=1e-4)
    white_and_black = np.array([[[255] * 4, [0] * 4]], np.uint8)
    np.testing.assert_allclose(linear_mean(Texture(white_and_black, srgb)), 0.5)
