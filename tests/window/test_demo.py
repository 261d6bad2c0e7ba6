"""The demo in a real window: keys and mouse change the picture, and it always ends cleanly."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import glfw
import numpy as np
import pytest
import trimesh
from click.testing import CliRunner
from PIL import Image, ImageGrab

from app.arrays import U8
from app.commands.demo import demo as demo_command
from app.network.weights import WeightSet
from app.passes.scene_layout import MAX_TEXTURES
from app.viewer import ENOUGH_SAMPLES
from tests.primitives import quad
from tests.scene.foreign_head import write_foreign_head
from tests.scene.glb_writer import Glb
from tests.window.drag import drag
from tests.window.hand import Hand, wait_for

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-c", "import sys; from app.main import main; sys.exit(main())")


class Demo:
    """A running demo. Its screenshots go to `out`, what it prints to files there."""

    def __init__(self, process: subprocess.Popen[bytes], hand: Hand, out: Path) -> None:
        self.process, self.hand, self.out = process, hand, out
        self.window = ""
        self._shots = 0

    def find(self) -> None:
        """Wait for the window."""
        wait_for(lambda: self.process.poll() is not None or self.hand.find("bungyo"), "the window")
        assert self.process.poll() is None, self.said("stdout") + self.said("stderr")
        self.window = self.hand.window("bungyo")

    def said(self, stream: str) -> str:
        """What it has printed on stdout or stderr so far."""
        return (self.out / stream).read_text()

    def title(self) -> str:
        """The window's title."""
        return self.hand.do("getwindowname", self.window)

    def shows(self, mode: str) -> None:
        """Wait until the title says that this mode is drawn."""
        wait_for(lambda: self.process.poll() is not None or f"- {mode} -" in self.title(), mode, 120.0)
        assert self.process.poll() is None, self.said("stderr")

    def press(self, *keys: str) -> None:
        """Type keys."""
        self.hand.do("key", *keys)

    def shot(self) -> U8:
        """Save a screenshot with F12 and read it."""
        self._shots += 1
        path = self.out / f"screenshot_{self._shots:04d}.png"
        self.press("F12")
        wait_for(path.exists, f"{path.name}")
        with Image.open(path) as image:
            return np.asarray(image)

    def ends(self) -> int:
        """Wait for the end and return the exit status."""
        status = self.process.wait(120)
        assert "Traceback" not in self.said("stderr"), self.said("stderr")
        return status

    def check_silence(self) -> None:
        """Neither errors nor anything from the validation layer on stderr, leaks included."""
        lines = [line for line in self.said("stderr").splitlines() if "no trained networks" not in line]
        assert not lines, "\n".join(lines)


@contextmanager
def demo(display: str, hand: Hand, out: Path, *options: str, command: Sequence[str] = COMMAND) -> Iterator[Demo]:
    """Run the demo with the validation layer watching; kill it if the test leaves it running."""
    environment = {key: value for key, value in os.environ.items() if key != "WAYLAND_DISPLAY"}
    environment |= {"DISPLAY": display, "BUNGYO_VALIDATION": "1", "PYGLFW_LIBRARY_VARIANT": "x11"}
    with open(out / "stdout", "wb") as stdout, open(out / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            [*command, "demo", "--light-samples", "2", "--out", str(out), *options],
            env=environment,
            stdout=stdout,
            stderr=stderr,
            cwd=ROOT,
        )
    try:
        yield Demo(process, hand, out)
    finally:
        process.kill()
        process.wait()


def differ(a: U8, b: U8) -> bool:
    """Whether a person would see that these are different pictures."""
    return a.shape != b.shape or float((np.abs(a.astype(int) - b).max(axis=-1) > 16).mean()) > 0.01


