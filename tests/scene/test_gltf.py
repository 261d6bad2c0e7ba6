"""What arrives of a GLB or glTF file."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from app.errors import InputError
from app.scene.mesh_files import read_parts
from app.scene.meshes import load_mesh
from app.scene.model import DEFAULT_IOR, SKIN_MEAN_FREE_PATH
from tests.scene.glb_writer import NORMALS, PIXELS, POSITIONS, TRIANGLES, UVS, Glb, png
from tests.scene.mesh_writers import color_at


def test_glb_arrives_vertex_for_vertex(tmp_path: Path) -> None:
    (part,) = load_mesh(Glb().write(tmp_path / "q.glb"))
    np.testing.assert_array_equal(part.mesh.positions, POSITIONS)
    np.testing.assert_allclose(part.mesh.normals, NORMALS, atol=1e-6)
    np.testing.assert_allclose(part.mesh.uvs, UVS * [1, -1] + [0, 1])
    np.testing.assert_array_equal(part.mesh.triangles, TRIANGLES.reshape(2, 3))
    assert part.name == "head"
    np.testing.assert_array_equal(part.transform, np.eye(4))


def test_what_follows_the_end_of_a_glb_is_no_part_of_it(tmp_path: Path) -> None:
    path = Glb().write(tmp_path / "q.glb")
    path.write_bytes(path.read_bytes() + b"padding")
    assert len(load_mesh(path)) == 1


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


@pytest.mark.filterwarnings("ignore:.* it is drawn opaque and does not glow")
def test_a_material_that_cuts_out_and_does_not_say_where_does_so_at_one_half(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["materials"] = [{"name": "lashes", "alphaMode": "MASK"}]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    assert (part.material.alpha_mode, part.material.alpha_cutoff) == ("mask", 0.5)


@pytest.mark.parametrize(("mode", "opacity"), [("MASK", 0.0), ("BLEND", 1.0)])
def test_what_cuts_out_above_any_alpha_is_not_there(tmp_path: Path, mode: str, opacity: float) -> None:
    """And of other modes no cut-off counts."""
    glb = Glb()
    glb.header["materials"] = [{"name": "mask", "alphaMode": mode, "alphaCutoff": 1.5}]
    (part,) = read_parts(glb.write(tmp_path / "q.glb"))
    assert (part.material.opacity, part.material.alpha_cutoff) == (opacity, 1.0)


def test_glowing_textures_are_colours(tmp_path: Path) -> None:
    """sRGB of 128 is 0.216 of the light; a part glows in the mean of its texture."""
    glb = Glb()
    glb.images[0] = png([[(128, 128, 128), (128, 128, 128)]])
    glb.header["materials"] = [{"name": "lamp", "emissiveFactor": [1.0, 0.5, 0.0], "emissiveTexture": {"index": 0}}]
    (part,) = read_parts(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.material.emission, (0.216, 0.108, 0.0), atol=5e-4)


def test_own_numbers_of_a_glb_win(tmp_path: Path) -> None:
    """What `extras.bungyo` says holds for skin and for everything else; the rest of skin is as for any file."""
    glb = Glb()
    own = {"mean_free_path": [3.0, 2.0, 1.0], "second_roughness": 0.2, "second_weight": 0.25}
    glb.header["materials"][0]["extras"] = {"somebody": 1, "bungyo": own}
    glb.header["materials"][0]["extensions"] = {"KHR_materials_ior": {"ior": 1.376}}
    skin = load_mesh(glb.write(tmp_path / "a.glb"))[0].material
    assert (skin.subsurface, skin.mean_free_path) == (1.0, (3.0, 2.0, 1.0))
    assert (skin.second_roughness, skin.second_weight, skin.ior) == (0.2, 0.25, 1.376)
    own["subsurface"] = 0.0
    assert load_mesh(glb.write(tmp_path / "b.glb"))[0].material.subsurface == 0.0
    for value, message in (({"shine": 1.0}, "unknown shine"), (3, "must be an object"), ({"subsurface": 2}, "<= 1")):
        glb.header["materials"][0]["extras"]["bungyo"] = value
        with pytest.raises(InputError, match=message):
            load_mesh(glb.write(tmp_path / "c.glb"))


def test_metals_of_the_archived_kind_are_metals(tmp_path: Path) -> None:
    """Which is what the kind says of those that give no colour of what they reflect."""
    glb = Glb()
    old = {"diffuseFactor": [0.0, 0.0, 0.0, 1.0], "glossinessFactor": 0.75, "specularFactor": [1.0, 0.77, 0.34]}
    glb.header["materials"] = [{"name": "ring", "extensions": {"KHR_materials_pbrSpecularGlossiness": old}}]
    glb.header["materials"] += [{"name": "skin"}]
    glb.header["nodes"] = [{"mesh": 0, "name": "a"}, {"mesh": 1, "name": "b"}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    attributes = {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}
    glb.header["meshes"] = [
        {"primitives": [{"attributes": attributes, "indices": 3, "material": index}]} for index in (0, 1)
    ]
    for albedo in ((1.0, 0.77, 0.34), (1.0, 1.0, 1.0)):
        ring = load_mesh(glb.write(tmp_path / "ring.glb"))[0].material
        assert ring.metallic == pytest.approx(1.0) and ring.roughness == 0.25
        assert ring.albedo == pytest.approx(albedo)
        old.pop("specularFactor", None)


def test_skin_of_the_archived_kind_keeps_its_colours(tmp_path: Path) -> None:
    """As it is drawn without what makes metals of what reflects much: by default all, with a map what it has."""
    glb = Glb()
    old = {"diffuseFactor": [0.5, 0.4, 0.3, 1.0], "glossinessFactor": 0.75}
    glb.header["materials"] = [{"name": "skin", "extensions": {"KHR_materials_pbrSpecularGlossiness": old}}]
    found = load_mesh(glb.write(tmp_path / "plain.glb"))[0].material
    assert found.metallic == 0.0 and found.albedo == pytest.approx((0.5, 0.4, 0.3)) and found.albedo_map is None
    old["diffuseTexture"] = old["specularGlossinessTexture"] = {"index": 0}
    glb.images = [png([[(200, 150, 100, 255), (100, 150, 200, 255)]])]
    found = load_mesh(glb.write(tmp_path / "maps.glb"))[0].material
    assert found.metallic == 0.0 and found.albedo == pytest.approx((0.5, 0.4, 0.3))
    assert found.albedo_map is not None and found.albedo_map.srgb
    assert found.albedo_map.pixels[..., :3].tolist() == [[[200, 150, 100], [100, 150, 200]]]


def test_skin_of_the_archived_kind_has_the_colours_of_its_vertices(tmp_path: Path) -> None:
    glb = Glb(COLOR_0=np.tile(np.array([0.5, 0.25, 1.0, 1.0], "<f4"), (4, 1)))
    old = {"diffuseFactor": [0.5, 0.4, 0.3, 1.0]}
    glb.header["materials"] = [{"name": "skin", "extensions": {"KHR_materials_pbrSpecularGlossiness": old}}]
    found = load_mesh(glb.write(tmp_path / "q.glb"))[0].material
    assert found.albedo == pytest.approx((0.25, 0.1, 0.3), abs=0.005)


def test_materials_of_the_archived_kind_arrive(tmp_path: Path) -> None:
    """KHR_materials_pbrSpecularGlossiness, unless the file has glTF's own kind beside it."""
    glb = Glb()
    old = {"diffuseFactor": [0.1, 0.2, 0.3, 1.0], "glossinessFactor": 0.75, "diffuseTexture": {"index": 0}}
    glb.header["materials"] = [{"name": "skin", "extensions": {"KHR_materials_pbrSpecularGlossiness": old}}]
    glb.header["extensionsRequired"] = ["KHR_materials_pbrSpecularGlossiness"]
    found = load_mesh(glb.write(tmp_path / "a.glb"))[0].material
    assert (found.roughness, found.metallic) == (0.25, 0.0) and found.albedo == pytest.approx((0.1, 0.2, 0.3))
    assert found.albedo_map is not None
    del old["glossinessFactor"]  # smooth
    assert load_mesh(glb.write(tmp_path / "smooth.glb"))[0].material.roughness == 0.0
    old["glossinessFactor"] = 0.75
    glb.images.append(png([[(0, 0, 0, 255), (0, 0, 0, 51)]]))
    glb.header["textures"].append({"source": 1})
    old["specularGlossinessTexture"] = {"index": 1}  # its alpha is glossiness
    found = load_mesh(glb.write(tmp_path / "gloss.glb"))[0].material
    assert found.roughness_map is not None
    assert (found.roughness, found.roughness_map.pixels.ravel().tolist()) == (1.0, [64, 217])
    old["specularGlossinessTexture"] = {"index": 0}  # without alpha
    found = load_mesh(glb.write(tmp_path / "plain.glb"))[0].material
    assert (found.roughness, found.roughness_map) == (0.25, None)
    del old["specularGlossinessTexture"]
    glb.header["materials"][0]["pbrMetallicRoughness"] = {"baseColorFactor": [0.5, 0.5, 0.5, 1.0]}
    found = load_mesh(glb.write(tmp_path / "b.glb"))[0].material
    assert (found.albedo, found.roughness, found.albedo_map) == ((0.5, 0.5, 0.5), 1.0, None)


