"""Parameters of the group shape: dials of the face, each between two opposite targets of the measured heads.

A dial below 0 adds its `low` targets, above 0 its `high` ones, never both. Their weights are chosen so that a dial at
either end looks like a person one has seen, not like a cartoon; most people lie within half of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.scene.avatar.parameters.parameter import Parameter


@dataclass(frozen=True)
class Dial:
    """How a parameter of this group moves the mesh.

    Attributes:
        word: the parameter's name after the dot.
        meaning: what both ends look like.
        low, high: weights of the targets at -1 and at 1. "*" in a target's name stands for "l" and "r", both of them.
    """

    word: str
    meaning: str
    low: Mapping[str, float]
    high: Mapping[str, float]


def _dial(word: str, low: str, high: str, stem: str, down: float, up: float, ends: str = "decr incr") -> Dial:
    """A dial between a pair of targets that differ in their last word."""
    first, last = ends.split()
    return Dial(word, f"-1 {low} .. 1 {high}", {f"{stem}-{first}": down}, {f"{stem}-{last}": up})


DIALS = (
    # The head as a whole
    _dial("head_width", "narrow head", "broad head", "head-scale-horiz", 0.45, 0.45),
    _dial("head_height", "low head", "high head", "head-scale-vert", 0.4, 0.4),
    _dial("head_depth", "flat face and short head", "deep head", "head-scale-depth", 0.7, 0.6),
    _dial("head_back", "flat back of the head", "back of the head stands out", "head-back-scale-depth", 0.4, 0.35),
    Dial(
        "face_taper",
        "-1 jaw wider than the temples .. 1 temples wider than the jaw",
        {"head-triangular": 0.6},
        {"head-invertedtriangular": 0.7},
    ),
    Dial(
        "face_roundness",
        "-1 long, rectangular face .. 1 round face",
        {"head-rectangular": 0.5, "head-round": -0.15},
        {"head-round": 0.7},
    ),
    Dial("face_angularity", "-1 oval, soft outline .. 1 square jaw", {"head-oval": 0.45}, {"head-square": 0.8}),
    Dial(
        "fullness",
        "-1 lean face, hollow cheeks .. 1 full face, double chin, thick neck",
        {"head-fat-decr": 0.8, "*-cheek-volume-decr": 0.35, "neck-scale-horiz-decr": 0.3},
        {
            "head-fat-incr": 0.7,
            "*-cheek-volume-incr": 0.3,
            "neck-double-incr": 0.5,
            "neck-scale-horiz-incr": 0.4,
            "neck-scale-depth-incr": 0.25,
        },
    ),
    # Forehead and temples
    _dial("forehead_height", "low forehead", "high forehead", "forehead-scale-vert", 0.35, 0.25),
    _dial("forehead_slope", "receding", "upright, prominent", "forehead-trans", 0.55, 0.55, "backward forward"),
    _dial("forehead_bulge", "flat forehead", "domed forehead", "forehead-nubian", 0.16, 0.12),
    _dial("temples", "hollow temples", "full temples", "forehead-temple", 0.7, 0.7),
    # Brows
    _dial("brow_height", "low brows", "high brows", "eyebrows-trans", 0.5, 0.6, "down up"),
    _dial("brow_ridge", "flat brow ridge", "heavy brow ridge", "eyebrows-trans", 0.9, 0.35, "backward forward"),
    _dial("brow_angle", "inner ends high", "outer ends high", "eyebrows-angle", 0.5, 0.5, "up down"),
    # Eyes
    _dial("eye_size", "small eyes", "big eyes", "*-eye-scale", 0.7, 0.8),
    _dial("eye_opening", "narrow lids", "wide open lids", "*-eye-height2", 0.8, 0.8),
    _dial("eye_opening_inner", "low towards the nose", "high towards the nose", "*-eye-height1", 0.7, 0.6),
    _dial("eye_opening_outer", "low at the outer end", "high at the outer end", "*-eye-height3", 0.7, 0.6),
    _dial("eye_spacing", "close together", "far apart", "*-eye-trans", 0.8, 0.65, "in out"),
    _dial("eye_position", "eyes low", "eyes high", "*-eye-trans", 0.9, 0.5, "down up"),
    Dial(
        "eye_slant",
        "-1 outer corners down .. 1 outer corners up",
        {"*-eye-corner1-down": 0.8, "*-eye-corner2-up": 0.4},
        {"*-eye-corner1-up": 0.9, "*-eye-corner2-down": 0.4},
    ),
    Dial(
        "eye_width",
        "-1 short openings .. 1 long openings",
        {"*-eye-push1-in": 0.5, "*-eye-push2-in": 0.4},
        {"*-eye-push1-out": 0.5, "*-eye-push2-out": 0.4},
    ),
    _dial(
        "eye_fold",
        "inner corner free",
        "fold over the inner corner (epicanthus)",
        "*-eye-epicanthus",
        0.5,
        0.8,
        "out in",
    ),
    _dial("lid_fold", "deep crease above the lid", "full upper lid", "*-eye-eyefold", 0.6, 0.9, "concave convex"),
    _dial("lid_fold_height", "fold hangs low", "fold lies high", "*-eye-eyefold", 0.7, 0.8, "down up"),
    _dial("eye_bags", "smooth under the eyes", "bags under the eyes", "*-eye-bag", 0.8, 0.8),
    # Nose
    _dial("nose_length", "short nose", "long nose", "nose-scale-vert", 0.6, 0.75),
    _dial("nose_width", "narrow nose", "broad nose", "nose-scale-horiz", 0.6, 0.9),
    _dial("nose_projection", "flat nose", "nose stands out", "nose-scale-depth", 0.5, 0.6),
    _dial("nose_position", "nose sits low", "nose sits high", "nose-trans", 0.7, 0.7, "down up"),
    _dial("nose_bridge_width", "narrow between the eyes", "broad between the eyes", "nose-width1", 0.8, 0.8),
    _dial("nose_ridge_width", "sharp ridge", "broad ridge", "nose-width2", 0.8, 0.8),
    _dial("nose_bridge", "low bridge", "high, straight bridge", "nose-greek", 0.8, 0.8),
    _dial("nose_hump", "scooped", "humped", "nose-hump", 0.7, 0.8),
    _dial("nose_curve", "concave in profile", "convex in profile", "nose-curve", 0.6, 0.5, "concave convex"),
    _dial("nose_tip", "tip hangs", "tip turned up", "nose-point", 0.35, 0.75, "down up"),
    _dial("nose_tip_width", "pointed tip", "broad tip", "nose-point-width", 0.8, 0.9),
    _dial("nose_base", "underside slopes down", "underside slopes up", "nose-base", 0.6, 0.7, "down up"),
    _dial("nostril_width", "thin wings", "thick wings", "nose-nostrils-width", 0.8, 0.7),
    _dial("nostril_angle", "wings low", "wings high", "nose-nostrils-angle", 0.6, 0.6, "down up"),
    _dial("nose_flare", "closed nostrils", "flared nostrils", "nose-flaring", 0.7, 0.7),
    # Mouth
    _dial("mouth_width", "narrow mouth", "wide mouth", "mouth-scale-horiz", 0.65, 0.65),
    _dial("mouth_position", "mouth low", "mouth high", "mouth-trans", 0.5, 0.6, "down up"),
    _dial("mouth_projection", "mouth lies back", "mouth stands out", "mouth-trans", 0.6, 0.45, "backward forward"),
    _dial("mouth_corners", "corners down", "corners up", "mouth-angles", 0.7, 0.5, "down up"),
    _dial("upper_lip_height", "low upper lip", "high upper lip", "mouth-upperlip-height", 0.6, 0.8),
    _dial("lower_lip_height", "low lower lip", "high lower lip", "mouth-lowerlip-height", 0.6, 0.5),
    _dial("upper_lip_volume", "thin upper lip", "full upper lip", "mouth-upperlip-volume", 0.9, 0.9),
    _dial("lower_lip_volume", "thin lower lip", "full lower lip", "mouth-lowerlip-volume", 0.9, 0.7),
    _dial("cupids_bow", "straight upper lip", "marked Cupid's bow", "mouth-cupidsbow", 0.9, 0.8),
    _dial("cupids_bow_width", "peaks close together", "peaks far apart", "mouth-cupidsbow-width", 0.8, 0.8),
    _dial("philtrum", "flat groove under the nose", "deep groove under the nose", "mouth-philtrum-volume", 0.8, 0.8),
    _dial(
        "laugh_lines", "full beside the mouth", "deep lines from nose to mouth", "mouth-laugh-lines", 0.3, 0.9, "out in"
    ),
    # Chin and jaw
    _dial("jaw_width", "narrow angle of the jaw", "strong angle of the jaw", "chin-bones", 0.7, 0.5),
    _dial("jaw_drop", "jaw line rises", "jaw line sags beside the chin", "chin-jaw-drop", 0.8, 0.7),
    _dial("jaw_projection", "lower jaw lies back", "lower jaw stands out", "chin-prognathism", 0.5, 0.5),
    _dial("chin_width", "pointed chin", "broad chin", "chin-width", 0.8, 0.5),
    _dial("chin_height", "short chin", "long chin", "chin-height", 0.5, 0.35),
    _dial("chin_prominence", "receding chin", "prominent chin", "chin-prominent", 0.5, 0.45),
    _dial("chin_cleft", "smooth chin", "cleft chin", "chin-cleft", 0.5, 0.9),
    # Cheeks
    _dial("cheekbones", "flat cheekbones", "prominent cheekbones", "*-cheek-bones", 0.9, 0.7),
    _dial("cheek_volume", "hollow cheeks", "round cheeks", "*-cheek-volume", 0.6, 0.5),
    _dial("cheek_inner", "flat beside the nose", "full beside the nose", "*-cheek-inner", 0.7, 0.5),
    _dial("cheek_height", "cheeks sit low", "cheeks sit high", "*-cheek-trans", 0.5, 0.5, "down up"),
    # Ears
    _dial("ear_size", "small ears", "big ears", "*-ear-scale", 0.6, 0.6),
    _dial("ear_length", "short ears", "long ears", "*-ear-scale-vert", 0.6, 0.6),
    _dial("ear_depth", "narrow ears", "broad ears", "*-ear-scale-depth", 0.6, 0.6),
    _dial("ear_angle", "close to the head", "sticking out", "*-ear-wing", 0.7, 0.7),
    _dial("ear_tilt", "leaning forward", "leaning back", "*-ear-rot", 0.6, 0.6, "forward backward"),
    _dial("ear_position", "ears sit low", "ears sit high", "*-ear-trans", 0.3, 0.3, "down up"),
    _dial("ear_lobe", "lobes grown on", "long lobes", "*-ear-lobe", 0.8, 0.7),
    # Neck
    _dial("neck_width", "slender neck", "broad neck", "neck-scale-horiz", 0.8, 0.8),
    _dial("neck_depth", "slender in profile", "thick in profile", "neck-scale-depth", 0.5, 0.5),
    _dial("double_chin", "taut throat", "double chin", "neck-double", 0.5, 0.8),
)

ASYMMETRY = "shape.asymmetry"

PARAMETERS = (
    *(Parameter(f"shape.{dial.word}", -1.0, 1.0, 0.0, dial.meaning) for dial in DIALS),
    Parameter(
        ASYMMETRY, 0.0, 1.0, 0.3, "how much the two halves differ, 0 not at all .. 1 clearly; the seed says where"
    ),
)
