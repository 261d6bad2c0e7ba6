"""GPU time between two points of a command buffer, by timestamp queries.

lavapipe puts a stamp into its list of drawing still to be done, while dispatches and traces run at once: the stamp
before them was taken when something flushed that list, mostly at the next stamp, so that passes took no time. A
barrier after each stamp flushes it. GPUs need none, and a barrier there would keep passes from overlapping.
"""

from app.gpu.binding import Handle, array, ffi, make, vk
from app.gpu.lifetime import Resource
from app.gpu.open_device import OpenDevice
from app.gpu.results import check

MAX_TIMERS = 64


class Timers(Resource):
    """The timestamp queries of one command buffer: two for each timer."""

    def __init__(self, device: OpenDevice) -> None:
        super().__init__(device.ledger, "timers", internal=True)
        self._device = device
        self._names: list[str] = []
        with self.building():
            info = make("VkQueryPoolCreateInfo", queryType=vk.VK_QUERY_TYPE_TIMESTAMP, queryCount=2 * MAX_TIMERS)
            out = ffi.new("VkQueryPool *")
            check(vk.vkCreateQueryPool(device.handle, info, ffi.NULL, out), "make timers")
            pool = out[0]
            self._pool = self.own("VkQueryPool", pool, lambda: vk.vkDestroyQueryPool(device.handle, pool, ffi.NULL))

    def start(self, command: Handle, name: str) -> int:
        """Record the beginning of a timer; returns its index."""
        index = len(self._names)
        if index == MAX_TIMERS:
            raise ValueError(f"a command buffer has room for {MAX_TIMERS} timers")
        self._names.append(name)
        # Reset inside the commands: then every submit of them measures afresh.
        vk.vkCmdResetQueryPool(command, self._pool, 2 * index, 2)
        self._stamp(command, 2 * index)
        return index

    def stop(self, command: Handle, index: int) -> None:
        """Record the end of a timer."""
        self._stamp(command, 2 * index + 1)

    def _stamp(self, command: Handle, query: int) -> None:
        # All commands: the stamp waits until everything recorded before it is done.
        vk.vkCmdWriteTimestamp2(command, vk.VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, self._pool, query)
        if self._device.info.kind == "cpu":
            vk.vkCmdPipelineBarrier2(command, self._device.full_barrier)

    def read(self) -> dict[str, float]:
        """Milliseconds by name after the commands completed; timers of one name are added up."""
        count = 2 * len(self._names)
        stamps = array("uint64_t", count)
        result = vk.vkGetQueryPoolResults(
            self._device.handle, self._pool, 0, count, 8 * count, stamps, 8, vk.VK_QUERY_RESULT_64_BIT
        )
        check(result, "read timers")
        info = self._device.info
        mask = (1 << info.limits.timestamp_bits) - 1
        timings: dict[str, float] = {}
        for index, name in enumerate(self._names):
            ticks = (stamps[2 * index + 1] - stamps[2 * index]) & mask
            timings[name] = timings.get(name, 0.0) + ticks * info.timestamp_period_ns * 1e-6
        return timings
