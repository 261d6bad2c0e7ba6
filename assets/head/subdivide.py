"""Catmull-Clark subdivision of quad meshes, kept as sparse matrices so that any attribute can be refined.

E. Catmull and J. Clark, "Recursively generated B-spline surfaces on arbitrary topological meshes", 1978. New vertices
are numbered: the old ones, then one an edge, then one a face, whichever faces take part. So positions can be smoothed
over the whole mesh while UVs are smoothed over the skin alone, and both agree on the numbering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from app.arrays import I64, Bools


@dataclass(frozen=True)
class Topology:
    """Edges of a quad mesh: `edges` (E, 2) sorted pairs, `face_edges` (M, 4), edge k joins corners k and k+1."""

    quads: I64
    n_vertices: int
    edges: I64
    face_edges: I64

    @staticmethod
    def of(quads: I64, n_vertices: int) -> Topology:
        """Find the edges of `quads` (M, 4)."""
        pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
        edges, inverse = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
        return Topology(quads, n_vertices, edges, inverse.reshape(quads.shape))

    def refine(self) -> I64:
        """Return the refined quads (4 M, 4); child c of face f is row 4 f + c and starts at its corner c."""
        n, e = self.n_vertices, len(self.edges)
        center = n + e + np.arange(len(self.quads))
        children = [
            np.stack([self.quads[:, c], n + self.face_edges[:, c], center, n + self.face_edges[:, c - 1]], axis=1)
            for c in range(4)
        ]
        return np.stack(children, axis=1).reshape(-1, 4)

    def smoothing(self, active: Bools | None = None) -> csr_matrix:
        """Return the matrix (N + E + M, N) from old to new vertices, over the `active` faces (M,) only.

        Edges with one active face follow the boundary rule (cubic B-spline curve). Rows that no active
        face touches are empty.
        """
        faces = np.arange(len(self.quads)) if active is None else np.flatnonzero(active)
        n, e, m = self.n_vertices, len(self.edges), len(self.quads)
        quads, face_edges = self.quads[faces], self.face_edges[faces]
        count = np.bincount(face_edges.ravel(), minlength=e)

        ones = np.full(quads.size, 0.25)
        face_point = csr_matrix((ones, (np.repeat(faces, 4), quads.ravel())), shape=(m, n))
        used = np.flatnonzero(count)
        middle = csr_matrix((np.full(2 * len(used), 0.5), (np.repeat(used, 2), self.edges[used].ravel())), shape=(e, n))
        of_edge = csr_matrix((np.ones(face_edges.size), (face_edges.ravel(), np.repeat(faces, 4))), shape=(e, m))
        inner = _diagonal((count == 2).astype(float))
        outer = _diagonal((count == 1).astype(float))
        edge_point = inner @ (0.5 * middle + 0.25 * of_edge @ face_point) + outer @ middle

        of_vertex = csr_matrix((np.ones(quads.size), (quads.ravel(), np.repeat(faces, 4))), shape=(n, m))
        valence = np.asarray(of_vertex.sum(axis=1)).ravel()
        at_edge = csr_matrix((np.ones(2 * len(used)), (self.edges[used].ravel(), np.repeat(used, 2))), shape=(n, e))
        rim_edges = at_edge @ outer
        on_rim = np.asarray(rim_edges.sum(axis=1)).ravel() > 0
        inside = (valence > 0) & ~on_rim
        k = np.maximum(valence, 1)
        vertex_point = _diagonal(inside / k**2) @ (of_vertex @ face_point + 2 * at_edge @ middle)
        vertex_point = vertex_point + _diagonal(inside * (k - 3) / k + on_rim * 0.5)
        vertex_point = vertex_point + _diagonal(on_rim * 0.25) @ rim_edges @ middle
        return csr_matrix(vstack([vertex_point, edge_point, face_point]))


def _diagonal(values: NDArray[np.floating[Any]]) -> csr_matrix:
    index = np.arange(len(values))
    return csr_matrix((values, (index, index)), shape=(len(values), len(values)))


def rim_loops(quads: I64) -> list[I64]:
    """Return the boundary loops of oriented faces (M, k) as vertex lists in the faces' own direction."""
    starts = quads.ravel()
    ends = np.roll(quads, -1, axis=1).ravel()
    pairs = set(zip(starts.tolist(), ends.tolist(), strict=True))
    follow = {a: b for a, b in pairs if (b, a) not in pairs}
    loops: list[I64] = []
    while follow:
        first = min(follow)
        loop = [first]
        here = follow.pop(first)
        while here != first:
            loop.append(here)
            here = follow.pop(here)
        loops.append(np.array(loop))
    return sorted(loops, key=len, reverse=True)
