"""A page of Markdown and where its picture goes, for commands that write one."""

from pathlib import Path

from app.errors import InputError


def check_page(out: Path) -> None:
    """Raise InputError unless a page can be written to `out`, and its picture to where `picture_of` says."""
    from app.files import check_file

    if out.suffix != ".md":
        raise InputError(f"The page is Markdown, so {out} must end in .md.")
    check_file(out)
    picture = _picture(out)
    if picture.parent.exists():
        check_file(picture)


def picture_of(out: Path) -> Path:
    """Return where the page's picture goes, in a folder that is made if need be."""
    picture = _picture(out)
    picture.parent.mkdir(exist_ok=True)
    return picture


def _picture(out: Path) -> Path:
    return out.parent / "images" / f"{out.stem}.png"


def write_page(out: Path, text: str) -> None:
    """Write a page; BungyoError if that is impossible. Of file names that are no UTF-8, question marks stand in it."""
    from app.files import beside

    with beside(out) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
