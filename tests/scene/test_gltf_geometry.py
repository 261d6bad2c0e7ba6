"""Vertices of glTF files that are stored, packed or posed otherwise than as plain floats."""

import json
import warnings
from pathlib import Path
from typing import Any

import DracoPy
import numpy as np
import pytest

from app.errors import InputError
from app.scene.meshes import load_mesh
from app.scene.model import Mesh
from tests.primitives import uv_sphere
from tests.scene.glb_writer import NORMALS, POSITIONS, TRIANGLES, UVS, Glb

OUR_UVS = UVS * [1, -1] + [0, 1]


def vertices(glb: Glb, path: Path) -> Mesh:
    """What arrives of the quad, in the world."""
    (part,) = load_mesh(glb.write(path / "q.glb"))
    return part.mesh.with_transform(part.transform)


def described(glb: Glb) -> dict[str, Any]:
    """The header as `glb` will write it, to be changed."""
    glb.header, _ = glb.parts()
    return glb.header


def integers(values: Any, kind: str) -> Any:
    return np.rint(values * np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize(("uv", "place", "normal"), [("<u2", "<i2", "i1"), ("u1", "<u2", "<i2"), ("<u2", "u1", "i1")])
def test_normalised_integers_arrive_as_fractions(tmp_path: Path, uv: str, place: str, normal: str) -> None:
    """As of glTF itself for texture coordinates, and of KHR_mesh_quantization for all else."""
    glb = Glb(POSITION=integers(POSITIONS, place), NORMAL=integers(NORMALS, normal), TEXCOORD_0=integers(UVS * 0.5, uv))
    header = described(glb)
    header["extensionsRequired"] = ["KHR_mesh_quantization"]
    for accessor in header["accessors"][:3]:
        accessor["normalized"] = True
    found = vertices(glb, tmp_path)
    for got, expected, kind in (
        (found.positions, POSITIONS, place),
        (found.normals, NORMALS, normal),
        (found.uvs, UVS * [0.5, -0.5] + [0, 1], uv),
    ):
        np.testing.assert_allclose(got, expected, atol=0.75 / np.iinfo(kind).max)


def test_integers_that_are_not_normalised_arrive_as_such(tmp_path: Path) -> None:
    glb = Glb(POSITION=(POSITIONS * 5000).astype("<u2"), NORMAL=None)
    described(glb)["nodes"][0] |= {"scale": [1 / 5000] * 3, "translation": [0, 1, 0]}
    np.testing.assert_allclose(vertices(glb, tmp_path).positions, POSITIONS + np.array([0, 1, 0]), atol=1e-6)


def test_the_most_negative_integer_is_minus_one(tmp_path: Path) -> None:
    glb = Glb(NORMAL=np.array([[-128, 0, 0]] * 4, "i1"))
    described(glb)["accessors"][1]["normalized"] = True
    np.testing.assert_array_equal(vertices(glb, tmp_path).normals, [[-1, 0, 0]] * 4)


def test_rows_may_be_padded(tmp_path: Path) -> None:
    padded = np.zeros((4, 4), "<i2")  # six bytes of every eight: rows of vertices start at multiples of four
    padded[:, :3] = POSITIONS * 5000
    glb = Glb(POSITION=padded, NORMAL=None)
    header = described(glb)
    header["accessors"][0]["type"] = "VEC3"
    header["bufferViews"][header["accessors"][0]["bufferView"]]["byteStride"] = 8
    np.testing.assert_allclose(vertices(glb, tmp_path).positions, np.trunc(POSITIONS * 5000))


def test_a_vertex_may_have_its_numbers_side_by_side(tmp_path: Path) -> None:
    """As exporters pack them: one view, in whose rows each array starts elsewhere."""
    row = np.dtype([("place", "<i2", 4), ("normal", "i1", 4), ("uv", "<u2", 2)])
    rows = np.zeros(4, row)
    rows["place"][:, :3], rows["normal"][:, :3] = integers(POSITIONS, "<i2"), integers(NORMALS, "i1")
    rows["uv"] = integers(UVS, "<u2")
    glb = Glb(_ROWS=rows.view("<f4").reshape(4, 4))
    header = described(glb)
    view = header["accessors"][header["meshes"][0]["primitives"][0]["attributes"].pop("_ROWS")]["bufferView"]
    header["bufferViews"][view]["byteStride"] = row.itemsize
    for number, (kind, offset) in enumerate(((5122, 0), (5120, 8), (5123, 12))):  # places, normals, UVs
        what = {"bufferView": view, "byteOffset": offset, "componentType": kind, "normalized": True}
        header["accessors"][number] |= what
    found = vertices(glb, tmp_path)
    np.testing.assert_allclose(found.positions, POSITIONS, atol=1e-4)
    np.testing.assert_allclose(found.normals, NORMALS, atol=0.01)
    np.testing.assert_allclose(found.uvs, OUR_UVS, atol=1e-4)


@pytest.mark.parametrize("base", [True, False])
def test_sparse_arrays_are_filled(tmp_path: Path, base: bool) -> None:
    glb = Glb(_WHERE=np.array([1, 2, 3], "<u2"), _WHAT=POSITIONS[:3] + np.float32(5), NORMAL=None)
    header = described(glb)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    where, what = (header["accessors"][attributes.pop(name)] for name in ("_WHERE", "_WHAT"))
    position = header["accessors"][attributes["POSITION"]]
    position["sparse"] = {
        "count": 3,
        "indices": {"bufferView": where["bufferView"], "componentType": where["componentType"]},
        "values": {"bufferView": what["bufferView"]},
    }
    if not base:
        del position["bufferView"]
    expected = POSITIONS.copy() if base else np.zeros_like(POSITIONS)
    expected[1:] = POSITIONS[:3] + np.float32(5)
    np.testing.assert_array_equal(vertices(glb, tmp_path).positions, expected)


def test_sparse_arrays_may_begin_inside_a_view(tmp_path: Path) -> None:
    glb = Glb(_WHERE=np.array([0, 0, 2, 3], "<u2"), _WHAT=POSITIONS + np.float32(5), NORMAL=None)
    header = described(glb)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    where, what = (header["accessors"][attributes.pop(name)]["bufferView"] for name in ("_WHERE", "_WHAT"))
    header["accessors"][attributes["POSITION"]]["sparse"] = {
        "count": 2,
        "indices": {"bufferView": where, "byteOffset": 4, "componentType": 5123},
        "values": {"bufferView": what, "byteOffset": 12},
    }
    expected = POSITIONS.copy()
    expected[2:] = POSITIONS[1:3] + np.float32(5)
    np.testing.assert_array_equal(vertices(glb, tmp_path).positions, expected)


def compressed(mesh: Mesh, folder: Path) -> Path:
    """A GLB whose only primitive is compressed by Draco."""
    blob = DracoPy.encode(
        mesh.positions,
        mesh.triangles,
        quantization_bits=16,
        tex_coord=(mesh.uvs * [1, -1] + [0, 1]).astype(np.float64),
        normals=mesh.normals.astype(np.float64),
    )
    decoded = DracoPy.decode(blob)
    kinds = {0: "POSITION", 1: "NORMAL", 3: "TEXCOORD_0"}
    numbers = {kinds[each["attribute_type"]]: each["unique_id"] for each in decoded.attributes}
    count, corners = len(decoded.points), decoded.faces.size
    glb = Glb()
    header, data = glb.parts()
    view = {"buffer": 0, "byteOffset": len(data), "byteLength": len(blob)}
    glb.parts = lambda: (header, data + blob + b"\0" * (-len(blob) % 4))  # type: ignore[method-assign]
    header["bufferViews"].append(view)
    header["accessors"] = [
        *({"componentType": 5126, "count": count, "type": kind} for kind in ("VEC3", "VEC3", "VEC2")),
        {"componentType": 5123, "count": corners, "type": "SCALAR"},
    ]
    extension = {"bufferView": len(header["bufferViews"]) - 1, "attributes": numbers}
    header["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": extension}
    header["extensionsRequired"] = ["KHR_draco_mesh_compression"]
    return glb.write(folder / "draco.glb")


def test_meshes_compressed_by_draco_arrive(tmp_path: Path) -> None:
    """Triangle by triangle, in whatever order the compression leaves them."""
    ball = uv_sphere(0.1, 12, 16)
    (part,) = load_mesh(compressed(ball, tmp_path))
    found = part.mesh

    def corners(mesh: Mesh) -> Any:
        columns = np.concatenate([mesh.positions, mesh.normals, mesh.uvs], axis=1)[mesh.triangles]
        middles = mesh.positions[mesh.triangles].mean(axis=1)
        order = np.lexsort(np.round(middles, 4).T)
        return columns.mean(axis=1)[order]

    assert len(found.triangles) == len(ball.triangles)
    np.testing.assert_allclose(corners(found), corners(ball), atol=2e-3)


def posed(**more: Any) -> Glb:
    """The quad with two morph targets: one lifts it by 1, the other moves it sideways by 2."""
    lift, shift = np.tile(np.array([[0, 1, 0], [2, 0, 0]], "<f4")[:, None], (1, 4, 1))
    glb = Glb(_LIFT=lift, _SHIFT=shift, **more)
    header = described(glb)
    primitive = header["meshes"][0]["primitives"][0]
    primitive["targets"] = [{"POSITION": primitive["attributes"].pop(name)} for name in ("_LIFT", "_SHIFT")]
    return glb


def test_morph_targets_count_by_their_weights(tmp_path: Path) -> None:
    glb = posed()
    np.testing.assert_array_equal(vertices(glb, tmp_path).positions, POSITIONS)
    glb.header["meshes"][0]["weights"] = [0.5, 0.25]
    np.testing.assert_allclose(vertices(glb, tmp_path).positions, POSITIONS + np.array([0.5, 0.5, 0]), atol=1e-7)
    glb.header["nodes"][0]["weights"] = [0.0, 1.0]  # a node's own win
    np.testing.assert_allclose(vertices(glb, tmp_path).positions, POSITIONS + np.array([2, 0, 0]), atol=1e-7)


def test_morph_targets_turn_normals(tmp_path: Path) -> None:
    turn = np.array([[0, 0.2, -0.2]] * 4, "<f4")
    glb = Glb(_TURN=turn)
    primitive = described(glb)["meshes"][0]["primitives"][0]
    primitive["targets"] = [{"NORMAL": primitive["attributes"].pop("_TURN")}]
    glb.header["meshes"][0]["weights"] = [1.0]
    np.testing.assert_allclose(vertices(glb, tmp_path).normals, NORMALS + turn, atol=1e-6)


def test_a_skin_moves_vertices_by_its_joints(tmp_path: Path) -> None:
    """The first two vertices hang on one joint, the third on both, the fourth on the other; the node has no say."""
    half = np.sqrt(0.5)
    bind = np.stack([np.eye(4), np.eye(4)]).astype("<f4")
    bind[1, :3, 3] = [0, -0.2, 0]  # the second joint was at (0, 0.2, 0) when the skin was bound to it
    glb = Glb(
        JOINTS_0=np.array([[0, 1, 0, 0]] * 4, "u1"),
        WEIGHTS_0=integers(np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 1, 0, 0]]), "<u2"),
        NORMAL=np.tile(np.array([1, 0, 0], "<f4"), (4, 1)),
        _BIND=bind.transpose(0, 2, 1).reshape(2, 16),
    )
    header = described(glb)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    header["accessors"][attributes["WEIGHTS_0"]]["normalized"] = True
    header["skins"] = [{"joints": [2, 3], "inverseBindMatrices": attributes.pop("_BIND")}]
    header["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]},
        {"children": [2], "scale": [10, 10, 10]},
        {"children": [3]},
        {"translation": [0, 0.2, 0], "rotation": [0, half, 0, half]},  # 90 degrees about y: x goes to -z
    ]
    header["scenes"] = [{"nodes": [0, 1]}]
    found = vertices(glb, tmp_path)
    first, second = POSITIONS * 10.0, POSITIONS[:, [2, 1, 0]] * [10.0, 10.0, -10.0]
    expected = np.stack([first[0], first[1], (first[2] + second[2]) / 2, second[3]])
    np.testing.assert_allclose(found.positions, expected, atol=1e-5)
    normals = [[1, 0, 0], [1, 0, 0], [half, 0, -half], [0, 0, -1]]
    np.testing.assert_allclose(found.normals, normals, atol=1e-5)
    glb.arrays["WEIGHTS_0"][3] = 0  # hangs on nothing
    del glb.header["accessors"], glb.header["bufferViews"], glb.header["buffers"], glb.header["meshes"]
    header = described(glb)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    header["accessors"][attributes["WEIGHTS_0"]]["normalized"] = True
    header["skins"][0]["inverseBindMatrices"] = attributes.pop("_BIND")
    np.testing.assert_allclose(vertices(glb, tmp_path).positions[3], first[3], atol=1e-5)
    header["scenes"] = [{"nodes": [0]}]
    with pytest.raises(InputError, match="a skin hangs on node 2, which is not in the scene"):
        vertices(glb, tmp_path)


