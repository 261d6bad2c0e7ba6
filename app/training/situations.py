"""Random situations to learn from: where the camera stands and what lights the head.

What a network has not seen it cannot draw, and lighting is what it needs to see most of. Light transport is
linear: where the same pixel is known under several lights, it is known under every mixture of them, features and
target alike. So a training frame has ONE light, a lamp or an environment, and its camera comes back under other
lights (`manifest.view_of`); training mixes them anew in every step (`pixels.Pixels.draw`). Frames that judge have
cameras of their own and complete light set-ups.

Frame i of a data set depends on (seed, split, i) alone, so that frames can be made in any order, on any day, by
anybody, and again. No camera, no lamp and no made-up surroundings of one split ever occur in another, not even of a set
with the same seed that is for scores only. Environment maps from files do: all splits draw from the same few, each time
turned anew and at another intensity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import ArrayLike

from app.arrays import F32, F64
from app.scene.camera import FAR, NEAR, Camera
from app.scene.checks import Vec3, triple
from app.scene.environment import LUMINANCE, Environment, texel_directions
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.training.manifest import CAMERAS, SPLITS, split_of, view_of

XYZ_TO_REC709 = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """From what the situations are drawn. Angles in degrees here, because people read this in manifests.

    Attributes:
        head_share: the head's height as a share of the image's height.
        yaw: of the camera around the head, + to the head's left (+x); normally distributed within this range.
        yaw_deviation: its standard deviation. With the defaults, half of the cameras stand within 33 degrees of the
            front, 89 % within 75.
        pitch: + above the head.
        roll: of the camera around its line of sight.
        fov: vertical field of view.
        off_center: shift of the point looked at, as a share of the head's height.
        irradiance: at the head, from all lights together, W/m2; log-uniform.
        contrast: the weakest light's irradiance against the strongest's; log-uniform up to 1.
        kelvin: colour temperature, uniform in 1/T.
        colored: share of lights with a gel of any hue.
        from_behind: share of lights that come from the hemisphere behind the head.
        one_environment: share of training lightings whose one light is an environment.
        no_environment: share of judging frames with black surroundings.
        environment_only: share of the others that have no further light.
        environment_share: the surroundings' irradiance against the lights'; log-uniform.
    """

    head_share: Range = (0.15, 1.1)
    yaw: Range = (-110.0, 110.0)
    yaw_deviation: float = 50.0
    pitch: Range = (-25.0, 35.0)
    roll: Range = (-12.0, 12.0)
    fov: Range = (15.0, 45.0)
    off_center: float = 0.15
    irradiance: Range = (0.5, 8.0)
    contrast: float = 0.05
    kelvin: Range = (2200.0, 12000.0)
    colored: float = 0.15
    from_behind: float = 0.3
    one_environment: float = 0.3
    no_environment: float = 0.3
    environment_only: float = 0.25
    environment_share: Range = (0.05, 2.0)


@dataclass(frozen=True)
class Situation:
    """One frame's camera and lights.

    Attributes:
        camera, lights, environment: as the renderer takes them.
        environment_source: how the environment came about, for the manifest.
        irradiance: what all light together would give a surface at the head that nothing shades, roughly, W/m2.
        view_seed: decides whatever frames of the same view must have in common.
        seed: decides whatever they must not, such as the noise.
    """

    camera: Camera
    lights: tuple[Light, ...]
    environment: Environment | None
    environment_source: dict[str, Any] | None
    irradiance: float
    view_seed: int
    seed: int


def draw(
    seed: int,
    frame: int,
    bounds: ArrayLike,
    aspect: float = 1.0,
    environments: Sequence[Path] = (),
    ranges: Ranges | None = None,
    *,
    split: str | None = None,
) -> Situation:
    """Draw the situation of one frame.

    Args:
        seed: of the data set, >= 0.
        frame: the frame's index, >= 0.
        bounds: (2,3) corners of the head in world space, metres.
        aspect: image width / height.
        environments: EXR or HDR files to choose from, besides smooth random surroundings.
        ranges: what to draw from; Ranges() by default.
        split: one of SPLITS; by default what the frame's number says. All but "train" have a camera of their own and a
            complete light set-up.

    Raises:
        InputError: an environment map cannot be read.
    """
    ranges = ranges or Ranges()
    split = split or split_of(frame)
    judging = split != "train"
    box = np.asarray(bounds, np.float64)
    views, lightings, noise = (
        default_rng(SeedSequence(entropy=seed, spawn_key=(purpose, SPLITS.index(split), number)))
        for purpose, number in enumerate((frame if judging else view_of(frame), frame // CAMERAS, frame))
    )
    camera = draw_camera(views, box, aspect, ranges)
    lighting = _draw_lighting(lightings, box.mean(axis=0), not judging, environments, ranges)
    return Situation(camera, *lighting, int(views.integers(2**31)), int(noise.integers(2**31)))


def _draw_lighting(
    rng: Generator, center: F64, one_light: bool, environments: Sequence[Path], ranges: Ranges
) -> tuple[tuple[Light, ...], Environment | None, dict[str, Any] | None, float]:
    """Lights, environment, its source and the irradiance; with `one_light`, exactly one of all these shines."""
    total = _log_uniform(rng, *ranges.irradiance)
    if one_light and rng.random() >= ranges.one_environment:
        return (_draw_light(rng, center, total, ranges),), None, None, total
    lights: tuple[Light, ...] = ()
    environment, source, irradiance = None, None, 0.0
    if one_light or rng.random() >= ranges.no_environment:
        environment, source = _draw_environment(rng, environments)
        irradiance = total * (1.0 if one_light else _log_uniform(rng, *ranges.environment_share))
        intensity = irradiance / max(_mean_irradiance(environment.pixels), 1e-9)
        rotation = float(rng.uniform(-math.pi, math.pi))
        environment = replace(environment, rotation=rotation, intensity=intensity)
        source = {**source, "rotation": rotation, "intensity": intensity}
    if environment is None or not (one_light or rng.random() < ranges.environment_only):
        lights = draw_lights(rng, center, total, ranges)
        irradiance += total
    return lights, environment, source, irradiance


def draw_camera(rng: Generator, bounds: F64, aspect: float, ranges: Ranges) -> Camera:
    """A camera that looks at the head, which takes a random share of the image's height."""
    center, height = bounds.mean(axis=0), float(bounds[1, 1] - bounds[0, 1])
    yaw = math.radians(_normal_within(rng, ranges.yaw_deviation, ranges.yaw))
    pitch, roll = (math.radians(rng.uniform(*span)) for span in (ranges.pitch, ranges.roll))
    fov = math.radians(rng.uniform(*ranges.fov))
    share = rng.uniform(*ranges.head_share)
    if aspect < 1.0:
        share *= aspect  # an upright image is filled when the head's width fills it
    backwards = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    depth = 0.5 * float(np.abs(backwards) @ (bounds[1] - bounds[0]))
    distance = max(0.5 * height / (share * math.tan(fov / 2.0)), depth * 1.2)  # never inside the head
    # The nearer the camera, the more of the head it may lose sight of.
    target = center + rng.uniform(-1.0, 1.0, 3) * ranges.off_center * height * min(1.0, share)
    position = target + backwards * distance
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    up = np.cross(backwards, right) * math.cos(roll) + right * math.sin(roll)
    return Camera(triple(position), triple(target), triple(up), fov, near=distance / NEAR, far=distance * FAR)


