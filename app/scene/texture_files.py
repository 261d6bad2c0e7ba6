"""Images of materials: Pillow images of any mode to textures."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.arrays import F64, U8
from app.errors import InputError
from app.scene.model import Texture

Shared = dict[tuple[object, ...], Texture]
"""Textures by image, sRGB, channel and wrap: what several materials of a file show is one texture on the GPU."""

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # above that Pillow takes an image for an attack


def open_texture(path: Path, owner: Path, srgb: bool, channel: int | None = None) -> Texture:
    """Read the image file `path` that `owner` refers to; InputError names both."""
    if not path.is_file():
        raise InputError(f"{owner}: its texture file {path} does not exist.")
    try:
        image = Image.open(path)
    except Exception as error:  # UnidentifiedImageError, DecompressionBombError, OSError
        raise InputError(f"{owner}: its texture file {path} is not a readable image ({error}).") from None
    return to_texture(image, owner, path.name, srgb, channel)


def find_file(name: str, owner: Path) -> Path:
    """Return the file, an image or another, that `owner` calls `name`; it may be missing.

    Names may be paths of Windows. A file that is not where a path of another computer says may lie beside its owner.
    """
    named = owner.parent / name.replace("\\", "/")
    beside = owner.parent / named.name
    return beside if not named.is_file() and beside.is_file() else named


def to_texture(image: Any, owner: Path, name: str, srgb: bool, channel: int | None = None) -> Texture:
    """Turn a Pillow image into a texture: (H,W,3 or 4), or (H,W,1) if one `channel` (0..3) is wanted.

    Raises:
        InputError: the image data is damaged; the message names `owner` and `name`.
    """
    try:
        pixels = _pixels(image)
    except Exception as error:  # Pillow decodes lazily and raises OSError, SyntaxError, ValueError, ...
        raise InputError(f"{owner}: its texture {name!r} is damaged ({error}).") from None
    if channel is not None:
        return Texture(np.ascontiguousarray(pixels[..., channel : channel + 1]), False, name)
    return Texture(pixels, srgb and pixels.dtype == np.uint8, name)


def with_opacity(colors: Texture | None, path: Path, owner: Path, channel: int | None = None) -> Texture:
    """Return a colour map, white where there is none, with the opacity that another image shows as its 4th channel.

    Opacity is one `channel` (0..3) of the image, if that is given; or else its own 4th channel where that says
    anything, or else how bright it is. The smaller of both images is enlarged to the larger one's size.

    Raises:
        InputError: the image cannot be read.
    """
    mask = open_texture(path, owner, srgb=False).pixels
    if channel is None and mask.shape[2] == 4 and int(mask[..., 3].min()) < 255:
        channel = 3
    if channel is None:
        opacity = Image.fromarray(mask[..., :3]).convert("L")
    else:
        opaque = np.full(mask.shape[:2], 255, np.uint8)
        opacity = Image.fromarray(np.dstack([mask, opaque])[..., channel])
    if colors is None:
        colors = Texture(np.full((1, 1, 3), 255, np.uint8), True, path.name)
    size = max(opacity.size, colors.size, key=math.prod)
    color = Image.fromarray(colors.pixels[..., :3])
    layers = [np.asarray(one if one.size == size else one.resize(size)) for one in (color, opacity)]
    return replace(colors, pixels=np.dstack(layers))


def linear_mean(texture: Texture) -> F64:
    """Return (C,) the mean value of a texture, sRGB decoded; of a 4th channel the plain mean."""
    channels = texture.pixels.reshape(-1, texture.pixels.shape[2]).T
    if texture.pixels.dtype != np.uint8:
        return np.array([channel.mean(dtype=np.float64) for channel in channels])
    shares = [np.bincount(channel, minlength=256) / len(channel) for channel in channels]
    colors = SRGB_BYTES if texture.srgb else PLAIN_BYTES
    return np.array([share @ (colors if index < 3 else PLAIN_BYTES) for index, share in enumerate(shares)])


def srgb_to_linear(value: F64) -> F64:
    """Decode sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(value <= 0.04045, value / 12.92, ((np.maximum(value, 0.0) + 0.055) / 1.055) ** 2.4)


PLAIN_BYTES = np.arange(256) / 255.0  # what bytes stand for: there are but so many
SRGB_BYTES = srgb_to_linear(PLAIN_BYTES)


# Of images of one channel that is no byte, what is white: Pillow's own conversion to 8 bits clips instead of scaling.
_WHITE = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I": 65535.0, "F": 1.0}


def _pixels(image: Any) -> U8:
    if image.mode in _WHITE:
        grey = np.asarray(image).astype(np.float64) * (255.0 / _WHITE[image.mode])
        if not np.isfinite(grey).all():
            raise ValueError("it has values that are not finite numbers")
        return np.repeat((np.clip(grey, 0, 255) + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    transparent = "A" in image.getbands() or "transparency" in image.info
    return np.array(image.convert("RGBA" if transparent else "RGB"), np.uint8)
