"""Textures on the GPU, with their mip levels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.gpu import Device, Image
from app.scene.model import Texture


def upload_texture(device: Device, texture: Texture) -> Image:
    """Uploads a texture: one channel as r8, colours as rgba8 (sRGB-decoded when sampled), floats as rgba32f."""
    pixels = texture.pixels
    if pixels.dtype != np.uint8:
        name = "rgba32f"
    elif pixels.shape[2] == 1:
        name = "r8"
    else:
        name = "rgba8_srgb" if texture.srgb else "rgba8"
    if name != "r8":
        pixels = _to_rgba(pixels)
    levels = _mip_chain(pixels, texture.srgb)
    image = device.image(pixels.shape[1], pixels.shape[0], name, mips=len(levels), name=texture.name or "texture")
    for mip, level in enumerate(levels):
        image.upload(level, mip=mip)
    return image


def _to_rgba(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H,W,1..4) -> (H,W,4): grey is repeated, missing opacity is 1."""
    channels = pixels.shape[2]
    if channels == 4:
        return pixels
    color = pixels if channels == 3 else np.repeat(pixels[..., :1], 3, axis=2)
    opacity = np.full((*pixels.shape[:2], 1), 255 if pixels.dtype == np.uint8 else 1.0, pixels.dtype)
    return np.concatenate([color, pixels[..., 1:] if channels == 2 else opacity], axis=2)


def _mip_chain(pixels: NDArray[Any], srgb: bool) -> list[NDArray[Any]]:
    """Halves an image until one side is 1, averaging in linear light."""
    levels = [np.ascontiguousarray(pixels)]
    full = 255.0 if pixels.dtype == np.uint8 else 1.0
    value = pixels.astype(np.float32) / full
    if srgb:
        value[..., :3] **= 2.2  # near enough to sRGB to average in, and undone by the same power
    while min(value.shape[:2]) > 1:
        v = value[: value.shape[0] // 2 * 2, : value.shape[1] // 2 * 2]
        value = (v[0::2, 0::2] + v[1::2, 0::2] + v[0::2, 1::2] + v[1::2, 1::2]) * 0.25
        stored = value.copy()
        if srgb:
            stored[..., :3] **= 1.0 / 2.2
        stored *= full
        levels.append(np.ascontiguousarray((stored + 0.5).astype(np.uint8) if full == 255.0 else stored))
    return levels
