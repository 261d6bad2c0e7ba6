"""Whole avatars at the ends of all parameters at once: sound meshes, and files that give them back."""

from pathlib import Path

import numpy as np
import pytest

from app.scene.avatar.build import avatar_glb, build_avatar
from app.scene.avatar.parameters import PARAMETERS
from app.scene.avatar.parameters.expression import ARKIT
from app.scene.avatar.person import Person
from app.scene.avatar.sample import sample
from app.scene.meshes import load_mesh


def extreme(which: str) -> Person:
    """Everything at its lowest or highest, everything at an end by lot, or a person whose face does all at once."""
    if which == "expressions":
        return Person({**sample(3).values, **{f"expression.{name}": 1.0 for name in ARKIT}}, 3)
    rng = np.random.default_rng(int(which) if which.isdigit() else 0)
    drawn = {p.name: float(rng.choice([p.low, p.high])) for p in PARAMETERS}
    values = drawn if which.isdigit() else {p.name: getattr(p, which) for p in PARAMETERS}
    return Person(values | {"person.asian": 1.0}, 1)


@pytest.mark.parametrize("which", ["low", "high", "expressions", "0", "1", "2", "3", "4", "5"])
def test_meshes_are_sound_at_the_ends_of_all_parameters(which: str) -> None:
    for part in build_avatar(extreme(which)):
        mesh = part.mesh
        assert np.abs(mesh.positions).max() < 0.6, part.name  # metres
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3), part.name
        assert mesh.uvs.min() >= 0.0 and mesh.uvs.max() <= 1.0, part.name
        a, b, c = (mesh.positions[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
        normal = np.cross(b - a, c - a)
        assert (np.linalg.norm(normal, axis=1) < 2e-12).mean() < 0.01, part.name  # (1.4 micrometres)2
        turned = (normal * mesh.normals[mesh.triangles].sum(axis=1)).sum(axis=1) < 0.0
        assert turned.mean() < 0.05, part.name  # tears between closed lids, ribbons of coils


@pytest.mark.parametrize("which", ["high", "0"])
def test_a_file_gives_the_meshes_back(which: str, tmp_path: Path) -> None:
    person = extreme(which)
    (tmp_path / "person.glb").write_bytes(avatar_glb(person))
    made, read = build_avatar(person), load_mesh(tmp_path / "person.glb")
    for one, again in zip(made, read, strict=True):
        assert (one.name, one.face) == (again.name, again.face)
        assert np.array_equal(one.mesh.positions, again.mesh.positions), one.name
        assert np.array_equal(one.mesh.triangles, again.mesh.triangles), one.name
        for name in ("ior", "transmission", "subsurface", "mean_free_path", "second_weight", "second_roughness"):
            expected = getattr(one.material, name)
            assert np.allclose(getattr(again.material, name), expected), (one.name, name)
