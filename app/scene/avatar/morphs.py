"""The 52 ARKit shapes as displacements of every part of an avatar, for files that other programs animate."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from app.arrays import F32, F64, I64
from app.scene.avatar import shape
from app.scene.avatar.head_shape import HeadShape
from app.scene.avatar.person import Person
from app.scene.avatar.teeth import carried
from app.scene.model import Mesh, Part

_STRANDS = ("hair", "brows", "lashes", "beard")
_TURNING = ("eye_", "cornea_")  # parts of an eye that turn with the gaze


def morph_targets(person: Person, head: HeadShape, parts: Sequence[Part]) -> dict[str, dict[str, F32]]:
    """Return by ARKit's name, then by part's name, the (N,3) displacements of its vertices in metres.

    What grows on the skin or touches it (hair, its lining, tear film, caruncles) moves with the skin beside it;
    eyeballs turn. Displacements are linear, as glTF wants them, so a turned eye is a little flattened.
    """
    targets = {name: dict(moved) for name, moved in shape.morph_targets(person).items()}
    anchors = dict(_anchors(head, parts))
    for name, moved in targets.items():
        strip = moved.pop("teeth_lower", None)  # of MakeHuman's strip, which the teeth are set along
        for part in parts:
            if strip is not None and part.name in ("teeth_lower", "gums_lower"):
                moved[part.name] = carried(head.lower_teeth, strip, part.mesh.positions).astype(np.float32)
            elif part.name in anchors and "skin" in moved:
                moved[part.name] = moved["skin"][anchors[part.name]]
            elif part.name.startswith(_TURNING):
                turned = _turned(person, head, name, part)
                if turned is not None:
                    moved[part.name] = turned
    return targets


def _anchors(head: HeadShape, parts: Sequence[Part]) -> Iterator[tuple[str, I64]]:
    """For every part that rides on the skin, (N,) the skin's vertex that each of its vertices moves with."""
    tree = cKDTree(head.skin.positions)
    for part in parts:
        strands = part.name in _STRANDS
        if not strands and not part.name.startswith(("caruncle", "tear", "hair_lining")):
            continue
        distance, nearest = tree.query(part.mesh.positions)
        if strands:  # a strand moves as a whole, with the skin at its root
            strand = _pieces(part.mesh)
            order = np.lexsort((distance, strand))
            first = order[np.searchsorted(strand[order], np.arange(strand.max() + 1))]
            nearest = nearest[first][strand]
        yield part.name, np.asarray(nearest, np.int64)


def _pieces(mesh: Mesh) -> I64:
    """(N,) number of the connected piece that each vertex belongs to."""
    t, count = mesh.triangles.astype(np.int64), len(mesh.positions)
    edges = coo_matrix((np.ones(2 * len(t), np.int8), (t[:, [0, 1]].ravel(), t[:, [1, 2]].ravel())), (count, count))
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def _turned(person: Person, head: HeadShape, name: str, part: Part) -> F32 | None:
    """Displacements (N,3) of an eyeball by the shape `name`, or None if it stands still."""
    side = "Left" if part.name.endswith("left") else "Right"
    eye = head.eyes[0 if side == "Left" else 1]
    expression = person.group("expression")
    start, end = (shape.gaze(person, weights, side) for weights in (expression, {**expression, name: 1.0}))
    if np.allclose(start, end):
        return None
    turn = _between(start, end)
    offset = part.mesh.positions - eye.center
    return np.asarray(offset @ turn.T - offset, np.float32)


def _between(start: F64, end: F64) -> F64:
    """The smallest rotation (3,3) that takes one unit vector to another that is not opposite (Rodrigues)."""
    x, y, z = np.cross(start, end)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1.0 + float(start @ end)), np.float64)
