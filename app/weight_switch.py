"""Weight sets that a person goes through while the demo draws: read and brought to the GPU beside the drawing.

One whose file is written meanwhile, as by a training, is read again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

import click

from app.errors import BungyoError
from app.file_times import written
from app.interruption import uninterrupted
from app.network.weights import WeightSet, weight_file


class Draws(Protocol):
    """The part of app.renderer.Renderer that changes weight sets."""

    def make_room(self) -> None:
        """By the thread that draws, before `prepare`."""

    def prepare(self, weights: WeightSet) -> Any:
        """In another thread."""

    def use(self, ready: Any) -> None:
        """By the thread that draws."""


class WeightSwitch:
    """Goes from set to set. A set that cannot be used costs a sentence, and the one that is shown stays.

    Args:
        renderer: draws with the first set.
        sets: their files or folders, at least one.
        load: reads one of them; runs in another thread.
        wake: called from another thread when `update` has something to do.
        shown_time: when the first set's file had been written (`written`), as it was read; by default: just now.
    """

    def __init__(
        self,
        renderer: Draws,
        sets: Sequence[Path],
        load: Callable[[Path], WeightSet],
        wake: Callable[[], None],
        shown_time: int | None = None,
    ) -> None:
        self._renderer, self._sets, self._load, self._wake = renderer, tuple(sets), load, wake
        self._shown = self._asked = 0
        self._unusable: int | None = None  # the set asked for, if it is
        self._loading = 0
        # When their files were written, as they were last used or found unusable; and as the one that is loading began.
        self._times = [written(weight_file(path)) for path in self._sets]
        if shown_time is not None:
            self._times[0] = shown_time
        self._loading_time = 0
        self._given, self._dropped = self._sets, set[Path]()  # at first, and those that were asked for by `use`
        self._untried: set[Path] = set()  # of the sets, those that joined and have never been loaded yet
        self._coming: Future[Any] | None = None
        self._beside = ThreadPoolExecutor(1, "weights")

    @property
    def names(self) -> tuple[str, ...]:
        """Of all sets: of the file, or of the folder that holds it."""
        return tuple(path.stem if path.suffix == ".safetensors" else path.resolve().name for path in self._sets)

    @property
    def label(self) -> str:
        """What is shown, and what is coming; "" where there is only one set."""
        if len(self._sets) == 1:
            return ""
        asked = self.names[self._asked]
        if self._asked == self._shown:
            return asked
        return f"{self.names[self._shown]} ({asked} {'is unusable' if self._unusable is not None else 'is loading'})"

    def next(self) -> None:
        """Ask for the set after the one asked for last."""
        if len(self._sets) == 1:
            click.echo("There is only one weight set; more can be given with --weights.")
        self._asked, self._unusable = (self._asked + 1) % len(self._sets), None

    def use(self, path: Path) -> None:
        """Ask for a set, and go through it with the others from then on; not if it cannot be used."""
        known = [other.resolve() for other in self._sets]
        if path.resolve() not in known:
            self._sets = (*self._sets, path)
            self._times.append(0)
            self._untried.add(path)
            known.append(path.resolve())
        self._asked, self._unusable = known.index(path.resolve()), None
        self._dropped.add(self._sets[self._asked])

    @property
    def sets(self) -> tuple[Path, ...]:
        """All of them, the one that is shown first, but for those that have never been loaded yet."""
        ordered = self._sets[self._shown :] + self._sets[: self._shown]
        return tuple(path for path in ordered if path not in self._untried)

    @property
    def is_chosen(self) -> bool:
        """Whether a person wants the set that is shown: it was gone on to, or dropped, be it the first."""
        return self.sets != self._given or self._sets[self._shown] in self._dropped

    @property
    def shown_time(self) -> int:
        """When the file of the set that is shown had been written, as it was read, or later found unusable."""
        return self._times[self._shown]

    @property
    def pending(self) -> tuple[Path, ...]:
        """Those that have never been loaded yet, and the one that is asked for but not shown yet, which comes last."""
        asked = self._sets[self._asked]
        others = tuple(path for path in self._sets if path in self._untried and path != asked)
        return others if self._asked in (self._shown, self._unusable) else (*others, asked)

    def update(self) -> None:
        """Use what is ready, and begin with what was asked for. By the thread that draws, between two frames."""
        if self._coming is not None and self._coming.done():
            coming, self._coming = self._coming, None
            try:
                ready = coming.result()
            except (BungyoError, OSError, MemoryError) as error:
                text = str(error) or "The computer's memory is not enough for it."
                click.echo(f"bungyo: error: {text} The picture stays with {self.names[self._shown]}.", err=True)
                self._times[self._loading] = self._loading_time
                if self._sets[self._loading] in self._untried:
                    self._remove(self._loading)
                elif self._asked == self._loading != self._shown:
                    self._unusable = self._loading
            else:
                self._untried.discard(self._sets[self._loading])
                if self._asked == self._loading:
                    self._renderer.use(ready)
                    self._shown, self._times[self._loading] = self._loading, self._loading_time
        if self._coming is None and (self._asked not in (self._shown, self._unusable) or self._is_outdated):
            self._renderer.make_room()
            self._loading, self._unusable = self._asked, None
            # Before it is read: what is still being written is read again.
            self._loading_time = written(weight_file(self._sets[self._asked]))
            self._coming = self._beside.submit(self._bring, self._sets[self._asked])
            self._coming.add_done_callback(lambda _: self._wake())

    @property
    def _is_outdated(self) -> bool:
        """Whether the file of the set asked for has been written since it was used or found unusable."""
        return written(weight_file(self._sets[self._asked])) not in (0, self._times[self._asked])

    def close(self) -> None:
        """Wait for what is being loaded, which nobody needs any more.

        A signal does not end the wait, as what is loaded uses the renderer, which is closed next: it comes after.
        """
        interruption: BaseException | None = None
        with uninterrupted:
            self._beside.shutdown(wait=False)
            while self._coming is not None and not self._coming.done():
                try:
                    wait([self._coming])
                except (KeyboardInterrupt, SystemExit) as error:
                    interruption = error
            # What is loaded is there before the thread has woken the window, which is closed next as well. Only now:
            # a join that a signal cuts short takes the thread for ended.
            self._beside.shutdown()
        if interruption is not None:
            raise interruption

    def _remove(self, index: int) -> None:
        """Forget a set that is not shown; if it was asked for, then what is shown is asked for instead."""
        if self._asked == index:
            self._asked = self._shown
        self._untried.remove(self._sets[index])
        self._sets = self._sets[:index] + self._sets[index + 1 :]
        del self._times[index]
        # Those behind it move up. None of them is loading, and none is known to be unusable.
        self._shown -= self._shown > index
        self._asked -= self._asked > index

    def _bring(self, path: Path) -> Any:
        return self._renderer.prepare(self._load(path))