def test_a_session_at_the_window(display: str, hand: Hand, tmp_path: Path) -> None:
    with demo(display, hand, tmp_path, "--size", "192x128", "--mode", "reference") as running:
        running.find()
        running.shows("reference")
        reference = running.shot()
        assert reference.shape == (128, 192, 3)
        assert reference.std() > 5.0

        # What the window shows is what the screenshot says.
        running.press("g", "g", "g")
        running.shows("uv")
        uv = running.shot()
        assert differ(uv, reference)
        screen = np.asarray(ImageGrab.grab(xdisplay=display).convert("RGB"))[:128, :192]
        np.testing.assert_allclose(screen.astype(int), uv, atol=2)

        # Turning the head, coming closer.
        hand.do("mousemove", "--window", running.window, "96", "64")
        hand.do("mousedown", "1", "mousemove_relative", "30", "10", "mouseup", "1")
        wait_for(lambda: differ(running.shot(), uv), "another view")
        turned = running.shot()
        hand.do("click", "4", "click", "4")
        wait_for(lambda: differ(running.shot(), turned), "a closer view")
        running.press("Home")
        wait_for(lambda: not differ(running.shot(), uv), "the first view")

        running.press("t")
        running.shows("tiles")
        assert differ(running.shot(), uv)

        running.press("n")
        running.shows("neural")
        neural = running.shot()
        assert differ(neural, uv)
        running.press("s")
        running.shows("split")
        running.press("bracketleft", "bracketright")
        running.press("d")
        running.shows("difference")

        # The light: the reference gets brighter.
        running.press("r")
        running.shows("reference")
        before = running.shot().mean()
        running.press(*["plus"] * 8)
        wait_for(lambda: running.shot().mean() > before * 1.2, "a brighter picture")

        hand.do("windowsize", running.window, "256", "160")
        wait_for(lambda: running.shot().shape == (160, 256, 3), "a larger picture")
        hand.do("windowsize", running.window, "80", "60")
        wait_for(lambda: running.shot().shape == (60, 80, 3), "a smaller picture")
        hand.do("windowunmap", running.window)
        hand.do("windowmap", "--sync", running.window)
        running.hand.window("bungyo")

        running.press("F1", "Escape")
        assert running.ends() == 0
        assert "turn around the head" in running.said("stdout")
        assert f"saved {tmp_path / 'screenshot_0001.png'}" in running.said("stdout")
        running.check_silence()


def test_weight_sets_change_while_it_draws(display: str, hand: Hand, tmp_path: Path) -> None:
    """Other widths, networks that are trained on while they are shown, a file that is cut off, and back."""
    other, broken = tmp_path / "other", tmp_path / "broken.safetensors"
    WeightSet.untrained((32, 8, 15), slots=2500).save(other)
    whole = (other / "experts.safetensors").read_bytes()
    broken.write_bytes(whole)
    sets = [f"--weights={path}" for path in (ROOT / "weights" / "default", other, broken)]
    with demo(display, hand, tmp_path, "--size", "64x48", *sets) as running:

        def finished() -> bool:
            return running.title().endswith(f" {ENOUGH_SAMPLES} samples")

        running.find()
        running.shows("default")
        wait_for(finished, "the finished picture", 120.0)
        first = running.shot()
        broken.write_bytes(whole[:5000])
        running.press("w")
        wait_for(lambda: "- other -" in running.title(), "the other weights", 120.0)
        wait_for(lambda: differ(running.shot(), first), "their picture")
        wait_for(finished, "their finished picture")
        second = running.shot()
        WeightSet.untrained((32, 8, 15), slots=2500, seed=1).save(other)
        wait_for(lambda: differ(running.shot(), second), "the picture of what was saved")
        running.press("w")
        wait_for(lambda: "- other (broken is unusable) -" in running.title(), "the broken file's name")
        said = running.said("stderr")
        assert said.startswith(f"bungyo: error: Weight file {broken} is cut off")
        assert said.endswith("The picture stays with other.\n") and said.count("\n") == 1
        assert differ(running.shot(), first)
        running.press("w")
        running.shows("default")
        wait_for(lambda: not differ(running.shot(), first), "the first picture")
        running.press("F1", "Escape")
        assert running.ends() == 0
        assert "next weight set: default, other, broken" in running.said("stdout")
        assert running.said("stderr") == said  # nothing from the validation layer either


