"""Lights, and the TOML files that describe a light set-up (format: assets/lights/README.md).

Radiometric units as in PBRT: irradiance W/m2, intensity W/sr, radiance W/(m2 sr), all multiplied by a linear
Rec.709 colour. With exposure 0, radiance 1 shows as 240 of 255, and brighter ones come ever nearer to white.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec
import numpy as np

from app.errors import InputError
from app.scene.assets import ASSETS, find_environment
from app.scene.checks import BRIGHTEST, Vec3, color3, number, triple, unit3, vec3

SUN_ANGULAR_RADIUS = math.radians(0.27)
WHITE: Vec3 = (1.0, 1.0, 1.0)
FURTHEST = 1e6
"""Metres from the origin to lights, and half their size, at most: for shaders, what is further is infinitely far."""
LEAST_EXPOSURE, MOST_EXPOSURE = -16.0, 12.0
"""EV. What networks draw is kept in half floats: at the least, their greatest number is nearly white still; above
the most, their steps near black would show."""


@dataclass(frozen=True)
class DirectionalLight:
    """Light from infinitely far away.

    Args:
        direction: the way the light travels, towards the scene (normalised here).
        color: linear, >= 0.
        irradiance: W/m2 on a surface facing the light, >= 0; does not depend on the angular radius.
        angular_radius: of the disc it shines from, radians, 0..pi/2; 0 gives hard shadows.
    """

    direction: Vec3 = (0.0, 0.0, -1.0)
    color: Vec3 = WHITE
    irradiance: float = 1.0
    angular_radius: float = SUN_ANGULAR_RADIUS

    def __post_init__(self) -> None:
        """Check the ranges; InputError names what is wrong."""
        object.__setattr__(self, "direction", unit3(self.direction, "directional light: direction"))
        object.__setattr__(self, "color", color3(self.color, "directional light: color", BRIGHTEST))
        object.__setattr__(self, "irradiance", number(self.irradiance, "directional light: irradiance", 0.0, BRIGHTEST))
        angle = number(self.angular_radius, "directional light: angular_radius", 0.0, math.pi / 2)
        object.__setattr__(self, "angular_radius", angle)


@dataclass(frozen=True)
class PointLight:
    """A small ball of light.

    Args:
        position: centre, metres.
        color: linear, >= 0.
        intensity: W/sr in every direction, >= 0; the irradiance at distance d is about intensity / d^2.
        radius: metres, >= 0; 0 gives hard shadows.
    """

    position: Vec3 = (0.0, 0.0, 1.0)
    color: Vec3 = WHITE
    intensity: float = 1.0
    radius: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges; InputError names what is wrong."""
        object.__setattr__(self, "position", vec3(self.position, "point light: position", FURTHEST))
        object.__setattr__(self, "color", color3(self.color, "point light: color", BRIGHTEST))
        object.__setattr__(self, "intensity", number(self.intensity, "point light: intensity", 0.0, BRIGHTEST))
        object.__setattr__(self, "radius", number(self.radius, "point light: radius", 0.0, FURTHEST))


@dataclass(frozen=True)
class AreaLight:
    """A parallelogram that emits from one side, the one that cross(edge_u, edge_v) points to.

    Args:
        center: metres.
        edge_u, edge_v: from the centre to the middle of an edge (half the sides), metres; not parallel.
        color: linear, >= 0.
        radiance: W/(m2 sr) in every direction of the emitting side, >= 0.
    """

    center: Vec3 = (0.0, 0.0, 1.0)
    edge_u: Vec3 = (-0.5, 0.0, 0.0)
    edge_v: Vec3 = (0.0, 0.5, 0.0)
    color: Vec3 = WHITE
    radiance: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges; InputError names what is wrong."""
        for name in ("center", "edge_u", "edge_v"):
            object.__setattr__(self, name, vec3(getattr(self, name), f"area light: {name}", FURTHEST))
        object.__setattr__(self, "color", color3(self.color, "area light: color", BRIGHTEST))
        object.__setattr__(self, "radiance", number(self.radiance, "area light: radiance", 0.0, BRIGHTEST))
        if self.area < 1e-9 * math.hypot(*self.edge_u) * math.hypot(*self.edge_v) or self.area == 0.0:
            raise InputError("area light: edge_u and edge_v must span an area.")

    @property
    def area(self) -> float:
        """Square metres."""
        return 4.0 * math.hypot(*_cross(self.edge_u, self.edge_v))

    @property
    def normal(self) -> Vec3:
        """The unit direction it emits along."""
        n = _cross(self.edge_u, self.edge_v)
        length = math.hypot(*n)  # of tiny lamps less than a direction may be
        return unit3([x / length for x in n], "area light: normal")

    @classmethod
    def facing(
        cls,
        center: Vec3,
        target: Vec3,
        width: float,
        height: float,
        color: Vec3 = WHITE,
        radiance: float = 1.0,
        roll: float = 0.0,
    ) -> "AreaLight":
        """Return a width x height rectangle (metres) at `center` that shines on `target`, `roll` radians from level."""
        width = number(width, "area light: width", 1e-6, 2.0 * FURTHEST)
        height = number(height, "area light: height", 1e-6, 2.0 * FURTHEST)
        toward = np.subtract(vec3(target, "area light: target"), vec3(center, "area light: center"))
        if np.linalg.norm(toward) < 1e-9:
            raise InputError("area light: center and target must differ.")
        toward = toward / np.linalg.norm(toward)
        # Straight above or below the target any side is level: take x.
        side = np.cross((0.0, 1.0, 0.0), toward)
        side = np.array([1.0, 0.0, 0.0]) if np.linalg.norm(side) < 1e-6 else side / np.linalg.norm(side)
        above = np.cross(toward, side)
        cos, sin = math.cos(roll), math.sin(roll)
        u, v = (cos * side + sin * above) * (width / 2.0), (cos * above - sin * side) * (height / 2.0)
        return cls(center, tuple(u.tolist()), tuple(v.tolist()), color, radiance)


def _cross(a: Vec3, b: Vec3) -> Vec3:
    """numpy's takes 70 times as long for one vector, and lights move in every frame."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


