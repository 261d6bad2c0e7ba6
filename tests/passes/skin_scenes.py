"""Skin in small scenes, for the comparison of the reference with Mitsuba 3."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from app.bench.skin import closed
from app.scene.assets import DEFAULT_HEAD, find_environment
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import Light, LightRig, PointLight
from app.scene.meshes import load_mesh
from app.scene.model import Material, Mesh, Part, Scene
from app.scene.prefilter import shrink
from tests.passes.reference_scenes import SKY, flat
from tests.primitives import box, uv_sphere

SHAPES = ("sphere", "slab", "head")
ALBEDOS = {"dark": (0.25, 0.14, 0.08), "brown": (0.55, 0.36, 0.25), "pale": (0.85, 0.68, 0.56)}
# Mean free paths as shares of a shape's typical half thickness, per channel.
REACHES = {"short": (0.2, 0.12, 0.08), "middle": (0.4, 0.16, 0.1), "long": (1.2, 0.6, 0.4)}
LIGHTS = ("point", "behind", "bulb", "sky", "city")
# Cases whose pictures by Mitsuba are kept: every shape, reach, albedo and light with each other once.
KEPT = (
    "sphere-short-pale-sky", "sphere-middle-brown-point", "sphere-long-dark-city",
    "slab-short-dark-point", "slab-middle-brown-sky", "slab-long-pale-behind",
    "head-short-brown-city", "head-middle-dark-sky", "head-long-pale-point",
    "sphere-middle-dark-bulb", "sphere-middle-brown-sky-two",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A shape of skin under a light; "two" stands for two lobes instead of one."""

    shape: str
    reach: str
    albedo: str
    light: str
    lobes: str = "one"


def case(name: str) -> Case:
    """The case of a name such as "sphere-short-dark-sky"."""
    return Case(*name.split("-"))


def scene_of(case: Case) -> Scene:
    """The case as a scene: metres, the shape around the origin, seen from +z."""
    half = {"sphere": 10.0, "slab": 2.0, "head": 30.0}[case.shape]  # millimetres
    red, green, blue = REACHES[case.reach]
    skin = Material(
        "skin",
        albedo=ALBEDOS[case.albedo],
        roughness=0.5,
        second_roughness=0.3,
        second_weight=0.4 if case.lobes == "two" else 0.0,
        ior=1.4,
        subsurface=1.0,
        mean_free_path=(half * red, half * green, half * blue),
    )
    mesh, camera = _shape(case.shape)
    lights, environment = _light(case.light, camera.distance)
    return Scene((Part("skin", mesh, skin, face=True),), LightRig(lights), environment, camera)


@cache
def _shape(shape: str) -> tuple[Mesh, Camera]:
    """A closed mesh with flat triangles around the origin, and a camera that it nearly fills."""
    if shape == "sphere":
        return flat(uv_sphere(0.01, 12, 18)), _camera(0.0105)
    if shape == "slab":
        turn = np.eye(4)
        c, s = math.cos(0.5), math.sin(0.5)
        turn[0, 0], turn[0, 2], turn[2, 0], turn[2, 2] = c, s, -s, c
        return box((-0.007, -0.007, -0.002), (0.007, 0.007, 0.002)).with_transform(turn), _camera(0.0078)
    head = next(part for part in load_mesh(DEFAULT_HEAD) if part.face).mesh
    middle = np.eye(4)
    middle[:3, 3] = -head.bounds().mean(axis=0)
    return flat(closed(head).with_transform(middle)), _camera(0.125)


def _camera(half_height: float) -> Camera:
    fov = math.radians(20.0)
    distance = half_height / math.tan(fov / 2.0)
    direction = np.array((0.25, 0.1, 1.0)) / np.linalg.norm((0.25, 0.1, 1.0))
    x, y, z = (distance * direction).tolist()
    return Camera((x, y, z), (0.0, 0.0, 0.0), fov_y=fov, near=0.1 * distance, far=10.0 * distance)


def _light(light: str, distance: float) -> tuple[tuple[Light, ...], Environment | None]:
    """Lights that make white paper about 1 bright."""
    if light == "sky":
        return (), Environment.constant(SKY)
    if light == "city":
        pixels = shrink(Environment.load(find_environment("city")).pixels, 16)
        return (), Environment(pixels, rotation=2.0, intensity=1.0 / float(pixels.mean()))
    ahead = np.array((0.0, 0.9, -1.0) if light == "behind" else (0.7, 0.7, 1.0))
    position = (distance * ahead / np.linalg.norm(ahead)).tolist()
    radius = {"point": 0.0, "behind": 0.3, "bulb": 0.25}[light] * distance
    return (PointLight(tuple(position), (1.0, 0.9, 0.8), math.pi * distance**2, radius),), None
