"""The scene that is drawn when nothing else is asked for, and the user's changes to it."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.scene.assets import DEFAULT_HEAD, DEFAULT_LIGHTS, find_environment, find_lights
from app.scene.environment import Environment
from app.scene.gltf import load_glb_lights
from app.scene.lights import (
    LEAST_EXPOSURE,
    MOST_EXPOSURE,
    EnvironmentRef,
    Light,
    LightRig,
    PointLight,
    load_lights,
)
from app.scene.meshes import load_mesh
from app.scene.model import Part, Scene
from app.scene.portrait import portrait

_SLENDER = 0.22  # of its length: how thick a face part is at most that has the whole body with it
# Metres along the longest edge: what is surely another unit, and what is likely, of a head (with or without shoulders)
# and of a whole body. At most one unit makes a size likely.
_POSSIBLE = {"head": (0.05, 0.9), "body": (0.05, 2.3)}
_LIKELY = {"head": (0.12, 0.6), "body": (0.6, 2.3)}
_UNITS = {"decimetres": 0.1, "centimetres": 0.01, "millimetres": 0.001}


def default_scene(
    mesh: str | Path | None = None,
    lights: str | Path | None = None,
    environment: str | Path | None = None,
    face: Sequence[str] = (),
    aspect: float = 1.0,
    exposure: float = 0.0,
    lit_as: Scene | None = None,
) -> Scene:
    """Load a scene and point a portrait camera at its face.

    Args:
        mesh: a mesh file; by default the head in assets/head. Punctual lights in a glTF file are used, unless
            `lights` is given. Where its face is too big for metres, its lengths are read in the unit that makes it a
            head, with a warning.
        lights: a light set-up: a TOML file or the name of one in assets/lights; by default studio.
        environment: an environment map: a file or the name of one in assets/environments. It replaces the
            light set-up's, whose turn and intensity are kept if it has one.
        face: names of the parts or materials that are face; see `load_mesh`.
        aspect: image width / height, for the camera's distance.
        exposure: EV, on top of the light set-up's.
        lit_as: a scene whose light and exposure it gets; then there is nothing to load of lights and environment map.

    Raises:
        InputError: a file is missing or not usable.
    """
    path = Path(mesh) if mesh is not None else DEFAULT_HEAD
    own = lights is None and lit_as is None
    parts, own_lights = _in_metres(load_mesh(path, face), load_glb_lights(path) if own else (), path)
    if lit_as is not None:
        scene = replace(lit_as, parts=parts)
    else:
        rig = LightRig(own_lights) if own_lights else load_lights(find_lights(lights or DEFAULT_LIGHTS))
        rig = brighter(with_environment(rig, environment), exposure)
        scene = Scene(parts, rig, load_environment(rig))
    if not scene.rig.lights and scene.environment is None:
        warnings.warn("Nothing lights the face: there are neither lights nor an environment map.", stacklevel=2)
    return scene.with_camera(portrait(scene, aspect))


def with_environment(rig: LightRig, environment: str | Path | None) -> LightRig:
    """Return the light set-up with another environment map, if there is one; turn and intensity stay.

    Raises:
        InputError: there is no such map.
    """
    if environment is None:
        return rig
    file = find_environment(environment)
    return replace(rig, environment=replace(rig.environment or EnvironmentRef(file), path=file))


def brighter(rig: LightRig, stops: float) -> LightRig:
    """Return the light set-up exposed by so many stops (EV) more, as far as a light set-up may be."""
    return replace(rig, exposure=min(max(rig.exposure + stops, LEAST_EXPOSURE), MOST_EXPOSURE))


def _in_metres(
    parts: Sequence[Part], lights: Sequence[Light], path: Path
) -> tuple[tuple[Part, ...], tuple[Light, ...]]:
    """Return a file's parts and lights scaled to metres, with a warning where they seem to be in another unit."""
    edges = max((np.ptp(part.bounds(), axis=0) for part in parts if part.face), key=np.max)
    size = float(edges.max())
    kind = "body" if edges.min() < _SLENDER * size else "head"
    if _POSSIBLE[kind][0] <= size <= _POSSIBLE[kind][1]:
        return tuple(parts), tuple(lights)
    units = [name for name, metres in _UNITS.items() if _LIKELY[kind][0] <= size * metres <= _LIKELY[kind][1]]
    if not units:
        warnings.warn(
            f"{path}: the face is {size:.3g} units big, read as metres: its skin will look wrong. Scale it to metres.",
            stacklevel=3,
        )
        return tuple(parts), tuple(lights)
    warnings.warn(
        f"{path}: the face is {size:.3g} units big, too big for metres: its lengths are read as {units[0]}.",
        stacklevel=3,
    )
    metres = _UNITS[units[0]]
    scale = np.diag([metres, metres, metres, 1.0])
    return (
        tuple(replace(part, transform=scale @ part.transform) for part in parts),
        tuple(_scaled(light, metres) for light in lights),
    )


def _scaled(light: Light, metres: float) -> Light:
    """Return a light of a glTF file whose unit is `metres` long; it shines on the face as brightly as before."""
    if not isinstance(light, PointLight):
        return light  # of a file, only these have a place
    x, y, z = light.position
    return replace(light, position=(x * metres, y * metres, z * metres), intensity=light.intensity * metres**2)


def load_environment(rig: LightRig) -> Environment | None:
    """Read the environment map that a light set-up wants, or return None if it wants none."""
    ref = rig.environment
    return Environment.load(ref.path, ref.rotation, ref.intensity) if ref is not None else None
