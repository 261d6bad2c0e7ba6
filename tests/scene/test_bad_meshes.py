"""Broken mesh files: each gives one clear sentence that names the file."""

import json
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.scene import mesh_files
from app.scene.meshes import load_mesh
from tests.scene.glb_writer import POSITIONS, UVS, Glb, png
from tests.scene.mesh_writers import write_obj, write_textured_ply


def refuse(path: Path, message: str, face: list[str] | None = None) -> None:
    with pytest.raises(InputError) as error:
        load_mesh(path, face)
    text = error.value.message
    assert message in text
    assert path.name in text
    assert text.endswith(".") and "\n" not in text and "Traceback" not in text


def with_value(array: Any, value: float) -> Any:
    changed = array.copy()
    changed[1, 0] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"POSITION": with_value(POSITIONS, np.nan)}, "part 'head' has vertex positions that are not finite"),
        ({"POSITION": with_value(POSITIONS, np.inf)}, "part 'head' has vertex positions that are not finite"),
        ({"TEXCOORD_0": with_value(UVS, np.nan)}, "part 'head' has texture coordinates that are not finite"),
        ({"TEXCOORD_0": None}, "part 'head' is the face but has no texture coordinates (UVs)"),
        ({"TEXCOORD_0": UVS * 0}, "part 'head' is the face but has no texture coordinates (UVs)"),
        (
            {"indices": np.array([0, 1, 9], "<u2")},
            "part 'head' has triangle indices 0..9, but only 4 vertices.",
        ),
        ({"indices": np.array([0, 0, 1, 2, 2, 2], "<u2")}, "all of its triangles have no area."),
        ({"POSITION": POSITIONS * 0}, "all of its triangles have no area."),
        ({"indices": np.array([], "<u2")}, "contains no triangles."),
        ({"indices": np.array([0, 1], "<u2")}, "is damaged or not a valid .glb file"),
        ({"TEXCOORD_0": np.zeros((4, 2), "<u2")}, "part 'head' is the face but has no texture coordinates (UVs)"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    refuse(Glb(**arrays).write(tmp_path / "q.glb"), message)


@pytest.mark.parametrize(("lines", "message"), [(1, "1 of 2 face lines."), (4, "2 of 4 vertex lines.")])
def test_text_that_ends_too_soon(tmp_path: Path, lines: int, message: str) -> None:
    path = write_textured_ply(tmp_path / "q.ply")
    path.write_text("\n".join(path.read_text().splitlines()[:-lines]) + "\n")
    refuse(path, f"is truncated: {message}")


def test_bytes_that_end_too_soon(tmp_path: Path) -> None:
    path = tmp_path / "q.ply"
    path.write_bytes(trimesh.creation.box().export(file_type="ply"))
    path.write_bytes(path.read_bytes()[:-20])
    refuse(path, "is truncated: it ends before its last face does.")


def set_key(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        item: Any = header
        for key in keys[:-1]:
            item = item[key]
        item[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_key("scenes", to=[{"nodes": []}]), "contains no triangles."),
        (set_key("nodes", 0, to={"mesh": 5}), "is damaged or not a valid .glb file (IndexError"),
        (set_key("nodes", 0, to={"mesh": 0, "children": [0]}), "node 0 has two parents"),
        (set_key("nodes", 0, "scale", to=[1, 0, 1]), "a transform must be invertible."),
        (set_key("nodes", 0, "matrix", to=[1, 2]), "is damaged or not a valid .glb file (ValueError"),
        (set_key("nodes", to="none"), "is damaged or not a valid .glb file"),
        (set_key("materials", 0, "pbrMetallicRoughness", "roughnessFactor", to=7), "roughness must be <= 1"),
        (set_key("materials", 0, "pbrMetallicRoughness", to=3), "is damaged or not a valid .glb file"),
        (set_key("textures", to=[]), "baseColorTexture of material 'skin' cannot be read"),
        (set_key("images", 0, to={"uri": "gone.png"}), "gone.png does not exist."),
        (set_key("buffers", 0, "uri", to="gone.bin"), "gone.bin does not exist."),
        (set_key("bufferViews", 0, "byteLength", to=10**9), "is damaged or not a valid .glb file"),
        (set_key("accessors", 0, "componentType", to=1), "there is no component type 1"),
        (set_key("accessors", 0, "sparse", to={"count": 1}), "is damaged or not a valid .glb file (KeyError"),
        (set_key("accessors", 3, "sparse", to={"count": 1}), "stores triangles as a sparse accessor"),
        (
            set_key("accessors", 3, "count", to=60_000_000),
            "has 20,000,000 triangles; at most 5,000,000 can be drawn.",
        ),
        (
            lambda header: (
                header["meshes"][0]["primitives"][0].update(mode=5),
                header["accessors"][3].update(count=6_000_000),
            ),
            "has 5,999,998 triangles; at most 5,000,000 can be drawn.",
        ),
        (
            set_key("extensionsRequired", to=["EXT_meshopt_compression"]),
            "uses meshopt compression (EXT_meshopt_compression)",
        ),
        (set_key("extensionsRequired", to=["EXT_mesh_gpu_instancing"]), "uses EXT_mesh_gpu_instancing, which is not"),
    ],
)
def test_bad_headers(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    glb = Glb()
    glb.header, _ = glb.parts()
    change(glb.header)
    refuse(glb.write(tmp_path / "q.glb"), message)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"texCoord": 1}, r"coordinates number 1, which its material asks for; the first ones, number 0, are used\.$"),
        ({"extensions": {"KHR_texture_transform": {"scale": [2, 2]}}}, r"repeats its textures .* not done on a face"),
    ],
)
def test_textures_that_lie_elsewhere_are_told(tmp_path: Path, reference: dict[str, Any], message: str) -> None:
    glb = Glb()
    glb.header["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] |= reference
    with pytest.warns(UserWarning, match=message):
        load_mesh(glb.write(tmp_path / "q.glb"))


NOISE = png(np.random.default_rng(0).integers(0, 256, (64, 64, 3)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"not an image", "baseColorTexture of material 'skin' cannot be read"),
        (NOISE[:5000], "its texture \"baseColorTexture of material 'skin'\" is damaged"),
    ],
    ids=["text", "truncated"],
)
def test_bad_images(tmp_path: Path, image: bytes, message: str) -> None:
    glb = Glb()
    glb.images = [image]
    refuse(glb.write(tmp_path / "q.glb"), message)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.99])
