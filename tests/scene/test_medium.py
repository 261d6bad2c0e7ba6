"""The medium below the skin, against the equation of transfer solved on other nodes and against its limits."""

import numpy as np
import pytest
from scipy.optimize import brentq

from app.scene.medium import MEDIUM_TABLE_SIZE, SMALLEST_DECAY, fresnel, layer_albedo, medium_of, medium_table

ALBEDOS = np.array([0.05, 0.1, 0.35, 0.65, 0.9, 1.0])


@pytest.mark.parametrize("ior", [1.0, 1.4, 1.5])
def test_a_layer_shows_the_albedo_that_was_asked_for(ior: float) -> None:
    event, _ = medium_of(ALBEDOS, 1.0, ior)
    assert np.allclose(layer_albedo(event, ior), ALBEDOS, rtol=0.005)
    table = medium_table(ior)
    assert len(table) == MEDIUM_TABLE_SIZE and (np.diff(table) < 0.0).all()


def test_a_layer_without_boundary_is_van_de_hulsts() -> None:
    """His reflectance of a half space under even light (Multiple Light Scattering, 1980), nearly."""
    event = np.array([0.6, 0.9, 0.99, 0.9999])
    s = np.sqrt(1.0 - event)
    assert np.allclose(layer_albedo(event, 1.0), (1.0 - s) * (1.0 - 0.139 * s) / (1.0 + 1.17 * s), atol=0.008)


def test_light_far_inside_fades_over_the_mean_free_path() -> None:
    """The decay constant k of the equation of transfer solves event = k / atanh(k) (Case & Zweifel 1967)."""
    event, extinction = medium_of(ALBEDOS[:-1], 2.0, 1.4)
    decay = 1.0 / (2.0 * extinction)
    free = decay > SMALLEST_DECAY * 1.001
    assert free.sum() >= 4
    exact = [brentq(lambda k, e=e: k - e * np.arctanh(k), 1e-3, 1.0 - 1e-12) for e in event[free]]
    assert np.allclose(decay[free], exact, rtol=0.03)


def test_fresnel_at_its_ends() -> None:
    assert fresnel(1.0, 1.5) == pytest.approx(0.04)
    assert fresnel(1.0, 1 / 1.5) == pytest.approx(0.04)
    assert fresnel(0.0, 1.5) == 1.0
    assert (fresnel(np.array([0.1, 0.7]), 1 / 1.5) == 1.0).all()  # total internal reflection below 0.745
    brewster = np.cos(np.arctan(1.5))
    assert fresnel(brewster, 1.5) == pytest.approx(0.5 * ((1.5**2 - 1) / (1.5**2 + 1)) ** 2)
