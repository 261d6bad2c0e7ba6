"""The 52 shapes of an exported avatar: eyeballs turn about their own centres, strands of hair stay whole."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from app.arrays import F32
from app.scene.avatar import build, shape
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.morphs import morph_targets
from app.scene.avatar.person import Person
from app.scene.model import Part

Avatar = tuple[HeadShape, dict[str, Part], Mapping[str, Mapping[str, F32]]]


@pytest.fixture(scope="module")
def avatar() -> Avatar:
    person = Person({"expression.eyeLookUpLeft": 0.3}, 3)
    head = shape.build(person)
    parts = build.assemble(person, head)
    return head, {part.name: part for part in parts}, morph_targets(person, head, parts)


@pytest.mark.parametrize(("number", "side"), [(0, "Left"), (1, "Right")])
def test_eyeballs_turn_about_their_own_centres(number: int, side: str, avatar: Avatar) -> None:
    head, parts, targets = avatar
    center, other = head.eyes[number].center, "right" if side == "Left" else "left"
    inward = -np.sign(center[0])
    ways = {"Up": (0.0, 1.0, 0.0), "Down": (0.0, -1.0, 0.0), "In": (inward, 0.0, 0.0), "Out": (-inward, 0.0, 0.0)}
    for gaze, ahead in ways.items():
        moved = targets[f"eyeLook{gaze}{side}"]
        for ball in ("eye", "cornea"):
            before = parts[f"{ball}_{side.lower()}"].mesh.positions.astype(np.float64)
            way = moved[f"{ball}_{side.lower()}"]
            assert np.linalg.norm(way, axis=1).max() > 1e-3
            radius, after = (np.linalg.norm(place - center, axis=1) for place in (before, before + way))
            np.testing.assert_allclose(after, radius, atol=1e-6)
            assert f"{ball}_{other}" not in moved
            pupil = (before - center) @ head.eyes[number].gaze > 0.9 * radius
            assert pupil.sum() > 10 and (way[pupil] @ ahead).min() > 1e-3


def test_strands_move_as_a_whole(avatar: Avatar) -> None:
    """Their roots' way is that of all of them, or else a lash would stretch from one lid to the other."""
    _, parts, targets = avatar
    for name, target in (("lashes", "eyeBlinkLeft"), ("brows", "browDownLeft")):
        mesh, way = parts[name].mesh, targets[target][name]
        ends = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]]]).astype(np.int64)
        edges = coo_matrix((np.ones(len(ends)), ends.T), (len(way), len(way)))
        count, strand = connected_components(edges, directed=False)
        assert count > 20 and np.linalg.norm(way, axis=1).max() > 1e-3
        least, most = np.full((count, 3), np.inf, np.float32), np.full((count, 3), -np.inf, np.float32)
        np.minimum.at(least, strand, way)
        np.maximum.at(most, strand, way)
        np.testing.assert_array_equal(least, most)


def test_what_touches_the_skin_or_stands_in_the_jaw_goes_along(avatar: Avatar) -> None:
    _, _, targets = avatar
    opened = targets["jawOpen"]
    for name in ("teeth", "gums"):
        assert opened[f"{name}_lower"][:, 1].mean() < -0.01 and f"{name}_upper" not in opened
    for side, other in (("Left", "right"), ("Right", "left")):
        blink = targets[f"eyeBlink{side}"]
        assert blink[f"tear_{side.lower()}"][:, 1].min() < -0.003
        assert np.abs(blink[f"tear_{other}"]).max() < 1e-4
