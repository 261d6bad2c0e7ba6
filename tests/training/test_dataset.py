"""The data set's format, and that no kill, full disk or stray file can damage it."""

import errno
import fcntl
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import BungyoError, InputError
from app.network.schema import CHANNELS, SCHEMA_VERSION, TILE_PIXELS, pack
from app.training.dataset import Dataset
from app.training.dataset_writer import DatasetWriter
from app.training.manifest import (
    GATHERING,
    TILE_DTYPE,
    DatasetSpec,
    FrameInfo,
    PersonInfo,
    TileBatch,
    split_of,
    view_of,
)

SPEC = DatasetSpec(seed=3, size=(64, 64), spp=4, scene={"mesh": "none", "range": (1, 2)})
HASHES = (0x0101, 0x01C3, 0x8001)


def frame(index: int) -> FrameInfo:
    return FrameInfo(index, split_of(index), view_of(index), 4, 0.5, {"fov_y": 0.4}, [{"kind": "point"}])


def batch(index: int, tiles: int = 4) -> TileBatch:
    rng = np.random.default_rng(index)
    return TileBatch(
        features=pack(rng.random((tiles, 256, CHANNELS), np.float32)),
        light_scale=rng.random((tiles, 256), np.float32),
        mask=rng.random((tiles, 256)) < 0.8,
        hashes=rng.choice(HASHES, tiles).astype(np.uint32),
        target=rng.random((tiles, 256, 3), np.float32),
        variance=rng.random((tiles, 256, 3), np.float32),
        tile_xy=rng.integers(0, 4, (tiles, 2)).astype(np.uint16),
    )


def shard(first: int, count: int = 2, tiles: int = 4) -> list[tuple[FrameInfo, TileBatch]]:
    return [(frame(index), batch(index, tiles)) for index in range(first, first + count)]


def fill(path: Path, frames: range) -> None:
    with DatasetWriter(path, SPEC) as writer:
        for first in frames[::2]:
            writer.write(shard(first))


def contents(path: Path) -> dict[int, bytes]:
    data = Dataset(path)
    return {h: data.tiles(h).tobytes() for h in data.hashes}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    fill(tmp_path / "set", range(6))
    return tmp_path / "set"


def test_what_is_written_is_read(filled: Path) -> None:
    data = Dataset(filled)
    assert data.hashes == sorted({int(h) for i in range(6) for h in batch(i).hashes})
    assert list(data.frames) == list(range(6))
    assert data.frames[4].split == "train" and data.frames[4].view == 0
    tiles = np.concatenate([data.tiles(h) for h in data.hashes])
    assert len(tiles) == 24 == sum(map(data.count, data.hashes))
    for index in range(6):
        wanted, got = batch(index), tiles[tiles["frame"] == index]
        # Tiles of one frame are sorted by hash, in their own order within it.
        order = np.argsort(wanted.hashes, kind="stable")
        np.testing.assert_array_equal(got["features"], wanted.features[order])
        np.testing.assert_array_equal(got["mask"].astype(bool), wanted.mask[order])
        lit = wanted.mask[order]
        np.testing.assert_array_equal(got["target"][lit], wanted.target[order][lit])
        np.testing.assert_array_equal(got["tile_xy"], wanted.tile_xy[order])
    assert len(data.tiles(HASHES[0], "train")) == data.count(HASHES[0])
    assert len(data.tiles(HASHES[0], "validation")) == 0
    assert len(data.tiles(0x4242)) == 0


def test_numpy_alone_reads_it(filled: Path) -> None:
    header = json.loads((filled / "manifest.jsonl").read_text().splitlines()[0])
    record = np.dtype([(name, kind, tuple(shape)) for name, kind, shape in header["dtype"]])
    assert record == TILE_DTYPE and header["schema_version"] == SCHEMA_VERSION
    file = next((filled / "hashes").glob("*/*.tiles"))
    tiles = np.fromfile(file, record)
    features = tiles["features"].view("<f2")
    assert features.shape == (len(tiles), 256, sum(count for _, count in header["features"]))
    first = batch(int(tiles["frame"][0]))
    same = np.flatnonzero((first.features == tiles["features"][0]).all((1, 2)))
    assert file.parent.name == f"0x{first.hashes[same[0]]:04x}"


