"""Environment maps: light from all directions, stored as a latitude-longitude image.

In the map's own frame u = atan2(x, -z) / (2 pi) + 0.5 and v = acos(y) / pi with row 0 at the top (+y): the
middle of the image lies along -z, behind a face that looks along +z, and its right half along +x.

ALL TABLES (`sampling_cdf`, `prefiltered`, `mean_radiance`) are in that frame and without `intensity`. A
shader turns a world direction by `world_to_map()` first and multiplies the result by `intensity`, so that
turning or dimming the surroundings needs no new tables. `radiance`, `irradiance`, `sample` and `pdf` are the
numpy twins, in world space.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError
from app.scene.checks import F32, F64, number
from app.scene.environment_files import read_environment
from app.scene.prefilter import PREFILTER_LEVELS, prefilter_ggx, row_solid_angles, shrink

_IRRADIANCE_ROWS = 64  # of the map that `irradiance` sums over
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear Rec.709


class SamplingTables(NamedTuple):
    """Piecewise-constant importance sampling by luminance (PBRT 4th ed., 12.5), in the map's frame.

    To sample: find the first row with marginal[row] > r0, then in it the first column with conditional > r1.
    Inside the texel, uniform u and uniform cos(theta) between the row's two edges give exactly the density
    `pdf`. Read the radiance there without interpolation, which can make it bright where the pdf is small.

    marginal: (H,) float32, cumulative over rows, ends at 1.
    conditional: (H,W) float32, cumulative along each row, ends at 1.
    pdf: (H,W) float32, per steradian; constant in a texel, integrates to 1 over the sphere.
    """

    marginal: F32
    conditional: F32
    pdf: F32


@dataclass(frozen=True, eq=False)
class Environment:
    """An environment map.

    Args:
        pixels: (H,W,3) float32 radiance, finite and >= 0, W = 2 H.
        rotation: radians the surroundings are turned about +y, counter-clockwise seen from above.
        intensity: factor >= 0 on the pixels.
        name: for messages.

    Raises:
        InputError: wrong shape, or values that are negative or not finite.
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
        if pixels.min() < 0.0:
            raise InputError(f"{self.name}: contains negative pixels.")
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "rotation", number(self.rotation, "environment rotation"))
        object.__setattr__(self, "intensity", number(self.intensity, "environment intensity", 0.0))

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

    def sampling_cdf(self) -> SamplingTables:
        """Return the importance-sampling tables; a black map gives uniform ones."""
        return self._tables

    @cached_property
    def mean_radiance(self) -> F64:
        """Return (3,) radiance averaged over all directions."""
        solid = row_solid_angles(*self.pixels.shape[:2])
        mean: F64 = np.tensordot(solid, self.pixels.astype(np.float64).sum(axis=1), axes=1) / (4.0 * math.pi)
        return mean

    def prefiltered(self, levels: int = PREFILTER_LEVELS) -> list[F32]:
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

    def sample(self, r: NDArray[np.floating]) -> tuple[F64, F64]:
        """Turn uniform numbers (N,4) in 0..1 into (N,3) unit world directions and (N,) pdf per steradian."""
        tables = self._tables
        height, width = tables.pdf.shape
        row = np.minimum(np.searchsorted(tables.marginal, r[:, 0], side="right"), height - 1)
        column = (tables.conditional[row] <= r[:, 1:2]).sum(axis=1).clip(max=width - 1)
        phi = 2.0 * math.pi * ((column + r[:, 2]) / width - 0.5)
        edges = np.cos(np.arange(height + 1) * (math.pi / height))
        y = edges[row] + (edges[row + 1] - edges[row]) * r[:, 3]
        radius = np.sqrt(np.maximum(1.0 - y * y, 0.0))
        local = np.stack([np.sin(phi) * radius, y, -np.cos(phi) * radius], axis=-1)
        return local @ self.world_to_map(), tables.pdf[row, column].astype(np.float64)

    def pdf(self, directions: NDArray[np.floating]) -> F64:
        """Return the density per steradian (...,) with which `sample` makes these world directions."""
        row, column = self._texels(directions)
        return self._tables.pdf[row, column].astype(np.float64)

    def _texels(self, directions: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        d = np.asarray(directions, np.float64) @ self.world_to_map().T
        d = d / np.linalg.norm(d, axis=-1, keepdims=True)
        height, width = self.pixels.shape[:2]
        u = np.arctan2(d[..., 0], -d[..., 2]) / (2.0 * math.pi) + 0.5
        v = np.arccos(np.clip(d[..., 1], -1.0, 1.0)) / math.pi
        return np.minimum((v * height).astype(np.intp), height - 1), (u * width).astype(np.intp) % width

    @cached_property
    def _tables(self) -> SamplingTables:
        height, width = self.pixels.shape[:2]
        # Exactly proportional to sin(theta) at the row's centre.
        solid = row_solid_angles(height, width)[:, None]
        weight = (self.pixels.astype(np.float64) @ LUMINANCE) * solid
        if weight.sum() <= 0.0:
            weight = np.broadcast_to(solid, (height, width)).copy()
        rows = weight.sum(axis=1)
        marginal = np.cumsum(rows) / rows.sum()
        # A black row is never chosen, but its entries must still be a valid distribution.
        weight[rows <= 0.0] = 1.0
        conditional = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
        marginal[-1] = 1.0
        conditional[:, -1] = 1.0
        share = rows / rows.sum()
        pdf = share[:, None] * weight / weight.sum(axis=1, keepdims=True) / solid
        return SamplingTables(*(table.astype(np.float32) for table in (marginal, conditional, pdf)))


def texel_directions(height: int, width: int) -> F64:
    """Return (H,W,3) unit directions of the texels' centres, in the map's frame."""
    theta = (np.arange(height) + 0.5) * (math.pi / height)
    phi = ((np.arange(width) + 0.5) / width - 0.5) * (2.0 * math.pi)
    d = np.empty((height, width, 3))
    d[..., 0] = np.sin(theta)[:, None] * np.sin(phi)
    d[..., 1] = np.cos(theta)[:, None]
    d[..., 2] = -np.sin(theta)[:, None] * np.cos(phi)
    return d
