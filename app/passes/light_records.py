"""Lights as shaders read them: records of LIGHT, and the discs that stand for them where they are not sampled."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F64
from app.passes.scene_layout import DISC, LIGHT, LIGHT_KINDS, MOST_DISCS
from app.scene.environment import LUMINANCE
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight


def light_records(lights: Sequence[Light], center: F64) -> tuple[NDArray[Any], list[float]]:
    """(n,) records of LIGHT, without `pick`, and each light's unshadowed irradiance at `center` (luminance)."""
    records = LIGHT.zeros(len(lights))
    return records, [_fill(record, light, center) for record, light in zip(records, lights, strict=True)]


def disc_records(lights: NDArray[Any]) -> NDArray[Any]:
    """Records of DISC for those of LIGHT: one each, and up to MOST_DISCS in a row for a rectangle longer than wide."""
    return np.concatenate([_discs(light, number) for number, light in enumerate(lights)] or [DISC.zeros(0)])


def _fill(record: Any, light: Light, center: F64) -> float:
    record["kind"] = LIGHT_KINDS[type(light)]
    color = np.array(light.color)
    if isinstance(light, DirectionalLight):
        record["direction"], record["radius"] = light.direction, math.sin(light.angular_radius)
        record["color"] = color * light.irradiance
        return float(record["color"] @ LUMINANCE)
    if isinstance(light, PointLight):
        record["position"], record["radius"] = light.position, light.radius
        record["color"] = color * light.intensity
        return float(record["color"] @ LUMINANCE) / max(float(((light.position - center) ** 2).sum()), 1e-6)
    area = light.area
    record["position"], record["edge_u"], record["edge_v"] = light.center, light.edge_u, light.edge_v
    record["direction"], record["area"] = light.normal, area
    record["color"] = color * light.radiance
    to = center - np.array(light.center)
    distance2 = max(float(to @ to), 1e-6)
    cosine = max(0.05, float(to @ record["direction"]) / math.sqrt(distance2))
    return float(record["color"] @ LUMINANCE) * cosine * area / (distance2 + area / math.pi)


def _discs(light: Any, number: int) -> NDArray[Any]:
    if light["kind"] != LIGHT_KINDS[AreaLight]:
        disc = DISC.zeros(1)
        disc["kind"], disc["light"] = light["kind"], number
        disc["place"] = -light["direction"] if light["kind"] == LIGHT_KINDS[DirectionalLight] else light["position"]
        disc["color"], disc["radius"] = light["color"], light["radius"]
        return disc
    shorter, longer = sorted((light["edge_u"], light["edge_v"]), key=lambda edge: math.hypot(*edge))
    width, length = math.hypot(*shorter), math.hypot(*longer)  # in single precision, a width may be 0
    count = MOST_DISCS if length >= MOST_DISCS * width else round(length / width)
    area = float(light["area"]) / count
    discs = DISC.zeros(count)
    discs["kind"], discs["light"], discs["direction"] = light["kind"], number, light["direction"]
    discs["place"] = light["position"] + ((2.0 * np.arange(count) + 1.0) / count - 1.0)[:, None] * longer
    discs["color"], discs["radius"] = light["color"] * area, math.sqrt(area / math.pi)
    return discs
