"""Lamps in environment maps: the sun of a sky, lamps of a studio. They are taken out of the map and drawn as lights.

What a place sees of a whole map is one share of it, found by rays that go everywhere. That is right for a sky, and
blurs the shadow of a sun that is half of the map's light. So bright, small spots become lights, and the map keeps the
rest, with its mean in the spots' place: both together shine as the map did. (Debevec 2005, "A median cut algorithm for
light probe sampling", makes lights of all of a map.)
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from app.arrays import F32, F64, Bools
from app.scene.environment import LUMINANCE, Environment, directions_of
from app.scene.lights import DirectionalLight
from app.scene.prefilter import row_solid_angles

BRIGHT = 16.0  # times the mean luminance
LEAST_SHARE = 0.05  # of the map's light
WIDEST = 0.2  # radius in radians; a larger spot's shadows are so soft that shares are as good
MOST = 4  # lights cost time in every pixel


@dataclass(frozen=True, eq=False)
class MapLamp:
    """A round spot in a map.

    Attributes:
        toward: (3,) unit, from the scene to the lamp, in the map's own frame.
        irradiance: (3,) on a surface that faces it, at intensity 1.
        angular_radius: radians; a disc of it is as far spread as the spot, by its second moment.
    """

    toward: F64
    irradiance: F64
    angular_radius: float

    def light(self, environment: Environment) -> DirectionalLight:
        """The lamp in an environment with this map, as that is turned and dimmed."""
        x, y, z = -(environment.world_to_map().T @ self.toward)
        luminance = float(self.irradiance @ LUMINANCE)
        red, green, blue = self.irradiance / luminance
        return DirectionalLight((x, y, z), (red, green, blue), luminance * environment.intensity, self.angular_radius)


def find_lamps(pixels: F32) -> tuple[list[MapLamp], F32]:
    """Lamps in a latitude-longitude map (H,2H,3) of radiance, the brightest first, and the map without them."""
    height, width = pixels.shape[:2]
    solid_angles = row_solid_angles(height, width)
    luminance = pixels @ LUMINANCE
    total = float(luminance.sum(axis=1) @ solid_angles)
    bright = luminance > BRIGHT * total / (4.0 * math.pi)
    rows, columns = np.nonzero(bright)
    if not len(rows):
        return [], pixels
    spots = _spots(bright)[rows, columns]
    dim = np.where(bright[..., None], 0.0, pixels).sum(axis=1)
    fill = solid_angles @ dim / (solid_angles @ (~bright).sum(axis=1))  # the mean radiance of all else
    arriving = np.maximum(pixels[rows, columns] - fill, 0.0) * solid_angles[rows, None]
    toward = directions_of(rows, columns, height, width)
    found = []
    for spot in np.unique(spots):
        of_spot = spots == spot
        weights = arriving[of_spot] @ LUMINANCE
        middle = weights @ toward[of_spot]
        middle /= max(float(np.linalg.norm(middle)), 1e-30)
        # From a disc's middle the mean square of the distance is half of the radius's square. Texels have a width, too.
        away2 = np.sum(np.square(toward[of_spot] - middle), axis=1) + (math.pi / height) ** 2 / 6.0
        radius = math.sqrt(2.0 * float(weights @ away2) / float(weights.sum()))
        if weights.sum() >= LEAST_SHARE * total and radius <= WIDEST:
            found.append((float(weights.sum()), int(spot), MapLamp(middle, arriving[of_spot].sum(axis=0), radius)))
    found = sorted(found, key=lambda lamp: -lamp[0])[:MOST]
    taken = np.isin(spots, [spot for _, spot, _ in found])
    rest = pixels.copy()
    rest[rows[taken], columns[taken]] = np.minimum(rest[rows[taken], columns[taken]], fill)
    return [lamp for _, _, lamp in found], rest


def _spots(bright: Bools) -> NDArray[np.int32]:
    """The number of the connected spot that a texel (H,W) belongs to; the first column touches the last."""
    dark = np.flatnonzero(~bright.any(axis=0))
    first = int(dark[0]) if len(dark) else 0  # where the map is cut open without cutting a spot
    numbers, _ = label(np.roll(bright, -first, axis=1), structure=np.ones((3, 3)))
    spots: NDArray[np.int32] = np.roll(numbers, first, axis=1)
    return spots
