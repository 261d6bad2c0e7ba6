"""What takes long to work out is read the next time, and only where nothing that decides it has changed."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from app.gpu import Device
from app.passes import (
    array_store,
    environment_maps,
    light_cache,
    scene_acceleration,
    scene_buffers,
    texture_upload,
)
from app.passes.array_store import Arrays, ArrayStore, derived, digest_of
from app.passes.light_cache import LightCache
from app.passes.scene_buffers import SceneBuffers
from app.scene import environment
from app.scene.model import Scene
from tests.conftest import Keep

ROOT = Path(__file__).parents[2]
ARRAYS: Arrays = {
    "one": np.arange(12, dtype=np.float32).reshape(3, 4),
    "turned": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "none": np.zeros((0, 2), np.uint32),
}


@pytest.fixture
def store(tmp_path: Path) -> ArrayStore:
    return ArrayStore(tmp_path, 100_000)


def assert_equal(found: Arrays | None, expected: Arrays) -> None:
    assert found is not None and found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)


def test_it_is_made_once(store: ArrayStore) -> None:
    made = []

    def make() -> Arrays:
        made.append(1)
        return ARRAYS

    for _ in range(3):
        assert_equal(derived(store, ("a", 1), make), ARRAYS)
    assert len(made) == 1
    assert_equal(derived(store, ("a", 2), make), ARRAYS)
    assert_equal(derived(None, ("a", 1), make), ARRAYS)
    assert len(made) == 3


@dataclass
class Thing:
    name: str
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


@dataclass
class Other(Thing):
    pass


def test_everything_counts() -> None:
    pixels = np.arange(6, dtype=np.uint8)
    values = [
        (1, 2), (1, (2,)), (12,), "12", 12, 1.2, None, (), b"12", ("ab", "c"), ("a", "bc"), ("abc",),
        pixels, pixels[::-1], pixels.reshape(2, 3), pixels.astype(np.int8), pixels.astype(np.uint16),
        Thing("a", pixels), Thing("b", pixels), Thing("a", pixels[:5]), Other("a", pixels),
    ]  # fmt: skip
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of(Thing("a", pixels.copy())) == digest_of(Thing("a", pixels))
    assert digest_of(pixels[::-1]) == digest_of(pixels[::-1].copy())


def test_other_source_is_another_file(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.path("a")
    monkeypatch.setattr(array_store, "_code", lambda: b"other")
    assert store.path("a") != before


@pytest.mark.parametrize("file", ["app/passes/light_points.py", "app/scene/uv_raster.py", "app/network/schema.py"])
def test_all_that_decides_is_source(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema has the deviations that say where skin ends."""
    changed, read = ROOT / file, Path.read_bytes
    before = array_store._code.__wrapped__()
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == changed))
    assert array_store._code.__wrapped__() != before


@pytest.mark.parametrize("damage", ["bit", "cut off", "empty", "folder"])
def test_what_is_damaged_is_made_anew(damage: str, store: ArrayStore) -> None:
    path = store.path("a")
    if damage == "folder":
        path.mkdir()
    else:
        store.keep(path, ARRAYS)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"bit": bytes(data), "cut off": bytes(data[:50]), "empty": b""}[damage])
    assert store.load(path) is None
    assert_equal(derived(store, "a", lambda: ARRAYS), ARRAYS)
    if damage != "folder":
        assert_equal(store.load(path), ARRAYS)


def test_a_full_disk_costs_only_the_file(store: ArrayStore, tmp_path: Path, small_disk: Callable[[int], None]) -> None:
    small_disk(64)
    assert_equal(derived(store, "a", lambda: ARRAYS), ARRAYS)
    assert not list(tmp_path.iterdir())


def test_files_of_a_disk_that_is_only_read_are_read(store: ArrayStore, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.path("a")
    store.keep(path, ARRAYS)

    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "utime", refused)  # the administrator, as whom tests may run, is refused nothing
    assert_equal(store.load(path), ARRAYS)


def test_the_oldest_goes_when_room_is_short(tmp_path: Path) -> None:
    plenty = ArrayStore(tmp_path, 1_000_000)
    first = plenty.path("first")
    plenty.keep(first, ARRAYS)
    size = first.stat().st_size
    for name, age in (("older", 300.0), ("newer", 200.0)):
        (tmp_path / name).write_bytes(bytes(size))
        os.utime(tmp_path / name, (age, age))
    os.utime(first, (100.0, 100.0))
    assert plenty.load(first) is not None  # used now, so no longer the oldest
    short = ArrayStore(tmp_path, int(2.5 * size))
    second = short.path("second")
    short.keep(second, ARRAYS)
    assert set(tmp_path.iterdir()) == {first, second}


def test_a_face_that_was_drawn_before_is_the_same(
    gpu: Device, face: Scene, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything read from files, nothing is worked out, and the GPU gets what it would get without them."""

    def made(store: ArrayStore | None, scene: Scene = face) -> tuple[SceneBuffers, LightCache]:
        buffers: SceneBuffers = keep(SceneBuffers(gpu, scene, store=store))
        return buffers, keep(LightCache(gpu, buffers, size=32))

    store = ArrayStore(tmp_path, 100_000_000)
    made(store)
    files = set(tmp_path.iterdir())
    other_skin = replace(
        face,
        parts=tuple(
            replace(part, material=replace(part.material, normal_map=None)) if part.face else part
            for part in face.parts
        ),
    )

    def not_again(*_: object, **__: object) -> None:
        raise AssertionError("it has been worked out before")

    without = made(None)
    with monkeypatch.context() as patch:
        for module, name in (
            (scene_buffers, "even_uvs"),
            (scene_buffers, "dielectric_table"),
            (scene_buffers, "ggx_albedo_texels"),
            (scene_acceleration, "triangle_order"),
            (texture_upload, "mip_chain"),
            (light_cache, "gathering_points"),
            (light_cache, "face_texels"),
            (environment_maps, "prefilter_ggx"),
            (environment, "prefilter_ggx"),
        ):
            patch.setattr(module, name, not_again)
        read = made(store)
        with pytest.raises(AssertionError, match="worked out before"):
            made(store, other_skin)
    assert set(tmp_path.iterdir()) == files
    for one, other in zip(read[0].light_uvs, without[0].light_uvs, strict=True):
        np.testing.assert_array_equal(one, other)
    expected = buffers_of(*without)
    for name, data in buffers_of(*read).items():
        np.testing.assert_array_equal(data, expected[name], err_msg=name)


def buffers_of(buffers: SceneBuffers, cache: LightCache) -> Arrays:
    """What both have on the GPU of that which can be read from files."""
    found = {
        "light uvs": buffers._light_uvs.read(),
        "boundaries": buffers._boundaries.read(),
        "ggx": buffers._ggx.read(),
        "points": cache._points.read(),
    }
    if buffers.acceleration is not None:
        found["primitives"] = buffers.acceleration.primitives.read()
    return found | {f"texture {index}": image.read() for index, (image, _) in enumerate(buffers._textures)}
