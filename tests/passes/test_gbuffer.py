"""The light cache and the G-buffer against what can be said about a sphere with pen and paper."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import ArrayLike

from app.arrays import F64
from app.gpu import Device
from app.network.schema import (
    FEATURES,
    NO_FACE,
    SIGMA_NARROW,
)
from app.passes import light_maps
from app.passes.bent_normals import bent_normals
from app.passes.ggx_albedo import TABLE_SIZE, ggx_albedo_table
from app.passes.light_cache import SHADOW_KINDS, LightCache, ShadowKind
from app.passes.light_cache_layout import INWARD_CONE, THICKNESS_MAX
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, Light, LightRig, PointLight
from app.scene.map_lamps import find_lamps
from app.scene.model import SKIN_MEAN_FREE_PATH, Material, Mesh, Part, Scene, Texture, Wrap
from app.training.metrics import LUMINANCE
from tests.conftest import watched
from tests.passes.face_frame import Frame, draw_frame
from tests.primitives import quad, uv_sphere

RADIUS = 0.1
ALBEDO = (0.6, 0.4, 0.3)
SKIN = Material("skin", albedo=ALBEDO, roughness=0.4, subsurface=1.0)
SIZE = (75, 53)  # neither is a multiple of a tile
RINGS = (48, 64)  # triangles of the sphere from pole to pole and around, where only light counts
MAP_SIZE = 512  # texels along a light map's edge: more take minutes, and show no more of a sphere


def draw(
    gpu: Device,
    lights: tuple[Light, ...] = (),
    environment: Environment | None = None,
    *,
    camera: Camera | None = None,
    transform: F64 | None = None,
    others: tuple[Part, ...] = (),
    samples: int = 16,
    jitter: tuple[float, float] = (0.0, 0.0),
    texels: int = 64,
    kind: ShadowKind = "trace",
    rings: tuple[int, int] = RINGS,
    mesh: Mesh | None = None,
    map_size: int = MAP_SIZE,
    material: Material = SKIN,
) -> Frame:
    """A sphere of these `rings`, or the `mesh` in its place."""
    sphere = Part(
        "sphere",
        mesh or uv_sphere(RADIUS, *rings),
        material,
        face=True,
        transform=np.eye(4) if transform is None else transform,
    )
    camera = camera or Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0))
    scene = Scene((sphere, *others), LightRig(lights), environment, camera)
    buffers = SceneBuffers(gpu, scene)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_maps, "MAP_SIZE", map_size)
        cache = LightCache(gpu, buffers, size=texels, samples=samples, samples_per_update=samples // 2, kind=kind)
    frame = draw_frame(gpu, buffers, cache, camera, SIZE, jitter)
    for thing in (cache, buffers):
        thing.close()
    return frame


def entering(cosine: ArrayLike, roughness: float, f0: float = 0.028, f90: float = 1.0) -> F64:
    """The share of light from this angle that gets below the reflecting boundary, relative to the mean one."""
    table = ggx_albedo_table()
    grid = np.linspace(0.0, 1.0, TABLE_SIZE)
    reflected = table[: TABLE_SIZE**2].reshape(TABLE_SIZE, TABLE_SIZE, 2) @ [f0, f90]
    mean = np.interp(roughness, grid, table[TABLE_SIZE**2 :] @ [f0, f90])
    at = roughness * (TABLE_SIZE - 1)
    lower, share = int(at), at - int(at)
    row, following = (np.interp(np.asarray(cosine), grid, reflected[i]) for i in (lower, lower + 1))
    result: F64 = (1.0 - (1.0 - share) * row - share * following) / (1.0 - mean)
    return result


both_kinds = pytest.mark.parametrize("kind", SHADOW_KINDS)
SUN = DirectionalLight((0.0, 0.0, -1.0), irradiance=2.0, angular_radius=0.0)


def hit_points(camera: Camera, jitter: tuple[float, float] = (0.0, 0.0)) -> tuple[F64, ...]:
    """Where the camera's rays meet the sphere: (H,W,3) points (NaN for a miss) and (H,W) depths."""
    width, height = SIZE
    basis = camera.basis(width, height)
    x = (np.arange(width) + 0.5 + jitter[0]) / width * 2.0 - 1.0
    y = (np.arange(height) + 0.5 + jitter[1]) / height * 2.0 - 1.0
    ray = basis.forward + x[None, :, None] * basis.right - y[:, None, None] * basis.up
    a, b = (ray**2).sum(-1), ray @ basis.origin
    discriminant = b * b - a * (basis.origin @ basis.origin - RADIUS**2)
    with np.errstate(invalid="ignore"):
        t = (-b - np.sqrt(discriminant)) / a
    return basis.origin + t[..., None] * ray, t


