"""What single steps cost: synchronisation of four reaches, and memory on and off the chip, as a shader sees them.

The talk that this project follows gives such figures for a GPU (docs/claims.md); these are of the device at hand. Each
is of a chain in which a step needs the last one's result, or of all threads reading as fast as they can.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from app.arrays import U32
from app.gpu import Buffer, CommandBuffer, Device, Struct
from app.open_renderer import open_device
from app.passes.owner import Owner
from app.scene_options import SceneOptions

CHAIN = 200  # empty dispatches, a barrier after each
SHARED_WORDS = 4096  # 16 KB, as much as a tile's weights
STRIDE = 64  # words from link to link of the chain through memory: more than a cache line
THREADS = 256  # of a workgroup, as many as a tile has pixels
GROUPS = 256  # workgroups where as much as possible is to be read

_TIMER = "costs"
_PUSH = Struct("CostPush", [("rounds", "uint"), ("source", "uvec2"), ("results", "uvec2")])
_KINDS = (
    "EMPTY",
    "ARITHMETIC",
    "SUBGROUP",
    "BARRIER",
    "SHARED_CHASE",
    "MEMORY_CHASE",
    "SHARED_BROADCAST",
    "SHARED_READ",
    "MEMORY_READ",
)


@dataclass(frozen=True)
class Step:
    """One kind of step.

    Attributes:
        kind: one of _KINDS.
        count, rounds: steps of a thread in a round, and rounds.
        groups, threads: workgroups, and threads of each.
        source: the buffer it reads or stages: "links" of SHARED_WORDS, or "chain" of MEMORY_BYTES.
        bytes: read by a thread in a step; 0 where time counts, not bytes.
    """

    kind: str
    count: int
    rounds: int
    groups: int = 1
    threads: int = 1
    source: str = "links"
    bytes: int = 0

    @property
    def steps(self) -> int:
        """Steps of a thread."""
        return self.count * self.rounds


STEPS = {
    "multiply_add_ns": Step("ARITHMETIC", 16, 20_000),
    "subgroup_ns": Step("SUBGROUP", 16, 2000, threads=0),
    "workgroup_barrier_ns": Step("BARRIER", 16, 100, threads=THREADS),
    "shared_latency_ns": Step("SHARED_CHASE", 16, 5000),
    "memory_latency_ns": Step("MEMORY_CHASE", 16, 1000, source="chain"),
    "shared_broadcast_gb_s": Step("SHARED_BROADCAST", 512, 1, 512, THREADS, bytes=16),
    "shared_read_gb_s": Step("SHARED_READ", 16, 8, GROUPS, THREADS, bytes=16),
    "memory_read_gb_s": Step("MEMORY_READ", 16, 8, GROUPS, THREADS, "chain", bytes=16),
}
"""By the figure that they give; a thread count of 0 stands for one subgroup."""

MEMORY_BYTES = 16 * STEPS["memory_read_gb_s"].steps * GROUPS * THREADS  # 134 MB: more than the caches of most devices


@dataclass(frozen=True)
class _Recorded:
    commands: CommandBuffer
    step: Step
    threads: int
    results: Buffer = field(repr=False)


class Costs(Owner):
    """All steps on one device, warmed up. A context manager.

    Args:
        device: an open device, which must outlive this.
    """

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device, keep = device, self.own
        with self.building():
            sources = {
                "links": keep(device.buffer(links(SHARED_WORDS, 1), name="links")),
                "chain": keep(device.buffer(links(MEMORY_BYTES // 4, STRIDE), name="chain")),
            }
            self._recorded = {name: self._record(step, sources[step.source]) for name, step in STEPS.items()}
            self._empty = self._chain(sources["links"])
            self._copy = self._copying(sources["chain"])
            for commands in (self._empty, self._copy, *(one.commands for one in self._recorded.values())):
                device.submit(commands)  # drivers compile at the first dispatch

    def measure(self) -> dict[str, float]:
        """Measure everything once: ns a step or GB/s (10^9 bytes), by figure."""
        found = {"dispatch_ns": self._milliseconds(self._empty) * 1e6 / CHAIN}
        for name, one in self._recorded.items():
            milliseconds, step = self._milliseconds(one.commands), one.step
            read = step.bytes * step.steps * step.groups * one.threads
            found[name] = read * 1e-6 / milliseconds if read else milliseconds * 1e6 / step.steps
        # A copy reads and writes.
        found["memory_copy_gb_s"] = MEMORY_BYTES * 1e-6 / self._milliseconds(self._copy)
        return found

    def results(self, name: str) -> U32:
        """What the threads of a step had in hand at the end, for tests: (threads of all workgroups,)."""
        one = self._recorded[name]
        return np.asarray(one.results.read(np.uint32))

    def _milliseconds(self, commands: CommandBuffer) -> float:
        self._device.submit(commands)
        return commands.timings()[_TIMER]

    def _record(self, step: Step, source: Buffer) -> _Recorded:
        device, keep = self._device, self.own
        threads = step.threads or device.info.subgroup_size
        results = keep(device.buffer(4 * step.groups * threads, name="results"))
        return _Recorded(self._dispatches(step, source, results, threads, 1), step, threads, results)

    def _chain(self, source: Buffer) -> CommandBuffer:
        """Empty dispatches, each of which waits for the one before."""
        return self._dispatches(Step("EMPTY", 1, 1), source, source, 1, CHAIN)

    def _dispatches(self, step: Step, source: Buffer, results: Buffer, threads: int, times: int) -> CommandBuffer:
        device, keep = self._device, self.own
        pipeline = keep(
            device.compute_pipeline(
                "bench_costs.comp",
                [],
                push=_PUSH,
                defines={
                    **{kind: index for index, kind in enumerate(_KINDS)},
                    "KIND": step.kind,
                    "COUNT": f"{step.count}u",
                    "THREADS": f"{threads}u",
                    "SHARED_WORDS": SHARED_WORDS,
                },
                includes={"push.glsl": _PUSH.glsl},
            )
        )
        addresses = [buffer.address_words for buffer in (source, results)]
        push = np.array((step.rounds, *addresses), _PUSH.dtype)

        def dispatch(commands: CommandBuffer) -> None:
            commands.bind(pipeline)
            commands.push(push)
            for _ in range(times):
                commands.dispatch(step.groups)
                commands.barrier()

        return self._timed(dispatch)

    def _copying(self, source: Buffer) -> CommandBuffer:
        half = MEMORY_BYTES // 2
        target = self.own(self._device.buffer(half, name="copy"))
        return self._timed(lambda commands: commands.copy(source, target, half))

    def _timed(self, record: Callable[[CommandBuffer], None]) -> CommandBuffer:
        with self._device.commands() as commands, commands.timer(_TIMER):
            record(commands)
        return self.own(commands)


@contextmanager
def costs(options: SceneOptions) -> Iterator[Costs]:
    """For a `Worker`: on the device that `options` name."""
    with open_device(options, raytracing=False) as device, Costs(device) as made:
        yield made


def links(words: int, stride: int, seed: int = 0) -> U32:
    """A closed chain through memory in random order: every `stride`-th word holds the index of the next link."""
    order = (np.random.default_rng(seed).permutation(words // stride) * stride).astype(np.uint32)
    chain = np.zeros(words, np.uint32)
    chain[order] = np.roll(order, -1)
    return chain
