"""The light that a dropped face comes in: its own, the default one, or what a person has chosen or set by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.controls import ENVIRONMENT_STEP, Controls
from app.light_switch import AsRead, LightSwitch, set_ups
from app.modes import MODES
from app.scene.assets import find_lights
from app.scene.default import default_scene
from app.scene.lights import load_lights
from app.scene.model import Scene
from app.scene_options import SceneOptions
from tests.scene.glb_writer import Glb
from tests.window.test_light_switch import SKY, SUN, Files, irradiance, radiance


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def dropped(mesh: Path, options: SceneOptions) -> LightSwitch:
    """The light set-ups of a face that was dropped where these options hold."""
    scene = default_scene(mesh, options.lights, options.environment)
    return LightSwitch(SimpleNamespace(scene=scene), set_ups(options, scene.rig), options.environment)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return Glb().write(tmp_path / "plain.glb")


@pytest.fixture
def lit(tmp_path: Path) -> Path:
    """A face with lights of its own."""
    return Glb().with_lamp().write(tmp_path / "lit.glb")


OWN, SHIPPED = "the face's own", ("outdoor", "rim", "studio")


def test_a_dropped_face_comes_in_its_own_light(plain: Path, lit: Path) -> None:
    """Whatever the face before came in; without any, it is the default light."""
    options = SceneOptions()
    for mesh, label in ((plain, "studio"), (lit, OWN), (lit, OWN), (plain, "studio"), (plain, "studio")):
        switch = dropped(mesh, options)
        assert switch.label == label
        assert sorted(name for name in switch.names if name != OWN) == list(SHIPPED)
        options = switch.for_another_face(options)
    for _ in switch.names:  # once round
        switch.next()
    assert dropped(lit, switch.for_another_face(options)).label == OWN


def test_a_dropped_face_comes_in_the_light_that_was_chosen(plain: Path, lit: Path) -> None:
    named = SceneOptions(lights=Path("rim"), other_lights=(Path("studio"),))
    switch = dropped(lit, named)
    assert switch.names == ("rim", "studio")
    assert dropped(lit, switch.for_another_face(named)).names == ("rim", "studio")
    switch.next()
    assert dropped(lit, switch.for_another_face(named)).names == ("studio", "rim")

    for before in (plain, lit):
        switch = dropped(before, SceneOptions())
        switch.next()
        assert switch.label == "outdoor"
        options = switch.for_another_face(SceneOptions())
        for mesh in (plain, lit, lit):
            switch = dropped(mesh, options)
            assert switch.label == "outdoor" and sorted(switch.names) == list(SHIPPED)
            options = switch.for_another_face(options)


@pytest.mark.parametrize("before", [0, 1])
def test_a_dropped_set_up_is_chosen_although_it_is_the_first(before: int, plain: Path, lit: Path) -> None:
    switch = dropped(plain, SceneOptions())
    for _ in range(before):
        switch.next()
    switch.use(find_lights("studio"))
    assert switch.label == "studio"
    assert dropped(lit, switch.for_another_face(SceneOptions())).label == "studio"

    switch = dropped(plain, SceneOptions())
    switch.use(lit.with_name("none.toml"))
    assert dropped(lit, switch.for_another_face(SceneOptions())).label == OWN


class Faces:
    """A face at a time, at a window where others are dropped onto it, as `bungyo demo` does it."""

    def __init__(self, mesh: Path, options: SceneOptions | None = None) -> None:
        self._options = options or SceneOptions()
        scene = default_scene(mesh, self._options.lights, self._options.environment)
        self._show(scene, None, False)

    def _show(self, scene: Scene, read: AsRead | None, came_along: bool) -> None:
        self.shows: Any = SimpleNamespace(scene=scene, mode="neural", split=0.5, antialias_motion=True)
        files = set_ups(self._options, scene.rig)
        self.switch = LightSwitch(self.shows, files, self._options.environment, read=read, came_along=came_along)
        self.press = Controls(self.shows, MODES).press

    @property
    def light(self) -> Any:
        """The rig, and the surroundings' turn and name."""
        scene = self.shows.scene
        return scene.rig, scene.environment and (scene.environment.rotation, scene.environment.name)

    def drop(self, mesh: Path) -> str:
        """Returns the label."""
        chosen = self.switch.is_chosen(self._options)
        self._options = self.switch.for_another_face(self._options)
        lit_as = self.shows.scene if chosen else None
        scene = default_scene(mesh, self._options.lights, lit_as=lit_as)
        scene, read = (self.switch.on(scene), self.switch.read) if chosen else self.switch.around(scene)
        self._show(scene, read, chosen)
        return self.switch.label


