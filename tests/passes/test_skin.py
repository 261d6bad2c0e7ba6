"""Skin and clear things in the path tracer: rough boundaries, the medium below, and the ways to find light."""

import math
from dataclasses import replace

import numpy as np
import pytest

from app.gpu import Binding, Device, Struct
from app.passes.dielectric_table import dielectric_table
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.passes.scene_layout import SCENE_INCLUDES
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, LightRig, PointLight
from app.scene.medium import fresnel, medium_of
from app.scene.model import Material, Part, Scene
from tests.passes.reference_scenes import Picture, ball, brighter, difference, lamps, trace
from tests.primitives import quad, uv_sphere

WHITE = (1.0, 1.0, 1.0)
IOR = 1.4
SIZE = (16, 16)
SKIN = Material("skin", albedo=(0.7, 0.5, 0.4), roughness=0.5, ior=IOR, subsurface=1.0, mean_free_path=(30, 12, 6))


def _whole_ball(material: Material) -> Scene:
    """A ball of which the picture shows every visible part as large as a far observer sees it."""
    scene = ball(material, face=True)
    return replace(scene, camera=replace(scene.camera, position=(0.0, 0.0, 4.0), fov_y=2.0 * math.asin(0.1 / 4.0)))


def _lit_ball(material: Material = SKIN) -> Scene:
    """Lamps of every kind, one of them without size."""
    scene = ball(material, face=True)
    lights = (*lamps(), PointLight((0.3, 0.4, 0.8), intensity=0.5))
    return replace(scene, rig=LightRig(lights), environment=Environment.constant((0.1, 0.15, 0.2)))


class TestFurnace:
    @pytest.mark.parametrize("roughness", [0.15, 0.7])
    def test_white_skin_vanishes(self, gpu: Device, roughness: float) -> None:
        """With two lobes, whichever way light is found."""
        skin = replace(SKIN, albedo=WHITE, roughness=roughness, mean_free_path=(50, 50, 50))
        skin = replace(skin, second_roughness=0.4, second_weight=0.3)
        mean, sigma = trace(gpu, ball(skin, face=True), SIZE, 96, sampling="surfaces").of_whole
        assert sigma < 0.002
        assert abs(mean - 1.0) < 0.005
        picture = trace(gpu, ball(skin, face=True), SIZE, 16)
        assert abs(picture.of_whole[0] - 1.0) < 4.0 * picture.of_whole[1] < 0.1

    @pytest.mark.parametrize("roughness", [0.02, 0.6])
    def test_clear_things_vanish(self, gpu: Device, roughness: float) -> None:
        glass = Material(roughness=roughness, ior=IOR, transmission=1.0)
        mean, sigma = trace(gpu, ball(glass), SIZE, 64).of_whole
        assert abs(mean - 1.0) < max(0.005, 3.0 * sigma)

    def test_single_scattering_loses_light_where_it_is_rough(self, gpu: Device) -> None:
        skin = replace(SKIN, albedo=WHITE, roughness=0.8, mean_free_path=(50, 50, 50))
        picture = trace(gpu, ball(skin, face=True), SIZE, 16, energy_compensation=False)
        assert 0.2 < picture.of_whole[0] < 0.9

    @pytest.mark.parametrize("albedo", [(0.1, 0.3, 0.5), (0.7, 0.8, 0.9)])
    def test_a_ball_shows_its_albedo(self, gpu: Device, albedo: tuple[float, float, float]) -> None:
        """A ball much larger than the mean free path, seen whole, is a thick layer seen from everywhere."""
        skin = replace(SKIN, albedo=albedo, roughness=0.15, mean_free_path=(1.0, 1.0, 1.0))
        shown = trace(gpu, _whole_ball(skin), SIZE, 256, sampling="surfaces")
        covered = 1.0 - trace(gpu, _whole_ball(Material(albedo=(0, 0, 0), ior=1.0)), SIZE, 256).mean.mean(axis=(0, 1))
        cosine = (np.arange(1000) + 0.5) / 1000
        reflected = float((2.0 * cosine * fresnel(cosine, IOR)).mean())
        measured = 1.0 - (1.0 - shown.mean.mean(axis=(0, 1), dtype=np.float64)) / covered
        sigma = np.sqrt(shown.variance.sum(axis=(0, 1), dtype=np.float64)) / 256 / covered
        expected = reflected + (1.0 - reflected) * np.array(albedo)
        assert (np.abs(measured - expected) < 0.02 * expected + 3.0 * sigma).all()
        assert (sigma < 0.02 * expected).all()