def test_pixels_that_are_not_finite_leave_the_mask(tmp_path: Path) -> None:
    tiles = batch(0)
    tiles.mask[:] = True
    tiles.target[0, 7, 1] = np.nan
    tiles.light_scale[1, 8] = np.inf
    tiles.variance[2, 9, 0] = np.inf  # one sample only: nothing wrong with its target
    with DatasetWriter(tmp_path / "set", SPEC) as writer:
        writer.write([(frame(0), tiles)])
    data = Dataset(tmp_path / "set")
    assert data.frames[0].dropped_pixels == 2
    stored = np.concatenate([data.tiles(h) for h in data.hashes])
    assert np.isfinite(stored["target"]).all() and stored["mask"].sum() == stored["mask"].size - 2


def test_a_set_of_an_earlier_renderer_is_read_but_does_not_go_on(tmp_path: Path) -> None:
    for name, before in (("none", {}), ("older", {GATHERING: 1})):
        path = tmp_path / name
        with DatasetWriter(path, DatasetSpec(3, (64, 64), 4, before)) as writer:
            writer.write(shard(0))
        assert len(Dataset(path).frames) == 2
        DatasetWriter(path, DatasetSpec(3, (64, 64), 4, before)).close()
        with pytest.raises(InputError, match="another version of bungyo, whose features differ") as caught:
            DatasetWriter(path, DatasetSpec(3, (64, 64), 4, {GATHERING: 2}))
        assert "Begin another one" in caught.value.hint and len(Dataset(path).frames) == 2


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the writer may catch it."""


def die_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap `function` so that its `call`-th call kills."""
    calls = iter(range(10**6))

    def dying(*arguments: Any, **named: Any) -> Any:
        if next(calls) == call:
            raise Killed
        return function(*arguments, **named)

    return dying