@pytest.mark.parametrize("key", ["UP", "+", "E", "."])
def test_light_that_was_changed_by_hand_comes_along(key: str, plain: Path, lit: Path, files: Files) -> None:
    faces = Faces(plain)
    studio = faces.light
    faces.press(key)
    changed = faces.light
    assert changed != studio
    for mesh in (lit, plain):
        assert faces.drop(mesh) == "studio" and faces.light == changed
    sky = files.sky("sky.exr", 1.0)
    faces.switch.use_environment(sky)
    dusk = faces.light
    assert faces.drop(lit) == "studio + sky.exr" and faces.light == dusk
    assert dusk[0].lights == changed[0].lights and dusk[1] == (changed[1][0], str(sky))

    # Its own file has it as it was.
    faces.switch.use(find_lights("studio"))
    assert faces.light == studio


def test_a_map_that_came_along_turned_is_as_its_file_has_it_in_other_set_ups(plain: Path, files: Files) -> None:
    sky = files.sky("sky.exr", 1.0)
    paths = [files.write(f"{name}.toml", SKY.format("sky.exr") + SUN.format(1)) for name in "ab"]
    faces = Faces(plain, SceneOptions(lights=paths[0], other_lights=(paths[1],)))
    faces.press("E")
    faces.drop(plain)
    assert faces.light[1] == (pytest.approx(ENVIRONMENT_STEP), str(sky))
    faces.switch.next()
    assert faces.light[1] == (0.0, str(sky))


def test_a_faces_own_lights_that_were_changed_by_hand_come_along(plain: Path, lit: Path) -> None:
    faces = Faces(lit)
    own = faces.light
    faces.press("+")
    changed = faces.light
    for mesh in (lit, plain, lit):
        assert faces.drop(mesh) == "another face's own" and faces.light == changed
    for _ in faces.switch.names:
        faces.switch.next()
    assert faces.light == own
    assert faces.drop(plain) == "another face's own" and faces.light == own  # chosen, once and for all


def test_a_file_that_is_written_while_a_face_is_loaded_shows_at_once(plain: Path, files: Files) -> None:
    path = files.write("a.toml", SUN.format(1))
    faces = Faces(plain, SceneOptions(lights=path))
    files.write("a.toml", "broken, for now")  # and the light that is shown is not
    faces.drop(plain)
    assert irradiance(faces.shows) == 1.0
    files.write("a.toml", SUN.format(3))
    faces.drop(plain)
    assert irradiance(faces.shows) == 1.0
    faces.switch.update()
    assert irradiance(faces.shows) == 3.0


def test_a_set_up_that_is_gone_is_not_in_the_way_of_another_face(plain: Path, files: Files) -> None:
    paths = [files.write(f"{name}.toml", SUN.format(1)) for name in "abc"]
    faces = Faces(plain, SceneOptions(lights=paths[0], other_lights=tuple(paths[1:])))
    paths[0].unlink()
    paths[1].unlink()
    faces.drop(plain)
    assert faces.switch.names == ("a", "c") and irradiance(faces.shows) == 1.0