Light: TypeAlias = DirectionalLight | PointLight | AreaLight

_BRIGHTNESS: dict[type[Light], str] = {
    DirectionalLight: "irradiance",
    PointLight: "intensity",
    AreaLight: "radiance",
}


def brightness(light: Light) -> tuple[Vec3, float]:
    """Colour and irradiance, intensity or radiance."""
    return light.color, getattr(light, _BRIGHTNESS[type(light)])


def same_shadows(one: Light, other: Light) -> bool:
    """Whether two lights differ in nothing but brightness."""
    if type(one) is not type(other):
        return False
    equally_bright: dict[str, Any] = {"color": other.color, _BRIGHTNESS[type(one)]: brightness(other)[1]}
    return replace(one, **equally_bright) == other


def moved_lights(old: Sequence[Light], new: Sequence[Light]) -> list[int] | None:
    """Indices of as many lights that may have other shadows; None if all have another brightness.

    All that become brighter count as that, so that the picture becomes brighter by exactly as much.
    """
    lights = list(zip(old, new, strict=True))
    if all(brightness(a) != brightness(b) for a, b in lights):
        return None
    return [index for index, (a, b) in enumerate(lights) if not same_shadows(a, b)]


@dataclass(frozen=True)
class EnvironmentRef:
    """The environment map a light set-up wants: file, turn about +y in radians, and a factor >= 0."""

    path: Path
    rotation: float = 0.0
    intensity: float = 1.0


@dataclass(frozen=True)
class LightRig:
    """A light set-up.

    Args:
        lights: any number of lights.
        environment: the environment map it wants, or None for black surroundings.
        exposure: EV; the picture is multiplied by 2**exposure before tone mapping. -16..12.
        file: where it was read from, if from a file of its own; rigs from different files may be equal.
    """

    lights: tuple[Light, ...] = ()
    environment: EnvironmentRef | None = None
    exposure: float = 0.0
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Turn a list of lights into a tuple."""
        object.__setattr__(self, "lights", tuple(self.lights))
        object.__setattr__(self, "exposure", number(self.exposure, "exposure", LEAST_EXPOSURE, MOST_EXPOSURE))


# The TOML schema. Angles are in degrees there, as the keys say: people write these files by hand.

_Positive = Annotated[float, msgspec.Meta(gt=0)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0)]
_Vector = tuple[float, float, float]
_Color = tuple[_NotNegative, _NotNegative, _NotNegative]


class _Directional(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="directional"):
    direction: _Vector
    irradiance: _NotNegative
    color: _Color = WHITE
    angular_radius_degrees: Annotated[float, msgspec.Meta(ge=0, le=90)] = math.degrees(SUN_ANGULAR_RADIUS)

    def build(self) -> Light:
        return DirectionalLight(self.direction, self.color, self.irradiance, math.radians(self.angular_radius_degrees))


class _Point(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="point"):
    position: _Vector
    intensity: _NotNegative
    color: _Color = WHITE
    radius: _NotNegative = 0.0

    def build(self) -> Light:
        return PointLight(self.position, self.color, self.intensity, self.radius)


class _Area(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, tag_field="type", tag="area"):
    center: _Vector
    width: _Positive
    height: _Positive
    radiance: _NotNegative
    target: _Vector = (0.0, 0.0, 0.0)
    color: _Color = WHITE
    roll_degrees: float = 0.0

    def build(self) -> Light:
        roll = math.radians(self.roll_degrees)
        return AreaLight.facing(self.center, self.target, self.width, self.height, self.color, self.radiance, roll)


class _Environment(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    rotation_degrees: float = 0.0
    intensity: _NotNegative = 1.0


class _Rig(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    exposure: Annotated[float, msgspec.Meta(ge=LEAST_EXPOSURE, le=MOST_EXPOSURE)] = 0.0
    environment: _Environment | None = None
    light: list[_Directional | _Point | _Area] = []


def load_lights(path: str | Path) -> LightRig:
    """Read a light set-up from a TOML file.

    Returns the rig. Its environment path, relative to the file or in assets/environments, is resolved.

    Raises:
        InputError: the file cannot be read or is not a valid set-up; the message names the file and the key.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")  # some editors begin with a byte-order mark
    except OSError as error:
        raise InputError(f"{path}: cannot read the light set-up ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not a text file.") from None
    try:
        rig = msgspec.toml.decode(text, type=_Rig)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {_explain(str(error))}.") from None
    except (msgspec.DecodeError, ValueError) as error:  # of numbers with thousands of digits
        raise InputError(f"{path}: is not valid TOML: {error}.") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply.") from None
    _check_finite(msgspec.to_builtins(rig), path, "")
    lights = []
    for i, light in enumerate(rig.light):
        try:
            lights.append(light.build())
        except InputError as error:
            raise InputError(f"{path}: light[{i}]: {error.message}") from None
    environment = None
    if rig.environment is not None:
        e = rig.environment
        try:
            file = find_environment(e.path, path.parent)
        except InputError as error:
            raise InputError(f"{path}: environment.path: {error.message}", error.hint) from None
        environment = EnvironmentRef(file, math.radians(e.rotation_degrees), e.intensity)
    return LightRig(tuple(lights), environment, rig.exposure, path)


