"""Which weight set is loaded and shown when; without GPU and window."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.errors import InputError
from app.interruption import signals_as_exceptions
from app.network.weights import FILE_NAME, WeightSet
from app.weight_switch import WeightSwitch

SETS = ("a", "b", "broken", "c")


class Drawing:
    """Writes down what it is asked for, and in which thread."""

    def __init__(self) -> None:
        self.used: list[str] = []
        self.threads: set[int] = set()
        self.rooms = 0

    def make_room(self) -> None:
        self.rooms += 1

    def prepare(self, weights: WeightSet) -> str:
        self.threads.add(threading.get_ident())
        return str(weights.metadata["name"])

    def use(self, ready: str) -> None:
        self.used.append(ready)


class Shelf:
    """Weight sets that are read as slowly as the test wants."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.read: list[str] = []
        self.broken = {"broken"}

    def load(self, path: Path) -> WeightSet:
        self.read.append(path.name)
        assert self.gate.wait(10.0)
        if path.name in self.broken:
            raise InputError(f"The file {path.name} is no weight file.")
        few = WeightSet.untrained((32, 4, 15))
        return WeightSet(few.layers, few.slots, few.table, metadata={"name": path.name})


@contextmanager
def switching(
    *names: str, folder: Path = Path("weights"), shown_time: int | None = None
) -> Iterator[tuple[WeightSwitch, Drawing, Shelf, threading.Event]]:
    drawing, shelf, woken = Drawing(), Shelf(), threading.Event()
    switch = WeightSwitch(drawing, [folder / name for name in names], shelf.load, woken.set, shown_time)
    with closing(switch):
        yield switch, drawing, shelf, woken


def load(switch: WeightSwitch, woken: threading.Event) -> None:
    """Let it load what it is to load next."""
    switch.update()
    assert woken.wait(10.0)
    woken.clear()
    switch.update()


def test_from_set_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    with switching(*SETS) as (switch, drawing, _, woken):
        assert switch.names == SETS and switch.label == "a"
        switch.update()
        assert drawing.rooms == 0  # nothing was asked for
        for label in ("b", "b (broken is unusable)", "c", "a"):
            switch.next()
            switch.update()
            assert woken.wait(10.0)
            woken.clear()
            switch.update()
            assert switch.label == label
        assert drawing.used == ["b", "c", "a"]
        assert drawing.rooms == 4
        assert threading.get_ident() not in drawing.threads
    assert capsys.readouterr().err == ("bungyo: error: The file broken is no weight file. The picture stays with b.\n")


def test_who_comes_round_to_an_unusable_set_again_hears_of_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    """It may be usable by now, on a disk whose times stand still."""
    with switching("a", "broken") as (switch, drawing, shelf, woken):
        for _ in range(2):
            switch.next()
            load(switch, woken)
            assert switch.label == "a (broken is unusable)"
            switch.next()
            switch.update()
            assert switch.label == "a"
        assert capsys.readouterr().err.count("The file broken is no weight file.") == 2
        shelf.broken.clear()
        switch.next()
        load(switch, woken)
        assert switch.label == "broken" and drawing.used == ["broken"]


def test_only_the_last_wish_counts() -> None:
    with switching("a", "b", "c", "d") as (switch, drawing, shelf, woken):
        shelf.gate.clear()
        switch.next()
        switch.update()
        switch.next()
        switch.next()
        switch.update()
        assert switch.label == "a (d is loading)"
        shelf.gate.set()
        for _ in range(2):  # b, which nobody wants any more, and d
            assert woken.wait(10.0)
            woken.clear()
            switch.update()
        assert switch.label == "d"
        assert shelf.read == ["b", "d"] and drawing.used == ["d"]


def test_a_single_set(capsys: pytest.CaptureFixture[str]) -> None:
    with switching("a") as (switch, drawing, _, _):
        switch.next()
        switch.update()
        assert switch.label == "" and not drawing.rooms
    assert "only one weight set" in capsys.readouterr().out


def test_sets_that_join() -> None:
    """Those known already, by whatever path, do not join twice; the one shown comes first of all."""
    with switching("a", "b") as (switch, drawing, _, woken):

        def use(path: Path) -> None:
            switch.use(path)
            switch.update()
            assert woken.wait(10.0)
            woken.clear()
            switch.update()

        use(Path("elsewhere", "c"))
        assert switch.names == ("a", "b", "c") and switch.label == "c"
        use(Path("weights", "b").resolve())
        assert switch.names == ("a", "b", "c") and switch.label == "b"
        assert [path.name for path in switch.sets] == ["b", "c", "a"]
        assert drawing.used == ["c", "b"]