@pytest.mark.parametrize("call", range(8))
@pytest.mark.parametrize("step", ["rename", "concatenate", "append", "torn line"])
def test_a_kill_loses_at_most_its_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, call: int) -> None:
    whole, path = tmp_path / "whole", tmp_path / "set"
    fill(whole, range(6))
    fill(path, range(2))
    writer = DatasetWriter(path, SPEC)
    with monkeypatch.context() as patched:
        if step == "rename":
            patched.setattr(Path, "rename", die_at(call, Path.rename))
        elif step == "concatenate":
            patched.setattr(np, "concatenate", die_at(call, np.concatenate))
        elif step == "append":
            patched.setattr(DatasetWriter, "_append", die_at(call % 2, DatasetWriter._append))
        else:

            def half(self: DatasetWriter, line: bytes) -> None:
                self._manifest.write(line[: len(line) * call // 8])
                raise Killed

            patched.setattr(DatasetWriter, "_append", half)
        try:
            for first in (2, 4):
                writer.write(shard(first))
        except Killed:
            pass
    writer._manifest.close()  # the kernel closes a dead process's files, and with them the lock
    known = list(Dataset(path).frames)
    assert known in ([0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4, 5])
    with DatasetWriter(path, SPEC) as again:
        assert again.done == set(known)
        assert not list(path.glob("hashes/*/*.part"))
    fill(path, range(len(known), 6))
    assert contents(path) == contents(whole)


@pytest.mark.parametrize("room", [100, TILE_DTYPE.itemsize + 1])
def test_a_full_disk_is_one_sentence_and_costs_nothing(
    filled: Path, small_disk: Callable[[int], None], room: int
) -> None:
    before = contents(filled)
    with DatasetWriter(filled, SPEC) as writer:
        small_disk(room)
        with pytest.raises(BungyoError, match=r"^Frames 6 to 7 could not be written to .*: .*; all earlier"):
            writer.write(shard(6, tiles=9))
        small_disk(resource.RLIM_INFINITY)
        assert not list(filled.glob("hashes/*/*.part"))
        assert contents(filled) == before
        writer.write(shard(6, tiles=9))  # there is room again
    assert len(Dataset(filled).frames) == 8


def test_a_manifest_line_that_does_not_fit_is_taken_back(
    filled: Path, small_disk: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(filled)
    with DatasetWriter(filled, SPEC) as writer:
        small_disk((filled / "manifest.jsonl").stat().st_size + 10)
        with pytest.raises(BungyoError, match="all earlier frames are safe"):
            writer.write(shard(6, tiles=0))
        small_disk(resource.RLIM_INFINITY)
        writer.write(shard(6, tiles=0))
    assert contents(filled) == before and 6 in Dataset(filled).frames


def test_files_of_others_are_left_alone(filled: Path) -> None:
    keep = [filled / "notes.txt", filled / "hashes" / "0x0101" / "mine.bin", filled / "hashes" / "note"]
    stale = [filled / "hashes/0x0101/123456.tiles", filled / "hashes/0x0101/00002.tiles.part"]
    for file in keep + stale:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"x")
    DatasetWriter(filled, SPEC).close()
    assert all(file.exists() for file in keep) and not any(file.exists() for file in stale)


def edit_header(path: Path, **changes: Any) -> None:
    lines = (path / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    header = json.loads(lines[0]) | changes
    (path / "manifest.jsonl").write_bytes(json.dumps(header).encode() + b"\n" + b"".join(lines[1:]))


def test_a_folder_that_nobody_may_look_into_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)  # as it is below such a folder, but for root
    with pytest.raises(InputError, match=r"There is no data set at .*: Permission denied\."):
        Dataset(tmp_path)
    with pytest.raises(InputError, match=r"No data set can be begun at .*: Permission denied\."):
        DatasetWriter(tmp_path, SPEC)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: shutil.rmtree(p), "does not exist"),
        (lambda p: (p / "manifest.jsonl").unlink(), r"has no manifest\.jsonl"),
        (lambda p: (p / "manifest.jsonl").write_bytes(b""), "empty or cut off"),
        (lambda p: (p / "manifest.jsonl").write_bytes(b"\x00\xff\n"), "damaged in line 1"),
        (lambda p: (p / "manifest.jsonl").write_bytes(b'{"format": "\xff"}\n'), "damaged in line 1"),
        (lambda p: (p / "manifest.jsonl").write_bytes(b'["what"]\n'), "is not the manifest of a bungyo data set"),
        (lambda p: edit_header(p, format_version=3), "has format_version 3; this version of bungyo reads 1 and 2"),
        (lambda p: edit_header(p, schema_version=99), "has schema_version 99; this version reads 2"),
        (lambda p: edit_header(p, hash_bins=16), "has hash_bins 16; this version reads 8"),
        (lambda p: edit_header(p, features=[["uv", 2]]), "stores other features"),
        (lambda p: edit_header(p, spec={"seed": 1}), "damaged in line 1"),
        (lambda p: edit_header(p, what=1), "damaged in line 1"),
        (lambda p: (p / "manifest.jsonl").open("ab").write(b"{}\n"), "damaged in line 5"),
        (lambda p: (p / "manifest.jsonl").open("ab").write(b'{"shard":9,"frames":[],"tiles":{}}\n'), "do not belong"),
        (
            lambda p: (
                (p / "manifest.jsonl").open("ab").write((p / "manifest.jsonl").read_bytes().splitlines()[2] + b"\n")
            ),
            "names a frame or a shard twice",
        ),
    ],
)
def test_damaged_sets_are_refused_and_left_alone(filled: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(filled)
    before = {file: file.read_bytes() for file in filled.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match=message) as caught:
        Dataset(filled)
    assert caught.value.message.count(". ") == 0  # one sentence
    if filled.exists() and (filled / "manifest.jsonl").exists():
        with pytest.raises(InputError, match=message):
            DatasetWriter(filled, SPEC)
    assert before == {file: file.read_bytes() for file in filled.rglob("*") if file.is_file()}


def test_damaged_tile_files_are_named(filled: Path) -> None:
    file = next((filled / "hashes").glob("*/*.tiles"))
    tile_hash = int(file.parent.name, 16)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=rf"{file.name} is damaged: it has \d+ bytes instead of \d+"):
        Dataset(filled).tiles(tile_hash)
    file.unlink()
    with pytest.raises(InputError, match=rf"{file.name} is missing"):
        Dataset(filled).tiles(tile_hash)


