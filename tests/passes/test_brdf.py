"""The surface's reflection (shaders/include/brdf.glsl), evaluated on the GPU and integrated with numpy."""

import math
from typing import Any

import numpy as np
import pytest

from app.arrays import F64, Indices
from app.gpu import Binding, Device, Struct
from app.passes.ggx_albedo import ggx_albedo_texels
from app.passes.scene_layout import SCENE_INCLUDES

QUERY = Struct("Query", [("wo", "vec3"), ("wi", "vec3"), ("xi", "vec2")])
ANSWER = Struct(
    "Answer",
    [
        ("specular", "vec3"),
        ("wide", "vec3"),
        ("pdf", "float"),
        ("base", "vec3"),
        ("albedo", "vec3"),
        ("sampled", "vec3"),
        ("gain", "vec3"),
    ],
)
PUSH = Struct(
    "Push",
    [
        ("f0", "vec3"),
        ("f90", "float"),
        ("alpha", "float"),
        ("width", "float"),
        ("base", "vec3"),
        ("metallic", "float"),
        ("count", "uint"),
    ],
)
SHADER = f"""
#include "scene_structs.glsl"
{QUERY.glsl}{ANSWER.glsl}{PUSH.glsl}
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, scalar) readonly buffer Queries {{ Query queries[]; }};
layout(set = 0, binding = 1, scalar) writeonly buffer Answers {{ Answer answers[]; }};
#include "texels.glsl"
TEXELS(2, ggx_albedo);
layout(push_constant, scalar) uniform PushBlock {{ Push push; }};
#include "sampling.glsl"
#include "brdf.glsl"

// f * cosine of the diffuse base.
vec3 base_eval(Lobe lobe, vec3 wo, vec3 wi)
{{
    if (wo.z <= 0.0 || wi.z <= 0.0) return vec3(0.0);
    return lobe.base * base_enter(lobe, wi.z) * base_leave(lobe, wo.z) * (wi.z / PI);
}}

void main()
{{
    uint i = gl_GlobalInvocationID.x;
    if (i >= push.count) return;
    Query q = queries[i];
    Lobe lobe = Lobe(push.f0, push.f90, push.alpha, push.base, push.metallic);
    answers[i].specular = specular_eval(lobe, q.wo, q.wi);
    HalfVectors halves = half_vectors(q.wo, q.wi, push.width);
    bool above = q.wo.z > 0.0 && q.wi.z > 0.0;
    answers[i].wide = above ? specular_eval_wide(lobe, q.wo.z, q.wi.z, halves) : vec3(0.0);
    answers[i].pdf = specular_pdf(lobe, q.wo, q.wi);
    answers[i].base = base_eval(lobe, q.wo, q.wi);
    answers[i].albedo = specular_albedo(lobe, q.wo.z);
    answers[i].sampled = specular_sample(lobe, q.wo, q.xi);
    answers[i].gain = specular_gain(lobe, q.wo.z);
}}
"""

ROUGHNESS = (0.1, 0.35, 0.7, 1.0)
COSINES = (0.08, 0.4, 0.95)
CELLS = 512  # of the integration grid, along each axis