class TestLight:
    def test_the_ways_to_find_light_agree(self, gpu: Device) -> None:
        scene = _lit_ball()
        samples = {"all": 64, "lights": 64, "exits": 128}
        pictures = {name: trace(gpu, scene, SIZE, n, seed=1, sampling=name) for name, n in samples.items()}
        for name in ("lights", "exits"):
            assert abs(difference(pictures["all"], pictures[name])) < 3.5, name
        # A small bright lamp is what probes are for.
        noise = {name: float(picture.variance.sum()) * samples[name] for name, picture in pictures.items()}
        assert noise["all"] < 0.5 * noise["exits"]
        lamps_with_size = replace(scene, rig=LightRig(lamps()))
        found, both = (trace(gpu, lamps_with_size, SIZE, 128, sampling=name) for name in ("surfaces", "all"))
        assert abs(difference(found, both)) < 3.5

    def test_noise_falls_as_the_number_of_samples(self, gpu: Device) -> None:
        """The spread of independent pictures, not what one picture says of itself."""
        scene = _lit_ball()
        buffers = SceneBuffers(gpu, scene)
        reference = Reference(gpu, buffers, *SIZE)
        spread = {}
        for samples in (2, 16):
            runs = []
            with gpu.commands() as command:
                reference.record(command, samples)
                command.barrier()
            for seed in range(10):
                buffers.set_frame(scene.camera, *SIZE, jitter=(0.0, 0.0), sample_index=0, seed=seed)
                gpu.submit(command)
                runs.append(reference.read())
            command.close()
            spread[samples] = float(np.median(np.stack(runs).var(axis=0, ddof=1).mean(axis=-1)))
        for thing in (reference, buffers):
            thing.close()
        assert 8.0 / 1.5 < spread[2] / spread[16] < 8.0 * 1.5

    def test_doubled_lights_double_the_picture_exactly(self, gpu: Device) -> None:
        once, twice = (trace(gpu, scene, SIZE, 4) for scene in (_lit_ball(), brighter(_lit_ball(), 2.0)))
        assert np.array_equal(2.0 * once.mean, twice.mean)

    def test_light_of_two_lamps_adds_up(self, gpu: Device) -> None:
        scene = replace(_lit_ball(), environment=None)
        whole = trace(gpu, scene, SIZE, 64)
        first, second = (
            trace(gpu, replace(scene, rig=LightRig(some)), SIZE, 64, seed=seed)
            for seed, some in enumerate((scene.rig.lights[:2], scene.rig.lights[2:]), start=1)
        )
        total = Picture(first.mean + second.mean, first.variance + second.variance)
        assert abs(difference(whole, total)) < 3.5

    def test_a_second_lobe_is_a_mixture(self, gpu: Device) -> None:
        """Where nothing comes out of the medium, what the boundary reflects is a mixture of two reflections."""

        def glossy(roughness: float, weight: float) -> Picture:
            black = replace(SKIN, albedo=(0, 0, 0), roughness=roughness, second_roughness=0.25, second_weight=weight)
            return trace(gpu, _lit_ball(black), SIZE, 128, seed=round(10 * roughness))

        wide, narrow, mixed = glossy(0.6, 0.0), glossy(0.25, 0.0), glossy(0.6, 0.3)
        expected = Picture(
            0.7 * wide.mean + 0.3 * narrow.mean, (0.49 * wide.variance + 0.09 * narrow.variance).astype(np.float32)
        )
        assert abs(difference(mixed, expected)) < 3.5
        assert abs(difference(wide, narrow)) > 5.0

    def test_half_skin_is_a_mixture(self, gpu: Device) -> None:
        halves = [
            trace(gpu, _lit_ball(replace(SKIN, subsurface=s)), SIZE, 64, seed=k) for k, s in enumerate((0, 0.5, 1))
        ]
        mean = Picture(0.5 * (halves[0].mean + halves[2].mean), 0.25 * (halves[0].variance + halves[2].variance))
        assert abs(difference(halves[1], mean)) < 3.5


