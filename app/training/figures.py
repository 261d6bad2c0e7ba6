"""All figures that `bungyo evaluate` tells, as plain JSON values; docs/evaluate.md explains them.

A doubt is one standard error, of people: frames that show the same person are one cluster. It tells how much other
people, cameras and lights of the same kind would change the figure, noise included. Of one fixed face it tells what
other cameras and lights would change. A single cluster leaves no doubt to measure: None.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from app.arrays import I64
from app.network.layers import flops, parameter_count
from app.network.weights import WeightSet
from app.training.at_rest import AtRest
from app.training.dataset import Dataset
from app.training.evaluate import UV_CELLS, Evaluation
from app.training.groups import Group, distance_groups, light_groups
from app.training.metrics import mean_and_standard_error, psnr
from app.training.orbit import Flicker
from app.training.quality import HAS_FLIP, Quality

Clusters = I64  # by frame, see `Dataset.cluster_of`

# Places of the face by masks of the avatars' skin (assets/avatar/skin/regions).
REGIONS = {
    "forehead": ("forehead",),
    "around the eyes": ("around_eye", "upper_lid", "under_eye"),
    "nose": ("nose", "nose_wing"),
    "cheeks": ("cheek",),
    "lips": ("lips",),
    "chin": ("chin",),
    "ears": ("ear",),
    "neck": ("neck",),
    "scalp": ("scalp",),
}


def figures(
    weights: WeightSet,
    data: Dataset,
    evaluation: Evaluation,
    *,
    wide: Mapping[str, WeightSet] | None = None,
    quality: Quality | None = None,
    flicker: Flicker | None = None,
    rest: AtRest | None = None,
    missing: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Put all figures together; what was not measured is None.

    Args:
        weights, data, wide: what was judged, on what.
        evaluation: of all pixels of the held-out split.
        quality: of whole pictures.
        flicker: over orbits.
        rest: frames at rest.
        missing: by kind of figure ("whole pictures", "flicker", "at rest"), why it was not measured: one sentence.
    """
    networks = {"experts": weights, "generalist": weights, **(wide or {})}
    clusters = np.array([data.cluster_of(frame.info.index) for frame in evaluation.frames])
    models = {name: _model(name, networks.get(name), evaluation, quality, clusters) for name in evaluation.clean}
    own, noise = models["experts"], evaluation.scores["noise"]
    generalist_tiles = sum(count for tile_hash, count in evaluation.tiles.items() if not weights.table[tile_hash])
    owners = weights.metadata.get("reach", {})
    lent_tiles = sum(
        count
        for tile_hash, count in evaluation.tiles.items()
        if "lent" in weights.metadata and weights.table[tile_hash] and f"0x{tile_hash:04x}" not in owners
    )
    reasons = dict(missing or {})
    if (quality or rest) and not HAS_FLIP:
        reasons["FLIP"] = "FLIP needs the package flip-evaluator, which is not installed."
    if len(set(clusters.tolist())) == 1:
        one = "one person" if data.people else "one face under one set-up of lights"
        reasons["doubts"] = f"All frames show {one}, so nothing tells what others would change."
    seams = quality.seams if quality else None
    if seams and math.isnan(seams.ratio):
        reasons["seams"] = "The network never changes inside a face, or the targets' noise leaves nothing of the jumps."
    if flicker and math.isnan(flicker.ratio):
        reasons["flicker"] = "The targets' noise leaves nothing of the reference's own change."
    whole = data.whole_frames  # of some of a frame's tiles nobody knows how high the face is
    found = {
        "psnr_mean": own["psnr_mean"],
        "psnr_mean_doubt": own["psnr_mean_doubt"],
        "psnr_worst": own["psnr_worst"],
        "psnr_worst_frame": own["psnr_worst_frame"],
        "psnr_raw_mean": own["psnr_raw_mean"],
        "psnr_raw_worst": own["psnr_raw_worst"],
        "psnr_noise_ceiling": noise.mean,
        "judged_pixel_share": evaluation.judged_share,
        "ssim_mean": own["ssim_mean"],
        "ssim_worst": own["ssim_worst"],
        "ssim_of_noise": float(quality.ssim["noise"].mean()) if quality else None,
        "flip_mean": own["flip_mean"],
        "flip_worst": own["flip_worst"],
        "flip_of_noise": float(quality.flip["noise"].mean()) if quality and quality.flip else None,
        "gain_over_generalist_db": -models["generalist"]["gain_over_experts_db"],
        "gain_over_generalist_doubt": models["generalist"]["gain_over_experts_doubt"],
        "seam_ratio": seams and seams.ratio,
        "seam_ratio_doubt": seams and seams.deviation,
        "seams": seams and asdict(seams),
        "flicker_ratio": flicker and flicker.ratio,
        "flicker_ratio_doubt": flicker and flicker.deviation,
        "flicker": flicker and asdict(flicker),
        "at_rest": _at_rest(rest, data) if rest and rest.frames else None,
        "generalist_tile_share": generalist_tiles / sum(evaluation.tiles.values()),
        "lent_tile_share": lent_tiles / sum(evaluation.tiles.values()),
        "generalist_pixel_share": 1.0 - evaluation.expert_share,
        "flop_per_pixel": flops(weights.layers),
        "not_measured": reasons,
        "data": {
            "split": "held-out",
            "frames": len(evaluation.frames),
            "people": len(set(clusters.tolist())) if data.people else None,
            "size": list(data.spec.size),
            "samples": sorted({frame.info.spp for frame in evaluation.frames}),
            "gathering": data.gathering,
        },
        "models": models,
        "lights": _groups(light_groups(evaluation.frames, data.head_center), evaluation, clusters),
        "distances": _groups(distance_groups(evaluation.frames), evaluation, clusters) if whole else None,
        "regions": _regions(data, evaluation),
        "per_frame": [
            {
                "frame": frame.info.index,
                "pixels": frame.pixels,
                "height": frame.height if whole else None,
                "psnr": frame.truth,
                "psnr_raw": frame.raw,
                "ssim": float(quality.ssim["experts"][i]) if quality else None,
                "flip": float(quality.flip["experts"][i]) if quality and quality.flip else None,
            }
            for i, frame in enumerate(evaluation.frames)
        ],
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _model(
    name: str, network: WeightSet | None, evaluation: Evaluation, quality: Quality | None, clusters: Clusters
) -> dict[str, Any]:
    truth, raw = evaluation.truth(name), evaluation.scores[name]
    mean, standard_error = mean_and_standard_error(truth, clusters)
    gain, gain_standard_error = mean_and_standard_error(truth - evaluation.truth("experts"), clusters)
    low, high = evaluation.clean[name].range
    result = {
        "width": network.layers[1] if network and len(network.layers) > 2 else None,
        "flop_per_pixel": flops(network.layers) if network else 0,
        "parameters_per_network": parameter_count(network.layers) if network else 0,
        "psnr_mean": mean,
        "psnr_mean_doubt": standard_error,
        "psnr_worst": float(truth.min()),
        "psnr_worst_frame": evaluation.frames[int(truth.argmin())].info.index,
        "psnr_all_pixels": evaluation.clean[name].db,
        "psnr_all_pixels_range": [low, high],
        "psnr_raw_mean": raw.mean,
        "psnr_raw_worst": raw.worst,
        "gain_over_experts_db": gain,
        "gain_over_experts_doubt": gain_standard_error,
    }
    for measure, worst in (("ssim", np.min), ("flip", np.max)):
        values = getattr(quality, measure).get(name) if quality else None
        result[f"{measure}_mean"] = None if values is None else float(values.mean())
        result[f"{measure}_worst"] = None if values is None else float(worst(values))
    return result


def _at_rest(rest: AtRest, data: Dataset) -> dict[str, Any]:
    frames = rest.frames
    clusters = np.array([data.cluster_of(frame.info.index) for frame in frames])
    decibels = np.array([frame.psnr for frame in frames])
    mean, standard_error = mean_and_standard_error(decibels, clusters)
    result: dict[str, Any] = {
        "size": list(rest.size),
        "samples": rest.samples,
        "light_texels": rest.light_texels,
        "psnr_mean": mean,
        "psnr_mean_doubt": standard_error,
        "psnr_worst": float(decibels.min()),
        "psnr_worst_frame": frames[int(decibels.argmin())].info.index,
    }
    for measure in ("ssim", "ssim_of_noise", "flip", "flip_of_noise"):
        values = [getattr(frame, measure) for frame in frames]
        key = measure if measure.endswith("of_noise") else f"{measure}_mean"
        result[key] = None if None in values else float(np.mean(values))
    names = ("pixels", "psnr", "psnr_doubt", "ssim", "flip")
    result["per_frame"] = [
        {"frame": frame.info.index} | {name: getattr(frame, name) for name in names} for frame in frames
    ]
    return result


def _groups(groups: list[Group], evaluation: Evaluation, clusters: Clusters) -> list[dict[str, Any]]:
    experts, generalist = evaluation.truth("experts"), evaluation.truth("generalist")
    rows = []
    for group in groups:
        own = clusters[group.frames]
        mean, standard_error = mean_and_standard_error(experts[group.frames], own)
        gain, gain_standard_error = mean_and_standard_error(experts[group.frames] - generalist[group.frames], own)
        rows.append(
            {
                "question": group.question,
                "name": group.name,
                "frames": len(group.frames),
                "psnr_mean": mean,
                "psnr_mean_doubt": standard_error,
                "psnr_worst": float(experts[group.frames].min()),
                "gain_over_generalist_db": gain,
                "gain_over_generalist_doubt": gain_standard_error,
            }
        )
    return rows


def _regions(data: Dataset, evaluation: Evaluation) -> list[dict[str, Any]] | None:
    """Places of the face, by name, where the data set shows avatars, whose masks say which places these are."""
    if "generator" not in data.spec.scene.get("people", {}):
        return None
    from app.scene.avatar.skin_maps import load

    masks, rows = load().regions, []
    for name, parts in REGIONS.items():
        mask = np.maximum.reduce([masks[part] for part in parts])[::-1].astype(np.float64)  # row 0 at v = 0
        cells = mask.reshape(UV_CELLS, len(mask) // UV_CELLS, UV_CELLS, -1).mean(axis=(1, 3))
        pixels = float((cells * evaluation.uv_pixels).sum())
        if pixels < 1.0:
            continue
        db = {m: psnr(float((cells * error).sum()) / pixels) for m, error in evaluation.uv_error.items()}
        share = pixels / float(evaluation.uv_pixels.sum())
        gain = db["experts"] - db["generalist"]
        rows.append({"name": name, "pixel_share": share, "psnr": db["experts"], "gain_over_generalist_db": gain})
    return rows


def _plain(value: Any) -> Any:
    """JSON values: floats to 5 digits, no zero below zero, and None for what is not finite."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:z.5g}") if math.isfinite(value) else None
    return value
