"""Where the light cache's rays start: from the middle of a texel, or, near short hair, from anywhere in it."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from app.arrays import F64
from app.gpu import Device
from app.network.schema import SIGMA_NARROW, SIGMA_WIDE
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import FINE_SCALE, SHADOW_SCALE
from app.passes.light_points import HAIR_REACH, face_texels
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import MASK_SPARSE_HAIR
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Mesh, Part, Scene
from tests.passes.face_frame import draw_frame
from tests.passes.looks import read_shares

SIZE, SAMPLES = 32, 33  # the first sample leaves out fine texels
FINE = FINE_SCALE * SIZE
EDGE = 1e-3 * FINE  # of the skin: fine texels of a millimetre
BAR, SPACING = 0.4e-3, 1.7e-3
NOON = DirectionalLight((0.0, -1.0, 0.0), irradiance=1.0, angular_radius=0.0)


def skin(height: F64 | None = None) -> Part:
    """A sheet facing up: u along x, v along z; `height` at evenly spaced x."""
    height = np.zeros(2) if height is None else height
    x = np.linspace(0.0, EDGE, len(height))
    positions = np.array([(a, h, z) for z in (0.0, EDGE) for a, h in zip(x, height, strict=True)])
    n = len(height)
    left = np.arange(n - 1)
    triangles = np.concatenate(
        [np.stack(t, 1) for t in ((left, left + n, left + 1), (left + 1, left + n, left + n + 1))]
    )
    slope = np.gradient(height, x)
    normals = np.stack([-slope, np.ones(n), np.zeros(n)], axis=-1) / np.hypot(1.0, slope)[:, None]
    uvs = np.stack([positions[:, 0], positions[:, 2]], axis=-1) / EDGE
    return Part("skin", Mesh.of(positions, triangles, np.tile(normals, (2, 1)), uvs), Material(), face=True)


def bars(name: str, height: float, along: float = EDGE) -> Part:
    """Bars of hair's width along z, `height` above the skin."""
    first = np.arange(0.5e-3, EDGE - BAR, SPACING)
    ends = np.linspace(0.0, along, 1 + int(np.ceil(along / HAIR_REACH)))  # hair is looked for at its vertices
    pieces = [(x, *z) for x in first for z in pairwise(ends)]
    positions = np.array([(a, height, z) for x, *zs in pieces for z in zs for a in (x, x + BAR)])
    triangles = np.concatenate([4 * k + np.array([(0, 2, 1), (1, 2, 3)]) for k in range(len(pieces))])
    return Part(name, Mesh.of(positions, triangles), Material())


def open_share(cell: float = 1e-3) -> F64:
    """Which share of each cell along x no bar lies above; fine texels have a millimetre."""
    edges = np.arange(round(EDGE / cell) + 1) * cell
    first = np.arange(0.5e-3, EDGE - BAR, SPACING)[:, None]
    covered = np.clip(np.minimum(edges[1:], first + BAR) - np.maximum(edges[:-1], first), 0.0, None).sum(axis=0)
    return np.asarray(1.0 - covered / cell, np.float64)


@contextmanager
def buffers(gpu: Device, *parts: Part) -> Iterator[SceneBuffers]:
    scene = SceneBuffers(gpu, Scene(parts, rig=LightRig((NOON,))))
    try:
        yield scene
    finally:
        scene.close()


def test_parts_that_share_the_square_keep_to_their_texels(gpu: Device) -> None:
    """A face in two parts has the places of one in one part: no gutter lies over what another part covers."""
    whole = skin(np.linspace(0.0, 4e-3, 6) ** 1.5)
    middle = whole.mesh.positions[whole.mesh.triangles].mean(axis=1)[:, 0]
    halves = [
        replace(whole, name=name, mesh=replace(whole.mesh, triangles=whole.mesh.triangles[kept]))
        for name, kept in (("left", middle < 0.4 * EDGE), ("right", middle >= 0.4 * EDGE))
    ]
    with buffers(gpu, whole) as one, buffers(gpu, *halves) as two:
        wanted, found = face_texels(one, SIZE), face_texels(two, SIZE)
    for name in ("position", "normal", "area"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-9, err_msg=name)
    assert set(found["material"].tolist()) == {0, 1}


def seen(gpu: Device, *parts: Part) -> F64:
    """Which share of the looks from a shadow texel [v, u] sees the sun."""
    with buffers(gpu, *parts) as scene:
        cache = LightCache(gpu, scene, size=SIZE, samples=SAMPLES, background=False)
        scene.set_frame(Camera(), 64, 64, jitter=(0.0, 0.0), sample_index=0)
        while not cache.converged:
            cache.update()
        shares = read_shares(cache, 1)[0]
        cache.close()
    return np.asarray(shares, np.float64)


def of_fine_texels(shares: F64) -> F64:
    """The mean of the shadow texels within each fine texel."""
    return np.asarray(shares.reshape(FINE, SHADOW_SCALE, FINE, SHADOW_SCALE).mean(axis=(1, 3)), np.float64)


@pytest.mark.parametrize("name", ["hair", "brows"])
def test_short_hair_shades_texels_by_the_share_it_covers(gpu: Device, name: str) -> None:
    expected, inner = open_share(), np.s_[2:-2, 2:-2]
    share = of_fine_texels(seen(gpu, skin(), bars(name, 2e-3)))[inner]
    # All texels of a column have the same above them. Places spread evenly over a texel do better than chance.
    assert np.abs(share.mean(axis=0) - expected[2:-2]).max() < 4.0 * 0.5 / np.sqrt((SAMPLES - 1) * len(share))
    chance = (expected * (1.0 - expected) / (SAMPLES - 1))[2:-2]
    assert np.square(share - expected[2:-2]).mean() < 0.6 * chance.mean()


