"""`bungyo render` writes what it was asked for, the same each time."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from app.arrays import U8
from app.commands.render import _as_bytes
from app.main import main
from app.passes import light_cache_layout, progressive_reference

pytestmark = pytest.mark.usefixtures("coarse_light")

QUICK = ("render", "--size", "48x40", "--light-samples", "2", "--spp", "2")
SMALL = (*QUICK, "--mode", "reference")


def png(path: Path) -> U8:
    """The pixels of a picture file."""
    with Image.open(path) as image:
        return np.asarray(image)


def test_png_is_deterministic_and_leaves_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        assert main([*SMALL, "--out", str(tmp_path / name)]) == 0
        assert f"wrote {tmp_path / name}" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    picture = png(tmp_path / "a.png")
    assert picture.shape == (40, 48, 3)
    assert picture.std() > 5.0
    np.testing.assert_array_equal(picture, png(tmp_path / "b.png"))


@pytest.mark.parametrize("mode", ["reference", "split"])
def test_in_parts_or_at_once_the_picture_is_the_same(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What drivers might stop if it were traced at once."""
    what = ["render", "--size", "32x28", "--light-samples", "1", "--mode", mode, "--spp", "2", "--out"]
    assert main([*what, str(tmp_path / "at once.png")]) == 0
    monkeypatch.setattr(progressive_reference, "must_interleave", lambda kind, *size: size == (32, 28))
    assert main([*what, str(tmp_path / "in parts.png")]) == 0
    pictures = [png(tmp_path / name) for name in ("at once.png", "in parts.png")]
    right = slice(None) if mode == "reference" else slice(18, None)  # the neural side has more samples by then
    np.testing.assert_array_equal(pictures[0][:, right], pictures[1][:, right])


def test_light_is_gathered_as_finely_as_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    light = []
    for name, texels in (("default", []), ("same", ["64"]), ("fine", ["256"])):  # the default is that of `coarse_light`
        options = [word for texel in texels for word in ("--light-texels", texel)]
        path = tmp_path / f"{name}.exr"
        assert main([*QUICK, "--lights", "rim", *options, "--aov", "diffuse_narrow", "--out", str(path)]) == 0
        with OpenEXR.File(str(path), separate_channels=True) as file:
            light.append(file.channels()["diffuse_narrow.R"].pixels)
    default, same, fine = light
    np.testing.assert_array_equal(default, same)
    difference = np.abs(fine - default).mean() / default.mean()
    assert 0.005 < difference < 0.3
    assert main([*QUICK, "--light-texels", "63", "--out", str(tmp_path / "a.png")]) == 2
    assert "63 is not in the range 64<=x<=1024" in capsys.readouterr().err
    assert main(["render", "--help"]) == 0
    assert f"[default: {light_cache_layout.DEFAULT_CACHE_SIZE}]" in capsys.readouterr().out.split("--light-texels")[1]


