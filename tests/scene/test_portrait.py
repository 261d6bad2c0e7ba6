"""The first view of a face, and how near a camera may come to it."""

from dataclasses import replace

import numpy as np
import pytest

from app.scene.default import default_scene
from app.scene.model import Material, Part
from app.scene.portrait import portrait, refitted, zoomed
from app.scene.primitives import uv_sphere

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


@pytest.mark.parametrize("turn", [0.0, 1.0, 2.0, 3.0])
def test_no_zoom_enters_the_head(turn: float) -> None:
    camera = HEAD.camera.orbit(turn, 0.3)
    low, high = HEAD.bounds(face_only=True)
    for factor in (2.0, 5.0, 100.0):
        near = zoomed(camera, HEAD, factor, camera.fov_y)
        outside = np.maximum(np.maximum(low - near.position, near.position - high), 0.0)
        assert np.linalg.norm(outside) > 0.01
        shown, expected = (one.distance * np.tan(one.fov_y / 2) for one in (near, camera))
        assert shown == pytest.approx(expected / factor)