def sphere_uv(normal: F64) -> F64:
    """Of the sphere's points, by their unit normals (n,3); u = 0.5 faces +z."""
    u = np.arctan2(normal[:, 0], normal[:, 2]) / (2.0 * np.pi) + 0.5
    return np.stack([u, 1.0 - np.arccos(np.clip(normal[:, 1], -1.0, 1.0)) / np.pi], axis=-1)


@pytest.mark.parametrize("jitter", [(0.0, 0.0), (0.37, -0.41)])
def test_geometry(gpu: Device, jitter: tuple[float, float]) -> None:
    camera = Camera((0.3, 0.2, 0.9), (0.01, 0.0, 0.0), fov_y=math.radians(16.0))
    frame = draw(gpu, (SUN,), camera=camera, jitter=jitter, samples=2, rings=(96, 128))
    points, depth = hit_points(camera, jitter)
    # The mesh is a polyhedron inside the sphere: silhouettes may differ by a pixel's width, insides by the sagitta.
    exact = np.isfinite(depth)
    assert (frame.face & ~exact).sum() == 0
    assert (exact & ~frame.face).sum() <= 0.02 * exact.sum()
    both = frame.face & exact & (np.linalg.norm(points, axis=-1) > 0.0)
    # Pixels beside the face hold whatever was in memory: choose first, then calculate.
    features = {name: value[both] for name, value in frame.features.items()}
    error = np.abs(frame.depth[both] - depth[both])
    assert error.max() < 2e-3
    assert np.median(error) < 1e-4
    normal = points[both] / RADIUS
    assert np.abs((features["normal"] * normal).sum(-1) - 1.0).max() < 4e-3
    view = np.array(camera.position) - points[both]
    view /= np.linalg.norm(view, axis=-1, keepdims=True)
    assert np.abs(features["view"] - view).max() < 3e-3
    assert np.abs(features["uv"] - sphere_uv(normal)).max() < 6e-3
    assert np.allclose(frame.features["albedo"][both], ALBEDO, atol=1e-3)
    assert np.allclose(frame.features["roughness"][both], 0.4, atol=1e-3)


def test_places_are_the_uv_of_the_face(gpu: Device) -> None:
    frame = draw(gpu, (SUN,), samples=2)
    assert np.array_equal(frame.places, frame.expected_places)
    # Beyond the image there is no face either.
    assert (frame.places != NO_FACE).sum() == frame.face.sum() > 0


