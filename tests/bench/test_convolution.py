"""The networks of 3x3 convolutions draw what numpy draws."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.arrays import F32
from app.bench import convolution, opponents
from app.bench.convolution import (
    SHAPES,
    ConvolutionNetwork,
    Kernel,
    Shape,
    arrange,
    flops,
    planes,
    random_kernels,
    shapes,
    widths,
)
from app.bench.opponents import Convolutions, quickest
from app.gpu import Device
from app.passes.tile_radiance import TileRadiance
from app.scene_options import SceneOptions

SHAPE = Shape(4, 2, paced=False)


def twin(kernels: Sequence[Kernel], picture: F32) -> F32:
    """(H, W, 3) of a picture (H, W, 32), zeros around it; activations are rounded to halves between the layers."""
    values = picture
    for index, kernel in enumerate(kernels):
        padded = np.pad(values.astype(np.float16).astype(np.float64), ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        sums = np.einsum("hwiyx,oiyx->hwo", windows, kernel.weight) + kernel.bias
        values = (np.maximum(sums, 0) if index < len(kernels) - 1 else sums).astype(np.float32)
    return values


def draw(gpu: Device, keep: Callable[[Any], Any], kernels: Sequence[Kernel], picture: F32, **how: Any) -> F32:
    height, width = picture.shape[:2]
    radiance = keep(TileRadiance(gpu, width, height, "float"))
    network = keep(ConvolutionNetwork(gpu, kernels, picture, radiance, **{"shape": SHAPE, **how}))
    with gpu.commands() as commands:
        network.clear(commands)
        commands.barrier()
        network.record(commands)
        commands.barrier()
    keep(commands)
    for _ in range(2):  # the second time nothing of the first may be left over
        gpu.submit(commands)
    drawn: F32 = radiance.read().astype(np.float32)
    assert (drawn[..., 3] == 1).all()
    return drawn[..., :3]


# Staged texts compile long on a CPU driver, which has no use for them: the short one tells as much.
@pytest.mark.parametrize("how", [{"staged": False}, {"staged": False, "chunk": 8}, {"staged": True, "chunk": 4}])
@pytest.mark.parametrize(
    ("network", "size"), [((32, 3), (16, 16)), ((32, 32, 32, 3), (48, 32)), ((32, 64, 64, 3), (32, 32))]
)
def test_draws_what_numpy_draws(
    gpu: Device, keep: Callable[[Any], Any], network: tuple[int, ...], size: tuple[int, int], how: dict[str, Any]
) -> None:
    picture = np.random.default_rng(3).normal(0, 1, (size[1], size[0], 32)).astype(np.float32)
    kernels = random_kernels(network, seed=len(network))
    wanted = twin(kernels, picture)
    error = np.abs(draw(gpu, keep, kernels, picture, **how) - wanted)
    # Activations that a driver rounds to the other half are off by up to 2^-10; without such there are only sums.
    tolerance = 1e-5 if len(network) == 2 else 2**-9
    assert error.max() < tolerance * np.abs(wanted).max()


@pytest.mark.parametrize("shape", [*SHAPES, replace(SHAPE, wide=True)], ids=str)
def test_draws_the_same_in_every_shape(gpu: Device, keep: Callable[[Any], Any], shape: Shape) -> None:
    """Sums are added up in the same order whatever a thread keeps of them."""
    if shape not in shapes(gpu.info):
        pytest.skip("the device has no wide vectors besides its usual ones")
    picture = np.random.default_rng(5).normal(0, 1, (32, 16, 32)).astype(np.float32)
    kernels = random_kernels((32, 16, 3))
    how: dict[str, Any] = {"staged": False, "chunk": 8}
    wanted = draw(gpu, keep, kernels, picture, shape=SHAPE, **how)
    np.testing.assert_array_equal(draw(gpu, keep, kernels, picture, shape=shape, **how), wanted)


def test_every_weight_is_where_it_belongs(gpu: Device, keep: Callable[[Any], Any]) -> None:
    """A single weight of one moves a channel by one pixel, exactly; the border shifts in zeros."""
    picture = np.random.default_rng(4).integers(-50, 50, (16, 32, 32)).astype(np.float32)
    for color, (channel, row, column) in enumerate([(0, 0, 0), (17, 2, 1), (31, 1, 2)]):
        weight = np.zeros((3, 32, 3, 3), np.float32)
        weight[color, channel, row, column] = 1
        drawn = draw(gpu, keep, [Kernel(weight, np.zeros(3, np.float32))], picture, staged=False)
        wanted = np.pad(picture[..., channel], 1)[row : row + 16, column : column + 32]
        np.testing.assert_array_equal(drawn[..., color], wanted)
        assert not np.delete(drawn, color, axis=-1).any()


def test_shapes_that_the_driver_refuses_are_left_out(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    if shapes(gpu.info) == SHAPES:
        pytest.skip("the device has no wide vectors besides its usual ones")
    monkeypatch.setattr("app.gpu.vector_width._VARIABLE", "BUNGYO_NO_DRIVER_READS_THIS")
    before = gpu.live_objects
    assert quickest(gpu) in SHAPES
    assert gpu.live_objects == before


def test_the_least_time_picks_the_shape_and_becomes_ns_a_pixel(gpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a network takes 65.536 ms a channel, which is 1000 ns for each of 256x256 pixels."""

    class Timed(SimpleNamespace):
        """A network and its commands; in the quickest shape it is disturbed, all but once."""

        def __init__(self, _device: Device, kernels: Sequence[Kernel], *_: Any, shape: Shape) -> None:
            super().__init__(channels=len(kernels[0].bias), factors=[1.0])
            if shape == SHAPES[2]:
                self.factors = [9.0, 9.0, 0.9, 9.0]

        def timings(self) -> dict[str, float]:
            factor = self.factors.pop(0) if len(self.factors) > 1 else self.factors[0]
            return {convolution.TIMER: 65.536 * self.channels * factor}

        def close(self) -> None:
            pass

    monkeypatch.setattr(opponents, "ConvolutionNetwork", Timed)
    monkeypatch.setattr(opponents, "_recorded", lambda _, network: network)
    monkeypatch.setattr(Device, "submit", lambda *_: None)
    assert quickest(gpu) == SHAPES[2]
    submitted: list[Timed] = []
    monkeypatch.setattr(Device, "submit", lambda _, commands: submitted.append(commands))
    monkeypatch.setattr(opponents, "quickest", lambda _: SHAPES[1])
    with Convolutions(SceneOptions(device=str(gpu.info.index)), 4, 32, 64) as measured:
        assert measured.shape() == str(SHAPES[1])
        for channels in (32, 64):
            assert measured.nanoseconds(channels) == pytest.approx(1000 * channels)
            assert [commands.channels for commands in submitted[-2:]] == [channels] * 2  # once uncounted
        assert len(submitted) == 4


