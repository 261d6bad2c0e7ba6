"""Making what is needed next while something else goes on."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

_AHEAD = 2  # items that are made or wait


def ahead(items: Iterator[Item], threads: int) -> Iterator[Item]:
    """The same items in the same order, made by a thread of its own if there are to be more than one.

    What is random in them comes out the same, as one after the other is made. None of them may be None.
    """
    if threads < 2:
        yield from items
        return
    with ThreadPoolExecutor(1) as maker:
        coming = deque(maker.submit(next, items, None) for _ in range(_AHEAD))
        while (item := coming.popleft().result()) is not None:
            coming.append(maker.submit(next, items, None))
            yield item
