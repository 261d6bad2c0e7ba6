"""A run that is killed, at any moment, or meets a full disk goes on to the set that an undisturbed run makes."""

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import InputError
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.manifest import BLOCK
from app.training.workers import Workers
from tests.training.sphere_source import MakeSphere, SpherePeople, SphereSource
from tests.training.test_workers import files, marked_processes

FRAMES = 12 * BLOCK
PLAN = Plan(spp=1, seed=4, size=(64, 64))
KILLS = 12


def fill(path: Path) -> None:
    generate(Here(SphereSource(people=SpherePeople())), path, PLAN, FRAMES)


def fill_by_workers(path: Path) -> None:
    with Workers(MakeSphere(), 2) as workers:
        generate(workers, path, PLAN, FRAMES)


def fill_small_disk(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["ROOM"]), resource.RLIM_INFINITY))
    fill(path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """The files of the set, and how long it took, in seconds."""
    path = tmp_path_factory.mktemp("undisturbed") / "set"
    start = time.monotonic()
    fill(path)
    return files(path), time.monotonic() - start


@pytest.fixture(scope="module")
def server() -> Iterator[multiprocessing.context.ForkServerContext]:
    """Starts processes that have everything imported already, so that they are killed at work."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    yield context


def known(path: Path) -> list[int]:
    """The frames that a reader finds, at whatever moment; the set may not have been begun."""
    try:
        return list(Dataset(path).frames)
    except InputError as error:
        assert "does not exist" in error.message or "has no manifest" in error.message
        return []


def test_killed_again_and_again(
    tmp_path: Path,
    undisturbed: tuple[dict[str, bytes], float],
    server: multiprocessing.context.ForkServerContext,
) -> None:
    wanted, seconds = undisturbed
    path, luck, before = tmp_path / "set", random.Random(1), 0
    stopped_inside = 0
    for _ in range(KILLS):
        process = server.Process(target=fill, args=(path,))
        process.start()
        time.sleep(luck.uniform(0.0, seconds / 4.0))
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        stopped_inside += process.exitcode != 0
        now = known(path)
        assert len(now) >= before and now == list(range(len(now)))  # nothing lost
        before = len(now)
    assert stopped_inside
    fill(path)
    assert files(path) == wanted


def run(function: str, path: Path, **environment: str) -> "subprocess.Popen[str]":
    """A Python of its own that runs one of this file's functions."""
    code = f"from pathlib import Path; from {__name__} import {function}; {function}(Path({str(path)!r}))"
    return subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def test_killed_with_workers(tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]) -> None:
    path, mark = tmp_path / "set", str(tmp_path)
    process = run("fill_by_workers", path, BUNGYO_TEST=mark)
    while len(known(path)) < 2 * BLOCK and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    for _ in range(200):  # orphans end by themselves
        if not marked_processes(mark):
            break
        time.sleep(0.05)
    assert not marked_processes(mark)
    fill(path)
    assert files(path) == undisturbed[0]


def test_a_full_disk_stops_with_a_sentence_and_goes_on_later(
    tmp_path: Path, undisturbed: tuple[dict[str, bytes], float]
) -> None:
    path = tmp_path / "set"
    sizes: dict[str, int] = {}
    for name, data in undisturbed[0].items():
        if name.endswith(".tiles"):
            sizes[Path(name).stem] = max(sizes.get(Path(name).stem, 0), len(data))
    biggest, *later = (sizes[shard] for shard in sorted(sizes))
    room = next(size for size in later if size > biggest) - 1  # the first shard fits, a later one does not
    process = run("fill_small_disk", path, ROOM=str(room))
    last = process.communicate()[1].splitlines()[-1]
    assert process.returncode == 1
    assert last.startswith("app.errors.BungyoError: Frames ") and last.endswith("; all earlier frames are safe.")
    assert 0 < len(known(path)) < FRAMES and not list(path.rglob("*.part"))
    fill(path)
    assert files(path) == undisturbed[0]
