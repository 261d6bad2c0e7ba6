"""Where hair grows: a fixed table of places on the skin's triangles, which all heads share.

The table is made by assets/avatar/hair/build.py. Since a root is a place on the skin and not in space, hair follows
whatever shape and expression the head takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from app.arrays import F64, I64, Bools
from app.errors import InputError
from app.scene.assets import ASSETS
from app.scene.avatar.tables import read_table
from app.scene.model import Mesh, normalized

TABLE = ASSETS / "avatar" / "hair" / "roots.npz"
_NEAR = 12  # triangles around a place that are tried: enough on the face, where the map is not squeezed


@dataclass(frozen=True, eq=False)
class Roots:
    """Places on a head's skin.

    Attributes:
        positions: (R,3) metres.
        normals: (R,3) unit, out of the skin.
        rest: (R,3) the same places on the canonical head, millimetres; hairlines and beards are described there.
        triangles: (R,) of the skin.
    """

    positions: F64
    normals: F64
    rest: F64
    triangles: I64

    def __len__(self) -> int:
        """How many."""
        return len(self.positions)

    def __getitem__(self, which: Bools | I64) -> "Roots":
        """Some of them."""
        return Roots(self.positions[which], self.normals[which], self.rest[which], self.triangles[which])

    @property
    def azimuth(self) -> F64:
        """(R,) degrees from the front, seen from above on the canonical head, 0..180."""
        x, _, z = self.rest.T
        return np.asarray(np.degrees(np.arctan2(np.abs(x), z + 15.0)))

    @property
    def elevation(self) -> F64:
        """(R,) degrees from the front over the top on the canonical head: the hairline lies at 25, the crown at 130."""
        _, y, z = self.rest.T
        return np.asarray(np.degrees(np.arctan2(y - 20.0, z + 10.0)))


def piecewise(x: F64, knots: Sequence[tuple[float, float]]) -> F64:
    """Piecewise linear function through `knots`."""
    at, to = np.array(knots, np.float64).T
    return np.asarray(np.interp(x, at, to))


def roots(name: str, skin: Mesh) -> Roots:
    """The table's roots of "scalp" or "beard" on a head's skin; every beginning of the list is spread evenly.

    Raises:
        InputError: the table is missing or damaged.
    """
    triangles, weights, rest = _table(name)
    return Roots(*_at(skin, triangles, weights), rest, triangles)


def places(uvs: F64, skin: Mesh) -> tuple[F64, F64]:
    """Positions (K,3) and normals (K,3) of the skin at places (K,2) of the map on the front of the face."""
    return _at(skin, *_locate(np.asarray(uvs, np.float64), skin))


def _at(skin: Mesh, triangles: I64, weights: F64) -> tuple[F64, F64]:
    corners = skin.triangles[triangles]
    positions: F64 = np.einsum("kc,kcd->kd", weights, skin.positions[corners])
    return positions, normalized(np.einsum("kc,kcd->kd", weights, skin.normals[corners]))


@lru_cache(maxsize=2)
def _table(name: str) -> tuple[I64, F64, F64]:
    """Triangles (R,), barycentric weights (R,3) and positions on the canonical head (R,3) in millimetres."""
    hint = "python -m assets.avatar.hair.build"
    if not TABLE.is_file():
        raise InputError(f"{TABLE}: where the avatars' hair grows is missing.", hint)
    names = [f"{name}_{what}" for what in ("triangle", "weights", "rest")]
    table = read_table(TABLE, names, otherwise="not where the avatars' hair grows", remake=hint)
    triangles, weights, rest = (table[name] for name in names)
    weights = weights / 65535.0
    weights = np.concatenate([1.0 - weights.sum(axis=1, keepdims=True), weights], axis=1)
    return triangles.astype(np.int64), weights, rest / 10.0


def _locate(uvs: F64, skin: Mesh) -> tuple[I64, F64]:
    """Triangle (K,) and barycentric weights (K,3) of the skin at places (K,2) of the map."""
    corners = skin.uvs[skin.triangles].astype(np.float64)
    _, near = cKDTree(corners.mean(axis=1)).query(uvs, k=min(_NEAR, len(corners)))
    a, b, c = (corners[near][..., i, :] for i in range(3))
    d1, d2, d = b - a, c - a, uvs[:, None] - a
    det = d1[..., 0] * d2[..., 1] - d1[..., 1] * d2[..., 0]
    det = np.where(np.abs(det) < 1e-14, 1e-14, det)
    wb = (d[..., 0] * d2[..., 1] - d[..., 1] * d2[..., 0]) / det
    wc = (d1[..., 0] * d[..., 1] - d1[..., 1] * d[..., 0]) / det
    weights = np.stack([1.0 - wb - wc, wb, wc], axis=-1)
    best = weights.min(axis=-1).argmax(axis=1)  # the triangle that it lies in, or misses by least
    row = np.arange(len(uvs))
    inside = np.clip(weights[row, best], 0.0, 1.0)
    return near[row, best], inside / inside.sum(axis=1, keepdims=True)