def write_textured_cards(path: Path, count: int) -> None:
    """Cards called skin, each with a texture of its own."""
    scene = trimesh.Scene()
    for index in range(count):
        card = quad((0.01 * index, 0.0, 0.0), (0.005, 0.0, 0.0), (0.0, 0.005, 0.0))
        image = Image.new("RGB", (2, 2), (index, 128, 128))
        material = trimesh.visual.material.PBRMaterial(name=f"skin {index}", baseColorTexture=image)
        visual = trimesh.visual.TextureVisuals(card.uvs / count + index / count, material=material)
        scene.add_geometry(trimesh.Trimesh(card.positions, card.triangles, visual=visual, process=False))
    path.write_bytes(scene.export(file_type="glb"))


def test_other_light_and_another_face(display: str, hand: Hand, tmp_path: Path) -> None:
    """By key, by writing a file, and by dropping files; what cannot be used is a line."""
    mine = tmp_path / "mine.toml"
    sun = '[[light]]\ntype = "directional"\ndirection = [1, 0, -1]\nirradiance = {}\n'
    mine.write_text(sun.format(1.0))
    options = ("--size", "96x96", "--mode", "reference", "--lights", "studio", "--lights", str(mine))

    def error() -> str:
        lines = [line for line in running.said("stderr").splitlines() if line.startswith("bungyo: error: ")]
        return lines[-1] if lines else ""

    with demo(display, hand, tmp_path, *options) as running:
        running.find()
        running.shows("studio")
        studio = running.shot()
        running.press("l")
        running.shows("mine")
        before = running.shot()
        assert differ(before, studio)
        mine.write_text(sun.format(8.0))
        wait_for(lambda: running.shot().mean() > before.mean() * 1.3, "a brighter picture")
        mine.write_text("brighter, please")
        wait_for(lambda: "mine.toml: is not valid TOML" in error(), "what is wrong with the file")

        faces = {name: tmp_path / name for name in ("broken.glb", "many.glb", "other.obj")}
        faces["broken.glb"].write_bytes(b"glTF")
        write_foreign_head(faces["other.obj"])
        write_textured_cards(faces["many.glb"], MAX_TEXTURES + 1)
        bright = running.shot()
        mine.write_text(sun.format(2.0))
        wait_for(lambda: running.shot().mean() < bright.mean() * 0.9, "a darker picture")
        before = running.shot()
        drag(display, running.window, [faces["broken.glb"]])
        wait_for(lambda: "broken.glb: is not a GLB file. The face stays as it is." in error(), "what is wrong with it")
        running.shows("mine")
        drag(display, running.window, [faces["many.glb"]])
        wait_for(lambda: "has more than 32 textures. The face before comes back." in error(), "what is too much of it")
        running.shows("mine")
        wait_for(lambda: abs(running.shot().mean() / before.mean() - 1.0) < 0.03, "the face before")
        drag(display, running.window, [faces["other.obj"]])
        wait_for(lambda: "bungyo - reference" not in running.title(), "another face")
        running.shows("mine")
        assert differ(running.shot(), before) and running.shot().shape == before.shape
        running.press("l")
        running.shows("studio")
        drag(display, running.window, [faces["broken.glb"], ROOT / "assets" / "lights" / "rim.toml"])
        running.shows("rim")
        running.press("n")
        running.shows("any-uv")
        running.press("w")
        running.shows("default")
        running.press("F1", "Escape")
        assert running.ends() == 0
        assert "next light set-up: mine, studio, rim" in running.said("stdout")
        said = [line for line in running.said("stderr").splitlines() if not line.startswith("  ")]
        errors = [line for line in said if line.startswith("bungyo: error: ")]
        assert len(errors) == 4
        chosen, unfit = (line for line in said if line not in errors and "many.glb" not in line)
        assert "other.obj: its UVs are not the avatars', so networks draw it that look at none (any-uv)" in chosen
        assert "other.obj: its UVs are not those that the networks in " in unfit and "default know: " in unfit


