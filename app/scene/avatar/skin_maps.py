"""What the skin's place on the head decides: masks, noise, relief and the map's scale, made once by
assets/avatar/skin_build.py and loaded once a process.

Images are (S,S) with row 0 at v = 1, in the canonical UV map, which is its own mirror image.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from app.arrays import F32
from app.errors import InputError
from app.scene.assets import ASSETS
from app.scene.avatar.tables import read_table

MASK, FINE, POSITIONS = 512, 1024, 256
"""Width of the maps: regions and noise, relief and strokes, resting positions."""
HEIGHT = 0.004
"""Millimetres per grey level of relief and strokes; 128 is 0."""
SIGMA = 42.0
"""Grey levels per standard deviation of the noise; 128 is 0."""
_NO_MAP = "no map of the avatar's skin"
_REMAKE = "python -m assets.avatar.skin_build DIR"
_Map = TypeVar("_Map")
_SHORTEST = 0.05
"""Millimetres along a texel of the fine map, at least: what is squeezed further would turn into spikes."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A piece of a fine map outside which all is 0."""

    rows: slice
    columns: slice
    values: F32

    @classmethod
    def of(cls, image: F32) -> "Patch":
        """Cut away what is 0 all around."""
        used = np.abs(image) > 1e-6
        rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
        if len(rows) == 0:
            return cls(slice(0, 0), slice(0, 0), image[:0, :0])
        r, c = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
        return cls(r, c, np.ascontiguousarray(image[r, c]))


@dataclass(frozen=True, eq=False)
class SkinMaps:
    """All maps, by name.

    Attributes:
        regions, mottle: (MASK,MASK); masks 0..1 and noise of unit variance.
        make_up: (MASK,MASK) places of make-up, 0..1.
        liner: fine patches, 0..1.
        relief: (FINE,FINE) millimetres.
        hairs: fine patches: cover by single hairs, 0..1.
        strokes: wrinkles in millimetres, negative below the surface; those on one side end in "_left" (the person's).
        per_mm_u, per_mm_v, shear: (FINE,FINE); slope along u is dh/du * per_mm_u, square to it (towards +v)
            dh/dv * per_mm_v + dh/du * shear, with differences of one texel.
        metric: (POSITIONS,POSITIONS,3) E, F, G of the fine map: squared millimetres per texel along columns, mixed,
            along rows.
        area: (POSITIONS,POSITIONS) square millimetres a fine texel.
    """

    regions: Mapping[str, F32]
    mottle: Mapping[str, F32]
    make_up: Mapping[str, F32]
    liner: Mapping[str, Patch]
    relief: Mapping[str, F32]
    hairs: Mapping[str, F32]
    strokes: Mapping[str, Patch]
    per_mm_u: F32
    per_mm_v: F32
    shear: F32
    metric: F32
    area: F32


@lru_cache(maxsize=1)
def load() -> SkinMaps:
    """Read all maps. Raises InputError when they are missing or damaged."""
    folder = ASSETS / "avatar" / "skin"
    if not (folder / "positions.npz").is_file():
        raise InputError(f"{folder}: the maps of the avatar's skin are missing.", _REMAKE)
    table = read_table(folder / "positions.npz", ("positions",), otherwise=_NO_MAP, remake=_REMAKE)
    positions = table["positions"].astype(np.float32)
    make_up = _images(folder / "make_up", MASK, 1 / 255, 0, fine=("liner",))
    painted = _images(folder / "strokes", FINE, HEIGHT, 128)
    strokes: dict[str, Patch] = {}
    for name in sorted((*_SIDED, *_MIDDLE)):
        image = painted[name]
        if name in _SIDED:
            half = FINE // 2
            for side, columns in (("right", slice(0, half)), ("left", slice(half, FINE))):
                one = np.zeros_like(image)
                one[:, columns] = image[:, columns]
                strokes[f"{name}_{side}"] = Patch.of(one)
        else:
            strokes[name] = Patch.of(image)
    e, f, g = _metric(positions)
    along, across = np.sqrt(e), np.sqrt(np.maximum(e * g - f * f, 0.0) / e)  # the second: square to u
    across = np.maximum(across, np.float32(_SHORTEST))
    inverse_u, inverse_v, shear = (np.asarray(a, np.float32) for a in (1.0 / along, 1.0 / across, f / e / across))
    return SkinMaps(
        regions=_images(folder / "regions", MASK, 1 / 255, 0),
        mottle=_images(folder / "mottle", MASK, 1 / SIGMA, 128),
        make_up=_Maps(folder / "make_up", ((n, i) for n, i in make_up.items() if not n.startswith("liner"))),
        liner=_Maps(folder / "make_up", ((n, Patch.of(i)) for n, i in make_up.items() if n.startswith("liner"))),
        relief=_images(folder / "relief", FINE, HEIGHT, 128),
        hairs=_images(folder / "hairs", FINE, 1 / 255, 0),
        strokes=strokes,
        per_mm_u=doubled(doubled(inverse_u)),
        per_mm_v=doubled(doubled(inverse_v)),
        shear=doubled(doubled(shear)),
        metric=np.stack([e, f, g], axis=-1),
        area=along * across,
    )