def test_truncated_glb(tmp_path: Path, share: float) -> None:
    path = Glb().write(tmp_path / "q.glb")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    expected = "is empty" if share == 0 else "is not a GLB file" if share < 0.02 else "is truncated"
    refuse(path, expected)


def test_glb_containers(tmp_path: Path) -> None:
    path = tmp_path / "q.glb"
    path.write_bytes(b"hello, I am a text of some length")
    refuse(path, "is not a GLB file.")
    path.write_bytes(struct.pack("<4sII", b"glTF", 1, 40) + bytes(28))
    refuse(path, "is glTF version 1; only version 2 is supported.")
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 24, 4, 0x4E4F534A) + b"{{{{")
    refuse(path, "its JSON header cannot be read")
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 24, 4, 0x4E4F534A) + b"[1] ")
    refuse(path, "its JSON header is not an object.")
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 24, 4, 0x004E4942) + b"abcd")
    refuse(path, "is a GLB file without a JSON chunk.")
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, 24, 999, 0x4E4F534A) + b"{}  ")
    refuse(path, "is truncated inside a chunk.")


def test_gltf_files_beside_it(tmp_path: Path) -> None:
    header, _ = Glb().parts()
    header["buffers"][0]["uri"] = "data.bin"
    path = tmp_path / "q.gltf"
    path.write_text(json.dumps(header))
    refuse(path, "data.bin does not exist.")
    (tmp_path / "data.bin").write_bytes(b"short")
    refuse(path, "is damaged or not a valid .gltf file")


