"""Opponents on the CPU: libraries that compute the same 1x1 networks, in the ways that are known to be quick.

They are spared what the fused pass also does: pixels are sorted by network beforehand, features are floats already, and
nothing is mixed, limited or written as a picture.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np

from app.arrays import F32
from app.bench.sgemm import QUIET_SECONDS, THREADS
from app.network.weights import WeightSet

# It makes the libraries' threads sleep between layers, which training wants, and costs more than a layer takes.
HINDRANCES = ("OMP_WAIT_POLICY", *THREADS)
CHUNK = 8192  # rows at a time: activations stay in the cache


class CpuNetworks(ABC):
    """Networks and pixels for all ways of a library.

    Args:
        layers: widths.
        networks: how many.
        pixels: in all; each network draws as many, so a few may be left out.
    """

    many: ClassVar[tuple[str, ...]]
    """Ways that do what the fused pass does: another network for every few tiles."""
    single: ClassVar[tuple[str, ...]]
    """Ways that draw all pixels with the first network."""

    def __init__(self, layers: Sequence[int], networks: int, pixels: int) -> None:
        self.weights = WeightSet.untrained(layers, slots=networks)
        self.rows = pixels // networks
        generator = np.random.default_rng(0)
        self.features: F32 = generator.normal(0.0, 1.0, (networks, self.rows, layers[0])).astype(np.float32)

    def stacked(self) -> list[tuple[F32, F32]]:
        """The layers of all networks: weight (networks, in, out) and bias (networks, 1, out)."""
        parts = [self.weights.matrices(slot) for slot in range(len(self.features))]
        weights, biases = (zip(*([layer[kind] for layer in part] for part in parts), strict=True) for kind in (0, 1))
        return [
            (np.ascontiguousarray(np.stack(weight).swapaxes(1, 2)), np.stack(bias)[:, None])
            for weight, bias in zip(weights, biases, strict=True)
        ]

    @abstractmethod
    def run(self, way: str) -> F32:
        """Compute all pixels in one of the ways; return (networks, pixels of each, outputs), overwritten next time."""

    def milliseconds(self, way: str) -> float:
        """Compute all pixels in one of the ways; return ms per 2^18 pixels. All threads are asleep afterwards."""
        # Brings its data back into the caches, and its threads to life; the fused pass draws twice as well.
        self.run(way)
        return timed(lambda: self.run(way), len(self.features) * self.rows)


class Library:
    """A library's networks of several widths."""

    def __init__(self, networks: dict[tuple[int, ...], CpuNetworks]) -> None:
        self._networks = networks

    def milliseconds(self, layers: tuple[int, ...], way: str) -> float:
        """See `CpuNetworks.milliseconds`."""
        return self._networks[layers].milliseconds(way)


def timed(draw: Callable[[], object], pixels: int) -> float:
    """Call `draw`, which computes so many pixels, and wait until a library's threads sleep; ms per 2^18 pixels."""
    start = time.perf_counter()
    draw()
    seconds = time.perf_counter() - start
    time.sleep(QUIET_SECONDS)
    return seconds * 1e3 * (1 << 18) / pixels


@contextmanager
def library(
    kind: Callable[[Sequence[int], int, int], CpuNetworks], networks: int, pixels: int, *widths: tuple[int, ...]
) -> Iterator[Library]:
    """For a `Worker`: a library's networks of each of these lists of widths."""
    yield Library({layers: kind(layers, networks, pixels) for layers in widths})
