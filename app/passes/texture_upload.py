"""Textures on the GPU, with their mip levels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32
from app.gpu import Device, Image
from app.passes.array_store import Arrays, ArrayStore, derived
from app.scene.model import Texture
from app.scene.texture_files import PLAIN_BYTES, SRGB_BYTES
from app.scene.tonemap import srgb_encode

_STRIP = 32  # rows, even: as floats, all of a large map would be too much for caches and memory
_PLAIN, _SRGB = PLAIN_BYTES.astype(np.float32), SRGB_BYTES.astype(np.float32)


def upload_texture(
    device: Device, texture: Texture, store: ArrayStore | None = None, *, cut_out: bool = False
) -> Image:
    """Upload a texture: one channel as r8, colours as rgba8 (sRGB-decoded when sampled), floats as float_texture.

    Args:
        device: an open device.
        texture: what to upload.
        store: where its mip levels are kept, if anywhere.
        cut_out: its opacity, if it has one, says what is there: the colours of what is not show nowhere.
    """
    pixels = texture.pixels
    if pixels.dtype != np.uint8:
        name = device.float_texture
    elif pixels.shape[2] == 1:
        name = "r8"
    else:
        name = "rgba8_srgb" if texture.srgb else "rgba8"
    by_opacity = cut_out and pixels.shape[2] in (2, 4)
    if name != "r8":
        pixels = _to_rgba(pixels)

    def smaller_levels() -> Arrays:
        levels = mip_chain(pixels, texture.srgb, by_opacity=by_opacity)
        return {f"{mip}": level for mip, level in enumerate(levels) if mip > 0}

    smaller = derived(store, ("mip levels", pixels, texture.srgb, by_opacity), smaller_levels)
    levels = [pixels, *(smaller[f"{mip}"] for mip in range(1, 1 + len(smaller)))]
    if by_opacity and smaller:
        levels[0] = pixels.copy()
        _fill(levels[0], levels[1])
    image = device.image(pixels.shape[1], pixels.shape[0], name, mips=len(levels), name=texture.name or "texture")
    with image.building():
        for mip, level in enumerate(levels):
            image.upload(level, mip=mip)
    return image


def can_share(normals: Texture, roughness: Texture) -> bool:
    """Whether a normal map has room for a roughness map where colours have their opacity."""
    alike = normals.pixels.dtype == roughness.pixels.dtype and normals.size == roughness.size
    alike = alike and normals.wrap == roughness.wrap
    return alike and normals.pixels.shape[2] == 3 and not (normals.srgb or roughness.srgb)


def shared_image(normals: Texture, roughness: Texture) -> Texture:
    """A normal map with a roughness map in its fourth channel, if they `can_share`."""
    pixels = np.concatenate([normals.pixels, roughness.pixels[..., :1]], axis=-1)
    return Texture(pixels, name=normals.name, wrap=normals.wrap)


def _to_rgba(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H,W,1..4) -> (H,W,4): grey is repeated, missing opacity is 1."""
    channels = pixels.shape[2]
    if channels == 4:
        return pixels
    rgba = np.empty((*pixels.shape[:2], 4), pixels.dtype)
    rgba[..., :3] = pixels if channels == 3 else pixels[..., :1]
    rgba[..., 3] = pixels[..., 1] if channels == 2 else 255 if pixels.dtype == np.uint8 else 1.0
    return rgba


def mip_chain(pixels: NDArray[Any], srgb: bool, *, by_opacity: bool = False) -> list[NDArray[Any]]:
    """The mip levels of (H,W,C) pixels: halved until one side is 1, averaged in linear light.

    Args:
        pixels: uint8 or float32.
        srgb: whether channels 0..2 of bytes are encoded.
        by_opacity: weigh colours by channel 3, which must be there. Smaller levels have colours of what is around
            where it is 0.
    """
    levels = [np.ascontiguousarray(pixels)]
    full = 255.0 if pixels.dtype == np.uint8 else 1.0
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2  # of what smaller levels are made of
    by_opacity = by_opacity and bool(pixels[:height, :width, 3].any())
    if min(pixels.shape[:2]) > 1:
        values = [np.empty((height // 2, pixels.shape[1] // 2, pixels.shape[2]), np.float32)]
        for rows in _strips(height):
            strip = _linear(pixels[rows], srgb)
            values[0][rows.start // 2 : rows.stop // 2] = _halved(_weighed(strip) if by_opacity else strip)
        while min(values[-1].shape[:2]) > 1:
            values.append(_halved(values[-1]))
        if by_opacity:
            _unweigh(values)
        levels += [_stored(value, srgb, full) for value in values]
    return levels


def _strips(height: int) -> Iterator[slice]:
    """The rows of an image, some at a time."""
    return (slice(row, min(row + _STRIP, height)) for row in range(0, height, _STRIP))


def _weighed(value: F32) -> F32:
    """Colours times their opacity, in place."""
    for channel in range(3):  # one by one is six times as quick as all at once
        value[..., channel] *= value[..., 3]
    return value


def _unweigh(levels: list[F32]) -> None:
    """Make colours, in place, of colours times opacity; where there is no opacity, those of the next smaller level.

    The second half of a pull-push (Gortler et al. 1996, "The Lumigraph"), whose first half made the levels.
    """
    # Halving leaves out odd rows and columns: the smallest levels may have lost all that is there.
    smaller = next(level for level in reversed(levels) if level[..., 3].any()).sum(axis=(0, 1), keepdims=True)
    smaller /= smaller[..., 3:]
    for level in reversed(levels):
        for rows in _strips(len(level)):
            opacity = np.maximum(level[rows, :, 3], np.float32(1e-30))
            for channel in range(3):
                level[rows, :, channel] /= opacity
        _fill(level, smaller)
        smaller = level


def _fill(level: NDArray[Any], smaller: NDArray[Any]) -> None:
    """Give a level (h,w,4), in place, the colours of the next smaller one where its opacity is 0."""
    height, width = level.shape[:2]
    columns = np.minimum(np.arange(width) // 2, smaller.shape[1] - 1)  # of an odd one at the end, those of the last
    for rows in _strips(height):
        around = smaller[np.minimum(np.arange(rows.start, rows.stop) // 2, len(smaller) - 1)].take(columns, axis=1)
        around[..., 3] = 0
        np.copyto(level[rows], around, where=level[rows, :, 3:] == 0)


def _halved(value: F32) -> F32:
    """Means of two by two pixels; an odd row or column at the end is left out."""
    v = value[: value.shape[0] // 2 * 2, : value.shape[1] // 2 * 2]
    pairs = v[0::2] + v[1::2]
    means: F32 = (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.25)
    return means


def _stored(value: F32, srgb: bool, full: float) -> NDArray[Any]:
    """Linear light as a level of the texture holds it."""
    if full != 255.0:
        return np.ascontiguousarray(value)
    stored = np.empty(value.shape, np.uint8)
    for rows in _strips(len(value)):
        strip = value[rows]
        if srgb:
            strip = np.concatenate([srgb_encode(strip[..., :3]), strip[..., 3:]], axis=-1)
        stored[rows] = (strip * full + 0.5).astype(np.uint8)
    return stored


def _linear(pixels: NDArray[Any], srgb: bool) -> F32:
    """The image in float, 0..1 for bytes, decoded if it is sRGB."""
    if pixels.dtype != np.uint8:
        return pixels.astype(np.float32)
    table = _SRGB if srgb else _PLAIN
    value: F32 = table.take(pixels, mode="clip")  # asks of no byte whether it is in range
    if srgb:
        value[..., 3:] = _PLAIN[pixels[..., 3:]]
    return value
