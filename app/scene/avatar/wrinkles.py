"""Relief of the skin: pores, and lines that age engraves and expression folds; heights become a normal map."""

from collections.abc import Mapping

import numpy as np

from app.arrays import F32, U8
from app.scene.avatar.skin_maps import SkinMaps

# Kind of line: age at which it appears, age at which it has its full depth, and that depth.
_AGES = {
    "forehead": (28, 75, 1.15),
    "glabella": (33, 78, 1.05),
    "crow": (30, 72, 1.35),
    "under_eye": (27, 75, 1.3),
    "bunny": (45, 90, 0.45),
    "nasolabial": (24, 75, 1.25),
    "smile": (46, 85, 0.95),
    "marionette": (40, 78, 1.2),
    "lip": (47, 82, 1.2),
    "chin": (45, 90, 0.5),
    "neck": (32, 75, 1.1),
}
# Which ARKit weights fold which lines, and how much; "*" stands for Left or Right, for lines in the middle for both.
_FOLDS = {
    "forehead": {"browInnerUp": 0.7, "browOuterUp*": 0.4},
    "glabella": {"browDown*": 1.0, "noseSneer*": 0.25},
    "crow": {"eyeSquint*": 0.6, "cheekSquint*": 0.8, "mouthSmile*": 0.45, "eyeBlink*": 0.1},
    "under_eye": {"eyeSquint*": 0.7, "cheekSquint*": 0.8, "mouthSmile*": 0.25},
    "bunny": {"noseSneer*": 1.0, "browDown*": 0.25},
    "nasolabial": {
        "mouthSmile*": 1.0,
        "noseSneer*": 0.7,
        "mouthUpperUp*": 0.6,
        "cheekSquint*": 0.4,
        "mouthDimple*": 0.4,
    },
    "smile": {"mouthSmile*": 0.8, "mouthDimple*": 0.7, "mouthStretch*": 0.4},
    "marionette": {"mouthFrown*": 1.0, "mouthLowerDown*": 0.3},
    "lip": {"mouthPucker": 1.0, "mouthFunnel": 0.5, "mouthPress*": 0.3},
    "chin": {"mouthShrugLower": 1.0, "mouthFrown*": 0.5, "mouthPucker": 0.3},
    "neck": {"mouthStretch*": 0.4},
}
_YOUNG_FOLD, _OLD_FOLD = 0.55, 1.25  # depth of a full fold at 20 and at 80
_STEEPEST = 1.2  # slope


def expression(values: Mapping[str, float], name: str, side: str = "") -> float:
    """An ARKit weight of `values`, 0..1; "*" in `name` stands for `side` ("left", "right"), or else for the mean."""
    if "*" not in name:
        return values.get(f"expression.{name}", 0.0)
    sides = (side.capitalize(),) if side else ("Left", "Right")
    return sum(values.get(f"expression.{name[:-1]}{s}", 0.0) for s in sides) / len(sides)


def strengths(values: Mapping[str, float], strokes: Mapping[str, object]) -> dict[str, float]:
    """How deep (1 = as painted) each of the `strokes` is at a person's age and expression."""
    age, scale = values["person.age"], values["skin.wrinkles"]
    years = min(max((age - 20.0) / 60.0, 0.0), 1.0)
    fold = _YOUNG_FOLD + (_OLD_FOLD - _YOUNG_FOLD) * years
    result = {}
    for name in strokes:
        kind, _, side = name.rpartition("_") if name.endswith(("_left", "_right")) else (name, "", "")
        first, last, depth = _AGES[kind]
        engraved = depth * min(max((age - first) / (last - first), 0.0), 1.15) ** 1.4
        moved = min(sum(w * expression(values, n, side) for n, w in _FOLDS[kind].items()), 1.0)
        result[name] = scale * min(engraved + fold * moved * (1.0 - 0.35 * min(engraved, 1.0)), 2.0)
    return result


def relief(values: Mapping[str, float], maps: SkinMaps) -> F32:
    """Heights (FINE,FINE) in mm, around 0."""
    age = values["person.age"]
    crepe = values["skin.wrinkles"] * min(max((age - 30.0) / 50.0, 0.0), 1.2) ** 1.3
    height = maps.relief["pores"] * np.float32(0.4 + 2.4 * values["skin.pores"])
    for name, weight in (
        ("fine", 0.9 + 1.2 * values["skin.pores"]),
        ("uneven", 0.8 + 0.7 * crepe),
        ("crepe", 1.3 * crepe),
    ):
        if weight > 0.01:
            height += maps.relief[name] * np.float32(weight)
    dry = 0.75 + 0.5 * min(max((age - 30.0) / 50.0, 0.0), 1.0)
    pursed = 0.8 * expression(values, "mouthPucker") + 0.3 * expression(values, "mouthPress*")
    stretched = 0.5 * expression(values, "mouthSmile*") + 0.3 * expression(values, "mouthStretch*")
    height += maps.relief["lips"] * np.float32(1.5 * max(dry + pursed - stretched, 0.2))
    for name, strength in strengths(values, maps.strokes).items():
        if strength > 0.01:
            patch = maps.strokes[name]
            height[patch.rows, patch.columns] += patch.values * np.float32(strength)
    return height


def slopes(height: F32, maps: SkinMaps) -> tuple[F32, F32]:
    """Slopes (FINE,FINE) of heights in mm: along u, and square to it towards +v."""
    du = np.empty_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=du[:, 1:-1])
    du[:, 0], du[:, -1] = 0.0, 0.0
    du *= np.float32(0.5)
    dv = np.empty_like(height)
    np.subtract(height[:-2], height[2:], out=dv[1:-1])
    dv[0], dv[-1] = 0.0, 0.0
    dv *= np.float32(0.5)
    dv *= maps.per_mm_v
    dv += du * maps.shear
    du *= maps.per_mm_u
    np.clip(du, -_STEEPEST, _STEEPEST, out=du)
    np.clip(dv, -_STEEPEST, _STEEPEST, out=dv)
    return du, dv


def normal_map(du: F32, dv: F32) -> U8:
    """Slopes (S,S) as a tangent-space normal map (S,S,3)."""
    z = du * du
    z += dv * dv
    z += np.float32(1.0)
    np.sqrt(z, out=z)
    np.divide(np.float32(127.5), z, out=z)
    image = np.empty((*du.shape, 3), np.uint8)
    for channel, slope in enumerate((du, dv)):
        part = slope * z
        np.subtract(np.float32(128.0), part, out=part)
        image[..., channel] = part
    z += np.float32(128.0)
    image[..., 2] = z
    return image
