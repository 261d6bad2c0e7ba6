"""Materials of glTF's archived kind, specular and glossiness, as metallic and rough ones.

By the conversion that Khronos gives with KHR_materials_pbrSpecularGlossiness: the metallic share that reflects as much,
and a base colour between that of the diffuse base and that of the reflection.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from app.arrays import F64
from app.scene.checks import Vec3, triple
from app.scene.model import Texture
from app.scene.texture_files import SRGB_BYTES
from app.scene.tonemap import srgb_encode

_DIELECTRIC = 0.04  # what all that is no metal reflects, in the kind with metals
_ROWS = 64  # of a map that are converted at a time: as floats, all of a large one would take gigabytes


def without_specular(
    diffuse: Vec3, diffuse_map: Texture | None, specular: Vec3, specular_map: Texture | None
) -> tuple[Vec3, Texture | None, float]:
    """Return albedo, its map, and how metallic the material is: one number, the mean of its maps' texels.

    Args:
        diffuse, specular: factors, linear, 0..1.
        diffuse_map, specular_map: of bytes; channel 4 of the first stays, that of the other is glossiness.
    """
    if specular_map is None and (diffuse_map is None or max(specular) <= _DIELECTRIC):
        albedo, metallic = _converted(np.array(diffuse), np.array(specular))
        return triple(albedo), diffuse_map, float(metallic[0])
    size = (diffuse_map or specular_map or Texture(np.zeros((1, 1, 3), np.uint8))).size
    strips, shares = [], []
    for colours, reflected in zip(
        _strips(diffuse, diffuse_map, size), _strips(specular, specular_map, size), strict=True
    ):
        albedo, metallic = _converted(colours, reflected)
        strips.append((srgb_encode(albedo) * 255.0 + 0.5).astype(np.uint8))
        shares.append(metallic.sum())
    pixels = np.concatenate(strips)
    if diffuse_map is not None:
        pixels = np.concatenate([pixels, diffuse_map.pixels[..., 3:]], axis=-1)
    wrap = (diffuse_map or specular_map or Texture(pixels)).wrap
    return (1.0, 1.0, 1.0), Texture(pixels, True, wrap=wrap), float(sum(shares) / (size[0] * size[1]))


def _strips(factor: Vec3, texture: Texture | None, size: tuple[int, int]) -> Iterator[F64]:
    """Linear colours (rows,W,3) of a map, stretched to (width, height), times a factor."""
    width, height = size
    pixels = np.full((1, 1, 3), 255, np.uint8) if texture is None else texture.pixels[..., :3]
    if pixels.shape[:2] != (height, width):
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))
    for row in range(0, height, _ROWS):
        yield SRGB_BYTES[pixels[row : row + _ROWS]] * factor


def _converted(diffuse: F64, specular: F64) -> tuple[F64, F64]:
    """Base colour (...,3) and metallic share (...,1) of linear colours (...,3)."""
    left = (1.0 - specular.max(axis=-1, keepdims=True)) / (1.0 - _DIELECTRIC)
    reflects = _brightness(specular)
    # The share m solves the square equation that equal brightness of both kinds comes to.
    b = _brightness(diffuse) * left + reflects - 2.0 * _DIELECTRIC
    c = _DIELECTRIC - reflects
    root = np.sqrt(np.maximum(b * b - 4.0 * _DIELECTRIC * c, 0.0))
    metallic = np.where(c > 0.0, 0.0, np.clip((root - b) / (2.0 * _DIELECTRIC), 0.0, 1.0))
    of_base = diffuse * (left / np.maximum(1.0 - metallic, 1e-6))
    of_metal = (specular - _DIELECTRIC * (1.0 - metallic)) / np.maximum(metallic, 1e-6)
    return np.clip(of_base + metallic**2 * (of_metal - of_base), 0.0, 1.0), metallic


def _brightness(colour: F64) -> F64:
    """Perceived brightness (...,1) of a colour (...,3), as the conversion has it."""
    brightness: F64 = np.sqrt(np.square(colour) @ np.array([[0.299], [0.587], [0.114]]))
    return brightness
