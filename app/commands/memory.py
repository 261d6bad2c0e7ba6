"""What commands say whose data do not fit into memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import BungyoError

FEWER_FRAMES = "It takes more memory, or a data set of fewer frames."


@contextmanager
def enough_memory(hint: str = FEWER_FRAMES) -> Iterator[None]:
    """In this block, or in a function that this decorates, memory that ends is a BungyoError with a hint.

    torch has exceptions of its own for it, which nobody can name who has not imported it.
    """
    try:
        yield
    except MemoryError as error:
        raise BungyoError("The computer's memory is not enough for this.", hint) from error
    except RuntimeError as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise BungyoError("The GPU's memory is not enough for this.", hint) from error
        if "DefaultCPUAllocator" in str(error):
            raise BungyoError("The computer's memory is not enough for this.", hint) from error
        raise