def test_skin_seen_from_within_has_a_place_but_no_light_and_no_features(gpu: Device) -> None:
    frame = draw(gpu, (SUN,), samples=2, camera=Camera((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    assert frame.face.all()
    assert not frame.words.any() and not frame.scale.any()
    places = frame.places[frame.places != NO_FACE]
    assert len(places) == frame.face.sum() and len(np.unique(places)) > 0.5 * len(places)


@pytest.mark.parametrize("inside", [False, True])
def test_uvs_start_over_beyond_one(gpu: Device, inside: bool) -> None:
    """Of what skin shows on its outside and, through holes, within: there it has a place alone."""
    sphere = uv_sphere(RADIUS, 32, 64)
    meshes = (sphere, replace(sphere, uvs=sphere.uvs + 1.0))
    camera = Camera((0.0, 0.0, 0.0), (0.0, 0.0, 1.0)) if inside else None
    first, other = (draw(gpu, (SUN,), samples=2, camera=camera, mesh=mesh) for mesh in meshes)
    assert first.face.any() and np.array_equal(first.face, other.face)
    rounding = 1e-3  # of halves
    places, other_places = (frame.places[frame.places != NO_FACE].view(np.float16) for frame in (first, other))
    np.testing.assert_allclose(other_places, places, atol=rounding)
    uv, other_uv = (frame.features["uv"][frame.face] for frame in (first, other))
    np.testing.assert_allclose(other_uv, uv, atol=rounding)


@both_kinds
@pytest.mark.parametrize("distance", [1e3, 1e4, 9e5])
def test_a_lamp_far_away_lights_as_a_sun_does(gpu: Device, kind: ShadowKind, distance: float) -> None:
    lamp = AreaLight.facing(
        (0.6 * distance, 0.0, 0.8 * distance), (0.0, 0.0, 0.0), 0.02 * distance, 0.02 * distance, radiance=2500.0
    )
    sun = DirectionalLight((-0.6, 0.0, -0.8), irradiance=1.0, angular_radius=0.0113)
    far, parallel = (draw(gpu, (light,), samples=4, kind=kind) for light in (lamp, sun))
    for name in ("diffuse", "diffuse_narrow"):
        light, expected = far.light(name), parallel.light(name)
        assert np.abs(light - expected).mean() < 0.01 * expected.mean(), name


@both_kinds
def test_sun_gives_cosine_irradiance(gpu: Device, kind: ShadowKind) -> None:
    frame = draw(gpu, (SUN,), samples=4, kind=kind)
    cosine = frame.features["normal"][..., 2][frame.face]
    lit = cosine > 0.25  # nearer to the terminator, 64 texels are coarse
    reflected = 2.0 * np.clip(cosine, 0.0, 1.0)[:, None] * np.array(ALBEDO) / np.pi
    expected = reflected * entering(cosine, 0.4)[:, None]
    assert np.abs(frame.light("diffuse") - expected)[lit].max() < 0.004
    # A blur of millimetres does not change a cosine over 10 cm; one texel of the cache is 5 mm wide.
    expected = reflected * entering(cosine, 0.5)[:, None]  # the cache's own idea of skin's roughness
    assert np.abs(frame.light("diffuse_narrow") - expected)[lit].max() < 0.015
    toward = 2.0 * LUMINANCE @ np.array(ALBEDO) / np.pi
    assert np.allclose(frame.light("light_direction")[lit], [0.0, 0.0, toward], atol=0.005)


@pytest.mark.parametrize("radius", [0.25, 0.6, 1.05, 1.5])
def test_a_wide_sun_lights_beyond_the_terminator(gpu: Device, radius: float) -> None:
    """Irradiance of a disc, part of which is below the horizon; by rays, as depth maps have seams there."""
    frame = draw(
        gpu,
        (replace(SUN, angular_radius=radius),),
        samples=24,
        camera=Camera((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0)),
    )
    cosine = frame.features["normal"][..., 2][frame.face].astype(np.float64)
    ring, angle = np.meshgrid(
        1.0 - (1.0 - math.cos(radius)) * (np.arange(32) + 0.5) / 32, np.arange(64) * (math.pi / 32)
    )
    along = np.sqrt(1.0 - ring**2) * np.cos(angle)
    disc = cosine[:, None] * ring.ravel() + np.sqrt(1.0 - cosine**2)[:, None] * along.ravel()
    share = np.maximum(disc, 0.0) * entering(np.maximum(disc, 0.0), 0.4)
    facing = 2.0 * SUN.irradiance / (1.0 + math.cos(radius))  # radiance times solid angle
    expected = facing * share.mean(axis=1)[:, None] * np.array(ALBEDO) / np.pi
    near = np.abs(cosine) < 0.3
    found = frame.light("diffuse")[near]
    assert near.sum() > 200
    if radius < 0.3:
        assert np.abs(found - expected[near]).max() < 0.016  # of 0.09 where the sun's middle is 14 degrees up
    for height in (-0.1, 0.0, 0.1, 0.2):
        band = (cosine[near] > height) & (cosine[near] <= height + 0.1)
        assert found[band].mean() == pytest.approx(expected[near][band].mean(), rel=0.06)


@both_kinds
def test_light_falls_on_normals_bent_by_the_map(gpu: Device, kind: ShadowKind) -> None:
    """Of pixels and of the light cache's texels, as `bent_normals` bends them."""
    rng = np.random.default_rng(5)
    slopes = rng.integers(64, 192, (8, 8, 2))
    bumps = Texture(np.concatenate([slopes, np.full((8, 8, 1), 255)], axis=-1).astype(np.uint8))
    material = replace(SKIN, normal_map=bumps, normal_scale=0.7, mean_free_path=(0.1, 0.1, 0.1))
    frame = draw(gpu, (SUN,), samples=4, kind=kind, material=material, texels=128, rings=(96, 128))
    camera = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0))
    points, depth = hit_points(camera)
    both = frame.face & np.isfinite(depth)
    normal = points[both] / RADIUS
    uv = sphere_uv(normal)
    longitude, colatitude = (uv[:, 0] - 0.5) * 2.0 * np.pi, (1.0 - uv[:, 1]) * np.pi
    along_u = np.stack([np.cos(longitude), np.zeros(len(uv)), -np.sin(longitude)], axis=-1)
    edges = np.stack([along_u * np.sin(colatitude)[:, None], np.cross(normal, along_u)], axis=1)
    uv_edges = np.broadcast_to(np.diag([0.5, 1.0]), (len(uv), 2, 2))
    bent = bent_normals(bumps, 0.7, uv, normal, edges, uv_edges, 512)
    assert np.percentile((bent * normal).sum(-1), 5) < 0.97  # or nothing is shown

    inner = normal[:, 2] > 0.4
    off = np.abs(frame.features["normal"][both] - bent)[inner]
    assert off.max() < 0.03 and np.median(off) < 2e-3
    cosine = bent[:, 2]
    lit = inner & (cosine > 0.25)
    expected = 2.0 * cosine[:, None] * np.array(ALBEDO) / np.pi * entering(cosine, 0.5)[:, None]
    off = np.abs(frame.light("diffuse_narrow")[both[frame.face]] - expected)[lit]
    # Directions that a bent normal has below the surface show the skin there: little, but noisy.
    assert np.percentile(off, 98) < 0.03 and np.median(off) < 3e-3


def test_maps_that_share_an_image_are_drawn_as_maps_with_one_each(gpu: Device) -> None:
    """A roughness map goes where a normal map of its size has no opacity, on all mip levels."""
    rng = np.random.default_rng(6)
    bumps = rng.integers(64, 192, (64, 64, 3)).astype(np.uint8)
    roughness = Texture(rng.integers(80, 255, (64, 64, 1)).astype(np.uint8))
    opaque = np.full((64, 64, 1), 255, np.uint8)
    alone, together = (
        draw(gpu, (SUN,), samples=4, material=replace(SKIN, normal_map=Texture(pixels), roughness_map=roughness))
        for pixels in (np.concatenate([bumps, opaque], axis=-1), bumps)
    )
    found = together.features["roughness"][together.face]
    assert 0.1 < found.std() / found.mean() < 0.4
    for name, feature in alone.features.items():
        assert np.array_equal(feature[alone.face], together.features[name][together.face]), name


@pytest.mark.parametrize("along", [0, 1])
@pytest.mark.parametrize(
    ("wrap", "expected"), [("repeat", (0, 1, 0, 1)), ("mirror", (1, 0, 0, 1)), ("clamp", (0, 0, 0, 1))]
)
def test_normals_are_bent_beyond_the_map_as_it_goes_on(wrap: Wrap, expected: tuple[int, ...], along: int) -> None:
    """From two squares before the first one's middle on; half of the map bends."""
    rows = np.zeros((2, 2, 3), np.uint8)
    rows[:], rows[1] = (128, 128, 255), (255, 128, 128)
    wraps: list[Wrap] = ["repeat", "repeat"]
    wraps[along] = wrap
    pixels = rows.swapaxes(0, 1) if along == 0 else rows[::-1]
    uv = np.full((4, 2), 0.25)
    uv[:, along] = (-0.75, -0.25, 0.25, 0.75)
    normals = np.tile((0.0, 0.0, 1.0), (4, 1))
    edges, uv_edges = np.tile(np.eye(3)[:2], (4, 1, 1)), np.tile(np.eye(2), (4, 1, 1))
    bent = bent_normals(Texture(pixels, wrap=(wraps[0], wraps[1])), 1.0, uv, normals, edges, uv_edges, 2)
    assert ((bent[:, 0] > 0.9) == np.array(expected, bool)).all()


def test_what_light_does_not_enter_has_one_lobe(gpu: Device) -> None:
    """As in the reference."""
    plain = replace(SKIN, subsurface=0.0, second_roughness=0.8)
    one, other = (draw(gpu, (SUN,), samples=2, material=replace(plain, second_weight=weight)) for weight in (0.0, 0.5))
    assert np.array_equal(one.light("specular"), other.light("specular"))


def test_a_roughness_map_is_of_both_lobes(gpu: Device) -> None:
    even = Texture(np.full((8, 8, 1), 128, np.uint8))
    rough = replace(SKIN, roughness=0.6, second_roughness=0.8, second_weight=0.5)
    share = 128 / 255
    smooth = replace(rough, roughness=0.6 * share, second_roughness=0.8 * share)
    with_map, without = (
        draw(gpu, (SUN,), samples=2, material=material) for material in (replace(rough, roughness_map=even), smooth)
    )
    assert np.allclose(with_map.light("specular"), without.light("specular"), rtol=2e-3)
    assert without.light("specular").max() > 0.0


@pytest.mark.parametrize("roughness", [0.3, 0.6, 1.0])
def test_a_face_of_white_metal_has_gloss_of_all_light(gpu: Device, roughness: float) -> None:
    metal = Material("metal", albedo=(1.0, 1.0, 1.0), metallic=1.0, roughness=roughness)
    frame = draw(gpu, environment=Environment.constant((1.0, 1.0, 1.0)), material=metal)
    facing = frame.features["view"][frame.face] * frame.features["normal"][frame.face]
    gloss = frame.light("specular")[facing.sum(axis=-1) > 0.3]
    np.testing.assert_allclose(gloss, 1.0, atol=0.02)


@pytest.mark.parametrize("with_normals", [False, True])
def test_each_map_is_read_at_the_level_of_its_own_size(gpu: Device, with_normals: bool) -> None:
    """What a pixel covers of a map of 256x256 is the same whatever maps are beside it."""
    rng = np.random.default_rng(2)
    roughness = Texture(rng.integers(0, 256, (256, 256, 1)).astype(np.uint8))
    tilted = Texture(
        np.concatenate([rng.integers(96, 160, (128, 512, 2)), np.full((128, 512, 1), 255)], -1).astype(np.uint8)
    )
    seen = []
    for size in (64, 256, 2048):
        grey = Texture(np.full((size, size, 3), 128, np.uint8))
        material = replace(
            SKIN, albedo_map=grey, roughness=1.0, roughness_map=roughness, normal_map=tilted if with_normals else None
        )
        frame = draw(gpu, samples=2, material=material)
        seen.append([frame.features[name][frame.face] for name in ("roughness", "normal")])
    assert seen[1][0].std() > 0.01
    for other in (seen[0], seen[2]):
        for found, expected in zip(other, seen[1], strict=True):
            np.testing.assert_allclose(found, expected, atol=2e-3)


@both_kinds
def test_constant_surroundings_give_their_radiance_times_the_albedo(gpu: Device, kind: ShadowKind) -> None:
    frame = draw(gpu, environment=Environment.constant((0.5, 1.0, 2.0)), kind=kind)
    expected = np.array(ALBEDO) * [0.5, 1.0, 2.0]
    for name in ("diffuse", "diffuse_narrow", "diffuse_wide"):
        error = frame.light(name) / expected - 1.0
        assert np.abs(error.mean(axis=0)).max() < 0.005, name
        assert np.quantile(np.abs(error), 0.99) < 0.12, name  # two ways of sampling share 16 rays
    assert np.allclose(frame.features["ambient_visibility"][frame.face], 1.0, atol=2e-3)


@both_kinds
def test_a_lamp_in_the_map_is_a_light(gpu: Device, kind: ShadowKind) -> None:
    """An environment with a sun shines as the sun and the rest of the map do."""
    pixels = np.full((64, 128, 3), 0.3, np.float32)
    pixels[24:26, 68:70] = 900.0
    environment = Environment(pixels, rotation=0.4, intensity=0.5)
    (lamp,), rest = find_lamps(pixels)
    sphere = partial(draw, gpu, samples=4, kind=kind, rings=(24, 32))
    whole = sphere(environment=environment)
    apart = sphere((lamp.light(environment),), replace(environment, pixels=rest))
    assert np.array_equal(whole.face, apart.face)
    for name in ("diffuse", "diffuse_narrow", "diffuse_wide", "specular", "light_direction"):
        assert np.allclose(whole.light(name), apart.light(name), rtol=3e-3, atol=1e-4), name
    brightest = whole.light("diffuse")[:, 0].argmax()
    toward = -np.array(lamp.light(environment).direction)
    normals = whole.features["normal"][whole.face]
    assert normals[brightest] @ toward > 0.99 * (normals @ toward).max()


@both_kinds
def test_point_and_small_area_light_follow_the_inverse_square(gpu: Device, kind: ShadowKind) -> None:
    point = draw(gpu, (PointLight((0.0, 0.0, 0.6), intensity=0.5, radius=0.0),), samples=4, kind=kind)
    area = AreaLight.facing((0.0, 0.0, 0.6), (0.0, 0.0, 0.0), 0.02, 0.02, radiance=0.5 / 0.02**2)
    small = draw(gpu, (area,), samples=8, kind=kind)
    center = point.face & (point.features["normal"][..., 2] > 0.99)
    expected = 0.5 / 0.5**2 * np.array(ALBEDO) / np.pi * entering(np.float32(1.0), 0.4)
    for frame in (point, small):
        value = frame.features["diffuse"][center] * frame.scale[center][:, None]
        assert np.allclose(value, expected, rtol=0.04)


def test_a_bulb_shines_outwards(gpu: Device) -> None:
    """What lies within it gets nothing of it."""
    bulb = PointLight((0.0, 0.0, RADIUS), intensity=0.2, radius=0.02)
    frame = draw(gpu, (bulb,), samples=8)
    points = np.stack([*hit_points(Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0)))[:1]])[0]
    within = frame.face & (np.linalg.norm(points - bulb.position, axis=-1) < 0.9 * bulb.radius)
    assert within.sum() > 20
    assert not frame.features["diffuse"][within].any() and frame.light("diffuse").max() > 0.0