def draw_lights(rng: Generator, center: F64, irradiance: float, ranges: Ranges) -> tuple[Light, ...]:
    """One to four lights whose irradiances (W/m2) at `center`, facing each, sum to roughly `irradiance`."""
    count = int(rng.choice([1, 2, 3, 4], p=[0.35, 0.3, 0.2, 0.15]))
    shares = np.array([1.0, *(_log_uniform(rng, ranges.contrast, 1.0) for _ in range(count - 1))])
    shares *= irradiance / shares.sum()
    return tuple(_draw_light(rng, center, float(share), ranges) for share in shares)


def _draw_light(rng: Generator, center: F64, irradiance: float, ranges: Ranges) -> Light:
    color = _draw_color(rng, ranges)
    toward = _draw_direction(rng, ranges.from_behind)
    kind = rng.integers(3)
    if kind == 0:
        angle = math.radians(_log_uniform(rng, 0.2, 15.0))
        return DirectionalLight(triple(-toward), color, irradiance, angle)
    if kind == 1:
        distance = _log_uniform(rng, 0.4, 4.0)
        radius = distance * _log_uniform(rng, 0.005, 0.1)
        return PointLight(triple(center + toward * distance), color, irradiance * distance**2, radius)
    distance = _log_uniform(rng, 0.5, 3.0)
    width, height = (distance * _log_uniform(rng, 0.1, 1.0) for _ in range(2))
    # Exact for small lights; a softbox as wide as its distance gives some 30 % less.
    radiance = irradiance * distance**2 / (width * height)
    return AreaLight.facing(triple(center + toward * distance), triple(center), width, height, color, radiance)