def test_a_folder_of_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="holds other files"):
        DatasetWriter(tmp_path, SPEC)
    with pytest.raises(InputError, match="is a file"):
        DatasetWriter(tmp_path / "photo.jpg", SPEC)
    with pytest.raises(InputError, match="it is a file, not a folder"):
        Dataset(tmp_path / "photo.jpg")
    with pytest.raises(InputError, match=r"No data set can be begun at .*: Not a directory"):
        DatasetWriter(tmp_path / "photo.jpg" / "below", SPEC)
    assert [file.name for file in tmp_path.iterdir()] == ["photo.jpg"]


def test_another_spec_or_a_second_writer_is_refused(filled: Path) -> None:
    other = DatasetSpec(seed=4, size=(64, 64), spp=4, scene=SPEC.scene)
    with pytest.raises(InputError, match=r"was begun with other options: seed was 3 and is now 4\. Repeat"):
        DatasetWriter(filled, other)
    finer = DatasetSpec(seed=3, size=(64, 64), spp=4, scene={**SPEC.scene, "cache_size": 512})
    with pytest.raises(InputError, match=r"other options: --light-texels was not given and is now 512\."):
        DatasetWriter(filled, finer)
    with (
        DatasetWriter(filled, SPEC),
        pytest.raises(InputError, match="is being written by another process"),
    ):
        DatasetWriter(filled, SPEC)


