"""Where trained networks lie: the default set, all others, and how they are loaded. Knows no GPU."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from app.scene_options import SceneOptions

if TYPE_CHECKING:
    from app.network.weights import WeightSet

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
DEFAULT_WEIGHTS = WEIGHTS / "default"
ANY_UV_WEIGHTS = WEIGHTS / "any-uv"  # for faces that are unwrapped otherwise than the avatars


def supplied_sets() -> list[Path]:
    """Return the folders in weights/ that hold networks, sorted by name."""
    from app.network.weights import weight_file

    return sorted(folder for folder in WEIGHTS.glob("*") if weight_file(folder).is_file())


def load_weights(folder: Path | None) -> "WeightSet":
    """Return the networks in `folder`; if None and none are trained yet, random ones, with a warning."""
    from app.network.weights import WeightSet, weight_file

    if folder is None and not weight_file(DEFAULT_WEIGHTS).exists():
        warnings.warn(f"there are no trained networks in {DEFAULT_WEIGHTS}: the neural picture is noise.", stacklevel=2)
        return WeightSet.untrained()
    return WeightSet.load(folder or DEFAULT_WEIGHTS)


def weight_sets(options: SceneOptions, first: Path) -> tuple[Path, ...]:
    """Return the weight sets to go through: those that `options` name, or `first` and all others in weights/."""
    if options.weights is not None:
        return options.weights, *options.other_weights
    return first, *(folder for folder in supplied_sets() if folder != first)