@pytest.mark.parametrize("given", [False, True], ids=["dropped", "by --env"])
def test_a_map_that_is_gone_is_not_in_the_way_of_another_face(
    given: bool, plain: Path, lit: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor of another set-up: it is in memory. It is read again when it is there again."""
    sky = files.sky("sky.exr", 3.0)
    faces = Faces(plain, SceneOptions(environment=sky if given else None))
    if not given:
        faces.switch.use_environment(sky)
    pixels = faces.shows.scene.environment.pixels
    sky.unlink()
    for mesh, label in ((lit, OWN), (plain, "studio")):
        assert faces.drop(mesh) == f"{label} + sky.exr" and faces.shows.scene.environment.pixels is pixels
    for label in ("outdoor", "rim", "studio"):
        faces.switch.next()
        assert faces.switch.label == f"{label} + sky.exr" and faces.shows.scene.environment.pixels is pixels
        outdoor = load_lights(find_lights(label)).environment
        assert outdoor is None or faces.light[1][0] == outdoor.rotation
    files.sky("sky.exr", 5.0)
    assert faces.drop(lit).endswith(" + sky.exr")
    faces.switch.update()
    assert radiance(faces.shows) == pytest.approx(5.0) and not capsys.readouterr().err


def test_what_is_wrong_with_a_map_is_said_once_whatever_face_comes(
    plain: Path, lit: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = Faces(plain, SceneOptions(environment=files.sky("sky.exr", 3.0)))
    files.write("sky.exr", "broken, for now")
    faces.switch.update()
    assert "sky.exr" in capsys.readouterr().err
    faces.drop(lit)
    faces.switch.update()
    assert not capsys.readouterr().err and radiance(faces.shows) == pytest.approx(3.0)
    files.sky("sky.exr", 5.0)
    faces.switch.update()
    assert radiance(faces.shows) == pytest.approx(5.0)


@pytest.mark.parametrize("keys", ["LEFT RIGHT", "UP DOWN", "+ -", ". ,", " ".join("E" * 24)])
def test_light_that_was_brought_back_is_not_changed(keys: str, plain: Path, lit: Path) -> None:
    faces = Faces(plain)
    for key in keys.split():
        faces.press(key)
    assert not faces.switch.is_chosen(SceneOptions()) and faces.drop(lit) == OWN


def test_lamps_that_were_set_by_hand_follow_a_face_elsewhere(tmp_path: Path, plain: Path) -> None:
    """To another head in the same place they keep theirs; so do those of a set-up as it is, wherever the head is."""

    def moved(name: str, *to: float) -> Path:
        glb = Glb()
        glb.header["nodes"][0]["translation"] = to
        return glb.write(tmp_path / name)

    beside, far = moved("beside.glb", 0.0, 0.05, 0.0), moved("far.glb", 0.0, 1.5, 0.0)
    farther = moved("farther.glb", 0.0, 1.5 + 0.15, 0.0)  # by less than a face, and more than half of one
    faces = Faces(plain, SceneOptions(lights=find_lights("studio")))
    before = faces.light
    faces.drop(far)
    assert faces.light == before
    faces.drop(plain)
    faces.press(".")
    faces.press("E")
    before = faces.light
    faces.drop(far)
    assert faces.light == before
    faces.drop(plain)
    faces.press("LEFT")
    before = faces.light
    faces.drop(beside)
    assert faces.light == before
    for mesh, way in ((far, 1.45), (farther, 0.15)):
        before = faces.light
        faces.drop(mesh)
        for old, new in zip(before[0].lights, faces.light[0].lights, strict=True):
            np.testing.assert_allclose(np.subtract(new.center, old.center), (0.0, way, 0.0), atol=1e-6)
            assert (new.edge_u, new.edge_v, new.radiance) == (old.edge_u, old.edge_v, old.radiance)


def test_bulbs_follow_a_face_elsewhere_and_suns_need_not(tmp_path: Path, plain: Path) -> None:
    lights = tmp_path / "lights.toml"
    bulb, sun = '[[light]]\ntype = "point"\n', '[[light]]\ntype = "directional"\n'
    lights.write_text(
        f"{bulb}position = [0.0, 0.2, 1.0]\nintensity = 2.0\n{sun}direction = [0.0, 0.0, -1.0]\nirradiance = 1.0\n"
    )
    faces = Faces(plain, SceneOptions(lights=lights))
    faces.press("+")
    bulb_before, sun_before = faces.light[0].lights
    glb = Glb()
    glb.header["nodes"][0]["translation"] = [0.0, 1.5, 0.0]
    faces.drop(glb.write(tmp_path / "far.glb"))
    bulb_now, sun_now = faces.light[0].lights
    np.testing.assert_allclose(np.subtract(bulb_now.position, bulb_before.position), (0.0, 1.5, 0.0), atol=1e-6)
    assert bulb_now.intensity == bulb_before.intensity and sun_now == sun_before


def test_dropped_lights_are_there_for_a_dropped_face(files: Files, plain: Path, lit: Path) -> None:
    mine, sky = files.write("mine.toml", SUN.format(1)), files.sky("sky.exr", 1.0)
    for before in (plain, lit):
        switch = dropped(before, SceneOptions())
        first = switch.label
        switch.use(mine)
        for mesh in (plain, lit):
            after = dropped(mesh, switch.for_another_face(SceneOptions()))
            assert after.label == "mine" and sorted(after.names) == ["mine", *SHIPPED]
        switch.next()
        assert switch.label == first
        switch.use_environment(sky)
        for mesh, label in ((plain, "studio"), (lit, OWN)):
            after = dropped(mesh, switch.for_another_face(SceneOptions()))
            assert after.label == f"{label} + sky.exr" and after.environment == sky
            assert sorted(name for name in after.names if name != OWN) == ["mine", *SHIPPED]
