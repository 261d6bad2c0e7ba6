"""No file imports another in a circle. Which folders may import which: tests/test_docs.py."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in (ROOT / "app").rglob("*.py")}


def imported(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports anywhere, for types alone or within a function included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield from [known for known in (name, node.module) if known in FILES][:1]


IMPORTS = {module: set(imported(path)) - {module} for module, path in FILES.items()}


def test_the_files_are_read() -> None:
    assert {"app.gpu", "app.scene.model"} <= IMPORTS["app.renderer"] and len(IMPORTS) > 250


def test_no_file_imports_another_in_a_circle() -> None:
    TopologicalSorter(IMPORTS).prepare()  # CycleError names one
