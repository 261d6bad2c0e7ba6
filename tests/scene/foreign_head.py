"""A head that the avatar generator did not make: another topology, another texture layout, files of other programs.

An ellipsoid with nose, eye sockets, lips, chin and ears, unwrapped like a globe: v along the height, u around it with
its seam at the back of the head. It is to be told from the default head by its layout, and to be trained on.
"""

from functools import cache
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image

from app.arrays import F64, U32
from tests.primitives import uv_sphere

RADII = np.array([0.078, 0.12, 0.098])  # metres
ROWS, COLUMNS = 72, 96
# Displacement along the radius: azimuth, elevation (degrees), widths (degrees), height (mm).
_BUMPS = (
    (0, -6, 7, 13, 22), (0, -14, 12, 5, 7),  # nose, nostrils
    (-24, 6, 11, 8, -13), (24, 6, 11, 8, -13),  # eye sockets
    (0, 18, 45, 6, 5),  # brow
    (0, -26, 17, 3, 6), (0, -33, 15, 3, 5), (0, -29.5, 18, 1.2, -5),  # lips and the line between
    (0, -50, 18, 12, 12),  # chin
    (-92, -3, 6, 17, 16), (92, -3, 6, 17, 16),  # ears
)  # fmt: skip


def foreign_head() -> tuple[F64, U32, F64]:
    """Return positions (N,3) in metres, triangles (M,3) and texture coordinates (N,2)."""
    sphere = uv_sphere(1.0, ROWS, COLUMNS)
    direction, uvs = sphere.normals.astype(np.float64), sphere.uvs.astype(np.float64)
    # u = 0 and u = 1 displace alike, to the last bit, so that the seam stays closed.
    azimuth, elevation = (np.where(uvs[:, 0] == 1.0, 0.0, uvs[:, 0]) - 0.5) * 360.0, (uvs[:, 1] - 0.5) * 180.0
    return direction * (RADII + _relief(azimuth, elevation)[:, None]), sphere.triangles, uvs


@cache
def foreign_texture() -> Image.Image:
    """Return its colours, 512 x 256: skin with lips, brows, blotches and freckles."""
    height, width = 256, 512
    v, u = 1.0 - (np.arange(height) + 0.5)[:, None] / height, (np.arange(width) + 0.5)[None] / width
    azimuth, elevation = np.broadcast_arrays((u - 0.5) * 360.0, (v - 0.5) * 180.0)
    rng = np.random.default_rng(5)
    color = np.broadcast_to(np.array([214.0, 160.0, 132.0]), (height, width, 3)).copy()
    color *= 1.0 + 0.05 * np.repeat(np.repeat(rng.normal(size=(32, 64, 1)), 8, 0), 8, 1)
    color *= np.where(rng.random((height, width, 1)) < 0.02, 0.8, 1.0)  # freckles
    for center, share, tint in (
        ((0.0, -29.5, 17.0, 6.0), 0.8, (170, 80, 78)),
        ((-25.0, 17.0, 14.0, 2.5), 0.9, (70, 48, 36)),
        ((25.0, 17.0, 14.0, 2.5), 0.9, (70, 48, 36)),
    ):
        weight = share * _bump(azimuth, elevation, *center)[..., None]
        color += weight * (np.array(tint) - color)
    return Image.fromarray(np.clip(color, 0, 255).astype(np.uint8))


def write_foreign_head(path: Path, *, scale: float = 1.0, eyes: bool = False) -> Path:
    """Write it as .glb, .obj (with .mtl and .png), .ply (with .png) or .stl (no texture coordinates), without normals.

    Args:
        path: the file; its suffix decides the format.
        scale: units a metre, 100 for a file in centimetres.
        eyes: whether two eyeballs are parts of their own. Not for .ply and .stl.
    """
    positions, triangles, uvs = foreign_head()
    positions = positions * scale
    if path.suffix == ".obj":
        _write_obj(path, positions, triangles, uvs, scale if eyes else None)
    elif path.suffix == ".ply":
        _write_ply(path, positions, triangles, uvs)
    else:
        material = trimesh.visual.material.PBRMaterial(
            name="body", baseColorTexture=foreign_texture(), metallicFactor=0.0, roughnessFactor=0.5
        )
        visual = trimesh.visual.TextureVisuals(uv=uvs, material=material)
        scene = trimesh.Scene()
        scene.add_geometry(trimesh.Trimesh(positions, triangles, visual=visual, process=False), "head")
        if eyes:
            for side, ball in zip(("left", "right"), _eyeballs(scale), strict=True):
                scene.add_geometry(ball, f"eyeball_{side}")
        scene.export(path)
    return path


def _bump(azimuth: F64, elevation: F64, at: float, height: float, wide: float, high: float) -> F64:
    result: F64 = np.exp(-0.5 * (((azimuth - at) / wide) ** 2 + ((elevation - height) / high) ** 2))
    return result


def _relief(azimuth: F64, elevation: F64) -> F64:
    """Displacement in metres."""
    total: F64 = sum((mm * 1e-3 * _bump(azimuth, elevation, *where) for *where, mm in _BUMPS), np.zeros_like(azimuth))
    return total


def _eyeballs(scale: float) -> list[trimesh.Trimesh]:
    balls = []
    for side in (1.0, -1.0):
        ball = trimesh.creation.icosphere(subdivisions=3, radius=0.012 * scale)
        ball.apply_translation(np.array([side * 0.031, 0.012, 0.074]) * scale)
        balls.append(ball)
    return balls


def _write_obj(path: Path, positions: F64, triangles: U32, uvs: F64, eyes: float | None) -> None:
    foreign_texture().save(path.with_suffix(".png"))
    path.with_suffix(".mtl").write_text(f"newmtl body\nKd 1 1 1\nmap_Kd {path.stem}.png\nnewmtl white\nKd .8 .8 .8\n")
    lines = [f"mtllib {path.stem}.mtl", "o head", "usemtl body"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in positions]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in uvs]
    lines += ["f " + " ".join(f"{i}/{i}" for i in triangle) for triangle in triangles + 1]
    first = len(positions) + 1
    for ball in _eyeballs(eyes) if eyes else ():
        lines += [f"o eyeball_{first}", "usemtl white", *(f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in ball.vertices)]
        lines += ["f " + " ".join(map(str, triangle)) for triangle in ball.faces + first]
        first += len(ball.vertices)
    path.write_text("\n".join(lines) + "\n")


def _write_ply(path: Path, positions: F64, triangles: U32, uvs: F64) -> None:
    foreign_texture().save(path.with_suffix(".png"))
    head = ["ply", "format ascii 1.0", f"comment TextureFile {path.stem}.png", f"element vertex {len(positions)}"]
    head += [f"property float {name}" for name in ("x", "y", "z", "s", "t")]
    head += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header"]
    rows = [" ".join(f"{x:.6f}" for x in row) for row in np.concatenate([positions, uvs], axis=1)]
    path.write_text("\n".join([*head, *rows, *(f"3 {a} {b} {c}" for a, b, c in triangles)]) + "\n")
