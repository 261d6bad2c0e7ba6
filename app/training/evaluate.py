"""Judging weight files pixel by pixel, on the frames of a data set that no training step has seen.

Everything that a renderer can run is computed with the numpy twin of the shader from the exported file, so the scores
are those of what runs. Wider generalists, which only serve for comparison, are computed with matrix products, which
sum in another order.

All errors against the truth come from `metrics.TruthError`, which takes the targets' noise away.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.arrays import F32, F64, Bools, Records
from app.errors import InputError
from app.network.layers import mix
from app.network.schema import HALF_MAX, TILE, channels, to_half, unpack
from app.network.twin import forward
from app.network.weights import WeightSet, weight_file
from app.training.dataset import Dataset
from app.training.manifest import FrameInfo
from app.training.metrics import (
    FrameErrors,
    Pooled,
    Score,
    TruthError,
    noise_error,
    plain_shading,
    psnr,
    squared_error,
    tiled,
)
from app.training.seams import check_scale

UV_CELLS = 64  # of maps over the UV square, along u and v
CHUNK = 256  # tiles judged at once
MODELS = ("plain", "generalist", "experts", "noise")


@dataclass(frozen=True)
class FrameScore:
    """One frame.

    Attributes:
        info: what it shows.
        pixels: how many face pixels it has.
        height: of the face on screen, from its highest to its lowest pixel, as a share of the picture's height; where
            the set has not all tiles, of those that it has.
        truth: by model the PSNR against the truth, dB. An error below what the noise lets tell from 0 (one standard
            error) counts as that.
        raw: by model and "noise" the PSNR against the noisy target, dB.
    """

    info: FrameInfo
    pixels: int
    height: float
    truth: dict[str, float]
    raw: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Scores on one split.

    Attributes:
        scores: by model: "plain" shading from the features, "generalist" (slot 0 everywhere), "experts" (each
            tile the network its hash chooses), wider generalists, and "noise": the score a perfect picture would get
            on these noisy targets.
        clean: by model but "noise", the PSNR against the truth over all pixels together.
        frames: those with pixels to judge by, in ascending order.
        shown: the numbers of all frames that show a face, ascending.
        uv_error: by model (64, 64) summed squared errors against the truth over the UV square, v = 0 in row 0.
        uv_pixels: (64, 64) pixels.
        expert_share: share of the pixels that an expert of their own drew.
        tiles: by tile hash the tiles that show face.
        judged_share: share of the face pixels whose noise was small enough to judge by, against the truth.
    """

    scores: dict[str, Score]
    clean: dict[str, Pooled]
    frames: list[FrameScore]
    shown: list[int]
    uv_error: dict[str, F64] = field(repr=False)
    uv_pixels: F64 = field(repr=False)
    expert_share: float
    tiles: dict[int, int]
    judged_share: float

    def truth(self, model: str) -> F64:
        """(frames,) dB against the truth."""
        return np.array([frame.truth[model] for frame in self.frames])

    def summary(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        result: dict[str, Any] = {
            name: {
                "mean_db": round(score.mean, 3),
                "worst_db": round(score.worst, 3),
                "worst_frame": score.worst_frame,
                "frames": score.frames,
            }
            for name, score in self.scores.items()
        }
        for name, pooled in self.clean.items():
            truth = self.truth(name)
            result[name] |= {
                "truth_mean_db": round(float(truth.mean()), 3),
                "truth_worst_db": round(float(truth.min()), 3),
            }
            result[name] |= {"clean_db": round(pooled.db, 3), "clean_range_db": [round(x, 3) for x in pooled.range]}
        result["expert_share"] = round(self.expert_share, 4)
        return result


def wide_generalists(weights: Path | str) -> dict[str, WeightSet]:
    """The generalists that lie beside a weight file, by name ("generalist-64"), the narrowest first.

    Args:
        weights: the file or its folder.

    Raises:
        InputError: one of them cannot be used.
    """
    files = weight_file(weights).parent.glob("generalist-*.safetensors")
    found = {file.stem: WeightSet.load(file) for file in files}
    for name, wide in found.items():
        if len(wide.hashes):
            raise InputError(f"Weight file {name}.safetensors has experts, so it is no generalist to compare with.")
    return dict(sorted(found.items(), key=lambda item: item[1].slots.shape[1]))


def evaluate(
    weights: WeightSet,
    data: Dataset,
    split: str = "held-out",
    progress: Callable[[int], None] | None = None,
    wide: Mapping[str, WeightSet] | None = None,
) -> Evaluation:
    """Score a set of networks on one split of a data set.

    Args:
        weights: the networks.
        data: the data set.
        split: one of `manifest.SPLITS`.
        progress: called with the number of hashes done.
        wide: generalists to be judged as well, by name.

    Raises:
        InputError: the split has no face pixel, or the hash scale of the weights is not the data set's.
    """
    check_scale(weights, data)
    models = ("plain", "generalist", "experts", *(wide or {}))
    sums = _Sums(models, data)
    for done, tile_hash in enumerate(data.hashes, start=1):
        for tiles in _chunks(data.tiles(tile_hash, split)):
            sums.add(weights, tile_hash, tiles, wide or {})
        if progress:
            progress(done)
    if not sums.tiles:
        raise InputError(f"The data set {data.path} has no {split} pixels to judge by.")
    result = sums.evaluation()
    if not result.frames:
        hint = "Make one with more samples:  bungyo dataset --held-out --spp 128 --out out/judge128"
        raise InputError(f"The {split} targets of the data set {data.path} are too noisy to judge by.", hint)
    return result


def _chunks(tiles: Records) -> Iterator[Records]:
    """Tiles that show face, a few at a time."""
    tiles = tiles[tiles["mask"].any(axis=1)]
    for start in range(0, len(tiles), CHUNK):
        yield tiles[start : start + CHUNK]


class _Sums:
    """Errors summed up by frame and by place."""

    def __init__(self, models: tuple[str, ...], data: Dataset) -> None:
        self._data = data
        count = max(data.frames, default=-1) + 1
        self._raw, self._clean = FrameErrors(), {name: Pooled() for name in models}
        self._error, self._squares = ({name: np.zeros(count) for name in models} for _ in range(2))
        self._pixels, self._judged = np.zeros(count), np.zeros(count)
        self._top, self._bottom = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
        self._uv_error = {name: np.zeros(UV_CELLS**2) for name in models}
        self._uv_pixels, self._drawn = np.zeros(UV_CELLS**2), 0
        self.tiles: dict[int, int] = {}

    def add(self, weights: WeightSet, tile_hash: int, tiles: Records, wide: Mapping[str, WeightSet]) -> None:
        """Draw and judge tiles of one hash."""
        mask: Bools = tiles["mask"].astype(bool)
        features, scale = unpack(tiles["features"])[mask], tiles["light_scale"][mask]
        frame = np.broadcast_to(tiles["frame"][:, None], mask.shape)[mask].astype(np.intp)
        exposure = np.array([self._data.frames[int(i)].exposure_ev for i in tiles["frame"]], np.float32)
        stops = np.broadcast_to(exposure[:, None], mask.shape)[mask][:, None]
        target, variance = tiles["target"][mask], tiles["variance"][mask]
        own = bool(weights.table[tile_hash])
        generalist = forward(weights, features, scale, 0).astype(np.float32)
        expert = forward(weights, features, scale, tile_hash).astype(np.float32) if own else generalist
        pictures = {"plain": plain_shading(features, scale), "generalist": generalist, "experts": expert}
        pictures |= {name: draw_wide(other, features, scale) for name, other in wide.items()}
        raw = {name: squared_error(seen, target, stops) for name, seen in pictures.items()}
        # Not the best of them: judged by noisy targets, dark pictures win.
        near = np.median([seen for name, seen in pictures.items() if name != "plain"], axis=0)
        self._raw.add(raw | {"noise": noise_error(target, variance, stops)}, frame)

        truth = TruthError(tiled(near, mask), tiles["target"], tiles["variance"], mask, exposure)
        judged = truth.judged[mask]
        at, count = frame[judged], len(self._pixels)
        cell = np.clip((features[judged][:, channels("uv")] * UV_CELLS).astype(int), 0, UV_CELLS - 1)
        place = cell[:, 1] * UV_CELLS + cell[:, 0]
        for name, seen in pictures.items():
            error = truth(tiled(seen, mask))[mask][judged]
            self._clean[name].add(error)
            self._error[name] += np.bincount(at, error, count)
            self._squares[name] += np.bincount(at, np.square(error, dtype=np.float64), count)
            self._uv_error[name] += np.bincount(place, error, UV_CELLS**2)
        self._uv_pixels += np.bincount(place, minlength=UV_CELLS**2)
        self._judged += np.bincount(at, minlength=count)
        self._pixels += np.bincount(frame, minlength=count)
        self._drawn += len(frame) * own
        self.tiles[tile_hash] = self.tiles.get(tile_hash, 0) + len(tiles)
        rows: Bools = np.any(mask.reshape(len(tiles), TILE, TILE), axis=2)
        first = tiles["tile_xy"][:, 1].astype(np.int64) * TILE
        np.minimum.at(self._top, tiles["frame"], first + rows.argmax(axis=1))
        np.maximum.at(self._bottom, tiles["frame"], first + TILE - 1 - rows[:, ::-1].argmax(axis=1))

    def evaluation(self) -> Evaluation:
        """Everything added so far."""
        square, total = (UV_CELLS, UV_CELLS), self._pixels.sum()
        raw = {name: self._raw.frames(name) for name in (*self._error, "noise")}
        frames = []
        for index in np.flatnonzero(self._judged):
            height = float(self._bottom[index] - self._top[index] + 1) / self._data.spec.size[1]
            frames.append(
                FrameScore(
                    self._data.frames[int(index)],
                    int(self._pixels[index]),
                    height,
                    {name: self._decibels(name, int(index)) for name in self._error},
                    {name: values[int(index)] for name, values in raw.items()},
                )
            )
        return Evaluation(
            self._raw.scores(),
            self._clean,
            frames,
            np.flatnonzero(self._pixels).tolist(),
            {name: error.reshape(square) for name, error in self._uv_error.items()},
            self._uv_pixels.reshape(square),
            self._drawn / total,
            self.tiles,
            float(self._judged.sum() / total),
        )

    def _decibels(self, name: str, index: int) -> float:
        """A frame's PSNR against the truth."""
        count = self._judged[index]
        mean = self._error[name][index] / count
        standard_error = np.sqrt(max(self._squares[name][index] / count - mean * mean, 0.0) / count)
        return psnr(mean, standard_error)


def draw_wide(weights: WeightSet, features: F32, light_scale: F32) -> F32:
    """What the generalist (slot 0) of weights of any width draws, by matrix products: `twin.forward` in less time.

    Args:
        weights: the networks.
        features: (n, 32).
        light_scale: (n,).

    Returns:
        (n, 3) radiance.
    """
    values = rounded = to_half(features).astype(np.float32)
    last = len(weights.layers) - 2
    for index, (weight, bias) in enumerate(weights.matrices(0)):
        values = values @ weight.T + bias
        if index < last:
            values = np.maximum(values, 0.0)
    radiance: F32 = np.clip(light_scale[:, None] * mix(values, rounded), 0.0, HALF_MAX).astype(np.float32)
    return radiance
