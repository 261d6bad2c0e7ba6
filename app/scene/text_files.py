"""Text in mesh files of any age: UTF-8, or else Latin-1, in which only names and comments ever differ; and what
trimesh misreads of OBJ files."""

import re
from collections.abc import Iterable

_RELATIVE = re.compile(r"^[ \t]*f[ \t].*-\d", re.MULTILINE)


def decode(data: bytes) -> str:
    """Return the text of `data`, without a byte-order mark. Never fails."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def with_absolute_indices(obj: str) -> str:
    """Return the text of an OBJ file with relative indices of triangles counted from its start.

    -1 is the last vertex before its line. trimesh takes it for the last one of the file.
    """
    if not _RELATIVE.search(obj):
        return obj
    counts = {"v": 0, "vt": 0, "vn": 0}

    def absolute(corner: str) -> str:
        numbers = zip(corner.split("/"), counts.values(), strict=False)
        return "/".join(str(count + 1 + int(text)) if text.startswith("-") else text for text, count in numbers)

    lines = obj.replace("\\\r\n", " ").replace("\\\n", " ").splitlines()
    for number, line in enumerate(lines):
        words = line.split()
        if not words:
            continue
        if words[0] in counts:
            counts[words[0]] += 1
        elif words[0] == "f" and "-" in line:
            lines[number] = " ".join(["f", *map(absolute, words[1:])])
    return "\n".join(lines) + "\n"


class MaterialNames:
    """Tells trimesh what materials an OBJ file's parts may have (what it calls a resolver).

    It would read one material file of several. What materials are is read elsewhere, as are images.

    Args:
        file_name: of the OBJ file, after which trimesh names parts without a name.
        names: of all materials.
    """

    def __init__(self, file_name: str, names: Iterable[str]) -> None:
        self.file_name = file_name
        self._lines = "".join(f"newmtl {name}\n" for name in names).encode()

    def get(self, name: str) -> bytes:
        """Return a material file with all names, whatever it is called; OSError if there are none."""
        if not self._lines:
            raise FileNotFoundError(name)
        return self._lines

    __getitem__ = get
