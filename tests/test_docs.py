"""What the documentation says must be so."""

import ast
import re
import shlex
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import click
import pytest

from app.main import cli
from app.network.schema import TRANSMISSION_LEARNT, schema_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "weights" / "README.md"]
PAGES += sorted((ROOT / "assets").glob("*/*.md"))


def test_feature_table_is_the_schemas() -> None:
    assert schema_markdown() in (ROOT / "docs" / "formats.md").read_text()
    assert f"| {TRANSMISSION_LEARNT:g} * albedo" in schema_markdown()


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
            file = page.parent / target if target else page
            assert file.exists(), f"{page}: {target}"
            assert not anchor or anchor in _anchors(file), f"{page}: {target}#{anchor}"


def test_sections_that_code_and_pages_name_exist() -> None:
    """As in: docs/training.md, "The loss"."""
    named = 0
    code = [file for folder in ("app", "assets", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]
    shaders = [file for file in sorted((ROOT / "shaders").rglob("*")) if file.is_file()]
    for file in (*PAGES, *code, *shaders):
        text = re.sub(r"\n\s*(?:#|//)?\s*", " ", file.read_text())
        for page, section in re.findall(r"((?:docs/[\w-]+|README)\.md)(?:\]\([^)]*\))?, \"([^\"]{3,60})\"", text):
            named += 1
            headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.M)
            assert section.lower() in map(str.lower, headings), f"{file}: {page}, {section}"
    assert named


def test_messages_in_the_tables_are_said() -> None:
    """What tables of errors and warnings have in their first column, but for names and numbers, stands in the code."""
    parts = [(ROOT / "setup" / "system.sh").read_text(), (ROOT / "setup" / "python.sh").read_text()]
    for file in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                written = [str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values]
                parts.append("".join(written))
    said = "\n".join(parts)
    install, face = ((ROOT / "docs" / name).read_text() for name in ("install.md", "own-face.md"))
    troubles, warnings = install[install.index("## Troubleshooting") :], face[face.index("\nWarnings;") :]
    messages = re.findall(r"^\| (?:warning )?`([^`]+)` \|", troubles, re.M)
    messages += re.findall(r"^\| ([^`|]+) \|", warnings[: warnings.index("\nErrors,")], re.M)
    of_others = {"bungyo: command not found", "make test", "warning", "---"}
    filled_in = r"\.\.\.|[\d():;']+|held-out|whole pictures|BUNGYO_TILE_VARIANT|centimetres|any-uv"
    for message in set(messages) - of_others:
        for part in re.split(filled_in, message):
            assert part.strip(" .") in said, f"{message}: {part}"
    assert len(messages) > 50


def test_named_files_exist() -> None:
    """Paths in backquotes that look like files of this project."""
    for page in PAGES:
        for name in re.findall(r"`((?:app|shaders|assets|tests|docs|setup)/[\w./-]+)`", page.read_text()):
            assert (ROOT / name).exists() or "NAME" in name or name == "tests/failed/", f"{page}: {name}"


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


def test_no_file_imports_another_in_a_circle() -> None:
    """Not even for its types, or within a function."""
    files = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in (ROOT / "app").rglob("*.py")}
    files = {module.removesuffix(".__init__"): file for module, file in files.items()}
    imports: dict[str, set[str]] = {}
    for module, file in files.items():
        named = {name if name in files else name.rpartition(".")[0] for name in _imported(file)}
        imports[module] = named & set(files) - {module}
    assert {"app.gpu", "app.scene.model"} <= imports["app.renderer"] and len(imports) > 250
    TopologicalSorter(imports).prepare()  # CycleError names one


def _anchors(page: Path) -> set[str]:
    """What a page's headings are called in links, as GitHub does it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _imported(file: Path) -> list[str]:
    """What of app/ a file imports anywhere, down to the names."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("app.")]


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_a_shell_reads_the_examples_of_help(name: str) -> None:
    """They are pasted as they are: what is said of one is a comment, all else options that there are."""
    lines = [
        line.strip() for line in (cli.commands[name].epilog or "").splitlines() if line.lstrip().startswith("bungyo ")
    ]
    assert lines
    for line in lines:
        checked = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        _, other, *arguments = shlex.split(line, comments=True)
        _, rest, _ = cli.commands[other].make_parser(click.Context(cli)).parse_args(arguments)
        assert not rest, line