def test_a_vertex_may_hang_on_more_than_four_joints(tmp_path: Path) -> None:
    """By shares of its weights' sum; what the joints stretch keeps its normals perpendicular."""
    near, far = np.zeros((4, 4), "u1"), np.array([[1, 0, 0, 0]] * 4, "u1")
    weights = np.array([[1, 0, 0, 0]] * 4, "<f4")
    normals = np.array([[0.6, 0.8, 0]] * 4, "<f4")
    glb = Glb(JOINTS_0=near, WEIGHTS_0=0.5 * weights, JOINTS_1=far, WEIGHTS_1=1.5 * weights, NORMAL=normals)
    header = described(glb)
    header["skins"] = [{"joints": [1, 2]}]
    header["nodes"] = [{"mesh": 0, "skin": 0}, {"scale": [4, 1, 1]}, {"scale": [4, 1, 1], "translation": [0, 0, 4]}]
    header["scenes"] = [{"nodes": [0, 1, 2]}]
    found = vertices(glb, tmp_path)
    np.testing.assert_allclose(found.positions, POSITIONS * [4, 1, 1] + [0, 0, 3], atol=1e-6)
    np.testing.assert_allclose(found.normals, [np.array([0.15, 0.8, 0]) / np.hypot(0.15, 0.8)] * 4, atol=1e-6)


