"""Which part of a mesh is the face, and whether it can be one: its UVs, and where it looks."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.scene.meshes import load_mesh
from app.scene.model import Part
from app.scene.uv_checks import layers, overlap_share
from tests.primitives import uv_sphere
from tests.scene.glb_writer import POSITIONS, TRIANGLES, UVS, Glb


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
    "given",
    [
        {"emissiveFactor": [1.0, 0.5, 0.0]},
        {"extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.3}}},
        {"alphaMode": "BLEND"},
    ],
    ids=["glows", "clear", "blended"],
)
def test_a_face_neither_glows_nor_is_clear(tmp_path: Path, given: dict[str, Any]) -> None:
    """Networks know no such face. One that was clear was not drawn; one that glowed did so in the reference alone."""
    glb = Glb()
    glb.header["materials"][0] |= given
    with pytest.warns(UserWarning, match="part 'head' is face: it is drawn opaque and does not glow."):
        (part,) = load_mesh(glb.write(tmp_path / "q.glb"))
    assert (part.material.emission, part.material.transmission, part.cut_out) == ((0.0, 0.0, 0.0), 0.0, False)


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


def test_a_warning_does_not_name_dozens_of_parts(tmp_path: Path) -> None:
    glb = Glb()
    glb.header["nodes"] = [{"mesh": 0, "name": f"card{n}"} for n in range(12)]
    glb.header["scenes"] = [{"nodes": list(range(12))}]
    with pytest.warns(UserWarning, match="face 'card0' and 'card1' and 'card2' and 'card3' and 8 more overlap on 100%"):
        load_mesh(glb.write(tmp_path / "q.glb"), ("card",))


@pytest.mark.parametrize(("beyond", "told"), [(0.04, "overlap on 8% of their area"), (0.01, "")])
def test_much_of_a_layout_may_not_overlap_but_little(tmp_path: Path, beyond: float, told: str) -> None:
    """Two halves, each beyond the middle by so much."""
    left, right = UVS * [0.5 + beyond, 1], UVS * [0.5 + beyond, 1] + [0.5 - beyond, 0]
    glb = Glb(
        POSITION=np.concatenate([POSITIONS, POSITIONS + np.array([0.2, 0, 0], "<f4")]),
        NORMAL=None,
        TEXCOORD_0=np.concatenate([left, right]).astype("<f4"),
        indices=np.concatenate([TRIANGLES, TRIANGLES + np.uint16(4)]),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_mesh(glb.write(tmp_path / "q.glb"))
    assert (told in str(caught[0].message)) if told else not caught


@pytest.mark.parametrize("beyond", [5e-5, -5e-5])
def test_rounding_does_not_leave_the_unit_square(tmp_path: Path, beyond: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_mesh(Glb(TEXCOORD_0=UVS + np.float32(beyond)).write(tmp_path / "q.glb"))


@pytest.mark.parametrize("tile", [(2, 0), (-1, 0), (1, -3), (1 - 1e-5, -3 + 1e-5)], ids=["2", "-1", "1-3", "rounded"])
def test_a_face_in_another_udim_tile_is_moved_as_a_whole(tmp_path: Path, tile: tuple[float, float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = load_mesh(Glb().write(tmp_path / "a.glb"))[0].mesh.uvs
        moved = load_mesh(Glb(TEXCOORD_0=UVS + np.array(tile, "<f4")).write(tmp_path / "b.glb"))[0].mesh.uvs
    np.testing.assert_allclose(moved, expected, atol=2e-5)


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


def test_a_patch_that_is_hardly_hollow_stays_as_it_is(tmp_path: Path) -> None:
    """As of a cheek: which side of it is outside, its triangles say better than its bend."""
    u, v = (plane.ravel() for plane in np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9)))
    x, y = 0.2 * u - 0.1, 0.2 * v - 0.1
    first = (np.arange(8)[:, None] * 9 + np.arange(8)).reshape(-1, 1)
    triangles = np.concatenate([first + np.array(corners) for corners in ((0, 1, 10), (0, 10, 9))])
    glb = Glb(
        POSITION=np.stack([x, y, 0.2 * (x * x + y * y)], axis=1).astype("<f4"),
        NORMAL=None,
        TEXCOORD_0=np.stack([u, 1.0 - v], axis=1).astype("<f4"),
        indices=triangles.ravel().astype("<u2"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (part,) = load_mesh(glb.write(tmp_path / "cheek.glb"))
    np.testing.assert_array_equal(part.mesh.triangles, triangles)
    assert (part.mesh.normals[:, 2] > 0.9).all()


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
