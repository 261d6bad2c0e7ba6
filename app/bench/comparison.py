"""The fused pass and its opponents, asked in turn: every ratio is of two times taken one after the other."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from app.bench import convolution, torch_networks
from app.bench.costs import Costs, costs
from app.bench.figures import Samples
from app.bench.layered import Activations, memory_bytes
from app.bench.networks import NETWORKS, RESIDENT, SIZE, Networks
from app.bench.opponents import Convolutions
from app.bench.sgemm import HINDRANCES, Sgemm, sgemm
from app.bench.torch_networks import MANY, TorchNetworks
from app.bench.worker import Worker
from app.commands.options import SceneOptions
from app.network.layers import flops

DEEP = (32, 32, 32, 28, 15)  # widths of the networks measured besides the shipped ones
CHANNELS = (32, 64, 128)  # of the 3x3 convolutions, in as many layers as DEEP has
PIXELS = SIZE * SIZE
TORCH_WAYS = {
    "fused_over_torch_batch": ("batch",),
    "fused_over_torch_batch_reused": ("batch_reused",),
    "fused_over_torch_chunks": ("chunks",),
    "fused_over_best_cpu": MANY,
}
"""By figure, the ways of which the quickest counts."""
_PRODUCTS = 5  # how often in a round. Short things are measured more often: they are what a busy machine disturbs most


class Comparison:
    """Workers for the fused pass and its opponents, and the parts of a round that ask them.

    Args:
        enter: enters a worker and sees to it that it is closed.
        options: device; sizes are not looked at.
        layers: widths of the shipped networks.
        figures: what is measured goes there.
        quick: measure nothing twice in a round.
    """

    def __init__(
        self,
        enter: Callable[[AbstractContextManager[Any]], Any],
        options: SceneOptions,
        layers: tuple[int, ...],
        figures: Samples,
        *,
        quick: bool,
    ) -> None:
        self._layers, self._figures = layers, figures
        self._products = 1 if quick else _PRODUCTS
        self._networks: Worker[Networks] = enter(Worker(Networks, options, *dict.fromkeys((layers, DEEP))))
        self._sgemm: Worker[Sgemm] = enter(Worker(sgemm, without=HINDRANCES))
        self._convolutions: Worker[Convolutions] = enter(Worker(Convolutions, options, len(DEEP) - 1, *CHANNELS))
        self._costs: Worker[Costs] = enter(Worker(costs, options))
        self.parts = [self._fused, self._convolved, self._steps]
        self.torch = torch_networks.installed()
        if self.torch:
            self._torch: Worker[TorchNetworks] = enter(
                Worker(torch_networks.torch_networks, layers, NETWORKS, PIXELS, without=torch_networks.HINDRANCES)
            )
            self.parts.append(self._by_torch)

    def activations(self) -> Activations:
        """How the shipped networks, layer by layer, stored their activations: the way that was quicker."""
        return self._networks.ask(Networks.activations, self._layers)

    def traffic(self) -> dict[str, float]:
        """FLOP a byte from or to memory, by the name of a figure "*_gflops", if nothing is moved twice."""
        found = {}
        for widths, suffix in ((self._layers, ""), (DEEP, "_deep")):
            fused, between = memory_bytes(widths, self._networks.ask(Networks.activations, widths))
            found[f"fused_gflops{suffix}"] = flops(widths) / fused
            found[f"layered_gflops{suffix}"] = flops(widths) / (fused + between)
        for channels in CHANNELS:
            network = convolution.widths(channels, len(DEEP) - 1)
            found[f"conv{channels}_gflops"] = convolution.flops(network) / convolution.memory_bytes(network)
        return found

    def _fused(self) -> None:
        add, layers = self._figures.add, self._layers
        for _ in range(self._products):
            ceiling = self._sgemm.ask(Sgemm.gflops)
            add("sgemm_gflops", ceiling)
            for widths, suffix in ((layers, ""), (DEEP, "_deep")):
                hashing, drawing, layered = self._networks.ask(Networks.milliseconds, widths)
                gflops = 1e-6 * flops(widths) * PIXELS / drawing
                add(f"fused_gflops{suffix}", gflops)
                add(f"fused_share_of_sgemm{suffix}", gflops / ceiling)
                add(f"layered_gflops{suffix}", 1e-6 * flops(widths) * PIXELS / layered)
                add(f"fused_over_layered{suffix}", layered / drawing)
                if widths == layers:
                    add("tile_network_ms_full", drawing)
                    add("tile_hash_ms_full", hashing)
                    add("hash_share", hashing / drawing)
                    few, many = (self._networks.ask(Networks.resident, count) for count in RESIDENT)
                    add("tile_network_ms_1", few)
                    add("tile_network_ms_2000", many)
                    add("many_over_one", many / few)

    def _convolved(self) -> None:
        for channels in (*[CHANNELS[0]] * (self._products - 1), *CHANNELS):
            _, fused, _ = self._networks.ask(Networks.milliseconds, DEEP)
            nanoseconds = self._convolutions.ask(Convolutions.nanoseconds, channels)
            work = convolution.flops(convolution.widths(channels, len(DEEP) - 1))
            self._figures.add(f"conv{channels}_gflops", work / nanoseconds)
            self._figures.add(f"conv{channels}_over_fused", nanoseconds * PIXELS * 1e-6 / fused)

    def _steps(self) -> None:
        for _ in range(self._products):
            self._figures.add_all(self._costs.ask(Costs.measure))

    def _by_torch(self) -> None:
        for _ in range(self._products):
            for name, ways in TORCH_WAYS.items():
                fused, best = self._ratio(ways)
                self._figures.add(name, best / fused)
                if ways == MANY:
                    self._figures.add("best_cpu_gflops", 1e-6 * flops(self._layers) * PIXELS / best)

    def _ratio(self, ways: Sequence[str]) -> tuple[float, float]:
        """Milliseconds of the fused pass and of torch in the quickest of these ways."""
        _, fused, _ = self._networks.ask(Networks.milliseconds, self._layers)
        return fused, min(self._torch.ask(TorchNetworks.milliseconds, way) for way in ways)
