"""What is doubtful about a data set to learn from or to judge on: said before the work, which goes on."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from app.layout_check import own_layout

if TYPE_CHECKING:
    from app.network.weights import WeightSet
    from app.training.dataset import Dataset


def check_gathering(data: "Dataset") -> None:
    """Warn where features and targets were made by another version than this one."""
    from app.training.manifest import GATHERING_VERSION

    if data.gathering != GATHERING_VERSION:
        theirs = "an unknown version" if data.gathering is None else f"version {data.gathering}"
        warnings.warn(
            f"{data.path} was gathered by {theirs} of what makes features and targets, and this is version"
            f" {GATHERING_VERSION}: its pixels differ from those that are drawn now.",
            stacklevel=2,
        )


def check_layouts(data: "Dataset", weights: "WeightSet", folder: Path, consequence: str) -> None:
    """Warn where the set's heads are unwrapped otherwise than those that the networks in a folder know.

    Args:
        data: the set.
        weights: the networks.
        folder: where these lie.
        consequence: what follows: the end of the warning.

    Raises:
        InputError: what the set or the networks say of their layout is damaged.
    """
    from app.scene.uv_layout import canonical_layout

    known = own_layout(weights, folder)
    if weights.metadata.get("any_uv") or not weights.metadata.get("trained"):
        return
    shown = data.uv_layout
    if shown is not None and not shown.matches(known or canonical_layout()):
        warnings.warn(
            f"{data.path}: the UVs of its heads are not those that the networks in {folder} know: {consequence}",
            stacklevel=2,
        )
