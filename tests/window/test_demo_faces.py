"""One face after the other in the demo's window: what stays as it is, and what draws them."""

import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from app.network.weights import WeightSet
from app.passes.scene_layout import MAX_TEXTURES
from app.pictures import write_exr
from app.weight_sets import DEFAULT_WEIGHTS
from tests.scene.foreign_head import write_foreign_head
from tests.scene.glb_writer import Glb
from tests.window.drag import drag
from tests.window.hand import Hand, wait_for
from tests.window.test_demo import Demo, demo, write_textured_cards

# The demo, but F1 prints what is drawn.
TELLING = """
import sys
from app.main import main
from app.viewer import Viewer

def state(viewer):
    drawn = viewer._renderer
    scene = drawn.scene
    light, turn = scene.rig.lights[0], scene.environment and scene.environment.rotation
    albedo = next(part.material.albedo_map for part in scene.parts if part.face)
    blue = albedo is not None and albedo.pixels[..., 2].mean() > albedo.pixels[..., 0].mean()
    seen = f"{scene.camera.position} {scene.bounds().round(3).tolist()} {'blue' if blue else 'skin'}"
    return f"light {light} {turn} how {drawn.mode} {drawn.split:.2f} {drawn.antialias_motion} seen {seen} end"

Viewer.help = state
sys.exit(main())
"""
COMMAND = (sys.executable, "-c", TELLING)


def state(running: Demo) -> tuple[str, str, str]:
    """The light, how the picture is drawn, and what is seen from where."""
    before = running.said("stdout").count("end\n")

    def told() -> bool:
        running.press("F1")  # which nobody hears while a face is loaded
        time.sleep(0.2)
        return running.said("stdout").count("end\n") > before

    wait_for(told, "the state")
    light, _, rest = running.said("stdout").splitlines()[-1].partition(" how ")
    how, _, seen = rest.partition(" seen ")
    return light, how, seen


def test_another_face_in_the_same_light(display: str, hand: Hand, tmp_path: Path) -> None:
    """And a face that cannot be drawn comes back as it was."""
    glb, many = Glb().with_lamp(), tmp_path / "many.glb"
    glb.header["nodes"][0]["translation"] = [-0.1, -0.1, 0.0]  # where the head is
    lit = glb.write(tmp_path / "lit.glb")
    write_textured_cards(many, MAX_TEXTURES + 1)
    with demo(display, hand, tmp_path, "--size", "64x48", "--mode", "reference", command=COMMAND) as running:
        running.find()
        running.shows("studio")
        first = state(running)
        running.press("Left", "plus", "e", "a", "bracketleft", "s")
        running.shows("split")
        light, how, seen = state(running)
        assert light != first[0] and how == "split 0.48 False"
        drag(display, running.window, [many])
        wait_for(lambda: "The face before comes back." in running.said("stderr"), "what is too much of it")
        running.shows("studio")
        assert state(running) == (light, how, seen)
        drag(display, running.window, [lit])
        wait_for(lambda: state(running)[2] != seen, "another face")
        running.shows("studio")
        assert state(running)[:2] == (light, how)
        running.press("Escape")
        assert running.ends() == 0


def test_a_mesh_that_is_saved_while_it_is_shown(display: str, hand: Hand, tmp_path: Path) -> None:
    """Seen from where it was, by the same networks, in the same light; half of a file costs a sentence."""
    mesh = write_foreign_head(tmp_path / "mine.obj", eyes=True)
    other, half = write_foreign_head(tmp_path / "other.obj", eyes=True, scale=1.2), tmp_path / "half.obj"
    half.write_bytes(other.read_bytes()[:700])
    for seconds, file in enumerate((mesh, half, other), 1):  # by which they are told apart
        os.utime(file, (seconds, seconds))
    options = ("--size", "64x48", "--mesh", str(mesh), "--face", "head", "--weights", "default", "--weights", "any-uv")
    with demo(display, hand, tmp_path, *options, command=COMMAND) as running:
        running.find()
        running.shows("default")
        running.press("w", "Left", "e", "a", "bracketleft", "s")
        running.shows("any-uv")
        hand.do("mousemove", "--window", running.window, "32", "24")
        hand.do("mousedown", "1", "mousemove_relative", "9", "4", "mouseup", "1")
        running.shows("split")
        before = state(running)

        half.replace(mesh)
        wait_for(lambda: "The face stays as it is." in running.said("stderr"), "what is wrong with half of it")
        assert state(running) == before
        other.replace(mesh)
        wait_for(lambda: state(running)[2] != before[2], "the new shape")
        running.shows("any-uv")
        light, how, seen = state(running)
        place, box = before[2].split("[", 1)
        assert (light, how) == before[:2] and seen.startswith(place) and box not in seen
        running.press("Home")
        wait_for(lambda: not state(running)[2].startswith(place), "the first view")
        running.press("Escape")
        assert running.ends() == 0
        assert running.said("stderr").count("bungyo: error: ") == 1