def test_what_joins_and_cannot_be_used_leaves_again(capsys: pytest.CaptureFixture[str]) -> None:
    with switching("a", "b") as (switch, drawing, shelf, woken):
        before = switch.sets
        switch.use(Path("broken"))
        load(switch, woken)
        assert switch.sets == before and " ".join(switch.names) == "a b" and switch.label == "a"
        switch.next()
        load(switch, woken)
        switch.next()
        load(switch, woken)
        assert shelf.read == ["broken", "b", "a"] and switch.label == "a"

        # In front of the one that is shown.
        switch.use(Path("broken"))
        switch.use(Path("c"))
        load(switch, woken)
        assert " ".join(switch.names) == "a b broken c" and switch.label == "c"
        for _ in range(3):
            switch.next()
        load(switch, woken)
        assert " ".join(switch.names) == "a b c" and switch.label == "c" and switch.sets[0] == Path("c")

        # In front of the one that is asked for.
        shelf.gate.clear()
        switch.use(Path("broken"))
        switch.update()
        switch.use(Path("d"))
        shelf.gate.set()
        assert woken.wait(10.0)
        woken.clear()
        load(switch, woken)
        assert " ".join(switch.names) == "a b c d" and switch.label == "d"
        assert drawing.used == ["b", "a", "c", "d"]
    assert capsys.readouterr().err.count("The file broken is no weight file.") == 3


def test_what_a_person_has_chosen() -> None:
    """Gone on to or dropped, also what is shown already; not what cannot be used."""
    with switching("a", "b") as (switch, _, shelf, woken):
        switch.use(Path("broken"))
        load(switch, woken)
        assert not switch.is_chosen
        for chosen in (True, False):  # once round
            switch.next()
            load(switch, woken)
            assert switch.is_chosen == chosen
        switch.use(Path("weights", "a"))
        switch.update()
        assert switch.is_chosen and shelf.read == ["broken", "b", "a"]

    with switching("a", "b") as (switch, _, _, woken):
        switch.next()
        load(switch, woken)
        switch.use(Path("weights", "a"))
        load(switch, woken)
        assert switch.is_chosen and switch.label == "a"


def test_what_has_not_been_loaded_yet_is_told_apart() -> None:
    """Another face asks for it once more, and goes by the others meanwhile."""
    with switching("a", "b") as (switch, _, _, woken):

        def known() -> str:
            return " ".join(path.name for path in switch.sets) + "; " + " ".join(path.name for path in switch.pending)

        assert known() == "a b; "
        for name in ("broken", "c"):
            switch.use(Path(name))
        assert known() == "a b; broken c"
        switch.next()
        switch.next()
        assert known() == "a b; broken c b"
        load(switch, woken)
        assert known() == "b a; broken c"
        switch.use(Path("broken"))
        load(switch, woken)
        assert known() == "b a; c"


def test_memory_that_ends_costs_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with switching("a", "b") as (switch, drawing, shelf, woken):

        def read(path: Path) -> WeightSet:
            raise MemoryError

        shelf.load = read  # type: ignore[method-assign]
        switch._load = shelf.load
        switch.next()
        load(switch, woken)
        assert switch.label == "a (b is unusable)" and not drawing.used
    said = "bungyo: error: The computer's memory is not enough for it. The picture stays with a.\n"
    assert capsys.readouterr().err == said


def test_what_joined_and_has_been_loaded_once_stays() -> None:
    """It may be what a training is writing."""
    with switching("a") as (switch, _, shelf, woken):
        switch.use(Path("b"))
        load(switch, woken)
        shelf.broken.add("b")
        for label in ("a", "a (b is unusable)"):
            switch.next()
            load(switch, woken)
            assert switch.label == label


def write(file: Path, time: int) -> None:
    file.parent.mkdir(exist_ok=True)
    file.touch()
    os.utime(file, (time, time))


