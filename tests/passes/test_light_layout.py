"""The light cache's own layout on the GPU: where UVs are squeezed, shadows are as sharp as elsewhere."""

import math
from contextlib import ExitStack, closing

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from app.passes import scene_buffers
from app.passes.light_cache import SHADOW_KINDS, LightCache, ShadowKind
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Mesh, Part, Scene
from tests.passes.face_frame import draw_frame
from tests.primitives import quad

ACROSS, EDGE = 128, 0.2  # pixels, metres
SUN = DirectionalLight((0.0, 0.0, -1.0), irradiance=1.0, angular_radius=0.0)
SHADOW = -0.051  # metres from the sheet's middle, where its edge lies: in the squeezed half


def sheet(squeeze: float) -> Part:
    """A square that faces z; its left half has a share of 1 / (1 + squeeze) of the UV square."""
    line = np.linspace(-0.5, 0.5, 65)
    u = np.concatenate([[0.0], np.cumsum(np.where(line[:-1] < 0.0, 1.0, squeeze))])
    x, y = np.meshgrid(line * EDGE, line * EDGE)
    corner = (np.arange(64) + 65 * np.arange(64)[:, None]).ravel()
    halves = ((corner, corner + 1, corner + 65), (corner + 1, corner + 66, corner + 65))
    triangles = np.concatenate([np.stack(half, axis=1) for half in halves])
    uvs = np.stack(np.meshgrid(u / u[-1], line + 0.5), axis=-1).reshape(-1, 2)
    positions = np.stack([x, y, 0.0 * x], axis=-1).reshape(-1, 3)
    skin = Material("skin", albedo=(0.5, 0.5, 0.5), subsurface=1.0, mean_free_path=(0.5, 0.5, 0.5))
    return Part("skin", Mesh.of(positions, triangles, uvs=uvs), skin, face=True)


def lit(gpu: Device, skin: Part, kind: ShadowKind) -> F32:
    """Light in the middle row of pixels that look at the sheet, below a shade: sharp, and spread by 0.2 mm."""
    shade = Part(
        "shade", quad((-0.5, -0.5, 0.02), (0.5 + SHADOW, 0.0, 0.0), (0.0, 1.0, 0.0)), Material(albedo=(0.0, 0.0, 0.0))
    )
    # The camera is below the shade's height.
    camera = Camera((0.0, 0.0, 0.019), (0.0, 0.0, 0.0), fov_y=2.0 * math.atan(0.5 * EDGE / 0.019))
    scene = Scene((skin, shade), LightRig((SUN,)), None, camera)
    with ExitStack() as owned:
        buffers = owned.enter_context(closing(SceneBuffers(gpu, scene, store=None)))  # `even_uvs` is another one
        cache = owned.enter_context(closing(LightCache(gpu, buffers, size=32, samples=8, background=False, kind=kind)))
        frame = draw_frame(gpu, buffers, cache, camera, (ACROSS, ACROSS))
    row = ACROSS // 2
    return np.stack([frame.features[name][row, :, 0] * frame.scale[row] for name in ("diffuse", "diffuse_narrow")])


@pytest.mark.parametrize("kind", SHADOW_KINDS)
def test_shadows_on_squeezed_uvs_are_sharp(gpu: Device, kind: ShadowKind, monkeypatch: pytest.MonkeyPatch) -> None:
    squeezed = sheet(20.0)
    x = ((np.arange(ACROSS) + 0.5) / ACROSS - 0.5) * EDGE
    inner = np.abs(x) < 0.45 * EDGE
    truth = (x > SHADOW)[inner] * lit(gpu, sheet(1.0), kind)[:, inner].max()
    error = np.abs(lit(gpu, squeezed, kind)[:, inner] - truth).mean(axis=1)
    monkeypatch.setattr(scene_buffers, "even_uvs", lambda meshes: [mesh.uvs for mesh in meshes])
    by_uv = np.abs(lit(gpu, squeezed, kind)[:, inner] - truth).mean(axis=1)
    assert (error < 0.7 * by_uv).all() and error.sum() < 0.4 * by_uv.sum()
