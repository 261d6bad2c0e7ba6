"""Colours of hair: as white as greying says, red where it is, darker at the roots."""

import numpy as np
import pytest

from app.scene.avatar import hair_color
from app.scene.texture_files import srgb_to_linear


@pytest.mark.parametrize("grey", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_as_many_hairs_are_white_as_greying_says(grey: float) -> None:
    rng = np.random.default_rng(1)
    white = hair_color.WHITE_FIBRES[hair_color.bands(20_000, grey, rng)] / hair_color.FIBRES
    assert white.mean() == pytest.approx(grey, abs=0.005)
    mixed = np.mean((white > 0.0) & (white < 1.0))
    assert mixed == 0.0 if grey in (0.0, 1.0) else mixed > 0.3  # hair turns white one by one
    single = hair_color.WHITE_FIBRES[hair_color.bands(20_000, grey, rng, single=True)] / hair_color.FIBRES
    assert single.mean() == pytest.approx(grey, abs=0.015)
    assert set(single) <= {0.0, 1.0}


def test_bands_of_the_atlas_are_as_white_as_they_say() -> None:
    atlas = hair_color.material("hair", 1.0, 0.0, np.random.default_rng(1), roughness=0.4, length=0.1).albedo_map
    assert atlas is not None
    texels = srgb_to_linear(np.asarray(atlas.pixels[..., 1] / 255.0, np.float64))
    bands = texels.reshape(len(texels), hair_color.BANDS, -1).mean(axis=(0, 2))  # as filters see them far away
    dark, white = (bands[share == hair_color.WHITE_FIBRES].mean() for share in (0, hair_color.FIBRES))
    shares = (bands - dark) / (white - dark)
    assert np.abs(shares - hair_color.WHITE_FIBRES / hair_color.FIBRES).max() < 0.06
    around = np.append(hair_color.WHITE_FIBRES, hair_color.WHITE_FIBRES[0])
    assert np.abs(np.diff(around)).max() == 1  # what lies beside a band hardly changes its grey


def test_hair_is_darker_at_its_roots() -> None:
    atlas = hair_color.material("hair", 0.6, 0.1, np.random.default_rng(1), roughness=0.4, length=0.1).albedo_map
    assert atlas is not None
    tips, roots = atlas.pixels[:16].mean(), atlas.pixels[-16:].mean()  # v = 0 is the root, and the last row
    assert tips > 1.1 * roots


def test_redness_reddens() -> None:
    brown, red = (hair_color.albedo(*hair_color.pigment(0.4, redness)) for redness in (0.0, 1.0))
    assert red[0] / red[1] > 1.3 * brown[0] / brown[1]