@pytest.mark.parametrize(("given", "expected"), [(1.33, 1.33), (0, DEFAULT_IOR), (1000, DEFAULT_IOR)])
def test_indices_of_refraction(tmp_path: Path, given: float, expected: float) -> None:
    glb = Glb()
    glb.header["materials"][0]["extensions"] = {"KHR_materials_ior": {"ior": given}}
    assert load_mesh(glb.write(tmp_path / "q.glb"))[0].material.ior == expected


@pytest.mark.parametrize(
    ("ior", "specular", "front"),
    [
        (1.5, {"specularFactor": 0.5}, 0.02),
        (1.5, {"specularColorFactor": [1.0, 0.5, 0.0]}, 0.02),
        (1.5, {"specularFactor": 0.0}, 0.0),
        (0, {"specularFactor": 0.5, "specularColorFactor": [0.1, 0.1, 0.1]}, 0.05),
        (1.5, {"specularColorFactor": [60.0, 60.0, 60.0]}, 0.25),  # glass of index 3 is the most
    ],
)
def test_reflectance_from_the_front(tmp_path: Path, ior: float, specular: dict[str, object], front: float) -> None:
    """Of the extension for dielectrics: the index that reflects as much."""
    glb = Glb()
    extensions = {"KHR_materials_ior": {"ior": ior}, "KHR_materials_specular": specular}
    glb.header["materials"][0]["extensions"] = extensions
    found = load_mesh(glb.write(tmp_path / "q.glb"))[0].material.ior
    assert ((found - 1.0) / (found + 1.0)) ** 2 == pytest.approx(front, abs=1e-6)


