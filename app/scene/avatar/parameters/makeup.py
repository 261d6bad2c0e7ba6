"""Parameters of the group makeup. Mascara belongs to the lashes."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("makeup.foundation", 0.0, 1.0, 0.0, "evens out the colour and takes the shine: 0 none .. 1 opaque"),
    Parameter("makeup.blush", 0.0, 1.0, 0.0, "rouge from the cheek up to the temple: 0 none .. 1 strong"),
    Parameter("makeup.blush_hue", 0.0, 1.0, 0.4, "0 rose, 0.5 coral .. 1 bronze"),
    Parameter("makeup.lipstick", 0.0, 1.0, 0.0, "0 none, 0.4 a tint .. 1 opaque"),
    Parameter("makeup.lipstick_hue", 0.0, 1.0, 0.45, "0 nude, 0.25 rose, 0.5 red, 0.75 berry .. 1 plum"),
    Parameter("makeup.lipstick_gloss", 0.0, 1.0, 0.4, "0 matt .. 1 wet gloss"),
    Parameter("makeup.shadow", 0.0, 1.0, 0.0, "eye shadow: 0 none .. 1 strong"),
    Parameter("makeup.shadow_hue", 0.0, 1.0, 0.2, "0 taupe, 0.25 brown, 0.5 plum, 0.75 smoky grey .. 1 blue"),
    Parameter("makeup.liner", 0.0, 1.0, 0.0, "line along the lashes: 0 none .. 1 black"),
    Parameter("makeup.liner_wing", 0.0, 1.0, 0.0, "the line drawn out past the eye: 0 not .. 1 to the full"),
)
