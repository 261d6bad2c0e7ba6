"""Loading meshes: what arrives, whatever the format, and of OBJ and PLY files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.scene.mesh_files import files_of, read_parts
from app.scene.meshes import load_mesh
from app.scene.model import Part
from app.scene.text_files import decode
from tests.scene.glb_writer import NORMALS, PIXELS, POSITIONS, Glb, png
from tests.scene.mesh_writers import color_at, write_obj, write_ply, write_textured_ply


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


def test_obj_keeps_seams_and_reads_its_material(tmp_path: Path) -> None:
    body = "vt 0 0.1\nusemtl skin\nf 1/1 2/2 3/3\nf 1/5 3/3 4/4\n"  # vertex 1 has two UVs
    text = "Kd 0.2 0.4 0.6\nKe 1 2 3\nPr 0.3\nPm 0.1\nNi 1.33\nd 0.5"
    (part,) = read_parts(write_obj(tmp_path / "q.obj", text, body=body))
    assert len(part.positions) == 5
    m = part.material
    assert (m.albedo, m.emission, m.roughness, m.ior) == ((0.2, 0.4, 0.6), (1, 2, 3), 0.3, 1.33)
    assert (m.opacity, m.alpha_mode, m.metallic) == (0.5, "blend", 0.1)


def test_obj_maps_and_exponents(tmp_path: Path) -> None:
    text = "Kd 0 0 0\nmap_Kd -s 1 1 1 tex.png\nnorm tex.png\nmap_Pr tex.png"
    (part,) = load_mesh(write_obj(tmp_path / "q.obj", text))
    m = part.material
    assert m.albedo == (1, 1, 1)  # black would hide the map
    assert m.albedo_map is not None and m.normal_map is not None and m.roughness_map is not None
    assert m.roughness == 1
    np.testing.assert_array_equal(m.roughness_map.pixels, PIXELS[..., :1])
    assert m.albedo_map.srgb and not m.normal_map.srgb and not m.roughness_map.srgb
    (tmp_path / "tex.png").rename(tmp_path / "my tex.png")
    for line in (
        "my tex.png",
        "-bm 0.5 -o 1 -s 1 2.5 .1 my tex.png",
        r"C:\Users\me\my tex.png",
        "-clamp on /home/my tex.png",
    ):
        (part,) = load_mesh(write_obj(tmp_path / "p.obj", f"map_Kd {line}"))
        assert part.material.albedo_map is not None and part.material.albedo_map.name == "my tex.png"
        clamped = "-clamp on" in line
        assert part.material.albedo_map.wrap == (("clamp", "clamp") if clamped else ("repeat", "repeat"))
    for exponent, roughness in (
        ("30", 0.5),
        ("0", 1.0),
        ("-3", 1.0),
    ):  # its square, alpha, is (2 / 32)^0.5
        material = load_mesh(write_obj(tmp_path / "n.obj", f"Ns {exponent}"))[0].material
        assert material.roughness == pytest.approx(roughness)
    (part,) = load_mesh(write_obj(tmp_path / "k.obj", "Kd 0.5 0 0.25\nmap_Kd tex.png"))
    assert part.material.albedo == (0.5, 0.0, 0.25)


def test_obj_maps_are_where_the_file_says(tmp_path: Path) -> None:
    """Beside the material file is where they are looked for only if they are not there."""
    (tmp_path / "maps").mkdir()
    Image.fromarray(PIXELS[::-1]).save(tmp_path / "maps" / "tex.png")
    (part,) = load_mesh(write_obj(tmp_path / "q.obj", r"map_Kd maps\tex.png"))
    assert part.material.albedo_map is not None
    np.testing.assert_array_equal(part.material.albedo_map.pixels, PIXELS[::-1])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_obj_counts_back_from_where_a_line_is(tmp_path: Path, ending: str) -> None:
    """Relative indices in several blocks, with a line continued on the next; positive ones stay what they are."""
    rows = []
    for name, shift in (("hat", 9.0), ("face", 0.0)):
        rows += [f"o {name}", *(f"v {x} {y + shift} {z}" for x, y, z in POSITIONS)]
        rows += ["vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1", "vn 0 0 1"]
        rows += [f"usemtl {name}", "f -4/-4/-1 -3/-3/-1 \\", " -2/-2/-1", "f -4/-4 -2/-2 -1/-1"]
    rows += ["f 1/1 2/2 3/3"]
    (tmp_path / "back.obj").write_bytes(ending.join(rows).encode())
    hat, face = load_mesh(tmp_path / "back.obj", ["face"])

    def heights(part: Part) -> Any:
        return part.mesh.positions[part.mesh.triangles][:, :, 1]

    np.testing.assert_allclose(heights(hat), POSITIONS[[[0, 1, 2], [0, 2, 3]], 1] + 9.0)
    np.testing.assert_allclose(heights(face)[:2], POSITIONS[[[0, 1, 2], [0, 2, 3]], 1])
    np.testing.assert_allclose(heights(face)[2], POSITIONS[:3, 1] + 9.0)


def test_obj_counts_back_in_a_line_that_goes_on(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj", body="usemtl skin\nf 1/1 2/2 \\\n-2/-2\nf 1/1 3/3 4/4\nv 9 9 9\nvt 0.5 0\n")
    assert load_mesh(path)[0].mesh.positions.max() == POSITIONS.max()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(" ", "\t").replace("\t#", " #"),
        lambda text: "".join(f"  {line}\n" for line in text.splitlines()),
        lambda text: "".join(f"{line} # {line}\n" if line[0] in "vf" else f"{line}\n" for line in text.splitlines()),
        lambda text: text.replace("\n", "\r"),
    ],
    ids=["tabs", "indented", "comments", "carriage returns"],
)
def test_obj_lines_may_be_spaced_in_any_way(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write_obj(tmp_path / "q.obj", name="skin #1")
    (plain,) = load_mesh(path)
    path.write_bytes(change(path.read_text()).encode())
    (part,) = load_mesh(path)
    assert part.material.name == "skin #1" and part.material.albedo_map is not None
    np.testing.assert_array_equal(part.mesh.positions, plain.mesh.positions)
    np.testing.assert_array_equal(part.mesh.uvs, plain.mesh.uvs)
    np.testing.assert_array_equal(part.mesh.triangles, plain.mesh.triangles)


@pytest.mark.parametrize("line", ["mtllib a.mtl q.mtl", "mtllib a.mtl\nmtllib q.mtl"])
def test_obj_may_name_several_material_files(tmp_path: Path, line: str) -> None:
    write_obj(tmp_path / "q.obj")
    (tmp_path / "a.mtl").write_text("newmtl other\nKd 0 0 1\n")
    text = (tmp_path / "q.obj").read_text().replace("mtllib q.mtl", line)
    (tmp_path / "q.obj").write_text(text)
    assert load_mesh(tmp_path / "q.obj")[0].material.albedo_map is not None


def test_obj_names_of_material_files_may_have_spaces(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj")
    (tmp_path / "q.mtl").rename(tmp_path / "my own.mtl")
    path.write_text(path.read_text().replace("mtllib q.mtl", "mtllib my own.mtl"))
    assert load_mesh(path)[0].material.albedo_map is not None


def test_obj_numbers_out_of_range_are_the_nearest(tmp_path: Path) -> None:
    for ni, ior in (("0", 1.0), ("45", 3.0)):
        material = read_parts(write_obj(tmp_path / "q.obj", f"Kd 1.5 0.5 1\nKe 2\nNi {ni}"))[0].material
        assert (material.ior, material.albedo) == (ior, (1.0, 0.5, 1.0))
        assert material.emission == (2.0, 2.0, 2.0)  # one number stands for all three


@pytest.mark.filterwarnings("ignore:.* it is drawn opaque and does not glow")
@pytest.mark.parametrize(("channels", "mode"), [(4, "blend"), (3, "opaque")])
def test_obj_opacity_maps_are_the_fourth_channel_of_colours(tmp_path: Path, channels: int, mode: str) -> None:
    path = write_obj(tmp_path / "q.obj", "map_Kd tex.png\nmap_d tex.png", name="veil")
    pixels = np.dstack([PIXELS, np.array([[0, 255], [255, 0]], np.uint8)])[..., :channels]
    Image.fromarray(pixels).save(tmp_path / "tex.png")
    material = load_mesh(path)[0].material
    assert material.alpha_mode == mode and material.albedo_map is not None
    np.testing.assert_array_equal(material.albedo_map.pixels, pixels)


@pytest.mark.filterwarnings("ignore:.* it is drawn opaque and does not glow")
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_obj_opacity_maps_of_their_own(tmp_path: Path, channels: int) -> None:
    """Their 4th channel where it says anything, or else how bright they are, at the colour map's size."""
    path = write_obj(tmp_path / "q.obj", "Kd 1 1 1\nmap_Kd tex.png\nmap_d mask.png", name="veil")
    opacity = np.array([[0, 255, 0, 255]] * 4, np.uint8)
    mask = {1: opacity, 3: np.dstack([opacity] * 3), 4: np.dstack([opacity * 0 + 99] * 3 + [opacity])}[channels]
    Image.fromarray(PIXELS.repeat(2, axis=0).repeat(2, axis=1)).save(tmp_path / "tex.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    material = load_mesh(path)[0].material
    assert material.alpha_mode == "blend" and material.albedo_map is not None and material.albedo_map.srgb
    expected = np.dstack([PIXELS.repeat(2, axis=0).repeat(2, axis=1), opacity])
    np.testing.assert_array_equal(material.albedo_map.pixels, expected)
    Image.fromarray(PIXELS).save(tmp_path / "tex.png")
    small = load_mesh(path)[0].material.albedo_map
    assert small is not None  # enlarged, as strands of hair are finer than their colour
    np.testing.assert_array_equal(small.pixels[..., 3], opacity)
    path.with_suffix(".mtl").write_text("newmtl veil\nKd 0.5 0.25 0.125\nmap_d mask.png\n")
    material = load_mesh(path)[0].material
    assert material.albedo == (0.5, 0.25, 0.125) and material.albedo_map is not None
    np.testing.assert_array_equal(material.albedo_map.pixels[..., :3], 255)
    np.testing.assert_array_equal(material.albedo_map.pixels[..., 3], opacity)
    assert files_of(path) == (path, path.with_suffix(".mtl"), tmp_path / "mask.png")


def test_obj_numbers_may_have_words_beside_them(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj", "Kd 0.5 0.25 0.125 # brown\nd -halo 0.5\nPr 0.75#rough")
    material = load_mesh(path)[0].material
    assert (material.albedo, material.opacity, material.roughness) == ((0.5, 0.25, 0.125), 0.5, 0.75)


@pytest.mark.filterwarnings("ignore:.* it is drawn opaque and does not glow")
@pytest.mark.parametrize(("line", "opacity"), [("Tr 0.25", 0.75), ("Tr 0", 1.0), ("d 0.25", 0.25), ("", 1.0)])
def test_obj_opacity_and_its_opposite(tmp_path: Path, line: str, opacity: float) -> None:
    (part,) = load_mesh(write_obj(tmp_path / "q.obj", line, name="veil"))
    assert part.material.opacity == opacity
    assert part.material.alpha_mode == ("opaque" if opacity == 1.0 else "blend")


def test_obj_objects_and_materials_become_parts(tmp_path: Path) -> None:
    body = "o head\nusemtl skin\nf 1/1 2/2 3/3\no hat\nusemtl felt\nf 1/1 3/3 4/4\n"
    parts = load_mesh(write_obj(tmp_path / "q.obj", "Kd 1 0 0\nnewmtl felt\nKd 0 1 0", body=body))
    assert [(p.material.name, p.material.albedo, p.face) for p in parts] == [
        ("skin", (1, 0, 0), True),
        ("felt", (0, 1, 0), False),
    ]
    assert "head" in parts[0].name and "hat" in parts[1].name


@pytest.mark.filterwarnings("ignore:.* it is drawn opaque and does not glow")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("map_d more/../tex.png", "opaque"),  # the colour map, which is not transparent
        ("map_d mask.png", 100),
        ("map_d -imfchan g mask.png", 50),
        ("map_d -imfchan m mask.png", 255),
    ],
)
def test_obj_opacity_maps_say_which_channel(tmp_path: Path, line: str, expected: int | str) -> None:
    path = write_obj(tmp_path / "q.obj", f"map_Kd tex.png\n{line}", name="veil")
    (tmp_path / "more").mkdir()
    Image.fromarray(np.full((2, 2, 4), (212, 50, 61, 255), np.uint8)).save(tmp_path / "mask.png")
    material = load_mesh(path)[0].material
    assert material.albedo_map is not None
    if expected == "opaque":
        assert material.alpha_mode == expected and material.albedo_map.pixels.shape[2] == 3
    else:
        assert (material.albedo_map.pixels[..., 3] == expected).all()


