"""What mouse and keys do to a running renderer. Knows no window, so it can be tested without one."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from app.modes import PICTURE_MODES
from app.scene.camera import Camera
from app.scene.checks import triple
from app.scene.default import brighter
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.scene.model import Scene
from app.scene.portrait import kept_outside, refitted, same_view, zoomed

LIGHT_STEP = math.radians(7.5)  # a press of an arrow key
LIGHT_MAX_PITCH = math.radians(85.0)  # straight above the head there is no left or right
LIGHT_GAIN = 2.0**0.25  # a press of + or -: a quarter of a stop
ENVIRONMENT_STEP = math.radians(15.0)
SPLIT_STEP = 0.02
EXPOSURE_STEP = 0.25  # EV
ZOOM_STEP = 1.1  # a click of the wheel
ORBIT_PER_HEIGHT = math.pi  # dragging across the height of the window is half a turn

TILE_MODES = ("tiles", "hash")


class Drawn(Protocol):
    """The part of app.renderer.Renderer that the controls change, by assigning to it."""

    scene: Scene
    mode: str
    split: float
    antialias_motion: bool


class Key(NamedTuple):
    """A key by its name ("F1", "LEFT", "A"), what it does, and the function that does it."""

    names: tuple[str, ...]
    does: str
    act: Callable[[str], None]


class Controls:
    """Turns mouse moves and keys into changes of camera, lights and mode.

    Args:
        drawn: the renderer.
        modes: all its modes.
    """

    def __init__(self, drawn: Drawn, modes: tuple[str, ...]) -> None:
        self._drawn = drawn
        self._views = tuple(mode for mode in modes if mode not in PICTURE_MODES + TILE_MODES)
        self._tile_modes = tuple(mode for mode in TILE_MODES if mode in modes)
        self._home = drawn.scene.camera
        self.keys: tuple[Key, ...] = (
            Key(("1", "N"), "neural", lambda _: self._show("neural")),
            Key(("2", "R"), "reference (path traced)", lambda _: self._show("reference")),
            Key(("3", "S"), "neural and reference side by side", lambda _: self._show("split")),
            Key(("4", "D"), "their difference", lambda _: self._show("difference")),
            Key(("G",), "views of the G-buffer, one after the other", lambda _: self._cycle(self._views)),
            Key(("T",), "tiles, then their hashes", lambda _: self._cycle(self._tile_modes)),
            Key(("[", "]"), "move the split", self._move_split),
            Key(("LEFT", "RIGHT", "UP", "DOWN"), "move the key light around the head", self._turn_light),
            Key(("+", "-"), "key light brighter, darker", self._dim_light),
            Key((".", ","), "the whole picture brighter, darker", self._expose),
            Key(("E",), "turn the environment", lambda _: self._turn_environment()),
            Key(("A",), "antialiasing of what moves, on and off", lambda _: self._toggle_antialiasing()),
            Key(("HOME",), "back to the first view", lambda _: self._move(self._home)),
        )
        self._by_name = {name: key for key in self.keys for name in key.names}

    @property
    def at_home(self) -> bool:
        """Whether the first view is shown."""
        return same_view(self._drawn.scene.camera, self._home)

    def press(self, name: str) -> bool:
        """Do what the key called `name` does; False if it does nothing."""
        key = self._by_name.get(name)
        if key:
            key.act(name)
        return key is not None

    def orbit(self, dx: float, dy: float) -> None:
        """Turn the head under the mouse; dx to the right and dy down, in heights of the window."""
        self._move_outside(self._drawn.scene.camera.orbit(-dx * ORBIT_PER_HEIGHT, dy * ORBIT_PER_HEIGHT))

    def pan(self, dx: float, dy: float) -> None:
        """Shift the picture with the mouse; dx to the right and dy down, in heights of the window."""
        self._move_outside(self._drawn.scene.camera.pan(-dx, dy))

    def zoom(self, clicks: float) -> None:
        """Come closer by the wheel's clicks; negative ones go away."""
        scene = self._drawn.scene
        self._move(zoomed(scene.camera, scene, ZOOM_STEP**clicks, self._home.fov_y))

    def fit(self, aspect: float) -> None:
        """Have the first view suit pictures of another width / height; who looks at it goes on to do so."""
        scene = self._drawn.scene
        looks = self.at_home
        self._home = refitted(self._home, scene, aspect) if scene.parts else self._home
        if looks:
            self._move(self._home)

    def _move_outside(self, camera: Camera) -> None:
        """Move the camera, though not into the head: what it turns around may be anywhere after a pan."""
        scene = self._drawn.scene
        self._move(kept_outside(camera, scene.camera, scene) if scene.parts else camera)

    def _move(self, camera: Camera) -> None:
        if camera != self._drawn.scene.camera:
            self._drawn.scene = self._drawn.scene.with_camera(camera)

    def _show(self, mode: str) -> None:
        if mode != self._drawn.mode:
            self._drawn.mode = mode

    def _cycle(self, modes: tuple[str, ...]) -> None:
        if modes:
            current = self._drawn.mode
            self._show(modes[(modes.index(current) + 1) % len(modes) if current in modes else 0])

    def _move_split(self, key: str) -> None:
        step = -SPLIT_STEP if key == "[" else SPLIT_STEP
        self._drawn.split = min(max(self._drawn.split + step, 0.0), 1.0)

    def _toggle_antialiasing(self) -> None:
        self._drawn.antialias_motion = not self._drawn.antialias_motion

    def _turn_light(self, key: str) -> None:
        yaw = {"LEFT": -LIGHT_STEP, "RIGHT": LIGHT_STEP}.get(key, 0.0)
        pitch = {"DOWN": -LIGHT_STEP, "UP": LIGHT_STEP}.get(key, 0.0)
        middle = self._drawn.scene.face_bounds().mean(axis=0)
        self._change_key_light(lambda light: turned(light, yaw, pitch, middle))

    def _dim_light(self, key: str) -> None:
        self._change_key_light(lambda light: dimmed(light, LIGHT_GAIN if key == "+" else 1.0 / LIGHT_GAIN))

    def _change_key_light(self, change: Callable[[Light], Light]) -> None:
        """The key light is the set-up's first."""
        rig = self._drawn.scene.rig
        if rig.lights:
            rig = replace(rig, lights=(change(rig.lights[0]), *rig.lights[1:]))
            self._drawn.scene = replace(self._drawn.scene, rig=rig)

    def _expose(self, key: str) -> None:
        scene = self._drawn.scene
        rig = brighter(scene.rig, EXPOSURE_STEP if key == "." else -EXPOSURE_STEP)
        if rig != scene.rig:
            self._drawn.scene = replace(scene, rig=rig)

    def _turn_environment(self) -> None:
        environment = self._drawn.scene.environment
        if environment:
            rotation = (environment.rotation + ENVIRONMENT_STEP) % (2.0 * math.pi)
            self._drawn.scene = replace(self._drawn.scene, environment=replace(environment, rotation=rotation))