@pytest.mark.parametrize("normals", [True, False], ids=["normals", "no normals"])
def test_joints_that_mirror_do_not_turn_things_inside_out(tmp_path: Path, normals: bool) -> None:
    """As files from left-handed programs have them; a node that mirrors a mesh without a skin looks the same."""
    ball = uv_sphere(0.1, 12, 16)
    influences = {
        "JOINTS_0": np.zeros((len(ball.positions), 4), "u1"),
        "WEIGHTS_0": np.tile(np.array([1, 0, 0, 0], "<f4"), (len(ball.positions), 1)),
    }
    world = []
    for skin in (influences, {}):
        glb = Glb(
            POSITION=ball.positions,
            NORMAL=ball.normals if normals else None,
            TEXCOORD_0=(ball.uvs * [1, -1] + [0, 1]).astype("<f4"),
            indices=ball.triangles.ravel(),
            **skin,
        )
        if skin:
            described(glb)["skins"] = [{"joints": [1]}]
        mirror = {"scale": [-1, 2, 1], "translation": [0.3, 0, 0]}
        glb.header["nodes"] = [{"mesh": 0, **({"skin": 0} if skin else mirror)}, mirror if skin else {}]
        glb.header["scenes"] = [{"nodes": [0, 1]}]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
        world.append(part.mesh.with_transform(part.transform))
    skinned, plain = world
    np.testing.assert_allclose(skinned.positions, plain.positions, atol=1e-6)
    np.testing.assert_allclose(skinned.normals, plain.normals, atol=1e-6 if normals else 0.05)
    np.testing.assert_array_equal(skinned.triangles, plain.triangles)