class Surface:
    """A lobe on the GPU: evaluates many directions at once."""

    def __init__(self, gpu: Device) -> None:
        self.gpu = gpu
        self.table = gpu.buffer(ggx_albedo_texels())
        self.pipeline = gpu.compute_pipeline(
            "brdf_test.comp",
            [Binding(0, "storage"), Binding(1, "storage"), Binding(2, "texels")],
            push=PUSH,
            includes={**SCENE_INCLUDES, "brdf_test.comp": SHADER},
        )

    def __call__(
        self,
        roughness: float,
        wo: F64,
        wi: F64,
        xi: F64,
        f0: float = 0.04,
        base: float = 1.0,
        width: float = 0.0,
        metallic: float = 0.0,
    ) -> Any:
        """Answers for directions (..., 3) and random numbers (..., 2), which are broadcast."""
        shape = np.broadcast_shapes(wo.shape[:-1], wi.shape[:-1], xi.shape[:-1])
        queries = np.zeros(shape, QUERY.dtype)
        queries["wo"], queries["wi"], queries["xi"] = wo, wi, xi
        push = np.zeros((), PUSH.dtype)
        push["f0"], push["f90"], push["alpha"] = f0, min(1.0, 50.0 * f0), roughness**2
        push["base"], push["count"], push["width"], push["metallic"] = base, queries.size, width, metallic
        with (
            self.gpu.buffer(queries.ravel()) as asked,
            self.gpu.buffer(queries.size * ANSWER.size) as given,
            self.pipeline.bind({0: asked, 1: given, 2: self.table}) as bound,
        ):
            with self.gpu.commands() as command:
                command.bind(self.pipeline, bound)
                command.push(push)
                command.dispatch(-(-queries.size // 64))
                command.barrier()
            self.gpu.submit(command)
            command.close()
            return given.read(ANSWER.dtype, shape)

    def close(self) -> None:
        self.pipeline.close()
        self.table.close()


@pytest.fixture
def surface(gpu: Device) -> Any:
    it = Surface(gpu)
    yield it
    it.close()


def _towards(cosine: float) -> F64:
    return np.array([math.sqrt(1.0 - cosine * cosine), 0.0, cosine])


def _hemisphere(wo: F64, alpha: float, cells: int = CELLS) -> tuple[F64, F64]:
    """Directions (cells, cells, 3) over the hemisphere and their solid angles, dense around the mirror direction.

    A grid over half vectors tan(theta) = alpha * r / (1 - r), turned into directions by reflection; exact in the
    limit, and fine wherever the lobe is narrow.
    """
    r = (np.arange(cells) + 0.5) / cells
    phi = (np.arange(cells) + 0.5) * (2.0 * math.pi / cells)
    tangent = alpha * r / (1.0 - r)
    theta = np.arctan(tangent)
    h = np.stack(
        [
            np.sin(theta)[:, None] * np.cos(phi),
            np.sin(theta)[:, None] * np.sin(phi),
            np.broadcast_to(np.cos(theta)[:, None], (cells, cells)),
        ],
        axis=-1,
    )
    d_theta = alpha / (1.0 - r) ** 2 / (1.0 + tangent**2) / cells
    solid = np.sin(theta) * d_theta * (2.0 * math.pi / cells)
    cosine = h @ wo
    wi = 2.0 * cosine[..., None] * h - wo
    return wi, np.where(cosine > 0.0, 4.0 * cosine * solid[:, None], 0.0)


@pytest.mark.parametrize("roughness", ROUGHNESS)
def test_samples_follow_their_density(surface: Surface, roughness: float) -> None:
    """Counts of samples in bins of the sphere's upper half against the integral of the pdf over the bins."""
    rng = np.random.default_rng(1)
    count, bins = 100_000, 8
    for cosine in COSINES:
        wo = _towards(cosine)
        samples = surface(roughness, wo, wo, rng.random((count, 2)))["sampled"].astype(np.float64)
        assert np.allclose(np.linalg.norm(samples, axis=-1), 1.0, atol=1e-4)
        wi, solid = _hemisphere(wo, roughness**2)
        mass = surface(roughness, wo, wi, np.zeros(2))["pdf"].astype(np.float64) * solid

        def bin_of(d: F64) -> Indices:
            ring = np.clip((d[..., 2] * bins).astype(int), 0, bins - 1)
            sector = ((np.arctan2(d[..., 1], d[..., 0]) / (2.0 * math.pi) + 0.5) * bins).astype(int) % bins
            index: Indices = np.where(d[..., 2] > 0.0, ring * bins + sector, bins * bins)
            return index

        expected = np.bincount(bin_of(wi).ravel(), mass.ravel(), bins * bins + 1)[:-1]
        assert expected.sum() <= 1.001
        found = np.bincount(bin_of(samples), minlength=bins * bins + 1)[:-1] / count
        sigma = np.sqrt(np.maximum(expected * (1.0 - expected), 1.0 / count) / count)
        # The grid itself errs by a bin's edge.
        assert (np.abs(found - expected) < 5.0 * sigma + 0.002).all()


@pytest.mark.parametrize("roughness", ROUGHNESS)
def test_sampling_and_integration_give_the_same_albedo(surface: Surface, roughness: float) -> None:
    rng = np.random.default_rng(2)
    for cosine in COSINES:
        wo = _towards(cosine)
        wi, solid = _hemisphere(wo, roughness**2)
        integral = (surface(roughness, wo, wi, np.zeros(2))["specular"][..., 0] * solid).sum()
        samples = surface(roughness, wo, wo, rng.random((50_000, 2)))["sampled"].astype(np.float64)
        answers = surface(roughness, wo, samples, np.zeros(2))
        weight = answers["specular"][:, 0].astype(np.float64) / np.maximum(answers["pdf"], 1e-20)
        sigma = weight.std() / math.sqrt(len(weight))
        assert weight.max() <= 1.001  # visible normals: Fresnel times G1
        assert abs(weight.mean() - integral) < 4.0 * sigma + 0.002 * integral
        # The table that the base is coupled by, with its 32 x 32 entries.
        assert abs(float(answers["albedo"][0, 0]) - integral) < 0.01


@pytest.mark.parametrize("f0", [0.0, 0.04, 0.3, 1.0])
def test_no_surface_reflects_more_than_arrives(surface: Surface, f0: float) -> None:
    for roughness in ROUGHNESS:
        for cosine in COSINES:
            wo = _towards(cosine)
            wi, solid = _hemisphere(wo, roughness**2)
            specular = (surface(roughness, wo, wi, np.zeros(2), f0)["specular"][..., 0] * solid).sum()
            wide, wide_solid = _hemisphere(wo, 1.0)
            base = (surface(roughness, wo, wide, np.zeros(2), f0)["base"][..., 0] * wide_solid).sum()
            assert specular <= 1.001
            assert base <= 1.001
            if f0 < 0.5:
                # A white base gives back what the specular lobe leaves (Kelemen & Szirmay-Kalos 2001).
                assert specular + base == pytest.approx(1.0, abs=0.015)


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
def test_white_metal_reflects_all_light(surface: Surface, roughness: float) -> None:
    """By its gain, which makes up for what single facets lose: less of grey metal, nothing of what is no metal."""
    for cosine in COSINES:
        wo = _towards(cosine)
        wi, solid = _hemisphere(wo, roughness**2)

        def reflected(f0: float, metallic: float, wo: F64 = wo, wi: F64 = wi, solid: F64 = solid) -> float:
            answer = surface(roughness, wo, wi, np.zeros(2), f0, metallic=metallic)
            return float((answer["gain"] * answer["specular"])[..., 0].ravel() @ solid.ravel())

        assert reflected(1.0, 1.0) == pytest.approx(1.0, abs=0.01)
        once, grey = reflected(0.5, 0.0), reflected(0.5, 1.0)
        # Light that is scattered twice is reflected twice.
        assert once <= grey < 1.001 - 0.5 * (1.0 - once)
        assert (surface(roughness, wo, wo, np.zeros(2))["gain"] == 1.0).all()


def test_reflection_is_the_same_both_ways(surface: Surface) -> None:
    """f(wo, wi) = f(wi, wo): what makes paths from the camera stand for paths from the lights."""
    rng = np.random.default_rng(3)
    d = rng.normal(size=(2, 1000, 3))
    d[..., 2] = np.abs(d[..., 2])
    d /= np.linalg.norm(d, axis=-1, keepdims=True)
    there, back = surface(0.4, d[0], d[1], np.zeros(2)), surface(0.4, d[1], d[0], np.zeros(2))
    for name in ("specular", "base"):
        a, b = there[name] / d[1][:, 2:], back[name] / d[0][:, 2:]
        assert np.allclose(a, b, rtol=2e-3, atol=1e-5)


def test_directions_below_the_surface_give_nothing(surface: Surface) -> None:
    up, down = np.array([0.0, 0.6, 0.8]), np.array([0.0, 0.6, -0.8])
    for wo, wi in ((up, down), (down, up), (down, down)):
        answer = surface(0.4, wo, wi, np.zeros(2))
        assert not answer["specular"].any() and not answer["pdf"].any() and not answer["base"].any()


@pytest.mark.parametrize("sine", [0.05, 0.13, 0.25])
@pytest.mark.parametrize("roughness", [0.3, 0.4, 0.5])
def test_three_discs_stand_for_a_wide_light(surface: Surface, roughness: float, sine: float) -> None:
    """Against the lobe integrated over the disc, for lights all over the hemisphere, by root mean squares."""
    theta, phi = (
        g.ravel() for g in np.meshgrid(np.linspace(0.02, 1.5, 30), np.linspace(0.0, math.pi, 20), indexing="ij")
    )
    toward = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    first = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)], axis=-1)
    second = np.cross(toward, first)
    # Rings of a disc with the same share of its solid angle.
    cosine = 1.0 - (1.0 - math.sqrt(1.0 - sine**2)) * (np.arange(12) + 0.5) / 12
    ring, angle = np.meshgrid(cosine, np.arange(24) / 24 * 2.0 * math.pi, indexing="ij")
    x, y, z = np.sqrt(1.0 - ring**2) * np.cos(angle), np.sqrt(1.0 - ring**2) * np.sin(angle), ring
    disc = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=-1) @ np.stack([first, second, toward], axis=1)
    disc = disc.swapaxes(0, 1)
    for view, most in ((0.95, 0.02), (0.7, 0.09), (0.4, 0.15), (0.2, 0.3)):
        wo = -_towards(view) * (1.0, 1.0, -1.0)
        exact = surface(roughness, wo, disc, np.zeros(2))["specular"][..., 0].mean(axis=0)
        point, wide = (
            surface(roughness, wo, toward, np.zeros(2), width=0.5 * sine)[name][:, 0] for name in ("specular", "wide")
        )
        weight = np.sin(theta) / (np.sin(theta) * exact**2).sum()
        error, of_point = (math.sqrt(float((weight * (found - exact) ** 2).sum())) for found in (wide, point))
        assert error < most
        assert error < max(0.01, 0.6 * of_point), (view, error, of_point)


@pytest.mark.parametrize("roughness", [0.02, 0.1, 0.5])
def test_a_light_without_a_width_is_a_point(surface: Surface, roughness: float) -> None:
    """Up to lobes as narrow as a cornea's, at and around the mirrored view."""
    wo = _towards(0.6)
    away = np.linspace(-3.0, 3.0, 61)[:, None] * roughness**2
    mirrored = wo * (-1.0, -1.0, 1.0) + away * (0.3, 0.8, 0.0)
    wi = mirrored / np.linalg.norm(mirrored, axis=-1, keepdims=True)
    answer = surface(roughness, wo, wi, np.zeros(2), width=0.0)
    np.testing.assert_allclose(answer["wide"], answer["specular"], rtol=2e-3)