def test_what_is_no_hair_is_looked_at_from_the_middle(gpu: Device) -> None:
    share = seen(gpu, skin(), bars("fence", 2e-3))
    assert set(np.unique(share)) == {0.0, 1.0}
    middle = (np.arange(share.shape[1]) + 0.5) * EDGE / share.shape[1]
    first = np.arange(0.5e-3, EDGE - BAR, SPACING)[:, None]
    covered = ((first < middle) & (middle < first + BAR)).any(axis=0)
    inner = np.s_[1:-1]  # at the sheet's border rays start from the fine texel's middle, as there is none beyond
    assert np.array_equal(share.mean(axis=0)[inner], 1.0 - covered[inner])
    assert np.abs(open_share(EDGE / len(middle)) - (1.0 - covered)).max() > 0.3  # which is not what is covered


def test_rays_in_a_fold_start_on_the_skin(gpu: Device) -> None:
    """The sun above a steep valley is seen from everywhere, also where hair lets rays start anywhere."""
    valley = np.abs(np.linspace(-1.0, 1.0, 5)) * EDGE
    # Hair below the skin, which shades nothing, along the fold.
    z = np.arange(0.0, EDGE, 4e-3)
    corners = np.stack([np.full_like(z, EDGE / 2.0), np.full_like(z, -2e-3), z], axis=-1)
    positions = (corners[:, None] + 1e-4 * np.eye(3)).reshape(-1, 3)
    hair = Part("brows", Mesh.of(positions, np.arange(len(positions)).reshape(-1, 3)), Material())
    with buffers(gpu, skin(valley), hair) as scene:
        anywhere = face_texels(scene, FINE)["anywhere"].reshape(FINE, FINE)
    fold = np.s_[2:-2, FINE // 2 - 3 : FINE // 2 + 3]
    assert anywhere[fold].all()
    assert (of_fine_texels(seen(gpu, skin(valley), hair))[fold] == 1.0).all()


def test_long_hair_and_what_is_far_from_short_hair_leave_texels_alone(gpu: Device) -> None:
    short, shorter = EDGE / 4.0, EDGE / 32.0
    with buffers(gpu, skin(), bars("hair", 2e-3, along=short), bars("lashes", 1e-3, along=shorter)) as scene:
        column = face_texels(scene, FINE).reshape(FINE, FINE)[:, FINE // 2]
    z = column["position"][:, 2]
    assert column["anywhere"][z < short].all()
    assert not column["anywhere"][z > short + HAIR_REACH].any()
    lashes = (column["ray_mask"] & MASK_SPARSE_HAIR) > 0
    assert lashes[z < shorter].all() and not lashes[z > shorter + HAIR_REACH].any()

    with buffers(gpu, skin(), bars("hair", 2.0 * HAIR_REACH)) as scene:  # long: it ends far from the skin
        assert not face_texels(scene, FINE)["anywhere"].any()


@pytest.mark.parametrize("longest", [4.0, 8.0])
def test_light_that_spreads_beyond_the_end_of_the_skin_is_lost(gpu: Device, longest: float) -> None:
    """A Gaussian beside a straight edge keeps what the normal distribution says, and as near to it as no texel is."""
    path = longest * np.array([1.0, 0.5, 0.25])
    material = Material(subsurface=1.0, mean_free_path=(longest, longest / 2.0, longest / 4.0))
    half, across = EDGE / 2.0, 160  # 0.4 mm a pixel, where a texel has 2.7 mm
    sheet = skin()
    mesh = replace(sheet.mesh, uvs=(0.125 + 0.75 * sheet.mesh.uvs).astype(np.float32))
    camera = Camera((half, 1.0, half), (half, 0.0, half), up=(0.0, 0.0, -1.0), fov_y=2.0 * math.atan(half))
    with buffers(gpu, replace(sheet, mesh=mesh, material=material)) as scene, ExitStack() as owned:
        cache = owned.enter_context(closing(LightCache(gpu, scene, size=SIZE, samples=4, background=False)))
        frame = draw_frame(gpu, scene, cache, camera, (across, across))
    row = frame.face[across // 2]
    assert row.sum() > 0.95 * across
    u = (np.flatnonzero(row) + 0.5) / across
    to_edge = np.minimum(u, 1.0 - u) * EDGE
    assert to_edge.min() < 0.5e-3  # nearer than the middle of any texel
    for name, deviations in (("diffuse", SIGMA_NARROW), ("diffuse_narrow", SIGMA_NARROW), ("diffuse_wide", SIGMA_WIDE)):
        light = frame.features[name][across // 2][row] * frame.scale[across // 2][row][:, None]
        expected = norm.cdf(to_edge[:, None] / (deviations * path * 1e-3))
        assert np.abs(light / light[len(light) // 2] - expected).max() < 3e-3, name


def test_how_fine_texels_are_does_not_decide_which_hair_is_short(gpu: Device) -> None:
    """On a metre of skin a row of 64 texels would lie too far from hair 8 mm above it."""
    scale = 1.0 / EDGE
    parts = [skin(), bars("hair", 8e-3 / scale)]
    with buffers(gpu, *(replace(part, transform=np.diag([scale, scale, scale, 1.0])) for part in parts)) as scene:
        for size in (256, 512):
            assert face_texels(scene, size)["anywhere"].any(), size