def _draw_direction(rng: Generator, from_behind: float) -> F64:
    """A unit vector from the head to a light, uniform in the hemisphere before or behind the face (+z)."""
    v = rng.normal(size=3)
    v /= np.linalg.norm(v)
    v[2] = abs(v[2]) * (-1.0 if rng.random() < from_behind else 1.0)
    return v


def _draw_color(rng: Generator, ranges: Ranges) -> Vec3:
    """A light's colour with luminance 1: a black body's, or now and then a gel's."""
    if rng.random() < ranges.colored:
        strength = rng.uniform(0.2, 0.9)
        hue = rng.uniform(0.0, 2.0 * math.pi)
        color = 1.0 + strength * np.cos(hue + np.array([0.0, 2.0, 4.0]) * math.pi / 3.0)
        return triple(color / (color @ LUMINANCE))
    cold, hot = ranges.kelvin
    return black_body(1.0 / rng.uniform(1.0 / hot, 1.0 / cold))


def black_body(kelvin: float) -> Vec3:
    """Linear Rec.709 colour of a black body, luminance 1, no channel below 0.

    Chromaticity after Kim et al. 2002 (cubic fit of the Planckian locus), 1667..25000 K.
    """
    t = 1000.0 / kelvin
    if kelvin < 4000.0:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if kelvin < 2222.0:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif kelvin < 4000.0:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    color = np.maximum(XYZ_TO_REC709 @ np.array([x / y, 1.0, (1.0 - x - y) / y]), 0.0)
    return triple(color / (color @ LUMINANCE))


def _draw_environment(rng: Generator, files: Sequence[Path]) -> tuple[Environment, dict[str, Any]]:
    if files and rng.random() < 0.6:
        file = files[int(rng.integers(len(files)))]
        return load_environment(file), {"kind": "file", "name": file.name}
    count = int(rng.integers(2, 6))
    ambient = (rng.uniform(0.02, 0.5) * np.array(_draw_color(rng, Ranges(colored=0.1)))).tolist()
    lobes = []
    for _ in range(count):
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        color = _log_uniform(rng, 0.1, 1.0) * np.array(_draw_color(rng, Ranges(colored=0.3)))
        sharpness = _log_uniform(rng, 1.0, 20.0)
        lobes.append({"axis": axis.tolist(), "color": color.tolist(), "sharpness": sharpness})
    return Environment(lobe_map(ambient, lobes)), {"kind": "lobes", "ambient": ambient, "lobes": lobes}


def lobe_map(ambient: ArrayLike, lobes: Sequence[dict[str, Any]]) -> F32:
    """A smooth latitude-longitude map (32, 64, 3): ambient + sum of color * exp(sharpness * (axis.d - 1)).

    Smooth as low-order spherical harmonics are, but never negative.
    """
    rows, columns = 32, 64
    directions = texel_directions(rows, columns)
    pixels = np.broadcast_to(np.asarray(ambient, np.float64), (rows, columns, 3)).copy()
    for lobe in lobes:
        weight = np.exp(lobe["sharpness"] * (directions @ np.asarray(lobe["axis"]) - 1.0))
        pixels += weight[..., None] * np.asarray(lobe["color"])
    return pixels.astype(np.float32)


@lru_cache(maxsize=32)  # the project's maps together are some 50 MB
def load_environment(path: Path) -> Environment:
    """Read an environment map; the latest ones are remembered."""
    return Environment.load(path)


def _mean_irradiance(pixels: F32) -> float:
    """Luminance of pi times a map's mean radiance: the irradiance of a uniform sky of the same power."""
    theta = (np.arange(len(pixels)) + 0.5) / len(pixels) * math.pi
    rows = pixels.mean(axis=1, dtype=np.float64) @ LUMINANCE
    return float(math.pi * np.average(rows, weights=np.sin(theta)))


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _normal_within(rng: Generator, deviation: float, span: Range) -> float:
    """A normal random number around 0, drawn again until it lies in `span`, which must contain 0."""
    while True:
        value = float(rng.normal(0.0, deviation))
        if span[0] <= value <= span[1]:
            return value
