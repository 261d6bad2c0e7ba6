"""The same 1x1 networks by torch on the CPU, in the ways that are known to be quick. Needs torch, as training does.

torch is spared what the fused pass also does: pixels are sorted by network beforehand, features are floats already, and
nothing is mixed, limited or written as a picture. All ways but "batch", which is torch as one writes it, put their
results into memory that is allocated once: taking memory anew for every layer costs as much as the arithmetic.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from app.network.weights import WeightSet

if TYPE_CHECKING:
    import torch

CHUNK = 8192  # rows at a time: activations stay in the cache
GROUPS = {"groups_16": 16, "groups_4": 4}  # networks at a time, by baddbmm
MANY = tuple(GROUPS)  # do what the fused pass does: another network for every few tiles
# At first one network for all pixels: at once, also into memory that is reused, or CHUNK of them at a time.
WAYS = ("batch", "batch_reused", "chunks", *MANY)
# It makes torch's threads sleep between layers, which training wants, and costs more than a layer takes.
HINDRANCES = ("OMP_WAIT_POLICY",)
_QUIET_SECONDS = 0.15  # torch's threads spin for a while after their work, which would slow what is measured next


def installed() -> bool:
    """Whether torch can be imported."""
    return find_spec("torch") is not None


class TorchNetworks:
    """Networks and pixels for all WAYS, warmed up.

    Args:
        layers: widths.
        networks: how many.
        pixels: in all; each network draws as many, so a few may be left out.
    """

    def __init__(self, layers: Sequence[int], networks: int, pixels: int) -> None:
        import torch

        self.weights = WeightSet.untrained(layers, slots=networks)
        self.rows = pixels // networks
        generator = np.random.default_rng(0)
        self.features = generator.normal(0.0, 1.0, (networks, self.rows, layers[0])).astype(np.float32)
        self._inputs = torch.from_numpy(self.features)
        parts = [self.weights.matrices(slot) for slot in range(networks)]
        self._layers = [  # (networks, in, out) and (networks, 1, out)
            (
                torch.from_numpy(np.stack([part[index][0].T for part in parts])),
                torch.from_numpy(np.stack([part[index][1] for part in parts])[:, None]),
            )
            for index in range(len(layers) - 1)
        ]
        self._first = [(weight[0].T.contiguous(), bias[0, 0]) for weight, bias in self._layers]  # as torch.nn has it
        self._outputs = torch.empty((networks, self.rows, layers[-1]))
        self._between = [torch.empty(networks * self.rows * width) for width in layers[1:-1]]
        for way in WAYS:
            self.run(way)

    def run(self, way: str) -> npt.NDArray[np.float32]:
        """Compute all pixels in one of WAYS; return (networks, pixels of each, outputs), overwritten next time."""
        networks = len(self._inputs)
        if way == "batch":
            return self._draw_anew()
        if way in ("batch_reused", "chunks"):
            rows = networks * self.rows
            step = rows if way == "batch_reused" else CHUNK
            inputs, outputs = self._inputs.view(rows, -1), self._outputs.view(rows, -1)
            for first in range(0, rows, step):
                self._draw(slice(0, 1), inputs[None, first : first + step], outputs[None, first : first + step])
        else:
            step = GROUPS[way]
            for first in range(0, networks, step):
                chosen = slice(first, first + step)
                self._draw(chosen, self._inputs[chosen], self._outputs[chosen])
        result: npt.NDArray[np.float32] = self._outputs.numpy()
        return result

    def milliseconds(self, way: str) -> float:
        """Compute all pixels in one of WAYS; return ms per 2^18 pixels. All threads are asleep afterwards."""
        start = time.perf_counter()
        self.run(way)
        seconds = time.perf_counter() - start
        time.sleep(_QUIET_SECONDS)
        return seconds * 1e3 * (1 << 18) / (len(self._inputs) * self.rows)

    def _draw_anew(self) -> npt.NDArray[np.float32]:
        """The first network on all pixels, every result in memory of its own."""
        import torch.nn.functional as functions

        values = self._inputs.view(-1, self._inputs.shape[-1])
        for index, (weight, bias) in enumerate(self._first):
            values = functions.linear(values, weight, bias)
            values = values if index == len(self._first) - 1 else functions.relu(values)
        result: npt.NDArray[np.float32] = values.view(self._outputs.shape).numpy()
        return result

    def _draw(self, chosen: slice, values: "torch.Tensor", outputs: "torch.Tensor") -> None:
        """The `chosen` networks on values (networks, rows, in) into outputs (networks, rows, out)."""
        import torch

        count, rows = values.shape[:2]
        for index, (weight, bias) in enumerate(self._layers):
            last = index == len(self._layers) - 1
            width = weight.shape[-1]
            target = outputs if last else self._between[index][: count * rows * width].view(count, rows, width)
            if count == 1:
                torch.addmm(bias[chosen][0, 0], values[0], weight[chosen][0], out=target[0])
            else:
                torch.baddbmm(bias[chosen], values, weight[chosen], out=target)
            values = target if last else target.relu_()


@contextmanager
def torch_networks(layers: Sequence[int], networks: int, pixels: int) -> Iterator[TorchNetworks]:
    """For a `Worker`."""
    yield TorchNetworks(layers, networks, pixels)