def test_layouts() -> None:
    image = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    packed = planes(image)
    assert packed.shape == (2, 4, 5) and not packed[:, 0].any() and not packed[:, :, -1].any()
    np.testing.assert_array_equal(packed[1, 1:3, 1:4].view(np.float16).reshape(2, 3, 2), image[..., 2:])
    records = arrange(random_kernels((64, 20))[0], 2)
    assert records.shape == (3, 2, 2 * (1 + 9 * 32), 4)
    assert records[2, :, 2:].any() and not records[2].reshape(2, -1, 8)[..., 4:].any()
    assert records[:, 0, :2].any() and not records[:, 1, :2].any()


def test_sizes_that_do_not_fit(gpu: Device, keep: Callable[[Any], Any]) -> None:
    image = keep(TileRadiance(gpu, 16, 16))
    with pytest.raises(ValueError, match="24 x 16 pixels"):
        ConvolutionNetwork(gpu, random_kernels((32, 3)), np.zeros((16, 24, 32), np.float32), image, shape=SHAPE)
    with pytest.raises(ValueError, match=r"\[32, 24\] inputs"):
        ConvolutionNetwork(gpu, random_kernels((32, 24, 3)), np.zeros((16, 16, 32), np.float32), image, shape=SHAPE)


def test_work() -> None:
    assert widths(64, 4) == (32, 64, 64, 64, 3)
    assert flops((32, 64, 3)) == 2 * 9 * (32 * 64 + 64 * 3)
