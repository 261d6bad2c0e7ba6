"""What the documentation says must be so."""

import re
from pathlib import Path

from app.network.schema import schema_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_feature_table_is_the_schemas() -> None:
    assert schema_markdown() in (ROOT / "docs" / "formats.md").read_text()


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_named_files_exist() -> None:
    """Paths in backquotes that look like files of this project."""
    for page in PAGES:
        for name in re.findall(r"`((?:app|shaders|assets|tests|docs|setup)/[\w./-]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"
