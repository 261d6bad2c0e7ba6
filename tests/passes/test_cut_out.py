"""Opacity, as rays and depth maps meet it: what light passes a part that is cut out, and what is seen through it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from app.network.weights import WeightSet
from app.passes import light_maps
from app.renderer import Renderer
from app.scene.camera import Camera
from app.scene.lights import DirectionalLight, LightRig
from app.scene.model import Material, Part, Scene, Texture
from tests.passes.veil import with_veil
from tests.primitives import quad

SIZE = (48, 48)
# Texels of which those at the top right are there; the first row is the top.
QUARTER = np.zeros((32, 32, 4), np.uint8)
QUARTER[:16, 16:, 3] = 255
SUN = LightRig((DirectionalLight((0.0, 0.0, -1.0), irradiance=np.pi, angular_radius=0.0),))

Devices = Callable[[bool], Device]


@pytest.fixture(autouse=True)
def _coarser_light_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall needs no finer ones, which take most of the time."""
    monkeypatch.setattr(light_maps, "MAP_SIZE", 256)


@pytest.fixture
def devices(gpu: Device, device_without_rays: Device) -> Devices:
    return lambda rays: gpu if rays else device_without_rays


def wall() -> Scene:
    """A wall in the sun, seen from below the veil that hangs before it."""
    square = quad(edge_u=(0.3, 0.0, 0.0), edge_v=(0.0, 0.3, 0.0))
    part = Part("wall", square, Material("wall", (0.5, 0.5, 0.5)), face=True)
    camera = Camera(position=(0.0, -0.35, 0.45), target=(0.0, 0.0, 0.0))
    return Scene((part,), SUN, None, camera)


def lit(device: Device, scene: Scene, weights: WeightSet, mode: str) -> F32:
    """Light on the wall, as the features or the reference have it: (H, W)."""
    with Renderer(device, scene, weights, SIZE, cache_size=64, cache_samples=32) as renderer:
        if mode == "reference":
            renderer.mode = mode
            for _ in range(64):
                renderer.render()
            return renderer.read_radiance()[..., 1]
        renderer.settle_lights()
        renderer.render()
        return renderer.read_aov("diffuse")[..., 1]


def middle(picture: F32, right: int = 0, up: int = 0) -> float:
    """The mean around the middle of the picture, or of what lies left (-1) or right (1) of it, below or above."""
    x, y = SIZE[0] // 2 + 8 * right, SIZE[1] // 2 - 8 * up
    return float(picture[y - 2 : y + 2, x - 2 : x + 2].mean())


@pytest.mark.parametrize(("mode", "rays"), [("neural", True), ("neural", False), ("reference", True)])
@pytest.mark.parametrize("opacity", [0.0, 0.3, 1.0])
def test_shadows_are_as_dark_as_what_is_blended(
    devices: Devices, weights: WeightSet, mode: str, rays: bool, opacity: float
) -> None:
    device = devices(rays)
    bare = middle(lit(device, wall(), weights, mode))
    veiled = middle(lit(device, with_veil(wall(), opacity=opacity), weights, mode))
    noise = 4.0 * np.sqrt(opacity * (1.0 - opacity) / (32 * 16))  # of so many looks, each at another place
    assert veiled / bare == pytest.approx(1.0 - opacity, abs=0.01 + noise)


@pytest.mark.parametrize(("mode", "rays"), [("neural", True), ("neural", False), ("reference", True)])
def test_layers_of_one_part_shade_together(devices: Devices, weights: WeightSet, mode: str, rays: bool) -> None:
    """What is left out of one is not left out of all: cards of hair would shade no more than a single one does."""
    device, layers = devices(rays), 3
    bare = middle(lit(device, wall(), weights, mode))
    veiled = middle(lit(device, with_veil(wall(), layers), weights, mode))
    expected = 0.5**layers
    noise = 4.0 * np.sqrt(expected * (1.0 - expected) / (32 * 16))
    assert veiled / bare == pytest.approx(expected, abs=0.01 + noise)


@pytest.mark.parametrize(("mode", "rays"), [("neural", True), ("neural", False), ("reference", True)])
def test_shadows_have_holes_where_a_map_is_cut(devices: Devices, weights: WeightSet, mode: str, rays: bool) -> None:
    device = devices(rays)
    bare = lit(device, wall(), weights, mode)
    for mode_of_alpha in ("mask", "blend"):
        options: dict[str, Any] = {"alpha_mode": mode_of_alpha, "opacity": 1.0}
        cut = lit(device, with_veil(wall(), albedo_map=Texture(QUARTER), **options), weights, mode)
        for place in ((-1, 1), (-1, -1), (1, -1)):
            assert middle(cut, *place) == pytest.approx(middle(bare, *place), rel=0.02), place
        assert middle(cut, 1, 1) < 0.02 * middle(bare, 1, 1)
    faint: dict[str, Any] = {"alpha_mode": "mask", "opacity": 0.4}  # less than the cut-off of a half
    none = lit(device, with_veil(wall(), albedo_map=Texture(QUARTER), **faint), weights, mode)
    assert middle(none, 1, 1) == pytest.approx(middle(bare, 1, 1), rel=0.02)
    gone = lit(device, with_veil(wall(), alpha_mode="mask", opacity=0.0), weights, mode)
    assert middle(gone) == pytest.approx(middle(bare), rel=0.02)


def test_the_reference_sees_through_it(gpu: Device, weights: WeightSet) -> None:
    """What is behind, times the share that is not there: the veil itself is black."""
    face = wall()
    front = Scene(face.parts, face.rig, None, Camera(position=(0.0, 0.0, 1.2), target=(0.0, 0.0, 0.0)))
    shares = {}
    for opacity in (0.0, 0.5, 1.0):
        picture = lit(gpu, with_veil(front, opacity=opacity), weights, "reference")
        shares[opacity] = float(picture[18:30, 18:30].mean())
    # The half that lets the view through also lets half of the sun through.
    assert shares[1.0] == 0.0
    noise = 4.0 * np.sqrt(0.75 / 0.25 / (144 * 64))  # relative, of so many paths of which a quarter arrives
    assert shares[0.5] == pytest.approx(0.25 * shares[0.0], rel=noise)


def test_a_face_is_drawn_whole(gpu: Device, weights: WeightSet) -> None:
    """Whatever opacity its material has: files of faces often have a map whose alpha means something else."""
    part = wall().parts[0]
    for mode in ("neural", "reference"):
        unseen = replace(part, material=replace(part.material, opacity=0.0, alpha_mode="blend"))
        one, other = (lit(gpu, replace(wall(), parts=(each,)), weights, mode) for each in (part, unseen))
        np.testing.assert_array_equal(one, other)