class TestClear:
    GLASS = Material("glass", roughness=0.02, ior=1.5, transmission=1.0)

    def _slab(self, angle: float, *parts: Part) -> Scene:
        """A thick pane across the view, turned by `angle`."""
        c, s = math.cos(angle), math.sin(angle)
        along, across, normal = np.array([c, 0, -s]), np.array([0.0, 1.0, 0.0]), np.array([s, 0, c])
        pane = [
            Part("front", quad(tuple(0.05 * normal), tuple(9 * along), tuple(9 * across)), self.GLASS),
            Part("back", quad(tuple(-0.05 * normal), tuple(9 * across), tuple(9 * along)), self.GLASS),
        ]
        camera = replace(ball(self.GLASS).camera, position=(0.0, 0.0, 1.0), fov_y=0.1)
        return Scene((*pane, *parts), LightRig(), None, camera)

    @pytest.mark.parametrize("angle", [0.0, 0.6])
    def test_a_pane_lets_through_what_theory_says(self, gpu: Device, angle: float) -> None:
        """(1 - F) / (1 + F) for both sides and all reflections between them (Stokes 1862)."""
        glow = Material("glow", albedo=(0, 0, 0), ior=1.0, emission=(1.0, 2.0, 3.0))
        wall = Part("wall", quad((0, 0, -20.0), (80, 0, 0), (0, 80, 0)), glow, face=True)
        picture = trace(gpu, self._slab(angle, wall), SIZE, 64)
        f = float(fresnel(math.cos(angle), 1.5))
        mean, sigma = picture.of_whole
        assert abs(mean - 2.0 * (1.0 - f) / (1.0 + f)) < 0.005 * mean + 3.5 * sigma

    @pytest.mark.parametrize("way", ["all", "lights"])
    @pytest.mark.parametrize("light", ["environment", "lamp"])
    def test_a_pane_that_nobody_sees_hides_no_light(self, gpu: Device, light: str, way: str) -> None:
        """Behind it no ray runs into a light, so those that are sent to lights bring all of it."""
        matt = Material("matt", albedo=(0.5, 0.5, 0.5), ior=1.0)
        wall = Part("wall", quad((0, 0, -0.5), (9, 0, 0), (0, 9, 0)), matt, face=True)
        slab = self._slab(0.0, wall)
        thin = tuple(replace(part, material=replace(self.GLASS, ior=1.01)) for part in slab.parts[:2])
        lamp = AreaLight.facing((0.0, 1.0, 1.5), (0.0, 0.0, -0.5), 2.0, 2.0, radiance=1.0)
        if light == "lamp":
            slab = replace(slab, rig=LightRig((lamp,)))
        else:
            slab = replace(slab, environment=Environment.constant(WHITE))
        bare = trace(gpu, replace(slab, parts=(wall,)), SIZE, 64, sampling=way)
        behind = trace(gpu, replace(slab, parts=(*thin, wall)), SIZE, 256, sampling=way)
        (expected, sigma), (found, other) = bare.of_whole, behind.of_whole
        assert math.hypot(sigma, other) < 0.01 * expected
        assert abs(found - expected) < 0.005 * expected + 3.5 * math.hypot(sigma, other)

    def test_light_reaches_what_lies_behind_a_pane(self, gpu: Device) -> None:
        """Once from the lamp without size and once to the camera, both weakened; some comes back between them."""
        matt = Material("matt", albedo=(0.5, 0.5, 0.5), ior=1.0)
        wall = Part("wall", quad((0, 0, -0.5), (9, 0, 0), (0, 9, 0)), matt, face=True)
        lamp = LightRig((DirectionalLight((0.3, -0.2, -1.0), irradiance=2.0),))
        behind = replace(self._slab(0.0, wall), rig=lamp)
        seen = trace(gpu, behind, SIZE, 128)
        bare = trace(gpu, replace(behind, parts=(wall,)), SIZE, 4)
        f = float(fresnel(1.0, 1.5))
        share = seen.of_whole[0] / bare.of_whole[0]
        lowest = (1.0 - f) ** 3 / (1.0 + f)
        assert 0.98 * lowest < share < 1.12 * lowest


