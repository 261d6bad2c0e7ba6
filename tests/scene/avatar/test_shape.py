"""The geometry of people: one topology, heads that differ as they should, lips and lids that fit."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.scene.avatar import shape
from app.scene.avatar.person import Person
from app.scene.avatar.targets import load

GLB = Path(__file__).resolve().parents[3] / "assets" / "head" / "head.glb"


def test_topology_and_map_are_those_of_the_default_head() -> None:
    skin = trimesh.load(GLB, process=False).geometry["skin"]
    for values in ({}, {"person.gender": 0.0, "person.age": 70.0, "expression.jawOpen": 1.0}):
        head = shape.build(Person(values))
        assert np.array_equal(head.skin.triangles, skin.faces)
        assert np.abs(head.skin.uvs - skin.visual.uv).max() < 1e-6
        assert head.neutral.shape == head.skin.positions.shape


def test_missing_or_damaged_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        load(tmp_path / "head.npz")
    (tmp_path / "head.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="is not the avatar generator's data"):
        load(tmp_path / "head.npz")
