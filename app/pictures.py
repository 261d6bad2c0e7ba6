"""Picture files: checked before anything is drawn for them, and never there half-written."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from app.arrays import F32, U8
from app.errors import InputError
from app.files import beside, check_file

SUFFIXES = (".png", ".exr")

# Channel names by number of channels, as picture viewers expect them in EXR layers.
_CHANNELS = {1: ("Y",), 2: ("U", "V"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}


def check_output(path: Path) -> None:
    """Raise InputError unless a picture can be written to `path`, whose suffix must be known."""
    _check_name(path)
    check_file(path)


def check_series(path: Path, count: int) -> list[Path]:
    """Return the names of `count` pictures, or `path` itself if it is one, all of them checked as by `check_output`."""
    _check_name(path)
    paths = [numbered(path, index) for index in range(count)] if count > 1 else [path]
    for index, picture in enumerate(paths):
        if index == 0 or os.path.lexists(picture):  # names as long in the same folder, and thousands of them, maybe
            check_file(picture)
    return paths


def _check_name(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        kind = f"{path.suffix!r} is not a known picture format" if path.suffix else "a picture's name needs a suffix"
        raise InputError(f"Cannot write {path}: {kind}.", f"Use one of {', '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".exr":
        try:
            str(path).encode()
        except UnicodeEncodeError as error:  # OpenEXR would refuse it once the picture is drawn
            raise InputError(f"Cannot write {path}: an .exr's name must be UTF-8.") from error


def write_png(path: Path, pixels: U8) -> None:
    """Write (H,W), (H,W,3) or (H,W,4) uint8 sRGB pixels, row 0 at the top; opacity is dropped."""
    from PIL import Image

    with beside(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else pixels)).save(temporary, "PNG")


def write_exr(path: Path, layers: Mapping[str, F32]) -> None:
    """Write float32 layers of equal size into one EXR file.

    Args:
        path: ends in .exr.
        layers: by name, each (H,W) or (H,W,1..4), row 0 at the top. The layer named "" is the picture
            itself; the others' channels are NAME.R and so on, a single one NAME.Y, two NAME.U and NAME.V.
    """
    import OpenEXR

    channels: dict[str, F32] = {}
    for name, layer in layers.items():
        planes = np.asarray(layer, np.float32)
        planes = planes[..., None] if planes.ndim == 2 else planes
        for letter, plane in zip(_CHANNELS[planes.shape[2]], np.moveaxis(planes, 2, 0), strict=True):
            channels[f"{name}.{letter}" if name else letter] = np.ascontiguousarray(plane)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with beside(path) as temporary, OpenEXR.File(header, channels) as file:
        file.write(str(temporary))


def numbered(path: Path, index: int) -> Path:
    """Return the name of picture `index` of a series: face.png -> face_0007.png."""
    return path.with_name(f"{path.stem}_{index:04d}{path.suffix}")


def first_free(folder: Path, stem: str) -> Path:
    """Return the first of folder/stem_0001.png, folder/stem_0002.png ... that has no namesake, of whatever kind."""
    index = 1
    while any(folder.glob(f"{(path := numbered(folder / f'{stem}.png', index)).stem}.*")):
        index += 1
    return path
