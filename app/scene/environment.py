"""Environment maps: light from all directions, stored as a latitude-longitude image.

In the map's own frame u = atan2(x, -z) / (2 pi) + 0.5 and v = acos(y) / pi with row 0 at the top (+y): the
middle of the image lies along -z, behind a face that looks along +z, and its right half along +x.

`prefiltered` and `mean_radiance` are in that frame and without `intensity`. A shader turns a world direction by
`world_to_map()` first and multiplies the result by `intensity`, so that turning or dimming the surroundings needs
no new tables. `radiance` and `irradiance` are the numpy twins, in world space. Shaders draw directions by an alias
table of the texels: app/passes/environment_maps.py.
"""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.arrays import F32, F64, Indices
from app.errors import InputError
from app.scene.checks import BRIGHTEST, number
from app.scene.environment_files import read_environment
from app.scene.prefilter import prefilter_ggx, row_solid_angles, shrink

_NEGATIVE_SHARE = 1e-3  # of the light: what filters and conversions of colours leave below 0, and not more
_IRRADIANCE_ROWS = 64  # of the map that `irradiance` sums over
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear Rec.709


@dataclass(frozen=True, eq=False)
class Environment:
    """An environment map.

    Args:
        pixels: (H,W,3) float32 radiance, finite and >= 0, W = 2 H.
        rotation: radians the surroundings are turned about +y, counter-clockwise seen from above.
        intensity: factor >= 0 on the pixels.
        name: for messages.

    Raises:
        InputError: wrong shape, or values that are negative, not finite or too bright.
    """

    pixels: F32
    rotation: float = 0.0
    intensity: float = 1.0
    name: str = "environment"

    def __post_init__(self) -> None:
        """Convert the pixels and check everything."""
        pixels = np.ascontiguousarray(self.pixels, np.float32)
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[0] < 1:
            raise InputError(f"{self.name}: an environment map must have three channels, not shape {pixels.shape}.")
        if pixels.shape[1] != 2 * pixels.shape[0]:
            size = f"{pixels.shape[1]} x {pixels.shape[0]}"
            raise InputError(f"{self.name}: an environment map must be twice as wide as high, not {size}.")
        if not np.isfinite(pixels).all():
            raise InputError(f"{self.name}: contains pixels that are infinite or not a number.")
        negative = pixels < 0.0
        if negative.any():
            lost, light = (float(np.abs(pixels[where]).sum(dtype=np.float64)) for where in (negative, ~negative))
            if lost > _NEGATIVE_SHARE * light:
                raise InputError(f"{self.name}: contains negative pixels, down to {pixels.min():.3g}.")
            warnings.warn(f"{self.name}: negative values are read as 0 ({int(negative.sum())} of them).", stacklevel=3)
            pixels = np.where(negative, np.float32(0.0), pixels)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "rotation", number(self.rotation, "environment rotation"))
        object.__setattr__(self, "intensity", number(self.intensity, "environment intensity", 0.0))
        brightest, most = float(pixels.max()) * self.intensity, BRIGHTEST / 10.0  # a lamp gathers pi times that
        if brightest > most:
            raise InputError(f"{self.name}: its brightest pixel must be <= {most:g}, but is {brightest:g} in all.")

    @classmethod
    def load(cls, path: str | Path, rotation: float = 0.0, intensity: float = 1.0) -> "Environment":
        """Read an .exr or .hdr file. InputError names the file and what is wrong with it."""
        return cls(read_environment(Path(path)), rotation, intensity, str(path))

    @classmethod
    def constant(cls, radiance: tuple[float, float, float] = (1.0, 1.0, 1.0), height: int = 16) -> "Environment":
        """Return the same radiance from everywhere: a furnace."""
        return cls(np.full((height, 2 * height, 3), radiance, np.float32), name="constant")

    def world_to_map(self) -> F64:
        """Return the (3,3) column-vector rotation from world directions to the map's own frame."""
        c, s = math.cos(self.rotation), math.sin(self.rotation)
        return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])

    @cached_property
    def mean_radiance(self) -> F64:
        """Return (3,) radiance averaged over all directions."""
        solid = row_solid_angles(*self.pixels.shape[:2])
        mean: F64 = np.tensordot(solid, self.pixels.astype(np.float64).sum(axis=1), axes=1) / (4.0 * math.pi)
        return mean

    def prefiltered(self, levels: int) -> list[F32]:
        """Return `levels` lat-long images (h,2h,3): level i is filtered by GGX of roughness i / (levels - 1).

        Level 0 is the map itself; the others are smaller (see `prefilter_ggx`). Blend two levels for
        roughnesses between. Not cached: about 0.1 s.
        """
        if levels < 2:
            raise InputError(f"prefiltering needs at least 2 levels, not {levels}.")
        return [self.pixels, *(prefilter_ggx(self.pixels, i / (levels - 1)) for i in range(1, levels))]

    def radiance(self, directions: NDArray[np.floating]) -> F64:
        """Return (...,3) radiance from world directions (...,3), nearest texel, intensity included."""
        row, column = self._texels(directions)
        return self.pixels[row, column].astype(np.float64) * self.intensity

    def irradiance(self, normals: NDArray[np.floating]) -> F64:
        """Return (...,3) irradiance at world normals (...,3), nothing in the way, `intensity` included."""
        local = np.asarray(normals, np.float64) @ self.world_to_map().T
        source = shrink(self.pixels, _IRRADIANCE_ROWS)
        rows, columns = source.shape[:2]
        cosine = np.maximum(local @ texel_directions(rows, columns).reshape(-1, 3).T, 0.0)
        weight = np.repeat(row_solid_angles(rows, columns), columns)[:, None]
        found: F64 = cosine @ (source.reshape(-1, 3) * weight) * self.intensity
        return found

    def uvs(self, directions: NDArray[np.floating]) -> tuple[F64, F64]:
        """Return u and v (...), 0..1 from the map's top left, of world directions (...,3) of any length."""
        d = np.asarray(directions, np.float64) @ self.world_to_map().T
        d = d / np.linalg.norm(d, axis=-1, keepdims=True)
        u: F64 = np.arctan2(d[..., 0], -d[..., 2]) / (2.0 * math.pi) + 0.5
        v: F64 = np.arccos(np.clip(d[..., 1], -1.0, 1.0)) / math.pi
        return u, v

    def _texels(self, directions: NDArray[np.floating]) -> tuple[Indices, Indices]:
        (u, v), (height, width) = self.uvs(directions), self.pixels.shape[:2]
        return np.minimum((v * height).astype(np.intp), height - 1), (u * width).astype(np.intp) % width


def texel_directions(height: int, width: int) -> F64:
    """Return (H,W,3) unit directions of the texels' centres, in the map's frame."""
    return directions_of(np.arange(height)[:, None], np.arange(width), height, width)


def directions_of(
    rows: NDArray[np.integer | np.floating], columns: NDArray[np.integer | np.floating], height: int, width: int
) -> F64:
    """Return (...,3) unit directions of the centres of some of a map's texels, whose rows and columns broadcast.

    Fractions lie between centres.
    """
    theta = (rows + 0.5) * (math.pi / height)
    phi = ((columns + 0.5) / width - 0.5) * (2.0 * math.pi)
    sine = np.sin(theta)
    return np.stack(np.broadcast_arrays(sine * np.sin(phi), np.cos(theta), -sine * np.cos(phi)), axis=-1)
