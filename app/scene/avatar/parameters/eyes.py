"""Parameters of the groups eyes (their colour and where they look) and mouth (teeth)."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "eyes.melanin", 0.0, 1.0, 0.45, "pigment of the iris: 0 blue, 0.3 green and hazel, 0.6 brown, 1 near black"
    ),
    Parameter("eyes.hue", -1.0, 1.0, 0.0, "iris of the same melanin: -1 grey and cool .. 1 green and amber"),
    Parameter("eyes.pupil", 2.0, 7.0, 3.6, "diameter of the pupil, mm: 2 in sunlight .. 7 in the dark"),
    Parameter(
        "eyes.limbal_ring", 0.0, 1.0, 0.6, "dark ring around the iris: 0 none .. 1 marked; fades with age by itself"
    ),
    Parameter("eyes.redness", 0.0, 1.0, 0.15, "veins and pinkness of the white: 0 rested .. 1 bloodshot"),
    Parameter("eyes.yellowness", 0.0, 1.0, 0.15, "the white of the eye: 0 bluish white .. 1 yellow"),
    Parameter("eyes.wetness", 0.0, 1.0, 0.5, "height of the wet line along the lids: 0 dry .. 1 welling up"),
    Parameter("eyes.yaw", -25.0, 25.0, 0.0, "gaze, degrees: to the person's right (-) .. left (+)"),
    Parameter("eyes.pitch", -20.0, 20.0, 0.0, "gaze, degrees: down (-) .. up (+)"),
    Parameter("mouth.whiteness", 0.0, 1.0, 0.6, "teeth: 0 yellow and stained .. 1 bleached"),
    Parameter("mouth.wear", 0.0, 1.0, 0.3, "teeth: 0 even as dentures .. 1 worn, crowded and uneven"),
)
