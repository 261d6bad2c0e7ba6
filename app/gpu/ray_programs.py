"""Compiled ray-tracing pipelines, kept as long as their device.

Mesa's lavapipe numbers the shader groups of a device one after the other and compiles the numbers into the code: no
cache knows the second pipeline of the same shaders, which takes seconds like the first, at its first dispatch.
"""

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from app.gpu.binding import Handle, ffi, vk
from app.gpu.lifetime import Ledger, Resource

if TYPE_CHECKING:
    from app.gpu.device import Device


class RayPrograms(Resource):
    """The VkPipelines of a device's ray-tracing pipelines, by all that goes into them.

    A ledger of its own counts them: that the device keeps one is nobody's leak.

    Attributes:
        ledger: counts them.
    """

    def __init__(self, device: "Device") -> None:
        self.ledger = Ledger()
        super().__init__(self.ledger, "ray-tracing programs", internal=True)
        self._device = device
        self._programs: dict[Hashable, Handle] = {}

    def get(self, key: Hashable, compile: Callable[[], Handle]) -> Handle:
        """The VkPipeline of this key; a new one is made by `compile`. Only the thread that draws may ask."""
        if key not in self._programs:
            program, device = compile(), self._device
            self._programs[key] = self.own(
                "VkPipeline", program, lambda: vk.vkDestroyPipeline(device.handle, program, ffi.NULL)
            )
        return self._programs[key]