def test_sparse_colours_of_vertices_are_filled(tmp_path: Path) -> None:
    glb = Glb(COLOR_0=np.tile(np.array([0.2, 0.4, 0.6], "<f4"), (4, 1)), _WHERE=np.arange(4, dtype="<u2"))
    glb.header["materials"] = [{"name": "skin"}]
    header = described(glb)
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    accessors = header["accessors"]
    where, color = accessors[attributes.pop("_WHERE")], accessors[attributes["COLOR_0"]]
    color["sparse"] = {
        "count": 4,
        "indices": {"bufferView": where["bufferView"], "componentType": 5123},
        "values": {"bufferView": color.pop("bufferView")},
    }
    np.testing.assert_allclose(load_mesh(glb.write(tmp_path / "q.glb"))[0].material.albedo, (0.2, 0.4, 0.6), atol=1e-6)


@pytest.mark.parametrize("indexed", [True, False])
def test_fans_become_triangles(tmp_path: Path, indexed: bool) -> None:
    glb = Glb(indices=np.arange(4, dtype="<u2") if indexed else None)
    glb.primitive["mode"] = 6
    (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    np.testing.assert_array_equal(part.mesh.triangles, TRIANGLES.reshape(2, 3))


@pytest.mark.parametrize(
    "chosen",
    [
        {"texCoord": 1},
        {"extensions": {"KHR_texture_transform": {"texCoord": 1}}},
        {"texCoord": 0, "extensions": {"KHR_texture_transform": {"texCoord": 1}}},  # the extension's counts
    ],
)
def test_textures_choose_their_coordinates(tmp_path: Path, chosen: dict[str, Any]) -> None:
    other = (UVS * 0.5).astype("<f4")
    glb = Glb(TEXCOORD_1=other)
    described(glb)["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] |= chosen
    np.testing.assert_allclose(vertices(glb, tmp_path).uvs, other * [1, -1] + [0, 1])


def test_coordinates_beside_compressed_ones(tmp_path: Path) -> None:
    """Draco may hold some of the attributes only."""
    ball = uv_sphere(0.1, 12, 16)
    path = compressed(ball, tmp_path)
    data = path.read_bytes()
    length = int.from_bytes(data[12:16], "little")
    header, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    count = header["accessors"][0]["count"]
    other = np.tile(np.array([[0.1, 0.9]], "<f4"), (count, 1)) + np.arange(count, dtype="<f4")[:, None] / (2.0 * count)
    header["buffers"][0]["byteLength"] = len(binary) + other.nbytes
    header["bufferViews"].append({"buffer": 0, "byteOffset": len(binary), "byteLength": other.nbytes})
    view = len(header["bufferViews"]) - 1
    header["accessors"].append({"bufferView": view, "componentType": 5126, "count": count, "type": "VEC2"})
    header["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = len(header["accessors"]) - 1
    header["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["texCoord"] = 1
    glb = Glb()
    glb.parts = lambda: (header, binary + other.tobytes())  # type: ignore[method-assign]
    (part,) = load_mesh(glb.write(tmp_path / "beside.glb"))
    np.testing.assert_allclose(part.mesh.uvs, other * [1, -1] + [0, 1], atol=1e-6)


def test_absurd_counts_are_refused(tmp_path: Path) -> None:
    glb = Glb(NORMAL=None)
    header = described(glb)
    position = header["accessors"][0]
    del position["bufferView"]
    position |= {"count": 10**9, "sparse": {"count": 0, "indices": {}, "values": {}}}
    with pytest.raises(InputError, match="1,000,000,000 entries, more than"):
        vertices(glb, tmp_path)


@pytest.mark.parametrize("tile", [0, 1])
def test_textures_do_not_repeat_on_a_face(tmp_path: Path, tile: int) -> None:
    glb = Glb(TEXCOORD_0=(UVS + np.array([tile, 0])).astype("<f4"))
    reference = described(glb)["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    reference["extensions"] = {"KHR_texture_transform": {"scale": [2, 2]}}
    with pytest.warns(UserWarning, match="not done on a face"):
        found = vertices(glb, tmp_path)
    np.testing.assert_allclose(found.uvs, OUR_UVS)


@pytest.mark.parametrize(
    ("transform", "corner", "across", "down"),
    [
        ({"offset": [0.25, 0.5]}, [0.25, 0.5], [1, 0], [0, 1]),
        ({"scale": [0.5, 0.25]}, [0, 0], [0.5, 0], [0, 0.25]),
        # The specification's own example: the lower left quarter of the image, turned by 90 degrees.
        ({"offset": [0, 1], "rotation": np.pi / 2, "scale": [0.5, 0.5]}, [0, 1], [0, -0.5], [0.5, 0]),
        ({"offset": [0, 1], "rotation": np.pi / 2, "scale": [0.5, 0.25]}, [0, 1], [0, -0.5], [0.25, 0]),
        ({"offset": [0, 1], "scale": [1, -1]}, [0, 1], [1, 0], [0, -1]),
    ],
)
def test_textures_are_moved(tmp_path: Path, transform: Any, corner: Any, across: Any, down: Any) -> None:
    """KHR_texture_transform, as places of the image whose corner is (0, 0) and whose v points down."""
    small = (UVS * 0.5).astype("<f4")
    glb = Glb(TEXCOORD_0=small)
    reference = described(glb)["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]
    reference["extensions"] = {"KHR_texture_transform": transform}
    expected = np.array(corner) + small[:, :1] * across + small[:, 1:] * down
    np.testing.assert_allclose(vertices(glb, tmp_path).uvs, expected * [1, -1] + [0, 1], atol=1e-6)


def test_textures_of_one_material_that_lie_elsewhere_are_told(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["materials"][0]["normalTexture"] = {
        "index": 0,
        "extensions": {"KHR_texture_transform": {"scale": [4, 4]}},
    }
    with pytest.warns(UserWarning, match=r"normalTexture of material 'skin' is to lie elsewhere on the mesh"):
        load_mesh(glb.write(tmp_path / "q.glb"))


def test_the_same_of_a_file_with_files_beside_it(tmp_path: Path) -> None:
    glb = Glb(TEXCOORD_0=integers(UVS, "<u2"))
    header, data = glb.parts()
    header["accessors"][2]["normalized"] = True
    header["buffers"][0]["uri"] = "vertex%20data.bin"
    (tmp_path / "vertex data.bin").write_bytes(data)
    (tmp_path / "q.gltf").write_text(json.dumps(header))
    (part,) = load_mesh(tmp_path / "q.gltf")
    np.testing.assert_allclose(part.mesh.uvs, OUR_UVS)
    np.testing.assert_array_equal(part.mesh.triangles, TRIANGLES.reshape(2, 3))
