"""Reading environment maps: OpenEXR, and Radiance's .hdr (Ward, "Real Pixels", Graphics Gems II, 1991)."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import OpenEXR

from app.arrays import F32, U8
from app.errors import InputError
from app.scene.assets import ENVIRONMENT_SUFFIXES

MAX_PIXELS = 1 << 27  # 16384 x 8192: more is surely a mistake


def read_environment(path: Path) -> F32:
    """Return the (H,W,3) float32 pixels of an .exr or .hdr file; InputError says what is wrong with it."""
    suffix = path.suffix.lower()
    if suffix not in ENVIRONMENT_SUFFIXES:
        raise InputError(f"{path}: an environment map must be an .exr or .hdr file.")
    if not path.is_file():
        raise InputError(f"{path}: {'is a folder, not an' if path.is_dir() else 'no such'} environment map.")
    return _read_exr(path) if suffix == ".exr" else _read_hdr(path)


def _read_exr(path: Path) -> F32:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{path}: an .exr's name must be UTF-8.") from error
    try:
        with _quiet(), OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.asarray(channel.pixels) for name, channel in file.channels().items()}
            windows = [np.asarray(file.header()[f"{kind}Window"]).tolist() for kind in ("data", "display")]
            ((left, top), _), ((first, highest), (last, lowest)) = windows
    except Exception:  # RuntimeError, TypeError, ValueError, ... whose texts say nothing to a user
        raise InputError(f"{path}: is damaged or not an OpenEXR file.") from None
    layers = {name.removesuffix("R") for name in channels if name == "R" or name.endswith(".R")}
    layer = layers.pop() if len(layers) == 1 else ""  # the only one, whatever it is called
    grey = set(channels) - {"A", "Z"} == {"Y"}  # beside others, Y is luminance without its colour, or of XYZ
    names = ("Y", "Y", "Y") if grey else (f"{layer}R", f"{layer}G", f"{layer}B")
    if not all(name in channels for name in names):
        raise InputError(f"{path}: has no R, G, B channels, only {', '.join(sorted(channels)) or 'none'}.")
    planes = [channels[name].astype(np.float32) for name in names]
    if len({plane.shape for plane in planes}) != 1:
        raise InputError(f"{path}: its R, G, B channels differ in size.")
    pixels = np.stack(planes, axis=-1)
    return _displayed(pixels, left - first, top - highest, (last - first + 1, lowest - highest + 1), path)


def _displayed(pixels: F32, left: int, top: int, size: tuple[int, int], path: Path) -> F32:
    """Return what an OpenEXR file shows: pixels with their corner at (left, top) in a picture of (width, height)."""
    (height, width), (shown_width, shown_height) = pixels.shape[:2], size
    if (left, top, width, height) == (0, 0, shown_width, shown_height):
        return pixels
    if shown_width * shown_height > MAX_PIXELS:
        raise InputError(f"{path}: has an impossible size of {shown_width} x {shown_height}.")
    shown = np.zeros((shown_height, shown_width, 3), np.float32)
    rows, columns = (slice(max(start, 0), max(end, 0)) for start, end in ((top, top + height), (left, left + width)))
    part = shown[rows, columns]
    part[:] = pixels[rows.start - top :, columns.start - left :][: part.shape[0], : part.shape[1]]
    return shown


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the OpenEXR library, which prints its errors through Python's stdout and C's stderr as well."""
    if sys.stderr is None:  # closed, as services have it: what has its number by now is another file
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _read_hdr(path: Path) -> F32:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    header, separator, rest = data.partition(b"\n\n")
    size_line, newline, body = rest.partition(b"\n")
    words = size_line.split()
    if not data.startswith((b"#?RADIANCE", b"#?RGBE")) or not separator or not newline:
        raise InputError(f"{path}: is not a Radiance HDR file.")
    if b"32-bit_rle_xyze" in header:
        raise InputError(f"{path}: stores XYZ colours; only RGB is supported.")
    if len(words) != 4 or words[0] != b"-Y" or words[2] != b"+X" or not (words[1] + words[3]).isdigit():
        raise InputError(f"{path}: has an unsupported size line {size_line[:40]!r}, not -Y height +X width.")
    height, width = int(words[1]), int(words[3])
    if not 0 < height * width <= MAX_PIXELS:
        raise InputError(f"{path}: has an impossible size of {width} x {height}.")
    try:
        rgbe = _decode_rgbe(body, height, width)
    except (IndexError, ValueError):
        raise InputError(f"{path}: is truncated or damaged.") from None
    scale = np.where(rgbe[..., 3] > 0, np.ldexp(1.0, rgbe[..., 3].astype(np.int32) - 136), 0.0)
    # The reader of Radiance itself takes the middle of each mantissa step; we do so too.
    return ((rgbe[..., :3] + 0.5) * scale[..., None]).astype(np.float32)


def _decode_rgbe(body: bytes, height: int, width: int) -> U8:
    """Return (H,W,4) bytes; raises IndexError or ValueError when the data do not fit."""
    flat = body[: height * width * 4]
    if not 8 <= width < 32768 or body[:2] != b"\x02\x02":
        return np.frombuffer(flat, np.uint8).reshape(height, width, 4)
    out = np.empty((height, 4, width), np.uint8)
    at = 0
    for y in range(height):
        if body[at : at + 2] != b"\x02\x02" or body[at + 2] * 256 + body[at + 3] != width:
            raise ValueError("scan line does not start with its width")
        at += 4
        for channel in range(4):
            row, x = out[y, channel], 0
            while x < width:
                count = body[at]
                if count > 128:  # a run
                    count -= 128
                    row[x : x + count] = body[at + 1]
                    at += 2
                else:  # literal bytes
                    if count == 0 or at + 1 + count > len(body):
                        raise ValueError("bad count")
                    row[x : x + count] = np.frombuffer(body, np.uint8, count, at + 1)
                    at += 1 + count
                x += count
            if x != width:
                raise ValueError("scan line too long")
    return out.transpose(0, 2, 1)
