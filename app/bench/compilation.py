"""How long a driver takes to compile a tile network that it has never seen."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from app.gpu import Device
from app.network.weights import WeightSet
from app.open_renderer import open_device
from app.passes.warm_up import warm_up
from app.scene_options import SceneOptions

# Where drivers and bungyo itself keep what is compiled: Mesa and we follow the first, Mesa the second where it is set,
# NVIDIA's driver the third.
_CACHES = ("XDG_CACHE_HOME", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH")
_SWITCHED_ON = {"MESA_SHADER_CACHE_DISABLE": "false", "__GL_SHADER_DISK_CACHE": "1"}  # Mesa's and NVIDIA's


class Compilation:
    """Compiles on a device as on the first day of a machine."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def seconds(self, layers: tuple[int, ...]) -> float:
        """Compile networks of these widths, as a first set is, and draw a tile; less the time of doing so again."""
        weights = WeightSet.untrained(layers)
        took = []
        with tempfile.TemporaryDirectory() as empty, _environment({**dict.fromkeys(_CACHES, empty), **_SWITCHED_ON}):
            for _ in range(2):
                start = time.perf_counter()
                warm_up(self._device, weights, alone=True)
                took.append(time.perf_counter() - start)
        return took[0] - took[1]


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def compilation(options: SceneOptions) -> Iterator[Compilation]:
    """For a `Worker`: on the device that `options` name."""
    with open_device(options, raytracing=False) as device:
        yield Compilation(device)
