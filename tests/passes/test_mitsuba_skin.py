"""The reference's skin against Mitsuba 3 (Jakob et al. 2022): the same shapes, media, boundaries and lights.

BUNGYO_JUDGE=full compares all combinations with pictures that Mitsuba draws there and then (about an hour on 2 cores).
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from app.gpu import Device
from tests.passes.agreement import Runs, compare
from tests.passes.mitsuba_scene import SIZE, Tracer, comparable, kept, theirs
from tests.passes.skin_scenes import ALBEDOS, KEPT, LIGHTS, REACHES, SHAPES, case, scene_of

pytest.importorskip("mitsuba")

RUNS, SAMPLES = 32, 24
ALL = ["-".join(parts) for parts in product(SHAPES, REACHES, ALBEDOS, LIGHTS)]


@pytest.fixture(scope="module")
def tracer(session_device: Device) -> Iterator[Tracer]:
    """The reference without what Mitsuba's boundary does not do: make up for light lost between microfacets."""
    with Tracer(session_device, SIZE, energy_compensation=False) as tracer:
        yield tracer


@pytest.mark.parametrize("name", KEPT)
def test_reference_and_mitsuba_draw_the_same_skin(gpu: Device, tracer: Tracer, name: str) -> None:
    there, mask = kept(name)
    here = tracer.runs(scene_of(case(name)), RUNS, SAMPLES)
    agreement = compare(here, there, mask)
    assert agreement.good, str(agreement)


def test_kept_pictures_are_mitsubas() -> None:
    name = "sphere-short-pale-sky"
    there, mask = kept(name)
    scene = scene_of(case(name))
    agreement = compare(theirs(scene, SIZE, runs=16, samples=16), there, mask)
    assert agreement.good, str(agreement)
    assert (comparable(scene, SIZE) == mask).all()


@pytest.mark.parametrize(("wrong", "name"), [("albedo", "sphere-short-pale-sky"), ("ior", "head-middle-dark-sky")])
def test_two_percent_are_noticed(gpu: Device, tracer: Tracer, wrong: str, name: str) -> None:
    there, mask = kept(name)
    scene = scene_of(case(name))
    (part,) = scene.parts
    material = part.material
    red, green, blue = (0.98 * a for a in material.albedo)
    changed = replace(material, albedo=(red, green, blue)) if wrong == "albedo" else replace(material, ior=1.428)
    scene = replace(scene, parts=(replace(part, material=changed),))
    agreement = compare(tracer.runs(scene, RUNS, SAMPLES), there, mask)
    assert not agreement.good, str(agreement)


def test_noise_alone_passes_and_a_rare_bright_sample_is_no_excuse() -> None:
    generator = np.random.default_rng(0)

    def runs(brightness: float, count: int) -> Runs:
        # One sample in a hundred carries most of the light.
        rare = (generator.random((count, 16, 24, 24, 1)) < 0.01) * generator.exponential(80.0, (count, 16, 24, 24, 1))
        return Runs.of((0.2 + rare).mean(axis=1) * brightness * np.ones(3))

    mask = np.ones((24, 24), bool)
    there = runs(1.0, 64)
    assert all(compare(runs(1.0, 24), there, mask).good for _ in range(8))
    assert not any(compare(runs(1.2, 24), there, mask).good for _ in range(8))


@pytest.mark.parametrize("name", ALL if os.environ.get("BUNGYO_JUDGE") == "full" else [])
def test_all_combinations(gpu: Device, tracer: Tracer, name: str) -> None:
    scene = scene_of(case(name))
    here = tracer.runs(scene, RUNS, SAMPLES)
    agreement = compare(here, theirs(scene, SIZE, RUNS, 2 * SAMPLES), comparable(scene, SIZE))
    print(name, agreement)
    assert agreement.good, str(agreement)
