"""Text in mesh files of any age: UTF-8, or else Windows-1252 (Latin-1 and more), in which only names and comments ever
differ; and what trimesh misreads of OBJ files."""

import re
from collections.abc import Iterable

# Lines of OBJ files that trimesh does not know for what they are, or misreads.
_ODD = re.compile(
    r"^[ \t]+\S"  # indented
    r"|^[a-z]+\t"  # a tab behind the first word
    r"|^(?:v|vt|vn|f)[ ].*#"  # a comment behind numbers
    r"|^g[ \t]*\r?$"  # a group without a name
    r"|^f[ ].*-\d"  # indices counted from here backwards
    r"|\\\r?$"  # continued in the next line
    r"|\r[^\n]",  # ends of lines of old
    re.MULTILINE,
)
_WINDOWS = {byte: bytes([byte]).decode("cp1252") for byte in range(0x80, 0xA0) if byte not in b"\x81\x8d\x8f\x90\x9d"}
"""What Windows-1252 has for Latin-1's control characters, one of which ends lines; five bytes stay what they are."""
_NUMBERS = ("v", "vt", "vn", "f")  # words that numbers follow; behind others # may be a part of a name


def decode(data: bytes) -> str:
    """Return the text of `data`, without a byte-order mark. Never fails."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1").translate(_WINDOWS)


def in_plain_lines(obj: str) -> str:
    """Return the text of an OBJ file with a statement a line, words apart by one space, and indices from the start.

    trimesh looks for statements at the beginning of lines, and takes -1, the last vertex before its line, for the last
    one of the file.
    """
    if not _ODD.search(obj):
        return obj
    counts = {"v": 0, "vt": 0, "vn": 0}

    def absolute(corner: str) -> str:
        numbers = zip(corner.split("/"), counts.values(), strict=False)
        return "/".join(str(count + 1 + int(text)) if text.startswith("-") else text for text, count in numbers)

    lines = obj.replace("\r\n", "\n").replace("\r", "\n").replace("\\\n", " ").split("\n")
    for number, line in enumerate(lines):
        word, *rest = line.strip().split(None, 1) or [""]
        if word in _NUMBERS:
            rest = "".join(rest).partition("#")[0].split()
        if word in counts:
            counts[word] += 1
        elif word == "g" and not rest:
            rest = ["default"]
        elif word == "f":
            rest = [absolute(corner) for corner in rest]
        lines[number] = " ".join([word, *rest])
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
