"""The background pass: opaque parts, and clear ones in front of them."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest

from app.arrays import F32, F64
from app.gpu import Device
from app.network.schema import HALF_MAX
from app.passes.background import Background
from app.passes.light_cache import LightCache
from app.passes.light_cache_layout import GATHERED_LIGHT, HAIR_SAMPLES, VERTEX_LIGHT
from app.passes.scene_buffers import SceneBuffers
from app.passes.tile_radiance import TileRadiance
from app.passes.visible_triangles import opaque_triangles, visible_triangles
from app.scene.camera import Camera
from app.scene.closed import hides_back_sides
from app.scene.environment import Environment
from app.scene.lights import AreaLight, LightRig, PointLight
from app.scene.model import Material, Mesh, Part, Scene, Texture, Wrap
from tests.conftest import Keep, keeping
from tests.passes.reference_scenes import trace
from tests.primitives import box, quad, together, uv_sphere

SIZE = 64
GREY = Environment(np.full((8, 16, 3), 0.25, np.float32))
FRONT = Camera(position=(0.0, 0.0, 1.0), target=(0.0, 0.0, 0.0), fov_y=2.0 * math.atan(0.1))  # sees x, y in -0.1..0.1
WALL = Part("wall", quad((0, 0, 0), (0.2, 0, 0), (0, 0.2, 0)), Material("wall", albedo=(0.6, 0.4, 0.2), ior=1.0))
# Far away and turned away, because a scene needs a face for its light cache.
FACE = Part("face", quad((0, 0, -5), (0.01, 0, 0), (0, 0.01, 0)), Material("skin"), face=True)


def clear(mesh: Mesh, ior: float = 1.5, roughness: float = 0.05) -> Part:
    return Part("clear", mesh, Material("glass", (1.0, 1.0, 1.0), ior=ior, roughness=roughness, transmission=1.0))


def a_scene(*parts: Part, lights: LightRig | None = None, environment: Environment | None = GREY) -> Scene:
    return Scene((FACE, *parts), lights or LightRig(), environment, FRONT)


def beside_the_face(scene: SceneBuffers) -> dict[int, bool]:
    return {index: one_sided for index, one_sided in opaque_triangles(scene).items() if not scene.parts[index].face}


@contextmanager
def drawn(
    gpu: Device, scene: Scene, frames: int = 1, *, with_face: bool = False, jitter: tuple[float, float] = (0.0, 0.0)
) -> Iterator[tuple[F32, F32]]:
    """Mean of some frames' radiance (SIZE,SIZE,4), and the last one's depth (SIZE,SIZE); behind the face, if wanted."""
    with keeping() as keep:
        buffers = keep(SceneBuffers(gpu, scene))
        cache = keep(LightCache(gpu, buffers, size=16, samples=32, samples_per_update=32))
        size = (SIZE, SIZE)
        visible = keep(visible_triangles(gpu, buffers, *size, opaque_triangles if with_face else beside_the_face))
        radiance = keep(TileRadiance(gpu, *size))
        background = keep(Background(gpu, buffers, cache, visible, radiance))
        with gpu.commands() as command:
            visible.record(command)
            command.barrier()
            background.record(command)
            command.barrier()
        keep(command)
        total = np.zeros((SIZE, SIZE, 4), np.float32)
        for frame in range(frames):
            buffers.set_frame(scene.camera, SIZE, SIZE, jitter=jitter, sample_index=frame)
            cache.update()
            gpu.submit(command)
            total += radiance.read()
        yield total / np.float32(frames), visible.read()[1]


def draw(gpu: Device, scene: Scene, frames: int = 1) -> F32:
    with drawn(gpu, scene, frames) as (radiance, _):
        return radiance


@pytest.fixture(scope="module")
def bare(session_device: Device) -> F32:
    """The wall alone."""
    return draw(session_device, a_scene(WALL))


def reflectance(ior: float) -> float:
    return ((ior - 1.0) / (ior + 1.0)) ** 2


class TestClear:
    @pytest.mark.parametrize("ior", [1.33, 2.0])
    def test_a_pane_dims_by_fresnel_and_adds_what_it_mirrors(self, gpu: Device, bare: F32, ior: float) -> None:
        """A closed pane of glass, straight on, in a grey room."""
        pane = clear(box((-0.05, -0.05, 0.1), (0.05, 0.05, 0.11)), ior)
        behind = draw(gpu, a_scene(WALL, pane))
        middle, r = np.s_[28:36, 28:36], reflectance(ior)
        mirrored = 0.25 * r
        # The room is seen in the pane over its whole outside; the table of reflectances is coarse.
        expected = bare[middle][..., :3] * (1.0 - r) + mirrored
        assert np.allclose(behind[middle][..., :3], expected, rtol=0.05)
        # Beside the pane nothing changes.
        assert np.allclose(behind[:6], bare[:6], rtol=2e-3)

    def test_an_open_sheet_bounds_what_is_behind_it(self, gpu: Device) -> None:
        """Light from inside spreads when it comes out: 1 / ior^2 of its radiance remains (Fresnel aside)."""
        sheet = clear(quad((0, 0, 0.1), (0.05, 0, 0), (0, 0.05, 0)), 1.5)
        closed = clear(box((-0.05, -0.05, 0.09), (0.05, 0.05, 0.1)), 1.5)
        one, two = (draw(gpu, a_scene(WALL, part))[30:34, 30:34, :3] for part in (sheet, closed))
        mirrored = 0.25 * reflectance(1.5)
        assert np.allclose((one - mirrored) * 1.5**2, two - mirrored, rtol=0.05)

    def test_without_a_step_of_the_index_it_is_invisible(self, gpu: Device, bare: F32) -> None:
        nothing = clear(uv_sphere(0.04, 24, 32).with_transform(_moved(0.0, 0.0, 0.1)), 1.0)
        behind = draw(gpu, a_scene(WALL, nothing))
        assert np.allclose(behind, bare, rtol=0.02, atol=2e-3)

    @pytest.mark.parametrize("rays", [True, False])
    def test_another_scene_is_drawn_as_by_a_pass_made_for_it(
        self, gpu: Device, device_without_rays: Device, keep: Keep, rays: bool
    ) -> None:
        """A pane comes before the wall, a veil of which half is there comes in its place, and goes again."""
        device = gpu if rays else device_without_rays
        pane = clear(box((-0.05, -0.05, 0.1), (0.05, 0.05, 0.11)))
        veil = Part("veil", quad((0, 0, 0.1), (0.3, 0, 0), (0, 0.3, 0)), Material(opacity=0.5, alpha_mode="blend"))
        face = replace(FACE, mesh=quad((0.0, 0.0, -0.1), (0.3, 0.0, 0.0), (0.0, 0.3, 0.0)))  # maps show what is near
        scenes = [replace(a_scene(WALL), parts=(face, WALL, *others)) for others in ((), (pane,), (veil,))]
        fresh = [draw(device, scene) for scene in scenes]
        buffers = [keep(SceneBuffers(device, scene)) for scene in scenes]
        cache = keep(LightCache(device, buffers[0], size=16, samples=32, samples_per_update=32))
        visible = keep(visible_triangles(device, buffers[0], SIZE, SIZE, beside_the_face))
        radiance = keep(TileRadiance(device, SIZE, SIZE))
        background = keep(Background(device, buffers[0], cache, visible, radiance))
        for index in (1, 2, 0, 2):
            for bound in (cache, visible, background):
                bound.bind(buffers[index])
            with device.commands() as command:
                visible.record(command)
                command.barrier()
                background.record(command)
                command.barrier()
            buffers[index].set_frame(FRONT, SIZE, SIZE, jitter=(0.0, 0.0), sample_index=0)
            cache.update()
            device.submit(command)
            command.close()
            assert np.array_equal(radiance.read(), fresh[index])

    def test_the_nearest_shows_in_whatever_order(self, gpu: Device) -> None:
        panes = [clear(quad((0, 0, z), (0.05, 0, 0), (0, 0.05, 0)), ior) for z, ior in ((0.1, 1.3), (0.2, 2.0))]
        near, one, other = (draw(gpu, a_scene(WALL, *parts))[24:40, 24:40] for parts in (panes[1:], panes, panes[::-1]))
        assert np.allclose(one, near, rtol=0.02) and np.allclose(other, near, rtol=0.02)

    def test_a_sheet_shows_from_behind(self, gpu: Device, bare: F32) -> None:
        sheet = quad((0, 0, 0.1), (0.05, 0, 0), (0, 0.05, 0))
        turned = quad((0, 0, 0.1), (-0.05, 0, 0), (0, 0.05, 0))
        one, other = (draw(gpu, a_scene(WALL, clear(mesh)))[24:40, 24:40] for mesh in (sheet, turned))
        assert np.abs(one - bare[24:40, 24:40]).max() > 0.02
        assert np.allclose(one, other, rtol=0.02)

    def test_what_stands_in_front_hides_it(self, gpu: Device, bare: F32) -> None:
        hidden = clear(quad((0, 0, -0.1), (0.2, 0, 0), (0, 0.2, 0)))
        assert np.array_equal(bare, draw(gpu, a_scene(WALL, hidden)))

    def test_a_lamp_is_mirrored_with_its_edges(self, gpu: Device) -> None:
        """A square lamp beside the camera shows as a bright square of the right size and brightness."""
        lamp = AreaLight.facing((0.0, 0.0, 1.2), (0.0, 0.0, 0.0), 0.12, 0.12, (1.0, 1.0, 1.0), 20.0)
        pane = clear(quad((0, 0, 0.0), (0.05, 0, 0), (0, 0.05, 0)), 1.5)
        black = replace(WALL, material=Material("black", (0.0, 0.0, 0.0), ior=1.0), transform=_moved(0.0, 0.0, -0.05))
        picture = draw(gpu, a_scene(black, pane, lights=LightRig((lamp,)), environment=None), frames=16)[..., 1]
        # By the law of mirrors its width on the pane is w * d_camera / (d_camera + d_lamp).
        width = 0.12 * 1.0 / (1.0 + 1.2) / 0.2 * SIZE
        bright = picture > 0.5 * picture.max()
        assert abs(math.sqrt(bright.sum()) - width) < 2.0
        assert np.median(picture[bright]) == pytest.approx(20.0 * reflectance(1.5), rel=0.05)
        # The pane is not quite smooth: its lobe blurs the edge over a pixel or two.
        beside = np.max(np.abs(np.mgrid[-31.5:32, -31.5:32]), axis=0) > width / 2.0 + 3.0
        assert picture[beside].max() < 0.1

    def test_it_refracts(self, gpu: Device) -> None:
        """A tilted sheet shifts what is behind it, towards the side that Snell's law says."""
        halves = [
            Part(name, quad((x, 0, 0), (0.1, 0, 0), (0, 0.2, 0)), Material(name, (albedo,) * 3, ior=1.0))
            for name, x, albedo in (("dark", -0.1, 0.1), ("light", 0.1, 0.8))
        ]
        tilt = math.radians(40.0)
        turned = np.array(
            [
                [math.cos(tilt), 0, math.sin(tilt), 0],
                [0, 1, 0, 0],
                [-math.sin(tilt), 0, math.cos(tilt), 0.1],
                [0, 0, 0, 1],
            ]
        )
        sheet = clear(quad((0, 0, 0), (0.08, 0, 0), (0, 0.08, 0)).with_transform(turned), 1.5)
        row = draw(gpu, a_scene(*halves, sheet))[SIZE // 2, 16:48, 0]
        edge = 16 + int(np.argmax(np.diff(row)))
        # A ray straight on meets the sheet 40 degrees off its normal and goes on 40 - asin(sin 40 / 1.5) off its way.
        off = tilt - math.asin(math.sin(tilt) / 1.5)
        shift = 0.1 * math.tan(off) / 0.2 * SIZE
        assert abs(abs(edge + 0.5 - SIZE / 2 + 0.5) - shift) < 2.0

    def test_half_clear_is_half_of_what_is_opaque_and_half_of_what_is_clear(self, gpu: Device) -> None:
        behind = replace(WALL, material=Material("lit", (0.0, 0.0, 0.0), ior=1.0, emission=(0.5, 0.3, 0.1)))
        pane = clear(box((-0.05, -0.05, 0.1), (0.05, 0.05, 0.11)))
        none, half, full = (
            draw(gpu, a_scene(behind, replace(pane, material=replace(pane.material, transmission=transmission))))
            for transmission in (0.0, 0.5, 1.0)
        )
        middle = np.s_[28:36, 28:36, :3]
        assert np.abs(none - full)[middle].max() > 0.1
        assert np.allclose(half[middle], (none[middle] + full[middle]) / 2.0, rtol=0.02)

    def test_what_stands_before_it_is_not_seen_through_it(self, gpu: Device) -> None:
        """Beside a card in front of a tilted pane, which bends the view to where the card is drawn.

        A look-up at the card's edge is half of it, at most.
        """
        tilt = np.eye(4)
        tilt[:3, :3] = [[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]]
        tilt[:3, 3] = 0.04, 0.0, 0.15
        pane = clear(box((-0.05, -0.05, -0.02), (0.05, 0.05, 0.02)).with_transform(tilt), 1.8)
        behind = replace(WALL, material=Material("lit", (0.0, 0.0, 0.0), ior=1.0, emission=(0.5, 0.5, 0.5)))
        card = Part("card", quad((-0.05, 0.0, 0.3), (0.05, 0.0, 0.0), (0.0, 0.2, 0.0)), Material("black", (0.0,) * 3))
        seen = draw(gpu, a_scene(behind, pane, card, environment=None))[28:36, SIZE // 2 + 2 : SIZE // 2 + 24, 1]
        assert seen.min() > 0.4 * seen.max()

    def test_against_the_backdrop(self, gpu: Device) -> None:
        """Where nothing opaque is behind, the backdrop shows; the pixel counts as drawn, but has no depth."""
        pane = clear(box((-0.05, -0.05, 0.0), (0.05, 0.05, 0.01)))
        with drawn(gpu, a_scene(pane)) as (picture, depth):
            assert (depth == 1.0).all()
        assert np.allclose(picture[28:36, 28:36, :3], 0.25, rtol=0.03)
        assert (picture[28:36, 28:36, 3] == 1.0).all() and (picture[:4, :, 3] == 0.0).all()


class TestFace:
    """What the face hides is not drawn; what stands before it is."""

    # The left half of the picture.
    SKIN = Part("face", quad((-0.05, 0, 0.1), (0.05, 0, 0), (0, 0.2, 0)), Material("skin"), face=True)

    def _scene(self, *parts: Part) -> Scene:
        return Scene((self.SKIN, *parts), LightRig(), GREY, FRONT)

    def test_it_hides_what_is_behind_and_nothing_else(self, gpu: Device) -> None:
        card = replace(WALL, name="card", mesh=quad((0, 0, 0.2), (0.2, 0, 0), (0, 0.02, 0)))
        scene = self._scene(WALL, card)
        with drawn(gpu, scene) as (everything, depth_of_all), drawn(gpu, scene, with_face=True) as (seen, depth):
            hidden = np.zeros((SIZE, SIZE), bool)
            hidden[:, : SIZE // 2] = True
            hidden[24:40] = False  # the card stands before it, 10 pixels or so high
            assert (seen[hidden] == 0.0).all()
            assert np.array_equal(seen[:, SIZE // 2 + 1 :], everything[:, SIZE // 2 + 1 :])
            assert np.array_equal(seen[28:36], everything[28:36]) and (seen[28:36, :, 3] == 1.0).all()
            assert (depth[hidden] < depth_of_all[hidden]).all()  # the face's, nearer than the wall

    def test_glass_before_it_is_not_drawn(self, gpu: Device) -> None:
        """Clear parts show before the background and the backdrop, not before the face."""
        pane = clear(box((-0.06, -0.06, 0.2), (0.06, 0.06, 0.21)))
        with drawn(gpu, self._scene(pane), with_face=True) as (seen, _):
            assert (seen[:, : SIZE // 2 - 1] == 0.0).all()
            assert (seen[28:36, SIZE // 2 + 1 : SIZE // 2 + 10, 3] == 1.0).all()

    def test_glass_beside_it_does_not_refract_what_is_not_there(self, gpu: Device) -> None:
        """Behind the edge of a pane that bends the view towards the face there is no radiance of it to take."""
        tilt = np.eye(4)
        tilt[:3, :3] = [[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]]
        tilt[:3, 3] = 0.04, 0.0, 0.15
        pane = clear(box((-0.05, -0.05, -0.02), (0.05, 0.05, 0.02)).with_transform(tilt), 1.8)
        with drawn(gpu, self._scene(WALL, pane), with_face=True) as (seen, _):
            beside = seen[28:36, SIZE // 2 + 2 : SIZE // 2 + 24, 1]
            assert beside.min() > 0.8 * beside.max()  # it bends the view of 13 of these columns there


class TestBackSides:
    """They are left out where nobody sees them: half of the triangles, and no difference in the picture."""

    METAL = Material("metal", (0.9, 0.7, 0.5), ior=1.0, metallic=1.0, roughness=0.4)

    def test_a_ball_looks_like_one_with_a_hole_behind(self, gpu: Device) -> None:
        ball = uv_sphere(0.06, 16, 32)
        furthest = ball.positions[ball.triangles][..., 2].sum(axis=1).argmin()
        holed = Mesh.of(ball.positions, np.delete(ball.triangles, furthest, axis=0), ball.normals, ball.uvs)
        assert hides_back_sides(ball) and not hides_back_sides(holed)
        whole, open_behind = (draw(gpu, a_scene(WALL, Part("ball", mesh, self.METAL))) for mesh in (ball, holed))
        inside = np.hypot(*np.mgrid[-31.5:32, -31.5:32]) < 16  # shadows at the rim are sampled
        assert np.allclose(whole[inside], open_behind[inside], rtol=0.02)
        assert np.array_equal(whole[..., 3], open_behind[..., 3])

    def test_sheets_show_both_sides(self, gpu: Device) -> None:
        sheet = quad((0.0, 0.0, 0.05), (0.05, 0.0, 0.0), (0.0, 0.05, 0.0))
        turned = Mesh.of(sheet.positions, sheet.triangles[:, ::-1], -sheet.normals, sheet.uvs)
        for mesh in (sheet, turned):
            seen = draw(gpu, a_scene(Part("sheet", mesh, Material("dark", (0.0, 0.0, 0.0), ior=1.0)), WALL))
            assert seen[24:40, 24:40, :3].max() == 0.0

    def test_a_room_is_seen_from_within(self, gpu: Device) -> None:
        room = Part("room", box((-1.0, -1.0, -1.0), (1.0, 1.0, 2.0)), self.METAL)
        assert (draw(gpu, a_scene(room))[..., 3] == 1.0).all()

    def test_one_sees_the_far_side_through_what_is_cut_out(self, gpu: Device) -> None:
        """A ball of which the half towards the camera is cut away."""
        holes = np.zeros((1, 4, 4), np.uint8)
        holes[:, [0, 3]] = 255  # u runs around, and 1/2 faces the camera
        shell = replace(self.METAL, albedo_map=Texture(holes), alpha_mode="mask")
        assert (draw(gpu, a_scene(Part("ball", uv_sphere(0.06, 16, 32), shell)))[24:40, 24:40, 3] == 1.0).all()


def test_what_is_brighter_than_halves_can_say_stays_a_number(gpu: Device) -> None:
    bright = replace(WALL, material=replace(WALL.material, emission=(1e6, 1e38, 0.5)))
    radiance = draw(gpu, a_scene(bright))[SIZE // 2, SIZE // 2]
    assert radiance[0] == radiance[1] == HALF_MAX
    assert 0.5 < radiance[2] < 1.0


@pytest.mark.parametrize("angle", [10.0, 70.0])
@pytest.mark.parametrize("material", ["paint", "metal"])
def test_lamps_are_as_bright_as_in_the_reference(gpu: Device, material: str, angle: float) -> None:
    """What they bring to the base below a glossy lobe, seen from the front, and the lobe seen where it mirrors them."""
    paint = Material("paint", (0.6, 0.4, 0.2), roughness=0.5)
    metal = Material("metal", (0.9, 0.7, 0.5), ior=1.0, metallic=1.0, roughness=0.5)
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    lamp = AreaLight.facing((sine, 0.0, cosine), (0.0, 0.0, 0.0), 0.3, 0.3, radiance=10.0)
    scene = a_scene(
        replace(WALL, material=paint if material == "paint" else metal), lights=LightRig((lamp,)), environment=None
    )
    if material == "metal":
        scene = scene.with_camera(replace(FRONT, position=(-sine, 0.0, cosine)))
    found, expected = draw(gpu, scene), trace(gpu, scene, (SIZE, SIZE), 256).mean
    middle = np.s_[24:40, 24:40]
    mean = expected[middle].mean(axis=(0, 1))
    np.testing.assert_allclose(found[middle][..., :3].mean(axis=(0, 1)), mean, rtol=0.03)


ROOM = Part("room", box((-1.0, -1.0, -0.5), (1.0, 1.0, 2.0)), Material("black", (0.0, 0.0, 0.0), ior=1.0))


@pytest.mark.parametrize("roughness", [0.1, 0.6])
def test_surroundings_that_walls_hide_are_not_mirrored(gpu: Device, roughness: float) -> None:
    metal = replace(WALL, material=Material("metal", (0.9, 0.9, 0.9), ior=1.0, metallic=1.0, roughness=roughness))
    free, hidden = (draw(gpu, a_scene(metal, *others))[8:56, 8:56, :3] for others in ((), (ROOM,)))
    assert free.min() > 0.2 and hidden.max() < 1e-3


def test_what_is_in_the_way_of_a_mirrored_view_is_lit_as_the_mirror_is(gpu: Device) -> None:
    """It is taken for skin: a polished wall in a closed room mirrors that everywhere."""
    polished = replace(WALL, material=Material("black", (0.0, 0.0, 0.0), roughness=0.05))
    lamp = PointLight((0.6, 0.0, 0.6), intensity=1.0)  # its highlight lies beside the picture
    seen = draw(gpu, a_scene(polished, ROOM, lights=LightRig((lamp,)), environment=None), 4)[28:36, 28:36, :3]
    irradiance = math.cos(math.pi / 4) / (2.0 * 0.6**2)
    np.testing.assert_allclose(seen, reflectance(1.5) * irradiance * 0.4 / math.pi, rtol=0.1)


def test_a_jitter_of_whole_pixels_moves_the_picture(gpu: Device) -> None:
    patches = np.random.default_rng(3).integers(50, 255, (8, 8, 3)).astype(np.uint8)
    scene = a_scene(replace(WALL, material=replace(WALL.material, albedo_map=Texture(patches))))
    with drawn(gpu, scene) as (still, _), drawn(gpu, scene, jitter=(1.0, -2.0)) as (moved, _):
        assert still[..., 1].std() > 0.1 * still[..., 1].mean()
        np.testing.assert_allclose(moved[2:, :-1], still[:-2, 1:], rtol=5e-3)


@pytest.mark.parametrize(("wrap", "expected"), [("repeat", "#.#.#."), ("mirror", ".##..#"), ("clamp", "###...")])
@pytest.mark.parametrize("along", [0, 1])
def test_textures_go_on_as_they_are_to(gpu: Device, wrap: Wrap, expected: str, along: int) -> None:
    """One whose first half is white and the other black, over three times its width."""
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32] = 255
    if along == 1:
        halves = np.ascontiguousarray(halves.transpose(1, 0, 2)[::-1])  # v begins at the lower edge
    sheet = quad((0.0, 0.0, 0.05), (0.05, 0.0, 0.0), (0.0, 0.05, 0.0))
    uvs = sheet.uvs.copy()
    uvs[:, along] = 3.0 * uvs[:, along] - 1.0
    wraps: list[Wrap] = ["repeat", "repeat"]
    wraps[along] = wrap
    texture = Texture(halves, wrap=(wraps[0], wraps[1]))
    material = Material("halves", (0.8, 0.8, 0.8), ior=1.0, albedo_map=texture)
    picture = draw(gpu, a_scene(Part("sheet", replace(sheet, uvs=uvs), material)))
    seen = picture if along == 0 else picture[::-1].transpose(1, 0, 2)
    row = seen[SIZE // 2]
    columns = np.flatnonzero(row[:, 3] == 1.0)
    middles = columns[0] + (np.arange(6) + 0.5) / 6.0 * len(columns)
    assert "".join(".#"[int(row[int(middle), 1] > 0.1)] for middle in middles) == expected


@pytest.mark.parametrize("upright", [False, True])
def test_a_long_lamp_is_mirrored_as_the_squares_it_consists_of(gpu: Device, upright: bool) -> None:
    """Six of them, in a metal ball. As one disc of its area the lamp is 57% off where it lies, 72% where it stands."""
    metal = Material("metal", (0.9, 0.9, 0.9), ior=1.0, metallic=1.0, roughness=0.35)
    ball = Part("ball", uv_sphere(0.08, 48, 64), metal)
    sides = (0.12, 0.72) if upright else (0.72, 0.12)
    lamp = AreaLight.facing((0.45, 0.1, -0.1), (0.0, 0.0, 0.0), *sides, radiance=10.0)
    longer = "edge_v" if upright else "edge_u"
    half = np.array(getattr(lamp, longer)) / 6.0
    edge: Any = {longer: tuple(half)}
    squares = [replace(lamp, center=tuple(lamp.center + k * half), **edge) for k in range(-5, 6, 2)]
    as_one, as_six = (
        draw(gpu, a_scene(ball, lights=LightRig(tuple(lights)), environment=None))[..., 1]
        for lights in ([lamp], squares)
    )
    assert np.linalg.norm(as_one - as_six) < 0.04 * np.linalg.norm(as_six)  # shadows are sampled


class TestWhatIsInTheWay:
    """Of light that surfaces mirror."""

    DULL = Part("dull", WALL.mesh, Material("metal", (0.9, 0.9, 0.9), ior=1.0, metallic=1.0, roughness=0.4))
    LAMPS = tuple(AreaLight.facing((x, 0.0, 1.0), (0.0, 0.0, 0.0), 0.1, 0.1, radiance=20.0) for x in (0.8, -0.35, 0.35))
    BEFORE_SECOND = Part("card", quad((-0.26, 0.0, 0.75), (0.12, 0.0, 0.0), (0.0, 0.3, 0.0)), WALL.material)

    # Hides the upper part of the lamp's image in a polished wall; lies beside the picture, and so does its own image.
    CARD = quad((0.0, 0.075, 0.6), (0.2, 0.0, 0.0), (0.0, 0.025, 0.0))
    # Of the rows. A way that the camera sees mirrored at height y is at 1.6 y as far from the wall as the card.
    HEIGHT = -(np.arange(SIZE) + 0.5 - SIZE / 2) / SIZE * 0.2
    BEHIND = (HEIGHT > 0.038) & (HEIGHT < 0.06)

    def _lamp_in_polish(self, gpu: Device, *others: Part) -> F32:
        """The picture's middle column."""
        polished = replace(WALL, material=Material("black", (0.0, 0.0, 0.0), roughness=0.05))
        lamp = AreaLight.facing((0.0, 0.0, 1.2), (0.0, 0.0, 0.0), 0.3, 0.3, (1.0, 1.0, 1.0), 20.0)
        scene = a_scene(polished, *others, lights=LightRig((lamp,)), environment=None)
        return draw(gpu, scene, frames=16)[:, SIZE // 2, 1]

    def test_a_card_before_a_lamp_shows_in_polish(self, gpu: Device) -> None:
        free = self._lamp_in_polish(gpu)
        hidden = self._lamp_in_polish(gpu, Part("card", self.CARD, WALL.material))
        lit = np.abs(self.HEIGHT) < 0.06
        assert free[lit].min() > 0.9 * 20.0 * reflectance(1.5)
        assert hidden[self.BEHIND].max() < 0.05 * free[self.BEHIND].min()
        below = lit & (self.HEIGHT < 0.027)
        assert np.allclose(hidden[below], free[below], rtol=0.05)

    def test_glass_before_a_lamp_does_not_hide_it(self, gpu: Device) -> None:
        free, behind = (self._lamp_in_polish(gpu, *others)[self.BEHIND] for others in ((), (clear(self.CARD),)))
        assert free.min() > 0.0
        assert np.allclose(behind, free, rtol=0.05)

    def test_what_stands_behind_a_lamp_hides_nothing_of_it(self, gpu: Device) -> None:
        """Of one too small for its shape to show, in polish that mirrors it; the card lies beside the picture."""
        polished = replace(WALL, material=Material("metal", (0.9, 0.9, 0.9), ior=1.0, metallic=1.0, roughness=0.15))
        lamp = LightRig((PointLight((0.12, 0.0, 0.5), intensity=1.0),))
        card = Part("card", quad((0.16, 0.0, 0.75), (0.1, 0.0, 0.0), (0.0, 0.2, 0.0)), WALL.material)
        free, before = (
            draw(gpu, a_scene(polished, *others, lights=lamp, environment=None), frames=4)[..., 1]
            for others in ((), (card,))
        )
        bright = free > 0.5 * free.max()
        assert 4 < bright.sum() < 400
        assert np.allclose(before[bright], free[bright], rtol=0.05)

    @pytest.mark.parametrize("rays", [True, False])
    def test_what_hides_one_lamp_dims_no_other(self, gpu: Device, device_without_rays: Device, rays: bool) -> None:
        device = gpu if rays else device_without_rays
        # Depth maps show what is near the face.
        face = replace(FACE, mesh=quad((0.0, 0.0, -0.1), (0.3, 0.0, 0.0), (0.0, 0.3, 0.0)))
        one, both = (
            draw(device, Scene((face, self.DULL, self.BEFORE_SECOND), LightRig(lamps), None, FRONT))[24:40, 24:40, 1]
            for lamps in (self.LAMPS[:1], self.LAMPS[:2])
        )
        assert np.allclose(both, one, rtol=0.01) and one.min() > 0.0

    def test_many_lamps_are_as_bright_as_one_that_is_as_strong(self, gpu: Device) -> None:
        lamp, count = self.LAMPS[0], 11
        weak = replace(lamp, radiance=lamp.radiance / count)
        many, one = (
            draw(gpu, a_scene(self.DULL, lights=LightRig(lamps), environment=None))[24:40, 24:40, 1]
            for lamps in ((weak,) * count, (lamp,))
        )
        assert np.allclose(many, one, rtol=0.01)

    def test_of_many_lamps_a_card_hides_its_share(self, gpu: Device) -> None:
        """The mean of what is seen of all that have no share of their own counts as often as there are such lamps."""
        hidden, seen = (replace(lamp, radiance=lamp.radiance / 11) for lamp in self.LAMPS[1:])
        rigs = LightRig((*(seen,) * 7, *(seen, hidden) * 2)), LightRig(self.LAMPS[2:])
        some, whole = (
            draw(gpu, a_scene(self.DULL, self.BEFORE_SECOND, lights=rig, environment=None))[24:40, 24:40, 1].mean()
            for rig in rigs
        )
        assert some / whole == pytest.approx(9.0 / 11.0, rel=0.02)


def test_without_ray_queries_polish_shows_what_the_vertices_see(
    device_without_ray_queries: Device, device_without_rays: Device
) -> None:
    """A ball, half of whose surroundings a wall hides; the lamp has its own shape."""
    ball = Part("ball", uv_sphere(0.05, 32, 16), Material("black", (0.02, 0.02, 0.02), roughness=0.05))
    beside = replace(WALL, transform=_moved(0.0, 0.0, -0.06))
    lamp = AreaLight.facing((0.5, 0.0, 1.0), (0.0, 0.0, 0.0), 0.4, 0.4, radiance=20.0)
    face = replace(FACE, mesh=quad((0.0, 0.0, -0.1), (0.3, 0.0, 0.0), (0.0, 0.3, 0.0)))  # depth maps show what is near
    scene = Scene((face, ball, beside), LightRig((lamp,)), GREY, FRONT)
    here, there = (draw(device, scene, frames=4) for device in (device_without_ray_queries, device_without_rays))
    assert device_without_ray_queries.raytracing and not device_without_ray_queries.ray_queries
    assert there[..., 1].max() > 0.5
    assert np.abs(here - there).mean() < 0.005 * there[..., :3].mean()


class TestSides:
    """Of sheets, whichever way their triangles are wound."""

    @pytest.mark.parametrize("rays", [True, False])
    @pytest.mark.parametrize("roughness", [0.4, 0.9])
    def test_both_are_lit_alike(self, gpu: Device, device_without_rays: Device, rays: bool, roughness: float) -> None:
        """A sheet that turns its back to camera and lamp; no light comes from behind."""
        device = gpu if rays else device_without_rays
        sheet = replace(WALL, material=Material("cloth", (0.5, 0.4, 0.3), roughness=roughness))
        mesh = sheet.mesh
        turned = replace(sheet, mesh=Mesh.of(mesh.positions, mesh.triangles[:, ::-1], -mesh.normals, mesh.uvs))
        for z in (0.8, -0.8):
            lamp = AreaLight.facing((0.3, 0.2, z), (0.0, 0.0, 0.0), 0.1, 0.1, radiance=20.0)
            front, back = (
                draw(device, a_scene(part, lights=LightRig((lamp,)), environment=None))[8:56, 8:56, :3]
                for part in (sheet, turned)
            )
            if z > 0.0:
                assert np.allclose(back, front, rtol=5e-3) and front.min() > 0.01
            else:
                assert front.max() == back.max() == 0.0


def test_light_comes_through_skin_to_what_is_behind(gpu: Device) -> None:
    """A thin disc of skin between a lamp and a card: red light, which goes furthest, arrives most."""
    ball = uv_sphere(0.1, 24, 48)
    flat = np.diag([1.0, 1.0, 0.04, 1.0])
    card = Part("card", quad((0.0, 0.0, -0.03), (0.02, 0.0, 0.0), (0.0, 0.02, 0.0)), WALL.material)
    lamp = AreaLight.facing((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), 0.1, 0.1, radiance=20.0)
    arriving = {}
    for name, path in (("skin", (4.0, 1.0, 0.3)), ("clay", (0.01, 0.01, 0.01))):
        skin = Material("skin", (0.8, 0.8, 0.8), subsurface=1.0, mean_free_path=path)
        face = Part("face", ball, skin, face=True, transform=flat)
        with ExitStack() as kept:
            buffers = kept.enter_context(SceneBuffers(gpu, Scene((face, card), LightRig((lamp,)), None, FRONT)))
            cache = kept.enter_context(LightCache(gpu, buffers, size=32, samples=32, samples_per_update=4))
            buffers.set_frame(FRONT, SIZE, SIZE, jitter=(0.0, 0.0), sample_index=0)
            while not cache.converged:
                cache.update()
            arriving[name] = cache.vertex_lights.read(VERTEX_LIGHT.dtype)["irradiance"].mean(axis=0)
    assert (arriving["clay"] < 0.05 * arriving["skin"][0]).all()
    assert arriving["skin"][0] > 2.0 * arriving["skin"][1] > 4.0 * arriving["skin"][2]


def test_hair_has_enough_after_a_few_samples_of_light(gpu: Device, keep: Keep) -> None:
    strand = Part("hair", quad((0.0, 0.0, 0.1), (0.001, 0.0, 0.0), (0.0, 0.05, 0.0)), WALL.material)
    buffers = keep(SceneBuffers(gpu, a_scene(WALL, strand)))
    cache = keep(LightCache(gpu, buffers, size=16, samples=2 * HAIR_SAMPLES, samples_per_update=3))
    buffers.set_frame(FRONT, SIZE, SIZE, jitter=(0.0, 0.0), sample_index=0)
    while not cache.converged:
        cache.update()
    samples = cache.gathered.read(GATHERED_LIGHT.dtype)["samples"][16 * 16 :]
    assert samples.tolist() == [2 * HAIR_SAMPLES] * 4 + [3 + HAIR_SAMPLES] * 4  # three of the first update


@pytest.mark.parametrize("roughness", [0.1, 0.3, 0.6, 1.0])
def test_white_metal_vanishes_in_even_surroundings(gpu: Device, roughness: float) -> None:
    """However it is shaded: below a roughness of 0.15 by one direction a frame, else in closed form."""
    metal = Material("metal", (1.0, 1.0, 1.0), metallic=1.0, roughness=roughness)
    picture = draw(gpu, a_scene(Part("ball", uv_sphere(0.08, 48, 64), metal)), 16 if roughness < 0.15 else 1)
    np.testing.assert_allclose(picture[24:40, 24:40, :3], 0.25, rtol=0.01)


def test_facets_of_a_smooth_mirror_do_not_mirror_themselves(gpu: Device) -> None:
    """Seen from the side, directions that the smooth normal mirrors lead below the facet."""
    metal = Material("metal", (1.0, 1.0, 1.0), metallic=1.0, roughness=0.05)
    picture = draw(gpu, a_scene(Part("ball", uv_sphere(0.08, 10, 14), metal)), 4)
    rim = np.hypot(*np.mgrid[-31.5:32, -31.5:32]) > 20
    seen = picture[rim & (picture[..., 3] == 1.0)][:, 1]
    assert len(seen) > 400
    np.testing.assert_allclose(seen, 0.25, rtol=0.06)


class TestAlpha:
    """Opacity: cut, or blended by leaving out pixels, others in every frame."""

    # What is there lies at the top right; the first row is the top.
    QUARTER = np.zeros((4, 4, 4), np.uint8)
    QUARTER[..., :3], QUARTER[:2, 2:, 3] = 255, 255

    def _leaf(self, **options: Any) -> Part:
        # No diffuse light of its own, so that only what it hides counts.
        material = Material("leaf", (0.0, 0.0, 0.0), ior=1.0, **options)
        return Part("leaf", quad((0, 0, 0.05), (0.05, 0, 0), (0, 0.05, 0)), material)

    def test_mask_cuts(self, gpu: Device) -> None:
        leaf = self._leaf(albedo_map=Texture(self.QUARTER), alpha_mode="mask")
        picture = draw(gpu, a_scene(WALL, leaf))[..., 0]
        before, after = np.s_[20:28], np.s_[36:44]  # the middle
        assert picture[before, after].max() == 0.0
        assert min(picture[place].min() for place in ((before, before), (after, before), (after, after))) > 0.05

    def test_opaque_ignores_opacity(self, gpu: Device) -> None:
        assert draw(gpu, a_scene(WALL, self._leaf(opacity=0.0)))[24:40, 24:40, :3].max() == 0.0

    @pytest.mark.parametrize("mode", ["mask", "blend"])
    @pytest.mark.parametrize("texels", [64, 1024])
    def test_colours_of_what_is_not_there_show_nowhere(
        self, gpu: Device, mode: Literal["mask", "blend"], texels: int
    ) -> None:
        """Thin strands look the same with black beside them as with their own colour, near and far."""
        even = np.full((texels, texels, 4), (188, 148, 96, 255), np.uint8)
        even[:, np.arange(texels) % 5 > 1, 3] = 0
        black = np.where(even[..., 3:] > 0, even, np.uint8(0))
        pictures = []
        for pixels in (even, black):
            material = Material(
                "hair",
                (1.0, 1.0, 1.0),
                ior=1.0,
                albedo_map=Texture(pixels, srgb=True),
                alpha_mode=mode,
                alpha_cutoff=0.3,
            )
            card = Part("hair", quad((0, 0, 0.05), (0.05, 0, 0), (0, 0.05, 0)), material)
            pictures.append(draw(gpu, a_scene(card), 2))
        assert pictures[0][..., :3].max() > 0.05
        np.testing.assert_allclose(pictures[1], pictures[0], rtol=0.02)

    def test_blend_is_right_on_average(self, gpu: Device) -> None:
        leaf = self._leaf(opacity=0.3, alpha_mode="blend")
        frames = 16
        blended = draw(gpu, a_scene(WALL, leaf), frames)[24:40, 24:40, 0]
        # Its shadow falls elsewhere.
        unseen = draw(gpu, a_scene(WALL, self._leaf(opacity=0.0, alpha_mode="blend")))[24:40, 24:40, 0]
        shares = blended / unseen.mean()
        at_random = math.sqrt(0.3 * 0.7 / frames)  # what a pixel would be off by
        assert shares.mean() == pytest.approx(0.7, abs=at_random / 16.0)
        assert shares.std() < 0.5 * at_random

    @pytest.mark.parametrize("in_one_part", [True, False])
    @pytest.mark.parametrize("layers", [2, 3])
    def test_layers_that_are_blended_let_through_the_product_of_what_each_does(
        self, gpu: Device, layers: int, in_one_part: bool
    ) -> None:
        """As cards of hair do, most of which are one part: a pixel must not be left out by all of them together."""
        frames, places = 64, [(x, y) for x in np.linspace(-0.045, 0.045, 10) for y in np.linspace(-0.045, 0.045, 10)]
        sheets = [
            together([quad((x, y, 0.05 + 0.002 * layer), (0.005, 0, 0), (0, 0.005, 0)) for x, y in places])
            for layer in range(layers)
        ]
        pictures = []
        for opacity in (0.0, 0.5):
            leaf = self._leaf(opacity=opacity, alpha_mode="blend")
            parts = [replace(leaf, mesh=mesh) for mesh in ([together(sheets)] if in_one_part else sheets)]
            pictures.append(draw(gpu, a_scene(WALL, *parts), frames)[20:44, 20:44, 0])
        shares, expected = pictures[1] / pictures[0].mean(), 0.5**layers
        at_random = math.sqrt(expected * (1.0 - expected) / frames)  # what a pixel would be off by
        assert shares.mean() == pytest.approx(expected, abs=0.02)
        assert shares.std() < 1.3 * at_random


def _moved(x: float, y: float, z: float) -> F64:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix
