"""The demo's window: draws until the picture is as good as it gets, then sleeps until something changes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from app.controls import Controls
from app.errors import BungyoError, InputError
from app.file_times import Watch
from app.gpu import CommandBuffer, Device, Swapchain
from app.interruption import uninterrupted
from app.light_switch import LightSwitch
from app.modes import MODES, NEEDS_REFERENCE
from app.renderer import Renderer
from app.scene.assets import ENVIRONMENT_SUFFIXES
from app.scene.mesh_files import MESH_SUFFIXES
from app.scene_options import SceneOptions
from app.screenshot import save_screenshot
from app.weight_switch import WeightSwitch
from app.window import Window, writable

# Samples a pixel after which nothing is to be gained: jitter averages out soon, noise keeps falling.
ENOUGH_SAMPLES, ENOUGH_NOISY_SAMPLES = 64, 4096

_IDLE_SECONDS = 0.25  # how late Ctrl-C is noticed while nothing moves
_NAMED = 4  # dropped files that a message names, at most

_MOUSE_HELP = (
    ("left drag", "turn around the head"),
    ("wheel", "come closer, go away"),
    ("right, middle, shift + left drag", "shift the picture"),
)


def _take_no_notice(_: str) -> None:
    """For whoever only looks."""


class Viewer:
    """Shows a renderer's picture in a window and hands the window's input to the controls.

    Args:
        window, device, renderer: all open; they stay open when the viewer closes.
        out: folder for screenshots; made when needed.
        weights: the weight sets to go through; stays open as well.
        lights: the light set-ups to go through.
        on_shown: called with the mode of every picture that has been handed to the window.
        options: what the scene was opened with; a screenshot says so.
        mesh: the file of the face that is drawn.

    Attributes:
        dropped_face: a mesh file that somebody has dropped onto the window, which is for another renderer to draw.
        mesh_written: whether `mesh` has been written anew, which is for another renderer as well.
    """

    def __init__(
        self,
        window: Window,
        device: Device,
        renderer: Renderer,
        out: Path,
        weights: WeightSwitch,
        lights: LightSwitch,
        on_shown: Callable[[str], object] = _take_no_notice,
        options: SceneOptions | None = None,
        mesh: Watch | None = None,
    ) -> None:
        self._window, self._device, self._renderer, self._out = window, device, renderer, out
        self._weights, self._lights, self._on_shown = weights, lights, on_shown
        self._options, self._mesh = options or SceneOptions(), mesh
        self.dropped_face: Path | None = None
        self.mesh_written = False
        self._controls = Controls(renderer, MODES)
        self._milliseconds = 0.0
        self._last_frame: float | None = None  # when it was handed over; None after a rest
        self._drawn_state: tuple[Any, ...] = ()
        self._blits: dict[int, CommandBuffer] = {}  # for each image of the window
        renderer.interleaves = device.info.kind == "cpu"  # or else input waits for seconds
        # Last: nobody closes it if something fails.
        self._swapchain = Swapchain(device, window.handle, window.framebuffer_size)
        window.input = self

    def run(self, frames: int | None = None) -> None:
        """Draw until the window is closed, `frames` frames have been shown, or another renderer has to go on."""
        shown, self.dropped_face, self.mesh_written = 0, None, False
        while not self._window.closing and shown != frames:
            self._take_drops()
            if self.dropped_face is None and self._mesh is not None:
                self.mesh_written = self._mesh.look()
            if self.dropped_face is not None or self.mesh_written:
                return
            self._lights.update()
            self._weights.update()
            size = self._window.framebuffer_size
            if 0 in size:  # minimised
                self._rest()
                continue
            if size != self._renderer.size:
                self._fit(size)
            if self._wants_drawing():
                self._render()
                shown += self._present()
                self._window.poll()
            else:
                if self._window.damaged:
                    self._present()
                self._rest()

    @property
    def at_home(self) -> bool:
        """Whether the first view is shown."""
        return self._controls.at_home

    def close(self) -> None:
        """Let go of the window, even if the GPU is lost. Harmless when repeated."""
        self._window.input = None
        try:
            self._forget_blits()
        finally:
            self._swapchain.close()

    def __enter__(self) -> "Viewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wants_drawing(self) -> bool:
        """Whether another sample would change the picture."""
        renderer = self._renderer
        enough = ENOUGH_NOISY_SAMPLES if renderer.mode in NEEDS_REFERENCE else ENOUGH_SAMPLES
        return renderer.samples < enough or not self._light_settled or self._drawn_state != self._state()

    @property
    def _light_settled(self) -> bool:
        return self._renderer.lights_settled or self._renderer.mode == "reference"  # that one gathers no light

    def _state(self) -> tuple[Any, ...]:
        """What the next sample is drawn of; samples stay when the mode changes, but the picture must not."""
        return self._renderer.mode, self._renderer.split, self._renderer.scene

    def _rest(self) -> None:
        self._show_title()  # weights may have come or gone
        self._last_frame = None
        self._window.wait(_IDLE_SECONDS)

    def _render(self) -> None:
        """Draw a frame; while one follows the other, the GPU draws one and Python prepares the next."""
        self._drawn_state = self._state()
        start = self._last_frame or time.perf_counter()
        self._renderer.render(wait=self._last_frame is None)
        self._last_frame = time.perf_counter()
        self._milliseconds = (self._last_frame - start) * 1e3
        self._show_title()

    def _show_title(self) -> None:
        renderer = self._renderer
        # Rounded down: what is not all there never reads 100%.
        light = "" if self._light_settled else f"light {int(100.0 * renderer.light_progress)}%"
        parts = (
            renderer.mode,
            self._weights.label,
            self._lights.label,
            f"{self._milliseconds:.1f} ms",
            f"{renderer.samples} samples",
            light,
        )
        self._window.title = " - ".join(["bungyo", *filter(None, parts)])

    def _present(self) -> bool:
        """Show the renderer's picture; False if the window has changed, or is hidden, and a later turn has to."""
        self._window.damaged = False
        image = self._swapchain.acquire()
        if image is None:
            if self._swapchain.outdated:
                self._fit(self._window.framebuffer_size)
            self._window.damaged = True
            return False
        if image.index not in self._blits:
            with uninterrupted:
                with self._device.commands() as commands:
                    commands.blit(self._renderer.image, image)
                self._blits[image.index] = commands
        self._device.submit(self._blits[image.index], wait=False)
        self._swapchain.present()
        self._on_shown(self._renderer.mode)
        return True

    def _fit(self, size: tuple[int, int]) -> None:
        """Make pictures of the window's size from now on; not while it is minimised."""
        if 0 in size:
            return
        self._forget_blits()
        if size != self._renderer.size:
            self._controls.fit(size[0] / size[1])
        self._renderer.resize(*size)
        self._swapchain.resize(size)

    def _forget_blits(self) -> None:
        """The recorded copies to the window name images that are about to go."""
        self._device.wait_idle()
        while self._blits:
            self._blits.popitem()[1].close()

    # What the window reports (app.window.Input).

    def press(self, name: str) -> bool:
        """F1 prints the keys, F12 saves the picture, W and L take the next networks and lights; else see Controls."""
        if name == "F1":
            click.echo(writable(self.help()))
        elif name == "F12":
            self._save_screenshot()
        elif name == "W":
            self._weights.next()
        elif name == "L":
            self._lights.next()
        else:
            try:
                return self._controls.press(name)
            except InputError as error:  # this device cannot show that
                click.echo(f"bungyo: warning: {error}", err=True)
        return True

    def orbit(self, dx: float, dy: float) -> None:
        """Turn the camera around the head."""
        self._controls.orbit(dx, dy)

    def pan(self, dx: float, dy: float) -> None:
        """Shift the picture."""
        self._controls.pan(dx, dy)

    def zoom(self, clicks: float) -> None:
        """Come closer."""
        self._controls.zoom(clicks)

    def _take_drops(self) -> None:
        while self._window.drops:
            self._take(self._window.drops.pop(0))

    def _take(self, files: list[Path]) -> None:
        """Use files that were dropped together. A mesh finds its materials and images itself: those are ignored."""
        faces: list[Path] = []
        unknown: list[Path] = []
        # A set-up brings its own map back, so surroundings that came with it come last.
        for file in sorted(files, key=lambda file: file.suffix.lower() in ENVIRONMENT_SUFFIXES):
            suffix = file.suffix.lower()
            if suffix == ".toml":
                self._lights.use(file)
            elif suffix in ENVIRONMENT_SUFFIXES:
                self._lights.use_environment(file)
            elif suffix == ".safetensors" or file.is_dir():
                self._weights.use(file)
            elif suffix in MESH_SUFFIXES:
                faces.append(file)
            else:
                unknown.append(file)
        if faces:
            self.dropped_face = faces[0]
        if len(faces) > 1:
            click.echo(f"bungyo: warning: {len(faces)} faces were dropped; {faces[0].name} is shown.", err=True)
        if unknown and unknown == files:
            names = ", ".join(file.name for file in unknown[:_NAMED]) + (", ..." if len(unknown) > _NAMED else "")
            meshes, maps = ", ".join(MESH_SUFFIXES), ", ".join(ENVIRONMENT_SUFFIXES)
            known = f"a face ({meshes}), a light set-up (.toml), surroundings ({maps}) or a folder of weights"
            click.echo(f"bungyo: error: {names}: what can be dropped is {known}.", err=True)

    def help(self) -> str:
        """Return a table of the mouse's and the keys' meanings."""
        rows = [*_MOUSE_HELP, *((" ".join(key.names).lower(), key.does) for key in self._controls.keys)]
        rows.append(("l", f"next light set-up: {', '.join(self._lights.names)}"))
        rows.append(("w", f"next weight set: {', '.join(self._weights.names)}"))
        rows.append(
            ("drop a file here", "a face, lights (.toml), surroundings (.exr, .hdr) or networks (their folder)")
        )
        rows.append(("f12", f"save the picture in {self._out}, and say how to draw it again"))
        rows += [("f1", "this help"), ("esc", "close")]
        return "\n".join(f"  {what:<32} {does}" for what, does in rows)

    def _save_screenshot(self) -> None:
        try:
            path, command = save_screenshot(self._renderer, self._options, self._weights.sets[0], self._out)
        except BungyoError as error:
            # A full disk is no reason to lose the window.
            click.echo(f"bungyo: warning: {error}", err=True)
        else:
            click.echo(writable(f"saved {path}; the same again:\n  {command}"))