def dimmed(light: Light, factor: float) -> Light:
    """Return the light `factor` times as bright."""
    if isinstance(light, DirectionalLight):
        return replace(light, irradiance=light.irradiance * factor)
    if isinstance(light, PointLight):
        return replace(light, intensity=light.intensity * factor)
    return replace(light, radiance=light.radiance * factor)


def turned(light: Light, yaw: float, pitch: float, center: np.ndarray) -> Light:
    """Return the light moved on a sphere around `center`: +yaw to its right from the front, +pitch up.

    A light from infinity turns its direction; an area light turns itself too, so that it keeps facing the
    centre. The pitch stops at +-LIGHT_MAX_PITCH. Angles in radians, `center` (3,) in metres.
    """
    if isinstance(light, DirectionalLight):
        outward = -np.array(light.direction)
    else:
        outward = np.array(light.center if isinstance(light, AreaLight) else light.position) - center
    rotation = _rotation(outward, yaw, pitch)
    outward = rotation @ outward
    if isinstance(light, DirectionalLight):
        return replace(light, direction=triple(-outward))
    if isinstance(light, PointLight):
        return replace(light, position=triple(center + outward))
    u, v = rotation @ light.edge_u, rotation @ light.edge_v
    return replace(light, center=triple(center + outward), edge_u=triple(u), edge_v=triple(v))


def _rotation(outward: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """(3,3): about the level axis to change the height of `outward`, then about +y."""
    length = float(np.linalg.norm(outward))
    if length < 1e-9:
        return np.eye(3)
    heading = math.atan2(outward[0], outward[2])
    old = math.asin(max(-1.0, min(1.0, outward[1] / length)))
    new = min(max(old + pitch, -LIGHT_MAX_PITCH), LIGHT_MAX_PITCH) if pitch else old
    turn: np.ndarray = _about_y(heading + yaw) @ _about_x(old - new) @ _about_y(-heading)
    return turn


def _about_x(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