def test_a_dropped_face_comes_in_its_own_light(display: str, hand: Hand, tmp_path: Path) -> None:
    lit, plain = tmp_path / "lit.glb", tmp_path / "plain.glb"
    Glb().with_lamp().write(lit)
    Glb().write(plain)
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference") as running:
        running.find()
        running.shows("studio")
        drag(display, running.window, [lit])
        running.shows("the face's own")
        drag(display, running.window, [plain])
        running.shows("studio")
        running.press("Escape")
        assert running.ends() == 0


def test_it_closes_after_the_frames_asked_for(display: str, hand: Hand, tmp_path: Path) -> None:
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference", "--frames", "3") as running:
        assert running.ends() == 0
        running.check_silence()


def test_closing_while_it_loads(display: str, hand: Hand, tmp_path: Path) -> None:
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference") as running:
        running.find()
        running.press("Escape")
        assert running.ends() == 0
        running.check_silence()


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(sent: signal.Signals, status: int, display: str, hand: Hand, tmp_path: Path) -> None:
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference") as running:
        running.find()
        running.shows("reference")
        running.process.send_signal(sent)
        assert running.ends() == status
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_unusable_screenshot_folder_is_only_a_warning(display: str, hand: Hand, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = ("--size", "64x48", "--mode", "reference", "--out", str(tmp_path / "file" / "below"))
    with demo(display, hand, tmp_path, *options) as running:
        running.find()
        running.shows("reference")
        running.press("F12")
        wait_for(lambda: "bungyo: warning:" in running.said("stderr"), "a warning")
        running.press("Escape")
        assert running.ends() == 0


def test_bad_input_with_a_display(display: str, hand: Hand, tmp_path: Path) -> None:
    with demo(display, hand, tmp_path, "--mesh", str(tmp_path / "none.glb")) as running:
        assert running.ends() == 2
        assert running.said("stderr").splitlines()[-1].startswith("bungyo: error: ")
        assert "none.glb" in running.said("stderr")


@pytest.mark.parametrize(("option", "good"), [("--weights", ROOT / "weights" / "default"), ("--lights", "rim")])
def test_everything_named_is_read_at_the_start(
    option: str, good: Path | str, display: str, hand: Hand, tmp_path: Path
) -> None:
    with demo(display, hand, tmp_path, option, str(good), option, str(tmp_path / "none")) as running:
        assert running.ends() == 2
        assert str(tmp_path / "none") in running.said("stderr")


def test_the_display_is_not_left_before_the_window_opens(
    on_screen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that starts over when its last client leaves, as xvfb-run's does, turns the next one away meanwhile."""
    left: list[None] = []
    left_when_shown: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(glfw, "terminate", lambda: left.append(None))
        patch.setattr("app.commands.demo._show", lambda *_: left_when_shown.append(len(left)))
        result = CliRunner().invoke(demo_command, ["--out", str(tmp_path)])
    glfw.terminate()
    assert result.exit_code == 0, result.output
    assert (left_when_shown, len(left)) == ([0], 1)


def test_without_a_display_it_draws_into_files(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    out = tmp_path / "new" / "out"
    result = subprocess.run(
        [*COMMAND, "demo", "--size", "64x48", "--light-samples", "2", "--out", str(out)],
        env=environment | {"BUNGYO_VALIDATION": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("There is no display to open a window on")
    for mode in ("neural", "reference", "split"):
        assert f"wrote {out / f'{mode}.png'}" in result.stdout
        with Image.open(out / f"{mode}.png") as image:
            assert image.size == (64, 48)
            assert np.asarray(image).std() > 2.0
