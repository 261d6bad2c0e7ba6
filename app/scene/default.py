"""The scene that is drawn when nothing else is asked for, and the user's changes to it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.scene.assets import DEFAULT_HEAD, DEFAULT_LIGHTS, find_environment, find_lights
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import EnvironmentRef, LightRig, load_lights
from app.scene.meshes import load_glb_lights, load_mesh
from app.scene.model import Scene


def default_scene(
    mesh: str | Path | None = None,
    lights: str | Path | None = None,
    environment: str | Path | None = None,
    face: Sequence[str] = (),
    aspect: float = 1.0,
) -> Scene:
    """Load a scene and point a portrait camera at its face.

    Args:
        mesh: a mesh file; by default the head in assets/head. Punctual lights in a glTF file are used, unless
            `lights` is given.
        lights: a light set-up: a TOML file or the name of one in assets/lights; by default studio.
        environment: an environment map: a file or the name of one in assets/environments. It replaces the
            light set-up's, whose turn and intensity are kept if it has one.
        face: names of the parts or materials that are face; see `load_mesh`.
        aspect: image width / height, for the camera's distance.

    Raises:
        InputError: a file is missing or not usable.
    """
    path = Path(mesh) if mesh is not None else DEFAULT_HEAD
    parts = tuple(load_mesh(path, face))
    own_lights = load_glb_lights(path) if lights is None else ()
    rig = LightRig(own_lights) if own_lights else load_lights(find_lights(lights or DEFAULT_LIGHTS))
    if environment is not None:
        file = find_environment(environment)
        rig = replace(rig, environment=replace(rig.environment or EnvironmentRef(file), path=file))
    scene = Scene(parts, rig, load_environment(rig))
    return scene.with_camera(Camera().fit(scene.bounds(face_only=True), aspect))


def load_environment(rig: LightRig) -> Environment | None:
    """Read the environment map that a light set-up wants, or return None if it wants none."""
    ref = rig.environment
    return Environment.load(ref.path, ref.rotation, ref.intensity) if ref is not None else None
