"""The path tracer against what must hold: furnaces, linearity, and estimators that have to agree."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from app.arrays import F32
from app.gpu import Device
from app.passes import environment_maps
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.environment import Environment, texel_directions
from app.scene.lights import DirectionalLight, Light, LightRig, PointLight
from app.scene.map_lamps import find_lamps
from app.scene.model import Material, Part, Scene
from app.scene.prefilter import row_solid_angles
from tests.conftest import Keep
from tests.passes.reference_scenes import ball, brighter, difference, lamps, still_life, trace
from tests.primitives import quad

WHITE = (1.0, 1.0, 1.0)


def _bilinear_irradiance(grey: F32, finer: int = 16) -> float:
    """What a floor gets of a map (H,2H) that is looked up as shaders do."""
    height, width = grey.shape
    v, u = ((np.arange(finer * count) + 0.5) / finer - 0.5 for count in (height, width))
    seen = map_coordinates(
        np.pad(grey, ((1, 1), (0, 0)), "edge"), np.meshgrid(v + 1.0, u, indexing="ij"), order=1, mode="grid-wrap"
    )
    theta = (v + 0.5) * (math.pi / height)
    cosine = np.maximum(np.cos(theta), 0.0) * np.sin(theta)
    return float(seen.mean(axis=1, dtype=np.float64) @ cosine) * 2.0 * math.pi * math.pi / len(theta)


class TestFurnace:
    """Where the same light comes from everywhere, a white thing cannot be seen."""

    SIZE = (16, 16)

    @pytest.mark.parametrize("roughness", [0.05, 0.3, 1.0])
    def test_a_white_base_below_a_specular_lobe_vanishes(self, gpu: Device, roughness: float) -> None:
        scene = ball(Material(albedo=WHITE, roughness=roughness))
        mean, sigma = trace(gpu, scene, self.SIZE, 256).of_whole
        assert abs(mean - 1.0) < max(0.005, 3.0 * sigma)

    @pytest.mark.parametrize("roughness", [0.05, 0.3, 0.6, 1.0])
    def test_white_metal_vanishes(self, gpu: Device, roughness: float) -> None:
        scene = ball(Material(albedo=WHITE, metallic=1.0, roughness=roughness))
        mean, sigma = trace(gpu, scene, self.SIZE, 256).of_whole
        assert abs(mean - 1.0) < 0.01
        assert sigma < 0.003


class TestLight:
    def test_doubling_every_light_doubles_the_picture_exactly(self, gpu: Device) -> None:
        scene = still_life(*lamps())
        once, twice = (trace(gpu, s, (40, 24), 4, seed=7) for s in (scene, brighter(scene, 2.0)))
        assert np.array_equal(2.0 * once.mean, twice.mean)
        assert np.allclose(4.0 * once.variance, twice.variance, rtol=1e-5)

    @pytest.mark.parametrize("radius", [1e-9, 1e-15])
    @pytest.mark.parametrize("kind", ["ball", "disc far away"])
    def test_a_tiny_light_lights_as_one_without_size(self, gpu: Device, kind: str, radius: float) -> None:
        def light(size: float) -> Light:
            if kind == "ball":
                return PointLight((0.0, 10.0, 5.0), intensity=300.0, radius=size)
            return DirectionalLight((-1.0, -1.0, -0.3), angular_radius=0.1 * size)

        tiny, none = (trace(gpu, still_life(light(size), sky=False), (24, 16), 8) for size in (radius, 0.0))
        assert none.mean.mean() > 0.03
        assert np.allclose(tiny.mean, none.mean, rtol=1e-4, atol=1e-6)

    @pytest.mark.parametrize("sky", [True, False])
    def test_both_ways_to_find_light_agree(self, gpu: Device, sky: bool) -> None:
        """Sampling lights, running into them, and the two combined are estimators of the same picture."""
        scene = still_life(*lamps(), sky=False)
        if sky:
            pixels = np.full((8, 16, 3), 0.2, np.float32)
            pixels[1:3, 3:6] = 4.0, 3.0, 2.0
            scene = replace(scene, environment=Environment(pixels, rotation=0.7))
        options = {"all": 128, "lights": 128, "surfaces": 512}
        pictures = {name: trace(gpu, scene, (48, 32), n, seed=1, sampling=name) for name, n in options.items()}
        for name in ("lights", "surfaces"):
            assert abs(difference(pictures["all"], pictures[name])) < 3.5, name
        # For the same number of samples, together they are about as good as the better one.
        noise = {name: float(pictures[name].variance.sum()) * n for name, n in options.items()}
        assert noise["all"] < 1.5 * min(noise["lights"], noise["surfaces"])
        assert noise["all"] < 0.5 * max(noise["lights"], noise["surfaces"])

    def test_a_matt_ball_shows_the_irradiance_of_the_map(self, gpu: Device) -> None:
        rng = np.random.default_rng(5)
        pixels = np.repeat(np.repeat(rng.random((4, 8, 3), np.float32), 8, axis=0), 8, axis=1)
        sky = Environment(pixels, rotation=1.1, intensity=1.5)
        scene = replace(ball(Material(albedo=WHITE, ior=1.0)), environment=sky)
        picture = trace(gpu, scene, (16, 16), 256)
        x, y = np.meshgrid((np.arange(16) + 0.5) / 8 - 1, 1 - (np.arange(16) + 0.5) / 8)
        normals = np.stack([0.6 * x, 0.6 * y, np.sqrt(1 - 0.36 * (x**2 + y**2))], axis=-1)
        directions = texel_directions(64, 128).reshape(-1, 3)
        solid = np.repeat(row_solid_angles(64, 128), 128)
        cosine = np.maximum(normals @ directions.T, 0.0)
        expected = cosine @ (sky.radiance(directions) * solid[:, None]) / math.pi
        z = (picture.mean - expected) / np.sqrt(picture.variance)
        assert np.abs(z).max() < 5.0
        for rows in (slice(0, 8), slice(8, 16)):
            for columns in (slice(0, 8), slice(8, 16)):
                assert picture.mean[rows, columns].mean() == pytest.approx(expected[rows, columns].mean(), rel=0.01)

    @pytest.mark.parametrize(
        ("row", "column"), [(0, 5), (9, 40), (31, 90), (14, 127)], ids=["pole", "middle", "horizon", "seam"]
    )
    def test_a_sun_of_one_texel_is_sampled_well(self, gpu: Device, row: int, column: int) -> None:
        """A floor shows what it gives, that of the texels around it included, which look-ups brighten."""
        pixels = np.full((64, 128, 3), 0.05, np.float32)
        pixels[row, column] = 2e4
        floor = Part("floor", quad((0, 0, 0), (0, 0, 1), (1, 0, 0)), Material(albedo=WHITE, ior=1.0))
        camera = Camera((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), up=(0.0, 0.0, -1.0), fov_y=0.1)
        samples = 64
        picture = trace(gpu, Scene((floor,), LightRig(), Environment(pixels), camera), (16, 16), samples)
        mean, sigma = picture.of_whole
        assert mean == pytest.approx(_bilinear_irradiance(pixels[..., 0]) / math.pi, abs=4.0 * sigma)
        assert picture.variance.mean() * samples < mean**2

    def test_lights_are_invisible_to_the_camera(self, gpu: Device) -> None:
        scene = still_life(sky=False)
        camera = replace(scene.camera, target=(0.3, 1.6, 0.8))
        picture = trace(gpu, replace(scene, camera=camera), (16, 16), 8)
        assert picture.mean[6:10, 6:10].max() == 0.0

    def test_clamping_only_takes_light_away(self, gpu: Device) -> None:
        scene = still_life(*lamps())
        free = trace(gpu, scene, (40, 24), 32)
        held = trace(gpu, scene, (40, 24), 32, clamp=0.05)
        assert (held.mean <= free.mean * 1.0001).all()
        assert held.mean.sum() < 0.99 * free.mean.sum()


class TestProgress:
    SIZE = (40, 24)  # neither side is a multiple of a tile

    def test_samples_add_up_and_are_repeatable(self, gpu: Device) -> None:
        scene = still_life()
        buffers = SceneBuffers(gpu, scene)
        reference = Reference(gpu, buffers, *self.SIZE)
        with gpu.commands() as one, gpu.commands() as four:
            reference.record(one)
            reference.record(four, 4)
        for index in range(4):
            buffers.set_frame(scene.camera, *self.SIZE, jitter=(0.0, 0.0), sample_index=index)
            gpu.submit(one)
        slowly = reference.radiance.read(np.float32, (24, 40, 4))
        assert (slowly[..., 3] == 4.0).all()
        buffers.set_frame(scene.camera, *self.SIZE, jitter=(0.0, 0.0), sample_index=0)
        gpu.submit(four)  # index 0 starts over
        assert np.allclose(reference.radiance.read(np.float32, (24, 40, 4)), slowly, rtol=1e-5)
        reference.reset()
        assert not reference.read().any() and np.isinf(reference.read_variance()).all()
        for thing in (one, four, reference, buffers):
            thing.close()

    def test_only_chosen_tiles_are_traced(self, gpu: Device) -> None:
        scene = still_life()
        whole = trace(gpu, scene, self.SIZE, 2)
        buffers = SceneBuffers(gpu, scene)
        reference = Reference(gpu, buffers, *self.SIZE)
        with gpu.commands() as command:
            reference.record(command, 2)
        reference.set_tiles([1, 5])
        buffers.set_frame(scene.camera, *self.SIZE, jitter=(0.0, 0.0), sample_index=0)
        gpu.submit(command)
        count = reference.radiance.read(np.float32, (24, 40, 4))[..., 3]
        expected = np.zeros((24, 40))
        expected[:16, 16:32] = 2.0
        expected[16:, 32:] = 2.0
        assert np.array_equal(count, expected)
        assert np.array_equal(reference.read(), np.where(expected[..., None] > 0.0, whole.mean, 0.0))
        for tiles in ([6], [-1], [2, 2]):
            with pytest.raises(ValueError, match="tile"):
                reference.set_tiles(tiles)
        for thing in (command, reference, buffers):
            thing.close()

    def test_without_antialiasing_all_samples_go_through_one_point(self, gpu: Device) -> None:
        """An emitting ball has no noise but that of its edge."""
        glowing = Material(albedo=(0.0, 0.0, 0.0), ior=1.0, emission=(2.0, 1.0, 0.5))
        scene = replace(ball(glowing), environment=None)
        scene = replace(scene, camera=replace(scene.camera, fov_y=scene.camera.fov_y * 3))
        buffers = SceneBuffers(gpu, scene)
        reference = Reference(gpu, buffers, *self.SIZE)
        edges = []
        for antialias in (True, False):
            with gpu.commands() as command:
                reference.record(command, 8, antialias=antialias)
            buffers.set_frame(scene.camera, *self.SIZE, jitter=(0.2, -0.3), sample_index=0)
            gpu.submit(command)
            red = reference.read()[..., 0]
            edges.append(int(((red > 0.0) & (red < 2.0)).sum()))
            command.close()
        assert edges[0] > 20 and edges[1] == 0
        for thing in (reference, buffers):
            thing.close()

    def test_another_scene_is_drawn_as_by_a_reference_made_for_it(self, gpu: Device, keep: Keep) -> None:
        """A clear pane comes before the still life, and goes again."""
        plain, glass = still_life(), Material("glass", (1.0, 1.0, 1.0), roughness=0.05, transmission=1.0)
        pane = Part("pane", quad((0.0, 0.4, 1.0), (0.4, 0.0, 0.0), (0.0, 0.4, 0.0)), glass)
        behind = replace(plain, parts=(*plain.parts, pane))
        fresh = [trace(gpu, scene, self.SIZE, 2).mean for scene in (plain, behind)]
        assert not np.allclose(fresh[0], fresh[1], rtol=0.01)
        buffers = [keep(SceneBuffers(gpu, scene)) for scene in (plain, behind)]
        reference = keep(Reference(gpu, buffers[0], *self.SIZE))
        before = gpu.live_objects
        for index in (1, 1, 0):
            reference.bind(buffers[index])
            with gpu.commands() as command:
                reference.record(command, 2)
                command.barrier()
            buffers[index].set_frame(plain.camera, *self.SIZE, jitter=(0.0, 0.0), sample_index=0)
            gpu.submit(command)
            command.close()
            assert np.array_equal(reference.read(), fresh[index])
            assert gpu.live_objects == before

    def test_nonsense_is_refused(self, gpu: Device) -> None:
        scene: Scene = still_life()
        buffers = SceneBuffers(gpu, scene)
        for options in ({"max_bounces": 0}, {"clamp": 0.0}, {"clamp": float("nan")}):
            with pytest.raises(ValueError, match="max_bounces"):
                Reference(gpu, buffers, 16, 16, **options)
        buffers.close()


def test_a_map_has_no_seam(gpu: Device) -> None:
    """Where its left and its right edge meet, it is looked up as anywhere else."""
    pixels = np.random.default_rng(2).random((8, 16, 3), np.float32)
    towards_seam = Camera((0.0, 1.0, 2.0), (0.0, 1.0, 3.0))  # past all that is there
    here, there = (
        trace(gpu, replace(still_life(), environment=sky, camera=towards_seam), (32, 24), 1).mean
        for sky in (Environment(pixels), Environment(np.roll(pixels, 8, axis=1), rotation=math.pi))
    )
    assert np.abs(here - there).max() < 1e-4 * here.max()


def test_the_reference_has_the_map_whole(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lamps that other passes draw as lights stay in the map that paths find: the same samples, bit for bit."""
    pixels = np.full((64, 128, 3), 0.3, np.float32)
    pixels[20:22, 68:70] = 900.0
    assert len(find_lamps(pixels)[0]) == 1
    scene = replace(still_life(*lamps()), environment=Environment(pixels, rotation=0.7))
    with_lamps = trace(gpu, scene, (32, 24), 4)
    monkeypatch.setattr(environment_maps, "find_lamps", lambda pixels: ([], pixels))
    assert np.array_equal(trace(gpu, scene, (32, 24), 4).mean, with_lamps.mean)