@both_kinds
def test_a_plate_before_the_light_casts_a_shadow(gpu: Device, kind: ShadowKind) -> None:
    plate = Part("plate", quad((0.0, 0.25, 0.3), (0.5, 0.0, 0.0), (0.0, 0.25, 0.0)), Material("card"))
    frame = draw(gpu, (SUN,), others=(plate,), samples=8, kind=kind)
    y = frame.features["normal"][..., 1][frame.face]
    light = frame.light("diffuse")[:, 0]
    assert light[y > 0.1].max() < 0.02
    z = frame.features["normal"][..., 2][frame.face]
    free = (y < -0.1) & (z > 0.3)
    assert np.allclose(light[free], 2.0 * z[free] * ALBEDO[0] / np.pi * entering(z[free], 0.4), rtol=0.05)
    assert frame.light("diffuse_wide")[:, 0][np.abs(y) < 0.02].max() > 0.04  # light bleeds across the edge


def test_more_lights_than_masks_have_bits(gpu: Device) -> None:
    """The 33rd light is not taken for the first, which a plate hides from all of the sphere."""
    plate = Part("plate", quad((0.0, 0.6, 0.0), (0.5, 0.0, 0.0), (0.0, 0.0, 0.5)), Material("card"))
    above = DirectionalLight((0.0, -1.0, 0.0), irradiance=2.0, angular_radius=0.0)
    many, two = (
        draw(gpu, (above, *faint, SUN), others=(plate,), samples=8).light("diffuse")
        for faint in ((replace(SUN, irradiance=1e-6),) * 31, ())
    )
    assert two.max() > 0.3
    assert np.allclose(many, two, atol=1e-3)


