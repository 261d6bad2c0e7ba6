"""Parameters of the group expression: the 52 blend shapes that Apple's ARKit tracks, by Apple's names.

Left and right are the person's own. All are 0 (relaxed) to 1 (as far as it goes).
Names: Apple, ARFaceAnchor.BlendShapeLocation.
"""

from app.scene.avatar.parameters.parameter import Parameter

_BOTH_SIDES = {
    "browDown": "outer part of the brow lowered",
    "browOuterUp": "outer part of the brow raised",
    "cheekSquint": "cheek raised towards the eye",
    "eyeBlink": "eye closed",
    "eyeLookDown": "eye looks down",
    "eyeLookIn": "eye looks towards the nose",
    "eyeLookOut": "eye looks away from the nose",
    "eyeLookUp": "eye looks up",
    "eyeSquint": "lids narrowed",
    "eyeWide": "lids opened wide",
    "mouthDimple": "corner of the mouth pulled back into a dimple",
    "mouthFrown": "corner of the mouth pulled down",
    "mouthLowerDown": "half of the lower lip pulled down",
    "mouthPress": "lips pressed together on this side",
    "mouthSmile": "corner of the mouth pulled up and out",
    "mouthStretch": "corner of the mouth pulled outward",
    "mouthUpperUp": "half of the upper lip pulled up",
    "noseSneer": "side of the nose wrinkled up",
}
_WHOLE = {
    "browInnerUp": "inner parts of both brows raised",
    "cheekPuff": "cheeks blown up",
    "jawForward": "lower jaw pushed forward",
    "jawLeft": "lower jaw moved to the left",
    "jawOpen": "mouth opened by the lower jaw",
    "jawRight": "lower jaw moved to the right",
    "mouthClose": "lips held together whatever the jaw does",
    "mouthFunnel": "lips rounded and open, as in 'oh'",
    "mouthLeft": "mouth moved to the left",
    "mouthPucker": "lips gathered as for a kiss",
    "mouthRight": "mouth moved to the right",
    "mouthRollLower": "lower lip rolled over the teeth",
    "mouthRollUpper": "upper lip rolled over the teeth",
    "mouthShrugLower": "lower lip pushed up",
    "mouthShrugUpper": "upper lip pushed up",
    "tongueOut": "tongue stuck out (open the jaw as well)",
}
_MEANINGS = dict(
    sorted(
        [(f"{name}{side}", meaning) for name, meaning in _BOTH_SIDES.items() for side in ("Left", "Right")]
        + list(_WHOLE.items())
    )
)

ARKIT = tuple(_MEANINGS)
"""The 52 names, in alphabetical order."""

PARAMETERS = tuple(
    Parameter(f"expression.{name}", 0.0, 1.0, 0.0, f"0 relaxed .. 1 {meaning}") for name, meaning in _MEANINGS.items()
)
