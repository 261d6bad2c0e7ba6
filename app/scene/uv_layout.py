"""Where on the head each place of the texture square lies: what networks trained on one mesh expect of another.

A tile's hash and a network's inputs name a place of the face by its texture coordinates. They mean the same place on
another head if it is unwrapped alike, whatever its triangles, shape, size or expression. A coarse map of positions
is enough to tell: people of the avatar generator, grimaces and impossible faces included, differ from the default head
by at most 0.17 of its size, a layout that is shifted by 5% of the square by 0.24, others by 0.34 to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from app.arrays import F64
from app.scene.assets import DEFAULT_HEAD
from app.scene.meshes import load_mesh
from app.scene.model import Part, Scene
from app.scene.uv_raster import rasterize_uv

GRID = 16  # cells along an edge of the texture square
TOLERANCE = 0.2  # root of the mean squared distance between places that should be the same, in sizes of the head
SHARED = 0.25  # of the smaller map's cells that both must have: a mask of a face is comparable with a whole head
LEAST_TURN = math.radians(30.0)  # less looks like a shift of the layout, and may be one
_DIGITS = 2


@dataclass(frozen=True, eq=False)
class UvLayout:
    """A coarse map of a head over its texture square.

    Attributes:
        positions: (GRID, GRID, 3) in the head's frame, up to scale and shift: mean 0, root mean square 1; row 0 lies
            at v = 0; NaN in cells whose centre no triangle covers.
    """

    positions: F64

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "UvLayout":
        """Return the layout of the face among `parts`, of which there is one at least."""
        face = [part for part in parts if part.face]
        rotation = Scene(tuple(face)).head_rotation()
        places = np.full((GRID, GRID, 3), np.nan)
        for part in face:
            mesh, to_head = part.mesh, rotation @ part.transform[:3]
            raster = rasterize_uv(mesh.uvs, mesh.triangles, GRID)
            corners = mesh.positions[mesh.triangles[raster.triangle[raster.covered]]] @ to_head[:, :3].T + to_head[:, 3]
            second, third = raster.barycentric[raster.covered].astype(np.float64).T[..., None]
            places[raster.covered] = (
                corners[:, 0] * (1.0 - second - third) + corners[:, 1] * second + corners[:, 2] * third
            )
        return cls(_normalized(places))

    @classmethod
    def parse(cls, value: Any) -> "UvLayout":
        """Return the layout that `plain` described; ValueError if it is none."""
        try:
            flat = [(math.nan,) * 3 if cell is None else tuple(map(float, cell)) for cell in value]
            positions = np.array(flat, np.float64).reshape(GRID, GRID, 3)
        except (TypeError, ValueError) as error:
            raise ValueError(f"a UV layout is a list of {GRID * GRID} positions or nulls") from error
        return cls(positions)

    def plain(self) -> list[list[float] | None]:
        """Return it as JSON values: GRID * GRID positions, row by row, null where there is none."""
        cells = self.positions.reshape(-1, 3)
        return [None if math.isnan(cell[0]) else [round(x, _DIGITS) for x in cell.tolist()] for cell in cells]

    def matches(self, other: "UvLayout") -> bool:
        """Return whether every place of the square lies at about the same place of both heads."""
        return self._distance(other) <= TOLERANCE

    def matches_turned(self, other: "UvLayout") -> bool:
        """Return whether the layouts are the same but the heads look into different directions."""
        a, b = self._shared(other)
        if not len(a) or self.matches(other):
            return False
        # Kabsch 1976: the rotation that lays one set of points on the other.
        u, _, vh = np.linalg.svd(a.T @ b)
        turn = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vh)]) @ vh
        return _misfit(a @ turn, b) <= TOLERANCE and np.trace(turn) < 1.0 + 2.0 * math.cos(LEAST_TURN)

    def _distance(self, other: "UvLayout") -> float:
        a, b = self._shared(other)
        return _misfit(a, b) if len(a) else math.inf

    def _shared(self, other: "UvLayout") -> tuple[F64, F64]:
        """Return (n,3) positions of the cells that both have, normalised anew; none if these are too few."""
        mine, theirs = (~np.isnan(layout.positions[..., 0]) for layout in (self, other))
        both = mine & theirs
        if both.sum() < max(SHARED * min(mine.sum(), theirs.sum()), 3):
            return np.zeros((0, 3)), np.zeros((0, 3))
        return _normalized(self.positions[both]), _normalized(other.positions[both])


@cache
def canonical_layout() -> UvLayout:
    """Return the layout of the default head and of all avatars, which networks learn unless told otherwise."""
    return UvLayout.of(load_mesh(DEFAULT_HEAD))


def _normalized(positions: F64) -> F64:
    """Return (...,3) positions, some or all of them NaN, shifted and scaled to mean 0 and root mean square 1."""
    there = positions[~np.isnan(positions[..., 0])]
    if not len(there):
        return positions
    center = there.mean(axis=0)
    size = math.sqrt(float(((there - center) ** 2).sum(axis=1).mean()))
    result: F64 = (positions - center) / max(size, 1e-12)
    return result


def _misfit(a: F64, b: F64) -> float:
    """Return the root mean square distance of normalised (n,3) points, at the scale of `a` that makes it least."""
    scale = max(float((a * b).sum(axis=1).mean()), 0.0)
    return math.sqrt(float(((scale * a - b) ** 2).sum(axis=1).mean()))
