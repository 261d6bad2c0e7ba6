"""The tile networks layer by layer draw what the twin of the fused pass draws."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.bench import networks
from app.bench.layered import ACTIVATIONS, Activations, LayeredNetwork, Way, ways
from app.gpu import CommandBuffer, Device
from app.network import schema, twin
from app.network.matrix_shader import Matrix
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.tile_check import HALF_TOLERANCE
from app.passes.tile_hash import TileHash
from app.passes.tile_network import TileNetwork
from app.passes.tile_radiance import TileRadiance
from app.passes.tile_variant import OVERRIDE, default
from app.scene_options import SceneOptions

SIZE = (40, 20)  # pixels: tiles that the edge of the picture cuts


@pytest.mark.parametrize(
    ("layers", "direct"),
    [
        *(((32, 15), 0), ((32, 7, 15), 0), ((32, 12, 20, 15), 0), ((32, 32, 32, 28, 15), 0)),
        *(((32, 15), 1), ((32, 7, 15), 1)),  # a CPU's driver takes minutes to compile larger ones
    ],
)
@pytest.mark.parametrize("activations", ACTIVATIONS)
def test_draws_what_the_twin_draws(
    gpu: Device, keep: Callable[[Any], Any], layers: tuple[int, ...], direct: int, activations: Activations
) -> None:
    drawn, wanted = _drawn(gpu, keep, layers, Way(Variant(12, direct=direct), activations))
    np.testing.assert_array_equal(drawn[..., 3], wanted[..., 3])
    error = np.abs(drawn - wanted)
    if activations == "float" or len(layers) == 2:
        size = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
        np.testing.assert_array_less(error / size, 1e-5)
    else:  # halves lose up to 2^-10 of every activation (drivers may round towards zero): much where they cancel
        assert np.sqrt((error**2).mean()) < 2**-10 * np.sqrt((wanted**2).mean())
        assert error.max() < 2**-6 * wanted.max()


@pytest.mark.parametrize("layers", [(32, 15), (32, 7, 15), (32, 12, 20, 15)])
def test_halves_are_as_near_the_twin_as_the_fused_pass_must_be(
    gpu: Device, keep: Callable[[Any], Any], layers: tuple[int, ...]
) -> None:
    if "shaderFloat16" not in gpu.info.features:
        pytest.skip("the device does not calculate with halves")
    drawn, wanted = _drawn(gpu, keep, layers, Way(Variant(12, half=True)))
    np.testing.assert_array_equal(drawn[..., 3], wanted[..., 3])
    error = np.abs(drawn - wanted) / np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
    assert 1e-4 < error.max() < HALF_TOLERANCE  # and not in floats
    assert np.sqrt((error**2).mean()) < HALF_TOLERANCE / 16


def test_ways_are_in_the_fused_pass_s_arithmetic(gpu: Device) -> None:
    cpu, other = (replace(gpu.info, kind=kind) for kind in ("cpu", "discrete"))
    floats = [Way(Variant(24), stored) for stored in ACTIVATIONS]
    by_address = [Way(Variant(direct=1), stored) for stored in ACTIVATIONS]
    assert ways(other, Variant(24)) == floats
    assert ways(cpu, Variant(24)) == [*floats, *(Way(Variant(12), stored) for stored in ACTIVATIONS)]
    assert ways(cpu, Variant(12)) == [Way(Variant(12), stored) for stored in ACTIVATIONS]
    assert ways(other, Variant(direct=1)) == ways(other, Variant(direct=2)) == by_address
    wide = [Way(Variant(block, wide=True), stored) for block in (24, 12) for stored in ACTIVATIONS]
    assert ways(cpu, Variant(24, wide=True)) == wide
    assert ways(other, Variant(24, half=True)) == [Way(Variant(24, half=True), "half")]
    for half in (False, True):
        matrices = Variant(half=half, matrix=Matrix(16, 16, 16))
        assert ways(other, matrices) == [Way(Variant(half=True), "half"), *by_address]
        assert ways(cpu, matrices) == [Way(default(cpu), stored) for stored in ACTIVATIONS]


def test_networks_take_the_way_of_the_variant_that_draws(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if "shaderFloat16" not in gpu.info.features:
        pytest.skip("the device does not calculate with halves")
    monkeypatch.setattr(networks, "SIZE", 64)
    layers, options = (32, 8, 15), SceneOptions(device=str(gpu.info.index))
    for variant in (Variant(24), Variant(8, half=True)):
        monkeypatch.setenv(OVERRIDE, variant.name)
        with networks.Networks(options, [layers]) as measured:
            assert all(took > 0 for took in measured.milliseconds(layers))
            assert measured.variant(layers) == variant
            assert measured.quickest_way(layers) in ways(gpu.info, variant)


def test_times_of_networks_are_told_apart_and_the_quickest_way_counts(
    gpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "SIZE", 64)
    monkeypatch.setenv(OVERRIDE, Variant(24).name)
    layers = (32, 8, 15)
    with networks.Networks(SceneOptions(device=str(gpu.info.index)), [layers]) as measured:
        way = ways(gpu.info, Variant(24))
        for quickest in (way[1], way[0], way[1]):
            quick = measured._layered[layers][quickest]

            def timed(commands: Any, quick: Any = quick) -> dict[str, float]:
                return {"tile_hash": 1.0, "tile_network": 2.0, "layered": 3.0 if commands is quick else 4.0}

            monkeypatch.setattr(measured, "_timed", timed)
            assert measured.milliseconds(layers) == (1.0, 2.0, 3.0)
        assert measured.quickest_way(layers) == way[1]


def test_as_many_networks_are_drawn_as_is_said(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def count(device: Device, weights: WeightSet, *others: Any, **how: Any) -> TileNetwork:
        drawn.append((weights.layers, len(np.unique(weights.slots, axis=0)), len(np.unique(weights.table))))
        return TileNetwork(device, weights, *others, **how)

    monkeypatch.setattr(networks, "SIZE", 64)
    monkeypatch.setattr(networks, "TileNetwork", count)
    layers, alone, single = (32, 8, 15), (32, 4, 15), (32, 12, 15)
    with networks.Networks(SceneOptions(device=str(gpu.info.index)), [layers], [alone], single):
        assert sorted(drawn) == [
            (alone, 225, 225),
            *((layers, count, count) for count in (1, 225, 2000)),
            (single, 1, 1),
        ]


def test_networks_are_drawn_once_uncounted(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[object] = []
    layers = (32, 8, 15)
    monkeypatch.setattr(networks, "SIZE", 64)
    with networks.Networks(SceneOptions(device=str(gpu.info.index)), [layers]) as measured:
        submit = Device.submit

        def noted(device: Device, commands: CommandBuffer) -> None:
            submitted.append(commands)
            submit(device, commands)

        monkeypatch.setattr(Device, "submit", noted)
        assert measured.fused(layers) > 0 and measured.resident(layers, 2000) > 0
    fused, resident = submitted[::2]
    assert submitted == [fused, fused, resident, resident] and fused is not resident


def test_what_there_is_not_layer_by_layer_is_refused() -> None:
    for variant in (Variant(matrix=Matrix(16, 16, 16)), Variant(direct=2)):
        with pytest.raises(ValueError, match=f"there is no {variant.name}"):
            Way(variant)
    with pytest.raises(ValueError, match="stored as halves"):
        Way(Variant(half=True), "float")


def _drawn(gpu: Device, keep: Callable[[Any], Any], layers: tuple[int, ...], way: Way) -> tuple[Any, Any]:
    """What is drawn of a random picture, and what its twin draws: (height, width, 4)."""
    width, height = SIZE
    rng = np.random.default_rng(len(layers))
    channels = rng.normal(0, 1, (height, width, schema.CHANNELS)).astype(np.float32)
    channels[..., :2] = rng.random((height, width, 2)) * 0.3
    depth = np.where(rng.random((height, width)) < 0.7, 1.0, np.inf)
    features = schema.feature_buffer(schema.pack(channels))
    surface = schema.surface_buffer(depth, rng.uniform(0.2, 3, (height, width)))
    weights = WeightSet.untrained(layers, slots=5)
    wanted = twin.draw(weights, features, surface, width, height)
    assert 0 < wanted[..., 3].sum() < wanted[..., 3].size and wanted[..., :3].max() > 1

    places = keep(gpu.buffer(schema.place_buffer(features, surface)))
    radiance = keep(TileRadiance(gpu, width, height, "float"))
    radiance.write(0.0)
    hashing = keep(TileHash(gpu, places, width, height))
    buffers = keep(gpu.buffer(features)), keep(gpu.buffer(surface))
    network = LayeredNetwork(gpu, weights, hashing, *buffers, radiance, width, height, way=way)
    keep(network)
    with gpu.commands() as commands:
        hashing.record(commands)
        commands.barrier()
        network.record(commands)
        commands.barrier()
    keep(commands)
    gpu.submit(commands)
    return radiance.read(), wanted