GROUPS = "g FaceGroup\nf 1/1 2/2 3/3\ng hat\nf 1/1 3/3 4/4\n"


@pytest.mark.parametrize(
    ("body", "face", "expected"),
    [
        (GROUPS, None, [("FaceGroup", True), ("hat", False)]),
        (GROUPS, ["hat"], [("FaceGroup", False), ("hat", True)]),
        (GROUPS.replace("FaceGroup", "1234"), None, [("q", True)]),  # patches of a sculpture
        (GROUPS.replace("FaceGroup", "facets"), None, [("q", True)]),
        (f"g face\n{GROUPS}".replace("FaceGroup", "1234"), None, [("q", True)]),  # nothing is in it
        (GROUPS.replace("g hat", "g"), None, [("FaceGroup", True), ("default", False)]),
        (f"o head\n{GROUPS}", None, [("head", True)]),  # objects say more
        (f"usemtl m\n{GROUPS}", ["m"], [("q", True)]),  # so do materials
        (GROUPS, ["q"], [("q", True)]),
    ],
)
def test_obj_groups_are_parts_where_one_is_called_face(
    tmp_path: Path, body: str, face: list[str] | None, expected: list[tuple[str, bool]]
) -> None:
    parts = load_mesh(write_obj(tmp_path / "q.obj", "Kd 1 0 0", name="m", body=body), face)
    assert [(part.name, part.face) for part in parts] == expected


