"""Tables of the avatar generator, which scripts below assets/ make: NumPy archives."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import InputError


def read_table(path: Path, names: Iterable[str], *, otherwise: str, remake: str) -> dict[str, NDArray[Any]]:
    """Return these arrays of the archive.

    Args:
        path: of a file that is there.
        names: of the arrays.
        otherwise: what the file is if it cannot be read or lacks one of them, as "no map of the avatar's skin".
        remake: what makes it.

    Raises:
        InputError: the file is damaged or of another version.
    """
    try:
        with np.load(path) as archive:
            return {name: archive[name] for name in names}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise InputError(f"{path}: is {otherwise} ({error}).", remake) from error
