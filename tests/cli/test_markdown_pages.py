"""Where pages of Markdown go with their pictures, and what they say of files that lie elsewhere for others."""

import os
from pathlib import Path

import pytest

from app.commands.markdown_page import check_page, picture_of, write_page
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


def test_where_no_picture_can_go_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("no folder")
    with pytest.raises(InputError, match=r"Cannot write to .*images: it is not a folder"):
        check_page(tmp_path / "seams.md")
    (tmp_path / "images").unlink()
    (tmp_path / "images" / "seams.png").mkdir(parents=True)
    with pytest.raises(InputError, match=r"Cannot write .*seams\.png: it is a folder"):
        check_page(tmp_path / "seams.md")


def test_a_page_that_names_any_file_is_written(tmp_path: Path) -> None:
    strange = os.fsdecode(b"caf\xe9")
    for _ in range(2):
        write_page(tmp_path / "page.md", f"± of {strange}\n")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == "± of caf?\n"
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]


def test_paths_of_one_machine_are_told_as_customary_ones() -> None:
    assert _customary(Path("/home/me/sets/judge"), "out") == Path("out/judge")
    assert _customary(Path("weights/mine"), "out") == Path("weights/mine")
