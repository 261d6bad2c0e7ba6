"""The alternative to blurring light in the face's UV square: blurring the pixels' own light on the screen.

As separable screen-space subsurface scattering does it (Jimenez et al. 2009, 2015): one pass along rows and one along
columns, a few taps whose offsets are metres on the skin at the pixel's depth, and weights that fall with the difference
of depth as well, so that light does not leak between surfaces. `screen_blur` is what a shader would compute;
`ScreenBlurred` is a data set in which its results stand for those of the light cache.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from app.arrays import F16, F32, Records
from app.errors import InputError
from app.network.schema import SIGMA_NARROW, SIGMA_WIDE, channels, pack, tile_grid, to_half, to_tiles, unpack
from app.scene.camera import CameraBasis
from app.scene.model import Part
from app.scene.uv_raster import gutter_sources, rasterize_uv
from app.training.dataset import Dataset
from app.training.face_image import FaceImage
from app.training.manifest import TILE_DTYPE, block_of
from app.training.people import People
from app.training.records import camera_of

BLURRED = {"diffuse_narrow": SIGMA_NARROW, "diffuse_wide": SIGMA_WIDE}  # features, and their widths in mean free paths
TAPS = 8  # to either side of the pixel, along either axis
REACH = 3.0  # of the widest colour's deviation
UV_TEXELS = 1024  # along the UV square in which a pixel's place on the head is looked up
LEAST_ALBEDO = 1e-3  # below it there is no telling what light fell on a pixel


def tap_offsets() -> tuple[F32, F32]:
    """Offsets of the 2 * TAPS + 1 taps, -1..1, and the share of the way that each stands for.

    They lie closer towards the middle: the blue of skin spreads a fifth as far as the red.
    """
    step = np.arange(-TAPS, TAPS + 1, dtype=np.float32)
    weight = np.maximum(2.0 * np.abs(step), 0.5) / TAPS**2
    return np.sign(step) * np.square(step / TAPS), weight.astype(np.float32)


def screen_blur(light: F32, depth: F32, deviation: F32, scale: tuple[float, float]) -> F32:
    """Blur along rows, then along columns.

    Args:
        light: (H, W, 3).
        depth: (H, W) view-space, metres; not finite where there is no face.
        deviation: (3,) of the Gaussian on the skin, metres, for every colour.
        scale: pixels along x and y that a metre at depth 1 fills.

    Returns:
        (H, W, 3), 0 where there is no face.
    """
    face = np.isfinite(depth)
    blurred = np.where(face[..., None], light, 0.0).astype(np.float32)
    safe = np.where(face, depth, 1.0).astype(np.float32)
    reach = np.float32(REACH * deviation.max())
    falloff = (-0.5 / np.square(deviation)).astype(np.float32)
    for axis, pixels in ((1, scale[0]), (0, scale[1])):
        total, weights = np.zeros_like(blurred), np.zeros_like(blurred)
        size = depth.shape[axis]
        here = np.arange(size).reshape((1, size) if axis else (size, 1))
        for offset, share in zip(*tap_offsets(), strict=True):
            metres = offset * reach
            there = here + np.floor(metres * np.float32(pixels) / safe + 0.5).astype(np.int64)
            inside = (there >= 0) & (there < size)
            at = np.clip(there, 0, size - 1)
            known = inside & np.take_along_axis(face, at, axis)
            step = np.take_along_axis(safe, at, axis) - safe
            weight = share * np.exp((metres**2 + np.square(step))[..., None] * falloff) * known[..., None]
            total += weight * np.take_along_axis(blurred, at[..., None], axis)
            weights += weight
        blurred = np.where(face[..., None], total / np.maximum(weights, 1e-30), 0.0).astype(np.float32)
    return blurred


def pixel_scale(basis: CameraBasis, width: int, height: int) -> tuple[float, float]:
    """How many pixels along x and y a metre at depth 1 fills."""
    return 0.5 * width / float(np.linalg.norm(basis.right)), 0.5 * height / float(np.linalg.norm(basis.up))


class ScreenBlurred(Dataset):
    """A data set of complete frames, read as if the light in it had been blurred on the screen.

    What is blurred is `diffuse` over the albedo, and each pixel's own albedo comes back afterwards, as in the light
    cache. The set does not hold depth: it is looked up, by every pixel's UV, on the head that the frame shows.

    Args:
        path: the folder of a data set of random people.
        people: who made them.
        progress: called with the number of blocks blurred.

    Attributes:
        pixel_metres: by frame the median height of its face pixels on the skin, metres.

    Raises:
        InputError: no data set there, its frames are not complete, or it has one fixed face or other people's.
    """

    def __init__(self, path: str | Path, people: People, progress: Callable[[int], None] | None = None) -> None:
        super().__init__(path)
        if not self.whole_frames or not self.people:
            raise InputError(
                f"The data set {path} has no complete frames of random people, which a blur on the screen needs.",
                "Make one with `bungyo dataset --tiles 1 --out out/screen`, without --mesh.",
            )
        self.check_people(people.description)
        self._blurred: dict[tuple[int, int, int], F16] = {}
        self.pixel_metres: dict[int, float] = {}
        for done, shard in enumerate(self._shards, start=1):
            parts = [np.fromfile(self._checked(shard, name), TILE_DTYPE) for name in shard.tiles]
            tiles = np.concatenate([np.zeros(0, TILE_DTYPE), *parts])
            head = _Head(people.parts(self.people[block_of(shard.shard)]))
            for index in np.unique(tiles["frame"]):
                self._blur(int(index), tiles[tiles["frame"] == index], head)
            if progress:
                progress(done)

    def tiles(self, tile_hash: int, split: str | None = None) -> Records:
        """See `Dataset.tiles`."""
        tiles = super().tiles(tile_hash, split)
        features = unpack(tiles["features"])
        for row, tile in enumerate(tiles):
            for name, values in zip(BLURRED, self._blurred[_key(tile)], strict=True):
                features[row, :, channels(name)] = values
        tiles["features"] = pack(features)
        return tiles

    def _blur(self, index: int, tiles: Records, head: "_Head") -> None:
        image = FaceImage.from_records(tiles, self.spec.size, self.frames[index].exposure_ev)
        basis = camera_of(self.frames[index].camera).basis(*self.spec.size)
        scale = pixel_scale(basis, *self.spec.size)
        depth = np.full(image.face.shape, np.inf, np.float32)
        if image.face.any():
            depth[image.face] = (head.points(image.feature("uv")[image.face]) - basis.origin) @ basis.forward
            self.pixel_metres[index] = float(np.median(depth[image.face])) / scale[1]
        albedo, unit = np.maximum(image.feature("albedo"), LEAST_ALBEDO), image.light_scale[..., None]
        light = (image.feature("diffuse") * unit / albedo).astype(np.float32)
        tiles_x, _ = tile_grid(*self.spec.size)
        place = tiles["tile_xy"][:, 1].astype(np.intp) * tiles_x + tiles["tile_xy"][:, 0]
        blurred = [
            to_tiles(screen_blur(light, depth, width * head.mean_free_path, scale) * albedo / np.maximum(unit, 1e-30))
            for width in BLURRED.values()
        ]
        for tile, *values in zip(tiles, *(to_half(one[place]) for one in blurred), strict=True):
            self._blurred[_key(tile)] = np.stack(values)


class _Head:
    """Where the points of a face lie, by UV.

    Args:
        parts: of one person.

    Attributes:
        mean_free_path: (3,) of its skin, metres.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        face = next(part for part in parts if part.face)
        self.mean_free_path = 1e-3 * np.array(face.material.mean_free_path, np.float32)
        mesh = face.mesh.with_transform(face.transform)
        raster = rasterize_uv(mesh.uvs, mesh.triangles, UV_TEXELS)
        rows, columns, _ = gutter_sources(raster.covered)
        weights = raster.barycentric[rows, columns]
        weights = np.concatenate([1.0 - weights.sum(axis=-1, keepdims=True), weights], axis=-1)[..., None]
        self._map = (weights * mesh.positions[mesh.triangles[raster.triangle[rows, columns]]]).sum(axis=2)

    def points(self, uv: F32) -> F32:
        """World positions (n, 3), metres, of texture coordinates (n, 2)."""
        at = (uv.T * UV_TEXELS - 0.5)[::-1]  # rows are v
        axes = [map_coordinates(self._map[..., axis], at, order=1, mode="nearest") for axis in range(3)]
        return np.stack(axes, axis=-1).astype(np.float32)


def _key(tile: Records) -> tuple[int, int, int]:
    return int(tile["frame"]), int(tile["tile_xy"][0]), int(tile["tile_xy"][1])