def test_obj_vertex_colors_count_beside_a_material(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj", "Kd 0.5 1 1")
    path.write_text(
        "".join(f"{line} 1 0.5 0\n" if line[:2] == "v " else f"{line}\n" for line in path.read_text().splitlines())
    )
    np.testing.assert_allclose(load_mesh(path)[0].material.albedo, (0.5, 0.214, 0), atol=0.002)  # they are sRGB
    path.with_suffix(".mtl").write_text("newmtl skin\nmap_Kd tex.png\n")
    assert load_mesh(path)[0].material.albedo == (1, 1, 1)  # a texture says it all
    path.with_suffix(".mtl").write_text("newmtl skin\nKd 0.5 1 1\n")
    path.write_text(path.read_text().replace(" 1 0.5 0\n", " 0 0 0\n"))
    assert load_mesh(path)[0].material.albedo == (0.5, 1, 1)  # nobody means black


def test_text_files_in_old_encodings(tmp_path: Path) -> None:
    path = write_obj(
        tmp_path / "q.obj", name="Gesichtsskin f\u00fcr M\u00fcller\u2026"
    )  # whose end Latin-1 takes for a line's
    for file in (path, path.with_suffix(".mtl")):
        file.write_bytes(file.read_text(encoding="utf-8").encode("cp1252"))
    assert load_mesh(path)[0].material.name == "Gesichtsskin f\u00fcr M\u00fcller\u2026"
    path.write_bytes(b"\xef\xbb\xbf" + write_obj(path).read_bytes())
    assert load_mesh(path)[0].material.albedo_map is not None
    Image.fromarray(PIXELS).save(tmp_path / "\u00fc.png")
    rows = ["0 0", "1 0", "1 1", "0 1"]
    ply = write_ply(tmp_path / "q.ply", "float s, float t", rows, "comment TextureFile \u00fc.png")
    ply.write_bytes(ply.read_text(encoding="utf-8").encode("latin-1"))
    assert color_at(load_mesh(ply)[0], (0, 0, 0)) == [0, 0, 255]


def test_files_named_by_another_computer_may_lie_beside(tmp_path: Path) -> None:
    path = write_obj(tmp_path / "q.obj")
    path.write_text(path.read_text().replace("mtllib q.mtl", r"mtllib D:\heads\our own\q.mtl"))
    assert load_mesh(path)[0].material.albedo_map is not None
    rows = ["0 0", "1 0", "1 1", "0 1"]
    ply = write_ply(tmp_path / "q.ply", "float s, float t", rows, r"comment TextureFile D:\scans\tex.png")
    assert load_mesh(ply)[0].material.albedo_map is not None and files_of(ply) == (ply, tmp_path / "tex.png")


def test_names_in_older_encodings_stay_apart(tmp_path: Path) -> None:
    """In Shift-JIS; bytes that Windows-1252 lacks begin many of its letters."""
    assert decode(b"newmtl \x8d\x95\x85") == "newmtl \x8d\u2022\u2026" != decode(b"newmtl \x8f\x95\x85")


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
    assert ply.name == "q"
    np.testing.assert_allclose(ply.material.albedo, (0.127, 0, 1), atol=0.001)  # PLY colours are sRGB
    colors = np.tile(np.array([0.25, 0.5, 1.0, 1.0], "<f4"), (4, 1))
    glb = Glb(COLOR_0=colors)
    glb.header["materials"] = [{"name": "skin", "pbrMetallicRoughness": {"baseColorFactor": [1, 1, 0.5, 1]}}]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.material.albedo, (0.25, 0.5, 0.5), atol=0.01)  # linear in glTF
    glb.header["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    (part,) = load_mesh(glb.write(tmp_path / "t.glb"))
    assert part.material.albedo == (1.0, 1.0, 0.5)  # a texture says it all; the colours' mean would darken it


def test_colors_of_vertices_beside_coordinates_of_corners(tmp_path: Path) -> None:
    """Which cut a PLY's mesh up, and leave colours as they were."""
    path = write_ply(tmp_path / "q.ply", "uchar red, uchar green, uchar blue", ["0 100 255"] * 4)
    text = path.read_text().replace("vertex_indices\n", "vertex_indices\nproperty list uchar float texcoord\n")
    path.write_text(text.replace("3 0 1 2", "3 0 1 2 6 0 0 1 0 1 1").replace("3 0 2 3", "3 0 2 3 6 .5 0 1 1 0 1"))
    (part,) = load_mesh(path)
    assert len(part.mesh.positions) == 5
    np.testing.assert_allclose(part.material.albedo, (0, 0.127, 1), atol=0.001)


def test_parts_that_share_vertices_have_the_colors_of_their_own(tmp_path: Path) -> None:
    """As many exporters write primitives: one set of arrays, and indices into it."""
    glb = Glb(COLOR_0=np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]], "<f4"), indices=np.array([0, 1, 2], "<u2"))
    glb.header["materials"] = [{"name": "skin"}]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    assert part.material.albedo == (1.0, 0.0, 0.0)


