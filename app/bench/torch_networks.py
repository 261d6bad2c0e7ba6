"""The same 1x1 networks by torch on the CPU. Needs torch, as training does.

All ways but "batch", which is torch as one writes it, put their results into memory that is allocated once: taking
memory anew for every layer costs as much as the arithmetic.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.arrays import F32
from app.bench.cpu_networks import CHUNK, CpuNetworks

if TYPE_CHECKING:
    import torch

GROUPS = {"groups_16": 16, "groups_4": 4}  # networks at a time, by baddbmm


class TorchNetworks(CpuNetworks):
    """With one network at once, also into memory that is reused, or CHUNK pixels of it at a time; many in GROUPS."""

    many = tuple(GROUPS)
    single = ("batch", "batch_reused", "chunks")

    def __init__(self, layers: Sequence[int], networks: int, pixels: int) -> None:
        import torch

        super().__init__(layers, networks, pixels)
        self._inputs = torch.from_numpy(self.features)
        self._layers = [(torch.from_numpy(weight), torch.from_numpy(bias)) for weight, bias in self.stacked()]
        self._first = [(weight[0].T.contiguous(), bias[0, 0]) for weight, bias in self._layers]  # as torch.nn has it
        self._outputs = torch.empty((networks, self.rows, layers[-1]))
        self._between = [torch.empty(networks * self.rows * width) for width in layers[1:-1]]

    def run(self, way: str) -> F32:
        """See `CpuNetworks.run`."""
        networks = len(self._inputs)
        if way == "batch":
            return self._draw_anew()
        if way in self.single:
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
        result: F32 = self._outputs.numpy()
        return result

    def _draw_anew(self) -> F32:
        """The first network on all pixels, every result in memory of its own."""
        import torch.nn.functional as functions

        values = self._inputs.view(-1, self._inputs.shape[-1])
        for index, (weight, bias) in enumerate(self._first):
            values = functions.linear(values, weight, bias)
            values = values if index == len(self._first) - 1 else functions.relu(values)
        result: F32 = values.view(self._outputs.shape).numpy()
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
