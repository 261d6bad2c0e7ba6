"""The camera: its matrices, its rays, and its moves."""

import math
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.scene.camera import LEAST_FOV_Y, Camera

CAMERA = Camera(position=(0.3, 0.2, 0.9), target=(0.05, 0.01, 0.0))


def project(camera: Camera, point: Any, width: int, height: int, jitter: tuple[float, float] = (0, 0)) -> Any:
    """Pixel coordinates and depth of a world point."""
    clip = camera.projection(width, height, jitter) @ camera.view() @ np.append(point, 1.0)
    ndc = clip[:3] / clip[3]
    return np.array([(ndc[0] + 1) / 2 * width, (ndc[1] + 1) / 2 * height, ndc[2]])


def test_clip_space_is_vulkans() -> None:
    camera = Camera(position=(0, 0, 1), target=(0, 0, 0), near=0.1, far=10)
    assert project(camera, (0, 0, 0.9), 100, 100)[2] == pytest.approx(0.0, abs=1e-12)
    assert project(camera, (0, 0, -9), 100, 100)[2] == pytest.approx(1.0)
    assert project(camera, (0.1, 0, 0), 100, 100)[0] > 50  # +x is right
    assert project(camera, (0, 0.1, 0), 100, 100)[1] < 50  # +y is up: towards row 0


