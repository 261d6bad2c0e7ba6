"""Binary PLY files whose faces are triangles and other polygons, as modellers save them."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.scene.meshes import load_mesh
from app.scene.model import Mesh

PLACES = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 2, 0], [0, 1, 0], [1, 3, 0]]) * 0.1  # a house, and its top
UVS = PLACES[:, :2] * 3.0
FACES = ([0, 1, 2, 3, 4], [4, 3, 5], [3, 2, 5])
TRIANGLES = [[0, 1, 2], [0, 2, 3], [0, 3, 4], [4, 3, 5], [3, 2, 5]]
HEAD = """ply
format binary_{order}_endian 1.0
comment made by hand
element vertex 6
property float x
property float y
property float z
{vertex}element face 3
property list uchar {kind} {name}
{face}end_header
"""


def write(path: Path, order: str, rows: Any, kind: str = "int", name: str = "vertex_indices", **head: str) -> Path:
    """A file of the vertices and of faces, whose rows are lists and numbers: (values, their struct type)."""
    end = "<" if order == "little" else ">"
    body = b"".join(struct.pack(f"{end}3f", *place) for place in PLACES)
    if head.get("vertex"):
        body = b"".join(struct.pack(f"{end}5f", *place, *uv) for place, uv in zip(PLACES, UVS, strict=True))
    for row in rows:
        for values, code in row:
            if isinstance(values, list):
                body += struct.pack(f"{end}B{len(values)}{code}", len(values), *values)
            else:
                body += struct.pack(end + code, values)
    text = HEAD.format(order=order, kind=kind, name=name, **({"vertex": "", "face": ""} | head))
    path.write_bytes(text.encode() + body)
    return path


def corners(mesh: Mesh) -> Any:
    return mesh.positions[mesh.triangles], mesh.uvs[mesh.triangles]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(("kind", "code", "name"), [("int", "i", "vertex_indices"), ("ushort", "H", "vertex_index")])
def test_polygons_become_fans(tmp_path: Path, order: str, kind: str, code: str, name: str) -> None:
    rows = [[(face, code)] for face in FACES]
    uvs = "property float s\nproperty float t\n"
    (part,) = load_mesh(write(tmp_path / "a.ply", order, rows, kind, name, vertex=uvs))
    places, layout = corners(part.mesh)
    np.testing.assert_allclose(places, PLACES[TRIANGLES], atol=1e-6)
    np.testing.assert_allclose(layout, UVS[TRIANGLES], atol=1e-6)


def test_what_corners_have_goes_with_them(tmp_path: Path) -> None:
    """Texture coordinates by corner, other than those of the same vertex elsewhere; between numbers of the face."""
    shift = (0.0, 0.05, 0.1)
    rows = [
        [(7, "B"), (face, "i"), (0.5, "d"), ((UVS[face] + by).ravel().tolist(), "f"), ([1] * number, "B")]
        for number, (face, by) in enumerate(zip(FACES, shift, strict=True))
    ]
    path = write(tmp_path / "a.ply", "little", rows)
    text = path.read_bytes().replace(b"property list uchar int", b"property uchar flags\nproperty list uchar int")
    more = b"property double weight\nproperty list uchar float texcoord\nproperty list uchar uchar tags\nend_header"
    path.write_bytes(text.replace(b"end_header", more))
    (part,) = load_mesh(path)
    places, layout = corners(part.mesh)
    np.testing.assert_allclose(places, PLACES[TRIANGLES], atol=1e-6)
    by = np.repeat(shift, [3, 1, 1])[:, None, None]
    np.testing.assert_allclose(layout, UVS[TRIANGLES] + by, atol=1e-6)


def test_what_follows_the_faces_stays(tmp_path: Path) -> None:
    rows = [[(face, "i")] for face in FACES] + [[(0, "i"), (1, "i")]]
    edges = "element edge 1\nproperty int vertex1\nproperty int vertex2\n"
    path = write(tmp_path / "a.ply", "big", rows, face=edges, vertex="property float s\nproperty float t\n")
    assert len(load_mesh(path)[0].mesh.triangles) == len(TRIANGLES)


def test_a_file_that_ends_too_soon_is_truncated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ply", "little", [[(face, "i")] for face in FACES])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="is truncated: it ends before its last face does"):
        load_mesh(path)
