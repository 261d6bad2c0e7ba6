"""Small scenes and helpers for the tests of the reference."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.arrays import F32, F64
from app.gpu import Device
from app.passes.reference import Reference
from app.passes.scene_buffers import SceneBuffers
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, Light, LightRig, PointLight
from app.scene.model import Material, Mesh, Part, Scene
from tests.primitives import quad, uv_sphere

SKY = (0.4, 0.5, 0.7)
LAMP = AreaLight.facing((0.3, 1.6, 0.8), (0.0, 0.0, 0.0), 0.8, 0.5, (1.0, 0.9, 0.8), 12.0)


@dataclass(frozen=True)
class Picture:
    """Mean radiance of every pixel and the variance of that mean, (H, W, 3)."""

    mean: F32
    variance: F32

    @property
    def of_whole(self) -> tuple[float, float]:
        """Mean over all pixels and channels, and its standard deviation (channels of a pixel vary together)."""
        sigma = np.sqrt(self.variance.astype(np.float64)).mean(axis=-1)
        return float(self.mean.mean(dtype=np.float64)), float(np.sqrt((sigma**2).sum()) / sigma.size)


def difference(a: Picture, b: Picture) -> float:
    """How far two pictures' overall means lie apart, in standard deviations."""
    (mean_a, sigma_a), (mean_b, sigma_b) = a.of_whole, b.of_whole
    return (mean_a - mean_b) / math.hypot(sigma_a, sigma_b)


def trace(gpu: Device, scene: Scene, size: tuple[int, int], samples: int, *, seed: int = 0, **options: Any) -> Picture:
    """Path-traces a scene; `options` are the reference's."""
    with_buffers = SceneBuffers(gpu, scene)
    reference = Reference(gpu, with_buffers, *size, **options)
    with gpu.commands() as command:
        reference.record(command, samples)
        command.barrier()
    with_buffers.set_frame(scene.camera, *size, jitter=(0.0, 0.0), sample_index=0, seed=seed)
    gpu.submit(command)
    picture = Picture(reference.read(), reference.read_variance())
    for thing in (command, reference, with_buffers):
        thing.close()
    return picture


def flat(mesh: Mesh) -> Mesh:
    """The mesh with a normal a triangle instead of smooth ones."""
    corners = mesh.positions[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)
    triangles = np.arange(3 * len(corners)).reshape(-1, 3)
    uvs = mesh.uvs[mesh.triangles].reshape(-1, 2)
    return Mesh.of(corners.reshape(-1, 3), triangles, np.repeat(normals, 3, axis=0), uvs)


def ball(material: Material, *, face: bool = False, radius: float = 0.1) -> Scene:
    """A sphere that fills the picture, from far away, in a white furnace."""
    sphere = Part("ball", uv_sphere(radius, 64, 96), material, face=face)
    inside = 0.6 * radius  # corners of the picture still lie on the sphere
    camera = Camera((0.0, 0.0, 2.0), (0.0, 0.0, 0.0), fov_y=2.0 * math.atan(inside / 2.0))
    return Scene((sphere,), LightRig(), Environment.constant(), camera)


def still_life(*lights: Light, sky: bool = True) -> Scene:
    """A matt and a metal ball on a grey floor, seen from the front, below a lamp."""
    matt = Material("matt", albedo=(0.7, 0.4, 0.2), ior=1.0)
    metal = Material("metal", albedo=(1.0, 1.0, 1.0), metallic=1.0, roughness=0.45)
    floor = Material("floor", albedo=(0.5, 0.5, 0.5), ior=1.0)
    sphere = flat(uv_sphere(0.3, 24, 36))

    def at(x: float) -> F64:
        matrix = np.eye(4)
        matrix[:3, 3] = x, 0.3, 0.0
        return matrix

    parts = (
        Part("matt", sphere, matt, face=True, transform=at(-0.35)),
        Part("metal", sphere, metal, transform=at(0.35)),
        Part("floor", quad((0, 0, 0), (0, 0, 1.2), (1.2, 0, 0)), floor),
    )
    camera = Camera((0.0, 0.9, 2.2), (0.0, 0.2, 0.0), fov_y=math.radians(40.0))
    return Scene(parts, LightRig(lights or (LAMP,)), Environment.constant(SKY) if sky else None, camera)


def brighter(scene: Scene, factor: float) -> Scene:
    """The scene with every light and the sky multiplied."""

    def more(light: Light) -> Light:
        if isinstance(light, AreaLight):
            return replace(light, radiance=light.radiance * factor)
        if isinstance(light, PointLight):
            return replace(light, intensity=light.intensity * factor)
        return replace(light, irradiance=light.irradiance * factor)

    sky = scene.environment
    return replace(
        scene,
        rig=LightRig(tuple(more(light) for light in scene.rig.lights)),
        environment=replace(sky, intensity=sky.intensity * factor) if sky is not None else None,
    )


def lamps() -> tuple[Light, ...]:
    """One light of every kind, all of a size that rays can find."""
    return (
        LAMP,
        PointLight((-0.9, 1.0, 0.7), (0.5, 0.7, 1.0), 1.5, 0.15),
        DirectionalLight((-1.0, -1.0, -0.3), (1.0, 0.6, 0.4), 1.0, math.radians(8.0)),
    )
