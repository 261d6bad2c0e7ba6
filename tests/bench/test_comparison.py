"""Ratios of the fused pass and its opponents are the right way up, and libraries may be missing."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

import pytest

from app.bench import comparison, convolution
from app.bench.comparison import CHANNELS, DEEP, PIXELS, WIDE, Comparison
from app.bench.compilation import Compilation
from app.bench.costs import Costs
from app.bench.cpu_networks import Library, library
from app.bench.figures import Samples
from app.bench.layered import Way, memory_bytes
from app.bench.meanings import COSTS, NETWORK, RATIOS
from app.bench.ncnn_network import NcnnNetwork, ncnn_network
from app.bench.networks import Networks
from app.bench.openvino_networks import OpenvinoNetworks
from app.bench.opponents import Convolutions
from app.bench.sgemm import Sgemm, sgemm
from app.network.layers import flops
from app.network.matrix_shader import Matrix
from app.network.shader import Variant
from app.scene_options import SceneOptions
from tests.bench.missing_figures import WIDE_GENERALIST, absent

LAYERS, GENERALIST = (32, 8, 15), (32, 48, 48, 15)
TORCH_MS = {"batch": 40.0, "batch_reused": 30.0, "chunks": 20.0, "groups_16": 5.0, "groups_4": 8.0}
OPENVINO_MS = {"batch": 50.0, "chunks": 35.0, "together": 9.0, "groups_32": 4.0, "groups_8": 6.0}
ALL = frozenset({"torch", "openvino", "ncnn", "mitsuba", "pygfx"})


class Machine:
    """Answers for all workers: the fused pass takes 10 ms, layer by layer 25, convolutions 100 ns per channel."""

    variants: ClassVar[dict[tuple[int, ...], Variant]] = {}
    """Of the fused pass, where it is not float-12."""

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self._milliseconds = OPENVINO_MS if OpenvinoNetworks in arguments else TORCH_MS

    def ask(self, question: Callable[..., Any], *args: Any) -> Any:
        if question is Networks.milliseconds:
            return 1.0, 10.0, 25.0
        if question is Networks.fused:
            return 10.0
        if question is Networks.resident:
            return {(LAYERS, 1): 9.0, (LAYERS, 2000): 18.0, (GENERALIST, 1): 30.0}[args]
        if question is Networks.variant:
            return self.variants.get(args[0], Variant(12))
        if question is Networks.quickest_way:
            variant = self.variants.get(args[0], Variant(12))
            return Way(Variant(half=True) if variant.matrix else variant)
        if question is Sgemm.gflops:
            return 50.0
        if question is Convolutions.shape:
            return "2 pixels x 8 channels a thread"
        if question is Convolutions.nanoseconds:
            return 100.0 * args[0]
        if question is Compilation.seconds:
            return {LAYERS: 1.0, WIDE: 8.0}[args[0]]
        if question is Costs.measure:
            return dict.fromkeys(COSTS, 3.0)
        if question is NcnnNetwork.ways:
            return "cpu", "vulkan"
        if question is NcnnNetwork.milliseconds:
            return {"cpu": 70.0, "vulkan": 90.0}[args[0]]
        assert question is Library.milliseconds
        layers, way = args
        return self._milliseconds[way] * (3.0 if layers == WIDE else 1.0)


def medians(
    monkeypatch: pytest.MonkeyPatch, present: frozenset[str], generalist: tuple[int, ...] | None = None
) -> tuple[Comparison, dict[str, float]]:
    monkeypatch.setattr(comparison, "Worker", Machine)
    monkeypatch.setattr(comparison, "installed", present.__contains__)
    figures = Samples()
    options = SceneOptions()
    compared = Comparison(lambda worker: worker, options, LAYERS, figures, quick=False, generalist=generalist)
    for part in compared.parts:
        part()
    compared.compile()
    return compared, {name: spread["median"] for name, spread in figures.spreads().items()}


def test_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, found = medians(monkeypatch, ALL, GENERALIST)
    assert set(found) == {*NETWORK, *RATIOS, *COSTS}
    assert found["fused_over_layered"] == found["fused_over_layered_deep"] == 2.5
    gflops = flops(LAYERS) * PIXELS / 10e6
    assert found["fused_gflops"] == pytest.approx(gflops)
    assert found["layered_gflops"] == pytest.approx(gflops / 2.5)
    assert found["fused_share_of_sgemm"] == pytest.approx(gflops / 50)
    assert found["fused_share_of_sgemm_deep"] == pytest.approx(flops(DEEP) * PIXELS / 10e6 / 50)
    for channels in CHANNELS:
        assert found[f"conv{channels}_over_fused"] == pytest.approx(channels * 100e-6 * PIXELS / 10)
    assert found["conv32_gflops"] == pytest.approx(18 * (3 * 32 * 32 + 32 * 3) / 3200)
    assert found["hash_share"] == 0.1
    assert (found["tile_network_ms_1"], found["tile_network_ms_2000"], found["many_over_one"]) == (9.0, 18.0, 2.0)
    assert found["fused_over_torch_batch"] == 4 and found["fused_over_torch_chunks"] == 2
    assert found["fused_over_torch_batch_reused"] == 3
    assert found["fused_over_torch_many"] == 0.5 and found["fused_over_openvino_many"] == 0.4
    assert found["fused_over_openvino_batch"] == 5 and found["fused_over_openvino_chunks"] == 3.5
    assert found["fused_over_ncnn_cpu"] == 7 and found["fused_over_ncnn_vulkan"] == 9
    assert found["fused_over_best_cpu"] == 0.4 and found["best_cpu_gflops"] == pytest.approx(2.5 * gflops)
    assert found["fused_over_best_cpu_wide"] == pytest.approx(1.2)  # the fused pass takes as long, here
    assert found["fused_gflops_wide"] == pytest.approx(flops(WIDE) * PIXELS / 10e6)
    assert found["wide_generalist_ms"] == 30 and found["fused_over_wide_generalist"] == 3
    assert found["compile_s"] == 1 and found["compile_s_wide"] == 8
    assert compared.best_cpu() == "openvino groups_32" and not compared.left_out("a GPU")
    assert set(found) >= set(compared.traffic())


def test_arithmetic_for_each_byte_is_that_of_the_way_and_the_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, _ = medians(monkeypatch, frozenset())
    found = compared.traffic()
    for widths, suffix in ((LAYERS, ""), (DEEP, "_deep")):
        fused, between = memory_bytes(widths, "half")
        assert found[f"fused_gflops{suffix}"] == flops(widths) / fused
        assert found[f"layered_gflops{suffix}"] == flops(widths) / (fused + between)
    assert found["fused_gflops_wide"] == flops(WIDE) / memory_bytes(WIDE, "half")[0]
    network = (32, 64, 64, 64, 3)
    assert found["conv64_gflops"] == convolution.flops(network) / convolution.memory_bytes(network)


def test_the_best_library_is_the_one_that_was_it_most_often(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, _ = medians(monkeypatch, frozenset({"torch", "openvino"}))
    monkeypatch.setitem(TORCH_MS, "groups_16", 1.0)
    monkeypatch.setattr(compared, "_products", 2)  # less often than before
    compared._many_by_libraries()
    assert compared.best_cpu() == "openvino groups_32"


def test_quick_measures_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "Worker", Machine)
    names: list[str] = []
    monkeypatch.setattr(Samples, "add", lambda _, name, value: names.append(name))
    compared = Comparison(lambda worker: worker, SceneOptions(), LAYERS, Samples(), quick=True, generalist=GENERALIST)
    for part in compared.parts:
        part()
    assert len(names) == len(set(names)) > len(COSTS)


def test_settings_that_hinder_the_cpu_are_kept_from_what_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: dict[Any, Collection[str]] = {}

    def worker(make: Any, *arguments: Any, without: Collection[str] = ()) -> Machine:
        hidden[make] = without
        return Machine(make, *arguments)

    monkeypatch.setattr(comparison, "Worker", worker)
    monkeypatch.setattr(comparison, "installed", ALL.__contains__)
    Comparison(lambda worker: worker, SceneOptions(), LAYERS, Samples(), quick=True)
    for make in (sgemm, library, ncnn_network):
        assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"} <= set(hidden[make])
    assert "OPENBLAS_CORETYPE" in hidden[sgemm] and "OMP_WAIT_POLICY" in hidden[library]


@pytest.mark.parametrize(
    ("present", "best"), [({"torch"}, "torch groups_16"), ({"openvino", "ncnn"}, "openvino groups_32"), ((), None)]
)
def test_without_libraries(present: Collection[str], best: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    compared, found = medians(monkeypatch, frozenset(present))
    assert set(found) == {*NETWORK, *RATIOS, *COSTS} - absent(present) - WIDE_GENERALIST
    assert ("fused_over_best_cpu" in found) == (best is not None) and compared.best_cpu() == best


def test_variants_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("fused_variant", "fused_variant_deep", "fused_variant_wide", "layered_variant", "layered_variant_deep")
    compared, _ = medians(monkeypatch, ALL)
    report = compared.describe()
    assert {report[key] for key in keys} == {"float-12"} and report["wide_generalist_variant"] is None
    matrices, halves = Variant(matrix=Matrix(16, 16, 16)), Variant(24, half=True)
    monkeypatch.setattr(Machine, "variants", {LAYERS: halves, DEEP: matrices, GENERALIST: Variant(direct=2)})
    compared, _ = medians(monkeypatch, ALL, GENERALIST)
    report = compared.describe()
    assert [report[key] for key in keys] == ["half-24", "matrix-16x16x16", "float-12", "half-24", "half-16"]
    assert report["wide_generalist_variant"] == "direct-2"
    assert compared.left_out("a GPU") == [
        "The tile network calculates with fp16 (32-8-15 as half-24, 32-32-32-28-15 as matrix-16x16x16), libraries, "
        "sgemm and convolutions with fp32.",
        "Layer by layer there are no cooperative matrices: 32-32-32-28-15 is drawn as half-16 there.",
    ]
