"""The script that makes the table of hair roots makes that which is there, and leaves whole files whenever it ends."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.scene.avatar.hair_roots import TABLE
from assets.avatar.hair import build


def test_roots_are_those_that_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "TABLE", tmp_path / "roots.npz")
    build.main()
    with np.load(TABLE) as known, np.load(tmp_path / "roots.npz") as made:
        assert known.files == made.files
        for name in known.files:
            np.testing.assert_array_equal(known[name], made[name])


def test_an_interrupted_script_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(file: Path, **_: Any) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", half)
    monkeypatch.setattr(build, "TABLE", tmp_path / "there.npz")
    (tmp_path / "there.npz").write_text("whole")
    with pytest.raises(KeyboardInterrupt):
        build.main()
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
