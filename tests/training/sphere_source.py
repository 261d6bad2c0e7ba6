"""A renderer for tests: a sphere with made-up skin, whose radiance is a known function of the features plus noise."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import F32, F64, Bools
from app.network.schema import CHANNELS, channels, pack, tile_grid, to_tiles, unpack
from app.network.tile_hash import hash_pixels
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, Light
from app.scene.model import Material, Part
from app.training.frames import TileSelection
from app.training.manifest import GATHERING, GATHERING_VERSION, PersonInfo, TileBatch
from tests.primitives import uv_sphere

RADIUS = 0.12


class SpherePeople:
    """`People` who are spheres: the seed decides their size, the expression their colour."""

    @property
    def description(self) -> dict[str, Any]:
        return {"spheres": (0.08, 0.16)}

    def draw(self, seed: int, expression: int) -> PersonInfo:
        radius, tone = (float(np.random.default_rng(s).uniform()) for s in (seed, expression))
        return PersonInfo(seed, {"radius": 0.08 + 0.08 * radius, "tone": 0.2 + 0.6 * tone})

    def parts(self, person: PersonInfo) -> tuple[Part, ...]:
        skin = Material("skin", (person.values["tone"], 0.4, 0.3), roughness=0.5)
        return (Part("head", uv_sphere(person.values["radius"], 24, 32), skin, face=True),)


class SphereSource:
    """A `FrameSource` without a GPU.

    Args:
        people: SpherePeople, or None for one sphere of RADIUS.
        noise: deviation of one sample against its mean; the samples are gamma distributed, as skewed as path tracing.
        fail_at: raise `failure` when asked for the frame of this number (counting calls).
    """

    def __init__(
        self,
        noise: float = 1.0,
        fail_at: int | None = None,
        failure: BaseException | None = None,
        people: SpherePeople | None = None,
    ) -> None:
        self.noise = noise
        self.people = people
        self.radius = RADIUS
        self.fail_at, self.failure = fail_at, failure
        self.calls = 0

    @property
    def bounds(self) -> F64:
        return np.array([[-self.radius] * 3, [self.radius] * 3])

    @property
    def description(self) -> dict[str, Any]:
        head = {"people": self.people.description} if self.people else {"mesh": "sphere", "radius": (RADIUS,)}
        return {**head, GATHERING: GATHERING_VERSION}

    def show(self, person: PersonInfo) -> None:
        self.radius = person.values["radius"]

    def render(
        self,
        camera: Camera,
        lights: Sequence[Light],
        environment: Environment | None,
        *,
        size: tuple[int, int],
        spp: int,
        jitter: tuple[float, float],
        seed: int,
        selection: TileSelection,
    ) -> TileBatch:
        if self.failure is not None and self.calls == self.fail_at:
            raise self.failure
        self.calls += 1
        image, face, scale = _gbuffer(self.radius, camera, lights, environment, size, jitter)
        features, masks, scales = to_tiles(pack(image)), to_tiles(face), to_tiles(scale)
        hashes = hash_pixels(unpack(features)[..., channels("uv")], masks)
        shown = np.flatnonzero(hashes)
        shown = shown[selection.choose(shown)]
        clean = skin(unpack(features[shown]), scales[shown])
        shape = spp / self.noise**2 if self.noise else np.inf
        luck = np.random.default_rng(seed).gamma(shape, 1.0 / shape, clean.shape) if self.noise else 1.0
        across, _ = tile_grid(*size)
        return TileBatch(
            features=features[shown],
            light_scale=scales[shown],
            mask=masks[shown],
            hashes=hashes[shown],
            target=(clean * luck).astype(np.float32),
            variance=(np.square(clean) / shape).astype(np.float32),
            tile_xy=np.stack([shown % across, shown // across], axis=-1).astype(np.uint16),
        )


@dataclass(frozen=True)
class MakeSphere:
    """Opens a worker's SphereSource with people.

    Args:
        deaths: a folder that counts them, or None; a worker that has made `after` frames and is asked for another makes
            one of the files 0..`kills`-1 there and kills its own process, unless others have made them all.
        failure: what a worker raises when asked for a frame.
    """

    deaths: Path | None = None
    kills: int = 1
    after: int = 4
    failure: Exception | None = None

    @contextmanager
    def __call__(self, number: int, count: int) -> Iterator[SphereSource]:
        assert 0 <= number < count
        yield _Mortal(self)


class _Mortal(SphereSource):
    def __init__(self, made: MakeSphere) -> None:
        super().__init__(people=SpherePeople(), fail_at=0, failure=made.failure)
        self.made = made

    def render(self, *arguments: Any, **named: Any) -> TileBatch:
        deaths = self.made.deaths
        if deaths and self.calls == self.made.after:
            for number in range(self.made.kills):
                with suppress(FileExistsError):  # taken by another worker, maybe just now
                    (deaths / str(number)).touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)
        return super().render(*arguments, **named)


def skin(features: F32, light_scale: F32) -> F32:
    """The radiance to learn: scattering and gloss that change over the surface, as no plain shading knows."""
    uv = features[..., channels("uv")]
    scatter = 0.5 + 0.5 * np.sin(2.0 * np.pi * 3.0 * uv[..., :1])
    gloss = 0.5 + 0.5 * np.cos(2.0 * np.pi * 4.0 * uv[..., 1:])
    sharp, wide = features[..., channels("diffuse")], features[..., channels("diffuse_wide")]
    diffuse = (1.0 - scatter) * sharp + scatter * wide
    radiance: F32 = light_scale[..., None] * (diffuse + gloss * features[..., channels("specular")])
    return radiance


def _gbuffer(
    radius: float,
    camera: Camera,
    lights: Sequence[Light],
    environment: Environment | None,
    size: tuple[int, int],
    jitter: tuple[float, float],
) -> tuple[F32, Bools, F32]:
    """Features (H, W, 32), face (H, W) and light_scale (H, W) of the sphere at the origin."""
    width, height = size
    basis = camera.basis(width, height)
    x = (np.arange(width) + 0.5 + jitter[0]) / width * 2.0 - 1.0
    y = (np.arange(height) + 0.5 + jitter[1]) / height * 2.0 - 1.0
    rays = basis.forward + x[None, :, None] * basis.right - y[:, None, None] * basis.up
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    b = rays @ basis.origin
    root = b * b - (basis.origin @ basis.origin - radius**2)
    face = (root > 0.0) & (-b - np.sqrt(np.maximum(root, 0.0)) > 0.0)
    distance = -b - np.sqrt(np.maximum(root, 0.0))
    normal = (basis.origin + distance[..., None] * rays) / radius
    uv = np.stack([np.arctan2(normal[..., 0], normal[..., 2]) / (2 * np.pi) + 0.5, (normal[..., 1] + 1) / 2], -1)
    uv = np.clip(uv, 0.0, 0.999)

    sharp, wide = np.zeros((2, height, width, 3))
    mirror, moment = np.zeros((2, height, width, 3))
    reflected = rays - 2.0 * (rays * normal).sum(-1, keepdims=True) * normal
    for toward, irradiance in _as_directions(lights, environment):
        cosine = normal @ toward
        sharp += np.maximum(cosine, 0.0)[..., None] * irradiance
        wide += (np.maximum(cosine + 0.3, 0.0) / 1.69)[..., None] * irradiance
        mirror += (np.maximum(reflected @ toward, 0.0) ** 20)[..., None] * irradiance * 0.2
        moment += irradiance.mean() * toward
    tone = 0.5 + 0.2 * np.sin(uv[..., :1] * 40.0) * np.sin(uv[..., 1:] * 40.0)
    albedo = tone * np.array([1.0, 0.7, 0.55])
    sharp, wide, moment = (albedo / np.pi * light for light in (sharp, wide, moment))
    scale = np.maximum((sharp + wide).mean(-1), 1e-4)

    image = np.zeros((height, width, CHANNELS), np.float32)
    image[..., channels("uv")] = uv
    image[..., channels("normal")] = normal
    image[..., channels("view")] = -rays
    image[..., channels("albedo")] = albedo
    image[..., channels("roughness")] = 0.4
    image[..., channels("ambient_visibility")] = 1.0
    lit = {"diffuse": sharp, "diffuse_narrow": 0.5 * (sharp + wide), "diffuse_wide": wide}
    for name, value in (lit | {"specular": mirror, "light_direction": moment}).items():
        image[..., channels(name)] = value / scale[..., None]
    image[~face] = 0.0
    return image, face, np.where(face, scale, 0.0).astype(np.float32)


def _as_directions(lights: Sequence[Light], environment: Environment | None) -> list[tuple[F64, F64]]:
    """Every light as a direction towards it and an irradiance (3,)."""
    found = []
    for light in lights:
        color = np.array(light.color)
        if isinstance(light, DirectionalLight):
            found.append((-np.array(light.direction), light.irradiance * color))
            continue
        center = np.array(light.center if isinstance(light, AreaLight) else light.position)
        power = light.radiance * light.area if isinstance(light, AreaLight) else light.intensity
        found.append((center / np.linalg.norm(center), power / (center @ center) * color))
    if environment is not None:
        found.append((np.array([0.0, 1.0, 0.0]), environment.intensity * np.ones(3)))
    return found
