"""A dark lining under dense hair, so that no skin shines through between strands."""

import numpy as np

from app.arrays import F64
from app.scene.avatar.hair_color import BAND_MARGIN, BANDS
from app.scene.avatar.hair_roots import Roots
from app.scene.model import Mesh

_LIFT = 3e-4  # metres above the skin; strands start below and are kept above
_FEW = 3  # roots of the table around a vertex below which it is not scalp


def cap(skin: Mesh, table: Roots, bearing: F64, band: int) -> Mesh | None:
    """Triangles of the skin where hair is dense, a little raised; None where it is nowhere.

    Args:
        skin: of the head.
        table: all roots of the scalp.
        bearing: (R,) 0..1, how strong the hair of each root is; 0 where none grows.
        band: of the atlas.
    """
    count = len(skin.positions)
    near = skin.triangles[table.triangles].astype(np.int64).ravel()
    total = np.bincount(near, minlength=count)
    strong = np.bincount(near, np.repeat(bearing, 3), minlength=count)
    share: F64 = strong / np.maximum(total, 1)
    covered = (total >= _FEW) & (share > 0.72)
    # One ring less: the cap's edge must lie under hair.
    corners = skin.triangles.astype(np.int64)
    full = covered[corners].all(axis=1)
    eroded = covered.copy()
    eroded[corners[~full].ravel()] = False
    kept = corners[eroded[corners].all(axis=1)]
    if not len(kept):
        return None
    used, triangles = np.unique(kept, return_inverse=True)
    positions = skin.positions[used] + _LIFT * skin.normals[used]
    uvs = np.tile([[(band + 0.5 * BAND_MARGIN) / BANDS, 0.02]], (len(used), 1))  # the band's mean colour at its root
    uvs[:, 1] += 0.01 * np.sin(positions[:, 0] * 900.0)
    return Mesh.of(positions, triangles.reshape(-1, 3), skin.normals[used], uvs)
