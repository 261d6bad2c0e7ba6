"""What the documentation says must be so."""

import ast
import re
from pathlib import Path

from app.network.schema import TRANSMISSION_LEARNT, schema_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_feature_table_is_the_schemas() -> None:
    assert schema_markdown() in (ROOT / "docs" / "formats.md").read_text()
    assert f"| {TRANSMISSION_LEARNT:g} * albedo" in schema_markdown()


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_named_files_exist() -> None:
    """Paths in backquotes that look like files of this project."""
    for page in PAGES:
        for name in re.findall(r"`((?:app|shaders|assets|tests|docs|setup)/[\w./-]+)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_imports_are_those_that_the_table_allows() -> None:
    """Rows of "Where things are" name files or folders of app/ and, in the last column, what these may import."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page[page.index("## Where things are") : page.index("## Decisions")]
    rows: dict[str, tuple[int, str]] = {}  # by module or package: which row, and its last column without remarks
    for number, (names, allowed) in enumerate(re.findall(r"^\| (`app/.*?) \|.*\| (.*) \|$", section, re.M)):
        for name in re.findall(r"`app/([\w/]+)", names):
            rows["app." + name.replace("/", ".")] = number, allowed.split(". ")[0]

    def row(module: str) -> tuple[int, str]:
        within = [name for name in rows if f"{module}.".startswith(f"{name}.")]
        assert within, f"{module} is in no row of the table"
        return rows[max(within, key=len)]

    for file in sorted((ROOT / "app").glob("*/**/*.py")) + sorted((ROOT / "app").glob("[!_]*.py")):
        number, allowed = row(".".join(file.relative_to(ROOT).with_suffix("").parts))
        named, all_but = set(re.findall(r"\w+", allowed)), allowed.startswith("everything")
        for module in _imported(file):
            known = row(module)[0] == number or module.startswith(("app.arrays", "app.errors"))
            assert known or (module.split(".")[1] in named) != all_but, f"{file.relative_to(ROOT)} imports {module}"


def _imported(file: Path) -> list[str]:
    """What of app/ a file imports anywhere, down to the names."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("app.")]
