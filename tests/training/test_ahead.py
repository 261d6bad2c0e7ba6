"""What is made ahead comes in order, by a thread of its own, and its errors reach whoever asks."""

import threading
from collections.abc import Iterator

import pytest

from app.training.ahead import ahead


@pytest.mark.parametrize("threads", [1, 2])
def test_items_come_in_order(threads: int) -> None:
    makers = set()

    def numbers() -> Iterator[int]:
        for number in range(20):
            makers.add(threading.get_ident())
            yield number

    assert list(ahead(numbers(), threads)) == list(range(20))
    assert len(makers) == 1 and (makers == {threading.get_ident()}) == (threads == 1)
    assert list(ahead(iter(()), threads)) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_after_what_was_made_before(threads: int) -> None:
    def numbers() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"):
        for number in ahead(numbers(), threads):
            seen.append(number)
    assert seen == [1, 2]


def test_whoever_stops_asking_leaves_no_thread() -> None:
    made = []

    def numbers() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    before = threading.active_count()
    items = ahead(numbers(), 2)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before and len(made) < 10
