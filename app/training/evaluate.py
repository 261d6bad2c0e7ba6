"""Judging a weight file on a data set's held-out frames: cameras and lights that no training step has seen.

Everything is computed with the numpy twin of the shader from the exported file, so the scores are those of
what runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.network.schema import channels, unpack
from app.network.twin import forward
from app.network.weights import WeightSet
from app.training.dataset import Dataset
from app.training.metrics import (
    FrameErrors,
    Pooled,
    Score,
    clean_error,
    noise_error,
    plain_shading,
    psnr,
    squared_error,
)

UV_CELLS = 64  # of the error map, along u and v
MODELS = ("plain", "generalist", "experts", "noise")


@dataclass(frozen=True)
class Evaluation:
    """Scores on one split.

    Attributes:
        scores: by model: "plain" shading from the features, "generalist" (slot 0 everywhere), "experts" (each
            tile the network its hash chooses), and "noise": the score a perfect picture would get on these
            noisy targets.
        clean: by model but "noise", the PSNR against the truth: over all pixels together, the targets' noise removed.
        hashes: by tile hash: pixels and dB of every model, where the hash has pixels.
        uv_error: by model (64, 64) summed squared errors over the UV square, v = 0 in row 0.
        uv_pixels: (64, 64) pixels.
        expert_share: share of the pixels that an expert of their own drew.
    """

    scores: dict[str, Score]
    clean: dict[str, Pooled]
    hashes: dict[int, dict[str, float]]
    uv_error: dict[str, npt.NDArray[np.float64]] = field(repr=False)
    uv_pixels: npt.NDArray[np.float64] = field(repr=False)
    expert_share: float

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
            result[name] |= {"clean_db": round(pooled.db, 3), "clean_range_db": [round(x, 3) for x in pooled.range]}
        result["expert_share"] = round(self.expert_share, 4)
        return result


def evaluate(
    weights: WeightSet,
    data: Dataset,
    split: str = "held-out",
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a set of networks on one split of a data set.

    Args:
        weights: the networks.
        data: the data set.
        split: one of `dataset.SPLITS`.
        progress: called with (hashes done, hashes).

    Raises:
        InputError: the split has no face pixel, or the hash scale of the weights is not the data set's.
    """
    if weights.hash_scale != data.hash_scale:
        scales = f"{weights.hash_scale} and {data.hash_scale}"
        raise InputError(f"The weights and the data set {data.path} hash tiles at different scales, {scales}.")
    errors = FrameErrors()
    clean = {name: Pooled() for name in MODELS[:3]}
    hashes: dict[int, dict[str, float]] = {}
    uv_error = {name: np.zeros(UV_CELLS**2) for name in MODELS}
    uv_pixels = np.zeros(UV_CELLS**2)
    drawn = 0
    for done, tile_hash in enumerate(data.hashes, start=1):
        tiles = data.tiles(tile_hash, split)
        mask = tiles["mask"].astype(bool)
        if mask.any():
            features, scale = unpack(tiles["features"])[mask], tiles["light_scale"][mask]
            frame = np.broadcast_to(tiles["frame"][:, None], mask.shape)[mask]
            exposure = np.array([data.frames[int(i)].exposure_ev for i in tiles["frame"]], np.float32)
            exposure = np.broadcast_to(exposure[:, None], mask.shape)[mask][:, None]
            target, variance = tiles["target"][mask], tiles["variance"][mask]
            own = bool(weights.table[tile_hash])
            generalist = forward(weights, features, scale, 0).astype(np.float32)
            expert = forward(weights, features, scale, tile_hash).astype(np.float32) if own else generalist
            pictures = dict(zip(MODELS, (plain_shading(features, scale), generalist, expert), strict=False))
            pixel_errors = {name: squared_error(seen, target, exposure) for name, seen in pictures.items()}
            pixel_errors["noise"] = noise_error(target, variance, exposure)
            for name, seen in pictures.items():
                clean[name].add(clean_error(seen, target, variance, expert, exposure).mean(axis=-1))
            errors.add(pixel_errors, frame)
            drawn += len(frame) * own
            hashes[tile_hash] = {"pixels": float(len(frame))} | {
                name: psnr(float(error.mean())) for name, error in pixel_errors.items()
            }
            cell = np.clip((features[:, channels("uv")] * UV_CELLS).astype(int), 0, UV_CELLS - 1)
            place = cell[:, 1] * UV_CELLS + cell[:, 0]
            uv_pixels += np.bincount(place, minlength=UV_CELLS**2)
            for name, error in pixel_errors.items():
                uv_error[name] += np.bincount(place, error.mean(axis=-1), minlength=UV_CELLS**2)
        if progress:
            progress(done, len(data.hashes))
    total = uv_pixels.sum()
    if not total:
        raise InputError(f"The data set {data.path} has no {split} pixels to judge by.")
    square = (UV_CELLS, UV_CELLS)
    maps = {name: error.reshape(square) for name, error in uv_error.items()}
    return Evaluation(errors.scores(), clean, hashes, maps, uv_pixels.reshape(square), drawn / total)
