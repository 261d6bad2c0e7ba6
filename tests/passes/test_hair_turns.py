"""While a light moves, vertices of hair take turns in looking for it; once it rests, all of them know where it is."""

from dataclasses import replace

import numpy as np

from app.arrays import U8, U32
from app.gpu import Device
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import HAIR_SAMPLES, HAIR_TURNS, VERTEX_LIGHT
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Mesh, Part, Scene
from tests.conftest import Keep
from tests.primitives import quad

ALONG = 4 * HAIR_TURNS  # vertices of the strand along either edge
SKIN = Part("skin", quad((0, 0, 0), (0.002, 0, 0), (0, 0.002, 0)), Material("skin"), face=True)
ROOF = Part("roof", quad((0, 0.2, 0.1), (0.5, 0, 0), (0, 0, -0.5)), Material("roof", albedo=(0.0, 0.0, 0.0)))
FROM_THE_FRONT = DirectionalLight((0.0, 0.0, -1.0), irradiance=1.0, angular_radius=0.0)
FROM_ABOVE = DirectionalLight((0.0, -1.0, -0.4), irradiance=1.0, angular_radius=0.0)  # the roof is in the way
OTHER = DirectionalLight((0.3, 0.1, -1.0), irradiance=0.5, angular_radius=0.0)


def strand() -> Part:
    """A ribbon that faces the front: its vertices up one edge and down the other, 8 * HAIR_TURNS in all."""
    y = np.linspace(0.0, 0.05, ALONG)
    edges = [np.stack([np.full(ALONG, x), y, np.full(ALONG, 0.1)], axis=-1) for x in (0.0, 0.001)]
    low = np.arange(ALONG - 1)
    triangles = np.concatenate(
        [np.stack([low, low + ALONG, low + 1], axis=-1), np.stack([low + 1, low + ALONG, low + ALONG + 1], axis=-1)]
    )
    return Part("hair", Mesh.of(np.concatenate(edges), triangles), Material("hair", albedo=(0.1, 0.1, 0.1)))


def test_vertices_of_hair_take_turns(gpu: Device, keep: Keep) -> None:
    scene = Scene((SKIN, strand(), ROOF), LightRig((FROM_THE_FRONT, OTHER)), None, Camera())
    assert [part.hair for part in scene.parts] == [False, True, False]
    buffers = keep(SceneBuffers(gpu, scene))
    cache = keep(LightCache(gpu, buffers, size=16, samples=2 * HAIR_SAMPLES))
    buffers.set_frame(scene.camera, 16, 16, jitter=(0.0, 0.0), sample_index=0)

    def shares() -> U8:
        """Which share of both lights is seen, in 255ths: (2, vertices of hair)."""
        vertices: U32 = cache.vertex_lights.read(VERTEX_LIGHT.dtype)["shares"]
        return np.ascontiguousarray(vertices).view(np.uint8).reshape(len(vertices), -1)[: 2 * ALONG, :2].T

    def move(light: DirectionalLight) -> None:
        assert not buffers.set_lights(replace(scene, rig=LightRig((light, OTHER))))
        cache.restart([0])
        cache.update()

    while not cache.converged:
        cache.update()
    assert (shares() == 255).all()
    turns = HAIR_TURNS if gpu.raytracing else 1
    for turn in range(1, turns + 1):
        move(FROM_ABOVE)
        seen, of_other = shares()
        assert (of_other == 255).all()
        groups = seen.reshape(-1, 8)  # neighbours look together
        assert (groups == groups[:, :1]).all()
        assert (seen == 0).mean() == turn / turns

    # A light that comes to rest is known everywhere by the next update, and nothing is left of where it was.
    move(FROM_THE_FRONT)
    assert (shares()[0] == 255).mean() == 1.0 / turns
    cache.update()
    assert (shares() == 255).all()
    while not cache.converged:
        cache.update()
    assert (shares() == 255).all()
    move(FROM_ABOVE)
    cache.update()
    assert (shares()[0] == 0).all() and (shares()[1] == 255).all()

    # Everything looks at once where more than lights is new.
    cache.restart()
    buffers.set_lights(scene)
    cache.update()
    assert (shares() == 255).all()
