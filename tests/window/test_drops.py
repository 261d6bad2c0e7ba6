"""Files that are dropped onto the window go where they belong; without GPU and screen."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.file_times import Watch, all_written
from app.pictures import write_exr
from app.weight_switch import WeightSwitch
from tests.window.test_viewer import FakeWindow, nothing, run


def test_dropped_files_go_where_they_belong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between two frames; a face ends the run, and the rest stays for the next."""
    names = ("sun.toml", "sky.EXR", "face.glb", "moon.toml")

    def drop(window: Any) -> None:
        window.drops.append([Path(name) for name in names])
        assert capsys.readouterr().err == ""

    def end(window: Any) -> None:
        window.closing = True

    window: Any = FakeWindow(*nothing(3), drop, *nothing(3), end)
    run(monkeypatch, window)
    said = capsys.readouterr().err
    assert not window.closing and window.viewer.dropped_face == Path("face.glb")
    assert "sun.toml" in said and "moon.toml" in said and said.count("The light stays as it is.") == 3


def test_what_is_dropped_while_a_face_is_loaded_is_for_the_next_viewer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    window: Any = FakeWindow(lambda window: window.drops.append([Path("face.glb")]), *nothing(3))
    run(monkeypatch, window)
    window.drops.append([Path("moon.toml")])  # the viewer before is still there
    window.viewer.close()
    window.drops.append([Path("sun.toml")])
    assert capsys.readouterr().err == ""
    following: Any = FakeWindow(*nothing(3))
    following.drops = window.drops
    run(monkeypatch, following)
    said = capsys.readouterr().err
    assert following.drops == [] and said.index("moon.toml") < said.index("sun.toml")


@pytest.mark.parametrize(
    ("names", "face", "said"),
    [
        (("head.mtl", "head.OBJ", "skin.png"), "head.OBJ", ""),
        (("b.bin", "b.gltf", "a.glb", "c.ply"), "b.gltf", "bungyo: warning: 3 faces were dropped; b.gltf is shown.\n"),
        (("skin.png", "head.mtl"), None, "bungyo: error: skin.png, head.mtl: what can be dropped is a face (.glb, "),
        (tuple("abcde"), None, "bungyo: error: a, b, c, d, ...: what can be dropped is a face (.glb, "),
        ((), None, ""),
    ],
)
def test_files_that_are_dropped_together(
    names: tuple[str, ...],
    face: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What a mesh's materials are in is no face, nor is it in the way of one."""
    window: Any = FakeWindow(lambda window: window.drops.append([Path(name) for name in names]), *nothing(3))
    run(monkeypatch, window)
    assert window.viewer.dropped_face == (face and Path(face))
    err = capsys.readouterr().err
    assert err.startswith(said) and err.count("\n") == bool(said)


def test_networks_are_dropped_as_a_file_or_their_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    used: list[Path] = []
    monkeypatch.setattr(WeightSwitch, "use", lambda _, path: used.append(path))
    dropped = [tmp_path, tmp_path / "experts.safetensors"]
    run(monkeypatch, FakeWindow(lambda window: window.drops.append(dropped), *nothing(3)))
    assert used == dropped


def test_a_mesh_that_is_written_anew_ends_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or one of its images. Not while it is gone; and of a mesh that is dropped at the same time, that one is next."""
    file, image = tmp_path / "head.obj", tmp_path / "skin.png"
    named = [file]

    def write(time: int, file: Path = file) -> Callable[[Any], None]:
        def event(_: Any) -> None:
            file.touch()
            os.utime(file, (time, time))

        return event

    write(1)(None)
    mesh = Watch(file, all_written(named), lambda _: all_written(named))
    window: Any = FakeWindow(*nothing(3), lambda _: file.unlink(), *nothing(3))
    run(monkeypatch, window, mesh=mesh)
    assert window.closing and not window.viewer.mesh_written
    # An image that the mesh names from its second version on comes later than that.
    for event, name_image in ((write(2), True), (write(1, image), False), (write(3), False), (write(2, image), False)):
        named += [image] if name_image else []
        window = FakeWindow(*nothing(3), event, *nothing(3))
        run(monkeypatch, window, mesh=mesh)
        assert not window.closing and window.viewer.mesh_written and window.viewer.dropped_face is None

    def drop(window: Any) -> None:
        write(4)(window)
        window.drops.append([tmp_path / "other.obj"])

    window = FakeWindow(drop, *nothing(3))
    run(monkeypatch, window, mesh=mesh)
    assert not window.viewer.mesh_written and window.viewer.dropped_face == tmp_path / "other.obj"


def test_surroundings_that_are_dropped_with_a_set_up_light_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sky, lights = tmp_path / "sky.exr", tmp_path / "sun.toml"
    write_exr(sky, {"": np.ones((4, 8, 3), np.float32)})
    lights.write_text("")
    window = FakeWindow(lambda window: window.drops.append([sky, lights]), *nothing(3))
    run(monkeypatch, window)
    assert " - sun + sky.exr - " in window.title
