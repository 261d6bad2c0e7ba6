"""Fixtures for all tests: one real GPU (or lavapipe) for the session, watched by the validation layer."""

import gc
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pytest

from app.gpu import Device, features
from app.gpu.features import extension_names
from app.gpu.memory import Allocation, allocate
from app.gpu.selection import NO_RAY_TRACING
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.array_store import DERIVED_ROOM, ArrayStore
from app.passes.baked_light import NO_BAKED_LIGHT
from app.passes.scene_buffers import SceneBuffers
from app.passes.tile_variant import OVERRIDE
from app.renderer import Renderer
from app.scene import default
from app.scene.assets import DEFAULT_HEAD
from app.scene.default import default_scene
from app.scene.meshes import load_mesh
from app.scene.model import Part, Scene
from app.weight_sets import DEFAULT_WEIGHTS

# Two tests run at a time, and torch's threads would keep a core busy while they wait. Read when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

SIZE = (119, 101)  # of pictures of the default face: no multiples of a tile
SHADERS = Path(__file__).parent / "gpu" / "shaders"

# Discrete: only copies reach it. Uncached: the CPU writes it, but is slow to read it. Unified: it reads and writes.
Reach: TypeAlias = Literal["discrete", "uncached", "unified"]
REACHES: tuple[Reach, ...] = get_args(Reach)

# `keep(thing)` returns the thing and closes it after the test.
Keep: TypeAlias = Callable[[Any], Any]


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end, and so do the modules: the garbage collector need not search them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_comes() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that the tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _same_tile_network() -> Iterator[None]:
    """What the tuner once found on this machine must not decide a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OVERRIDE, Variant().name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _own_light() -> Iterator[None]:
    """Nor must light that was gathered on this machine before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NO_BAKED_LIGHT, "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def _derived_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What follows from meshes and textures is worked out by the first test that needs it, of either worker."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "derived"
    store = ArrayStore(folder, DERIVED_ROOM)
    with pytest.MonkeyPatch.context() as patch:
        for maker in (Renderer.__init__, SceneBuffers.__init__):
            assert maker.__kwdefaults__ is not None
            patch.setitem(maker.__kwdefaults__, "store", store)
        yield
    shutil.rmtree(folder, ignore_errors=True)  # what the other worker still needs, it works out again


@pytest.fixture(scope="session", autouse=True)
def _head_read_once() -> Iterator[None]:
    """Of all files, `default_scene` reads the default head again and again: parts are never changed, only replaced."""
    read: dict[str, list[Part]] = {}

    def load(path: Path, face: Sequence[str] | None = None) -> list[Part]:
        if path != DEFAULT_HEAD or face:
            return load_mesh(path, face)
        if "head" not in read:
            read["head"] = load_mesh(path)
        return list(read["head"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "load_mesh", load)
        yield


@pytest.fixture(scope="session")
def face() -> Scene:
    """The default face in the studio, for pictures of SIZE."""
    return default_scene(aspect=SIZE[0] / SIZE[1])


@pytest.fixture(scope="session")
def weights() -> WeightSet:
    """The networks that ship."""
    return WeightSet.load(DEFAULT_WEIGHTS)


@pytest.fixture(scope="session")
def session_device() -> Iterator[Device]:
    """The device that all tests share. Use `gpu`, which checks every test."""
    with Device.open(validation=True, raytracing=None) as device:
        device.shaders.folders.append(SHADERS)  # last: no test shader may hide one of the project's
        yield device


@contextmanager
def watched(device: Device) -> Iterator[Device]:
    """The device; at the end the validation layer must have nothing to say about what was done meanwhile."""
    before = len(device.validation_messages)
    yield device
    messages = device.validation_messages[before:]
    assert not messages, "\n".join(messages)


@pytest.fixture
def gpu(session_device: Device) -> Iterator[Device]:
    """The session's device; after the test the validation layer must have nothing to say about it."""
    with watched(session_device):
        yield session_device


@pytest.fixture(scope="module")
def device_without_rays() -> Iterator[Device]:
    """The same GPU, opened without ray tracing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NO_RAY_TRACING, "1")
        device = Device.open(raytracing=None, validation=True)
    with device:
        yield device
        assert "VkAccelerationStructureKHR" not in device.objects_made
    assert not device.validation_messages


@pytest.fixture(scope="module")
def device_without_ray_queries() -> Iterator[Device]:
    """The same GPU, opened as one that traces rays in ray-tracing pipelines alone: as do those that emulate them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "extension_names", lambda physical: extension_names(physical) - {"VK_KHR_ray_query"})
        device = Device.open(validation=True)
    with device:
        yield device
    assert not device.validation_messages


@pytest.fixture
def reach_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[Reach], None]:
    """Makes what is allocated from then on memory that the CPU reaches as it does on such a device."""

    def reach(how: Reach) -> None:
        def allocated(*arguments: Any, **options: Any) -> Allocation:
            found = allocate(*arguments, **options)
            if how == "unified" or "device" not in arguments:
                return found
            return found._replace(mappable=how == "uncached" and found.mappable, readable=False)

        monkeypatch.setattr("app.gpu.raw_buffer.allocate", allocated)

    return reach


@contextmanager
def coarsely_lit() -> Iterator[None]:
    """Light is gathered at 64x64 texels where nothing else is wished: a tenth of the work."""
    with pytest.MonkeyPatch.context() as patch:
        for user in ("app.passes.light_cache", "app.training.frame_source"):
            patch.setattr(f"{user}.DEFAULT_CACHE_SIZE", 64)
        yield


@pytest.fixture
def coarse_light() -> Iterator[None]:
    """The test is `coarsely_lit`."""
    with coarsely_lit():
        yield


@pytest.fixture
def small_disk() -> Iterator[Callable[[int], None]]:
    """A function that limits the size of files: writing beyond it fails half-way, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def keeping() -> Iterator[Keep]:
    """Yield a function that returns what it is given, and closes all of it in the end, last first."""
    with ExitStack() as stack:

        def keep(thing: Any) -> Any:
            stack.callback(thing.close)
            return thing

        yield keep


@pytest.fixture
def keep(gpu: Device) -> Iterator[Keep]:
    """Closes what a test makes on the GPU, last first: `buffer = keep(gpu.buffer(100))`."""
    with keeping() as keep:
        yield keep
