"""The tile networks layer by layer draw what the twin of the fused pass draws."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.bench.layered import ACTIVATIONS, Activations, LayeredNetwork
from app.gpu import Device
from app.network import schema, twin
from app.network.shader import Variant
from app.network.weights import WeightSet
from app.passes.tile_hash import TileHash

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
    image = keep(gpu.image(width, height, "rgba32f"))
    hashing = keep(TileHash(gpu, places, width, height))
    buffers = keep(gpu.buffer(features)), keep(gpu.buffer(surface))
    network = LayeredNetwork(
        gpu,
        weights,
        hashing,
        *buffers,
        image,
        width,
        height,
        activations=activations,
        variant=Variant(12, direct=direct),
    )
    keep(network)
    with gpu.commands() as commands:
        commands.clear(image)
        hashing.record(commands)
        commands.barrier()
        network.record(commands)
        commands.barrier()
    keep(commands)
    gpu.submit(commands)
    drawn = image.read()
    np.testing.assert_array_equal(drawn[..., 3], wanted[..., 3])
    error = np.abs(drawn - wanted)
    if activations == "float" or len(layers) == 2:
        size = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
        np.testing.assert_array_less(error / size, 1e-5)
    else:  # halves lose up to 2^-10 of every activation (drivers may round towards zero): much where they cancel
        assert np.sqrt((error**2).mean()) < 2**-10 * np.sqrt((wanted**2).mean())
        assert error.max() < 2**-6 * wanted.max()
