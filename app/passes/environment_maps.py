"""An environment map on the GPU: blurred levels for shading, an alias table for sampling."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import convolve1d

from app.arrays import F32
from app.gpu import Buffer, Device, Image
from app.passes.array_store import Arrays, ArrayStore, derived
from app.passes.owner import Owner
from app.passes.scene_layout import ENVIRONMENT_LEVELS, ENVIRONMENT_TEXEL
from app.scene.environment import LUMINANCE, Environment
from app.scene.map_lamps import MapLamp, find_lamps
from app.scene.prefilter import prefilter_ggx
from app.scene.sampling import alias_table

BACKDROP_ROUGHNESS = 0.3
# The mean over a texel of a bilinear look-up, along an axis: its own share, and that of either neighbour.
_TENT = np.array([1.0, 6.0, 1.0]) / 8.0


class EnvironmentMaps(Owner):
    """What depends on a map's pixels alone; turning or dimming the environment needs no new ones.

    Args:
        device: an open device.
        environment: the map, or None for stand-ins that are never read.
        store: where its blurred levels are kept, if anywhere.

    Attributes:
        lamps: spots that all passes but the reference draw as lights of their own. What follows is without them.
        levels: images, blurred for roughness i / (ENVIRONMENT_LEVELS - 1).
        alias: buffer of ENVIRONMENT_TEXEL, a texel each.
        whole, whole_alias: the first level and its table with the lamps, for the reference.
        backdrop: image of all of the map, as the camera sees it: softly out of focus.
    """

    def __init__(self, device: Device, environment: Environment | None, store: ArrayStore | None = None) -> None:
        super().__init__()
        with self.building():
            if environment is None:
                blank = self.own(device.image(1, 1, "rgba8", name="no environment"))
                self.lamps: list[MapLamp] = []
                self.levels = [blank] * ENVIRONMENT_LEVELS
                self.alias = self.own(device.buffer(np.zeros(1, ENVIRONMENT_TEXEL.dtype), name="no environment"))
                self.whole, self.whole_alias, self.backdrop = blank, self.alias, blank
            else:
                self.lamps, pixels = find_lamps(environment.pixels)
                rest = replace(environment, pixels=pixels)

                def blur() -> Arrays:
                    levels = {f"{i}": level for i, level in enumerate(rest.prefiltered(ENVIRONMENT_LEVELS)) if i}
                    return {**levels, "backdrop": prefilter_ggx(environment.pixels, BACKDROP_ROUGHNESS)}

                blurred = derived(store, ("blurred map", environment.pixels), blur)
                levels = [rest.pixels, *(blurred[f"{i}"] for i in range(1, ENVIRONMENT_LEVELS))]
                self.levels = [self._upload(device, level) for level in levels]
                self.alias = self._upload_alias(device, rest)
                self.backdrop = self._upload(device, blurred["backdrop"])
                self.whole, self.whole_alias = self.levels[0], self.alias
                if self.lamps:
                    self.whole = self._upload(device, environment.pixels)
                    self.whole_alias = self._upload_alias(device, environment)

    def _upload_alias(self, device: Device, environment: Environment) -> Buffer:
        return self.own(device.buffer(_alias_texels(environment), name="environment alias table"))

    def _upload(self, device: Device, level: F32) -> Image:
        rgba = np.ones((*level.shape[:2], 4), np.float32)
        rgba[..., :3] = level
        image = self.own(device.image(level.shape[1], level.shape[0], device.float_texture, name="environment"))
        image.upload(rgba)
        return image


def _alias_texels(environment: Environment) -> Any:
    """Records of ENVIRONMENT_TEXEL: texels are drawn by what look-ups find in them, in luminance, and solid angle."""
    height, width = environment.pixels.shape[:2]
    sine = np.sin((np.arange(height) + 0.5) / height * np.pi)[:, None]
    # Look-ups are bilinear: a small sun sends almost half of its light from the texels around it.
    luminance = convolve1d(environment.pixels.astype(np.float64) @ LUMINANCE, _TENT, axis=0, mode="nearest")
    weights = convolve1d(luminance, _TENT, axis=1, mode="wrap") * sine
    # A small floor keeps every direction possible.
    weights = (weights + 1e-3 * weights.mean() * sine + 1e-30).ravel()
    texels = np.zeros(width * height, ENVIRONMENT_TEXEL.dtype)
    texels["keep"], texels["alias"] = alias_table(weights)
    texels["density"] = weights / weights.sum() * (width * height / (2.0 * np.pi**2))
    return texels
