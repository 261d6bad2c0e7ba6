"""`bungyo avatar`: files that hold what was asked for, the same each time, and clear words about bad input."""

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.main import main
from app.scene.avatar.parameters import PARAMETERS
from app.scene.avatar.parameters.expression import PARAMETERS as EXPRESSIONS
from app.scene.avatar.person import Person
from app.scene.meshes import load_mesh
from app.sheet import CAPTION, ON_SHEET, PAPER


def _header(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, 12)
    header: dict[str, Any] = json.loads(data[20 : 20 + size])
    return header


def test_a_seed_is_a_person(tmp_path: Path) -> None:
    for name, seed in (("a.glb", "7"), ("b.glb", "7"), ("c.glb", "8")):
        assert main(["avatar", "--seed", seed, "--out", str(tmp_path / name)]) == 0
    one, same, other = ((tmp_path / name).read_bytes() for name in ("a.glb", "b.glb", "c.glb"))
    assert one == same
    assert one != other
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.glb", "b.glb", "c.glb"]
    header = _header(tmp_path / "a.glb")
    assert header["asset"]["copyright"] == "CC0 1.0"
    made = header["asset"]["extras"]["bungyo avatar"]
    assert made["seed"] == 7
    # What the file says of itself makes it again.
    settings = [word for name, value in made["values"].items() for word in ("--set", f"{name}={value!r}")]
    assert main(["avatar", "--seed", "7", *settings, "--out", str(tmp_path / "again.glb")]) == 0
    assert (tmp_path / "again.glb").read_bytes() == one
    skin = next(mesh for mesh in header["meshes"] if mesh["name"] == "skin")
    assert skin["extras"]["targetNames"] == [p.name.partition(".")[2] for p in EXPRESSIONS]
    assert len(skin["primitives"][0]["targets"]) == 52
    parts = load_mesh(tmp_path / "a.glb")
    assert [part.name for part in parts if part.face] == ["skin"]
    assert {"eye_left", "cornea_right", "brows"} <= {part.name for part in parts}


def test_what_is_set_is_over_what_the_seed_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people: list[Person] = []

    def note(person: Person) -> bytes:
        people.append(person)
        return b""

    monkeypatch.setattr("app.scene.avatar.build.avatar_glb", note)
    age = ["--set", "person.age=70"]
    for settings in ([], age, [*age, *age], ["--expression"]):  # the same said twice is no contradiction
        assert main(["avatar", "--seed", "7", *settings, "--out", str(tmp_path / "x.glb")]) == 0
    drawn, older, again, moved = people
    assert drawn["person.age"] != older["person.age"] == 70.0
    assert {name for name in drawn.values if drawn[name] != older[name]} == {"person.age"}
    assert drawn.seed == older.seed == 7 and again == older
    names = {name for name in moved.values if drawn[name] != moved[name]}
    assert names and {name.partition(".")[0] for name in names} == {"expression"}


@pytest.mark.parametrize(("given", "seeds"), [(["--seed", "100"], [100, 101, 102]), ([], [0, 1, 2])])
def test_a_sheet_shows_the_seeds_from_the_one_that_is_given(
    given: list[str], seeds: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Person] = []
    monkeypatch.setattr("app.sheet.draw_sheet", lambda people, *_, **__: shown.extend(people))
    assert main(["avatar", "--sheet", "3", *given, "--set", "person.age=70", "--out", "sheet.png"]) == 0
    assert [person.seed for person in shown] == seeds
    assert {person["person.age"] for person in shown} == {70.0} and len({p["person.gender"] for p in shown}) == 3


def test_expressions_are_baked_into_the_mesh(tmp_path: Path) -> None:
    assert main(["avatar", "--out", str(tmp_path / "shut.glb")]) == 0
    assert main(["avatar", "--set", "expression.jawOpen=1", "--out", str(tmp_path / "open.glb")]) == 0
    shut, opened = (load_mesh(tmp_path / name)[0].mesh.positions for name in ("shut.glb", "open.glb"))
    moved = np.linalg.norm(opened - shut, axis=1)
    assert moved.max() > 0.015  # the chin
    assert np.median(moved) < 0.002  # the rest of the head


