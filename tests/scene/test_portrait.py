"""The first view of a face, and how near a camera may come to it."""

from dataclasses import replace

import numpy as np
import pytest

from app.scene.default import default_scene
from app.scene.model import Material, Part
from app.scene.portrait import kept_outside, portrait, refitted, same_view, zoomed
from tests.primitives import uv_sphere

HEAD = default_scene()


def hair(height: float, name: str = "hair") -> Part:
    """A ball of 5 cm around a place above (or below) the middle of the head."""
    place = np.eye(4)
    place[1, 3] = HEAD.bounds(face_only=True).mean(axis=0)[1] + height
    return Part(name, uv_sphere(0.05), Material(name), transform=place)


def test_hair_is_in_the_picture() -> None:
    scene = replace(HEAD, parts=(*HEAD.parts, hair(0.2)))
    top = scene.bounds()[1, 1]
    camera = portrait(scene, 1.0)
    for shown, aims in ((HEAD.camera, 1.0), (camera, 0.8)):
        clip = shown.projection(100, 100) @ shown.view() @ (shown.target[0], top, shown.target[2], 1.0)
        assert (abs(clip[1] / clip[3]) > 1.0) == (aims == 1.0)
    assert camera.target[1] > HEAD.camera.target[1]


@pytest.mark.parametrize("other", [hair(-0.3), hair(0.2, "eyebrows"), hair(0.2, "hat")])
def test_what_hangs_down_and_what_is_no_hair_does_not_count(other: Part) -> None:
    camera = portrait(replace(HEAD, parts=(*HEAD.parts, other)), 1.0)
    assert camera.position == pytest.approx(HEAD.camera.position)


def test_the_first_view_is_that_of_the_face_alone_where_there_is_no_hair() -> None:
    assert portrait(HEAD, 1.0) == HEAD.camera
    narrow = portrait(HEAD, 0.4)
    assert narrow.distance > 1.3 * HEAD.camera.distance
    again = refitted(HEAD.camera, HEAD, 0.4)
    assert again.position == pytest.approx(narrow.position)


@pytest.mark.parametrize("target", [(0.0, 0.0, -1.0), (0.0, 0.0, -100.0), (0.06, 0.03, 0.05)])
def test_no_zoom_enters_the_head_on_the_way_elsewhere(target: tuple[float, float, float]) -> None:
    camera = HEAD.camera.looking((0.0, 0.0, 0.6), target)
    ball = HEAD.bounds(face_only=True)
    radius = 0.5 * np.linalg.norm(ball[1] - ball[0])
    for factor in (1.1, 3.0, 50.0):
        near = zoomed(camera, HEAD, factor, camera.fov_y)
        assert np.linalg.norm(np.subtract(near.position, ball.mean(axis=0))) > radius
        again = zoomed(near, HEAD, 1.5, camera.fov_y)
        assert np.linalg.norm(np.subtract(again.position, ball.mean(axis=0))) > radius
        assert camera.near < 0.1 < camera.far


@pytest.mark.parametrize("fov", [60.0, 70.0, 100.0, 140.0])
def test_no_zoom_enters_the_head_with_a_wide_lens(fov: float) -> None:
    low, high = HEAD.bounds(face_only=True)
    camera = portrait(HEAD, 1.0, np.radians(fov))
    for _ in range(20):
        camera = zoomed(camera, HEAD, 1.2, np.radians(fov))
    assert (np.maximum(low - camera.position, camera.position - high) > 0.0).any()
    assert camera.fov_y < np.radians(0.2 * fov)


@pytest.mark.parametrize("aspect", [1e-4, 1e4])
def test_pictures_may_be_as_flat_as_they_like(aspect: float) -> None:
    assert same_view(portrait(HEAD, aspect), refitted(HEAD.camera, HEAD, aspect))


def test_who_looks_past_the_head_may_pass_it() -> None:
    camera = HEAD.camera.looking((0.5, 0.0, 0.6), (0.5, 0.0, -1.0))
    assert zoomed(camera, HEAD, 4.0, camera.fov_y).position == pytest.approx((0.5, 0.0, -0.6))


def test_views_are_the_same_but_for_rounding() -> None:
    again = refitted(HEAD.camera, HEAD, 1.0)
    assert same_view(HEAD.camera, again)
    nearer, longer = (HEAD.camera.zoom(1.001, nearest=nearest) for nearest in (0.0, HEAD.camera.distance))
    assert nearer.fov_y == HEAD.camera.fov_y and longer.position == pytest.approx(HEAD.camera.position, abs=1e-9)
    others = (HEAD.camera.orbit(1e-4, 0.0), HEAD.camera.pan(1e-4, 0.0), nearer, longer)
    assert not any(same_view(HEAD.camera, other) for other in others)


@pytest.mark.parametrize("turn", [0.0, 1.0, 2.0, 3.0])
def test_no_zoom_enters_the_head(turn: float) -> None:
    camera = HEAD.camera.orbit(turn, 0.3)
    low, high = HEAD.bounds(face_only=True)
    for factor in (2.0, 5.0, 50.0):
        near = zoomed(camera, HEAD, factor, camera.fov_y)
        outside = np.maximum(np.maximum(low - near.position, near.position - high), 0.0)
        assert np.linalg.norm(outside) > 0.01
        shown, expected = (one.distance * np.tan(one.fov_y / 2) for one in (near, camera))
        assert shown == pytest.approx(expected / factor)


@pytest.mark.parametrize("target", [(0.0, 0.0, 0.12), (0.1, -0.05, 0.0), (0.0, 0.15, 0.0), (0.5, 0.0, 0.0)])
@pytest.mark.parametrize("turn", [(0.1, 0.0), (-0.1, 0.0), (0.03, 0.1)])
def test_no_turn_enters_the_head(target: tuple[float, float, float], turn: tuple[float, float]) -> None:
    """A camera that was shifted turns around what is beside the middle of the face."""
    low, high = HEAD.bounds(face_only=True)
    start = HEAD.camera.looking((target[0] + 0.6, target[1], target[2]), target)
    camera = zoomed(start, HEAD, 8.0, start.fov_y)
    height = camera.distance * np.tan(camera.fov_y / 2)
    for _ in range(126):
        turned = camera.orbit(*turn)
        camera = kept_outside(turned, camera, HEAD)
        assert (np.maximum(low - camera.position, camera.position - high) > 0.01).any()
        assert camera.distance * np.tan(camera.fov_y / 2) == pytest.approx(height)
        before, now = (np.subtract(one.position, target) / one.distance for one in (turned, camera))
        assert now == pytest.approx(before, abs=1e-9), "it looks in the direction that it was turned to"


def test_no_shift_enters_the_head() -> None:
    low, high = HEAD.bounds(face_only=True)
    camera = HEAD.camera.looking((0.0, 0.0, 0.4), (0.5, 0.0, 0.4))  # looks past the head
    for _ in range(40):
        camera = kept_outside(camera.pan(-0.1, 0.0), camera, HEAD)
        assert (np.maximum(low - camera.position, camera.position - high) > 0.0).any()
    assert camera.position[2] < low[2], "it has passed the head"


def test_turns_that_stay_outside_are_as_they_were() -> None:
    near = zoomed(HEAD.camera, HEAD, 50.0, HEAD.camera.fov_y)
    for camera in (HEAD.camera, near):
        turned = camera.orbit(0.5, 0.2)
        assert kept_outside(turned, camera, HEAD) is turned
