"""What a window shows, in a file, and the command that draws it again, as fine and as large as one likes."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from app.arrays import U8
from app.errors import BungyoError, InputError
from app.files import beside
from app.pictures import first_free, write_png
from app.scene.camera import Camera
from app.scene.checks import Vec3
from app.scene.lights import LightRig, as_toml, load_lights
from app.scene.model import Scene
from app.scene.portrait import portrait, same_view
from app.scene_options import SceneOptions

SAMPLES = 256  # of a pixel, in the command


class Drawn(Protocol):
    """The part of app.renderer.Renderer that a screenshot is taken of."""

    scene: Scene
    mode: str
    split: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    def read(self) -> U8:
        """The display image, (H, W, 4)."""


def save_screenshot(drawn: Drawn, options: SceneOptions, weights: Path, folder: Path) -> tuple[Path, str]:
    """Save the picture in `folder`, and beside it the light, if it is not that of a file.

    Args:
        drawn: what is shown.
        options: what it was opened with.
        weights: the networks that draw it.
        folder: made if it is not there.

    Returns:
        The picture's file, and a command line that draws the same.

    Raises:
        BungyoError: the picture cannot be written.
    """
    try:
        path = first_free(folder, "screenshot")
        folder.mkdir(parents=True, exist_ok=True)
        write_png(path, drawn.read())
        light = _light_file(drawn.scene, path.with_suffix(".toml"))
    except OSError as error:
        raise BungyoError(f"Cannot save a screenshot in {folder}: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        raise BungyoError("The light cannot be saved beside the screenshot: its map's name is no text.") from error
    words: list[object] = ["bungyo", "render"]
    words += ["--mesh", options.mesh] if options.mesh else []
    for name in options.face:
        words += ["--face", name]
    words += ["--lights", light, "--weights", weights, "--mode", drawn.mode]
    words += ["--gbuffer", options.gbuffer] if options.gbuffer else []
    words += ["--light-texels", options.light_texels] if options.light_texels else []
    words += ["--light-samples", options.light_samples] if options.light_samples != SceneOptions.light_samples else []
    words += ["--size", "{}x{}".format(*drawn.size), *_view(drawn.scene, drawn.size)]
    words += ["--split", f"{drawn.split:.6g}"] if drawn.mode == "split" else []
    words += ["--spp", SAMPLES, "--out", path.with_stem(f"{path.stem}_fine")]
    return path, shlex.join(str(word) for word in words)


def _light_file(scene: Scene, new: Path) -> Path:
    """Return the set-up's file if it says what lights the scene, else a new one that does."""
    rig = _as_it_is(scene)
    try:
        if rig.file is not None and load_lights(rig.file) == rig:
            return rig.file
    except InputError:  # it has changed since
        pass
    with beside(new) as temporary:
        temporary.write_bytes(as_toml(rig))
    return new


def _as_it_is(scene: Scene) -> LightRig:
    rig, sky = scene.rig, scene.environment
    if rig.environment is None or sky is None:
        return rig
    return replace(rig, environment=replace(rig.environment, rotation=sky.rotation))


def _view(scene: Scene, size: tuple[int, int]) -> list[str]:
    """Return the options that place the camera; none for the first view."""
    camera, first = scene.camera, portrait(scene, size[0] / size[1]) if scene.face_parts else Camera()
    if same_view(camera, first):
        return []
    places = ["--look-from", _place(camera.position), "--look-at", _place(camera.target)]
    return [*places, "--fov", f"{np.degrees(camera.fov_y):.6g}"]


def _place(point: Vec3) -> str:
    return ",".join(f"{x:.6g}" for x in point)