def test_sets_that_are_written_meanwhile_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, broken = (tmp_path / name / FILE_NAME for name in ("a", "broken"))
    write(file, 1)
    write(broken, 1)
    with switching("a", "broken", folder=tmp_path) as (switch, drawing, shelf, woken):
        switch.update()
        assert not shelf.read
        write(file, 2)
        load(switch, woken)
        assert shelf.read == ["a"] and drawing.used == ["a"] and switch.label == "a"
        file.unlink()  # as if another file were about to take its place
        switch.update()
        switch.update()
        assert drawing.rooms == 1  # nothing is begun, which another thread would only note down later

        # While it is being read, too.
        write(file, 3)
        shelf.gate.clear()
        switch.update()
        write(file, 4)
        shelf.gate.set()
        assert woken.wait(10.0)
        woken.clear()
        load(switch, woken)
        assert shelf.read == ["a"] * 3 and drawing.used == ["a"] * 3

        # What is wrong with a file is said once, and once more when it is written again.
        switch.next()
        load(switch, woken)
        switch.update()
        assert switch.label == "a (broken is unusable)" and shelf.read[3:] == ["broken"]
        write(broken, 2)
        shelf.gate.clear()
        switch.update()
        assert switch.label == "a (broken is loading)"
        shelf.gate.set()
        assert woken.wait(10.0)
        switch.update()
        assert switch.label == "a (broken is unusable)" and shelf.read[3:] == ["broken"] * 2
        assert capsys.readouterr().err.count("The file broken is no weight file.") == 2


def test_a_new_version_is_not_lost_when_its_loading_is_for_nothing(tmp_path: Path) -> None:
    file = tmp_path / "a" / FILE_NAME
    write(file, 1)
    with switching("a", "b", folder=tmp_path) as (switch, drawing, shelf, woken):

        def press_while_it_loads() -> None:
            shelf.gate.clear()
            switch.update()
            switch.next()
            shelf.gate.set()
            assert woken.wait(10.0)
            woken.clear()

        write(file, 2)
        press_while_it_loads()  # b instead of the new a
        press_while_it_loads()  # and a again instead of b
        switch.update()
        assert woken.wait(10.0)
        switch.update()
        switch.update()
        assert shelf.read == ["a", "b", "a"] and drawing.used == ["a"] and switch.label == "a"


def test_what_is_written_between_two_faces_is_read(tmp_path: Path) -> None:
    """The networks are handed on as they are in memory."""
    file = tmp_path / "a" / FILE_NAME
    write(file, 1)
    with switching("a", folder=tmp_path) as (switch, _, _, _):
        write(file, 2)
        before = switch.shown_time
    with switching("a", folder=tmp_path, shown_time=before) as (switch, drawing, shelf, woken):
        load(switch, woken)
        switch.update()
        assert shelf.read == drawing.used == ["a"] and switch.shown_time != before


def test_a_shown_set_that_is_damaged_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken" / FILE_NAME
    write(file, 1)
    with switching("broken", "a", folder=tmp_path) as (switch, drawing, shelf, woken):
        write(file, 2)
        switch.update()
        assert woken.wait(10.0)
        switch.update()
        switch.update()
        assert switch.label == "broken" and shelf.read == ["broken"] and not drawing.used
    assert capsys.readouterr().err.endswith("The picture stays with broken.\n")


def test_a_signal_while_it_closes_waits_for_what_is_loaded() -> None:
    """Which would go on with a renderer that is closed next."""
    with switching("a", "b") as (switch, drawing, shelf, _):
        shelf.gate.clear()
        switch.next()
        switch.update()
        later = [threading.Timer(0.2 * (n + 1), signal.raise_signal, [signal.SIGINT]) for n in range(2)]
        later.append(threading.Timer(0.8, shelf.gate.set))
        for timer in later:
            timer.start()
        with pytest.raises(KeyboardInterrupt):
            switch.close()
        assert shelf.gate.is_set() and drawing.threads  # it was done with


def test_who_closes_it_waits_for_the_thread_to_wake_the_window() -> None:
    """Which is closed next, and could not be woken any more."""
    drawing, shelf, woken = Drawing(), Shelf(), threading.Event()

    def wake() -> None:
        time.sleep(0.3)
        woken.set()

    switch = WeightSwitch(drawing, [Path("a"), Path("b")], shelf.load, wake)
    switch.next()
    switch.update()
    switch.close()
    assert woken.is_set()


def test_a_second_signal_does_not_end_the_wait_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it ends steps that take too long."""
    monkeypatch.setattr("app.interruption.HANGING", 0.2)
    with signals_as_exceptions(), switching("a", "b") as (switch, drawing, shelf, _):
        shelf.gate.clear()
        switch.next()
        switch.update()
        later = [threading.Timer(0.3 * (n + 1), signal.raise_signal, [signal.SIGTERM]) for n in range(3)]
        later.append(threading.Timer(1.2, shelf.gate.set))
        for timer in later:
            timer.start()
        with pytest.raises(SystemExit):
            switch.close()
        assert shelf.gate.is_set() and drawing.threads
