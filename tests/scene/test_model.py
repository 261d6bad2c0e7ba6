"""Meshes, materials, textures and scenes."""

import math
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.scene.model import Material, Mesh, Part, Scene, Texture, smooth_normals
from tests.primitives import box, quad, uv_sphere

TRIANGLE = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)]


def geometric_normals(mesh: Mesh) -> Any:
    a, b, c = (mesh.positions[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    n = np.cross(b - a, c - a)
    return n / np.linalg.norm(n, axis=1, keepdims=True)


@pytest.mark.parametrize("mesh", [uv_sphere(0.3), quad(), box((-1, 0, 0), (1, 2, 3))], ids=["sphere", "quad", "box"])
def test_primitives_face_outwards_and_fill_valid_uvs(mesh: Mesh) -> None:
    agreement = np.einsum("ij,ij->i", geometric_normals(mesh), mesh.normals[mesh.triangles[:, 0]])
    assert agreement.min() > 0.9
    assert mesh.uvs.min() >= 0 and mesh.uvs.max() <= 1
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)


def test_sphere_is_round_closed_and_faces_plus_z_in_the_middle() -> None:
    mesh = uv_sphere(2.0, 16, 32)
    np.testing.assert_allclose(np.linalg.norm(mesh.positions, axis=1), 2, atol=1e-6)
    corners = mesh.positions[mesh.triangles].astype(np.float64)
    volume = np.linalg.det(corners).sum() / 6
    assert volume == pytest.approx(4 / 3 * math.pi * 8, rel=0.02)  # open or inside-out would be far off
    middle = np.abs(mesh.uvs - 0.5).sum(axis=1).argmin()
    np.testing.assert_allclose(mesh.positions[middle], (0, 0, 2), atol=1e-6)
    assert mesh.positions[mesh.uvs[:, 1].argmax()][1] == pytest.approx(2)
    right = np.abs(mesh.uvs - (0.75, 0.5)).sum(axis=1).argmin()
    np.testing.assert_allclose(mesh.positions[right], (2, 0, 0), atol=1e-6)


def test_box_bounds() -> None:
    np.testing.assert_allclose(box((-1, 0, 0), (1, 2, 3)).bounds(), [(-1, 0, 0), (1, 2, 3)])


def test_smooth_normals_of_a_sphere_are_radial_across_the_seam() -> None:
    sphere = uv_sphere(0.1, 24, 48)
    smooth = sphere.with_smooth_normals()
    assert np.einsum("ij,ij->i", smooth.normals, sphere.normals).min() > 0.999
    seam = sphere.uvs[:, 0] == 0
    other = sphere.uvs[:, 0] == 1
    np.testing.assert_array_equal(smooth.normals[seam], smooth.normals[other])


def test_smooth_normals_do_not_depend_on_how_quads_are_split() -> None:
    """At a cube's corner: the sides have one or two triangles there, but always 90 degrees."""
    points = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)]
    two_two_one = [(0, 1, 4), (0, 4, 2), (0, 3, 6), (0, 6, 1), (0, 2, 3), (2, 5, 3)]
    np.testing.assert_allclose(Mesh.of(points, two_two_one).normals[0], np.full(3, 3**-0.5), atol=1e-6)


def test_smooth_normals_survive_degenerate_and_unused_vertices() -> None:
    positions = np.array([*TRIANGLE, (5, 5, 5)], np.float32)
    normals = smooth_normals(positions, np.array([(0, 1, 2), (0, 0, 1)]))
    np.testing.assert_allclose(normals[:3], np.tile((0, 0, 1), (3, 1)), atol=1e-7)
    np.testing.assert_allclose(normals[3], (0, 1, 0))


def test_mesh_without_normals_gets_them() -> None:
    mesh = Mesh.of(TRIANGLE, [(0, 1, 2)])
    np.testing.assert_allclose(mesh.normals, np.tile((0, 0, 1), (3, 1)))
    assert mesh.triangles.dtype == np.uint32 and mesh.positions.dtype == np.float32


def test_transform_moves_positions_and_keeps_normals_perpendicular() -> None:
    matrix = np.array([[0, -2, 0, 1], [1, 0, 0, 2], [0, 0, 5, 3], [0, 0, 0, 1]], float)
    tilted = quad((0, 0, 0), (1, 0, 1), (0, 1, 0))
    moved = tilted.with_transform(matrix)
    np.testing.assert_allclose(moved.positions[2], matrix[:3] @ (1, 1, 1, 1), atol=1e-6)
    np.testing.assert_allclose(geometric_normals(moved)[0], moved.normals[0], atol=1e-6)