def as_toml(rig: LightRig) -> bytes:
    """Return the light set-up as the text of a file for `load_lights`, in any folder.

    Parallelograms without right angles become rectangles, as set-ups know no others.
    """
    ref = rig.environment
    environment = None
    if ref is not None:
        supplied = ref.path.parent.resolve() == (ASSETS / "environments").resolve()
        place = ref.path.name if supplied else str(ref.path.absolute())
        environment = _Environment(place, math.degrees(ref.rotation), ref.intensity)
    text: bytes = msgspec.toml.encode(_Rig(rig.exposure, environment, [_described(light) for light in rig.lights]))
    return text


def _described(light: Light) -> _Directional | _Point | _Area:
    if isinstance(light, DirectionalLight):
        return _Directional(light.direction, light.irradiance, light.color, math.degrees(light.angular_radius))
    if isinstance(light, PointLight):
        return _Point(light.position, light.intensity, light.color, light.radius)
    target = triple(np.add(light.center, light.normal))
    width, height = 2.0 * math.hypot(*light.edge_u), 2.0 * math.hypot(*light.edge_v)
    level = AreaLight.facing(light.center, target, width, height)
    sine, cosine = np.dot(light.edge_u, level.edge_v) / height, np.dot(light.edge_u, level.edge_u) / width
    roll = round(math.degrees(math.atan2(sine, cosine)), 9)
    return _Area(light.center, width, height, light.radiance, target, light.color, roll)


def _explain(message: str) -> str:
    """Turn msgspec's "Expected `float` >= 0.0 - at `$.light[1].x`" into "light[1].x must be >= 0"."""
    what, _, where = message.partition(" - at `$.")
    where = where.rstrip("`")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        return f"{_join(where, match[1])} is not a known key"
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{_join(where, match[1])} is missing"
    if match := re.fullmatch(r"Expected `float` ([<>]=?) (.*)", what):
        return f"{where} must be {match[1]} {float(match[2]):g}"
    if match := re.fullmatch(r"Expected `array` of length 3, got (\d+)", what):
        return f"{where} must be three numbers, not {match[1]}"
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        names = {
            "float": "a number",
            "str": "text",
            "array": "a list",
            "object": "a table",
            "object | null": "a table",
        }
        got = {"int": "a number", "float": "a number", "str": "text", "bool": "true/false"} | names
        wanted = "a list of tables ([[light]])" if where == "light" else names.get(match[1], match[1])
        return f"{where or 'the file'} must be {wanted}, not {got.get(match[2], match[2])}"
    if match := re.fullmatch(r"Invalid value (.*)", what):
        return f"{where} must be directional, point or area, not {match[1]}"
    return f"{where}: {what}" if where else what


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _check_finite(value: Any, path: Path, where: str) -> None:
    """Refuse nan and inf, which TOML can write, naming the key."""
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(item, path, _join(where, key))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            _check_finite(item, path, f"{where}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{path}: {where} must be a finite number, not {value}.")
