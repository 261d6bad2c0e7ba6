"""Who the default face is: weights of MakeHuman's morph targets. Opposing targets are never mixed."""

from __future__ import annotations


def _macro() -> dict[str, float]:
    """A man in his thirties with some feminine softness, of mixed descent."""
    weights: dict[str, float] = {}
    for gender, part, descent in (
        ("male", 0.75, {"caucasian": 0.6, "asian": 0.2, "african": 0.2}),
        ("female", 0.25, {"caucasian": 0.6, "asian": 0.2, "african": 0.2}),
    ):
        for age, share in (("young", 0.85), ("old", 0.15)):
            for origin, fraction in descent.items():
                weights[f"macrodetails/{origin}-{gender}-{age}"] = part * share * fraction
            weights[f"macrodetails/universal-{gender}-{age}-averagemuscle-averageweight"] = part * share
    return weights


def _both(group: str, target: str, weight: float) -> dict[str, float]:
    return {f"{group}/{side}-{target}": weight for side in ("l", "r")}


SYMMETRIC: dict[str, float] = {
    **_macro(),
    **_both("eyes", "eye-height2-incr", 0.42),
    **_both("eyes", "eye-height1-incr", 0.12),
    **_both("eyes", "eye-scale-incr", 0.35),
    **_both("ears", "ear-wing-decr", 0.35),
    **_both("cheek", "cheek-bones-incr", 0.5),
    **_both("cheek", "cheek-volume-decr", 0.3),
    "eyebrows/eyebrows-trans-forward": 0.25,
    "chin/chin-prominent-incr": 0.25,
    "chin/chin-bones-incr": 0.3,
    "nose/nose-width2-decr": 0.3,
    "nose/nose-scale-depth-incr": 0.2,
    "nose/nose-nostrils-width-decr": 0.2,
    "mouth/mouth-upperlip-volume-incr": 0.1,
    "mouth/mouth-lowerlip-volume-incr": 0.15,
    "mouth/mouth-angles-up": 0.2,
    "mouth/mouth-scale-horiz-incr": 0.1,
    "neck/neck-scale-horiz-decr": 0.35,
    "forehead/forehead-scale-vert-decr": 0.3,
}
"""The face before asymmetry: the UV map is made on this shape, which is its own mirror image."""

ASYMMETRY: dict[str, float] = {
    "asym/asym-brown-1-l": 0.18,
    "asym/asym-mouth-2-r": 0.12,
    "asym/asym-nose-1-l": 0.12,
    "asym/asym-ear-2-l": 0.25,
    "asym/asym-jaw-1-r": 0.15,
    "asym/asym-cheek-1-l": 0.15,
}
"""What makes the two halves differ a little, as in every living face."""