def test_a_file_system_without_locks_is_not_taken_for_a_second_writer(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to begin a set there, nor to go on with one."""

    def unknown(file: object, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", unknown)
    for path, first in ((filled, 6), (filled.parent / "new", 0)):
        with DatasetWriter(path, SPEC) as writer:
            writer.write(shard(first))
        assert first in Dataset(path).frames


def test_wrong_batches_are_programming_errors(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", SPEC) as writer:
        writer.write(shard(0, 1))
        for frames, message in ((shard(0), "already in"), (shard(7), "one block"), (shard(1)[::-1], "ascending")):
            with pytest.raises(ValueError, match=message):
                writer.write(frames)
        good = batch(1)
        bad = TileBatch(**{**vars(good), "target": good.target[:1]})
        with pytest.raises(ValueError, match="target has shape"):
            writer.write([(frame(1), bad)])
        with pytest.raises(ValueError, match="more than 16 bits"):
            writer.write([(frame(1), TileBatch(**{**vars(good), "hashes": good.hashes + 70000}))])


def test_shards_in_any_order_make_the_same_set(filled: Path, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "other", SPEC) as writer:
        for first in (4, 0, 2):
            writer.write(shard(first))
    files = [
        {file.relative_to(root): file.read_bytes() for file in root.glob("hashes/*/*")}
        for root in (filled, tmp_path / "other")
    ]
    assert files[0] == files[1] and Dataset(filled).frames == Dataset(tmp_path / "other").frames
    assert contents(filled) == contents(tmp_path / "other")


def test_people_are_recorded_once_a_shard(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", SPEC) as writer:
        writer.write(shard(8), PersonInfo(42, {"person.age": 70.5}))
        writer.write(shard(0), PersonInfo(7, {}))
    assert Dataset(tmp_path / "set").people == {0: PersonInfo(7, {}), 1: PersonInfo(42, {"person.age": 70.5})}


def test_a_set_of_version_1_is_read_but_does_not_go_on(filled: Path) -> None:
    """As version 1 wrote it: shards numbered one by one, frames without seeds, no people."""
    before = contents(filled)
    lines = (filled / "manifest.jsonl").read_bytes().splitlines()
    old = [json.dumps(json.loads(lines[0]) | {"format_version": 1}).encode()]
    for number, line in enumerate(lines[1:]):
        entry = json.loads(line)
        for file in filled.glob(f"hashes/*/{entry['shard']:05d}.tiles"):
            file.rename(file.with_name(f"{number:05d}.tiles"))
        for old_frame in entry["frames"]:
            del old_frame["seeds"]
        old.append(json.dumps({"shard": number, "frames": entry["frames"], "tiles": entry["tiles"]}).encode())
    (filled / "manifest.jsonl").write_bytes(b"".join(line + b"\n" for line in old))
    assert contents(filled) == before and Dataset(filled).people == {}
    with pytest.raises(InputError, match="begun by an earlier version of bungyo, so it can be read but not go on"):
        DatasetWriter(filled, SPEC)
    assert contents(filled) == before


def test_a_mismatch_names_only_what_differs(filled: Path) -> None:
    other = DatasetSpec(seed=3, size=(64, 64), spp=8, scene={"mesh": "none", "range": (1, 3), "people_limit": 4})
    with pytest.raises(InputError) as caught:
        DatasetWriter(filled, other)
    assert caught.value.message.endswith(
        "other options: spp was 4 and is now 8; range was [1, 2] and is now [1, 3]; --people was not given and is "
        "now 4."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("light_scale", np.nan), ("light_scale", -1.0), ("target", np.nan), ("target", 1e30), ("variance", np.nan)],
)
def test_a_file_with_impossible_values_is_named(tmp_path: Path, name: str, value: float) -> None:
    """What is only too noisy to know is no damage."""
    fill(tmp_path / "set", range(2))
    data = Dataset(tmp_path / "set")
    file = next((tmp_path / "set" / "hashes" / f"0x{data.hashes[0]:04x}").iterdir())
    tiles = np.fromfile(file, TILE_DTYPE)
    tiles["variance"][0, 4] = np.inf
    tiles.tofile(file)
    assert len(data.tiles(data.hashes[0])) == len(tiles)
    tiles[name][0, 5] = value
    tiles.tofile(file)
    with pytest.raises(InputError, match=f"{file} is damaged: it holds a {name.replace('_', ' ')} that is impossible"):
        data.tiles(data.hashes[0])


def test_a_file_with_features_that_are_not_finite_is_named(filled: Path) -> None:
    data = Dataset(filled)
    file = next((filled / "hashes" / f"0x{data.hashes[0]:04x}").iterdir())
    tiles = np.fromfile(file, TILE_DTYPE)
    tiles["mask"][0, 4:6] = 0, 1  # beside the face a renderer may have left anything
    for pixel in (4, 5):
        assert len(data.tiles(data.hashes[0]))
        tiles["features"].view("<f2").reshape(len(tiles), TILE_PIXELS, -1)[0, pixel, 12] = np.nan
        tiles.tofile(file)
    with pytest.raises(InputError, match=f"{file} is damaged: it holds a feature that is not finite"):
        data.tiles(data.hashes[0])


def test_targets_beyond_all_light_leave_the_mask(tmp_path: Path) -> None:
    tiles = batch(0)
    tiles.mask[:] = True
    tiles.target[0, 7, 1] = 1e30
    with DatasetWriter(tmp_path / "set", SPEC) as writer:
        writer.write([(frame(0), tiles)])
    data = Dataset(tmp_path / "set")
    assert data.frames[0].dropped_pixels == 1
    assert sum(int(data.tiles(h)["mask"].sum()) for h in data.hashes) == tiles.mask.size - 1
