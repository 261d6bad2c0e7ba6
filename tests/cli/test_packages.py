"""A command whose packages are missing says which, and how to get them."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from app.main import main

HOW = "Install {} with:  .venv/bin/pip install -c constraints.txt -e '.[train]'"


@pytest.mark.parametrize(
    ("arguments", "sentence", "them"),
    [
        (["train", "--data", "x", "--out", "y"], "Training needs torch, which is not installed.", "it"),
        (["evaluate", "--data", "x"], "Judging needs scikit-image and matplotlib, which are not installed.", "them"),
        (["ablation", "--data", "x"], "An ablation needs torch and matplotlib, which are not installed.", "them"),
        (["bench", "--html", "x.html"], "A page needs matplotlib and jinja2, which are not installed.", "them"),
    ],
)
def test_missing_packages_are_named(
    arguments: list[str],
    sentence: str,
    them: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find = importlib.util.find_spec
    missing = ("torch", "matplotlib", "skimage", "jinja2")

    def found(name: str, *rest: Any) -> Any:
        return None if name in missing else find(name, *rest)

    monkeypatch.setattr("app.packages.find_spec", found)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert sentence in error and HOW.format(them) in error and "Something unforeseen" not in error
    assert not list(tmp_path.iterdir())
