"""What changes between two frames shows in the next one, and what was drawn before it counts no longer."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import F32
from app.errors import InputError
from app.gpu import Device
from app.network.weights import WeightSet
from app.renderer import Renderer
from app.scene.environment import Environment
from app.scene.model import Scene
from tests.conftest import watched

SIZE = (56, 40)
MORE_THAN_BESIDE_THE_REFERENCE = 70  # samples: the neural picture gets 64


@pytest.fixture(scope="module")
def kept_renderer(session_device: Device, face: Scene, weights: WeightSet) -> Iterator[Renderer]:
    with watched(session_device) as gpu, Renderer(gpu, face, weights, SIZE, cache_size=32, cache_samples=2) as renderer:
        yield renderer


@pytest.fixture
def renderer(gpu: Device, kept_renderer: Renderer, face: Scene) -> Renderer:
    kept_renderer.mode, kept_renderer.split, kept_renderer.antialias_motion = "neural", 0.5, False
    kept_renderer.scene = face
    kept_renderer.resize(*SIZE)
    kept_renderer.settle_lights()
    kept_renderer.restart()
    return kept_renderer


def test_a_turned_environment_starts_the_reference_over(renderer: Renderer, face: Scene) -> None:
    half = np.zeros((8, 16, 3), np.float32)
    half[:, :8] = 1.0
    sky = Environment(half)
    lit = replace(face, rig=replace(face.rig, lights=()), environment=sky)
    turned = replace(lit, environment=replace(sky, rotation=np.pi))

    def two_samples() -> F32:
        renderer.add_sample()
        renderer.add_sample()
        return renderer.read_radiance()

    renderer.mode = "reference"
    renderer.scene = turned
    renderer.restart()
    alone = two_samples()
    renderer.scene = lit
    assert not np.array_equal(two_samples(), alone)
    renderer.scene = turned
    assert renderer.samples == 0
    np.testing.assert_array_equal(two_samples(), alone)


@pytest.mark.parametrize("mode", ["neural", "reference"])
def test_a_view_that_changes_with_the_exposure_starts_over(renderer: Renderer, face: Scene, mode: str) -> None:
    """Another exposure alone keeps all samples."""
    renderer.mode = mode
    renderer.add_sample()
    assert renderer.samples == 1
    brighter = replace(face.rig, exposure=face.rig.exposure + 1.0)
    renderer.scene = replace(face, rig=brighter, camera=face.camera.orbit(0.15, 0.0))
    assert renderer.samples == 0


def test_layers_of_another_size_are_not_there_until_they_are_drawn(renderer: Renderer) -> None:
    renderer.render()
    assert renderer.read_aov("face").any()
    renderer.resize(40, 24)
    with pytest.raises(InputError, match="none has been drawn yet"):
        renderer.read_aov("face")
    renderer.render()
    assert renderer.read_aov("face").shape == (24, 40)


def test_the_line_moves_with_the_split(renderer: Renderer) -> None:
    renderer.mode = "split"
    for column in (14, 42, 28, 28):
        renderer.split = column / SIZE[0]
        renderer.render()
        white = (renderer.read()[..., :3] == 255).all(axis=(0, 2))
        assert np.flatnonzero(white).tolist() == [column - 1, column]


def test_depth_is_shown_around_the_face_wherever_the_camera_is(renderer: Renderer, face: Scene) -> None:
    renderer.mode = "depth"
    away = np.subtract(face.camera.position, face.camera.target)
    middle = face.bounds(face_only=True).mean(axis=0)
    for times in (1.0, 1.3, 1.6):
        position = np.add(face.camera.target, times * away)
        renderer.scene = face.with_camera(replace(face.camera, position=tuple(position.tolist())))
        renderer.render()
        near = np.linalg.norm(position - middle) - 0.15
        expected = np.clip(1.0 - (renderer.read_aov("depth") - near) / 0.3, 0.0, 1.0)
        shown = renderer.read()[..., 0] / 255.0
        visible = shown > 0.0  # not behind hair
        assert np.abs(shown - expected)[visible].max() < 0.01
        assert 0.3 < shown[visible].mean() < 0.9


def test_a_picture_that_rests_after_a_move_stays_where_it_is(renderer: Renderer, face: Scene) -> None:
    """Also while its light settles, which starts the accumulation over: the view before is this one by then."""

    def unrest() -> float:
        pictures = []
        for _ in range(2):
            renderer.restart()
            renderer.render()
            pictures.append(renderer.read()[..., :3] / 255.0)
        return float(np.abs(pictures[1] - pictures[0]).mean())

    renderer.antialias_motion = True
    renderer.render()
    renderer.scene = face.with_camera(face.camera.orbit(0.15, 0.0))
    renderer.render()
    after_move = unrest()
    for mode in ("depth", "neural"):  # a layer has no past, and leaves none
        renderer.mode = mode
        renderer.render()
    assert 0.0 < after_move < 1.5 * unrest()


@pytest.mark.parametrize("mode", ["split", "difference"])
def test_pictures_beside_the_reference_get_all_the_samples_asked_for(renderer: Renderer, mode: str) -> None:
    """Also when the neural picture has enough, and only the reference goes on."""
    renderer.resize(16, 16)
    renderer.mode, renderer.timed = mode, True
    for count in range(MORE_THAN_BESIDE_THE_REFERENCE):
        assert renderer.samples == count
        renderer.render()
    passes = renderer.timings()
    assert "reference" in passes and "gbuffer" not in passes


def test_networks_that_are_drawn_with_no_longer_are_let_go(gpu: Device, renderer: Renderer, weights: WeightSet) -> None:
    """As many are brought to the GPU as a training beside the demo writes."""
    counts = []
    for seed in range(5):
        renderer.make_room()
        renderer.use(renderer.prepare(WeightSet.untrained(weights.layers, seed=seed, slots=2)))
        renderer.render(wait=False)
        counts.append(gpu.live_objects)
    renderer.make_room()
    renderer.use(renderer.prepare(weights))
    assert counts[-1] == counts[-2] == counts[-3]


def test_networks_that_memory_is_not_enough_for_take_none(
    gpu: Device, renderer: Renderer, weights: WeightSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often they are tried in the place of others."""

    def refuse(_: WeightSet) -> None:
        raise MemoryError

    counts = []
    for seed in range(3):
        renderer.make_room()
        renderer.use(renderer.prepare(WeightSet.untrained(weights.layers, seed=seed, slots=2)))
        renderer.render()
        renderer.make_room()
        with monkeypatch.context() as patch, pytest.raises(MemoryError):
            patch.setattr(WeightSet, "gpu_parameters", refuse)
            renderer.prepare(WeightSet.untrained(weights.layers, slots=1))
        counts.append(gpu.live_objects)
    renderer.use(renderer.prepare(weights))
    assert counts[-1] == counts[-2]
