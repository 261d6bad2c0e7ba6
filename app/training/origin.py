"""What weight files say about the training that they come from, and which of them come from the same one."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.training.dataset import Dataset
from app.training.manifest import GATHERING

if TYPE_CHECKING:  # they import torch, which judging does without
    from app.training.coverage import Coverage
    from app.training.train_options import TrainOptions

# Options that leave the main networks as they are, with the values that stand for all others in a run's identity.
BESIDE: Mapping[str, Any] = {"widths": (), "learning_curve": False, "threads": 2}


def run_of(identity: Mapping[str, Any]) -> str:
    """What files of a run call it; `identity` as in `Checkpoint`."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def origin(
    data: Dataset, options: "TrainOptions", covered: "Coverage", pixels: int, identity: Mapping[str, Any]
) -> dict[str, Any]:
    """What all weight files of a run say about their origin, as JSON values.

    Args:
        data, options: of the run.
        covered: what the data set has.
        pixels: how many are trained with.
        identity: of the run, see `Checkpoint`.
    """
    layout = data.spec.scene.get("uv_layout")  # of a fixed face
    learnt_from = {"frames": len(data.frames), "seed": data.spec.seed, GATHERING: data.gathering, "pixels": pixels}
    return {
        "trained": True,
        "run": run_of(identity),
        "options": options.plain(),
        "data": {**learnt_from, **covered.plain()},
        **({"any_uv": True} if options.any_uv else {} if layout is None else {"uv_layout": layout}),
    }


def same_training(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two files' metadata are of one training, however often it was run, and whatever was trained beside it.

    Older files name no run: of these, data and options must be the same.
    """
    return _training(one) == _training(other)


def deciding(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of plain options those that decide what the main networks become."""
    return {name: value for name, value in options.items() if name not in BESIDE}


def _training(metadata: Mapping[str, Any]) -> list[Any]:
    return [metadata.get("run"), metadata.get("data"), deciding(metadata.get("options", {}))]