class TestTwin:
    QUERY = Struct("Query", [("albedo", "vec3"), ("reach", "vec3")])
    ANSWER = Struct("Answer", [("albedo", "vec3"), ("extinction", "vec3")])

    def test_shader_and_numpy_make_the_same_medium(self, gpu: Device) -> None:
        rng = np.random.default_rng(3)
        queries = np.zeros(256, self.QUERY.dtype)
        queries["albedo"], queries["reach"] = rng.random((256, 3)), rng.uniform(1e-4, 5e-3, (256, 3))
        queries["albedo"][:2] = [[0, 0, 0], [1, 1, 1]]
        shader = f"""
        #include "scene_structs.glsl"
        {self.QUERY.glsl}{self.ANSWER.glsl}
        layout(local_size_x = 64) in;
        layout(set = 0, binding = 0, scalar) readonly buffer Queries {{ Query queries[]; }};
        layout(set = 0, binding = 1, scalar) writeonly buffer Answers {{ Answer answers[]; }};
        layout(set = 0, binding = 2, scalar) readonly buffer Dielectrics {{ float dielectrics[]; }};
        #include "texels.glsl"
        TEXELS(3, ggx_albedo);
        #define ENERGY_COMPENSATION 1
        #include "sampling.glsl"
        #include "random.glsl"
        #include "brdf.glsl"
        #include "dielectric.glsl"
        #include "subsurface.glsl"
        void main()
        {{
            Query q = queries[gl_GlobalInvocationID.x];
            Medium m = medium_of(q.albedo, q.reach, 0u);
            answers[gl_GlobalInvocationID.x] = Answer(m.albedo, m.extinction);
        }}
        """
        with (
            gpu.compute_pipeline(
                "medium_test.comp",
                [*(Binding(slot, "storage") for slot in range(3)), Binding(3, "texels")],
                includes={**SCENE_INCLUDES, "medium_test.comp": shader},
            ) as pipeline,
            gpu.buffer(queries) as asked,
            gpu.buffer(256 * self.ANSWER.size) as given,
            gpu.buffer(dielectric_table(IOR)) as table,
            gpu.buffer(64) as unused,
            pipeline.bind({0: asked, 1: given, 2: table, 3: unused}) as bound,
        ):
            with gpu.commands() as command:
                command.bind(pipeline, bound)
                command.dispatch(4)
                command.barrier()
            gpu.submit(command)
            answers = given.read(self.ANSWER.dtype, (256,))
            command.close()
        albedo, extinction = medium_of(queries["albedo"], queries["reach"], IOR)
        assert np.allclose(answers["albedo"], albedo, atol=2e-6)
        assert np.allclose(answers["extinction"], extinction, rtol=1e-3)


def test_an_open_shell_of_skin_neither_traps_nor_glows(gpu: Device) -> None:
    mesh = uv_sphere(0.1, 32, 48)
    bowl = replace(mesh, triangles=mesh.triangles[mesh.positions[mesh.triangles][..., 1].max(axis=1) < 0.03])
    scene = replace(_lit_ball(), parts=(Part("bowl", bowl, SKIN, face=True),))
    picture = trace(gpu, scene, SIZE, 16)
    assert np.isfinite(picture.mean).all() and picture.mean.max() < 10.0