def test_an_image_that_is_saved_while_its_mesh_is_shown(display: str, hand: Hand, tmp_path: Path) -> None:
    """Also where half of it is there at first."""
    mesh = write_foreign_head(tmp_path / "mine.obj")
    image = mesh.with_suffix(".png")
    Image.new("RGB", (4, 4), (20, 40, 200)).save(tmp_path / "blue.png")
    whole = (tmp_path / "blue.png").read_bytes()
    with demo(display, hand, tmp_path, "--size", "64x48", "--mesh", str(mesh), command=COMMAND) as running:
        running.find()
        running.shows("any-uv")
        before = state(running)
        assert before[2].endswith("skin end")
        image.write_bytes(whole[:45])
        wait_for(lambda: "The face stays as it is." in running.said("stderr"), "what is wrong with half of it")
        assert state(running) == before
        image.write_bytes(whole)
        wait_for(lambda: state(running)[2] != before[2], "blue skin")
        running.shows("any-uv")
        assert state(running) == (*before[:2], before[2].replace("skin", "blue"))
        red, _, blue = running.shot().reshape(48, 64, -1)[20:28, 28:36, :3].mean(axis=(0, 1))
        assert blue > red
        running.press("Escape")
        assert running.ends() == 0


def test_which_part_is_face_holds_for_a_mesh_that_is_dropped_again(display: str, hand: Hand, tmp_path: Path) -> None:
    """Also after another one, for which it does not."""
    glb = Glb()
    glb.header["materials"][0]["name"] = "cloth"
    glb.header["nodes"] = [{"mesh": 0, "name": "coat"}, {"mesh": 0, "name": "hat"}]
    glb.header["scenes"] = [{"nodes": [0, 1]}]
    mine, other = glb.write(tmp_path / "mine.glb"), write_foreign_head(tmp_path / "other.obj")
    options = ("--size", "64x48", "--mode", "reference", "--mesh", os.path.relpath(mine), "--face", "hat")
    with demo(display, hand, tmp_path, *options, command=COMMAND) as running:
        running.find()
        running.shows("studio")
        first = state(running)[2]
        drag(display, running.window, [other])
        wait_for(lambda: state(running)[2] != first, "another face")
        drag(display, running.window, [mine])
        wait_for(lambda: state(running)[2] == first, "the first face")
        running.press("Escape")
        assert running.ends() == 0


def test_the_first_view_of_a_mesh_that_is_saved_fits_the_window(display: str, hand: Hand, tmp_path: Path) -> None:
    """Though the window has another shape than at the start, and takes another one."""
    mesh = write_foreign_head(tmp_path / "mine.obj")
    options = ("--size", "64x48", "--mode", "reference", "--mesh", str(mesh))

    def wait_for_another(seen: str, what: str) -> None:
        wait_for(lambda: state(running)[2] != seen, what)

    with demo(display, hand, tmp_path, *options, command=COMMAND) as running:
        running.find()
        running.shows("studio")
        for seconds, scale, width in ((1, 1.1, "90"), (2, 1.2, "50")):
            before = state(running)[2]
            hand.do("windowsize", "--sync", running.window, width, "80")
            wait_for_another(before, "the window's shape")
            before = state(running)[2]
            write_foreign_head(mesh, scale=scale)
            os.utime(mesh, (seconds, seconds))
            wait_for_another(before, "the new shape")
            running.shows("studio")
        shown = state(running)[2]
        running.press("Home")
        assert state(running)[2] == shown
        running.press("Escape")
        assert running.ends() == 0


