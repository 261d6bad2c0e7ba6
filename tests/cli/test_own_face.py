"""A head of one's own: what is said about its UVs, and the way to networks for it."""

import shlex
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from app.arrays import F64
from app.errors import InputError
from app.layout_check import check_layout, choose_weights, commands_to_train
from app.main import cli, main
from app.network.schema import channels
from app.network.weights import WeightSet
from app.scene.assets import DEFAULT_HEAD
from app.scene.default import default_scene
from app.scene.meshes import load_mesh
from app.scene.model import Part, Scene
from app.scene.uv_layout import UvLayout, canonical_layout
from app.scene_options import SceneOptions
from app.weight_sets import ANY_UV_WEIGHTS
from tests.scene.foreign_head import foreign_head, write_foreign_head

TURN = np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])


def options(mesh: Path | None, weights: Path | None = Path("mine"), face: tuple[str, ...] = ()) -> SceneOptions:
    return SceneOptions(mesh=mesh, face=face, weights=weights)


def trained(layout: UvLayout | None = None) -> WeightSet:
    """Networks that say they were trained on avatars, or on one mesh of this layout."""
    own = {} if layout is None else {"uv_layout": layout.plain()}
    return replace(WeightSet.untrained(), metadata={"trained": True, **own})


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    return write_foreign_head(tmp_path / "head.glb")


def said(options: SceneOptions, scene: Scene, weights: WeightSet) -> str:
    """The one warning, or ""."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_layout(options, scene, weights)
    assert len(caught) <= 1
    return str(caught[0].message) if caught else ""


def test_nothing_is_said_where_the_networks_know_the_face(foreign: Path) -> None:
    avatar, own = Scene(tuple(load_mesh(DEFAULT_HEAD))), Scene(tuple(load_mesh(foreign)))
    layout = UvLayout.of(own.parts)
    assert said(options(DEFAULT_HEAD), avatar, trained()) == ""
    assert said(options(None), avatar, trained()) == ""
    assert said(options(None), avatar, trained(canonical_layout())) == ""  # trained on --mesh assets/head/head.glb
    assert said(options(foreign), own, trained(layout)) == ""
    assert said(options(foreign), own, WeightSet.untrained()) == ""  # their picture is noise on any face
    with pytest.warns(UserWarning, match="read as millimetres"):
        again = default_scene(write_foreign_head(foreign.with_name("mm.obj"), scale=1000.0))
    assert said(options(foreign), again, trained(layout)) == ""


def test_a_face_with_other_uvs(foreign: Path) -> None:
    own, avatar = Scene(tuple(load_mesh(foreign))), Scene(tuple(load_mesh(DEFAULT_HEAD)))
    layout = UvLayout.of(own.parts)
    message = said(options(foreign, None, ("head",)), own, trained())
    assert message.startswith(f"{foreign}: its UVs are not those that the networks in ")
    assert "weights/default know: the neural picture may look wrong. Leave --weights out, or train" in message
    assert message.splitlines()[1].startswith("  bungyo dataset --mesh ")
    assert "default networks know them" not in message
    assert said(options(None), avatar, trained(layout)).endswith("may look wrong. Show that mesh with --mesh FILE.")
    assert "Leave --weights out" in said(options(DEFAULT_HEAD), avatar, trained(layout))


def test_networks_that_look_at_no_uvs_draw_what_the_others_do_not_know(foreign: Path) -> None:
    own, avatar = Scene(tuple(load_mesh(foreign))), Scene(tuple(load_mesh(DEFAULT_HEAD)))
    assert choose_weights(options(foreign, None), own) == ANY_UV_WEIGHTS
    for asked, scene in (
        (options(foreign), own),  # weights that somebody has named
        (options(None, None), avatar),
        (options(DEFAULT_HEAD, None), avatar),
        (options(Path("turned.glb"), None), Scene(tuple(turned(part) for part in avatar.parts))),
    ):
        assert choose_weights(asked, scene) == asked.weights
    shipped = WeightSet.load(ANY_UV_WEIGHTS)
    message = said(options(foreign, None, ("head",)), own, shipped)
    assert message.startswith(
        f"{foreign}: its UVs are not the avatars', so networks draw it that look at none (any-uv)"
    )
    assert [line.split()[:2] for line in message.splitlines()[1:]] == [
        ["bungyo", name] for name in ("dataset", "train", "demo")
    ]
    assert (
        said(options(foreign, ANY_UV_WEIGHTS), own, shipped)
        == said(options(None, ANY_UV_WEIGHTS), avatar, shipped)
        == ""
    )


def test_shipped_networks_that_look_at_no_uvs_look_at_none() -> None:
    weights = WeightSet.load(ANY_UV_WEIGHTS)
    assert weights.experts == 0 and not weights.table.any() and "uv_layout" not in weights.metadata
    first, _ = weights.matrices(0)[0]
    assert not first[:, channels("uv")].any() and first.any()


def turned(part: Part) -> Part:
    """The same with its vertices turned to the side."""
    return replace(part, mesh=part.mesh.with_transform(TURN))


def test_a_turned_face() -> None:
    parts = tuple(turned(part) for part in load_mesh(DEFAULT_HEAD))
    message = said(options(Path("turned.glb")), Scene(parts), trained())
    assert "turned.glb: its vertices are turned" in message and "looks along +z" in message
    assert "bungyo train" not in message
    nodes = [replace(p, transform=TURN) for p in load_mesh(DEFAULT_HEAD)]
    assert said(options(Path("turned.glb")), Scene(tuple(nodes)), trained()) == ""


def test_weights_with_a_damaged_layout(foreign: Path) -> None:
    weights = replace(trained(), metadata={"trained": True, "uv_layout": [1, 2, 3]})
    with pytest.raises(InputError, match="The weights mine have an unreadable uv_layout: a UV layout is a list of 256"):
        check_layout(options(foreign), Scene(tuple(load_mesh(foreign))), weights)


@pytest.mark.parametrize("mesh", ["head.glb", "my heads/Jane's head.obj", "/tmp/$HOME.ply", "default.glb"])
def test_the_commands_are_valid(mesh: str) -> None:
    """A shell hands over the names as they are, and the command line takes the options."""
    lines = [shlex.split(line) for line in commands_to_train(Path(mesh), ("skin", "my lips"))]
    assert [line[:2] for line in lines] == [["bungyo", name] for name in ("dataset", "train", "demo")]
    contexts = [cli.commands[line[1]].make_context(line[1], line[2:]) for line in lines]
    data, training, demo = (context.params for context in contexts)
    assert data["mesh"] == demo["mesh"] == Path(mesh)
    assert data["face"] == demo["face"] == ("skin", "my lips")
    assert data["out"] == training["data"] and (training["out"],) == demo["weights"]
    assert training["start"] == ANY_UV_WEIGHTS
    assert training["out"] not in (Path("weights", name) for name in ("default", "head", "any-uv"))


def test_a_mask_without_the_back_of_the_head_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said about networks whose picture nobody sees."""
    positions, triangles, uvs = foreign_head()
    front = triangles[positions[triangles][..., 2].min(axis=1) > 0.02]
    mask = trimesh.Trimesh(positions, front, visual=trimesh.visual.TextureVisuals(uv=uvs), process=False)
    mask.export(tmp_path / "mask.glb")
    trained().save(tmp_path / "avatars")
    command = ["render", "--mesh", str(tmp_path / "mask.glb"), "--weights", str(tmp_path / "avatars")]
    command += ["--mode", "reference", "--size", "48x48", "--spp", "16", "--out", str(tmp_path / "mask.png")]
    assert main(command) == 0
    assert capsys.readouterr().err == ""
    assert picture(str(tmp_path / "mask")).mean() > 30.0


