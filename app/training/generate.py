"""Filling a data set: missing frames are made block by block, by whoever does the work, and written as they come."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Protocol

from app.errors import InputError
from app.training.dataset_writer import DatasetWriter
from app.training.frames import FrameSource, Made, Plan, blocks, make_frames
from app.training.manifest import block_of


class Engine(Protocol):
    """Whoever makes frames: this process (`Here`), others (`workers.Workers`) or other machines (`ray_workers`)."""

    @property
    def description(self) -> dict[str, Any]:
        """`FrameSource.description` of its sources, which are all alike."""
        ...

    def make(self, plan: Plan, jobs: Sequence[Sequence[int]]) -> Generator[Made, None, None]:
        """Make frames; each job has frames of one block. Jobs come in any order, a job's frames in their own."""
        ...


class Here:
    """An `Engine` that renders in this process.

    Args:
        source: the renderer.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    @property
    def description(self) -> dict[str, Any]:
        """See `Engine`."""
        return self._source.description

    def make(self, plan: Plan, jobs: Sequence[Sequence[int]]) -> Generator[Made, None, None]:
        """See `Engine`."""
        for job in jobs:
            yield from make_frames(self._source, plan, job)


def generate(
    engine: Engine, out: str | Path, plan: Plan, frames: int, progress: Callable[[int], None] | None = None
) -> int:
    """Bring a data set to `frames` frames; those it has already are kept, so an interrupted run goes on.

    The set does not depend on who made it, nor on interruptions: same frames, same tiles, bit by bit.

    Args:
        engine: makes frames.
        out: the data set's folder.
        plan: what they show.
        frames: how many the set shall have in the end.
        progress: called at the start and after every frame with the number of frames done, those that the set had
            included.

    Returns:
        How many frames were added.

    Raises:
        InputError: an option is out of range, or the folder holds something else or a set made with other
            options.
        BungyoError: rendering or writing failed. Frames finished before are on disk, after Ctrl-C as well.
    """
    plan.check()
    if frames < 1:
        raise InputError(f"A data set needs frames >= 1, not {frames}.")
    with DatasetWriter(out, plan.spec(engine.description)) as writer:
        jobs = blocks(index for index in range(frames) if index not in writer.done)
        missing = {block_of(job[0]): len(job) for job in jobs}
        added, wanted = 0, sum(missing.values())
        if progress:
            progress(frames - wanted)
        pending: dict[int, list[Made]] = {}
        try:
            with closing(engine.make(plan, jobs)) as finished:
                for made in finished:
                    block = block_of(made.info.index)
                    pending.setdefault(block, []).append(made)
                    added += 1
                    if len(pending[block]) == missing[block]:
                        _write(writer, pending[block])
                        del pending[block]
                    if progress:
                        progress(frames - wanted + added)
        except BaseException:
            # Whatever went wrong, finished frames are worth keeping; the first trouble is the one to report.
            for block_frames in pending.values():
                with suppress(Exception):
                    _write(writer, block_frames)
            raise
    return added


def _write(writer: DatasetWriter, frames: Sequence[Made]) -> None:
    writer.write([(made.info, made.tiles) for made in frames], frames[0].person)
