"""The fused pass and its opponents, asked in turn: every ratio is of two times taken one after the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from app.bench import convolution
from app.bench.compilation import Compilation, compilation
from app.bench.costs import Costs, costs
from app.bench.cpu_networks import HINDRANCES as WAITING
from app.bench.cpu_networks import CpuNetworks, Library, library
from app.bench.figures import Samples
from app.bench.layered import Way, memory_bytes
from app.bench.ncnn_network import VULKAN, NcnnNetwork, ncnn_network
from app.bench.networks import NETWORKS, RESIDENT, SIZE, Networks
from app.bench.openvino_networks import OpenvinoNetworks
from app.bench.opponents import Convolutions
from app.bench.packages import installed
from app.bench.sgemm import HINDRANCES, Sgemm, sgemm
from app.bench.torch_networks import TorchNetworks
from app.bench.worker import Worker
from app.network.layers import flops
from app.network.shader import Variant
from app.scene_options import SceneOptions

DEEP = (32, 32, 32, 28, 15)  # widths of the networks measured besides those that training starts with
WIDE = (32, 64, 64, 64, 64, 15)  # and of those as wide and as deep as the pass allows, for comparison with libraries
CHANNELS = (32, 64, 128)  # of the 3x3 convolutions, in as many layers as DEEP has
PIXELS = SIZE * SIZE
LIBRARIES: dict[str, type[CpuNetworks]] = {"torch": TorchNetworks, "openvino": OpenvinoNetworks}
"""By package, what computes the same networks on the CPU."""
_PRODUCTS = 5  # how often in a round. Short things are measured more often: they are what a busy machine disturbs most


class Comparison:
    """Workers for the fused pass and its opponents, and the parts of a round that ask them.

    Args:
        enter: enters a worker and sees to it that it is closed.
        options: device; sizes are not looked at.
        layers: widths of the networks compared, besides DEEP and WIDE.
        figures: what is measured goes there.
        quick: measure nothing twice in a round.
        generalist: widths of a wide network that draws all tiles, to compare with; None for none.
    """

    def __init__(
        self,
        enter: Callable[[AbstractContextManager[Any]], Any],
        options: SceneOptions,
        layers: tuple[int, ...],
        figures: Samples,
        *,
        quick: bool,
        generalist: tuple[int, ...] | None = None,
    ) -> None:
        self._layers, self._figures, self._generalist = layers, figures, generalist
        self._layered = tuple(dict.fromkeys((layers, DEEP)))  # widths drawn layer by layer as well
        self._products = 1 if quick else _PRODUCTS
        self._networks: Worker[Networks] = enter(Worker(Networks, options, self._layered, (WIDE,), generalist))
        self._sgemm: Worker[Sgemm] = enter(Worker(sgemm, without=HINDRANCES))
        self._convolutions: Worker[Convolutions] = enter(Worker(Convolutions, options, len(DEEP) - 1, *CHANNELS))
        self._costs: Worker[Costs] = enter(Worker(costs, options))
        self._compilation: Worker[Compilation] = enter(Worker(compilation, options))
        self.parts = [self._fused, self._convolved, self._steps, self._wider]
        if generalist is not None:
            self.parts.append(self._by_generalist)
        self._libraries: dict[str, Worker[Library]] = {
            name: enter(Worker(library, kind, NETWORKS, PIXELS, layers, WIDE, without=WAITING))
            for name, kind in LIBRARIES.items()
            if installed(name)
        }
        self._quickest: list[str] = []
        if self._libraries:
            self.parts += [self._one_by_libraries, self._many_by_libraries]
        self._ncnn: Worker[NcnnNetwork] | None = None
        if installed("ncnn"):
            self._ncnn = enter(Worker(ncnn_network, options, layers, SIZE, without=WAITING))
            self.parts.append(self._by_ncnn)

    def compile(self) -> None:
        """Time compiling, which takes too long for every round."""
        for widths, suffix in ((self._layers, ""), (WIDE, "_wide")):
            self._figures.add(f"compile_s{suffix}", self._compilation.ask(Compilation.seconds, widths))

    def best_cpu(self) -> str | None:
        """The library on the CPU that was quickest with many networks, and how, most of the times; None without any."""
        return max(self._quickest, key=self._quickest.count, default=None)

    def left_out(self, device: str) -> list[str]:
        """Sentences about what is not measured on the device of this name, or not in the same arithmetic."""
        sentences = []
        if self._ncnn is not None and VULKAN not in self._ncnn.ask(NcnnNetwork.ways):
            sentences.append(f"ncnn is measured on the CPU alone: it does not find {device}.")
        if rounded := {widths: variant for widths, variant in self._variants().items() if variant.rounds}:
            names = ", ".join(f"{_name(widths)} as {variant.name}" for widths, variant in rounded.items())
            sentences.append(
                f"The tile network calculates with fp16 ({names}), libraries, sgemm and convolutions with fp32."
            )
        if matrices := [widths for widths in self._layered if widths in rounded and rounded[widths].matrix]:
            names = ", ".join(f"{_name(widths)} is drawn as {self._way(widths).variant.name}" for widths in matrices)
            sentences.append(f"Layer by layer there are no cooperative matrices: {names} there.")
        return sentences

    def describe(self) -> dict[str, Any]:
        """Return what the report says of the networks besides figures."""
        variants, way, generalist = self._variants(), self._way(self._layers), self._generalist
        return {
            "fused_networks": NETWORKS,
            "fused_layers": list(self._layers),
            "fused_layers_deep": list(DEEP),
            "fused_layers_wide": list(WIDE),
            "fused_variant": variants[self._layers].name,
            "fused_variant_deep": variants[DEEP].name,
            "fused_variant_wide": variants[WIDE].name,
            "wide_generalist_variant": None if generalist is None else variants[generalist].name,
            # Layer by layer, and of a thread of the convolutions: the quickest on this device.
            "layered_variant": way.variant.name,
            "layered_variant_deep": self._way(DEEP).variant.name,
            "layered_activations": way.activations,
            "convolution_shape": self._convolutions.ask(Convolutions.shape),
            "flop_per_byte": self.traffic(),
            "best_cpu": self.best_cpu(),
        }

    def traffic(self) -> dict[str, float]:
        """FLOP a byte from or to memory, by the name of a figure "*_gflops", if nothing is moved twice."""
        found = {}
        for widths, suffix in ((self._layers, ""), (DEEP, "_deep")):
            fused, between = memory_bytes(widths, self._way(widths).activations)
            found[f"fused_gflops{suffix}"] = flops(widths) / fused
            found[f"layered_gflops{suffix}"] = flops(widths) / (fused + between)
        found["fused_gflops_wide"] = flops(WIDE) / memory_bytes(WIDE, "half")[0]
        for channels in CHANNELS:
            network = convolution.widths(channels, len(DEEP) - 1)
            found[f"conv{channels}_gflops"] = convolution.flops(network) / convolution.memory_bytes(network)
        return found

    def _variants(self) -> dict[tuple[int, ...], Variant]:
        """How the fused pass's shader is written, by widths."""
        widths = (self._layers, DEEP, WIDE, *([] if self._generalist is None else [self._generalist]))
        return {one: self._networks.ask(Networks.variant, one) for one in widths}

    def _way(self, widths: tuple[int, ...]) -> Way:
        """The quickest layer by layer."""
        return self._networks.ask(Networks.quickest_way, widths)

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
                    few, many = (self._networks.ask(Networks.resident, layers, count) for count in RESIDENT)
                    add("tile_network_ms_1", few)
                    add("tile_network_ms_2000", many)
                    add("many_over_one", many / few)

    def _convolved(self) -> None:
        for channels in (*[CHANNELS[0]] * (self._products - 1), *CHANNELS):
            fused = self._networks.ask(Networks.fused, DEEP)
            nanoseconds = self._convolutions.ask(Convolutions.nanoseconds, channels)
            work = convolution.flops(convolution.widths(channels, len(DEEP) - 1))
            self._figures.add(f"conv{channels}_gflops", work / nanoseconds)
            self._figures.add(f"conv{channels}_over_fused", nanoseconds * PIXELS * 1e-6 / fused)

    def _steps(self) -> None:
        for _ in range(self._products):
            self._figures.add_all(self._costs.ask(Costs.measure))

    def _wider(self) -> None:
        fused = self._networks.ask(Networks.fused, WIDE)
        self._figures.add("fused_gflops_wide", 1e-6 * flops(WIDE) * PIXELS / fused)
        if took := self._many(WIDE):
            self._figures.add("fused_over_best_cpu_wide", min(took.values()) / fused)

    def _by_generalist(self) -> None:
        assert self._generalist is not None
        for _ in range(self._products):
            fused = self._networks.ask(Networks.fused, self._layers)
            took = self._networks.ask(Networks.resident, self._generalist, 1)
            self._figures.add("wide_generalist_ms", took)
            self._figures.add("fused_over_wide_generalist", took / fused)

    def _one_by_libraries(self) -> None:
        for _ in range(self._products):
            for name, worker in self._libraries.items():
                for way in LIBRARIES[name].single:
                    fused = self._networks.ask(Networks.fused, self._layers)
                    took = worker.ask(Library.milliseconds, self._layers, way)
                    self._figures.add(f"fused_over_{name}_{way}", took / fused)

    def _many_by_libraries(self) -> None:
        for _ in range(self._products):
            fused = self._networks.ask(Networks.fused, self._layers)
            took = self._many(self._layers)
            for name in self._libraries:
                least = min(time for (library, _), time in took.items() if library == name)
                self._figures.add(f"fused_over_{name}_many", least / fused)
            best = min(took, key=took.__getitem__)
            self._quickest.append(" ".join(best))
            self._figures.add("best_cpu_gflops", 1e-6 * flops(self._layers) * PIXELS / took[best])
            self._figures.add("fused_over_best_cpu", took[best] / fused)

    def _many(self, layers: tuple[int, ...]) -> dict[tuple[str, str], float]:
        """Milliseconds by library and way, of all that compute many networks."""
        return {
            (name, way): worker.ask(Library.milliseconds, layers, way)
            for name, worker in self._libraries.items()
            for way in LIBRARIES[name].many
        }

    def _by_ncnn(self) -> None:
        assert self._ncnn is not None
        for way in self._ncnn.ask(NcnnNetwork.ways):
            fused = self._networks.ask(Networks.fused, self._layers)
            took = self._ncnn.ask(NcnnNetwork.milliseconds, way)
            self._figures.add(f"fused_over_ncnn_{way}", took / fused)


def _name(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))