_SIDED = ("crow", "under_eye", "bunny", "nasolabial", "smile", "marionette")
_MIDDLE = ("forehead", "glabella", "lip", "chin", "neck")


class _Maps(dict[str, _Map]):
    """Maps by name; to ask for one that its folder lacks is an InputError that names its file."""

    def __init__(self, folder: Path, maps: Iterable[tuple[str, _Map]] = ()) -> None:
        super().__init__(maps)
        self._folder = folder

    def __missing__(self, name: str) -> _Map:
        raise InputError(f"{self._folder / name}.png: is missing; it is a map of the avatar's skin.", _REMAKE)


def _images(folder: Path, size: int, scale: float, zero: int, fine: tuple[str, ...] = ()) -> _Maps[F32]:
    """The images of a folder, `size` pixels wide and high; those whose names begin with one of `fine`, FINE."""
    images: _Maps[F32] = _Maps(folder)
    for path in sorted(folder.glob("*.png")):
        try:
            image = np.asarray(Image.open(path), np.float32)
        except (OSError, SyntaxError) as error:  # the latter is how Pillow calls a damaged PNG
            raise InputError(f"{path}: is {_NO_MAP} ({error}).", _REMAKE) from error
        edge = FINE if path.stem.startswith(fine) else size
        if image.shape != (edge, edge):
            raise InputError(f"{path}: is {_NO_MAP} (its shape is {image.shape}, not {(edge, edge)}).", _REMAKE)
        images[path.stem] = (image - np.float32(zero)) * np.float32(scale)
    return images


def _metric(positions: F32) -> tuple[F32, F32, F32]:
    """E, F, G (POSITIONS,POSITIONS) in squared mm per texel of the fine map; rows run downward."""
    steps = [np.gradient(positions, axis=axis) * np.float32(POSITIONS / FINE) for axis in (1, 0)]
    e, f, g = ((a * b).sum(axis=-1) for a, b in ((steps[0], steps[0]), (steps[0], steps[1]), (steps[1], steps[1])))
    least = np.float32(_SHORTEST**2)
    return np.maximum(e, least), f, np.maximum(g, least)


def doubled(image: F32) -> F32:
    """Twice the size by bilinear interpolation between texel centres: (H,W) to (2H,2W); edges repeat."""
    height, width = image.shape
    near = image * np.float32(0.75)
    far = image * np.float32(0.25)
    tall = np.empty((2 * height, width), np.float32)
    np.add(near[1:], far[:-1], out=tall[2::2])
    np.add(near[:-1], far[1:], out=tall[1:-1:2])
    tall[0], tall[-1] = image[0], image[-1]
    near = tall * np.float32(0.75)
    far = tall * np.float32(0.25)
    wide = np.empty((2 * height, 2 * width), np.float32)
    np.add(near[:, 1:], far[:, :-1], out=wide[:, 2::2])
    np.add(near[:, :-1], far[:, 1:], out=wide[:, 1:-1:2])
    wide[:, 0], wide[:, -1] = tall[:, 0], tall[:, -1]
    return wide


def halved(image: F32) -> F32:
    """Half the size: means of 2 x 2 texels, (H,W) to (H/2,W/2)."""
    return np.asarray(
        (image[0::2, 0::2] + image[1::2, 0::2] + image[0::2, 1::2] + image[1::2, 1::2]) * np.float32(0.25)
    )
