"""Which meshes are closed, and which never show their back sides."""

import numpy as np
import pytest

from app.scene.closed import OPENING, hides_back_sides, is_closed
from app.scene.default import default_scene
from app.scene.model import Mesh
from tests.primitives import box, quad, uv_sphere

BALL = uv_sphere(0.02, 12, 24)


def together(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    triangles = [mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh.of(np.concatenate([mesh.positions for mesh in meshes]), np.concatenate(triangles))


def turned(mesh: Mesh) -> Mesh:
    return Mesh.of(mesh.positions, mesh.triangles[:, ::-1])


def spike(width: float, length: float = 0.01) -> Mesh:
    """Three sides and an open root, like a hair."""
    angles = np.arange(3) * 2.0 * np.pi / 3.0
    root = np.stack([np.cos(angles), np.sin(angles), np.zeros(3)], axis=1) * 0.5 * width
    return Mesh.of(np.concatenate([root, [(0.0, 0.0, length)]]), [(0, 1, 3), (1, 2, 3), (2, 0, 3)])


def test_balls_and_boxes_are_closed_and_sheets_are_not() -> None:
    """Seams of the texture do not open them."""
    crate = box((-0.1, -0.1, -0.1), (0.1, 0.1, 0.1))
    assert is_closed(BALL) and is_closed(crate) and not is_closed(quad())
    assert hides_back_sides(BALL) and hides_back_sides(crate) and not hides_back_sides(quad())


def test_a_room_is_seen_from_within() -> None:
    assert is_closed(box((-2, 0, -2), (2, 3, 2))) and not hides_back_sides(box((-2, 0, -2), (2, 3, 2)))
    assert not hides_back_sides(together(BALL, box((-2, 0, -2), (2, 3, 2))))


def test_a_body_inside_out_shows_its_back_sides_wherever_it_is() -> None:
    assert is_closed(turned(BALL)) and not hides_back_sides(turned(BALL))
    beside = Mesh.of(BALL.positions + np.float32(0.1), BALL.triangles)
    assert hides_back_sides(together(BALL, beside)) and not hides_back_sides(together(beside, turned(BALL)))


def test_one_triangle_that_is_turned_or_missing_is_seen() -> None:
    triangles = BALL.triangles.copy()
    triangles[100] = triangles[100, ::-1]
    assert not hides_back_sides(Mesh.of(BALL.positions, triangles))
    assert not hides_back_sides(Mesh.of(BALL.positions, np.delete(BALL.triangles, 100, axis=0)))


def test_forks_show_both_sides() -> None:
    """A fin on a box: three triangles at one edge."""
    cube = box((0, 0, 0), (0.1, 0.1, 0.1))
    fin = quad((0.05, 0.15, 0.0), (0.05, 0.0, 0.0), (0.0, 0.05, 0.0))
    assert not hides_back_sides(together(cube, fin))


@pytest.mark.parametrize("thinner", [0.5, 2.0])
def test_a_hairs_root_may_be_open(thinner: float) -> None:
    hair = spike(OPENING / (1.5 * np.sqrt(3.0)) / thinner)
    assert hides_back_sides(hair) == (thinner > 1.0)
    assert not is_closed(hair)
    assert hides_back_sides(turned(hair)) == (thinner > 1.0)  # either side of it will do


def test_of_the_default_head_hair_and_eyes_hide_theirs() -> None:
    hidden = {part.name for part in default_scene(aspect=1.0).parts if hides_back_sides(part.mesh)}
    assert hidden == {"eye_left", "eye_right", "brows", "lashes"}


def test_nothing_has_no_sides() -> None:
    assert hides_back_sides(Mesh.of(BALL.positions, np.zeros((1, 3), int)))
