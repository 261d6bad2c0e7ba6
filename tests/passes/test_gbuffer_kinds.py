"""The rasterised G-buffer against the traced one: the same pixels, and the same features in them."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from app.arrays import F64, Bools
from app.gpu import Device
from app.network.schema import NO_FACE, TILE, TILE_PIXELS, VECTORS, channels, feature_image, from_tiles, unpack
from app.passes.gbuffer import GBUFFER_KINDS, GBuffer, GBufferKind
from app.passes.light_cache import LightCache
from app.passes.scene_buffers import SceneBuffers
from app.passes.visible_pixels import VisiblePixels
from app.passes.visible_triangles import opaque_triangles, visible_triangles
from app.scene.camera import Camera
from app.scene.default import default_scene
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene
from tests.primitives import quad, uv_sphere

EDGE = 1e-4  # metres: two kinds that differ more in depth see different sides of an edge
HALF = 2.0**-10  # relative distance of neighbouring halves, at most
SIZE = (119, 101)  # no multiples of a tile
JITTERS = [(0.0, 0.0), (0.37, -0.41)]
SUN = LightRig((DirectionalLight((0.0, 0.0, -1.0), irradiance=2.0),))
SKIN = Material("skin", albedo=(0.6, 0.4, 0.3), subsurface=1.0)
CAMERA = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0))


class Stage:
    """G-buffers of both kinds for the scene that is shown; pipelines are made once, for that takes seconds."""

    def __init__(self, gpu: Device) -> None:
        self.gpu = gpu
        self.scene = default_scene(aspect=1.0)
        self.buffers = SceneBuffers(gpu, self.scene)
        self.cache = LightCache(gpu, self.buffers, size=64, samples=2, samples_per_update=2)
        self._shown: tuple[Part, ...] = ()
        self._visible: dict[tuple[int, int], VisiblePixels] = {}
        self._gbuffers: dict[tuple[GBufferKind, tuple[int, int]], GBuffer] = {}

    def show(self, *parts: Part) -> None:
        """Shows other parts, in the sun; none: the default head in the studio, with eyes, brows and lashes."""
        if parts == self._shown:
            return
        self._shown = parts
        old = self.buffers
        self.buffers = SceneBuffers(self.gpu, Scene(parts, SUN, None, CAMERA) if parts else self.scene)
        self.cache.bind(self.buffers)
        for visible in self._visible.values():
            visible.bind(self.buffers)
        for gbuffer in self._gbuffers.values():
            gbuffer.bind(self.buffers)
        old.close()

    def frame(
        self, kind: GBufferKind, camera: Camera, size: tuple[int, int] = SIZE, jitter: tuple[float, float] = (0.0, 0.0)
    ) -> "Frame":
        self.buffers.set_frame(camera, *size, jitter=jitter, sample_index=0)
        self.cache.update()
        if size not in self._visible:
            self._visible[size] = visible_triangles(self.gpu, self.buffers, *size, opaque_triangles)
        visible = self._visible[size]
        if (kind, size) not in self._gbuffers:
            self._gbuffers[kind, size] = GBuffer(self.gpu, self.buffers, self.cache, visible, kind)
        gbuffer = self._gbuffers[kind, size]
        with self.gpu.commands() as command:
            visible.record(command)
            command.barrier()
            gbuffer.record(command)
            command.barrier()
        self.gpu.submit(command)
        command.close()
        return Frame(gbuffer, *size)

    def both(
        self, camera: Camera, size: tuple[int, int] = SIZE, jitter: tuple[float, float] = (0.0, 0.0)
    ) -> "list[Frame]":
        """The traced frame, then the rasterised one."""
        return [self.frame(kind, camera, size, jitter) for kind in GBUFFER_KINDS]

    def close(self) -> None:
        for one in (*self._gbuffers.values(), *self._visible.values()):
            one.close()
        self.cache.close()
        self.buffers.close()


class Frame:
    """Depth, light scale, mask (H, W) and channels (H, W, 32) of a G-buffer, 0 beside the face; and its places."""

    def __init__(self, gbuffer: GBuffer, width: int, height: int) -> None:
        tiles = gbuffer.tiles_x * gbuffer.tiles_y
        surface = gbuffer.surface.read(np.float32, (tiles, TILE_PIXELS, 2))
        image = from_tiles(surface, width, height)
        self.face = np.isfinite(image[..., 0])
        self.depth, self.scale = (np.where(self.face, image[..., i], 0.0) for i in range(2))
        words = feature_image(gbuffer.features.read(np.uint32, (tiles * VECTORS * TILE_PIXELS, 4)), width, height)
        self.channels = np.where(self.face[..., None], unpack(words), 0.0)
        self.face_places = gbuffer.places.read(np.uint32).reshape(tiles, TILE_PIXELS) != NO_FACE
        self.face_surface = np.isfinite(surface[..., 0])

    @property
    def from_within(self) -> Bools:
        """Skin seen from its inner side, which has no features."""
        result: Bools = self.face & (self.scale == 0.0)
        return result


@pytest.fixture(scope="module")
def kept_stage(session_device: Device) -> Iterator[Stage]:
    stage = Stage(session_device)
    yield stage
    stage.close()


@pytest.fixture
def stage(gpu: Device, kept_stage: Stage) -> Stage:
    """The stage; after the test the validation layer must have nothing to say."""
    return kept_stage


@pytest.fixture
def head(stage: Stage) -> Stage:
    """The stage with the default head on it."""
    stage.show()
    return stage


def assert_alike(traced: Frame, raster: Frame, *, edges: float = 0.002, off: float = 0.005) -> None:
    """Masks and depths differ at edges only, in so small a share of the face; elsewhere features are the same halves.

    Pixels whose ray passes the common edge of two triangles may show either of them, and with it another bend of the
    normal map's tangents: a share `off` of the pixels is more than two halves off, yet close. Two pixels always may.
    """
    at_edges = max(2.0, edges * traced.face.sum())
    assert (traced.face ^ raster.face).sum() <= at_edges
    both = traced.face & raster.face
    same = both & (np.abs(traced.depth - raster.depth) < EDGE)
    assert both.sum() - same.sum() <= at_edges
    assert (traced.from_within ^ raster.from_within)[same].sum() <= at_edges
    same &= ~traced.from_within & ~raster.from_within
    ours, theirs = raster.channels[same], traced.channels[same]
    error = np.abs(ours - theirs)
    few = max(2.0, off * len(error))
    assert (error > 2.0 * np.maximum(HALF * np.abs(theirs), 2.0**-14)).any(axis=-1).sum() <= few
    assert (error > 0.1).any(axis=-1).sum() <= at_edges
    scale = raster.scale[same] / np.maximum(traced.scale[same], 1e-30)
    assert (np.abs(scale - 1.0) > 1e-3).sum() <= few


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("size", [SIZE, (33, 17), (1, 1)])
def test_the_default_head(head: Stage, size: tuple[int, int], jitter: tuple[float, float]) -> None:
    for turn in (0.0, 1.2):
        traced, raster = head.both(head.scene.camera.orbit(turn, 0.1), size, jitter)
        assert traced.face.any() or size == (1, 1)
        assert_alike(traced, raster)
        # Neither marks anything beyond the image, and both planes say the same.
        for frame in (traced, raster):
            assert np.array_equal(frame.face_places, frame.face_surface)
            assert frame.face_places.sum() == frame.face.sum()


def test_jitter_moves_what_is_seen(head: Stage) -> None:
    still, moved = (head.frame("raster", head.scene.camera, jitter=jitter) for jitter in JITTERS)
    both = still.face & moved.face
    assert np.median(np.abs(still.channels - moved.channels)[both, :2].max(axis=-1)) > 1e-3  # uv


def test_borders_of_tiles_are_like_their_insides(head: Stage) -> None:
    traced, raster = head.both(head.scene.camera.zoom(2.0))
    y, x = np.indices(traced.face.shape) % TILE
    border = (x == 0) | (x == TILE - 1) | (y == 0) | (y == TILE - 1)
    same = traced.face & raster.face & (np.abs(traced.depth - raster.depth) < EDGE)
    error = np.abs(traced.channels - raster.channels).max(axis=-1)
    for place in (border, ~border):
        assert (traced.face & place).sum() > 1000
        assert (error > 0.02)[same & place].mean() < 0.002


def test_from_all_distances(head: Stage) -> None:
    """From far away, where triangles are smaller than pixels, to inside the head, where skin is seen from within."""
    for zoom, edges, off in ((0.2, 0.02, 0.03), (4.0, 0.002, 0.005), (30.0, 0.002, 0.005)):
        traced, raster = head.both(head.scene.camera.zoom(zoom), jitter=(-0.2, 0.3))
        assert traced.face.any()
        assert_alike(traced, raster, edges=edges, off=off)
    assert raster.from_within.all()


def test_the_near_plane_cuts_both(stage: Stage) -> None:
    stage.show(Part("ball", uv_sphere(0.1, 24, 32), SKIN, face=True))
    traced, raster = stage.both(replace(CAMERA, near=0.93))
    whole = stage.frame("raster", CAMERA)
    assert_alike(traced, raster)
    assert raster.depth[raster.face].min() >= 0.93
    assert np.array_equal(raster.face, whole.face)
    # Through the hole, the ball's inside.
    assert 0.3 < raster.from_within.sum() / whole.face.sum() < 0.9
    assert not whole.from_within.any()


def test_what_is_clear_is_looked_through_and_what_is_opaque_is_not(stage: Stage) -> None:
    mesh = quad((0.1, 0.0, 0.2), (0.1, 0.0, 0.0), (0.0, 0.2, 0.0))  # the right half of the picture
    pane = Part("pane", mesh, replace(SKIN, name="pane", transmission=1.0), face=True)
    hair = Part("hair", mesh, Material("hair"))
    ball = Part("ball", uv_sphere(0.1, 24, 32), SKIN, face=True)
    stage.show(ball)
    alone = stage.frame("raster", CAMERA)
    beside = np.indices(alone.face.shape)[1] < alone.face.shape[1] // 2
    for before, shows in ((pane, alone.face), (hair, alone.face & beside)):
        stage.show(before, ball)
        traced, raster = stage.both(CAMERA)
        assert_alike(traced, raster)
        assert np.array_equal(raster.face, shows) and np.array_equal(raster.depth[shows], alone.depth[shows])


def test_parts_are_told_apart(stage: Stage) -> None:
    """Two parts that are face, each with its own material and triangles, and one that is not before them."""
    mesh = quad((0.0, 0.0, 0.0), (0.04, 0.0, 0.0), (0.0, 0.04, 0.0))
    shades = {"left": 0.2, "right": 0.7}
    left, right = (
        Part(name, mesh, replace(SKIN, name=name, albedo=(shade, shade, shade)), face=True, transform=_moved(x))
        for (name, shade), x in zip(shades.items(), (-0.05, 0.05), strict=True)
    )
    stage.show(Part("ball", uv_sphere(0.01, 8, 8), Material("ball")), left, right)
    raster = stage.frame("raster", CAMERA)
    middle = SIZE[0] // 2
    for half, shade in zip((np.s_[:, :middle], np.s_[:, middle:]), shades.values(), strict=True):
        assert raster.face[half].any()
        albedo = raster.channels[half][raster.face[half]][:, channels("albedo")]
        assert np.allclose(albedo, shade, atol=1e-3)


@pytest.mark.parametrize("tilt", [1e-3, 3e-4])
def test_a_sheet_seen_from_its_edge_stays_where_it_is(stage: Stage, tilt: float) -> None:
    """Rasterised edges are a little off, and there a ray may meet the sheet's plane far outside of the sheet."""
    mesh = quad((0.0, 0.0, 0.0), (0.08, 0.0, 0.0), (0.0, 0.08 * math.sin(tilt), -0.08 * math.cos(tilt)))
    stage.show(Part("sheet", mesh, SKIN, face=True))
    shown = 0
    for step in range(-40, 41):  # finer than the rasteriser's, across the whole sheet
        raster = stage.frame("raster", CAMERA, jitter=(0.0, step / 1024.0))
        depth = raster.depth[raster.face]
        shown += len(depth)
        assert ((depth > 0.92 - 1e-5) & (depth < 1.08 + 1e-5)).all()
        assert np.isfinite(raster.channels).all()
    assert shown > 0


def _moved(x: float) -> F64:
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix
