"""What a picture of every mode shows, against what is read as numbers of the same frame."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from app.arrays import F32, Bools
from app.gpu import Device
from app.modes import VIEW_MODES
from app.network.schema import FEATURES, TILE
from app.network.weights import WeightSet
from app.passes.composite import DIFFERENCE_GAIN
from app.renderer import Renderer
from app.scene.model import Scene
from app.scene.tonemap import srgb_encode, tonemap
from tests.conftest import SIZE, watched

FEATURE_OF = {feature.name: feature for feature in FEATURES}


@pytest.fixture(scope="module")
def kept_renderer(session_device: Device, face: Scene, weights: WeightSet) -> Iterator[Renderer]:
    with watched(session_device) as gpu, Renderer(gpu, face, weights, SIZE, cache_size=64, cache_samples=2) as renderer:
        renderer.settle_lights()
        yield renderer


@pytest.fixture
def renderer(gpu: Device, kept_renderer: Renderer) -> Renderer:
    """One in settled light, in any mode; after the test the validation layer must have nothing to say."""
    return kept_renderer


def draw(renderer: Renderer, mode: str) -> F32:
    """The display image of another frame in this mode, (H, W, 3) in 0..1."""
    renderer.mode = mode
    renderer.render()
    return renderer.read()[..., :3].astype(np.float32) / 255.0


def neural_and_reference(renderer: Renderer) -> tuple[F32, F32]:
    """Both pictures of the last frame, (H, W, 3) in 0..1."""
    pictures = []
    for mode in ("neural", "reference"):
        renderer.mode = mode
        pictures.append(tonemap(renderer.read_radiance(), renderer.scene.rig.exposure))
    return pictures[0], pictures[1]


def test_a_split_picture_has_the_reference_on_the_right(renderer: Renderer) -> None:
    split = draw(renderer, "split")
    neural, reference = neural_and_reference(renderer)
    line = SIZE[0] // 2
    left, right = np.s_[:, : line - 1], np.s_[:, line + 2 :]
    assert np.abs(split[left] - neural[left]).max() < 0.01
    assert np.abs(split[right] - reference[right]).max() < 0.01
    assert np.abs(neural[right] - reference[right]).mean() > 0.02, "or nobody could tell them apart"


def test_a_difference_is_that_of_what_is_displayed(renderer: Renderer) -> None:
    difference = draw(renderer, "difference")
    neural, reference = neural_and_reference(renderer)
    expected = np.minimum(DIFFERENCE_GAIN * np.abs(neural - reference), 1.0)
    assert np.abs(difference - expected).max() < 0.01
    assert (difference > 0.1).mean() > 0.1


def displayed(mode: str, layer: F32, scene: Scene) -> F32:
    """A layer as its view shows it, (H, W, 3) in 0..1."""
    if mode == "depth":  # white is near
        middle = math.dist(scene.camera.position, scene.bounds(face_only=True).mean(axis=0))
        layer = (middle + 0.15 - layer) / np.float32(0.3)
    if layer.ndim == 2:
        return np.repeat(np.clip(layer, 0.0, 1.0)[..., None], 3, axis=-1)
    if mode == "uv":
        return np.pad(layer, ((0, 0), (0, 0), (0, 1)))
    if FEATURE_OF[mode].light:
        return tonemap(layer, scene.rig.exposure)
    return 0.5 + 0.5 * layer if FEATURE_OF[mode].low < 0.0 else srgb_encode(layer)


@pytest.mark.parametrize("mode", [mode for mode in VIEW_MODES if mode not in ("tiles", "hash")])
def test_views_are_the_layers(renderer: Renderer, mode: str) -> None:
    view = draw(renderer, mode)
    shown = view.any(axis=-1)  # neither beside the face nor where eyes, brows and lashes are before it
    expected = displayed(mode, renderer.read_aov(mode), renderer.scene)
    assert np.abs(view - expected)[shown].max() < 0.01
    assert shown.mean() > 0.1


def test_tiles_lie_over_the_picture_in_the_colours_of_their_hashes(renderer: Renderer) -> None:
    """One colour a hash; a line at two edges of every tile that shows face; the others are half as bright."""
    renderer.restart()
    hashed = draw(renderer, "hash")
    shown = hashed.any(axis=-1)  # neither beside the face nor where hair and eyes are before it
    places = {number: where & shown for number, where in by_hash(renderer).items()}
    colour = {number: hashed[where].mean(axis=0) for number, where in places.items() if where.any()}
    assert all(np.ptp(hashed[places[number]], axis=0).max() == 0.0 for number in colour)
    assert len({tuple(np.round(255.0 * rgb)) for rgb in colour.values()}) > 0.9 * len(colour) > 5
    renderer.restart()
    view = draw(renderer, "tiles")
    picture = tonemap(renderer.read_radiance(), renderer.scene.rig.exposure)
    # Which tile shows what is known of the pixels that show face.
    tiles = np.indices(SIZE[::-1]) // TILE
    listed = np.zeros((tiles[0].max() + 1, tiles[1].max() + 1), int)
    for number, where in by_hash(renderer).items():
        listed[tiles[0][where], tiles[1][where]] = number
    number = listed[tiles[0], tiles[1]]
    edge = (np.indices(SIZE[::-1]) % TILE == 0).any(axis=0)
    beside, inside = number == 0, (number > 0) & ~edge
    assert np.abs(view - 0.5 * picture)[beside].max() < 0.01 and beside.any()
    assert np.abs(view - 0.05)[(number > 0) & edge].max() < 0.01
    inside &= np.isin(number, list(colour))
    laid = np.array([colour[one] for one in number[inside]])
    assert np.abs(view[inside] - 0.45 * picture[inside] - 0.55 * laid).max() < 0.015
    assert inside.mean() > 0.1


def by_hash(renderer: Renderer) -> dict[int, Bools]:
    """Which pixels (H, W) that show face are in tiles of a hash."""
    hashes = renderer.read_aov("hash").astype(int)
    return {number: hashes == number for number in np.unique(hashes).tolist() if number}


@pytest.mark.parametrize("mode", ["normal", "depth"])
def test_views_stand_still(renderer: Renderer, mode: str) -> None:
    """Every frame goes through the middles of the pixels."""
    first, second = draw(renderer, mode), draw(renderer, mode)
    np.testing.assert_array_equal(first, second)