def test_weights_that_are_dropped_with_a_face(display: str, hand: Hand, tmp_path: Path) -> None:
    """Those that cannot be used leave it to the networks that suit it; others draw it."""
    faces = [tmp_path / "first.obj", tmp_path / "second.obj"]
    for face in faces:
        write_foreign_head(face)
    other, empty = tmp_path / "other", tmp_path / "empty"
    WeightSet.untrained((32, 8, 15)).save(other)
    empty.mkdir()
    with demo(display, hand, tmp_path, "--size", "64x48") as running:
        running.find()
        running.shows("default")
        drag(display, running.window, [faces[0], empty])
        running.shows("any-uv")
        wait_for(lambda: "The picture stays with any-uv." in running.said("stderr"), "what is wrong with them")
        drag(display, running.window, [other, faces[1]])
        running.shows("other")
        running.press("Escape")
        assert running.ends() == 0


def test_a_faces_own_lights_in_a_mesh_that_is_saved(display: str, hand: Hand, tmp_path: Path) -> None:
    """L goes to them as they are now, though another set-up was shown; while they are shown, they are shown anew."""
    mesh = tmp_path / "mine.glb"

    def save(brightness: float) -> None:
        glb = Glb().with_lamp()
        glb.header["extensions"]["KHR_lights_punctual"]["lights"][0]["intensity"] = brightness
        glb.header["nodes"][0]["translation"] = [0.0, 0.0, 1e-3 * brightness]  # by which it is seen to be new
        glb.write(tmp_path / "new.glb").replace(mesh)

    def saved(brightness: float, label: str) -> str:
        before = state(running)[2]
        save(brightness)
        wait_for(lambda: state(running)[2] != before, "the new mesh")
        running.shows(label)
        return state(running)[0]

    save(1.0)
    options = ("--size", "64x48", "--mode", "reference", "--mesh", str(mesh))
    with demo(display, hand, tmp_path, *options, command=COMMAND) as running:
        running.find()
        running.shows("the face's own")
        seen = [state(running)[0]]
        running.press("l")
        running.shows("outdoor")
        outdoor = state(running)[0]
        assert saved(2.0, "outdoor") == outdoor
        running.press("l", "l", "l")
        running.shows("the face's own")
        seen += [state(running)[0], saved(3.0, "the face's own")]
        assert len({outdoor, *seen}) == 4
        running.press("Escape")
        assert running.ends() == 0


def test_the_default_weights_that_are_dropped_with_a_face_draw_it(display: str, hand: Hand, tmp_path: Path) -> None:
    """Although others suit it."""
    face = tmp_path / "mine.obj"
    write_foreign_head(face)
    with demo(display, hand, tmp_path, "--size", "64x48") as running:
        running.find()
        running.shows("default")
        drag(display, running.window, [DEFAULT_WEIGHTS, face])
        wait_for(lambda: "mine.obj: its UVs are not those that the networks in" in running.said("stderr"), "the face")
        running.shows("default")
        running.press("Escape")
        assert running.ends() == 0


def test_networks_and_surroundings_whose_files_are_gone_stay(display: str, hand: Hand, tmp_path: Path) -> None:
    """For the next face, the one before it that comes back, and one that is saved."""
    mesh, many, other, sky = (tmp_path / name for name in ("mine.obj", "many.glb", "other", "sky.exr"))
    write_foreign_head(mesh)
    write_textured_cards(many, MAX_TEXTURES + 1)
    WeightSet.untrained((32, 8, 15)).save(other)
    write_exr(sky, {"": np.ones((4, 8, 3), np.float32)})
    with demo(display, hand, tmp_path, "--size", "64x48", command=COMMAND) as running:
        running.find()
        running.shows("default")
        drag(display, running.window, [other, sky])
        running.shows("other - studio + sky.exr")
        shutil.rmtree(other)
        sky.unlink()
        drag(display, running.window, [many])
        wait_for(lambda: "The face before comes back." in running.said("stderr"), "what is too much of it")
        running.shows("other - studio + sky.exr")
        head = state(running)[2]
        drag(display, running.window, [mesh])
        wait_for(lambda: state(running)[2] != head, "another face")
        running.shows("other - studio + sky.exr")
        seen = state(running)[2]
        ready = tmp_path / "ready"
        ready.mkdir()
        write_foreign_head(ready / mesh.name, scale=1.2)
        for file in sorted(ready.iterdir(), key=lambda file: file.suffix == mesh.suffix):  # all at once, the mesh last:
            file.replace(tmp_path / file.name)  # half of a texture would be another error
        wait_for(lambda: state(running)[2] != seen, "the new shape")
        running.shows("other - studio + sky.exr")
        running.press("Escape")
        assert running.ends() == 0
        assert running.said("stderr").count("bungyo: error: ") == 1
