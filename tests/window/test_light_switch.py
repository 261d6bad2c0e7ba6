"""Light set-ups at the window: one after the other, from files that change, and from files that cannot be used."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.controls import ENVIRONMENT_STEP, Controls
from app.errors import InputError
from app.light_switch import LightSwitch, set_ups
from app.modes import MODES
from app.pictures import write_exr
from app.scene.assets import find_environment, find_lights, light_set_ups
from app.scene.default import load_environment, with_environment
from app.scene.lights import DirectionalLight, LightRig, PointLight, load_lights
from app.scene.model import Scene
from app.scene_options import SceneOptions

SUN = '[[light]]\ntype = "directional"\ndirection = [0, 0, -1]\nirradiance = {}\n'
SKY = '[environment]\npath = "{}"\n'


class Files:
    """Light set-ups in a folder; each write is a second later than the last."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._time = folder, 1_000_000_000

    def write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(text)
        return self.later(path)

    def later(self, path: Path) -> Path:
        self._time += 1
        os.utime(path, (self._time, self._time))
        return path

    def sky(self, name: str, radiance: float) -> Path:
        path = self._folder / name
        write_exr(path, {"": np.full((4, 8, 3), radiance, np.float32)})
        return self.later(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def drawn(file: Path, environment: Path | None = None) -> Any:
    """Shows a scene that is lit by a set-up."""
    rig = with_environment(load_lights(file), environment)
    return SimpleNamespace(scene=Scene((), rig, load_environment(rig)))


def irradiance(shows: Any) -> float:
    (light,) = shows.scene.rig.lights
    assert isinstance(light, DirectionalLight)
    return light.irradiance


def radiance(shows: Any) -> float:
    return float(shows.scene.environment.pixels.mean())


def test_one_after_the_other(files: Files) -> None:
    paths = [files.write(f"{name}.toml", SUN.format(number)) for name, number in (("a", 1), ("b", 2), ("c", 3))]
    shows = drawn(paths[0])
    switch = LightSwitch(shows, paths)
    assert switch.names == ("a", "b", "c")
    seen = []
    for _ in range(4):
        seen.append((switch.label, irradiance(shows), switch.files[0]))
        switch.next()
    assert seen == [("a", 1.0, paths[0]), ("b", 2.0, paths[1]), ("c", 3.0, paths[2]), ("a", 1.0, paths[0])]


def test_one_that_cannot_be_used_is_not_in_the_way(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"a": SUN.format(1), "broken": "light", "c": SUN.format(3), "gone": ""}
    paths = [files.write(f"{name}.toml", text) for name, text in texts.items()]
    paths[-1].unlink()
    shows = drawn(paths[0])
    switch = LightSwitch(shows, paths)
    seen = []
    for _ in range(6):
        switch.next()
        seen.append((switch.label, irradiance(shows)))
    assert seen == [("a", 1.0), ("c", 3.0), ("c", 3.0), ("a", 1.0), ("a", 1.0), ("c", 3.0)]
    said = capsys.readouterr().err
    assert said.count("The light stays as it is.") == 3
    assert said.count("broken.toml") == 2 and said.count("gone.toml") == 1
    # The only other one is tried again: it may have been mended.
    switch = LightSwitch(shows, [paths[2], paths[1]])
    switch.next()
    assert switch.label == "c"
    files.write("broken.toml", SUN.format(2))
    switch.next()
    assert (switch.label, irradiance(shows)) == ("broken", 2.0)


def test_every_set_up_keeps_the_exposure_asked_for(files: Files) -> None:
    """It is on top of their own, also when a file is read again."""
    path = files.write("a.toml", SUN.format(1))
    other = files.write("b.toml", "exposure = 0.5\n" + SUN.format(2))
    shows = drawn(path)
    switch = LightSwitch(shows, [path, other], exposure=1.0)
    switch.next()
    assert shows.scene.rig.exposure == pytest.approx(1.5)
    files.write("b.toml", "exposure = -2.0\n" + SUN.format(2))
    switch.update()
    assert shows.scene.rig.exposure == pytest.approx(-1.0)


def test_a_map_that_two_set_ups_share_is_as_bright_as_each_wants_it(files: Files) -> None:
    files.sky("sky.exr", 1.0)
    bright = files.write("a.toml", SKY.format("sky.exr"))
    dim = files.write("b.toml", SKY.format("sky.exr") + "intensity = 0.25\n")
    shows = drawn(bright)
    switch, pixels = LightSwitch(shows, [bright, dim]), shows.scene.environment.pixels
    for intensity in (0.25, 1.0):
        switch.next()
        assert shows.scene.environment.intensity == intensity and shows.scene.environment.pixels is pixels


def test_a_single_one(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    path = files.write("a.toml", SUN.format(1))
    shows = drawn(path)
    switch = LightSwitch(shows, [path])
    before = shows.scene
    switch.next()
    assert shows.scene is before and switch.label == ""
    assert "more can be given with --lights" in capsys.readouterr().out


def test_the_lights_that_came_with_the_face(files: Files) -> None:
    path = files.write("a.toml", SUN.format(1))
    own = LightRig((PointLight(),))
    shows: Any = SimpleNamespace(scene=Scene((), own))
    switch = LightSwitch(shows, (*set_ups(SceneOptions(), own)[:1], path))
    assert switch.names == ("the face's own", "a")
    switch.next()
    assert irradiance(shows) == 1.0
    switch.next()
    assert shows.scene.rig == own


def test_the_lights_that_came_with_a_face_which_is_seen_in_others(files: Files) -> None:
    """They have been read anew meanwhile."""
    path = files.write("a.toml", SUN.format(1))
    shows, own = drawn(path), LightRig((PointLight(),))
    options = SceneOptions(lights=path)
    switch = LightSwitch(shows, set_ups(options, shows.scene.rig, own), own=own)
    assert switch.names == ("a", "the face's own") and switch.is_chosen(options) and switch.own is own
    switch.next()
    assert shows.scene.rig == own and not switch.is_chosen(options)
    Controls(shows, MODES).press("+")
    assert switch.is_chosen(options)
    assert set_ups(SceneOptions(), own, own).count(None) == 1
    assert LightSwitch(shows, [path]).own is None


def test_a_file_that_is_written_shows_at_once(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    path = files.write("a.toml", SUN.format(1))
    shows = drawn(path)
    switch = LightSwitch(shows, [path])
    before = shows.scene
    switch.update()
    assert shows.scene is before
    files.write("a.toml", SUN.format(5))
    switch.update()
    assert irradiance(shows) == 5.0

    # While it is being replaced there is none; then it is broken, which is said once; then it is mended.
    path.unlink()
    switch.update()
    files.write("a.toml", SUN.format('"bright"'))
    switch.update()
    switch.update()
    assert irradiance(shows) == 5.0
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "light[0].irradiance must be a number, not text." in said
    assert said.endswith("The light stays as it is.\n")
    files.write("a.toml", SUN.format(6))
    switch.update()
    assert irradiance(shows) == 6.0
    assert capsys.readouterr().err == ""


def test_what_is_written_while_it_is_read_is_read_again(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.write("a.toml", SUN.format(1))
    shows = drawn(path)
    switch = LightSwitch(shows, [path])

    def interrupted(file: Path) -> LightRig:
        rig = load_lights(file)
        files.write("a.toml", SUN.format(3))
        return rig

    files.write("a.toml", "")  # an editor has begun
    with monkeypatch.context() as patch:
        patch.setattr("app.light_switch.load_lights", interrupted)
        switch.update()
    assert shows.scene.rig.lights == ()
    switch.update()
    assert irradiance(shows) == 3.0


def test_the_map_stays_the_same_where_it_is_the_same(files: Files) -> None:
    """Of another map all light is gathered anew."""
    sky = files.sky("sky.exr", 1.0)
    path = files.write("a.toml", SKY.format("sky.exr") + SUN.format(1))
    shows = drawn(path)
    switch = LightSwitch(shows, [path])
    first = shows.scene.environment
    files.write("a.toml", SKY.format("sky.exr") + SUN.format(2))
    switch.update()
    assert irradiance(shows) == 2.0 and shows.scene.environment is first
    files.sky("sky.exr", 3.0)
    switch.update()
    assert radiance(shows) == pytest.approx(3.0)
    second = shows.scene.environment
    files.write("a.toml", SKY.format("sky.exr") + "rotation_degrees = 90\n" + SUN.format(2))
    switch.update()
    assert shows.scene.environment is not second and shows.scene.environment.rotation == pytest.approx(np.pi / 2)
    # What was turned at the window is as the file says after the next change of it.
    shows.scene = replace(shows.scene, environment=replace(shows.scene.environment, rotation=1.0))
    files.write("a.toml", SKY.format("sky.exr") + SUN.format(2))
    switch.update()
    assert shows.scene.environment.rotation == 0.0
    assert sky.exists()


def test_a_file_by_another_path_is_the_same(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("a.toml", SUN.format(1))
    other = files.write("b.toml", SUN.format(2))
    monkeypatch.chdir(tmp_path)
    shows = drawn(Path("a.toml"))
    switch = LightSwitch(shows, [Path("a.toml"), Path("b.toml")])
    switch.use(other)
    assert switch.names == ("a", "b") and irradiance(shows) == 2.0


def test_dropped_files(files: Files, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = files.write("a.toml", SUN.format(1))
    shows = drawn(first)
    switch = LightSwitch(shows, [first])
    other = files.write("b.toml", SKY.format(files.sky("black.exr", 0.0)) + SUN.format(2))
    switch.use(other)
    assert switch.names == ("a", "b") and switch.label == "b" and irradiance(shows) == 2.0
    switch.use(first)
    switch.use(other)
    assert switch.names == ("a", "b") and radiance(shows) == 0.0

    sky = files.sky("sky.exr", 2.0)
    switch.use_environment(sky)
    assert radiance(shows) == pytest.approx(2.0) and irradiance(shows) == 2.0 and switch.environment == sky
    switch.next()
    assert switch.label == "a + sky.exr" and radiance(shows) == pytest.approx(2.0)

    # What cannot be used.
    scene = shows.scene
    switch.use(tmp_path / "none.toml")
    switch.use_environment(other)
    assert shows.scene is scene and switch.names == ("a", "b") and switch.environment == sky
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all(line.startswith("bungyo: error: ") for line in said)


def test_a_dropped_map_leaves_the_rest_as_it_was_set_by_hand(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    first = files.write("a.toml", SKY.format(files.sky("dusk.exr", 1.0)) + SUN.format(1))
    shows = drawn(first)
    switch, hand = LightSwitch(shows, [first]), Controls(shows, MODES)
    for key in ("+", "E", "E"):
        hand.press(key)
    lamps, turn = shows.scene.rig.lights, shows.scene.environment.rotation
    assert turn == pytest.approx(2 * ENVIRONMENT_STEP)
    for name, brightness in (("sky.exr", 3.0), ("noon.exr", 7.0)):
        switch.use_environment(files.sky(name, brightness))
        assert shows.scene.rig.lights == lamps and shows.scene.environment.rotation == turn
        assert radiance(shows) == pytest.approx(brightness) and switch.label == f"a + {name}"

    # Although the set-up's file is broken; and it is read when it is mended.
    files.write("a.toml", "light")
    switch.use_environment(files.sky("night.exr", 0.5))
    assert shows.scene.rig.lights == lamps and not capsys.readouterr().err
    files.write("a.toml", SUN.format(4))
    switch.update()
    assert irradiance(shows) == 4.0 and radiance(shows) == pytest.approx(0.5)


@pytest.mark.parametrize("given", [False, True], ids=["dropped", "by --env"])
def test_a_dropped_set_up_has_its_own_map(given: bool, files: Files, tmp_path: Path) -> None:
    """The title says which map is shown in the place of another one."""
    first = files.write("a.toml", SKY.format(files.sky("dusk.exr", 1.0)) + SUN.format(1))
    other = files.write("b.toml", SUN.format(2))
    sky = files.sky("sky.exr", 3.0)
    shows = drawn(first, sky if given else None)
    switch = LightSwitch(shows, [first], sky if given else None)
    if not given:
        assert switch.label == ""
        switch.use_environment(sky)
    assert switch.label == "a + sky.exr" and radiance(shows) == pytest.approx(3.0)
    switch.use(tmp_path / "none.toml")
    assert switch.label == "a + sky.exr" and switch.environment == sky
    switch.use(first)
    assert switch.label == "" and radiance(shows) == pytest.approx(1.0) and switch.environment is None

    switch.use_environment(sky)
    switch.use(other)
    assert switch.label == "b" and shows.scene.environment is None
    switch.next()
    assert switch.label == "a" and radiance(shows) == pytest.approx(1.0)


def test_a_faces_own_lights_come_back_without_the_map(files: Files) -> None:
    sky, other = files.sky("sky.exr", 1.0), files.write("b.toml", SUN.format(1))
    rig = with_environment(LightRig((PointLight(),)), sky)
    shows: Any = SimpleNamespace(scene=Scene((), rig, load_environment(rig)))
    switch = LightSwitch(shows, [None], sky)
    assert switch.label == "the face's own + sky.exr"
    switch.use(other)
    switch.next()
    assert (
        switch.label == "the face's own"
        and shows.scene.rig == LightRig((PointLight(),))
        and shows.scene.environment is None
    )


def test_which_there_are() -> None:
    studio = load_lights(find_lights("studio"))
    shipped = light_set_ups()
    assert find_lights("studio") in shipped and len(shipped) >= 3
    everything = set_ups(SceneOptions(), studio)
    assert everything[0] == studio.file and sorted(map(str, everything)) == sorted(map(str, shipped))
    named = SceneOptions(lights=Path("studio"), other_lights=(Path("rim"),))
    assert set_ups(named, studio) == (studio.file, find_lights("rim"))
    assert set_ups(SceneOptions(lights=Path("studio")), studio) == (studio.file,)
    with pytest.raises(InputError, match="no such light set-up"):
        set_ups(replace(named, other_lights=(Path("moon"),)), studio)
    assert find_environment("studio").is_file()
