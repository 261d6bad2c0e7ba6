"""Materials of the archived kind: what they reflect, they reflect as metallic ones."""

import numpy as np
import pytest

from app.scene.checks import Vec3
from app.scene.gltf_specular import without_specular
from app.scene.model import Texture
from app.scene.tonemap import srgb_encode

GOLD: Vec3 = (1.0, 0.77, 0.34)
BLACK: Vec3 = (0.0, 0.0, 0.0)
GREY: Vec3 = (0.04, 0.04, 0.04)
WHITE: Vec3 = (1.0, 1.0, 1.0)


def test_metals_are_metals_and_plastics_plastics() -> None:
    albedo, _, metallic = without_specular(BLACK, None, GOLD, None)
    assert metallic == pytest.approx(1.0) and albedo == pytest.approx(GOLD)
    albedo, _, metallic = without_specular((0.5, 0.3, 0.1), None, GREY, None)
    assert metallic == pytest.approx(0.0, abs=1e-6) and albedo == pytest.approx((0.5, 0.3, 0.1))
    albedo, _, metallic = without_specular((0.6, 0.3, 0.1), None, BLACK, None)
    assert metallic == 0.0 and albedo == pytest.approx((0.625, 0.3125, 0.1042), abs=1e-4)


@pytest.mark.parametrize(("diffuse", "specular"), [(0.5, 0.2), (0.3, 0.1), (0.2, 0.6), (0.8, 0.05)])
def test_as_much_light_goes_back(diffuse: float, specular: float) -> None:
    (albedo, *_), _, metallic = without_specular((diffuse,) * 3, None, (specular,) * 3, None)
    base = albedo * (1.0 - metallic) * 0.96
    mirrored = albedo * metallic + 0.04 * (1.0 - metallic)
    assert base == pytest.approx(diffuse * (1.0 - specular), abs=0.02)
    assert mirrored == pytest.approx(specular, abs=0.02)


def test_texels_are_converted_one_by_one() -> None:
    """The map of colours keeps its opacity and its size; that of what is reflected is stretched to it."""
    diffuse = np.zeros((100, 4, 4), np.uint8)
    diffuse[:, :2] = 188, 148, 96, 255
    specular = np.zeros((50, 2, 4), np.uint8)
    specular[:, 0, :3], specular[:, 1, :3] = 56, (255, 226, 158)
    factor, albedo, metallic = without_specular(WHITE, Texture(diffuse, True), WHITE, Texture(specular, True))
    assert albedo is not None and albedo.srgb and factor == WHITE
    assert albedo.pixels.shape == (100, 4, 4)
    np.testing.assert_array_equal(albedo.pixels[..., 3], diffuse[..., 3])
    np.testing.assert_allclose(albedo.pixels[:, 0, :3].astype(int), [[188, 148, 96]] * 100, atol=3)
    np.testing.assert_allclose(albedo.pixels[:, 3, :3].astype(int), [[255, 226, 158]] * 100, atol=1)
    assert 0.3 < metallic < 0.7
    plain = Texture(diffuse, True)
    assert without_specular(WHITE, plain, GREY, None)[1] is plain


def test_a_factor_of_what_is_reflected_counts_in_every_texel() -> None:
    """Black ones become metal, bright ones hardly."""
    diffuse = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    factor, albedo, metallic = without_specular(WHITE, Texture(diffuse, True), (0.25, 0.25, 0.25), None)
    assert albedo is not None and factor == WHITE
    shares = [without_specular((c, c, c), None, (0.25, 0.25, 0.25), None) for c in (0.0, 1.0)]
    assert metallic == pytest.approx((shares[0][2] + shares[1][2]) / 2) and shares[0][2] > shares[1][2] + 0.1
    expected = [srgb_encode(np.array(share[0])) * 255.0 for share in shares]
    np.testing.assert_allclose(albedo.pixels[0].astype(float), expected, atol=1.0)
