"""A command whose packages are missing says which, and how to get them."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.errors import BungyoError
from app.main import main
from app.packages import need

ROOT = Path(__file__).parents[2]
HOW = "Install {} with:  .venv/bin/pip install -c constraints.txt -e '.[train]'"


@pytest.mark.parametrize(
    ("arguments", "sentence", "them"),
    [
        (
            ["train", "--data", "x", "--out", "y"],
            "Training needs torch and matplotlib, which are not installed.",
            "them",
        ),
        (
            ["evaluate", "--data", "x"],
            "Judging needs scikit-image, matplotlib and jinja2, which are not installed.",
            "them",
        ),
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


def test_only_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.packages.find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(BungyoError, match=r"^A page needs jinja2, which is not installed\. Install it with"):
        need("A page", "matplotlib", "jinja2")


def test_scores_ask_for_no_torch() -> None:
    """Nor for any other package than those that are named where they are missing."""
    script = "import sys; sys.modules['torch'] = None; from app.main import main; sys.exit(main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", script, "evaluate", "--data", "nowhere", "--no-flicker"]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == 2 and result.stderr.startswith("bungyo: error: There is no data set at nowhere")