def test_portraits_and_sheets_are_pictures(tmp_path: Path) -> None:
    quick = ["--spp", "1"]
    assert main(["avatar", "--seed", "3", *quick, "--size", "48x56", "--out", str(tmp_path / "one.png")]) == 0
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (48, 56)
        assert np.asarray(image).std() > 10.0
    assert main(["avatar", "--sheet", "2", *quick, "--out", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (2 * ON_SHEET[0], ON_SHEET[1] + CAPTION)


def test_portraits_on_a_sheet_have_the_size_asked_for(tmp_path: Path) -> None:
    """However small they are, their captions do not run into each other."""
    command = ["avatar", "--sheet", "2", "--seed", "3", "--spp", "1", "--size", "48x56"]
    assert main([*command, "--out", str(tmp_path / "sheet.png")]) == 0
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.height == 56 + CAPTION and 2 * 48 < image.width < 2 * ON_SHEET[0]
        inked, middle = np.asarray(image) != PAPER, image.width // 2
    assert inked[:56].any(axis=(0, 2)).sum() == 2 * 48
    assert inked[56:].any() and not inked[56:, middle - 2 : middle + 2].any()


def test_list_shows_every_parameter(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["avatar", "--list"]) == 0
    said = capsys.readouterr().out
    assert "parameter" in said and "meaning" in said
    for parameter in PARAMETERS:
        assert parameter.name in said


def test_list_has_a_line_for_each_parameter_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["avatar", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, parameter in zip(lines, PARAMETERS, strict=True):
        assert line.split()[0] == parameter.name
        assert line.endswith(f"  {parameter.meaning}")
    assert len({line.index(" .. ") - len(f"{p.low:g}") for line, p in zip(lines, PARAMETERS, strict=True)}) == 1


def test_list_finds_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["avatar", "--list", "Curl"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["hair.curl"]
    assert main(["avatar", "--list", "forehead", "--seed", "1"]) == 0  # of a name, or of a meaning
    said = capsys.readouterr().out
    assert "hair.fringe" in said and "shape.forehead" in said and "eyes.gaze" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "1"], "--out FILE.glb"),
        (["--list", "hair", "--out", "x.glb"], "--list writes no file: leave out --out."),
        (["--list", "tail"], "No parameter has 'tail' in its name or meaning"),
        (["--out", "x.stl"], "must end in .glb or .png"),
        (["--sheet", "2", "--out", "x.glb"], "must end in .png"),
        (["--set", "person.age=200", "--out", "x.glb"], "person.age must be 16 to 90, not 200"),
        (["--set", "person.age=nan", "--out", "x.glb"], "person.age must be 16 to 90, not nan"),
        (["--set", "persn.age=20", "--out", "x.glb"], "did you mean person.age"),
        (["--set", "person.age=old", "--out", "x.glb"], "write NAME=NUMBER"),
        (["--set", "person.age", "--out", "x.glb"], "write NAME=NUMBER"),
        (["--set", "person.age=20", "--set", "person.age=30", "--out", "x.glb"], "two values"),
        (["--expression", "--out", "x.glb"], "give --seed as well"),
        (["--seed", "-1", "--out", "x.glb"], "-1"),
        (["--spp", "8", "--out", "x.glb"], "write one with --out FILE.png"),
        (["--size", "64x64", "--out", "x.glb"], "write one with --out FILE.png"),
        (["--seed", "1", "--out", "no/where/x.glb"], "the folder does not exist"),
        (
            [
                *("--set", "person.european=0", "--set", "person.asian=0", "--set", "person.african=0"),
                *("--out", "x.glb"),
            ],
            "must be above 0",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_written(
    options: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["avatar", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
