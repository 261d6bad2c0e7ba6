"""Whether networks know how a face is unwrapped, and what to do where they do not. Knows no GPU."""

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InputError
from app.scene_options import SceneOptions
from app.weight_sets import ANY_UV_WEIGHTS, DEFAULT_WEIGHTS, WEIGHTS

if TYPE_CHECKING:
    from app.network.weights import WeightSet
    from app.scene.model import Scene
    from app.scene.uv_layout import UvLayout

FRAMES = 80  # of one face that are enough for a network which begins as another (docs/training.md)
TRAINING = "--steps 2000 --expert-steps 0"  # with so few, experts gain nothing


def choose_weights(options: SceneOptions, scene: "Scene") -> Path | None:
    """Return the weights that `options` name, or else those for how the face is unwrapped; None: the default ones."""
    if options.weights is not None or options.mesh is None:
        return options.weights
    from app.scene.uv_layout import UvLayout, canonical_layout

    layout = UvLayout.of(scene.parts)
    known = layout.matches(canonical_layout()) or layout.matches_turned(canonical_layout())
    return None if known else ANY_UV_WEIGHTS


def own_layout(weights: "WeightSet", folder: Path) -> "UvLayout | None":
    """Return the layout of the one mesh that networks in `folder` were trained on; None: they are for more than one.

    Raises:
        InputError: the weights' own description of it is damaged.
    """
    from app.scene.uv_layout import UvLayout

    own = weights.metadata.get("uv_layout")
    try:
        return None if own is None else UvLayout.parse(own)
    except ValueError as error:
        raise InputError(f"The weights {folder} have an unreadable uv_layout: {error}.") from error


def check_layout(options: SceneOptions, scene: "Scene", weights: "WeightSet") -> None:
    """Warn where the face is unwrapped otherwise than the heads that the networks were trained on, and say what to do.

    Args:
        options: as they were given.
        scene: what they show.
        weights: the networks that draw it.

    Raises:
        InputError: the weights' own description of their layout is damaged.
    """
    if weights.metadata.get("any_uv"):
        if options.weights is None and options.mesh is not None:
            warnings.warn(
                f"{options.mesh}: its UVs are not the avatars', so networks draw it that look at none"
                f" ({ANY_UV_WEIGHTS.name}). Networks of its own may draw it better:\n  "
                + "\n  ".join(commands_to_train(options.mesh, options.face)),
                stacklevel=2,
            )
        return
    own = weights.metadata.get("uv_layout")  # of a set that was trained on one mesh; the default one is for all avatars
    if not weights.metadata.get("trained") or (options.mesh is None and own is None):
        return
    from app.scene.uv_layout import UvLayout, canonical_layout

    folder = options.weights or DEFAULT_WEIGHTS
    expected = own_layout(weights, folder) or canonical_layout()
    layout = UvLayout.of(scene.parts)
    if layout.matches(expected):
        return
    if options.mesh is None:
        message = f"the networks in {folder} were trained on a mesh with other UVs than the default head's"
        advice = "Show that mesh with --mesh FILE."
    elif layout.matches_turned(expected):
        message = f"{options.mesh}: its vertices are turned against the heads that the networks in {folder} know"
        advice = "Turn them (not the node that holds them) until the face looks along +z, with +y up."
    elif own is not None and layout.matches(canonical_layout()):
        message = f"{options.mesh}: its UVs are those of the avatars, but not those that the networks in {folder} know"
        advice = "Leave --weights out: the default networks know them."
    else:
        message = f"{options.mesh}: its UVs are not those that the networks in {folder} know"
        train = ["Leave --weights out, or train networks for it:", *commands_to_train(options.mesh, options.face)]
        advice = "\n  ".join(train)
    warnings.warn(f"{message}: the neural picture may look wrong. {advice}", stacklevel=2)


def commands_to_train(mesh: Path, face: tuple[str, ...]) -> tuple[str, str, str]:
    """Return the command lines that make networks for a mesh of one's own and show them."""
    head = " ".join(["--mesh", shlex.quote(str(mesh)), *(f"--face {shlex.quote(name)}" for name in face)])
    supplied = (WEIGHTS / mesh.stem).exists()  # and not to be overwritten
    name = f"my-{mesh.stem}" if supplied else mesh.stem
    data, weights = (shlex.quote(str(Path(folder, name))) for folder in ("out", "weights"))
    return (
        f"bungyo dataset {head} --frames {FRAMES} --out {data}",
        f"bungyo train --data {data} --out {weights} --start {ANY_UV_WEIGHTS.name} {TRAINING}",
        f"bungyo demo {head} --weights {weights}",
    )
