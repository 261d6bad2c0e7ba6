"""Who makes things on the GPU closes them, also where the making fails half way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.gpu import Device
from app.gpu.lifetime import Resource
from app.network.weights import WeightSet
from app.passes.background import Background
from app.passes.gbuffer import GBUFFER_KINDS, GBuffer
from app.passes.light_cache import SHADOW_KINDS, LightCache
from app.passes.owner import Closes, Owner
from app.passes.progressive_reference import ProgressiveReference
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MAX_TEXTURES
from app.passes.tile_radiance import TileRadiance
from app.passes.visible_triangles import opaque_triangles, visible_triangles
from app.renderer import Renderer
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene, Texture
from tests.conftest import Keep
from tests.primitives import quad, uv_sphere

PIXELS = np.full((4, 4, 3), 200, np.uint8)
SKIN = Material("skin", (0.6, 0.4, 0.3), subsurface=1.0, albedo_map=Texture(PIXELS))
PARTS = (
    Part("head", uv_sphere(0.1, 12, 16), SKIN, face=True),
    Part("pane", quad((0.0, 0.0, 0.2), (0.1, 0.0, 0.0), (0.0, 0.1, 0.0)), Material("pane", transmission=1.0)),
)
CAMERA = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=0.3)
SCENE = Scene(PARTS, LightRig((DirectionalLight((0.0, 0.0, -1.0)),)), Environment.constant(), CAMERA)
SIZE = (40, 24)


class Thing:
    def __init__(self, log: list[str], name: str, *, fails: bool = False) -> None:
        self.log, self.name, self.fails = log, name, fails

    def close(self) -> None:
        self.log.append(self.name)
        if self.fails:
            raise RuntimeError(self.name)


class Refused(Exception):
    """Nothing more is made."""


@contextmanager
def counted(allowed: int | None = None) -> Iterator[list[str]]:
    """Names of what is made on the GPU; of so many things, the next is Refused."""
    made: list[str] = []
    begin = Resource.__init__

    def begun(self: Resource, ledger: Any, name: str = "", **options: Any) -> None:
        if len(made) == allowed:
            raise Refused
        made.append(name)
        begin(self, ledger, name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Resource, "__init__", begun)
        yield made


def refuse_each(gpu: Device, make: Callable[[], Closes], step: int = 1) -> None:
    """Make a thing, each time with another part of it Refused: nothing is left. `step`: every how manyth part."""
    make().close()  # compiles what stays compiled
    with counted() as made:
        make().close()
    before, resources = gpu.live_objects, len(gpu.ledger.resources)
    for allowed in range(len(made) - 1, -1, -step):
        with counted(allowed), pytest.raises(Refused):
            make()
        assert gpu.live_objects == before, made[allowed]
        assert len(gpu.ledger.resources) == resources, made[allowed]


def test_all_is_closed_last_first_whatever_fails() -> None:
    log: list[str] = []
    owner = Owner()
    things = [owner.own(Thing(log, name, fails=name == "b")) for name in "abcd"]
    assert owner.let_go(things[2]) is things[2]
    with pytest.raises(RuntimeError, match="b"):
        owner.close()
    assert log == ["d", "b", "a"]
    with owner:
        owner.own(things[2])
    assert log == ["d", "b", "a", "c"]
    owner.close()
    assert log == ["d", "b", "a", "c"]


def test_what_is_entered_is_left_in_its_turn() -> None:
    log: list[str] = []

    @contextmanager
    def entered() -> Iterator[str]:
        yield "inside"
        log.append("left")

    with Owner() as owner:
        owner.own(Thing(log, "a"))
        assert owner.enter(entered()) == "inside"
        owner.own(Thing(log, "b"))
    assert log == ["b", "left", "a"]


def test_building_closes_only_where_it_fails() -> None:
    log: list[str] = []
    owner = Owner()
    with owner.building():
        owner.own(Thing(log, "a"))
    assert not log
    with pytest.raises(Refused), owner.building():
        owner.own(Thing(log, "b"))
        raise Refused
    assert log == ["b", "a"]


def test_too_many_textures_leave_nothing(gpu: Device) -> None:
    mesh = PARTS[0].mesh
    parts = tuple(
        Part(f"{i}", mesh, replace(SKIN, albedo_map=Texture(PIXELS.copy())), face=True) for i in range(MAX_TEXTURES + 1)
    )
    SceneBuffers(gpu, replace(SCENE, parts=parts[1:])).close()  # as many as there may be
    before = gpu.live_objects
    with pytest.raises(InputError, match=f"more than {MAX_TEXTURES} textures"):
        SceneBuffers(gpu, replace(SCENE, parts=parts))
    assert gpu.live_objects == before


def test_half_a_scene_is_not_left(gpu: Device) -> None:
    refuse_each(gpu, lambda: SceneBuffers(gpu, SCENE))


@pytest.mark.parametrize("kind", SHADOW_KINDS)
def test_half_a_light_cache_is_not_left(gpu: Device, keep: Keep, kind: Any) -> None:
    buffers = keep(SceneBuffers(gpu, SCENE))
    refuse_each(gpu, lambda: LightCache(gpu, buffers, size=16, samples=1, kind=kind))


def test_half_a_pass_is_not_left(gpu: Device, keep: Keep) -> None:
    buffers = keep(SceneBuffers(gpu, SCENE))
    cache = keep(LightCache(gpu, buffers, size=16, samples=1))
    refuse_each(gpu, lambda: visible_triangles(gpu, buffers, *SIZE, opaque_triangles))
    visible = keep(visible_triangles(gpu, buffers, *SIZE, opaque_triangles))
    for kind in GBUFFER_KINDS:
        refuse_each(gpu, lambda kind=kind: GBuffer(gpu, buffers, cache, visible, kind))  # type: ignore[misc]
    radiance = keep(TileRadiance(gpu, *SIZE))
    refuse_each(gpu, lambda: Background(gpu, buffers, cache, visible, radiance))
    refuse_each(gpu, lambda: ProgressiveReference(gpu, buffers, *SIZE, interleaved=True))


def test_half_a_renderer_is_not_left(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15), slots=2)
    refuse_each(gpu, lambda: Renderer(gpu, SCENE, weights, SIZE, cache_size=16, cache_samples=1), step=7)