def test_field_of_view_is_vertical() -> None:
    camera = Camera(position=(0, 0, 2), target=(0, 0, 0), fov_y=math.radians(40))
    top = (0, 2 * math.tan(math.radians(20)), 0)
    assert project(camera, top, 300, 100)[1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("jitter", [(0.0, 0.0), (0.31, -0.47)])
@pytest.mark.parametrize("size", [(640, 360), (97, 211)])
def test_rays_agree_with_projection(jitter: tuple[float, float], size: tuple[int, int]) -> None:
    w, h = size
    basis = CAMERA.basis(w, h)
    for x, y in [(0, 0), (w - 1, 0), (17, h - 1), (w // 2, h // 3)]:
        ray = (
            basis.forward
            + ((x + 0.5 + jitter[0]) / w * 2 - 1) * basis.right
            - ((y + 0.5 + jitter[1]) / h * 2 - 1) * basis.up
        )
        pixel = project(CAMERA, basis.origin + 0.8 * ray, w, h, jitter)
        np.testing.assert_allclose(pixel[:2], (x + 0.5, y + 0.5), atol=1e-6)


def test_ray_parameter_is_view_depth() -> None:
    basis = CAMERA.basis(64, 64)
    point = basis.origin + 0.7 * (basis.forward + 0.9 * basis.right - 0.4 * basis.up)
    assert -(CAMERA.view() @ np.append(point, 1))[2] == pytest.approx(0.7)


def test_orbit_keeps_distance_and_turns_right_and_up() -> None:
    front = Camera(position=(0, 0, 1), target=(0, 0, 0))
    right = front.orbit(math.pi / 2, 0)
    np.testing.assert_allclose(right.position, (1, 0, 0), atol=1e-12)
    high = front.orbit(0, math.pi / 6)
    np.testing.assert_allclose(high.position, (0, 0.5, math.sqrt(0.75)), atol=1e-12)
    moved = CAMERA.orbit(0.3, -0.2)
    assert moved.distance == pytest.approx(CAMERA.distance)
    assert moved.target == CAMERA.target
    assert moved != CAMERA


def test_orbit_stops_before_the_pole() -> None:
    top = CAMERA.orbit(0, 10)
    assert top.position[1] < top.target[1] + top.distance
    assert np.isfinite(top.view()).all()
    assert top.orbit(0, 1) == top.orbit(0, 2)
    back = top.orbit(0, -math.radians(89))  # not stuck there
    assert back.position[1] == pytest.approx(back.target[1], abs=1e-9)


def test_orbit_around_another_up_axis() -> None:
    camera = Camera(position=(1, 0, 0), target=(0, 0, 0), up=(0, 0, 1)).orbit(math.pi / 2, 0)
    np.testing.assert_allclose(camera.position, (0, 1, 0), atol=1e-12)


def test_zoom_and_its_limits() -> None:
    assert CAMERA.zoom(2).distance == pytest.approx(CAMERA.distance / 2)
    assert CAMERA.zoom(1e9).distance == pytest.approx(2 * CAMERA.near)
    assert CAMERA.zoom(1e-9).distance == pytest.approx(CAMERA.far / 2)
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(InputError, match="zoom factor"):
            CAMERA.zoom(bad)


def test_where_coming_nearer_ends_the_lens_gets_longer() -> None:
    def height(camera: Camera) -> float:
        return 1.0 / (camera.distance * math.tan(camera.fov_y / 2.0))

    nearest = CAMERA.distance / 2.0
    for factor in (1.5, 2.0, 3.0, 20.0):
        camera = CAMERA.zoom(factor, nearest=nearest)
        assert height(camera) == pytest.approx(factor * height(CAMERA))
        assert camera.distance == pytest.approx(max(CAMERA.distance / factor, nearest))
    step, far = CAMERA, CAMERA.zoom(0.5)
    for factor in (1.5, 1.5, 1.5, 1.5, 0.5, 0.5, 0.5):  # there and back: the lens first
        step = step.zoom(factor, nearest=nearest, widest=CAMERA.fov_y)
    expected = CAMERA.zoom(1.5**4 / 8.0)
    assert step.distance == pytest.approx(expected.distance)
    assert step.fov_y == far.fov_y == CAMERA.fov_y
    assert CAMERA.zoom(1e9, nearest=nearest).fov_y == LEAST_FOV_Y
    inside = CAMERA.zoom(4.0)
    assert inside.zoom(1.1, nearest=nearest).distance == pytest.approx(inside.distance / 1.1), "nearer already"


def test_what_goes_away_keeps_its_size_until_the_lens_is_the_longest() -> None:
    camera = Camera(fov_y=math.radians(20.0))
    far = camera.dollied(4.0 * camera.distance)
    assert far.distance == pytest.approx(4.0 * camera.distance)
    assert far.distance * math.tan(far.fov_y / 2) == pytest.approx(camera.distance * math.tan(camera.fov_y / 2))
    assert camera.dollied(40.0 * camera.distance).fov_y == pytest.approx(math.radians(1.0))
    long = Camera(fov_y=math.radians(0.8))
    assert long.dollied(2.0 * long.distance).fov_y == long.fov_y, "one that is longer already stays"


def test_a_camera_can_be_put_where_one_wants_it() -> None:
    here = CAMERA.looking((1.0, 2.0, 3.0), (1.0, 2.0, 2.0))
    assert (here.position, here.target, here.fov_y) == ((1.0, 2.0, 3.0), (1.0, 2.0, 2.0), CAMERA.fov_y)
    assert here.near == pytest.approx(1.0 / 80.0)
    assert here.far == pytest.approx(125.0 * math.dist(here.position, CAMERA.target)), (
        "what was looked at is still seen"
    )
    beside = CAMERA.looking(None, (5.0, 0.0, 0.0))
    np.testing.assert_allclose(np.subtract(beside.position, beside.target), np.subtract(CAMERA.position, CAMERA.target))
    assert CAMERA.looking((9.0, 0.0, 0.0), None).target == CAMERA.target
    assert CAMERA.looking(None, None) is CAMERA
    with pytest.raises(InputError, match="camera position and target must differ"):
        CAMERA.looking((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_straight_above_and_below_is_the_end_of_a_turn(side: float) -> None:
    x, y, z = CAMERA.target
    above = CAMERA.looking((x, y + side, z), None)
    turned = CAMERA.orbit(0.0, side * math.pi)  # which stops a degree before
    for axis, other in zip(above.basis(64, 64)[1:], turned.basis(64, 64)[1:], strict=True):
        angle = math.degrees(math.acos(axis @ other / np.linalg.norm(axis) / np.linalg.norm(other)))
        assert angle == pytest.approx(0.0, abs=1.01)
    beside = CAMERA.looking((x + 1e-6, y + side, z), None)
    assert beside.up == above.up
    assert CAMERA.looking((x + 1e-3, y + side, z), None).up == CAMERA.up


def test_pan_moves_the_picture_by_its_height() -> None:
    moved = CAMERA.pan(0.25, -0.1)
    x, y, _ = project(moved, CAMERA.target, 400, 200)
    assert (x, y) == (pytest.approx(200 - 50), pytest.approx(100 - 20))
    assert moved.distance == pytest.approx(CAMERA.distance)


@pytest.mark.parametrize("scale", [1.0, 1000.0, 0.01])
def test_fit_fills_the_wanted_share(scale: float) -> None:
    bounds = np.array([[-0.08, -0.15, -0.1], [0.08, 0.12, 0.1]]) * scale
    camera = Camera(position=(0, 0, 1), target=(0, 0, 0)).fit(bounds, aspect=2.0, height_share=0.8)
    top = project(camera, (0, bounds[1, 1], 0), 200, 100)
    bottom = project(camera, (0, bounds[0, 1], 0), 200, 100)
    assert bottom[1] - top[1] == pytest.approx(80)
    assert 0 < top[2] < 1


def test_fit_keeps_wide_things_inside_a_narrow_image() -> None:
    camera = Camera(position=(0, 0, 1), target=(0, 0, 0)).fit([(-1, -0.1, 0), (1, 0.1, 0)], aspect=0.5)
    left = project(camera, (-1, 0, 0), 100, 200)[0]
    assert left == pytest.approx(10)


def test_fit_never_ends_inside() -> None:
    camera = Camera(position=(0, 0, 1), target=(0, 0, 0)).fit([[-0.01, -0.01, -5], [0.01, 0.01, 5]], aspect=1)
    assert camera.position[2] > 5


def test_default_is_a_portrait_from_slightly_off_front() -> None:
    x, _, z = Camera().position
    assert math.degrees(math.atan2(x, z)) == pytest.approx(20)
    assert math.degrees(Camera().fov_y) == pytest.approx(25)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"position": (math.nan, 0, 1)}, "camera position must be three finite numbers"),
        ({"position": (0, 0)}, "camera position must be three finite numbers"),
        ({"position": (0, 0, 0)}, "camera position and target must differ"),
        ({"position": (0, 2, 0)}, "camera up must not be parallel"),
        ({"up": (0, 0, 0)}, "camera up must be a direction"),
        ({"near": 2.0, "far": 1.0}, "near and far must satisfy"),
        ({"near": 0.0}, "near and far must satisfy"),
        ({"fov_y": 4.0}, "camera fov_y must be <= 3"),
    ],
)
def test_bad_values_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Camera(**fields)


def test_bad_sizes_and_bounds_are_refused() -> None:
    with pytest.raises(InputError, match="image size must be positive"):
        CAMERA.projection(0, 10)
    with pytest.raises(InputError, match="image size must be positive"):
        CAMERA.basis(10, -1)
    with pytest.raises(InputError, match="finite bounds"):
        CAMERA.fit([(0, 0, 0), (math.inf, 1, 1)], 1)