def test_series_swings_around_the_head(tmp_path: Path) -> None:
    """From the front to the right, back, and to the left."""
    assert main([*SMALL, "--frames", "4", "--out", str(tmp_path / "swing.png")]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["swing_0000.png", "swing_0001.png", "swing_0002.png", "swing_0003.png"]
    front, right, again, left = (png(tmp_path / name) for name in names)
    np.testing.assert_array_equal(front, again)
    assert (front != right).any() and (front != left).any() and (right != left).any()
    assert main([*SMALL, "--yaw", "40", "--out", str(tmp_path / "right.png")]) == 0
    assert np.abs(png(tmp_path / "right.png").astype(int) - right).mean() < 1.0


def test_exr_holds_radiance_and_layers(tmp_path: Path) -> None:
    aovs = ("face", "uv", "normal", "depth", "hash", "diffuse")
    options = [word for name in aovs for word in ("--aov", name)]
    path = tmp_path / "layers.exr"
    assert main([*QUICK, *options, "--out", str(path)]) == 0
    with OpenEXR.File(str(path), separate_channels=True) as file:
        read = {name: channel.pixels for name, channel in file.channels().items()}
    assert set("RGB") < set(read)
    assert all(pixels.shape == (40, 48) and np.isfinite(pixels).all() for pixels in read.values())
    face = read["face.Y"] > 0.0
    assert 0.02 < face.mean() < 0.9
    assert not face[0, 0]
    assert 0.0 <= read["uv.U"].min() < read["uv.U"].max() <= 1.0
    length = np.sqrt(sum(read[f"normal.{c}"] ** 2 for c in "RGB"))
    outside = face & (length > 0.0)  # skin seen from within, through a hole in the mesh, has no features
    assert outside.sum() > 0.95 * face.sum()
    np.testing.assert_allclose(length[outside], 1.0, atol=0.02)
    assert (read["depth.Y"][face] > 0.1).all()
    assert read["hash.Y"][face].min() > 0
    assert (read["diffuse.R"][face] > 0.0).any()
    assert not read["diffuse.R"][~face].any()


def test_layers_beside_a_picture_leave_it_as_it_is(tmp_path: Path) -> None:
    pictures = []
    for name, layers in (("alone", []), ("beside", ["--aov", "normal"])):
        assert main([*SMALL, *layers, "--out", str(tmp_path / f"{name}.exr")]) == 0
        with OpenEXR.File(str(tmp_path / f"{name}.exr"), separate_channels=True) as file:
            pictures.append(np.stack([file.channels()[channel].pixels for channel in "RGB"]))
    alone, beside = pictures
    assert alone.std() > 0.01
    np.testing.assert_array_equal(beside, alone)


def test_rasterised_or_traced(tmp_path: Path) -> None:
    pictures = {}
    for kind in ("trace", "raster"):
        path = tmp_path / f"{kind}.exr"
        assert main([*QUICK, "--gbuffer", kind, "--out", str(path)]) == 0
        with OpenEXR.File(str(path)) as file:
            pictures[kind] = file.channels()["RGB"].pixels
    difference = np.abs(pictures["trace"] - pictures["raster"])
    assert np.quantile(difference, 0.99) < 0.002 and difference.any()  # not the same code twice


def test_layers_are_those_of_the_pixels_middles(tmp_path: Path) -> None:
    """Beside the reference as beside the neural picture, after any number of samples, in a series as well."""
    layers = ("--aov", "uv", "--aov", "face", "--aov", "hash")
    found = []
    for name, *options in (
        ("one", "--spp", "1"),
        ("three", "--spp", "3"),
        ("reference", "--mode", "reference", "--spp", "1"),
        ("series", "--frames", "2", "--spp", "1"),
    ):
        path = tmp_path / f"{name}.exr"
        assert main([*QUICK, *options, *layers, "--out", str(path)]) == 0
        if name == "series":
            path = tmp_path / "series_0000.exr"
        with OpenEXR.File(str(path), separate_channels=True) as file:
            found.append({key: channel.pixels for key, channel in file.channels().items()})
    face = found[0]["face.Y"]
    assert 0.2 < face.mean() < 0.8 and set(np.unique(face)) == {0.0, 1.0}
    names = [name for name in found[0] if "." in name]
    assert len(names) == 4
    for other in found[1:]:
        for name in names:
            np.testing.assert_array_equal(found[0][name], other[name], err_msg=name)


def test_the_camera_goes_where_it_is_told(tmp_path: Path) -> None:
    """From behind, the normals turn away; from above they look up; nearer there is more to see."""
    shares = {}
    for name, *options in (("front",), ("back", "--yaw", "165"), ("above", "--pitch", "60", "--zoom", "1.3")):
        path = tmp_path / f"{name}.png"
        assert main([*QUICK, *options, "--aov", "normal", "--out", str(path)]) == 0
        normal = png(path).astype(float) / 255.0
        shares[name] = (normal.any(axis=-1).mean(), normal[..., 2].mean(), normal[..., 1].mean())
    assert shares["above"][0] > 1.3 * shares["front"][0]
    assert shares["back"][1] < 0.3 * shares["front"][1]
    assert shares["above"][2] > 1.5 * shares["front"][2]
    assert main([*QUICK, "--zoom", "0", "--out", str(tmp_path / "none.png")]) == 2


def test_the_camera_looks_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for name, *options in (
        ("front",),
        ("same", "--fov", "25"),
        ("wide", "--look-from", "0,0,0.8", "--fov", "60"),
        ("ear", "--look-at", "0.08,0,0", "--zoom", "6"),
        ("aside", "--look-at", "1,0,0"),
    ):
        path = tmp_path / f"{name}.png"
        assert main([*QUICK, *options, "--aov", "face", "--out", str(path)]) == 0
        found[name] = png(path).astype(float).mean() / 255.0
    assert found["front"] == found["same"]
    assert found["wide"] < 0.3 * found["front"] and found["aside"] == 0.0
    assert found["ear"] > 1.5 * found["front"]
    for bad in ("1,2", "a,b,c", "nan,0,0", "1e9,0,0", "0,-1e9,0"):
        assert main([*QUICK, "--look-at", bad, "--out", str(tmp_path / "none.png")]) == 2
        assert "is no place" in capsys.readouterr().err
    assert main([*QUICK, "--fov", "0.5", "--out", str(tmp_path / "none.png")]) == 2
    same = [*QUICK, "--look-at", "0,0,0", "--look-from", "0,0,0", "--out", str(tmp_path / "none.png")]
    assert main(same) == 2
    assert "camera position and target must differ" in capsys.readouterr().err


def test_exposure_brightens_what_is_seen(tmp_path: Path) -> None:
    for suffix in (".png", ".exr"):
        for name, stops in (("plain", "0"), ("bright", "1")):
            assert main([*QUICK, "--spp", "1", "--exposure", stops, "--out", str(tmp_path / f"{name}{suffix}")]) == 0
    assert png(tmp_path / "bright.png").mean() > 1.2 * png(tmp_path / "plain.png").mean()
    radiance = []
    for name in ("plain", "bright"):
        with OpenEXR.File(str(tmp_path / f"{name}.exr")) as file:
            radiance.append(file.channels()["RGB"].pixels)
    np.testing.assert_array_equal(*radiance)


def test_an_exr_holds_no_views(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for mode in ("split", "difference", "normal", "tiles"):
        assert main([*QUICK, "--mode", mode, "--out", str(tmp_path / "x.exr")]) == 2
        assert f"An .exr holds radiance, which the mode {mode} does not show." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_one_aov_as_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "normal.png"
    assert main([*QUICK, "--aov", "normal", "--out", str(path)]) == 0
    assert png(path).shape == (40, 48, 3)
    assert "of normal lie outside 0..1 and are clipped; an .exr keeps them." in capsys.readouterr().err


def test_two_channels_are_red_and_green_and_opacity_is_dropped() -> None:
    assert _as_bytes(np.array([[[0.2, 0.6]]]), "uv").tolist() == [[[51, 153, 0]]]
    assert _as_bytes(np.array([[0.2, 1.0]]), "face").tolist() == [[51, 255]]
    assert _as_bytes(np.array([[[0.2, 0.6, 0.0, 1.0]]]), "four").tolist() == [[[51, 153, 0]]]


@pytest.mark.parametrize(("mode", "samples"), [("neural", 16), ("reference", 64)])
def test_samples_by_default(mode: str, samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More where there is noise."""
    asked: list[int] = []

    def once(total: int, _what: str) -> range:
        asked.append(total)
        return range(1)

    monkeypatch.setattr("app.progress.counted", once)
    picture = ["render", "--size", "32x28", "--light-samples", "1", "--mode", mode, "--out", str(tmp_path / "a.png")]
    assert main(picture) == 0
    assert asked == [samples]


def test_a_series_is_refused_at_once_if_one_of_its_pictures_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_0001.png").mkdir()
    assert main([*SMALL, "--frames", "2", "--out", str(tmp_path / "a.png")]) == 2
    assert "a_0001.png: it is a folder." in capsys.readouterr().err
    assert main([*SMALL, "--frames", "2", "--out", "/"]) == 2
    assert "Cannot write /: a picture's name needs a suffix." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a_0001.png"]
    (tmp_path / "b.png").mkdir()  # which is no picture of the series
    assert main([*SMALL, "--frames", "2", "--out", str(tmp_path / "b.png")]) == 0
    assert (tmp_path / "b_0001.png").is_file()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--mesh", "none.glb"], "none.glb"),
        (["--lights", "none.toml"], "none.toml"),
        (["--env", "none.exr"], "none.exr"),
        (["--face", "nose"], "nose"),
        (["--weights", "none"], "There are no networks of the name none."),
        (["--yaw", "inf"], "--yaw must be a finite number, not inf."),
        (["--pitch", "nan"], "--pitch must be a finite number, not nan."),
        (["--split", "0.3"], "has no --split."),
        (["--spp", "1.5"], "'1.5' is no whole number."),
        (["--fov", "wide"], "'wide' is no number."),
        (["--mode", "split", "--split", "nan"], "--split must be a finite number, not nan."),
        (["--device", "99"], "no GPU '99'"),
        (["--device", "voodoo"], "no GPU 'voodoo'"),
    ],
)
def test_unusable_input(options: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *options, "--out", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.splitlines()[-2 if said.splitlines()[-1].startswith("  ") else -1].startswith("bungyo: error: ")
    assert not list(tmp_path.iterdir())
