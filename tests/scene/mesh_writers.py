"""OBJ and PLY files for tests, and which texel a vertex of theirs gets."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.scene.model import Part
from tests.scene.glb_writer import PIXELS, POSITIONS

PLY = """ply
format ascii 1.0
{comment}
element vertex 4
property float x
property float y
property float z
{properties}
element face 2
property list uchar int vertex_indices
end_header
{vertices}
3 0 1 2
3 0 2 3
"""


def write_ply(path: Path, columns: str, rows: list[str], comment: str = "comment hello") -> Path:
    properties = "\n".join(f"property {column}" for column in columns.split(", "))
    vertices = "\n".join(f"{x} {y} {z} {row}" for (x, y, z), row in zip(POSITIONS, rows, strict=True))
    path.write_text(PLY.format(comment=comment, properties=properties, vertices=vertices))
    return path


def write_obj(path: Path, material: str = "map_Kd tex.png", name: str = "skin", body: str = "") -> Path:
    Image.fromarray(PIXELS).save(path.parent / "tex.png")
    path.with_suffix(".mtl").write_text(f"newmtl {name}\n{material}\n")
    vertices = "".join(f"v {x} {y} {z}\n" for x, y, z in POSITIONS)
    uvs = "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
    body = body or f"usemtl {name}\nf 1/1 2/2 3/3\nf 1/1 3/3 4/4\n"
    path.write_text(f"mtllib {path.stem}.mtl\n{vertices}{uvs}{body}")
    return path


def write_textured_ply(path: Path) -> Path:
    Image.fromarray(PIXELS).save(path.parent / "tex.png")
    rows = ["0 0", "1 0", "1 1", "0 1"]
    return write_ply(path, "float s, float t", rows, "comment TextureFile tex.png")


def color_at(part: Part, position: Any) -> Any:
    """The texel that the vertex nearest to `position` gets, by our convention: v = 0 is the bottom row."""
    vertex = np.abs(part.mesh.positions - position).sum(axis=1).argmin()
    assert part.material.albedo_map is not None
    pixels = part.material.albedo_map.pixels
    u, v = np.clip(part.mesh.uvs[vertex], 0.01, 0.99)
    return pixels[int((1 - v) * pixels.shape[0]), int(u * pixels.shape[1]), :3].tolist()
