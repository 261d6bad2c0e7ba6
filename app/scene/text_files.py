"""Text in mesh files of any age: UTF-8, or else Latin-1. Only names and comments ever differ."""

from pathlib import Path


def decode(data: bytes) -> str:
    """Return the text of `data`, without a byte-order mark. Never fails."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


class TextNeighbours:
    """Gives trimesh the material files beside a mesh file, decoded (what trimesh calls a resolver).

    Images are withheld, for they are read elsewhere, where their absence is an error.
    """

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self.file_name = path.name

    def get(self, name: str) -> bytes:
        """Return a material file as UTF-8; raises OSError for any other or missing file."""
        if not name.lower().endswith(".mtl"):
            raise FileNotFoundError(name)
        return decode((self._folder / name).read_bytes()).encode()

    __getitem__ = get
