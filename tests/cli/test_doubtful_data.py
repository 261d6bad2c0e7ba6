"""Warnings of commands that learn or judge: data of another version, and heads that the networks do not know."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import InputError
from app.main import main
from app.scene.uv_layout import UvLayout, canonical_layout
from app.training import train as train_module
from app.training.dataset import Dataset
from app.training.manifest import GATHERING, GATHERING_VERSION, MANIFEST
from app.training.train import Result
from tests.training.judged_sphere import make, weight_set

FOREIGN = UvLayout(canonical_layout().positions[::-1, ::-1].copy())
AVATARS = {"people": {"generator": 2}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make(tmp_path / "set", noise=0.1, frames=3).path


@pytest.fixture
def said(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, list[str]]]:
    """Runs both commands on the set, whose scene says what is given, with networks that say what is given."""
    monkeypatch.setattr(train_module, "train", lambda *_, **__: Result(None, None, 0, False))

    def run(scene: dict[str, Any], metadata: dict[str, Any], *options: str) -> dict[str, list[str]]:
        header, *shards = (data / MANIFEST).read_text().splitlines()
        manifest = json.loads(header)
        manifest["spec"]["scene"] |= scene
        (data / MANIFEST).write_text("\n".join([json.dumps(manifest), *shards, ""]))
        weights = replace(weight_set(0.9), metadata=metadata).save(tmp_path / "networks")
        found = {}
        for command in (
            ["evaluate", "--weights", str(weights.parent), "--no-flicker", "--json", str(tmp_path / "scores.json")],
            ["train", "--start", str(weights.parent), "--out", str(tmp_path / "out"), *options],
        ):
            assert main([*command, "--data", str(data)]) == 0
            lines = capsys.readouterr().err.splitlines()
            found[command[0]] = [line.split(": ", 2)[2] for line in lines if line.startswith("bungyo: warning: ")]
        return found

    return run


def test_data_of_another_version(said: Callable[..., dict[str, list[str]]], data: Path) -> None:
    assert said({}, {}) == {"evaluate": [], "train": []}
    assert Dataset(data).gathering == GATHERING_VERSION
    for version, name in ((GATHERING_VERSION - 1, f"version {GATHERING_VERSION - 1}"), (None, "an unknown version")):
        for lines in said({GATHERING: version}, {}).values():
            (line,) = lines
            assert line.startswith(f"{data} was gathered by {name} of what makes") and "drawn now" in line
        assert json.loads((data.parent / "scores.json").read_text())["data"]["gathering"] == version


@pytest.mark.parametrize("command", ["seams", "ablation"])
def test_comparisons_on_data_of_another_version(
    command: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def enough(*_: Any, **__: Any) -> None:
        raise InputError("This is enough.")

    monkeypatch.setattr("app.training.cures.compare", enough)
    monkeypatch.setattr("app.training.ablation.compare", enough)
    arguments = [command, "--data", str(data), "--out", str(tmp_path / "page.md")]
    for version in (GATHERING_VERSION, GATHERING_VERSION - 1):
        header, *shards = (data / MANIFEST).read_text().splitlines()
        manifest = json.loads(header)
        manifest["spec"]["scene"] |= {GATHERING: version}
        (data / MANIFEST).write_text("\n".join([json.dumps(manifest), *shards, ""]))
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert "This is enough." in said
        assert ("was gathered by version" in said) == (version != GATHERING_VERSION)


def test_heads_that_the_networks_do_not_know(said: Callable[..., dict[str, list[str]]], data: Path) -> None:
    trained: dict[str, Any] = {"trained": True}
    own = trained | {"uv_layout": FOREIGN.plain()}
    nothing: dict[str, list[str]] = {"evaluate": [], "train": []}
    foreign = {"uv_layout": FOREIGN.plain()}
    assert said({}, own) == nothing  # of a set that says nothing nobody knows
    for scene, known, unknown in ((foreign, own, trained), ({"uv_layout": None} | AVATARS, trained, own)):
        for silent in (known, unknown | {"any_uv": True}, unknown | {"trained": False}):
            assert said(scene, silent) == nothing
        found = said(scene, unknown)
        for lines in found.values():
            assert len(lines) == 1 and lines[0].startswith(f"{data}: the UVs of its heads are not those that ")
        assert "they are judged on" in found["evaluate"][0] and "--start any-uv" in found["train"][0]
        assert said(scene, unknown, "--any-uv")["train"] == []


def test_networks_that_would_replace_those_they_begin_with(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose training nobody could go on with."""
    file = weight_set(0.9).save(tmp_path / "networks")
    for start in (file, file.parent):
        assert main(["train", "--data", str(data), "--start", str(start), "--out", str(file.parent), "--fresh"]) == 2
        assert "--start and --out are the same networks" in capsys.readouterr().err
    assert file.is_file()
