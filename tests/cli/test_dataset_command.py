"""`bungyo dataset`: contradictory options are refused before anything is touched."""

import re
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from app.commands import dataset as dataset_command
from app.errors import InputError
from app.gpu.instance import Instance
from app.gpu.selection import Candidate, candidates
from app.main import main
from app.training.avatars import Avatars
from app.training.frame_source import OpenSource
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.workers import Workers
from tests.training.sphere_source import SpherePeople, SphereSource


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mesh", "face.glb", "--people", "3"], "--mesh shows one fixed face and --people random ones: give one"),
        (["--mesh", "missing.glb"], "missing.glb: no such mesh file"),
        (["--face", "skin"], "--face names parts of a mesh file: give --mesh as well"),
        (["--address", "here:1"], "--address is that of a Ray cluster: give --engine ray as well"),
        (["--engine", "ray", "--address", "here"], "'here' is not the address of a Ray cluster"),
        (["--engine", "smoke"], "'smoke' is not one of 'local', 'ray'"),
        (["--people", "2"], "A data set needs 3 people or more, so that training, validation and held-out scores have"),
        (["--people", "0"], "0 is not in the range"),
        (["--workers", "0"], "0 is not in the range"),
        (["--size", "8x64"], "A frame must measure 16 to 8192 pixels a side, not 8x64"),
        (["--env", "nowhere"], "nowhere: no such environment map"),
    ],
)
def test_options_that_contradict_touch_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["dataset", "--out", str(tmp_path / "set"), *options]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bungyo: error: ") and message in said
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "spp", "tiles"),
    [
        ([], 8, 0.6),
        (["--held-out"], 64, 1.0),
        (["--held-out", "--spp", "5"], 5, 1.0),
        (["--held-out", "--tiles", "0.5"], 64, 0.5),
    ],
)
def test_a_set_for_scores_has_more_samples_and_whole_pictures(
    options: list[str], spp: int, tiles: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []

    def refuse(plan: Plan) -> None:
        plans.append(plan)
        raise InputError("That is all.")

    monkeypatch.setattr(Plan, "check", refuse)
    assert main(["dataset", "--out", str(tmp_path / "set"), *options]) == 2
    (plan,) = plans
    assert (plan.spp, plan.tile_fraction, plan.held_out) == (spp, tiles, "--held-out" in options)


def test_a_cpu_beside_a_gpu_is_said_once_for_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The workers, which are processes of their own, say nothing."""

    def beside_a_gpu(instance: Instance) -> list[Candidate]:
        cpu = next(one for one in candidates(instance) if one.info.kind == "cpu")
        plain = replace(cpu.info, index=0, name="Plain GPU", kind="discrete", missing=["rays"])
        return [replace(cpu, info=plain), replace(cpu, info=replace(cpu.info, index=1))]

    def refuse(opens: OpenSource, _: int) -> Workers:
        with opens(0, 2):
            raise InputError("That is all.")

    monkeypatch.setattr("app.gpu.selection.candidates", beside_a_gpu)
    monkeypatch.setattr("app.gpu.open_device.candidates", lambda instance, _: beside_a_gpu(instance))
    monkeypatch.setattr("app.training.workers.Workers", refuse)
    arguments = ["dataset", "--out", str(tmp_path / "set"), "--workers", "2"]
    for device, times in ([], 1), (["--device", "1"], 0):
        assert main([*arguments, *device]) == 2
        said = capfd.readouterr().err
        assert "That is all." in said
        assert len(re.findall(r"warning: The CPU does all the work \(.*\): Plain GPU lacks rays\.", said)) == times


@pytest.mark.parametrize(
    ("options", "samples", "texels"),
    [([], 16, None), (["--light-samples", "32"], 32, None), (["--light-texels", "512"], 16, 512)],
)
def test_light_is_gathered_as_often_and_as_finely_as_asked_for(
    options: list[str], samples: int, texels: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[OpenSource] = []

    def refuse(_name: str, opens: OpenSource, *_: object) -> None:
        opened.append(opens)
        raise InputError("That is all.")

    monkeypatch.setattr(dataset_command, "open_engine", refuse)
    assert main(["dataset", "--out", str(tmp_path / "set"), *options]) == 2
    assert [(one.light_samples, one.light_texels) for one in opened] == [(samples, texels)]


def test_the_summary_is_drawn_where_there_is_something_new_or_none_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Path] = []
    monkeypatch.setattr(dataset_command, "open_engine", lambda *_: nullcontext())
    monkeypatch.setattr(dataset_command, "_summarize", drawn.append)
    for added, there, said in ((3, False, "3 of them new"), (0, False, "all already"), (0, True, ""), (2, True, "")):
        monkeypatch.setattr("app.training.generate.generate", lambda *_, added=added, **__: added)
        if there:
            (tmp_path / dataset_command.SUMMARY).touch()
        before = len(drawn)
        assert main(["dataset", "--out", str(tmp_path)]) == 0
        assert said in capsys.readouterr().out
        assert (len(drawn) > before) == (added > 0 or not there)


def test_the_set_of_another_source_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other people in the folder, and other options: one sentence that names what differs and nothing else."""
    generate(Here(SphereSource(people=SpherePeople())), tmp_path / "set", Plan(2, size=(64, 64)), 1)
    before = {file: file.read_bytes() for file in (tmp_path / "set").rglob("*") if file.is_file()}
    arguments = ["dataset", "--out", str(tmp_path / "set"), "--spp", "2", "--size", "64x64", "--env", "studio"]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "was begun with other options: " in said and "people.generator was not given and is now" in said
    assert "spp" not in said and "ranges" not in said and "size" not in said.replace("cache_size", "")
    assert before == {file: file.read_bytes() for file in (tmp_path / "set").rglob("*") if file.is_file()}


def test_people_for_data_sets() -> None:
    """The seed decides who it is and the expression's what the face does; what is recorded makes the same head."""
    avatars = Avatars()
    first, other, again = avatars.draw(10, 1), avatars.draw(10, 2), avatars.draw(10, 1)
    assert first == again and first.seed == 10
    moved = {n for n in first.values | other.values if first.values.get(n) != other.values.get(n)}
    assert moved and {name.partition(".")[0] for name in moved} == {"expression"}
    assert not any(name.startswith(("camera.", "light.")) for name in first.values)
    heads = [avatars.parts(info) for info in (first, again)]
    faces = [[part for part in head if part.face] for head in heads]
    assert len(faces[0]) == 1
    assert faces[0][0].mesh.positions.tobytes() == faces[1][0].mesh.positions.tobytes()