def test_mirroring_keeps_the_outside_outside() -> None:
    moved = uv_sphere(1.0).with_transform(np.diag([-1.0, 1, 1, 1]))
    agreement = np.einsum("ij,ij->i", geometric_normals(moved), moved.normals[moved.triangles[:, 0]])
    assert agreement.min() > 0.9


def test_bounds_ignore_unused_vertices_and_follow_transforms() -> None:
    mesh = Mesh.of([*TRIANGLE, (99, 99, 99)], [(0, 1, 2)])
    np.testing.assert_allclose(mesh.bounds(), [(0, 0, 0), (1, 1, 0)])
    shifted = np.eye(4)
    shifted[:3, 3] = 10, 20, 30
    face = Part("a", mesh, Material(), face=True, transform=shifted)
    scene = Scene((face, Part("b", mesh, Material())))
    np.testing.assert_allclose(scene.bounds(), [(0, 0, 0), (11, 21, 30)])
    np.testing.assert_allclose(scene.bounds(face_only=True), [(10, 20, 30), (11, 21, 30)])
    assert scene.face_parts == (face,)


@pytest.mark.parametrize("scale", [(1, 1, 1), (0.01, 0.01, 0.01), (1, 2, 0.5), (-1, 1, 1), (-0.01, 0.01, 0.01)])
def test_head_rotation_is_the_turn_alone(scale: tuple[float, float, float]) -> None:
    """Neither size nor a mirror image turns the head upside down."""
    turn = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = turn @ np.diag(scale), (1, 2, 3)
    face = Part("a", Mesh.of(TRIANGLE, [(0, 1, 2)]), Material(), face=True, transform=transform)
    np.testing.assert_allclose(Scene((face,)).head_rotation(), turn.T, atol=1e-12)


def test_faces_are_drawn_whole() -> None:
    for face, cut in ((True, False), (False, True)):
        for mode in ("mask", "blend"):
            assert Part("a", quad(), Material(alpha_mode=mode), face).cut_out is cut
        assert not Part("a", quad(), Material(), face).cut_out


def test_bounds_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="no parts"):
        Scene(()).bounds()


@pytest.mark.parametrize(
    ("positions", "triangles", "more", "message"),
    [
        (TRIANGLE, [(0, 1, 3)], {}, r"indices 0\.\.3, but there are 3 vertices"),
        (TRIANGLE, [(0, 1, -1)], {}, r"indices -1\.\.1"),
        (TRIANGLE, np.zeros((0, 3), int), {}, "M >= 1"),
        ([*TRIANGLE[:2], (0, math.nan, 0)], [(0, 1, 2)], {}, "positions contain values that are not finite"),
        (TRIANGLE, [(0, 1, 2)], {"uvs": [(0, 0), (0, 1)]}, r"uvs must be \(3,2\)"),
        (TRIANGLE, [(0, 1, 2)], {"normals": [(0, 0, math.inf)] * 3}, "normals contain"),
    ],
)
def test_bad_meshes_are_refused(positions: Any, triangles: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Mesh.of(positions, triangles, **more)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"albedo": (0.5, 1.5, 0.5)}, "albedo must be <= 1"),
        ({"albedo": (0.5, -0.1, 0.5)}, "albedo must not be negative"),
        ({"roughness": 1.2}, "roughness must be <= 1"),
        ({"ior": 0.5}, "ior must be >= 1"),
        ({"metallic": math.nan}, "metallic must be a finite number"),
        ({"subsurface": 1.0, "mean_free_path": (1.0, 0.0, 1.0)}, "mean_free_path must be > 0"),
        ({"alpha_mode": "dither"}, "alpha_mode must be"),
    ],
)
def test_bad_materials_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"material 'm'.*{message}"):
        Material("m", **fields)


def test_bad_textures_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(H,W,1\.\.4\)"):
        Texture(np.zeros((4, 4), np.uint8), name="t")
    with pytest.raises(InputError, match="not finite"):
        Texture(np.full((1, 1, 3), np.nan, np.float32), name="t")


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.diag([1, 1, 0, 1.0]), np.full((4, 4), np.nan), np.eye(3)])
def test_bad_transforms_are_refused(matrix: Any) -> None:
    with pytest.raises(InputError, match="a transform must be"):
        Part("p", quad(), Material(), transform=matrix)
