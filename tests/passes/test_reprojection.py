"""Temporal antialiasing against a numpy twin, and what it does for a renderer's pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from app.arrays import F16, F32, F64, Bools
from app.gpu import Device
from app.network.schema import HALF_MAX, surface_buffer, tile_grid
from app.network.weights import WeightSet
from app.passes.composite import Composite, CompositeInputs, composite_state
from app.passes.reprojection import CLIP_AT_REST, CLIP_FAST, EDGE_PIXELS, FAST, HISTORY_SAMPLES, History, Reprojection
from app.passes.scene_buffers import SceneBuffers
from app.passes.tile_radiance import TileRadiance
from app.renderer import Renderer
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene
from app.scene.tonemap import tonemap
from tests.conftest import SIZE, keeping
from tests.primitives import quad

GREY = 0.25  # of the backdrop
GREY_SKY = Environment(np.full((8, 16, 3), GREY, np.float32))
CAMERA = Camera((0.1, 0.05, 0.8), (0.0, 0.0, 0.0))
AWAY = replace(CAMERA, target=(0.2, 0.1, 1.6))
FACE = Part("face", quad((0, 0, 0), (0.01, 0, 0), (0, 0.01, 0)), Material("skin"), face=True)

YCOCG = np.array([[0.25, 0.5, 0.25], [0.5, 0.0, -0.5], [-0.25, 0.5, -0.25]])
RGB = np.array([[1.0, 1.0, -1.0], [1.0, 0.0, 1.0], [1.0, -1.0, -1.0]])


@dataclass(frozen=True)
class Frame:
    """What the passes before leave, (H, W) or (H, W, channels), and the picture before."""

    face: Bools
    face_radiance: F16
    background: F16
    depth: F32
    resolved: F16
    jitter: tuple[float, float]

    @property
    def size(self) -> tuple[int, int]:
        return self.face.shape[1], self.face.shape[0]


def made_up(width: int, height: int, jitter: tuple[float, float] = (0.3, -0.2)) -> Frame:
    """Patches of face, of things before it and of nothing, at depths with steps and slopes, in colours up to 20."""
    rng = np.random.default_rng(width)
    patch = np.kron(rng.integers(0, 3, (height // 5 + 1, width // 7 + 1)), np.ones((5, 7), int))[:height, :width]
    y, x = np.mgrid[:height, :width]
    metres = 0.75 + 0.0004 * x + 0.0002 * y + 0.05 * (patch == 1)
    near, far = CAMERA.near, CAMERA.far
    depth = np.where(patch == 2, 1.0, (far - near * far / metres) / (far - near)).astype(np.float32)
    waves = 0.5 + 0.5 * np.sin(x * 0.7 + 0.3 * y)[..., None] * np.sin(np.arange(3) + 0.2 * y[..., None])

    def colours() -> Any:
        return (np.exp(rng.normal(-1.0, 1.0, (height, width, 3))) * 0.3 + waves).astype(np.float16)

    background = np.zeros((height, width, 4), np.float16)
    background[patch == 0] = np.dstack([colours(), np.ones((height, width))])[patch == 0]
    samples = rng.integers(1, 9, (height, width)).astype(np.float16)
    return Frame(
        patch == 1,
        np.dstack([colours(), np.ones((height, width), np.float16)]),
        background,
        depth,
        np.dstack([colours() * np.float16(20.0 if width > 50 else 1.0), samples]),
        jitter,
    )


@contextmanager
def passes(
    gpu: Device, frame: Frame, before: Camera, sky: Environment = GREY_SKY
) -> Iterator[tuple[Composite, Reprojection]]:
    """Both passes, with a frame before them that another one preceded."""
    width, height = frame.size
    tiles = int(np.prod(tile_grid(width, height)))
    with keeping() as keep:
        scene = keep(SceneBuffers(gpu, Scene((FACE,), LightRig(), sky, CAMERA)))
        nothing = keep(gpu.buffer(tiles * 16, name="nothing"))
        metres = np.where(frame.face, 1.0, np.inf).astype(np.float32)
        surface = keep(gpu.buffer(surface_buffer(metres, np.ones_like(metres)), name="surface"))
        radiance = keep(TileRadiance(gpu, width, height))
        depth, nearest = keep(gpu.image(width, height, "d32")), keep(gpu.sampler("nearest"))
        inputs = CompositeInputs(nothing, surface, nothing, None, radiance.buffer)
        composite = keep(Composite(gpu, scene, inputs, width, height))
        reprojection = keep(Reprojection(gpu, scene, composite, (depth, nearest)))
        radiance.write(np.where(frame.face[..., None], frame.face_radiance, frame.background))
        depth.upload(frame.depth)
        composite.resolved.upload(frame.resolved)
        scene.set_frame(CAMERA, width, height, jitter=frame.jitter, sample_index=0)
        view = before.projection(width, height) @ before.view()
        composite.state.write(
            composite_state(
                "neural",
                neural_drawn=True,
                samples_before=0,
                split=0.5,
                depth_range=(0.0, 1.0),
                keeps_history=True,
                history_samples=HISTORY_SAMPLES,
                view_projection_before=view,
            )
        )
        yield composite, reprojection


def moved(gpu: Device, frame: Frame, before: Camera) -> F16:
    """History by the shader, (H, W, 4)."""
    with passes(gpu, frame, before) as (composite, reprojection):
        with gpu.commands() as command:
            reprojection.record(command)
        gpu.submit(command)
        command.close()
        result: F16 = composite.history.read()
        return result


def catmull_rom(image: F64, at: F64) -> F64:
    """Cubic interpolation without the four corners of sixteen texels, as five bilinear look-ups do it."""
    height, width = image.shape[:2]
    middle = np.floor(at - 0.5)
    f = at - 0.5 - middle
    weights = np.stack(
        [
            f * (-0.5 + f * (1.0 - 0.5 * f)),
            1.0 + f * f * (-2.5 + 1.5 * f),
            f * (0.5 + f * (2.0 - 1.5 * f)),
            f * f * (-0.5 + 0.5 * f),
        ]
    )
    total, norm = np.zeros((*at.shape[:-1], 3)), np.zeros((*at.shape[:-1], 1))
    for j in range(4):
        for i in range(4):
            if i in (0, 3) and j in (0, 3):
                continue
            x = np.clip(middle[..., 0] - 1 + i, 0, width - 1).astype(int)
            y = np.clip(middle[..., 1] - 1 + j, 0, height - 1).astype(int)
            w = (weights[i, ..., 0] * weights[j, ..., 1])[..., None]
            total, norm = total + w * image[y, x, :3], norm + w
    return np.asarray(np.maximum(total / norm, 0.0))


def twin(frame: Frame, before: Camera) -> F64:
    """What `moved` should be."""
    width, height = frame.size
    jitter = np.array(frame.jitter)
    colour = np.where(frame.face[..., None], frame.face_radiance[..., :3], GREY).astype(float)
    colour = np.where(frame.background[..., 3:] > 0.0, frame.background[..., :3], colour).astype(float)
    compressed = colour / (1.0 + colour.max(axis=-1, keepdims=True)) @ YCOCG.T
    around = np.pad(compressed, ((1, 1), (1, 1), (0, 0)), "edge")
    depths = np.pad(frame.depth.astype(float), 1, "edge")
    offsets = [(x, y) for y in range(3) for x in range(3)]
    box = np.stack([around[y : y + height, x : x + width] for x, y in offsets])
    depth = np.stack([depths[y : y + height, x : x + width] for x, y in offsets])
    near, far = CAMERA.near, CAMERA.far
    metres = near * far / (far - depth * (far - near))
    nearest = depth.argmin(axis=0)
    pixel = 2.0 * np.tan(CAMERA.fov_y / 2.0) / height * metres[4]
    step = metres[4] - np.take_along_axis(metres, nearest[None], 0)[0]
    nearest = np.where((depth[4] < 1.0) & (step < EDGE_PIXELS * pixel), 4, nearest)
    d, z = (np.take_along_axis(a, nearest[None], 0)[0] for a in (depth, metres))
    y, x = np.mgrid[:height, :width] + 0.5
    centre = np.stack([x, y], -1)
    now = centre + np.array(offsets)[nearest] - 1.0 + jitter
    basis = CAMERA.basis(width, height)
    s = now / (width, height) * 2.0 - 1.0
    ray = basis.forward + s[..., :1] * basis.right - s[..., 1:] * basis.up
    there = (d < 1.0)[..., None]
    point = np.concatenate([np.where(there, basis.origin + ray * z[..., None], ray), there], -1)
    clip = point @ (before.projection(width, height) @ before.view()).T
    place = np.where(clip[..., 3:] > 0.0, (clip[..., :2] / clip[..., 3:] * 0.5 + 0.5) * (width, height), -1e6)
    at = centre + place - now
    speed = np.linalg.norm(place - now, axis=-1, keepdims=True)
    mean, deviation = box.mean(axis=0), box.std(axis=0)
    half = (CLIP_AT_REST + (CLIP_FAST - CLIP_AT_REST) * np.minimum(speed / FAST, 1.0)) * deviation
    old = catmull_rom(frame.resolved.astype(float), at)
    from_mean = old / (1.0 + old.max(axis=-1, keepdims=True)) @ YCOCG.T - mean
    beyond = (np.abs(from_mean) / np.maximum(half, 1e-5)).max(axis=-1, keepdims=True)
    clipped = np.clip(mean + from_mean / np.maximum(beyond, 1.0), box.min(axis=0), box.max(axis=0)) @ RGB.T
    radiance = clipped / np.maximum(1.0 - clipped.max(axis=-1, keepdims=True), 1e-3)
    inside = np.clip(at.astype(int), 0, (width - 1, height - 1))
    samples = frame.resolved[inside[..., 1], inside[..., 0], 3:]
    seen = ((at >= 0.0) & (at <= (width, height))).all(axis=-1, keepdims=True)
    tiles = np.kron(np.ones(tile_grid(width, height)[::-1]), np.ones((16, 16)))[:height, :width]
    empty = np.zeros_like(tiles, bool)  # tiles that show nothing, nor does anything beside them
    for top in range(0, height, 16):
        for left in range(0, width, 16):
            empty[top : top + 16, left : left + 16] = (depths[top : top + 18, left : left + 18] == 1.0).all()
    return np.where(seen & ~empty[..., None], np.concatenate([radiance, samples], -1), 0.0)


@pytest.mark.parametrize(
    ("size", "before"),
    [
        ((32, 32), CAMERA),
        ((33, 47), CAMERA.orbit(0.02, 0.01)),
        ((61, 35), CAMERA.pan(0.05, -0.3)),
        ((40, 21), CAMERA.zoom(0.9)),
        ((17, 16), replace(CAMERA, position=(0.0, 0.0, 0.3))),
        ((16, 18), AWAY),
    ],
    ids=["rest", "orbit", "pan", "zoom", "near", "behind"],
)
def test_history_is_the_twins(gpu: Device, size: tuple[int, int], before: Camera) -> None:
    frame = made_up(*size)
    got, expected = moved(gpu, frame, before).astype(float), twin(frame, before)
    scale = np.maximum(np.abs(expected), 0.02)
    wrong = (np.abs(got - expected) > 0.01 * scale).any(axis=-1)
    assert wrong.mean() < 0.005  # a place on the line between two texels or two depths falls to either side
    assert (expected[..., 3] > 0.0).any() == (before != AWAY)


def test_what_is_not_a_number_is_not_kept(gpu: Device) -> None:
    """It would spread from picture to picture."""
    frame = made_up(32, 32)
    frame.background[..., 3] = 0.0
    frame.face[:] = True
    expected = frame.face_radiance[..., :3].copy()
    for x, (bad, kept) in enumerate(((np.nan, 0.0), (np.inf, HALF_MAX), (-np.inf, -HALF_MAX))):
        frame.face_radiance[5, x, :3], expected[5, x] = bad, kept
    with passes(gpu, frame, CAMERA) as (composite, _):
        composite.history.upload(np.zeros((32, 32, 4), np.float16))
        with gpu.commands() as command:
            composite.record(command)
        gpu.submit(command)
        command.close()
        assert np.array_equal(composite.resolved.read()[..., :3], expected)


def test_a_jitter_of_whole_pixels_moves_the_backdrop(gpu: Device) -> None:
    sky = Environment(np.random.default_rng(1).random((8, 16, 3), np.float32))
    pictures = []
    for jitter in ((0.0, 0.0), (1.0, -2.0)):
        frame = made_up(32, 32, jitter)
        frame.face[:], frame.background[:] = False, 0.0
        with passes(gpu, frame, CAMERA, sky) as (composite, _):
            with gpu.commands() as command:
                composite.record(command)
            gpu.submit(command)
            command.close()
            pictures.append(composite.read_radiance())
    still, moved = pictures
    np.testing.assert_allclose(moved[2:, :-1], still[:-2, 1:], rtol=1e-3)
    assert not np.allclose(moved, still, rtol=0.01)


def test_history_counts_less_with_every_sample() -> None:
    history, view = History(), np.eye(4)

    def frame(sample: int, keeps: bool = True) -> tuple[bool, int, int]:
        history.begin(sample, keeps)
        history.end(keeps, CAMERA, view)
        return history.reprojects, history.samples, history.position

    assert [frame(0), frame(1)] == [(False, 0, 0), (False, 0, 1)]  # a picture without a past
    assert [frame(0), frame(0)] == [(True, HISTORY_SAMPLES, 2), (True, HISTORY_SAMPLES, 3)]
    at_rest = [frame(sample) for sample in range(1, HISTORY_SAMPLES + 2)]
    assert [samples for _, samples, _ in at_rest] == [*range(HISTORY_SAMPLES - 1, -1, -1), 0]
    assert not any(reprojects for reprojects, _, _ in at_rest)
    assert frame(0, keeps=False) == (False, 0, 0)
    assert history.camera is None and history.view is None
    assert frame(0) == (False, 0, 0)
    history.forget()
    assert frame(0) == (False, 0, 0)


@pytest.fixture
def renderer(gpu: Device, face: Scene, weights: WeightSet) -> Iterator[Renderer]:
    with Renderer(gpu, face, weights, SIZE, cache_size=64, cache_samples=2, gbuffer="raster") as made:
        made.settle_lights()
        yield made


def orbit(renderer: Renderer, face: Scene, frames: int, samples: int = 1) -> F64:
    """Pictures while the camera goes around the head, (frames, H, W, 3), 0..1."""
    pictures = []
    for index in range(frames):
        renderer.scene = face.with_camera(face.camera.orbit(0.01 * index, 0.004 * index))
        for _ in range(samples):
            renderer.render()
        pictures.append(renderer.read()[..., :3] / 255.0)
    return np.array(pictures)


def test_a_moving_picture_is_nearer_to_the_antialiased_one(renderer: Renderer, face: Scene) -> None:
    truth, plain = orbit(renderer, face, 8, samples=32), orbit(renderer, face, 8)
    renderer.antialias_motion = True
    smooth = orbit(renderer, face, 8)
    squared = [((pictures[4:] - truth[4:]) ** 2).mean() for pictures in (plain, smooth)]
    crawl = [(np.diff(pictures[4:] - truth[4:], axis=0) ** 2).mean() for pictures in (plain, smooth)]
    assert squared[1] < 0.6 * squared[0]
    assert crawl[1] < 0.4 * crawl[0]


def test_at_rest_the_past_is_forgotten(renderer: Renderer, face: Scene) -> None:
    """The picture is then that of its own samples alone."""
    renderer.antialias_motion = True
    orbit(renderer, face, 4)
    differences = []
    for _ in range(HISTORY_SAMPLES + 2):
        own = tonemap(renderer.read_radiance(), face.rig.exposure)
        differences.append(np.abs(renderer.read()[..., :3] / 255.0 - own).max())
        renderer.render()
    assert differences[0] > 0.05
    assert max(differences[HISTORY_SAMPLES:]) < 0.01


def test_light_that_settles_does_not_hide_the_antialiasing(renderer: Renderer, face: Scene) -> None:
    """Every sample of the light cache starts the accumulation over."""
    renderer.scene = replace(face, rig=LightRig(face.rig.lights[:1]), environment=None)
    renderer.settle_lights()
    for _ in range(32):
        renderer.render()
    truth, errors = renderer.read()[..., :3] / 255.0, []
    for smooth in (False, True):
        renderer.antialias_motion = smooth
        for _ in range(6):
            renderer.restart()
            renderer.render()
        errors.append(((renderer.read()[..., :3] / 255.0 - truth) ** 2).mean())
    assert errors[1] < 0.3 * errors[0]


def test_pictures_keep_their_past_in_light_of_other_buffers(renderer: Renderer, face: Scene) -> None:
    """Another number of lights and a larger map: what passes were bound to before is gone."""
    renderer.antialias_motion = renderer.timed = True
    for _ in range(2):
        renderer.render()
    sun = LightRig((DirectionalLight((0.3, -0.4, -1.0), irradiance=3.0),))
    other = replace(face, rig=sun, environment=Environment(np.full((64, 128, 3), 0.7, np.float32)))
    renderer.scene = other
    renderer.settle_lights()
    for _ in range(2):
        renderer.render()
    pictures = orbit(renderer, other, 3)
    assert "reprojection" in renderer.timings()
    assert np.abs(np.diff(pictures.mean(axis=(1, 2, 3)))).max() < 0.02


def test_layers_and_other_sizes_have_no_past(renderer: Renderer, face: Scene) -> None:
    """A view of the G-buffer is that of its own frame, and so is the first picture after it or of another size."""
    renderer.antialias_motion = renderer.timed = True
    orbit(renderer, face, 3)
    renderer.mode = "normal"
    renderer.scene = face
    renderer.render()
    assert "reprojection" not in renderer.timings()
    renderer.mode = "neural"
    renderer.scene = face.with_camera(face.camera.orbit(0.1, 0.0))
    renderer.render()
    assert "reprojection" not in renderer.timings()
    renderer.scene = face
    renderer.render()
    assert "reprojection" in renderer.timings()
    renderer.resize(60, 50)
    renderer.render()
    assert "reprojection" not in renderer.timings()
    own = tonemap(renderer.read_radiance(), face.rig.exposure)
    assert np.abs(renderer.read()[..., :3] / 255.0 - own).max() < 0.01
