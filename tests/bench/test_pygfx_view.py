"""pygfx draws our scene: at the same place, with the same textures, lit from the same side."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.bench.pygfx_view import PygfxView, finds
from app.gpu import Device
from app.scene.camera import Camera
from app.scene.lights import AreaLight, LightRig, PointLight
from app.scene.model import Material, Part, Scene, Texture
from tests.primitives import quad, uv_sphere

pytest.importorskip("pygfx")

SIZE = (96, 64)
CAMERA = Camera(position=(0.0, 0.0, 2.0))
FRONT = LightRig((PointLight((0.0, 0.0, 2.0), intensity=12.0),))


def drawn(gpu: Device, part: Part, lights: LightRig = FRONT) -> NDArray[Any]:
    """The picture as (H, W, 3) of 0..255."""
    view = PygfxView(Scene((part,), lights, None, CAMERA), SIZE, gpu.info.name)
    assert view.milliseconds() > 0
    pixels = np.asarray(view.read(), np.float64)
    assert pixels.shape == (SIZE[1], SIZE[0], 4)
    return pixels[..., :3]


def test_a_sphere_is_where_the_camera_says(gpu: Device) -> None:
    lit = drawn(gpu, Part("ball", uv_sphere(0.2), Material(albedo=(0.8, 0.8, 0.8))), FRONT).sum(axis=-1) > 30
    basis = CAMERA.basis(*SIZE)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    rays = basis.forward + (x / SIZE[0] * 2 - 1)[..., None] * basis.right - (y / SIZE[1] * 2 - 1)[..., None] * basis.up
    cosine = rays @ basis.forward / np.linalg.norm(rays, axis=-1)
    hit = 2.0 * np.sqrt(1.0 - cosine**2) < 0.2  # how near rays come to its centre, which is 2 m ahead
    assert hit.sum() > 500 and (lit != hit).sum() < 0.05 * hit.sum()


def test_lights_shine_from_their_side(gpu: Device) -> None:
    ball = Part("ball", uv_sphere(0.3), Material(albedo=(0.8, 0.8, 0.8)))
    key = AreaLight.facing((2.0, 0.0, 1.0), (0.0, 0.0, 0.0), 0.5, 0.5, color=(1.0, 0.2, 0.2), radiance=40.0)
    picture = drawn(gpu, ball, LightRig((key,)))
    left, right = picture[:, : SIZE[0] // 2].sum(axis=(0, 1)), picture[:, SIZE[0] // 2 :].sum(axis=(0, 1))
    assert right[0] > 3 * left[0] and right[0] > 1.5 * right[1]


def test_textures_stand_upright_and_holes_are_cut(gpu: Device) -> None:
    image = np.zeros((2, 2, 4), np.uint8)
    image[..., 3] = 255
    image[0, 0, :3], image[0, 1, :3], image[1, 0, :3] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    image[1, 1] = (255, 255, 255, 0)
    texture = Texture(image.repeat(32, axis=0).repeat(32, axis=1), srgb=True)
    material = Material(albedo=(1, 1, 1), albedo_map=texture, alpha_mode="mask")
    picture = drawn(gpu, Part("card", quad(edge_u=(0.3, 0, 0), edge_v=(0, 0.3, 0)), material))
    top, bottom, left, right = SIZE[1] // 2 - 8, SIZE[1] // 2 + 8, SIZE[0] // 2 - 8, SIZE[0] // 2 + 8
    corners = ((top, left, 0), (top, right, 1), (bottom, left, 2))
    assert all(
        picture[row, column].argmax() == color and picture[row, column].max() > 80 for row, column, color in corners
    )
    assert picture[bottom, right].max() == 0


def test_an_unknown_device_is_not_found() -> None:
    assert not finds("GeForce 3")
