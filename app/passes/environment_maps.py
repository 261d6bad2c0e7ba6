"""An environment map on the GPU: blurred levels for shading, an alias table for sampling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.gpu import Device, Image
from app.passes.owner import Owner
from app.passes.scene_layout import ENVIRONMENT_LEVELS, ENVIRONMENT_TEXEL
from app.scene.environment import LUMINANCE, Environment
from app.scene.sampling import alias_table


class EnvironmentMaps(Owner):
    """What depends on a map's pixels alone; turning or dimming the environment needs no new ones.

    Args:
        device: an open device.
        environment: the map, or None for stand-ins that are never read.

    Attributes:
        levels: images, blurred for roughness i / (ENVIRONMENT_LEVELS - 1).
        alias: buffer of ENVIRONMENT_TEXEL, a texel each.
    """

    def __init__(self, device: Device, environment: Environment | None) -> None:
        super().__init__()
        with self.building():
            if environment is None:
                blank = self.own(device.image(1, 1, "rgba8", name="no environment"))
                self.levels = [blank] * ENVIRONMENT_LEVELS
                self.alias = self.own(device.buffer(np.zeros(1, ENVIRONMENT_TEXEL.dtype), name="no environment"))
            else:
                self.levels = [self._upload(device, level) for level in environment.prefiltered(ENVIRONMENT_LEVELS)]
                self.alias = self.own(device.buffer(_alias_texels(environment), name="environment alias table"))

    def _upload(self, device: Device, level: NDArray[np.float32]) -> Image:
        rgba = np.ones((*level.shape[:2], 4), np.float32)
        rgba[..., :3] = level
        image = self.own(device.image(level.shape[1], level.shape[0], device.float_texture, name="environment"))
        image.upload(rgba)
        return image


def _alias_texels(environment: Environment) -> Any:
    """Records of ENVIRONMENT_TEXEL: texels are drawn by luminance and solid angle."""
    height, width = environment.pixels.shape[:2]
    sine = np.sin((np.arange(height) + 0.5) / height * np.pi)[:, None]
    weights = (environment.pixels.astype(np.float64) @ LUMINANCE) * sine
    # Bilinear look-ups leak into black texels; a small floor keeps every direction possible.
    weights = (weights + 1e-3 * weights.mean() * sine + 1e-30).ravel()
    texels = np.zeros(width * height, ENVIRONMENT_TEXEL.dtype)
    texels["keep"], texels["alias"] = alias_table(weights)
    texels["density"] = weights / weights.sum() * (width * height / (2.0 * np.pi**2))
    return texels