def test_paths(tmp_path: Path) -> None:
    refuse(tmp_path / "gone.glb", "no such mesh file.")
    (tmp_path / "folder.glb").mkdir()
    refuse(tmp_path / "folder.glb", "is a folder, not a mesh file.")
    (tmp_path / "head.fbx").write_bytes(b"x")
    refuse(tmp_path / "head.fbx", "has an unknown kind of file name; mesh files are glb, gltf, obj")
    (tmp_path / "empty.obj").touch()
    refuse(tmp_path / "empty.obj", "is empty.")
    refuse(tmp_path / f"{'x' * 300}.glb", "no such mesh file (File name too long).")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.obj", "hello\n", "contains no triangles."),
        ("a.obj", "v 0 0 0\nv 1 1 1\n", "contains no triangles."),
        ("a.obj", "v a b c\nf 1 2 3\n", "is damaged or not a valid .obj file"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n", "is damaged or not a valid .obj file (IndexError"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "has no texture coordinates (UVs)"),
        ("a.obj", "v 0 nan 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "positions that are not finite"),
        ("a.obj", "v 0 1e300 0\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "positions that are not finite"),
        (
            "a.obj",
            "v 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nvt 1e300 0\nvt 1 1\nf 1/1 2/2 3/3\n",
            "texture coordinates that are not finite",
        ),
        ("a.ply", "plx\n", "is damaged or not a valid .ply file"),
        ("a.ply", "ply\nformat ascii 1.0\nelement vertex 3\n", "is damaged or not a valid .ply file"),
        ("a.obj", "v 0 0\nv 1 0\nv 1 1\nvt 0 0\nf 1/1 2/1 3/1\n", "a.obj: "),
        ("a.stl", "solid a\n", "a.stl: "),
        ("a.gltf", "{", "its JSON header cannot be read"),
        ("a.gltf", "{}", "contains no triangles."),
    ],
)
def test_bad_text(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    refuse(path, message)


def test_binary_where_text_should_be(tmp_path: Path) -> None:
    path = tmp_path / "a.off"
    path.write_bytes(b"OFF\n\xff\xfe\x80")
    # What stands in the brackets depends on whether a package that guesses encodings happens to be installed.
    refuse(path, "is damaged or not a valid .off file (")


def test_obj_materials(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj", "map_Kd gone.png")
    with pytest.raises(InputError, match=r"q\.mtl: its texture file .*gone\.png does not exist\."):
        load_mesh(path)
    path = write_obj(tmp_path / "q.obj", "map_Kd q.obj")
    with pytest.raises(InputError, match=r"q\.mtl: its texture file .*q\.obj is not a readable image"):
        load_mesh(path)
    path = write_obj(tmp_path / "q.obj", "Kd red")
    with pytest.raises(InputError, match=r"q\.mtl: kd of material 'skin' is not a number: red\."):
        load_mesh(path)
    path = write_obj(tmp_path / "q.obj", "Pm 3")
    with pytest.raises(InputError, match=r"q\.mtl: material 'skin': metallic must be <= 1"):
        load_mesh(path)
    path = write_obj(tmp_path / "q.obj")
    (tmp_path / "q.mtl").unlink()
    with pytest.warns(UserWarning, match=r"its material file .*q\.mtl does not exist"):
        load_mesh(path)


def test_ply_texture_is_missing(tmp_path: Path) -> None:
    path = write_textured_ply(tmp_path / "q.ply")
    (tmp_path / "tex.png").unlink()
    refuse(path, "tex.png does not exist.")


def test_too_many_triangles_in_other_formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_files, "MAX_TRIANGLES", 1)
    refuse(write_obj(tmp_path / "q.obj"), "has 2 triangles; at most 1 can be drawn.")


@pytest.mark.parametrize("error", [RuntimeError("two\nlines"), KeyError("x"), MemoryError(), RecursionError("deep")])
def test_whatever_trimesh_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(trimesh, "load_scene", fail)
    refuse(write_obj(tmp_path / "q.obj"), "")


def test_trimesh_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    path = write_textured_ply(tmp_path / "q.ply")
    (tmp_path / "tex.png").write_bytes(b"no image")
    caplog.set_level(logging.INFO, "trimesh")  # as an application may want it
    refuse(path, "tex.png is not a readable image")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert logging.getLogger("trimesh").level == logging.INFO


@pytest.mark.parametrize("name", [-1, 1.5, None, True, [0], {}])
def test_names_that_are_no_text_are_taken_as_they_are(tmp_path: Path, name: Any) -> None:
    for kind in ("materials", "nodes"):
        glb = Glb()
        glb.header[kind][0]["name"] = name
        assert len(load_mesh(glb.write(tmp_path / "named.glb"))) == 1


def test_a_face_too_far_away_for_numbers(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["nodes"][0]["translation"] = [1e30, 0.0, 0.0]
    refuse(glb.write(tmp_path / "far.glb"), "its face is scaled or placed so far away")
