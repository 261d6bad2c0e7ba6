"""A data set whose truth a small network can draw exactly, and networks that are off by a known factor."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.arrays import F32, F64
from app.network.layers import COLORS, MIXED, OUTPUTS, parameter_count
from app.network.schema import CHANNELS, channels
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import MANIFEST
from tests.training import sphere_source
from tests.training.sphere_source import SpherePeople, SphereSource

LAYERS = (CHANNELS, 8, OUTPUTS)


def linear_skin(features: F32, light_scale: F32) -> F32:
    """Radiance that is linear in the features; more than `plain_shading`, which knows no wide diffusion."""
    wide: F32 = features[..., channels("diffuse_wide")] + 0.5 * features[..., channels("specular")]
    return wide * light_scale[..., None]


def network(factor: float, layers: tuple[int, ...] = LAYERS) -> np.ndarray:
    """A row of `WeightSet.slots` that draws `linear_skin` times a factor, by the last layer's biases alone."""
    row = np.zeros(parameter_count(layers), np.float32)
    bias = row[-OUTPUTS:].reshape(len(MIXED), COLORS)
    bias[MIXED.index("diffuse_wide")] = factor
    bias[MIXED.index("specular")] = 0.5 * factor
    return row


def weight_set(general: float, special: float | None = None, hashes: list[int] | None = None) -> WeightSet:
    """A generalist that is off by one factor, and for some hashes an expert that is off by another."""
    table = np.zeros(HASHES, np.uint32)
    slots = [network(general)]
    if special is not None:
        table[hashes or []] = 1
        slots.append(network(special))
    return WeightSet(layers=LAYERS, slots=np.stack(slots), table=table)


def make(
    path: Path,
    *,
    noise: float,
    spp: int = 64,
    tiles: float = 1.0,
    frames: int = 6,
    held_out: bool = True,
    people: SpherePeople | None = None,
) -> Dataset:
    """A judging set of frames of 96x96, whose truth is `linear_skin`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sphere_source, "skin", linear_skin)
        generate(
            Here(SphereSource(noise, people=people)), path, Plan(spp, 3, (96, 96), tiles, held_out=held_out), frames
        )
    return Dataset(path)


def moved_set(path: Path, to: Path, shift: F64) -> Path:
    """Copy a data set to `to` with its head, cameras and lamps elsewhere, which changes no pixel."""
    shutil.copytree(path, to)
    lines = [json.loads(line) for line in (to / MANIFEST).read_text().splitlines()]
    for frame in (frame for line in lines[1:] for frame in line["frames"]):
        for thing in (frame["camera"], *frame["lights"]):
            for place in {"position", "target", "center"} & thing.keys():
                thing[place] = (np.array(thing[place]) + shift).tolist()
    (to / MANIFEST).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return to
