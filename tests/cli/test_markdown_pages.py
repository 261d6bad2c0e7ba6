"""Where pages of Markdown go with their pictures, and what they say of files that lie elsewhere for others."""

from pathlib import Path

import pytest

from app.commands.markdown_page import check_page, picture_of
from app.commands.seams import _customary
from app.errors import InputError


def test_the_picture_of_a_page_lies_in_a_folder_beside_it(tmp_path: Path) -> None:
    check_page(tmp_path / "seams.md")
    for _ in range(2):
        picture = picture_of(tmp_path / "seams.md")
        assert picture == tmp_path / "images" / "seams.png" and picture.parent.is_dir()
    with pytest.raises(InputError, match=r"The page is Markdown, so .*seams\.html must end in \.md"):
        check_page(tmp_path / "seams.html")
    with pytest.raises(InputError, match="the folder does not exist"):
        check_page(tmp_path / "none" / "seams.md")


def test_paths_of_one_machine_are_told_as_customary_ones() -> None:
    assert _customary(Path("/home/me/sets/judge"), "out") == Path("out/judge")
    assert _customary(Path("weights/mine"), "out") == Path("weights/mine")
