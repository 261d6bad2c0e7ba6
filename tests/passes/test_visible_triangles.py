"""Which triangle every pixel shows: by a dispatch, for small ones, and by the device's rasteriser, the same."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from app.arrays import F32, U32
from app.gpu import Device
from app.passes.drawn_triangles import DrawnTriangles
from app.passes.scanned_triangles import LARGE, LARGEST, ScannedTriangles
from app.passes.scene_buffers import SceneBuffers
from app.passes.visible_pixels import NO_PART, Choose
from app.passes.visible_triangles import face_triangles, kind_of_triangles, opaque_triangles
from app.scene.camera import Camera
from app.scene.default import default_scene
from app.scene.lights import LightRig
from app.scene.model import Material, Mesh, Part, Scene, Texture
from tests.conftest import Keep
from tests.primitives import quad, uv_sphere

SIZE = (119, 101)  # no multiples of a block
FRONT = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=2.0 * math.atan(0.1))  # sees some 0.12 to each side
SKIN = Material("skin")
UNITS = 8.0 * 2.0**-24  # of depth that two ways to interpolate it may differ by


@pytest.fixture(scope="module")
def head(session_device: Device) -> Iterator[SceneBuffers]:
    with SceneBuffers(session_device, default_scene(aspect=1.0)) as buffers:
        yield buffers


def all_parts(scene: SceneBuffers) -> dict[int, bool]:
    return {index: not shows for index, shows in enumerate(scene.shows_back_sides)}


def both(
    gpu: Device, keep: Keep, buffers: SceneBuffers, camera: Camera, choose: Choose = all_parts, sample: int = 0
) -> tuple[tuple[U32, F32], tuple[U32, F32], int]:
    """What each kind leaves, and how many triangles the dispatch left to the rasteriser."""
    scanned = keep(ScannedTriangles(gpu, buffers, *SIZE, choose, name="scanned"))
    drawn = keep(DrawnTriangles(gpu, buffers, *SIZE, choose, name="drawn"))
    with keep(gpu.commands()) as command:
        for one in (scanned, drawn):
            one.record(command)
        command.barrier()
    for _ in range(2):  # nothing is left over of a frame before
        buffers.set_frame(camera, *SIZE, jitter=(0.3, -0.2), sample_index=sample)
        gpu.submit(command)
    large = int(scanned._large.read(np.uint32)[0]) // 3
    return scanned.read(), drawn.read(), large


def assert_same(scanned: tuple[U32, F32], drawn: tuple[U32, F32]) -> None:
    """The same triangles but where two are equally deep, and the same depths."""
    assert np.abs(scanned[1] - drawn[1]).max() <= UNITS
    other = (scanned[0] != drawn[0]).any(axis=-1)
    assert other.mean() <= 1e-3
    assert ((scanned[0][..., 0] == NO_PART) == (drawn[0][..., 0] == NO_PART)).all()


@pytest.mark.parametrize("turn", [0.0, 1.0, 2.5, 4.4])
def test_of_a_whole_head(gpu: Device, keep: Keep, head: SceneBuffers, turn: float) -> None:
    camera = default_scene(aspect=1.0).camera.orbit(turn, 0.3)
    scanned, drawn, large = both(gpu, keep, head, camera)
    assert_same(scanned, drawn)
    assert large == 0 and 0.2 < (scanned[0][..., 0] != NO_PART).mean() < 0.9


@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_of_a_head_seen_from_near(gpu: Device, keep: Keep, head: SceneBuffers, turn: float) -> None:
    """Then both kinds share out the picture, and leave no gap between them."""
    camera = replace(default_scene(aspect=1.0).camera.orbit(turn, 0.0), fov_y=0.01)
    scanned, drawn, large = both(gpu, keep, head, camera)
    assert_same(scanned, drawn)
    triangles = np.unique(scanned[0].reshape(-1, 2), axis=0)
    assert 0 < large < len(triangles) and (scanned[0][..., 0] != NO_PART).all()


def test_of_a_head_that_the_near_plane_cuts(gpu: Device, keep: Keep, head: SceneBuffers) -> None:
    camera = default_scene(aspect=1.0).camera
    distance = math.dist(camera.position, camera.target)
    scanned, drawn, large = both(gpu, keep, head, replace(camera, near=distance, fov_y=1.0))
    assert_same(scanned, drawn)
    assert large > 0


def random_triangles(count: int, span: float, seed: int) -> Mesh:
    """Some of up to `span` metres, all over the picture and beyond, in a depth of 10 cm."""
    random = np.random.default_rng(seed)
    middle = random.uniform((-0.15, -0.15, -0.05), (0.15, 0.15, 0.05), (count, 1, 3))
    corners = (middle + random.uniform(-0.5 * span, 0.5 * span, (count, 3, 3))).reshape(-1, 3)
    triangles = np.arange(3 * count).reshape(-1, 3)
    return Mesh.of(corners, triangles, np.tile((0.0, 0.0, 1.0), (3 * count, 1)), np.tile((0.5, 0.5), (3 * count, 1)))


@pytest.mark.parametrize("span", [0.001, 0.01, 0.1, 0.4])
@pytest.mark.parametrize("one_sided", [False, True])
def test_of_triangles_at_random(gpu: Device, keep: Keep, span: float, one_sided: bool) -> None:
    """Of less than a pixel up to more than the picture, slivers among them, several parts of them."""
    parts = tuple(Part(f"{seed}", random_triangles(301, span, seed), SKIN, face=seed == 0) for seed in range(3))
    buffers = keep(SceneBuffers(gpu, Scene(parts, LightRig(), None, FRONT)))
    scanned, drawn, large = both(gpu, keep, buffers, FRONT, lambda _: dict.fromkeys(range(3), one_sided))
    assert_same(scanned, drawn)
    assert (large > 0) == (span > 0.2)
    assert len(np.unique(scanned[0][..., 0])) >= 3


def test_edges_through_the_middle_of_pixels_belong_to_one_triangle(gpu: Device, keep: Keep) -> None:
    """A square of pixels exactly, whose edges and diagonal pass through centres: what Vulkan calls top and left."""
    pixel = 0.2 / SIZE[1]
    mesh = quad((0.3 * pixel, 0.2 * pixel, 0.0), (20.0 * pixel, 0, 0), (0, 20.0 * pixel, 0))
    buffers = keep(SceneBuffers(gpu, Scene((Part("square", mesh, SKIN, face=True),), LightRig(), None, FRONT)))
    scanned, drawn, large = both(gpu, keep, buffers, FRONT)
    assert (scanned[0] == drawn[0]).all() and large == 0
    shows = scanned[0][..., 0] != NO_PART
    assert shows.sum() == 40 * 40 and {0, 1} == set(np.unique(scanned[0][shows][:, 1]))


@pytest.mark.parametrize("alpha", ["mask", "blend"])
@pytest.mark.parametrize("fov", [0.3, 0.05])
def test_what_is_cut_out(gpu: Device, keep: Keep, alpha: Literal["mask", "blend"], fov: float) -> None:
    """By the opacity of a map, small and large: the same but for how finely the map is read where it is minified."""
    checks = np.zeros((64, 64, 4), np.uint8)
    checks[..., 3] = np.where((np.indices((64, 64)) // 4).sum(axis=0) % 2, 255, 60)
    texture = Texture(checks)
    material = Material("hair", albedo_map=texture, alpha_mode=alpha)
    ball = uv_sphere(0.08, 24, 24)
    parts = (Part("skin", quad((0, 0, -0.2), (0.1, 0, 0), (0, 0.1, 0)), SKIN, face=True), Part("hair", ball, material))
    buffers = keep(SceneBuffers(gpu, Scene(parts, LightRig(), None, FRONT)))
    scanned, drawn, large = both(gpu, keep, buffers, replace(FRONT, fov_y=fov), sample=3)
    assert (large > 0) == (fov < 0.1)
    other = (scanned[0] != drawn[0]).any(axis=-1)
    hair = drawn[0][..., 0] == 1
    assert 0.1 < hair.mean() < 0.98 and other.mean() < 0.01


@pytest.mark.parametrize(("edge", "large"), [(0.02, False), (0.3, True)])
def test_only_what_is_cut_out_has_holes(gpu: Device, keep: Keep, edge: float, large: bool) -> None:
    """Maps of whole parts may have an alpha, too, beside parts that are blended; a face is whole in any case."""
    square, beside = quad(edge_u=(edge, 0.0, 0.0), edge_v=(0.0, edge, 0.0)), quad((9.0, 0.0, 0.0))
    material = replace(SKIN, albedo_map=Texture(np.zeros((4, 4, 4), np.uint8)))
    veil = Part("veil", beside, replace(SKIN, opacity=0.5, alpha_mode="blend"))
    for whole in (
        Part("face", square, material, face=True),
        Part("face", square, replace(material, opacity=0.0, alpha_mode="blend"), face=True),
        Part("cloth", square, material),
    ):
        buffers = keep(SceneBuffers(gpu, Scene((whole, veil), LightRig(), None, FRONT)))
        scanned, drawn, count = both(gpu, keep, buffers, FRONT)
        assert_same(scanned, drawn)
        assert (count > 0) == large and (scanned[0][..., 0] == 0).mean() > 0.01


def test_what_is_opaque(gpu: Device, keep: Keep, head: SceneBuffers) -> None:
    """Eyes, brows and lashes hide the face, and it hides them."""
    camera = default_scene(aspect=1.0).camera
    scanned, drawn, _ = both(gpu, keep, head, camera, opaque_triangles)
    assert_same(scanned, drawn)
    (alone, depth), _, _ = both(gpu, keep, head, camera, face_triangles)
    of_face = np.isin(scanned[0][..., 0], list(face_triangles(head)))
    assert (scanned[0] == alone)[of_face].all() and (scanned[1] == depth)[of_face].all()
    hides = (alone[..., 0] != NO_PART) & ~of_face
    assert 0.003 < hides.mean() < 0.5 and (scanned[1] <= depth)[hides].all()
    assert {head.parts[part].face for part in np.unique(scanned[0][~of_face][:, 0]) if part != NO_PART} == {False}


def test_no_parts_at_all(gpu: Device, keep: Keep, head: SceneBuffers) -> None:
    scanned, drawn, _ = both(gpu, keep, head, FRONT, lambda _: {})
    assert (scanned[0][..., 0] == NO_PART).all() and (drawn[0][..., 0] == NO_PART).all()
    assert (scanned[1] == 1.0).all() and (drawn[1] == 1.0).all()


def test_another_scene(gpu: Device, keep: Keep, head: SceneBuffers) -> None:
    """With more triangles than the one before."""
    small = keep(SceneBuffers(gpu, Scene((Part("face", quad(), SKIN, face=True),), LightRig(), None, FRONT)))
    scanned = keep(ScannedTriangles(gpu, small, *SIZE, all_parts, name="scanned"))
    scanned.bind(head)
    with keep(gpu.commands()) as command:
        scanned.record(command)
        command.barrier()
    camera = default_scene(aspect=1.0).camera
    head.set_frame(camera, *SIZE, jitter=(0.3, -0.2), sample_index=0)
    gpu.submit(command)
    expected, _, _ = both(gpu, keep, head, camera)
    assert (scanned.read()[0] == expected[0]).all()


def test_which_kind_a_device_gets(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPUs scan, if they can; GPUs draw."""
    assert kind_of_triangles(gpu) is ScannedTriangles
    for change in ({"kind": "discrete"}, {"features": gpu.info.features - {"shaderBufferInt64Atomics"}}):
        monkeypatch.setattr(gpu, "info", replace(gpu.info, **change))
        assert kind_of_triangles(gpu) is DrawnTriangles
        monkeypatch.undo()


def test_small_triangles_have_31_bits() -> None:
    """Twice an area in fixed point, and a step further."""
    assert 2 * ((LARGEST + 1) * 256) ** 2 < 2**31
    assert LARGE.size == 16  # VkDrawIndirectCommand
