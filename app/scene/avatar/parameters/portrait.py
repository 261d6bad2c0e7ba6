"""Parameters of the portrait: camera and lens, and a set-up of key, fill and rim light."""

from app.scene.avatar.parameters.parameter import Parameter

PARAMETERS = (
    Parameter("camera.yaw", -180.0, 180.0, 15.0, "degrees around the head, + towards the person's left"),
    Parameter("camera.pitch", -60.0, 60.0, 0.0, "degrees; + looks down from above"),
    Parameter("camera.roll", -45.0, 45.0, 0.0, "degrees; + tilts the camera clockwise"),
    Parameter("camera.focal_length", 18.0, 300.0, 54.0, "mm on 24 mm high film: short lenses come close, noses grow"),
    Parameter("camera.head_share", 0.1, 1.5, 0.9, "share of the picture's height that the head takes"),
    Parameter("light.key_yaw", -180.0, 180.0, -39.0, "degrees around the head; 0 from the front, + from the left"),
    Parameter("light.key_pitch", -60.0, 85.0, 32.0, "degrees; + from above"),
    Parameter("light.key_size", 0.02, 2.5, 0.9, "metres along a side, 1.7 m away: small is hard, big is soft"),
    Parameter("light.key", 0.0, 10.0, 3.6, "irradiance at the face, W/m2"),
    Parameter("light.warmth", -1.0, 1.0, 0.1, "colour of the key light: -1 blue .. 1 orange"),
    Parameter("light.fill", 0.0, 1.0, 0.3, "light from the other side, as a share of the key's"),
    Parameter("light.rim", 0.0, 3.0, 0.8, "light from behind, as a share of the key's"),
    Parameter("light.environment", 0.0, 2.0, 0.1, "intensity of the studio's environment map"),
)
