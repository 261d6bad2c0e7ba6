"""Compiled pipelines, kept by their device: what is made again, for another face or picture size, compiles nothing.

Drivers' caches do not spare that. What Mesa's lavapipe finds on disk it still links and loads, which takes some 50 ms
at a pipeline's first dispatch. And it numbers the shader groups of ray-tracing pipelines one after the other and
compiles the numbers into the code: no cache knows the second pipeline of the same shaders, which takes seconds.
"""

import threading
from collections.abc import Callable, Hashable

from app.gpu.binding import Handle, ffi, vk
from app.gpu.lifetime import Ledger, Resource
from app.gpu.logical_device import LogicalDevice

MOST_IDLE = 64
"""Programs that no pipeline uses, at most: some three times as many as a renderer has."""


class _Program(Resource):
    """A VkPipeline, and how many pipelines use it."""

    def __init__(self, ledger: Ledger, device: Handle, handle: Handle) -> None:
        super().__init__(ledger, "program", internal=True)
        self.users = 0
        self.handle = self.own("VkPipeline", handle, lambda: vk.vkDestroyPipeline(device, handle, ffi.NULL))


class Programs(Resource):
    """The VkPipelines of a device's pipelines, by all that goes into them. Any thread may ask.

    A ledger of its own counts them: that the device keeps one is nobody's leak.

    Attributes:
        ledger: counts them.
        tag: a part of every key: what the driver compiles by and is not told with the pipeline.
    """

    def __init__(self, device: LogicalDevice) -> None:
        self.ledger = Ledger()
        super().__init__(self.ledger, "programs", internal=True)
        self.tag: Hashable = None
        self._device = device
        self._programs: dict[Hashable, _Program] = {}  # those without users in the order in which they lost the last
        self._changing = threading.Lock()

    def take(self, key: Hashable, compile: Callable[[], Handle]) -> tuple[Hashable, Handle]:
        """Return what `give_back` wants, and the VkPipeline of this key; a new one is made by `compile`."""
        key = (self.tag, key)
        with self._changing:
            if (known := self._programs.get(key)) is not None:
                known.users += 1
                return key, known.handle
        made = _Program(self.ledger, self._device.handle, compile())
        with self._changing:  # meanwhile another thread may have made the same
            kept = self._programs.setdefault(key, made)
            kept.users += 1
        if kept is not made:
            made.close()
        return key, kept.handle

    def give_back(self, key: Hashable) -> None:
        """Say that a pipeline is closed that has taken it: the GPU must have finished with that."""
        with self._changing:
            program = self._programs[key]
            program.users -= 1
            if program.users:
                return
            self._programs[key] = self._programs.pop(key)  # the last to go
            idle = [key for key, one in self._programs.items() if not one.users]
            stale = [self._programs.pop(key) for key in idle[: max(len(idle) - MOST_IDLE, 0)]]
        for program in stale:
            program.close()

    def close(self) -> None:
        """Destroy all of them."""
        for program in self._programs.values():
            program.close()
        self._programs.clear()
        super().close()
