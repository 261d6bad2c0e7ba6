"""Several processes, or Ray actors, make the data set that one makes, and the loss of one of them loses nothing."""

import os
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from app.errors import BungyoError, InputError
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Engine, Here, generate
from app.training.manifest import BLOCK
from app.training.ray_workers import RayWorkers
from app.training.workers import TRIES, Workers
from tests.training.sphere_source import MakeSphere, SpherePeople, SphereSource

FRAMES = 5 * BLOCK + 3
PLAN = Plan(spp=2, seed=7, size=(64, 48))


def files(path: Path) -> dict[str, bytes]:
    """All files of a set; the manifest's lines in the order of their shards."""
    found = {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    first, *shards = found["manifest.jsonl"].splitlines()
    found["manifest.jsonl"] = b"\n".join([first, *sorted(shards, key=lambda line: int(line.split(b",")[0][9:]))])
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The set as this process alone makes it."""
    path = tmp_path_factory.mktemp("plain") / "set"
    assert generate(Here(SphereSource(people=SpherePeople())), path, PLAN, FRAMES) == FRAMES
    return files(path)


def marked_processes(mark: str) -> list[int]:
    """Processes other than this one that inherited `mark` in their environment and are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if mark.encode() in (entry / "environ").read_bytes() and " Z " not in (entry / "stat").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture
def no_process_stays(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whatever processes a test starts have ended soon after it."""
    mark = f"bungyo-{uuid.uuid4()}"
    monkeypatch.setenv("BUNGYO_TEST", mark)
    yield
    for _ in range(100):
        left = [pid for pid in marked_processes(mark) if b"resource_tracker" not in command_of(pid)]
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"still running: {[command_of(pid) for pid in left]}")


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def local(make: MakeSphere) -> AbstractContextManager[Engine]:
    return Workers(make, 2)


@pytest.fixture(autouse=True)
def _another_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ray would join by itself, had it not been told to start one."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")


def on_ray(make: MakeSphere) -> AbstractContextManager[Engine]:
    return RayWorkers(make, 2, store_bytes=100_000_000)


BOTH = pytest.mark.parametrize("engine", [local, on_ray])
Start = Callable[[MakeSphere], AbstractContextManager[Engine]]


@BOTH
@pytest.mark.usefixtures("no_process_stays")
def test_workers_make_what_one_process_makes(tmp_path: Path, plain: dict[str, bytes], engine: Start) -> None:
    """In two goes, and with one of two workers killed on the way."""
    deaths = tmp_path / "deaths"
    deaths.mkdir()
    with engine(MakeSphere(deaths)) as workers:
        assert generate(workers, tmp_path / "set", PLAN, 2 * BLOCK) == 2 * BLOCK
        assert generate(workers, tmp_path / "set", PLAN, FRAMES) == FRAMES - 2 * BLOCK
        assert generate(workers, tmp_path / "set", PLAN, FRAMES) == 0
    assert len(list(deaths.iterdir())) == 1
    assert files(tmp_path / "set") == plain


@BOTH
@pytest.mark.usefixtures("no_process_stays")
def test_trouble_of_a_worker_is_told_as_its_own(tmp_path: Path, engine: Start) -> None:
    failing = MakeSphere(failure=InputError("The map is torn.", "Mend it."))
    with engine(failing) as workers, pytest.raises(InputError, match=r"^The map is torn\. Mend it\.$"):
        generate(workers, tmp_path / "set", PLAN, 4)
    assert not Dataset(tmp_path / "set").frames


@pytest.mark.usefixtures("no_process_stays")
def test_a_block_that_kills_all_its_workers_is_given_up(tmp_path: Path) -> None:
    mortal = MakeSphere(tmp_path, kills=99, after=0)
    with local(mortal) as workers, pytest.raises(BungyoError, match=f"were given up: {TRIES} workers in a row died"):
        generate(workers, tmp_path / "set", PLAN, 2 * BLOCK)


@pytest.mark.usefixtures("no_process_stays")
def test_a_source_that_does_not_open_is_an_error_at_once() -> None:
    with pytest.raises(BungyoError, match="unforeseen went wrong in a worker"):
        Workers(no_source, 2)


def no_source(number: int, count: int) -> AbstractContextManager[SphereSource]:
    raise RuntimeError("no GPU today")


def test_ray_that_is_missing_or_elsewhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for address, message in (
        ("127.0.0.1:1", r"There is no Ray cluster at 127\.0\.0\.1:1: .*refused\.$"),
        ("here", r"'here' is not the address of a Ray cluster"),
    ):
        with pytest.raises(InputError, match=message):
            RayWorkers(MakeSphere(), 2, address)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError) as caught:
        RayWorkers(MakeSphere(), 2)
    assert caught.value.hint == "Install it with:  .venv/bin/pip install -c constraints.txt -e '.[ray]'"
