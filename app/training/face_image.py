"""Whole pictures of a face, put together again from tiles: what is judged where neighbouring tiles meet.

A tile's hash depends on where the tile grid lies. Here the grid can be shifted against the picture: the features stay,
and the hashes are computed anew, as if the camera had moved by some pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from app.arrays import F32, U32, Bools, Records
from app.errors import InputError
from app.network.schema import CHANNELS, TILE, channels, from_tiles, tile_grid, to_tiles, unpack
from app.network.tile_hash import HASH_SCALE, hash_pixels
from app.network.twin import forward
from app.network.weights import WeightSet
from app.training.dataset import Dataset
from app.training.manifest import TileBatch

Number = TypeVar("Number", bound=np.generic)
Shift = tuple[int, int]  # pixels by which the tile grid moves to the left and upwards, 0..TILE-1

# Neighbouring pixels lie on one surface if the step in uv is no longer than this many of the picture's median steps,
# and if the normals agree to within 60 degrees.
_STEPS, _COSINE = 4.0, 0.5


@dataclass(frozen=True, eq=False)
class FaceImage:
    """One frame, (H, W) pixels.

    Attributes:
        features: (H, W, 16) uint32, packed as the schema says.
        light_scale: (H, W) float32.
        face: (H, W) bool, the pixels that a network draws and whose target is known.
        target: (H, W, 3) float32 radiance, noisy, unbiased.
        variance: (H, W, 3) float32 of that noise.
        exposure_ev: stops at which the frame is shown.
        cluster: a number that frames share which stand or fall together, see `Dataset.cluster_of`.
        hashes: (tiles_y, tiles_x) uint32, as the renderer hashed the tiles of its own grid; 0 where there is none. It
            counts pixels that are not known here as well, such as those behind hair. None: computed from what is known.
    """

    features: U32
    light_scale: F32
    face: Bools
    target: F32
    variance: F32
    exposure_ev: float
    cluster: int = 0
    hashes: U32 | None = None

    @staticmethod
    def from_records(
        tiles: Records,
        size: tuple[int, int],
        exposure_ev: float,
        cluster: int = 0,
        hashes: npt.NDArray[np.integer] | None = None,
    ) -> "FaceImage":
        """Put one frame's tiles together.

        Args:
            tiles: (n,) records of `TILE_DTYPE`, in any order; where there is none, there is no face.
            size: (width, height) of the frame.
            exposure_ev: stops.
            cluster: of the frame.
            hashes: (n,) of the tiles.
        """
        across, down = tile_grid(*size)
        index = tiles["tile_xy"][:, 1].astype(np.intp) * across + tiles["tile_xy"][:, 0]

        def image(name: str) -> npt.NDArray[np.generic]:
            values = tiles[name]
            grid = np.zeros((across * down, *values.shape[1:]), values.dtype)
            grid[index] = values
            return from_tiles(grid, *size)

        stored = None
        if hashes is not None:
            stored = np.zeros((down, across), np.uint32)
            stored.flat[index] = hashes
        features, scale, target, variance = map(image, ("features", "light_scale", "target", "variance"))
        face = image("mask").astype(bool)
        return FaceImage(features, scale, face, target, variance, exposure_ev, cluster, stored)  # type: ignore[arg-type]

    @staticmethod
    def from_batch(tiles: TileBatch, size: tuple[int, int], exposure_ev: float) -> "FaceImage":
        """Put together what a `FrameSource` rendered."""
        return FaceImage.from_records(tiles.records(0), size, exposure_ev, hashes=tiles.hashes)

    def feature(self, name: str) -> F32:
        """One feature's channels (H, W, channels) float32."""
        halves = np.ascontiguousarray(self.features, "<u4").view("<f2").reshape(*self.face.shape, CHANNELS)
        return halves[..., channels(name)].astype(np.float32)

    def tile_hashes(self, scale: float, shift: Shift = (0, 0)) -> U32:
        """The hash of every tile (tiles_y, tiles_x) of the shifted grid; 0 where there is no face.

        Those of the grid as it lies are the renderer's own, if they are known. Those of a shifted one lack the face
        pixels that are not known here, so where there are such the renderer might choose another network.
        """
        if self.hashes is not None and shift == (0, 0) and scale == HASH_SCALE:
            seen = to_tiles(self.face).any(axis=1).reshape(self.hashes.shape)
            return np.where(seen, self.hashes, 0).astype(np.uint32)
        padding = ((shift[1], 0), (shift[0], 0))
        uv, face = np.pad(self.feature("uv"), (*padding, (0, 0))), np.pad(self.face, padding)
        across, down = tile_grid(face.shape[1], face.shape[0])
        return hash_pixels(to_tiles(uv), to_tiles(face), scale).reshape(down, across)

    def pixel_hashes(self, scale: float, shift: Shift = (0, 0)) -> U32:
        """The hash of every pixel's tile (H, W)."""
        return spread(self.tile_hashes(scale, shift), self.face.shape, shift)

    def radiance(self, weights: WeightSet, hashes: U32, where: Bools | None = None) -> F32:
        """What networks draw, (H, W, 3) float32 radiance, black outside of `where`.

        Args:
            weights: the networks.
            hashes: (H, W), those whose networks draw the pixels.
            where: (H, W) bool, all of them face pixels; None: the face.
        """
        chosen = self.face if where is None else where
        result = np.zeros((*self.face.shape, 3), np.float32)
        result[chosen] = forward(weights, unpack(self.features[chosen]), self.light_scale[chosen], hashes[chosen])
        return result

    def neighbors(self, axis: int) -> Bools:
        """Which pixels lie on one surface with the next one along an axis.

        Returns:
            (H - 1, W) bool for axis 0, (H, W - 1) for axis 1.
        """
        uv, normal = self.feature("uv"), self.feature("normal")
        first, second = pairs(axis)
        face = self.face[first] & self.face[second]
        step = np.linalg.norm(uv[second] - uv[first], axis=-1)
        usual = float(np.median(step[face])) if face.any() else 0.0
        cosine = (normal[first] * normal[second]).sum(axis=-1)
        near: Bools = face & (step <= _STEPS * usual) & (cosine >= _COSINE)
        return near


def pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """How to index an image for the first and the second of all neighbouring pixels along an axis (0 or 1)."""
    first, second = slice(None, -1), slice(1, None)
    return ((first,), (second,)) if axis == 0 else ((slice(None), first), (slice(None), second))


def spread(tiles: npt.NDArray[Number], shape: tuple[int, ...], shift: Shift = (0, 0)) -> npt.NDArray[Number]:
    """Values of tiles (tiles_y, tiles_x) of a shifted grid for each of (H, W) pixels."""
    pixels = tiles.repeat(TILE, axis=0).repeat(TILE, axis=1)
    return pixels[shift[1] : shift[1] + shape[0], shift[0] : shift[0] + shape[1]]


def draw(weights: WeightSet, image: FaceImage, shift: Shift = (0, 0)) -> F32:
    """The neural picture as the renderer draws it, every tile by the network its hash chooses: (H, W, 3) radiance."""
    return image.radiance(weights, image.pixel_hashes(weights.hash_scale, shift))


def face_images(data: Dataset, split: str = "held-out") -> Iterator[FaceImage]:
    """Whole frames of a data set, in ascending order. All tiles of the split are held in memory, 24 KB each.

    Args:
        data: a set with all tiles of its frames (`bungyo dataset --tiles 1`).
        split: one of `manifest.SPLITS`.

    Raises:
        InputError: the set has only some of its frames' tiles, or no tile of this split.
    """
    if not data.whole_frames:
        raise InputError(
            f"Seams are judged on whole frames, and the data set {data.path} does not have all tiles of its own.",
            "Make one with:  bungyo dataset --held-out --tiles 1 --out out/whole",
        )
    parts = [data.tiles(tile_hash, split) for tile_hash in data.hashes]
    tiles = np.concatenate(parts) if parts else None
    if tiles is None or not len(tiles):
        raise InputError(f"The data set {data.path} has no {split} frames to judge by.")
    hashes = np.repeat(data.hashes, list(map(len, parts)))
    for index in np.unique(tiles["frame"]):
        own, frame = tiles["frame"] == index, data.frames[int(index)]
        cluster = data.cluster_of(frame.index)
        yield FaceImage.from_records(tiles[own], data.spec.size, frame.exposure_ev, cluster, hashes[own])
