"""The command on a page makes the set that the page is about."""

import shlex
from pathlib import Path

import pytest

from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.recipe import recipe
from tests.training.sphere_source import SpherePeople, SphereSource


@pytest.mark.parametrize("held_out", [False, True])
def test_the_command_names_what_differs(held_out: bool, tmp_path: Path) -> None:
    class Gathering(SphereSource):
        @property
        def description(self) -> dict[str, object]:
            return {**super().description, "cache_samples": 24, "cache_size": 512 if held_out else 256}

    plan = Plan(3, 5, (96, 64), 0.5, held_out=held_out, people=4)
    generate(Here(Gathering(people=SpherePeople())), tmp_path / "set", plan, 8)
    words = shlex.split(recipe(Dataset(tmp_path / "set"), Path("out/my set")))
    expected = "bungyo dataset --out 'out/my set' --frames 8 --spp 3 --seed 5 --size 96x64 --tiles 0.5"
    light = "--light-texels 512 --light-samples 24 --held-out" if held_out else "--light-samples 24"
    assert words == [*shlex.split(expected), *light.split(), "--people", "4"]