def test_materials_that_show_one_image_share_its_texture(tmp_path: Path) -> None:
    """Heads of dozens of materials may have one atlas, and a scene has room for 32 textures."""
    lines = "map_Kd tex.png\nmap_Pr tex.png\n"
    body = "usemtl skin\nf 1/1 2/2 3/3\nusemtl lips\nf 1/1 3/3 4/4\n"
    obj = read_parts(write_obj(tmp_path / "q.obj", f"{lines}newmtl lips\n{lines}", body=body))
    glb = Glb()
    surface = {"baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 0}}
    glb.header["materials"] = [{"name": name, "pbrMetallicRoughness": surface} for name in ("skin", "lips")]
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    glb.header["meshes"] = [{"primitives": [{"attributes": attributes, "indices": 3, "material": i} for i in (0, 1)]}]
    for first, second in (obj, read_parts(glb.write(tmp_path / "q.glb"))):
        assert first.material.name != second.material.name
        assert first.material.albedo_map is second.material.albedo_map is not None
        assert first.material.roughness_map is second.material.roughness_map is not None
        assert first.material.roughness_map is not first.material.albedo_map


def test_the_mean_of_vertex_colors_is_that_of_their_light(tmp_path: Path) -> None:
    colors = ["0 0 0", "255 255 255", "0 0 0", "255 255 255"]
    rows = [f"{uv} {color}" for uv, color in zip(("0 0", "1 0", "1 1", "0 1"), colors, strict=True)]
    columns = "float s, float t, uchar red, uchar green, uchar blue"
    (part,) = load_mesh(write_ply(tmp_path / "q.ply", columns, rows))
    np.testing.assert_allclose(part.material.albedo, (0.5, 0.5, 0.5), atol=1e-6)


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


def test_smooth_normals_are_the_same_where_parts_of_a_face_meet(tmp_path: Path) -> None:
    bent = "v 0.2 0 -0.2\nv 0.2 0.2 -0.2\nvt 0.5 0\nvt 0.5 1\n"
    body = f"{bent}usemtl skin\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\nusemtl lips_skin\nf 2/2 5/5 6/6\nf 2/2 6/6 3/3\n"
    path = write_obj(tmp_path / "q.obj", "Kd 1 1 1\nnewmtl lips_skin", body=body)
    with pytest.warns(UserWarning, match="overlap"):
        first, second = (part.mesh for part in load_mesh(path))
    places = [
        first.positions.tolist().index(place)
        for place in second.positions.tolist()
        if place in first.positions.tolist()
    ]
    shared = [second.positions.tolist().index(first.positions.tolist()[place]) for place in places]
    assert len(places) == 2
    np.testing.assert_array_equal(first.normals[places], second.normals[shared])
    assert (first.normals[places, 0] > 0.2).all() and (first.normals[places, 2] > 0.2).all()


def test_parts_of_a_face_that_look_inwards_spoil_no_normals(tmp_path: Path) -> None:
    body = "vt 0.5 1\nusemtl skin\nf 1/1 2/2 3/3\nusemtl lips_skin\nf 1/1 4/5 3/3\n"
    path = write_obj(tmp_path / "q.obj", "Kd 1 1 1\nnewmtl lips_skin", body=body)
    first, _ = (part.mesh for part in load_mesh(path))
    np.testing.assert_allclose(first.normals, np.tile((0, 0, 1), (3, 1)), atol=1e-6)


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


def test_files_that_a_mesh_is_made_of(tmp_path: Path) -> None:
    """Whether they are there or not; what cannot be read names none."""
    at = tmp_path.joinpath
    obj = write_obj(at("q.obj"), "map_Kd -bm 0.5 tex.png\nnorm bumps.png\nmap_Pr tex.png")
    assert files_of(obj) == (obj, at("q.mtl"), at("tex.png"), at("bumps.png"))
    at("q.mtl").unlink()
    assert files_of(obj) == (obj, at("q.mtl"))
    ply = write_textured_ply(at("q.ply"))
    assert files_of(ply) == (ply, at("tex.png"))
    glb = Glb()
    glb.header["images"] = [{"uri": "my%20skin.png"}, {"uri": "data:image/png;base64,"}, {"bufferView": 0}]
    file = glb.write(at("q.glb"))
    assert files_of(file) == (file, at("my skin.png"))
    gltf = at("q.gltf")
    gltf.write_text('{"buffers": [{"uri": "q.bin"}], "images": [{"uri": "tex.png"}]}')
    assert files_of(gltf) == (gltf, at("tex.png"), at("q.bin"))
    for text in ('{"buffers": [5]}', "[]", "{"):
        gltf.write_text(text)
        assert files_of(gltf) == (gltf,)
    os.mkfifo(at("pipe.glb"))
    for name in ("none.obj", "pipe.glb", "pipe.glb/in_no_folder.obj"):
        assert files_of(at(name)) == (at(name),)
    assert files_of(at("plain.stl")) == (at("plain.stl"),)
