"""`bungyo demo`: the face in a window, or in files where there is no screen."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.commands.options import debug_option, scene_options
from app.errors import BungyoError, InputError
from app.file_times import Watch, all_written
from app.layout_check import check_layout, choose_weights
from app.open_renderer import load_scene, needs_rays, open_device, open_renderer, picture_size
from app.scene_options import SceneOptions
from app.weight_sets import DEFAULT_WEIGHTS, load_weights, weight_sets

if TYPE_CHECKING:
    from app.gpu import Device
    from app.light_switch import AsRead, LightSwitch
    from app.network.weights import WeightSet
    from app.renderer import Renderer
    from app.scene.camera import Camera
    from app.scene.lights import LightRig
    from app.scene.model import Scene
    from app.weight_switch import WeightSwitch
    from app.window import Window

# Without a window: the pictures that tell most, and samples a pixel for each. The renderer keeps the samples of
# the first two, so the last shows both at once and costs nothing.
PICTURES = {"neural": 16, "reference": 64, "split": 1}

EXAMPLES = """\b
Examples:
  bungyo demo
  bungyo demo --mesh head.glb --face skin --lights rim
  bungyo demo --mesh jane.glb --weights weights/jane      # other UVs than the avatars': docs/own-face.md
  bungyo demo --mode split --size 960x540
  bungyo demo --weights weights/default --weights out/new      # W goes from one to the other
  bungyo demo --lights rim --lights my.toml      # L goes from one to the other; my.toml may be edited meanwhile
"""


@click.command(epilog=EXAMPLES)
@scene_options(several=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    metavar="DIR",
    help="Folder for screenshots, and for the pictures where there is no display.",
)
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="Close the window after N frames.")
@debug_option
def demo(scene: SceneOptions, out: Path, frames: int | None) -> None:
    """Show the face in a window; F1 there lists the keys.

    Other faces, light set-ups, surroundings and networks can be dropped onto
    it. What is saved while it is shown, a mesh, a light set-up or networks, is
    shown anew.

    Without a display it draws the main modes into files instead.
    """
    from app.scene.assets import find_lights
    from app.scene.lights import load_lights
    from app.window import NoDisplay, glfw_ready

    # What cannot be read is told now, not when L or W is pressed.
    for name in scene.other_lights:
        load_lights(find_lights(name))
    for path in scene.other_weights:
        load_weights(path)
    with ExitStack() as display:
        try:
            # Until the window is gone: a server of one client, as xvfb-run's, starts over when that leaves.
            display.enter_context(glfw_ready())
        except NoDisplay as error:
            reason = error.message
        else:
            _show(scene, out, frames)
            return
    click.echo(f"There is no display to open a window on ({reason}): drawing pictures into {out} instead.")
    for first, others in ((scene.lights, scene.other_lights), (scene.weights, scene.other_weights)):
        if others:
            click.echo(f"They are drawn with {first}, the first that was given.")
    _draw_pictures(scene, out)


def _show(options: SceneOptions, out: Path, frames: int | None) -> None:
    """Show the face in a window; GLFW is ready: a device for windows asks it what it needs."""
    from app.window import Window

    with ExitStack() as stack:
        device = stack.enter_context(open_device(options, window=True, raytracing=needs_rays(options)))
        window = stack.enter_context(Window(picture_size(options, device), "bungyo"))
        face: _Face | None = _Face(options, options, _mesh_written(_mesh(options)))
        before: _Face | None = None  # to come back to if a dropped one cannot be drawn
        with suppress(_ClosedWhileLoading):
            while face is not None:
                with ExitStack() as shown:
                    try:
                        renderer = shown.enter_context(_open(face, device, window))
                    except BungyoError as error:
                        if before is None:
                            raise
                        click.echo(f"bungyo: error: {error.message} The face before comes back.", err=True)
                        face, before = before, None
                        continue
                    if face.scene is None:
                        click.echo(f"Drawing on {device.info.name}. F1 lists the keys, Esc closes.")
                    before = None  # its meshes can go
                    before, face = _show_face(face, renderer, window, out, frames)


@dataclass(frozen=True)
class _Face:
    """What to show, and how.

    Args:
        given: the options that the demo was called with.
        options: what it is and what draws it.
        written: when the files of its mesh had been, as they were read.
        scene: the same, if it has been loaded, from where it is seen first.
        camera: from where it is seen now, if from elsewhere.
        networks: what draws it, if that has been loaded: their file may be gone by now.
        weights: sets to ask for once it is shown: asked for before, but not there yet, and perhaps unusable.
        light, light_came_along, own_lights: see LightSwitch.
        split, antialias_motion: see Renderer.
    """

    given: SceneOptions
    options: SceneOptions
    written: Mapping[Path, int]
    scene: "Scene | None" = None
    camera: "Camera | None" = None
    networks: "_Networks | None" = None
    weights: tuple[Path, ...] = ()
    light: "AsRead | None" = None
    light_came_along: bool = False
    own_lights: "LightRig | None" = None
    split: float = 0.5
    antialias_motion: bool = True


@dataclass(frozen=True)
class _Networks:
    """A weight set as it was read.

    Args:
        path: its file or folder.
        weights: the set.
        written: when its file had been.
    """

    path: Path
    weights: "WeightSet"
    written: int


def _mesh(options: SceneOptions) -> Path:
    from app.scene.assets import DEFAULT_HEAD

    return options.mesh or DEFAULT_HEAD


def _mesh_written(mesh: Path) -> dict[Path, int]:
    """Return when a mesh file and those that it names were written."""
    from app.scene.mesh_files import files_of

    return all_written(files_of(mesh))


def _networks_of(options: SceneOptions, scene: "Scene") -> Path:
    """Return the weights that draw a face at first."""
    return choose_weights(options, scene) or DEFAULT_WEIGHTS


def _open(face: _Face, device: "Device", window: "Window") -> AbstractContextManager["Renderer"]:
    options = face.options
    size = picture_size(options, device)
    say = partial(_say, window)
    weights = face.networks.weights if face.networks else None
    return open_renderer(options, device, size, options.mode, say, keeps_light=True, scene=face.scene, weights=weights)


def _say(window: "Window", what: str) -> None:
    window.title = f"bungyo - {what}"
    window.poll()
    if window.closing:
        raise _ClosedWhileLoading


def _show_face(
    face: _Face, renderer: "Renderer", window: "Window", out: Path, frames: int | None
) -> tuple[_Face | None, _Face | None]:
    """Show a face until the window is closed, another one is dropped onto it, or one of its files is written anew.

    Returns:
        The face as it was shown last, and the other one, to go on with; None without another one.
    """
    from app.light_switch import LightSwitch, set_ups
    from app.viewer import Viewer
    from app.weight_switch import WeightSwitch

    def load(path: Path) -> "WeightSet":
        weights = load_weights(path)
        check_layout(replace(options, weights=path), renderer.scene, weights)
        return weights

    options = face.options
    renderer.split, renderer.antialias_motion = face.split, face.antialias_motion
    with ExitStack() as stack:
        lights = LightSwitch(
            renderer,
            set_ups(options, renderer.scene.rig, face.own_lights),
            options.environment,
            options.exposure,
            read=face.light,
            came_along=face.light_came_along,
            own=face.own_lights,
        )
        sets = weight_sets(options, _networks_of(options, renderer.scene))
        switch = WeightSwitch(
            renderer, sets, load, window.wake, shown_time=face.networks.written if face.networks else None
        )
        stack.callback(switch.close)
        for path in face.weights:
            switch.use(path)
        mesh = Watch(_mesh(options), face.written, _mesh_written)
        viewer = stack.enter_context(
            Viewer(window, renderer.device, renderer, out, switch, lights, options=options, mesh=mesh)
        )
        if face.camera is not None:  # from now on, so that Home leads to the first view
            renderer.scene = renderer.scene.with_camera(face.camera)
        while True:
            viewer.run(frames)
            if viewer.dropped_face is None and not viewer.mesh_written:
                return None, None
            _say(window, f"loading {(viewer.dropped_face or mesh.file).name}")
            # Who looks at the first view sees that of a mesh that is saved, too.
            camera = None if viewer.at_home else renderer.scene.camera
            shown = _as_shown(face.given, options, mesh, camera, renderer, switch, lights)
            try:
                return shown, _next_face(shown, viewer.dropped_face, lights, renderer.size)
            except InputError as error:
                click.echo(f"bungyo: error: {error.message} The face stays as it is.", err=True)


def _as_shown(
    given: SceneOptions,
    options: SceneOptions,
    mesh: Watch,
    camera: "Camera | None",
    renderer: "Renderer",
    switch: "WeightSwitch",
    lights: "LightSwitch",
) -> _Face:
    """Return the face that a renderer shows as it is now, with all that keys and dropped files have changed.

    Args:
        given: see _Face.
        options: it was opened with.
        mesh: watches its file.
        camera: see _Face.
        renderer, switch, lights: what draws it, and what its networks and its light are chosen by.
    """
    from app.scene.portrait import portrait

    now = replace(lights.for_another_face(options), mode=renderer.mode, size=renderer.size)
    if options.weights is not None or switch.is_chosen:  # else the next face gets those that suit it
        now = replace(now, weights=switch.sets[0], other_weights=switch.sets[1:])
    return _Face(
        given,
        now,
        mesh.seen,
        scene=renderer.scene.with_camera(portrait(renderer.scene, renderer.size[0] / renderer.size[1])),
        camera=camera,
        networks=_Networks(switch.sets[0], renderer.weights, switch.shown_time),
        weights=switch.pending,
        light=lights.read,
        light_came_along=lights.came_along,
        own_lights=lights.own,
        split=renderer.split,
        antialias_motion=renderer.antialias_motion,
    )


def _next_face(shown: _Face, dropped: Path | None, lights: "LightSwitch", size: tuple[int, int]) -> _Face:
    """Load a face that has been dropped, to be seen from its front; or the shown one anew, to be seen as it is.

    Args:
        shown: the one before.
        dropped: a mesh file.
        lights: the light that is shown, in which it comes if that is chosen; if not, in its own, or the default one.
        size: of the picture.

    Raises:
        InputError: its file cannot be used.
    """
    face, chosen = shown, lights.is_chosen(shown.options)
    if dropped is not None:
        names = shown.given.face if _same_file(shown.given.mesh, dropped) else ()
        options = replace(shown.options, mesh=dropped, face=names)
        face = replace(
            face, options=options, written=_mesh_written(dropped), camera=None, light_came_along=chosen, own_lights=None
        )
    # Without the map that is shown in the place of others: it is in memory, and its file may be gone.
    options = replace(face.options, environment=None)
    if face.own_lights is not None and not face.light_came_along:  # which may have been changed in the mesh's file
        scene = load_scene(replace(options, lights=None), size)
        face = replace(face, own_lights=scene.rig if scene.rig.file is None else None)
    else:
        scene = load_scene(options, size, lit_as=shown.scene if chosen else None)
    scene, read = (lights.on(scene), lights.read) if chosen else lights.around(scene)
    if face.networks is not None and face.networks.path != _networks_of(face.options, scene):
        face = replace(face, networks=None)
    return replace(face, scene=scene, light=read)


def _same_file(given: Path | None, dropped: Path) -> bool:
    return given is not None and given.resolve() == dropped.resolve()


class _ClosedWhileLoading(Exception):
    """Leaves the loading when nobody waits for it any more."""


def _draw_pictures(options: SceneOptions, out: Path) -> None:
    from app.files import check_folder

    existed = out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {out}: {error.strerror}.") from error
    try:
        check_folder(out)
        _write_pictures(options, out)
    except BaseException:
        if not existed:
            with suppress(OSError):  # pictures that were written stay
                out.rmdir()
        raise


def _write_pictures(options: SceneOptions, out: Path) -> None:
    from app.modes import NEEDS_REFERENCE
    from app.pictures import write_png
    from app.progress import counted, percentage

    pictures = PICTURES | ({} if options.mode in PICTURES else {options.mode: 16})
    with open_device(options, raytracing=needs_rays(options)) as device:
        size = picture_size(options, device)
        click.echo(f"Drawing on {device.info.name}.")
        if not device.raytracing:
            pictures = {mode: samples for mode, samples in pictures.items() if mode not in NEEDS_REFERENCE}
        with open_renderer(options, device, size, options.mode, keeps_light=True) as renderer:
            with percentage("light") as show:
                renderer.settle_lights(show)
            for mode, samples in pictures.items():
                renderer.mode = mode
                for _ in counted(max(1, samples - renderer.samples), mode):
                    renderer.add_sample()
                path = out / f"{mode}.png"
                write_png(path, renderer.read())
                click.echo(f"wrote {path}")
