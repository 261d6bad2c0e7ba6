"""Experts trained on a local Ray cluster are those that this process trains."""

import sys

import numpy as np
import pytest
import torch

from app.errors import BungyoError, InputError
from app.training.experts import Course, Here, Job, finish
from app.training.model import Generalist, Teacher
from app.training.pixels import Pixels
from app.training.ray_experts import RayExperts
from tests.training.test_experts import options, world

World = tuple[Generalist, Pixels, Pixels]


@pytest.fixture(scope="module")
def sphere() -> World:
    return world(500, 0.5)


def test_a_cluster_trains_what_one_process_trains(sphere: World) -> None:
    given = options()
    jobs = [Job(0, [0x0101, 0x0202], 5), Job(1, [0x0404, 0x0808], 6)]
    found = []
    other = world(1, 0.0)[0]
    with torch.no_grad():
        other.linear[1].bias.mul_(3.0)
    teacher = Teacher([sphere[0], other])
    for engine in (Here(), RayExperts(workers=2)):
        groups = dict(engine.train(Course(*sphere, given, teacher, vary=True), jobs))
        assert sorted(groups) == [0, 1]
        found.append(finish(sphere[0], [groups[0], groups[1]], given))
    assert len(found[0].rows) > 1 and found[0].rows.keys() == found[1].rows.keys()
    for tile_hash, row in found[0].rows.items():
        np.testing.assert_allclose(found[1].rows[tile_hash], row, atol=1e-4)


def test_trouble_of_a_worker_is_told_as_its_own(sphere: World) -> None:
    unknown = [Job(0, [0x4321], 0)]  # a hash without pixels
    with pytest.raises(BungyoError, match="unforeseen went wrong in a worker"):
        list(RayExperts().train(Course(*sphere, options()), unknown))


def test_ray_that_is_missing_or_elsewhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"There is no Ray cluster at 127\.0\.0\.1:1: .*refused\.$"):
        RayExperts(address="127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError) as caught:
        RayExperts()
    assert caught.value.hint == "Install it with:  .venv/bin/pip install -c constraints.txt -e '.[ray]'"
