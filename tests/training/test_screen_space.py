"""Blurring on the screen: what any blur must keep, and the data set that is read through it."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.network.schema import channels, unpack
from app.scene.model import Part
from app.training.dataset import Dataset
from app.training.face_image import FaceImage, face_images
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import PersonInfo
from app.training.screen_space import BLURRED, REACH, ScreenBlurred, _Head, screen_blur
from tests.training.sphere_source import SpherePeople, SphereSource

DEVIATION = np.array([2e-3, 1e-3, 0.5e-3], np.float32)  # metres
DEPTH, SCALE = 0.5, 0.5 / 0.2e-3  # a pixel is 0.2 mm at this depth


def flat(height: int = 40, width: int = 120, depth: float = DEPTH) -> np.ndarray:
    return np.full((height, width), depth, np.float32)


class Spheres(SpherePeople):
    """The spheres with the texture coordinates that `SphereSource` draws: v along the axis."""

    def parts(self, person: PersonInfo) -> tuple[Part, ...]:
        (part,) = super().parts(person)
        u, v = part.mesh.uvs.T
        return (replace(part, mesh=replace(part.mesh, uvs=np.stack([u, (np.sin((v - 0.5) * math.pi) + 1) / 2], -1))),)


def test_a_constant_stays() -> None:
    depth = flat() + 0.01 * np.random.default_rng(0).random((40, 120), np.float32)
    depth[10:20, 30:50] = np.inf
    light = np.broadcast_to(np.array([3.0, 2.0, 1.0], np.float32), (*depth.shape, 3))
    blurred = screen_blur(light, depth, DEVIATION, (SCALE, SCALE))
    np.testing.assert_allclose(blurred[np.isfinite(depth)], light[np.isfinite(depth)], rtol=1e-5)
    assert not blurred[np.isinf(depth)].any()


def blurred_edge(depth: np.ndarray) -> np.ndarray:
    """A picture that is black on the left and white on the right half."""
    light = np.zeros((*depth.shape, 3), np.float32)
    light[:, depth.shape[1] // 2 :] = 1.0
    return screen_blur(light, depth, DEVIATION, (SCALE, SCALE))


def deviations(picture: np.ndarray) -> np.ndarray:
    """(3,) of what smeared the edge in the middle row, pixels."""
    change = np.diff(picture[len(picture) // 2], axis=0)
    place = np.arange(len(change)) - 0.5 * (len(change) - 1)
    deviation: np.ndarray = np.sqrt((change * np.square(place)[:, None]).sum(axis=0) / change.sum(axis=0))
    return deviation


def test_every_color_has_its_width_on_the_skin() -> None:
    near, far = blurred_edge(flat()), blurred_edge(flat(depth=2.0 * DEPTH))
    np.testing.assert_allclose(deviations(near), DEVIATION / 0.2e-3, rtol=0.15)
    np.testing.assert_allclose(deviations(far), DEVIATION / 0.4e-3, rtol=0.15)
    np.testing.assert_allclose(near + near[:, ::-1], 1.0, atol=0.15)  # to either side alike, but for rounded taps


def test_rows_and_columns_are_alike() -> None:
    light = np.random.default_rng(0).random((60, 60, 3), np.float32)
    blurred = screen_blur(light, flat(60, 60), DEVIATION, (SCALE, SCALE))
    turned = screen_blur(light.swapaxes(0, 1), flat(60, 60), DEVIATION, (SCALE, SCALE))
    assert blurred.std() < 0.2 * light.std()
    np.testing.assert_allclose(turned.swapaxes(0, 1), blurred, atol=2e-2)  # which axis is first hardly matters


def test_light_does_not_leak_over_a_step_of_depth() -> None:
    light, depth = np.zeros((40, 120, 3), np.float32), flat()
    light[:, 60:], depth[:, 60:] = 1.0, DEPTH + 4.0 * REACH * DEVIATION.max()
    blurred = screen_blur(light, depth, DEVIATION, (SCALE, SCALE))
    np.testing.assert_allclose(blurred, light, atol=1e-6)
    depth[:] = DEPTH
    assert screen_blur(light, depth, DEVIATION, (SCALE, SCALE))[20, 58, 0] > 0.2  # it would, on one surface


def test_places_on_the_head() -> None:
    (part,) = Spheres().parts(PersonInfo(1, {"radius": 0.1, "tone": 0.5}))
    head = _Head([part])
    uv = np.random.default_rng(0).uniform(0.1, 0.9, (100, 2)).astype(np.float32)
    longitude, height = (uv[:, 0] - 0.5) * 2.0 * np.pi, 2.0 * uv[:, 1] - 1.0
    around = np.sqrt(1.0 - height**2)
    expected = 0.1 * np.stack([around * np.sin(longitude), height, around * np.cos(longitude)], -1)
    np.testing.assert_allclose(head.points(uv), expected, atol=2e-3)  # the mesh is a polyhedron
    np.testing.assert_allclose(head.mean_free_path, 1e-3 * np.array(part.material.mean_free_path), rtol=1e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("screen") / "data"
    generate(Here(SphereSource(people=Spheres())), path, Plan(1, 5, (96, 96), 1.0), 2)
    return path


def test_a_set_is_read_as_if_blurred_on_the_screen(folder: Path) -> None:
    done: list[int] = []
    plain, blurred = Dataset(folder), ScreenBlurred(folder, Spheres(), done.append)
    assert done == [1] and set(blurred.pixel_metres) == {0, 1}
    assert all(1e-4 < size < 1e-2 for size in blurred.pixel_metres.values())
    changed = np.zeros(32, bool)
    for name in BLURRED:
        changed[channels(name)] = True
    for tile_hash in plain.hashes:
        before, after = (unpack(one.tiles(tile_hash)["features"]) for one in (plain, blurred))
        np.testing.assert_array_equal(before[..., ~changed], after[..., ~changed])
    for image in face_images(blurred, "train"):
        sharp, narrow, wide = (_light(image, name) for name in ("diffuse", *BLURRED))
        assert np.isfinite(wide).all() and wide.mean() == pytest.approx(sharp.mean(), rel=0.05)
        assert wide.min() >= 0.0 and wide.max() <= 1.01 * sharp.max()
        np.testing.assert_allclose(narrow, sharp, atol=0.25 * sharp.max())  # the light of spheres changes slowly
        assert not np.array_equal(narrow, wide)


def test_heads_of_another_generator_are_refused(folder: Path) -> None:
    """Places would be looked up on heads that the frames do not show."""

    class Others(Spheres):
        @property
        def description(self) -> dict[str, Any]:
            return {"spheres": (0.1, 0.2)}

    with pytest.raises(InputError, match="does not show people as this version makes them"):
        ScreenBlurred(folder, Others())


def _light(image: FaceImage, name: str) -> np.ndarray:
    """What falls on the skin, over pi."""
    over_scale: np.ndarray = image.feature(name)[image.face] / image.feature("albedo")[image.face]
    return over_scale * image.light_scale[image.face][:, None]
