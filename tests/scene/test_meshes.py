"""Loading meshes: what arrives, and which part is the face."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from app.errors import InputError
from app.scene.meshes import load_mesh
from app.scene.model import SKIN_MEAN_FREE_PATH, Part
from app.scene.primitives import uv_sphere
from app.scene.uv_checks import layers, overlap_share
from tests.scene.glb_writer import NORMALS, PIXELS, POSITIONS, TRIANGLES, UVS, Glb, png

PLY = """ply
format ascii 1.0
{comment}
element vertex 4
property float x
property float y
property float z
{properties}
element face 2
property list uchar int vertex_indices
end_header
{vertices}
3 0 1 2
3 0 2 3
"""


def write_ply(path: Path, columns: str, rows: list[str], comment: str = "comment hello") -> Path:
    properties = "\n".join(f"property {column}" for column in columns.split(", "))
    vertices = "\n".join(f"{x} {y} {z} {row}" for (x, y, z), row in zip(POSITIONS, rows, strict=True))
    path.write_text(PLY.format(comment=comment, properties=properties, vertices=vertices))
    return path


def write_obj(path: Path, material: str = "map_Kd tex.png", name: str = "skin", body: str = "") -> Path:
    Image.fromarray(PIXELS).save(path.parent / "tex.png")
    path.with_suffix(".mtl").write_text(f"newmtl {name}\n{material}\n")
    vertices = "".join(f"v {x} {y} {z}\n" for x, y, z in POSITIONS)
    uvs = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    body = body or f"usemtl {name}\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
    path.write_text(f"mtllib {path.stem}.mtl\n{vertices}{uvs}{body}")
    return path


def write_textured_ply(path: Path) -> Path:
    Image.fromarray(PIXELS).save(path.parent / "tex.png")
    rows = ["0 0", "1 0", "1 1", "0 1"]
    return write_ply(path, "float s, float t", rows, "comment TextureFile tex.png")


def color_at(part: Part, position: Any) -> Any:
    """The texel that the vertex nearest to `position` gets, by our convention: v = 0 is the bottom row."""
    vertex = np.abs(part.mesh.positions - position).sum(axis=1).argmin()
    assert part.material.albedo_map is not None
    pixels = part.material.albedo_map.pixels
    u, v = np.clip(part.mesh.uvs[vertex], 0.01, 0.99)
    return pixels[int((1 - v) * pixels.shape[0]), int(u * pixels.shape[1]), :3].tolist()


@pytest.mark.parametrize(
    ("name", "write"),
    [("q.glb", lambda path: Glb().write(path)), ("q.obj", write_obj), ("q.ply", write_textured_ply)],
)
def test_textures_are_the_right_way_up(tmp_path: Path, name: str, write: Callable[[Path], Path]) -> None:
    (part,) = load_mesh(write(tmp_path / name))
    assert color_at(part, (0, 0, 0)) == [0, 0, 255]  # bottom left
    assert color_at(part, (0.2, 0, 0)) == [255, 255, 255]
    assert color_at(part, (0.2, 0.2, 0)) == [0, 255, 0]
    assert color_at(part, (0, 0.2, 0)) == [255, 0, 0]  # top left
    assert part.material.albedo_map is not None and part.material.albedo_map.srgb


def test_glb_arrives_vertex_for_vertex(tmp_path: Path) -> None:
    (part,) = load_mesh(Glb().write(tmp_path / "q.glb"))
    np.testing.assert_array_equal(part.mesh.positions, POSITIONS)
    np.testing.assert_allclose(part.mesh.normals, NORMALS, atol=1e-6)
    np.testing.assert_allclose(part.mesh.uvs, UVS * [1, -1] + [0, 1])
    np.testing.assert_array_equal(part.mesh.triangles, TRIANGLES.reshape(2, 3))
    assert part.name == "head"
    np.testing.assert_array_equal(part.transform, np.eye(4))


def test_glb_material_values_arrive(tmp_path: Path) -> None:
    glb = Glb()
    glb.images += [png([[(9, 128, 51), (9, 64, 51)]]), png([[(128, 128, 255)]])]
    glb.header["textures"] += [{"source": 1}, {"source": 2}]
    glb.header["materials"] = [
        {
            "name": "cloth",
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.123, 0.456, 0.789, 0.5],
                "metallicFactor": 0.5,
                "roughnessFactor": 0.25,
                "metallicRoughnessTexture": {"index": 1},
            },
            "normalTexture": {"index": 2, "scale": 0.7},
            "emissiveFactor": [0.1, 0.2, 0.3],
            "alphaMode": "MASK",
            "alphaCutoff": 0.4,
            "extensions": {
                "KHR_materials_ior": {"ior": 1.4},
                "KHR_materials_emissive_strength": {"emissiveStrength": 10},
            },
        },
        {"name": "skin"},
    ]
    glb.header["nodes"] = [{"mesh": 0, "name": "a"}, {"mesh": 1, "name": "b"}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    meshes = [{"primitives": [{"attributes": attributes, "indices": 3, "material": i}]} for i in (0, 1)]
    glb.header["meshes"] = meshes
    cloth, skin = (part.material for part in load_mesh(glb.write(tmp_path / "q.glb")))
    assert cloth.albedo == (0.123, 0.456, 0.789)  # exactly: not rounded to 8 bits
    assert (cloth.roughness, cloth.normal_scale, cloth.ior, cloth.opacity) == (0.25, 0.7, 1.4, 0.5)
    assert (cloth.alpha_mode, cloth.alpha_cutoff) == ("mask", 0.4)
    assert cloth.metallic == pytest.approx(0.5 * 51 / 255)
    np.testing.assert_allclose(cloth.emission, (1, 2, 3))
    assert cloth.roughness_map is not None and cloth.normal_map is not None
    assert cloth.roughness_map.pixels.tolist() == [[[128], [64]]]  # the green channel
    assert not cloth.roughness_map.srgb and not cloth.normal_map.srgb
    assert cloth.subsurface == 0
    assert (skin.roughness, skin.metallic) == (1.0, 0.0)  # glTF's default is metal, but a face is not
    assert (skin.subsurface, skin.mean_free_path) == (1.0, SKIN_MEAN_FREE_PATH)


def test_own_numbers_of_a_glb_win(tmp_path: Path) -> None:
    """What `extras.bungyo` says holds for skin and for everything else; the rest of skin is as for any file."""
    glb = Glb()
    own = {"mean_free_path": [3.0, 2.0, 1.0], "second_roughness": 0.2, "second_weight": 0.25}
    glb.header["materials"][0]["extras"] = {"somebody": 1, "bungyo": own}
    glb.header["materials"][0]["extensions"] = {
        "KHR_materials_transmission": {"transmissionFactor": 0.5},
        "KHR_materials_ior": {"ior": 1.376},
    }
    skin = load_mesh(glb.write(tmp_path / "a.glb"))[0].material
    assert (skin.subsurface, skin.mean_free_path) == (1.0, (3.0, 2.0, 1.0))
    assert (skin.second_roughness, skin.second_weight, skin.transmission, skin.ior) == (0.2, 0.25, 0.5, 1.376)
    own["subsurface"] = 0.0
    assert load_mesh(glb.write(tmp_path / "b.glb"))[0].material.subsurface == 0.0
    for value, message in (({"shine": 1.0}, "unknown shine"), (3, "must be an object"), ({"subsurface": 2}, "<= 1")):
        glb.header["materials"][0]["extras"]["bungyo"] = value
        with pytest.raises(InputError, match=message):
            load_mesh(glb.write(tmp_path / "c.glb"))


def test_node_transforms_are_combined(tmp_path: Path) -> None:
    glb = Glb()
    half = np.sqrt(0.5)
    glb.header["nodes"] = [
        {"children": [1], "translation": [1, 2, 3]},
        {"children": [2], "rotation": [0, half, 0, half]},  # 90 degrees about +y: x -> -z
        {"mesh": 0, "name": "head", "scale": [2, 1, 1]},
    ]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.transform @ (1, 1, 0, 1), (1, 3, 1, 1), atol=1e-7)


def test_rotations_match_trimesh(tmp_path: Path) -> None:
    x, y, z, w = np.array([0.1, -0.5, 0.3, 0.8]) / np.sqrt(0.99)
    glb = Glb()
    glb.header["nodes"][0]["rotation"] = [x, y, z, w]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    expected = trimesh.transformations.quaternion_matrix([w, x, y, z])
    np.testing.assert_allclose(part.transform, expected, atol=1e-12)


def test_a_mesh_below_a_camera_node_is_not_lost(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}}]
    glb.header["nodes"] = [{"camera": 0, "children": [1]}, {"mesh": 0}]
    assert len(load_mesh(glb.write(tmp_path / "q.glb"))) == 1


def test_primitives_of_one_mesh_become_parts(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["materials"] = [{"name": "skin"}, {"name": "lips"}]
    attributes = {"POSITION": 0, "TEXCOORD_0": 2}
    glb.header["meshes"] = [
        {
            "primitives": [{"attributes": attributes, "indices": 3, "material": i} for i in (0, 1)]
            + [{"attributes": attributes, "indices": 3}]
        }
    ]
    parts = load_mesh(glb.write(tmp_path / "q.glb"))
    assert parts[1].material.metallic == 1  # glTF's default
    assert [(part.name, part.face) for part in parts] == [
        ("head/skin", True),
        ("head/lips", False),
        ("head/2", False),
    ]


def test_a_glb_without_materials_keeps_its_uvs(tmp_path: Path) -> None:
    glb = Glb()
    glb.primitive = {}
    del glb.header["materials"], glb.header["textures"]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    assert np.ptp(part.mesh.uvs) == 1
    assert part.material.albedo == (0.5, 0.5, 0.5)


def test_a_gltf_without_scenes_and_with_files_beside_it(tmp_path: Path) -> None:
    glb = Glb()
    header, data = glb.parts()
    (tmp_path / "data.bin").write_bytes(data)
    (tmp_path / "my tex.png").write_bytes(png())
    header["buffers"] = [{"byteLength": len(data), "uri": "data.bin"}]
    header["images"] = [{"uri": "my%20tex.png"}]
    del header["scenes"], header["scene"]
    (tmp_path / "q.gltf").write_text(json.dumps(header))
    (part,) = load_mesh(tmp_path / "q.gltf")
    assert color_at(part, (0, 0, 0)) == [0, 0, 255]


def test_obj_keeps_seams_and_reads_its_material(tmp_path: Path) -> None:
    body = "vt 0 0.1\nusemtl skin\nf 1/1 2/2 3/3\nf 1/5 3/3 4/4\n"  # vertex 1 has two UVs
    text = "Kd 0.2 0.4 0.6\nKe 1 2 3\nPr 0.3\nPm 0.1\nNi 1.33\nd 0.5"
    (part,) = load_mesh(write_obj(tmp_path / "q.obj", text, body=body))
    assert len(part.mesh.positions) == 5
    m = part.material
    assert (m.albedo, m.emission, m.roughness, m.ior) == ((0.2, 0.4, 0.6), (1, 2, 3), 0.3, 1.33)
    assert (m.opacity, m.alpha_mode, m.metallic) == (0.5, "blend", 0.0)


def test_obj_maps_and_exponents(tmp_path: Path) -> None:
    text = "Kd 0 0 0\nmap_Kd -s 1 1 1 tex.png\nnorm tex.png\nmap_Pr tex.png"
    (part,) = load_mesh(write_obj(tmp_path / "q.obj", text))
    m = part.material
    assert m.albedo == (1, 1, 1)  # black would hide the map
    assert m.albedo_map is not None and m.normal_map is not None and m.roughness_map is not None
    assert m.roughness_map.pixels.shape == (2, 2, 1) and m.roughness == 1
    shiny, dull = (load_mesh(write_obj(tmp_path / "n.obj", f"Ns {n}"))[0].material.roughness for n in (1000, 1))
    assert 0 < shiny < 0.25 < 0.7 < dull <= 1


def test_obj_objects_and_materials_become_parts(tmp_path: Path) -> None:
    body = "o head\nusemtl skin\nf 1/1 2/2 3/3\no hat\nusemtl felt\nf 1/1 3/3 4/4\n"
    parts = load_mesh(write_obj(tmp_path / "q.obj", "Kd 1 0 0\nnewmtl felt\nKd 0 1 0", body=body))
    assert [(p.material.name, p.material.albedo, p.face) for p in parts] == [
        ("skin", (1, 0, 0), True),
        ("felt", (0, 1, 0), False),
    ]
    assert "head" in parts[0].name and "hat" in parts[1].name


def test_text_files_in_old_encodings(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj", name="Gesichtsskin f\u00fcr M\u00fcller")
    for file in (path, path.with_suffix(".mtl")):
        file.write_bytes(file.read_text(encoding="utf-8").encode("latin-1"))
    assert load_mesh(path)[0].material.name == "Gesichtsskin f\u00fcr M\u00fcller"
    path.write_bytes(b"\xef\xbb\xbf" + write_obj(path).read_bytes())
    assert load_mesh(path)[0].material.albedo_map is not None
    Image.fromarray(PIXELS).save(tmp_path / "\u00fc.png")
    rows = ["0 0", "1 0", "1 1", "0 1"]
    ply = write_ply(tmp_path / "q.ply", "float s, float t", rows, "comment TextureFile \u00fc.png")
    ply.write_bytes(ply.read_text(encoding="utf-8").encode("latin-1"))
    assert color_at(load_mesh(ply)[0], (0, 0, 0)) == [0, 0, 255]


def test_textures_in_a_folder_above(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "tex.png").write_bytes(png())
    glb = Glb()
    glb.header["images"] = [{"uri": "../tex.png"}]
    (part,) = load_mesh(glb.write(tmp_path / "models" / "q.glb"))
    assert part.material.albedo_map is not None


def test_vertex_colors_become_albedo(tmp_path: Path) -> None:
    rows = ["0 0 100 0 255", "1 0 100 0 255", "1 1 100 0 255", "0 1 100 0 255"]
    columns = "float s, float t, uchar red, uchar green, uchar blue"
    path = write_ply(tmp_path / "q.ply", columns, rows)
    (ply,) = load_mesh(path)
    np.testing.assert_allclose(ply.material.albedo, (0.127, 0, 1), atol=0.001)  # PLY colours are sRGB
    colors = np.tile(np.array([0.25, 0.5, 1.0, 1.0], "<f4"), (4, 1))
    glb = Glb(COLOR_0=colors)
    glb.header["materials"] = [{"name": "skin", "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 0.5, 1]}}]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.material.albedo, (0.25, 0.5, 0.5), atol=0.01)  # linear in glTF


@pytest.mark.parametrize("name", ["q.glb", "q.obj", "q.ply"])
def test_missing_normals_become_smooth_ones_and_given_ones_stay(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "q.glb":
        without = Glb(NORMAL=None).write(path)
        given = Glb().write(tmp_path / "n.glb")
    elif name == "q.obj":
        without = write_obj(path)
        given = write_obj(
            tmp_path / "n.obj", body="vn 0 0.6 0.8\nusemtl skin\nf 1/1/1 2/2/1 3/3/1\nf 1/1/1 3/3/1 4/4/1\n"
        )
    else:
        without = write_textured_ply(path)
        rows = ["0 0.6 0.8 0 0", "0 0.6 0.8 1 0", "0 0.6 0.8 1 1", "0 0.6 0.8 0 1"]
        given = write_ply(tmp_path / "n.ply", "float nx, float ny, float nz, float s, float t", rows)
    np.testing.assert_allclose(load_mesh(without)[0].mesh.normals, np.tile((0, 0, 1), (4, 1)), atol=1e-6)
    np.testing.assert_allclose(load_mesh(given)[0].mesh.normals, NORMALS, atol=1e-6)


def test_unusable_normals_are_replaced(tmp_path: Path) -> None:
    normals = NORMALS * np.float32(3)
    normals[1] = 0
    normals[2] = np.nan
    (part,) = load_mesh(Glb(NORMAL=normals).write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.mesh.normals[[0, 3]], NORMALS[[0, 3]], atol=1e-6)
    np.testing.assert_allclose(part.mesh.normals[1:3], [(0, 0, 1)] * 2, atol=1e-6)


def test_triangles_without_area_are_dropped(tmp_path: Path) -> None:
    (part,) = load_mesh(Glb(indices=np.array([0, 1, 2, 0, 0, 1, 0, 2, 3], "<u2")).write(tmp_path / "q.glb"))
    np.testing.assert_array_equal(part.mesh.triangles, [(0, 1, 2), (0, 2, 3)])


def two_parts(path: Path, first: tuple[str, str], second: tuple[str, str]) -> Path:
    """A GLB with two parts, given as (node name, material name)."""
    glb = Glb()
    glb.header["materials"] = [{"name": first[1]}, {"name": second[1]}]
    attributes = {"POSITION": 0, "TEXCOORD_0": 2}
    glb.header["meshes"] = [{"primitives": [{"attributes": attributes, "indices": 3, "material": i}]} for i in (0, 1)]
    glb.header["nodes"] = [{"mesh": 0, "name": first[0]}, {"mesh": 1, "name": second[0]}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    return glb.write(path)


@pytest.mark.parametrize(
    ("first", "second", "face", "expected"),
    [
        (("body", "MySkin"), ("eyes", "glass"), None, [True, False]),
        (("Face", "m1"), ("eyes", "m2"), None, [True, False]),
        (("face_eyes", "eyes"), ("head", "skin"), None, [False, True]),  # the material's name counts first
        (("surface", "surface"), ("face", "m"), None, [False, True]),
        (("a", "m1"), ("b", "m2"), ["B"], [False, True]),
        (("a", "m1"), ("b", "m2"), ["m1"], [True, False]),
        (("a", "m1"), ("b", "m2"), ["a", "b"], [True, True]),
        (("head", "m1"), ("head_band", "m2"), ["head"], [True, False]),  # equal before contained
        (("the_head", "m1"), ("band", "m2"), ["head"], [True, False]),
        (("a", "skin"), ("b", "m2"), ["b"], [False, True]),  # the user overrules names
    ],
)
def test_which_part_is_the_face(
    tmp_path: Path, first: Any, second: Any, face: list[str] | None, expected: list[bool]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both parts have the same UVs
        parts = load_mesh(two_parts(tmp_path / "q.glb", first, second), face)
    assert [part.face for part in parts] == expected
    assert [part.material.subsurface for part in parts] == [float(e) for e in expected]


def test_no_face_lists_the_parts(tmp_path: Path) -> None:
    path = two_parts(tmp_path / "q.glb", ("a", "m1"), ("b", ""))
    with pytest.raises(InputError, match=r"q\.glb: no part is called skin or face; choose it with --face NAME from "):
        load_mesh(path)
    with pytest.raises(InputError, match=r"--face nose: there is no such part; the parts are a \(material m1\), b\."):
        load_mesh(path, ["nose"])
    with pytest.raises(InputError, match="--face : there is no such part"):
        load_mesh(path, [""])


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = load_mesh(two_parts(tmp_path / "q.glb", ("a", "skin"), ("a", "skin")))
    assert [part.name for part in parts] == ["a", "a_2"]


def test_a_good_face_gives_no_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_mesh(Glb().write(tmp_path / "q.glb"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"TEXCOORD_0": UVS * np.float32(1.5)},
            r"UVs of face 'head' leave 0\.\.1; its tile hash .* Unwrap it, so that every place",
        ),
        (
            {"TEXCOORD_0": np.array([[0, 1], [1, 1], [1, 0], [1, 0.9]], "<f4")},
            "UVs of face 'head' overlap on",
        ),
        (
            {"TEXCOORD_0": UVS * np.float32(0.25)},
            r"UVs of face 'head' cover 6\.2% of 0\.\.1 only; light and networks will be coarse",
        ),
    ],
)
def test_doubtful_faces_give_a_warning(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        load_mesh(Glb(**arrays).write(tmp_path / "q.glb"))


def test_parts_that_share_their_uvs_give_a_warning(tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"face 'head' and 'torso' overlap on 100% .* Or name the head's part alone with --face\."
    ):
        load_mesh(two_parts(tmp_path / "q.glb", ("head", "skin"), ("torso", "skin")))


@pytest.mark.parametrize("tile", [(2, 0), (-1, 0), (1, -3)])
def test_a_face_in_another_udim_tile_is_moved_as_a_whole(tmp_path: Path, tile: tuple[int, int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = load_mesh(Glb().write(tmp_path / "a.glb"))[0].mesh.uvs
        moved = load_mesh(Glb(TEXCOORD_0=UVS + np.array(tile, "<f4")).write(tmp_path / "b.glb"))[0].mesh.uvs
    np.testing.assert_allclose(moved, expected, atol=1e-6)


@pytest.mark.parametrize("normals", [None, 1.0, -1.0], ids=["no normals", "normals outwards", "normals inwards"])
@pytest.mark.parametrize("node", [{}, {"scale": [-0.1, 0.1, 0.1]}], ids=["as it is", "mirrored"])
def test_a_face_turned_inside_out_is_turned_round(
    tmp_path: Path, normals: float | None, node: dict[str, list[float]]
) -> None:
    ball = uv_sphere(0.2, 12, 16)
    arrays: dict[str, Any] = {
        "POSITION": ball.positions,
        "NORMAL": ball.normals,
        "TEXCOORD_0": ball.uvs * [1, -1] + [0, 1],
    }
    if normals is None:
        del arrays["NORMAL"]
    else:
        arrays["NORMAL"] = arrays["NORMAL"] * np.float32(normals)

    def load(name: str, triangles: Any) -> Part:
        glb = Glb(**{"NORMAL": None, **arrays, "TEXCOORD_0": arrays["TEXCOORD_0"].astype("<f4")}, indices=triangles)
        glb.header["nodes"] = [{"mesh": 0, "name": "head", **node}]
        (part,) = load_mesh(glb.write(tmp_path / name))
        return part

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (load("out.glb", ball.triangles.ravel()).mesh.triangles == ball.triangles).all()
    with pytest.warns(UserWarning, match=r"the triangles of its face look inwards: they are turned round\."):
        part = load("in.glb", ball.triangles[:, ::-1].ravel())
    mesh = part.mesh.with_transform(part.transform)
    outwards = mesh.positions / np.linalg.norm(mesh.positions, axis=1, keepdims=True)
    assert ((mesh.normals * outwards).sum(axis=1) > 0.9).all()
    a, b, c = (mesh.positions[mesh.triangles[:, i]] for i in range(3))
    assert ((np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0.0).all()


def test_a_face_that_was_never_unwrapped_is_refused(tmp_path: Path) -> None:
    """As modelling programs make it: every triangle fills the square. The light cache would cost gigabytes."""
    count = 2000
    corners = (np.tile(POSITIONS[:3], (count, 1)) + np.repeat(np.arange(count), 3)[:, None]).astype("<f4")
    uvs, indices = np.tile(UVS[:3], (count, 1)), np.arange(3 * count, dtype="<u2")
    path = Glb(POSITION=corners, NORMAL=None, TEXCOORD_0=uvs, indices=indices).write(tmp_path / "q.glb")
    with pytest.raises(InputError, match=r"UVs of face 'head' lie in 1000 layers over each other\.") as error:
        load_mesh(path)
    assert error.value.hint.startswith("Unwrap it")


def test_layers() -> None:
    square, triangles = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32), np.array([(0, 1, 2), (0, 2, 3)])
    layout = square, triangles.astype(np.uint32)
    assert layers([layout]) == pytest.approx(1.0)
    assert layers([layout, layout]) == pytest.approx(2.0)
    half = square * np.array([0.5, 1], np.float32)
    assert layers([(half, layout[1])]) == pytest.approx(0.5)
    assert layers([(half + np.float32(0.75), layout[1])]) == pytest.approx(0.25 * 0.25)  # the rest lies outside
    assert layers([(square + np.float32(3), layout[1])]) == 0.0


def test_overlap_share() -> None:
    lattice = (np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2) * 64 + 0.5) / 256
    cells = np.array(
        [(i, i + 1, i + 6) for i in range(19) if i % 5 < 4] + [(i, i + 6, i + 5) for i in range(19) if i % 5 < 4]
    )
    # Every edge runs through texel centres.
    assert overlap_share([(lattice.astype(np.float32), cells.astype(np.uint32))]) == 0
    sphere = uv_sphere(1.0, 20, 30)
    assert overlap_share([(sphere.uvs, sphere.triangles)]) == 0  # neighbours share edges, not texels
    assert overlap_share([(sphere.uvs * np.float32(0.5), sphere.triangles)] * 2) > 0.99
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0.5, 0), (1, 0.5)], np.float32)
    folded = np.array([(0, 1, 2), (0, 2, 3), (4, 1, 5)], np.uint32)
    assert overlap_share([(square, folded)]) == pytest.approx(0.125, abs=0.005)


def test_overlap_of_very_many_big_triangles_ends_soon() -> None:
    square = np.array([(0, 0), (1, 0), (1, 1)], np.float32)
    assert overlap_share([(square, np.tile(np.array([(0, 1, 2)], np.uint32), (200_000, 1)))]) > 0.05
