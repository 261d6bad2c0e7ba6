"""The path tracer against another one: Mitsuba 3 (Jakob et al. 2022) renders our own scene objects."""

import numpy as np
import pytest

from app.gpu import Device
from tests.passes.agreement import compare
from tests.passes.mitsuba_scene import Tracer, theirs
from tests.passes.reference_scenes import still_life

pytest.importorskip("mitsuba")

SIZE = (64, 64)
BOUNCES = 6  # the default of the reference


def test_mitsuba_draws_the_same_picture(gpu: Device) -> None:
    scene = still_life()
    with Tracer(gpu, SIZE, max_bounces=BOUNCES, energy_compensation=False) as tracer:  # Mitsuba's metals lose light
        here = tracer.runs(scene, runs=24, samples=12)
    there = theirs(scene, SIZE, runs=24, samples=12, integrator="path", max_depth=BOUNCES + 1, roulette_depth=100)
    agreement = compare(here, there, np.ones(SIZE[::-1], bool))
    assert agreement.good, str(agreement)