def picture(name: str) -> F64:
    """(2, 2, 3) mean colours, 0..255, of the middle of a picture of 48x48 pixels, which is all skin."""
    with Image.open(f"{name}.png") as image:
        middle = np.asarray(image)[16:32, 16:32].astype(float)
    result: F64 = middle.reshape(2, 8, 2, 8, 3).mean(axis=(1, 3))
    return result


def test_from_a_foreign_mesh_to_a_picture(
    coarse_light: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo names three commands; these make networks for a head that the avatar generator did not."""
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    write_foreign_head(Path("jane.glb"), eyes=True)
    trained().save(Path("avatars"))
    small = ("--size", "48x48", "--light-samples", "2")
    jane = ("demo", "--mesh", "jane.glb", "--face", "head", *small)
    assert main([*jane, "--out", "unknown"]) == 0
    assert (
        "bungyo: warning: jane.glb: its UVs are not the avatars', so networks draw it that" in capsys.readouterr().err
    )
    assert main([*jane, "--weights", "avatars", "--out", "before"]) == 0
    warning = capsys.readouterr().err
    assert "bungyo: warning: jane.glb: its UVs are not those that the networks in avatars know" in warning
    dataset, train, demo = (shlex.split(line)[1:] for line in warning.splitlines() if line.startswith("  bungyo "))

    assert (
        main([*dataset, "--frames", "25", "--size", "48x48", "--spp", "2", "--env", "studio", "--light-samples", "4"])
        == 0
    )
    assert main([*train, "--steps", "100", "--expert-steps", "2", "--teachers", "none"]) == 0
    capsys.readouterr()
    assert main([*demo, *small, "--out", "after"]) == 0
    assert capsys.readouterr().err == ""

    truth, before, after = picture("after/reference"), picture("before/neural"), picture("after/neural")
    assert np.abs(picture("unknown/neural") - truth).mean() < 0.2 * np.abs(before - truth).mean()
    assert truth.min() > 20.0 and after.min() > 20.0
    assert np.abs(after - truth).mean() < 0.5 * np.abs(before - truth).mean()