def test_what_is_not_drawn_is_named(tmp_path: Path) -> None:
    """And what shows nothing is not."""
    glb = Glb()
    glb.header["materials"][0]["extensions"] = {
        "KHR_materials_clearcoat": {"clearcoatFactor": 0.5},
        "KHR_materials_sheen": {"sheenColorFactor": [0.0, 0.0, 0.0]},
        "KHR_materials_transmission": {"transmissionTexture": {"index": 0}},
    }
    with pytest.warns(UserWarning, match=r"material 'skin' has clear coat, map of transmission, which is not drawn\.$"):
        load_mesh(glb.write(tmp_path / "q.glb"))


def test_textures_go_on_as_their_samplers_say(tmp_path: Path) -> None:
    """Which one image may have several of."""
    glb = Glb()
    glb.header["samplers"] = [{"wrapS": 33648, "wrapT": 33071}, {}]
    glb.header["textures"] = [{"source": 0, "sampler": 0}, {"source": 0, "sampler": 1}]
    material = glb.header["materials"][0]
    glb.header["materials"].append(
        {**material, "pbrMetallicRoughness": {"baseColorTexture": {"index": 1}}, "name": "b"}
    )
    glb.header["nodes"] = [{"mesh": 0}, {"mesh": 1}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    header, _ = glb.parts()
    (primitive,) = header["meshes"][0]["primitives"]
    glb.header["meshes"] = [header["meshes"][0], {"primitives": [{**primitive, "material": 1}]}]
    parts = read_parts(glb.write(tmp_path / "q.glb"))
    maps = [part.material.albedo_map for part in parts]
    assert [one.wrap for one in maps if one is not None] == [("mirror", "clamp"), ("repeat", "repeat")]


def test_factors_that_were_rounded_up_are_one(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["materials"][0]["pbrMetallicRoughness"] |= {
        "baseColorFactor": [1.0000001, 0.5, 1.0, 1.0000001], "roughnessFactor": 1.0000001, "metallicFactor": 1.0000001,
    }  # fmt: skip
    (part,) = read_parts(glb.write(tmp_path / "q.glb"))
    material = part.material
    assert (material.albedo, material.opacity) == ((1.0, 0.5, 1.0), 1.0)
    assert (material.roughness, material.metallic) == (1.0, 1.0)


def test_what_is_scaled_to_nothing_is_left_out(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["materials"].append({"name": "hat"})
    glb.header["nodes"] = [{"mesh": 0, "name": "head"}, {"mesh": 1, "name": "hat", "scale": [0, 0, 0]}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    attributes = {"POSITION": 0, "TEXCOORD_0": 2}
    glb.header["meshes"] = [
        {"primitives": [{"attributes": attributes, "indices": 3, "material": number}]} for number in (0, 1)
    ]
    assert [part.name for part in load_mesh(glb.write(tmp_path / "q.glb"))] == ["head"]
    glb.header["nodes"][1]["scale"] = [1, 0, 1]
    turned = {"mesh": 1, "name": "hat", "matrix": [0.1, 0.2, 0.3, 0, 0.3, 0.6, 0.9, 0, 0.7, 0.1, 1, 0, 0, 0, 0, 1]}
    for hat in (glb.header["nodes"][1], turned):  # that matrix is flat but for rounding
        glb.header["nodes"][1] = hat
        with pytest.warns(UserWarning, match="part 'hat' is flattened by its transform: it is left out"):
            assert [part.name for part in load_mesh(glb.write(tmp_path / "q.glb"))] == ["head"]


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


def test_a_node_is_scaled_then_turned_then_moved(tmp_path: Path) -> None:
    glb, half = Glb(), np.sqrt(0.5)
    glb.header["nodes"][0] |= {"translation": [1, 2, 3], "rotation": [0, half, 0, half], "scale": [2, 3, 4]}
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    np.testing.assert_allclose(part.transform @ (1, 1, 1, 1), (1 + 4, 2 + 3, 3 - 2, 1), atol=1e-7)


@pytest.mark.parametrize("length", [1.0, 2.0])
def test_rotations_match_trimesh(tmp_path: Path, length: float) -> None:
    """Of quaternions that are not of unit length only the direction counts."""
    x, y, z, w = np.array([0.1, -0.5, 0.3, 0.8]) / np.sqrt(0.99)
    glb = Glb()
    glb.header["nodes"][0]["rotation"] = [length * x, length * y, length * z, length * w]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    expected = trimesh.transformations.quaternion_matrix([w, x, y, z])
    np.testing.assert_allclose(part.transform, expected, atol=1e-12)


def test_the_scene_that_the_file_names_arrives_in_its_order(tmp_path: Path) -> None:
    """Parts have the names of their nodes, or else of their meshes."""
    glb = Glb()
    header, _ = glb.parts()
    glb.header["meshes"] = [header["meshes"][0] | {"name": "a mesh"}]
    glb.header["nodes"] = [
        {"mesh": 0, "name": "elsewhere"},
        {"children": [2, 3]},
        {"mesh": 0, "name": "left"},
        {"mesh": 0},
        {"mesh": 0, "name": "last"},
    ]
    glb.header |= {"scenes": [{"nodes": [0]}, {"nodes": [1, 4]}], "scene": 1}
    parts = load_mesh(glb.write(tmp_path / "q.glb"))
    assert [part.name for part in parts] == ["left", "a mesh", "last"]


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


def test_parts_of_one_name_are_numbered(tmp_path: Path) -> None:
    """Or else --face could not tell them apart."""
    glb = Glb()
    glb.header["materials"][0]["name"] = "cloth"
    glb.header["nodes"] = [{"mesh": 0, "name": "coat"}, {"mesh": 0, "name": "coat"}, {"mesh": 0, "name": "coat"}]
    glb.header["scenes"] = [{"nodes": [0, 1, 2]}]
    assert [part.name for part in load_mesh(glb.write(tmp_path / "q.glb"), ["coat_2"])] == ["coat", "coat_2", "coat_3"]


def test_what_is_drawn_may_be_required(tmp_path: Path) -> None:
    """A file may say that nobody can do without its lights and its images, which are WebP."""
    glb = Glb().with_lamp()
    image = io.BytesIO()
    Image.fromarray(PIXELS).save(image, "WEBP", lossless=True)
    glb.images = [image.getvalue()]
    glb.header["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
    glb.header["extensionsRequired"] = ["KHR_lights_punctual", "EXT_texture_webp"]
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    assert part.material.albedo_map is not None
    np.testing.assert_array_equal(part.material.albedo_map.pixels, PIXELS)


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
