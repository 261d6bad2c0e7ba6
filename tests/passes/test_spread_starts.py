"""Neighbours look in directions that are spread evenly over all of them: less noise is left of what is blurred."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from app.arrays import F32
from app.gpu import Device
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import FINE_SCALE, SHADOW_SCALE
from app.passes.light_points import hilbert_order
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import AreaLight, LightRig
from app.scene.model import Material, Part, Scene
from tests.conftest import Keep
from tests.passes.looks import read_shares
from tests.primitives import quad

SIZE, WINDOW = 64, 4  # texels
SKIN = Part("skin", quad((0, 0, 0), (0.032, 0, 0), (0, 0.032, 0)), Material("skin"), face=True)
LAMP = AreaLight.facing((0.0, 0.0, 2.0), (0.0, 0.0, 0.0), 1.0, 1.0, radiance=1.0)


def blocker(turn: float) -> Part:
    """Half-way to the lamp, it hides about half of it, behind an edge of a direction."""
    x, y = 2.0 * np.cos(turn), 2.0 * np.sin(turn)
    return Part("card", quad((-y, x, 1.0), (x, y, 0.0), (-y, x, 0.0)), Material("card"))


def test_the_curve_goes_from_neighbour_to_neighbour() -> None:
    order = hilbert_order(64)
    places = np.empty((64 * 64, 2), np.int64)
    places[order.ravel()] = np.indices((64, 64)).reshape(2, -1).T
    assert np.array_equal(np.sort(order.ravel()), np.arange(64 * 64))
    assert (np.abs(np.diff(places, axis=0)).sum(axis=1) == 1).all()


@pytest.mark.parametrize("size", [1, 40, 150])
def test_the_curve_fits_any_square(size: int) -> None:
    order, whole = hilbert_order(size), np.tile(hilbert_order(64), (3, 3))
    assert np.array_equal(order, whole[:size, :size])


@pytest.mark.parametrize("turn", [0.0, 0.4, 1.2])
def test_neighbours_together_know_more_than_by_chance(gpu: Device, keep: Keep, turn: float) -> None:
    if not gpu.raytracing:
        pytest.skip("depth maps look for light in the same way from everywhere")
    scene = Scene((SKIN, blocker(turn)), LightRig((LAMP,)), None, Camera())
    buffers = keep(SceneBuffers(gpu, scene))
    buffers.set_frame(scene.camera, 16, 16, jitter=(0.0, 0.0), sample_index=0)

    def shares(samples: int) -> F32:
        """The share of the lamp that is seen from every texel."""
        cache = keep(LightCache(gpu, buffers, size=SIZE, samples=samples, samples_per_update=8, background=False))
        while not cache.converged:
            cache.update()
        within = FINE_SCALE * SHADOW_SCALE
        blocks = read_shares(cache, 1)[0].reshape(SIZE, within, SIZE, within)
        return np.asarray(blocks.mean(axis=(1, 3)), np.float32)

    truth, one = shares(128), shares(1)
    assert 0.3 < truth.mean() < 0.7 and set(np.unique(one)) == {0.0, 1.0}
    window = (WINDOW, WINDOW)
    error = sliding_window_view(one - truth, window).mean(axis=(2, 3))
    chance = (truth * (1.0 - truth)).mean() / WINDOW**2
    assert np.square(error).mean() < 0.65 * chance
    assert abs(error.mean()) < 0.02
