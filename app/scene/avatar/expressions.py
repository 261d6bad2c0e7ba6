"""Plausible expressions: combinations of ARKit shapes that faces really make, never two that contradict each other."""

from collections.abc import Mapping

import numpy as np

_Shapes = Mapping[str, float]

FACES: Mapping[str, _Shapes] = {
    "smile": {"mouthSmile": 0.7, "cheekSquint": 0.35, "mouthDimple": 0.2},
    "open smile": {
        "mouthSmile": 0.8,
        "cheekSquint": 0.5,
        "mouthUpperUp": 0.25,
        "mouthLowerDown": 0.25,
        "jawOpen": 0.12,
    },
    "laugh": {"mouthSmile": 0.9, "cheekSquint": 0.7, "eyeSquint": 0.4, "jawOpen": 0.4, "mouthUpperUp": 0.35},
    "smirk": {"mouthSmileLeft": 0.6, "mouthDimpleLeft": 0.3, "cheekSquintLeft": 0.2},
    "frown": {"mouthFrown": 0.7, "browDown": 0.5, "mouthShrugLower": 0.3},
    "sad": {"browInnerUp": 0.8, "mouthFrown": 0.6, "mouthShrugLower": 0.25, "eyeLookDown": 0.2},
    "anger": {"browDown": 0.9, "noseSneer": 0.5, "eyeSquint": 0.3, "mouthPress": 0.5, "jawForward": 0.2},
    "surprise": {"browInnerUp": 0.8, "browOuterUp": 0.8, "eyeWide": 0.7, "jawOpen": 0.45},
    "fear": {"browInnerUp": 0.9, "browOuterUp": 0.3, "eyeWide": 0.8, "mouthStretch": 0.6, "jawOpen": 0.15},
    "disgust": {"noseSneer": 0.8, "mouthUpperUp": 0.4, "browDown": 0.4, "cheekSquint": 0.3, "mouthFrown": 0.3},
    "doubt": {"browOuterUpLeft": 0.7, "browDownRight": 0.5, "mouthLeft": 0.35, "mouthPress": 0.2},
    "kiss": {"mouthPucker": 0.9, "jawOpen": 0.05},
    "puffed cheeks": {"cheekPuff": 0.7, "mouthPress": 0.3},
    "rolled lips": {"mouthRollLower": 0.6, "mouthRollUpper": 0.5, "mouthPress": 0.2},
    "tongue": {"tongueOut": 0.8, "jawOpen": 0.45},
    "thought": {"mouthShrugLower": 0.4, "mouthShrugUpper": 0.3, "browInnerUp": 0.2, "eyeLookUp": 0.4},
}
"""What a mood does at its full strength; names without a side stand for both."""
COMMON: _Shapes = {"smile": 4.0, "open smile": 4.0, "laugh": 2.0, "tongue": 0.4, "puffed cheeks": 0.5}
"""How often a mood comes up against the others, which count 1."""
VISEMES: Mapping[str, _Shapes] = {
    "a": {"jawOpen": 0.5, "mouthLowerDown": 0.2},
    "e": {"jawOpen": 0.2, "mouthStretch": 0.4, "mouthUpperUp": 0.15, "mouthLowerDown": 0.2},
    "i": {"jawOpen": 0.1, "mouthStretch": 0.5, "mouthSmile": 0.2, "mouthLowerDown": 0.25},
    "o": {"jawOpen": 0.3, "mouthFunnel": 0.6},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.6, "mouthFunnel": 0.25},
    "m": {"mouthPress": 0.4, "mouthRollLower": 0.25, "mouthRollUpper": 0.2},
    "f": {"mouthRollLower": 0.45, "mouthUpperUp": 0.3, "jawOpen": 0.05},
    "s": {"jawForward": 0.2, "mouthStretch": 0.25, "mouthLowerDown": 0.3, "mouthUpperUp": 0.1},
    "th": {"jawOpen": 0.15, "tongueOut": 0.25, "mouthUpperUp": 0.1},
}
"""Mouths of speech."""
BROWS: tuple[_Shapes, ...] = ({}, {"browInnerUp": 0.4}, {"browOuterUp": 0.4}, {"browDown": 0.4})
LOOKS: tuple[_Shapes, ...] = (
    {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6},
    {"eyeLookInLeft": 0.6, "eyeLookOutRight": 0.6},
    {"eyeLookUp": 0.5},
    {"eyeLookDown": 0.6},
)
ONE_SIDED = 0.18
"""How often one half of the face does clearly less than the other."""


def sample_expression(rng: np.random.Generator) -> dict[str, float]:
    """Draw an expression; returns the parameters that are not 0."""
    kind = rng.random()
    if kind < 0.1:
        shapes: dict[str, float] = {}
    elif kind < 0.65:
        often = np.array([COMMON.get(name, 1.0) for name in FACES])
        shapes = dict(tuple(FACES.values())[int(rng.choice(len(FACES), p=often / often.sum()))])
    else:
        shapes = {**_pick(rng, tuple(VISEMES.values())), **_pick(rng, BROWS)}
    strength = 0.35 + 0.9 * float(rng.beta(2.5, 2.5))  # moderate mostly
    shapes = {name: strength * weight for name, weight in shapes.items()}
    if rng.random() < 0.3 and not any("eyeLook" in name for name in shapes):
        shapes |= _pick(rng, LOOKS)
    if rng.random() < 0.1 and not any("eyeWide" in name for name in shapes):
        shapes["eyeBlink"] = float(rng.choice([0.3, 0.6, 1.0], p=[0.3, 0.3, 0.4]))
    weak = str(rng.choice(["Left", "Right"])) if rng.random() < ONE_SIDED else ""
    values: dict[str, float] = {}
    for name, weight in shapes.items():
        for side in _sides(name):
            much = weight * float(rng.normal(1.0, 0.08))
            # Both eyes blink and look as one; all else may be lopsided.
            if not name.startswith(("eyeBlink", "eyeLook")):
                much *= 0.45 if side and side == weak else 1.0
            elif name.startswith("eyeBlink"):
                much = weight
            values[f"expression.{name}{side}"] = float(np.clip(much, 0.0, 1.0))
    return values


def _pick(rng: np.random.Generator, choices: tuple[_Shapes, ...]) -> _Shapes:
    return choices[int(rng.integers(len(choices)))]


def _sides(name: str) -> tuple[str, ...]:
    """The sides to append to a shape's name, or nothing where it has none or names it already."""
    sided = name.startswith(("mouthSmile", "mouthDimple", "mouthUpperUp", "mouthLowerDown", "mouthFrown", "mouthPress"))
    sided |= name.startswith(("mouthStretch", "cheekSquint", "eye", "browDown", "browOuterUp", "noseSneer"))
    return ("Left", "Right") if sided and not name.endswith(("Left", "Right")) else ("",)