@both_kinds
def test_the_edge_of_a_shadow_is_blurred_by_what_the_skin_scatters_alone(gpu: Device, kind: ShadowKind) -> None:
    """Across a straight edge, narrow light is the integral of a Gaussian, in every colour; sharp light is a step."""
    black = Material("card", albedo=(0.0, 0.0, 0.0), ior=1.0)
    plate = Part("plate", quad((0.0, 0.25, 0.3), (0.5, 0.0, 0.0), (0.0, 0.25, 0.0)), black)
    camera = Camera((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(2.0))
    frame = draw(
        gpu, (SUN,), others=(plate,), camera=camera, samples=2, texels=256, map_size=light_maps.MAP_SIZE, kind=kind
    )
    below = -hit_points(camera)[0][..., 1].ravel()
    lit = 2.0 * np.array(ALBEDO) / np.pi * entering(np.float32(1.0), 0.4)
    texel = math.pi * RADIUS / 256
    step = frame.light("diffuse") / lit
    assert np.allclose(step[below > 0.6 * texel], 1.0, atol=0.05)
    assert np.allclose(step[below < -0.6 * texel], 0.0, atol=0.01)
    narrow = frame.light("diffuse_narrow") / lit
    for color, path in enumerate(SKIN_MEAN_FREE_PATH):
        deviation = math.hypot(SIGMA_NARROW * path * 1e-3, 0.2 * texel)  # texels and the look-up between them blur, too
        expected = [0.5 + 0.5 * math.erf(y / (math.sqrt(2.0) * deviation)) for y in below]
        assert np.allclose(narrow[:, color], expected, atol=0.09), color
        assert abs((narrow[:, color] - expected).mean()) < 0.03, color


CARD_AT, CARD_HALF = 0.15, 2.0  # metres


@pytest.fixture(scope="module", params=SHADOW_KINDS)
def beside_a_card(session_device: Device, request: pytest.FixtureRequest) -> Frame:
    """The sphere in white surroundings, of which a black card hides most of what lies towards +x."""
    mesh = quad((CARD_AT, 0.0, 0.0), (0.0, 0.0, CARD_HALF), (0.0, CARD_HALF, 0.0))
    card = Part("card", mesh, Material("card", albedo=(0.0, 0.0, 0.0)))
    white = Environment.constant((1.0, 1.0, 1.0))
    with watched(session_device) as gpu:
        return draw(gpu, environment=white, others=(card,), samples=128, kind=request.param)


def test_surroundings_light_what_can_see_them(beside_a_card: Frame) -> None:
    """Against sums over many directions: what of white surroundings a card leaves to every place."""
    frame = beside_a_card
    normal = frame.features["normal"][frame.face].astype(np.float64)
    chosen = normal[:, 2] > 0.3
    normal = normal[chosen]
    steps = (np.arange(64) + 0.5) / 64
    cosine, angle = np.meshgrid(np.sqrt(1.0 - steps), 2.0 * np.pi * steps)  # of even projected area
    sine = np.sqrt(1.0 - cosine**2)
    around = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=-1).reshape(-1, 3)
    side = np.cross(normal, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    towards = around @ np.stack([side, np.cross(normal, side), normal], axis=1)
    way = (CARD_AT - RADIUS * normal[:, :1]) / np.maximum(towards[..., 0], 1e-9)
    meets = np.abs(RADIUS * normal[:, None, 1:] + way[..., None] * towards[..., 1:]).max(axis=-1) < CARD_HALF
    hidden = (towards[..., 0] > 0.0) & meets
    weight = entering(around[:, 2], 0.5)
    share = (weight * ~hidden).mean(axis=-1) / weight.mean()
    measured = frame.light("diffuse")[chosen] / ALBEDO
    assert abs((measured[:, 0] - share).mean()) < 0.02
    assert np.quantile(np.abs(measured[:, 0] - share), 0.99) < 0.12


def test_a_mirrored_view_of_what_is_hidden_shows_no_surroundings(beside_a_card: Frame) -> None:
    frame = beside_a_card
    normal, view = (frame.features[name][frame.face] for name in ("normal", "view"))
    towards_card = (2.0 * (normal * view).sum(-1, keepdims=True) * normal - view)[:, 0]
    gloss = frame.light("specular")[:, 0]
    facing = np.abs(normal[:, 0]) < 0.75
    away, towards = (gloss[facing & mask] for mask in (towards_card < -0.7, towards_card > 0.7))
    assert towards.mean() < 0.35 * away.mean()


@both_kinds
def test_thickness_and_light_behind(gpu: Device, kind: ShadowKind) -> None:
    """Through a ball of 20 cm no light comes; its thickness is the mean of chords, capped at 10 cm."""
    frame = draw(gpu, (DirectionalLight((0.0, 0.0, 1.0), irradiance=5.0, angular_radius=0.0),), samples=8, kind=kind)
    center = frame.face & (frame.features["normal"][..., 2] > 0.99)
    cosines = np.linspace(1.0 - INWARD_CONE, 1.0, 100)
    chords = np.minimum(2.0 * RADIUS * cosines, THICKNESS_MAX)
    assert np.allclose(frame.features["thickness"][center], math.tanh(chords.mean() / 0.02), atol=1e-3)
    assert (frame.features["transmission"][center] * frame.scale[center][:, None]).max() < 1e-3


LIGHTS = (
    DirectionalLight((0.3, -0.5, -1.0), (1.0, 0.8, 0.6), 1.5, 0.05),
    PointLight((0.3, 0.2, 0.4), (0.5, 0.7, 1.0), 0.3, 0.02),
    AreaLight.facing((-0.4, 0.1, 0.3), (0.0, 0.0, 0.0), 0.2, 0.3, radiance=4.0),
)


@both_kinds
def test_doubling_all_lights_doubles_exactly(gpu: Device, kind: ShadowKind) -> None:
    sky = Environment.constant((0.2, 0.3, 0.4))
    bright = (
        replace(LIGHTS[0], irradiance=3.0),
        replace(LIGHTS[1], intensity=0.6),
        replace(LIGHTS[2], radiance=8.0),
    )
    one = draw(gpu, LIGHTS, sky, samples=4, kind=kind)
    two = draw(gpu, bright, replace(sky, intensity=2.0), samples=4, kind=kind)
    assert np.array_equal(one.words[one.face], two.words[two.face])
    assert np.array_equal(two.scale[two.face], 2.0 * one.scale[one.face])


def test_turning_head_lights_and_camera_together_changes_nothing(gpu: Device) -> None:
    c, s = math.cos(0.7), math.sin(0.7)
    turn = np.eye(4)
    turn[:3, :3] = [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
    camera = Camera((0.2, 0.1, 1.0), (0.0, 0.0, 0.0), fov_y=math.radians(16.0))

    def turned(v: tuple[float, float, float]) -> tuple[float, float, float]:
        x, y, z = turn[:3, :3] @ v
        return float(x), float(y), float(z)

    sun = DirectionalLight((0.3, -0.5, -1.0), (1.0, 0.8, 0.6), 1.5, 0.0)
    lamp = PointLight((0.3, 0.2, 0.4), (0.5, 0.7, 1.0), 0.3, 0.0)
    still = draw(gpu, (sun, lamp), camera=camera, samples=2)
    moved = draw(
        gpu,
        (replace(sun, direction=turned(sun.direction)), replace(lamp, position=turned(lamp.position))),
        camera=replace(camera, position=turned(camera.position)),
        transform=turn,
        samples=2,
    )
    both = still.face & moved.face
    assert (still.face ^ moved.face).sum() <= 4
    for feature in FEATURES:
        if feature.name in ("thickness", "transmission", "ambient_visibility", "uv"):
            continue  # from random directions in a frame that does not turn with the head
        difference = np.abs(still.features[feature.name][both] - moved.features[feature.name][both])
        assert np.quantile(difference, 0.99) < 0.03, feature.name


@both_kinds
def test_no_lights_at_all_is_black_and_finite(gpu: Device, kind: ShadowKind) -> None:
    frame = draw(gpu, samples=2, kind=kind)
    assert frame.face.any()
    for feature in FEATURES:
        assert np.isfinite(frame.features[feature.name][frame.face]).all(), feature.name
    assert frame.light("diffuse").max() == 0.0
