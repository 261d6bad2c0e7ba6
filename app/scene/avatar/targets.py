"""The measured heads behind the generator: base mesh, morph targets, subdivision, and what fitting needs to know.

One file, `assets/avatar/head.npz`, made by `assets/avatar/build.py` from MakeHuman's CC0 data. Coarse vertices are
those of MakeHuman's cage, in its decimetres; fine vertices are one Catmull-Clark level above it, and since that is
linear it is kept as one sparse matrix. Which fine vertices lie at the lips, lids and neck does not depend on the
person, so all of that is found once, when the file is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from app.arrays import F32, F64, I64
from app.errors import InputError
from app.scene.assets import ASSETS
from app.scene.avatar.tables import read_table

HEAD_DATA = ASSETS / "avatar" / "head.npz"
FAR = 255
"""Stands for "further than anyone asks" in the tables of ring distances."""

Ints: TypeAlias = I64


@dataclass(frozen=True, eq=False)
class HeadData:
    """Everything in the file. C coarse vertices, F fine ones, T targets; fine vertices start with the S of the skin.

    Attributes:
        base: (C,3) float32 decimetres, MakeHuman's base mesh.
        names: (T,) of the targets, without folder.
        starts: (T+1,) where each target begins in `moved` and `offsets`.
        moved: coarse vertices that targets move, one target after the other.
        offsets: (_,3) -32767..32767, in units of the target's scale.
        scales: (T,) float32 decimetres a unit.
        rows, columns, weights: the subdivision (F,C) as CSR: index pointer, indices, float32 values.
        skin_triangles, skin_uvs: (M,3) and (S,2): topology and map of the skin of assets/head/head.glb.
        mouth_vertices, mouth_triangles: fine vertices of the cavity, and its triangles on them; the same for
            `upper_teeth`, `lower_teeth` and `tongue`.
        neck_rim, neck_near: (R,) coarse vertices of the cut, in order, and (R,K) those inside it next to each;
            -1 means none.
        neck_loop: fine skin vertices along the cut, in the faces' direction.
        lip_rim: fine vertices between the lips and the mouth's inside.
        to_upper, to_lower: (F,) rings of faces from the upper and lower half of `lip_rim`.
        lid_rims, margins: fine vertices of each eye's rim, where the lid turns inward, and of the front edge of
            the lids, in order around the eye; the left eye's, then from `lid_split`, `margin_split` on the right's.
        to_lid: (F,2) rings of faces from each eye's rim.
        visible: (F,) 1 on the outside of the head, 0 inside mouth and sockets.
        eyeballs: (2,E) coarse vertices of the helper eyeballs, left and right.
    """

    base: F32
    names: NDArray[Any]
    starts: Ints
    moved: Ints
    offsets: Ints
    scales: F32
    rows: Ints
    columns: Ints
    weights: F32
    skin_triangles: Ints
    skin_uvs: F32
    mouth_vertices: Ints
    mouth_triangles: Ints
    upper_teeth_vertices: Ints
    upper_teeth_triangles: Ints
    lower_teeth_vertices: Ints
    lower_teeth_triangles: Ints
    tongue_vertices: Ints
    tongue_triangles: Ints
    neck_rim: Ints
    neck_near: Ints
    neck_loop: Ints
    lip_rim: Ints
    to_upper: Ints
    to_lower: Ints
    lid_rims: Ints
    lid_split: Ints
    margins: Ints
    margin_split: Ints
    to_lid: Ints
    visible: Ints
    eyeballs: Ints

    @cached_property
    def number(self) -> Mapping[str, int]:
        """Row of each target by its name."""
        return {str(name): row for row, name in enumerate(self.names)}

    @cached_property
    def subdivision(self) -> csr_matrix:
        """(F,C) float64: fine positions from coarse ones."""
        values = self.weights.astype(np.float64)
        return csr_matrix((values, self.columns, self.rows), (len(self.rows) - 1, len(self.base)))

    @cached_property
    def targets(self) -> csr_matrix:
        """(3C,T) float64 decimetres: offsets x, y, z of all coarse vertices by the targets' weights."""
        owner = np.repeat(np.arange(len(self.names)), np.diff(self.starts))
        values = self.offsets * self.scales[owner, None].astype(np.float64)
        places = 3 * self.moved[:, None] + np.arange(3)
        shape = (3 * len(self.base), len(self.names))
        return csr_matrix((values.ravel(), (places.ravel(), np.repeat(owner, 3))), shape)

    def blend(self, weights: Mapping[str, float]) -> F64:
        """(C,3) decimetres: the sum of weighted targets, without the base."""
        vector = np.zeros(len(self.names))
        for name, weight in weights.items():
            vector[self.number[name]] += weight
        return np.asarray(self.targets @ vector).reshape(-1, 3)

    def save(self, path: Path) -> None:
        """Write the file, integers in the smallest type that holds them; the same arrays give the same bytes."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, array in arrays.items():
            if array.dtype.kind == "i":
                arrays[name] = array.astype(np.promote_types(*map(np.min_scalar_type, (array.min(), array.max()))))
        np.savez_compressed(path, **arrays)


@cache
def load(path: Path = HEAD_DATA) -> HeadData:
    """Read the file.

    Raises:
        InputError: the file is missing, or damaged, or of another version.
    """
    hint = "Remake it with assets/avatar/build.py."
    if not path.is_file():
        raise InputError(f"{path}: the avatar generator's data is missing.", hint)
    names = [field.name for field in fields(HeadData)]
    table = read_table(path, names, otherwise="not the avatar generator's data", remake=hint)
    arrays: dict[str, Any] = {
        name: array.astype(np.int64) if array.dtype.kind in "iu" else array for name, array in table.items()
    }
    return HeadData(**arrays)
