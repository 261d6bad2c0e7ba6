"""How a person is photographed: the camera and the lights that the groups `camera` and `light` describe."""

import math

import numpy as np

from app.arrays import F64
from app.scene.assets import find_environment
from app.scene.avatar.person import Person
from app.scene.camera import FAR, NEAR, Camera
from app.scene.checks import Vec3, triple
from app.scene.environment import LUMINANCE
from app.scene.lights import AreaLight, EnvironmentRef, LightRig

FILM_HEIGHT = 24.0  # mm
HEAD = np.array([[-0.08, -0.125, -0.10], [0.08, 0.125, 0.10]])  # metres; the same for all, so that big heads look big
KEY_DISTANCE, FILL_DISTANCE, RIM_DISTANCE = 1.7, 1.7, 1.4
FILL_SIZE, RIM_SIZE = 1.2, (0.3, 0.9)
STUDIO = "studio"
RIM_FROM = (145.0, 27.0)  # degrees off the key's side, and above


def portrait_camera(person: Person, aspect: float) -> Camera:
    """Return the camera for a picture of width / height `aspect`."""
    yaw, pitch, roll = (math.radians(person[f"camera.{name}"]) for name in ("yaw", "pitch", "roll"))
    fov = 2.0 * math.atan(FILM_HEIGHT / 2.0 / person["camera.focal_length"])
    share = person["camera.head_share"] * min(1.0, aspect)
    height = float(HEAD[1, 1] - HEAD[0, 1])
    backwards = _direction(yaw, pitch)
    distance = max(height / 2.0 / (share * math.tan(fov / 2.0)), 0.2)  # never inside the head
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    up = np.cross(backwards, right) * math.cos(roll) + right * math.sin(roll)
    return Camera(
        triple(backwards * distance), (0.0, 0.0, 0.0), triple(up), fov, near=distance / NEAR, far=distance * FAR
    )


def portrait_lights(person: Person) -> LightRig:
    """Return key, fill and rim light before the studio's environment map."""
    light = person.group("light")
    yaw, pitch = math.radians(light["key_yaw"]), math.radians(light["key_pitch"])
    warmth = light["warmth"]
    color = np.array([1.0 + 0.35 * warmth, 1.0, 1.0 - 0.6 * warmth if warmth > 0.0 else 1.0 - 0.35 * warmth])
    color /= color @ LUMINANCE
    key = _softbox(_direction(yaw, pitch), KEY_DISTANCE, (light["key_size"],) * 2, light["key"], triple(color))
    lights = [key]
    if light["fill"] > 0.0:
        toward = _direction(-yaw, 0.1)
        lights.append(_softbox(toward, FILL_DISTANCE, (FILL_SIZE,) * 2, light["key"] * light["fill"]))
    if light["rim"] > 0.0:
        side, above = math.radians(RIM_FROM[0]), math.radians(RIM_FROM[1])
        toward = _direction(-side if yaw > 0.0 else side, above)
        lights.append(_softbox(toward, RIM_DISTANCE, RIM_SIZE, light["key"] * light["rim"]))
    studio = EnvironmentRef(find_environment(STUDIO), intensity=light["environment"])
    return LightRig(tuple(lights), studio if light["environment"] > 0.0 else None)


def _softbox(
    toward: F64, distance: float, size: tuple[float, float], irradiance: float, color: Vec3 = (1.0, 1.0, 1.0)
) -> AreaLight:
    """A rectangle that gives the head roughly this irradiance (exactly, if it is small)."""
    radiance = irradiance * distance**2 / (size[0] * size[1])
    return AreaLight.facing(triple(toward * distance), (0.0, 0.0, 0.0), *size, color, radiance)


def _direction(yaw: float, pitch: float) -> F64:
    """Unit vector from the head; yaw 0, pitch 0 is straight ahead (+z)."""
    return np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
