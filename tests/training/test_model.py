"""The torch networks: export, independence of a group's experts, and a loss that noise cannot bias."""

import numpy as np
import pytest
import torch

from app.errors import InputError
from app.network.schema import channels, to_half
from app.network.tile_hash import HASHES
from app.network.twin import forward
from app.network.weights import WeightSet
from app.scene.tonemap import pbr_neutral, srgb_encode, tonemap
from app.training.loss import HALF_NOISE, HUBER_LIMIT, LEAST_HIGHLIGHT, display_slope, quietness, weighted_error
from app.training.model import Experts, Generalist, Scales, started


def some_features(count: int, seed: int = 0) -> torch.Tensor:
    values = np.random.default_rng(seed).normal(0.4, 0.5, (count, 32))
    return torch.from_numpy(to_half(values).astype(np.float32))


def some_generalist(layers: tuple[int, ...] = (32, 32, 32, 15), seed: int = 0) -> Generalist:
    torch.manual_seed(seed)
    scales = Scales.measure(some_features(500, 7) * 3)
    return Generalist(layers, scales)


@pytest.mark.parametrize("layers", [(32, 32, 32, 15), (32, 16, 15), (32, 15), (32, 48, 24, 8, 15)])
def test_export_equals_torch(layers: tuple[int, ...]) -> None:
    net = some_generalist(layers)
    experts = Experts(net, 3)
    with torch.no_grad():
        for tensor in experts.tensors:
            tensor += 0.05 * torch.randn_like(tensor)
    table = np.zeros(HASHES, np.uint32)
    table[[0x0101, 0x0202, 0x0303]] = 1, 2, 3
    slots = np.concatenate([net.export()[None], experts.export()])
    weights = WeightSet(layers=layers, slots=slots, table=table)
    features, scale = some_features(400), torch.rand(400, 1) * 5
    with torch.no_grad():
        wanted = [net(features) * scale, *(experts(features.expand(3, -1, -1)) * scale)]
    for tile_hash, want in zip((0, 0x0101, 0x0202, 0x0303), wanted, strict=True):
        got = forward(weights, features.numpy(), scale[:, 0].numpy(), tile_hash)
        np.testing.assert_allclose(got, want.clamp_min(0).numpy(), atol=1e-4, rtol=1e-4)


def test_ignored_features_change_nothing() -> None:
    torch.manual_seed(0)
    net = Generalist((32, 16, 12, 15), Scales.measure(some_features(500, 7), ("uv", "roughness")))
    features, others = some_features(200), some_features(200)
    for name in ("uv", "roughness"):
        others[:, channels(name)] = some_features(200, 1)[:, channels(name)]
    with torch.no_grad():
        torch.testing.assert_close(net(others), net(features), rtol=0.0, atol=0.0)
        others[:, channels("thickness")] += 1.0
        assert (net(others) - net(features)).abs().max() > 1e-3
    weights = WeightSet((32, 16, 12, 15), net.export()[None], np.zeros(HASHES, np.uint32))
    first, _ = weights.matrices(0)[0]
    assert not first[:, channels("uv")].any() and not first[:, channels("roughness")].any() and first.any()
    with torch.no_grad():
        want = net(features).clamp_min(0.0)
    np.testing.assert_allclose(forward(weights, features.numpy(), np.ones(200), 0), want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers", [(32, 16, 12, 15), (32, 20, 12, 15), (32, 64, 64, 15)])
@pytest.mark.parametrize("ignored", [(), ("uv",)])
def test_a_network_starts_as_another_and_its_new_units_learn(layers: tuple[int, ...], ignored: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    before = Generalist((32, 16, 12, 15), Scales.measure(some_features(500, 7), ignored))
    weights = WeightSet(before.widths, before.export()[None], np.zeros(HASHES, np.uint32))
    features = some_features(300)
    net = started(layers, Scales.measure(some_features(500, 8) * 2.0 + 1.0, ignored), weights)
    assert net.widths == layers
    with torch.no_grad():
        torch.testing.assert_close(net(features), before(features), atol=1e-4, rtol=1e-4)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    old = net.parameters_list()[-2].detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        net(features).square().mean().backward()
        optimizer.step()
    learnt = (net.parameters_list()[-2] != old).any(dim=0)  # what the last layer makes of every unit
    assert learnt.float().mean() > 0.9  # by chance some never fire


def test_a_start_that_does_not_fit() -> None:
    weights = WeightSet.untrained((32, 16, 12, 15))
    for layers in ((32, 16, 8, 15), (32, 64, 15), (32, 16, 12, 12, 15)):
        with pytest.raises(InputError, match="15 have no room for one of 32-16-12-15 to start from"):
            started(layers, Scales.measure(some_features(500, 7)), weights)


def test_units_that_never_fire_are_left_out() -> None:
    net, features = some_generalist((32, 16, 12, 15)), some_features(3000)
    batches = [features[:1000], features[1000:]]
    with torch.no_grad():
        for layer in net.linear[:-1]:
            layer.bias[:] = 2.0
        net.linear[0].bias[[3, 9]] = -1e3
        net.linear[1].bias[5] = -1e3
        lean = net.without_idle(batches)
        assert lean.widths == (32, 14, 11, 15) and net.widths == (32, 16, 12, 15)
        assert [tuple(layer.weight.shape) for layer in lean.linear] == [(14, 32), (11, 14), (15, 11)]
        torch.testing.assert_close(lean(features), net(features))
        # What fires but once stays.
        first = torch.relu(net.linear[0]((features - net.scales.mean) / net.scales.deviation))
        net.linear[1].bias[5] -= net.linear[1](first)[:, 5].topk(2).values.mean()
        assert net.without_idle(batches).widths == (32, 14, 12, 15)


def test_a_layer_of_idle_units_keeps_one() -> None:
    net, features = some_generalist((32, 8, 15)), some_features(100)
    with torch.no_grad():
        net.linear[0].bias[:] = -1e3
        lean = net.without_idle([features])
        assert lean.widths == (32, 1, 15)
        torch.testing.assert_close(lean(features), net(features))


def test_channels_that_never_change_are_harmless() -> None:
    """Nor those that change by rounding only, once they do change."""
    features = some_features(200)
    features[:, 3] = 0.25
    features[:, 4] = 0.25 + 1e-6 * torch.randn(200, generator=torch.Generator().manual_seed(0))
    assert 0.0 < features[:, 4].std() < 1e-5
    scales = Scales.measure(features)
    assert scales.deviation[3:5].tolist() == [1.0, 1.0]
    net, others = Generalist((32, 8, 15), scales), features.clone()
    others[:, 3:5] += 0.5
    with torch.no_grad():
        assert (net(others) - net(features)).abs().max() < 2.0 and np.isfinite(net.export()).all()


def test_a_few_huge_values_do_not_squeeze_all_others_together() -> None:
    features = torch.randn(10_000, 32, generator=torch.Generator().manual_seed(0))
    features[:5, 7] = 1e4
    scales = Scales.measure(features)
    torch.testing.assert_close(scales.deviation, torch.ones(32), rtol=0.05, atol=0.0)
    torch.testing.assert_close(scales.mean, torch.zeros(32), rtol=0.0, atol=0.05)


def test_experts_of_a_group_train_as_if_alone() -> None:
    net = some_generalist()
    features, target = some_features(3 * 64, 1).reshape(3, 64, 32), torch.rand(3, 64, 3)

    def trained(rows: list[int]) -> list[torch.Tensor]:
        experts = Experts(net, len(rows))
        optimizer = torch.optim.Adam(experts.parameters(), lr=1e-3)
        for _ in range(5):
            loss = weighted_error(experts(features[rows]), target[rows]).mean(dim=(1, 2)).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return experts.snapshot()

    together, alone = trained([0, 1, 2]), trained([1])
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a[1], b[0], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("hidden", [True, False])
def test_what_an_expert_may_change(hidden: bool) -> None:
    experts = Experts(some_generalist(), 2, hidden)
    before = experts.snapshot()
    optimizer = torch.optim.Adam([t for t in experts.parameters() if t.requires_grad], lr=1e-2)
    weighted_error(experts(some_features(40).expand(2, -1, -1)), torch.rand(2, 40, 3)).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    changed = [not torch.equal(a, b) for a, b in zip(before, experts.snapshot(), strict=True)]
    assert changed == [hidden, True, hidden, True, True, True]  # weights and biases of two hidden layers and the last


def gradient(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    (result,) = torch.autograd.grad(weighted_error(prediction, target).sum(), prediction)
    return result


def test_the_gradient_is_linear_in_the_noisy_target() -> None:
    """The mean gradient over noisy targets is the gradient for their mean: noise averages out, whatever its shape."""
    prediction = (0.2 + 0.3 * torch.rand(50, 3, dtype=torch.float64)).requires_grad_()
    room = HUBER_LIMIT / display_slope(prediction.detach()).max()  # for how far off a target may be
    rng = np.random.default_rng(0)
    skewed = rng.gamma(0.1, 3.0, (200, 50, 3)).clip(0.0, 4.0)  # most are near 0, a few are large
    targets = prediction.detach() + room * (torch.from_numpy(skewed) / 2.0 - 1.0)
    mean = torch.stack([gradient(prediction, target) for target in targets]).mean(0)
    torch.testing.assert_close(mean, gradient(prediction, targets.mean(0)))


def test_no_error_pulls_harder_than_the_limit() -> None:
    prediction = torch.full((1, 3), 0.1, requires_grad=True)
    farthest = prediction.detach() + HUBER_LIMIT / display_slope(prediction.detach())
    limit = gradient(prediction, farthest)
    torch.testing.assert_close(gradient(prediction, 1e4 * farthest), limit)
    assert (gradient(prediction, 0.9 * farthest).abs() < limit.abs()).all()


def test_light_that_comes_as_rare_bright_samples_is_not_lost() -> None:
    """One sample in 50 carries all light, as where it comes through an ear: the optimum is still the mean."""
    prediction = torch.full((50, 3), 0.05, dtype=torch.float64, requires_grad=True)
    target = torch.zeros(50, 3, dtype=torch.float64)
    target[0] = 50 * 0.05
    torch.testing.assert_close(gradient(prediction, target).sum(0), torch.zeros(3, dtype=torch.float64))


def test_noisy_places_count_less_whatever_a_pixel_s_own_noise() -> None:
    drawn, noise = torch.full((3, 3), 0.3), torch.tensor([0.0, 1e-3, torch.inf])[:, None].expand(3, 3)
    slope = float(display_slope(drawn)[0, 0])
    assert quietness(drawn, noise)[:, 0].tolist() == pytest.approx(
        [1.0, HALF_NOISE / (HALF_NOISE + slope**2 * 1e-3), 1.0]
    )
    assert quietness(drawn, noise, slope**2 * 1e-3)[1, 0] == pytest.approx(0.5)


def test_slope_follows_the_display() -> None:
    """Against the true tone map's slope along grey and skin tones, from the shadows' end to the highlights."""
    for tone in (np.ones(3), np.array([1.0, 0.7, 0.55])):
        radiance = np.linspace(0.16, 1.0, 40)[:, None] * tone
        step = 1e-5
        true = (tonemap(radiance + step * tone) - tonemap(radiance - step * tone)) / (2 * step * tone)
        got = display_slope(torch.from_numpy(radiance)).numpy()
        np.testing.assert_allclose(got, true, rtol=0.45)
    # A prediction that is far too bright must find its way back: of the slope of the sRGB curve a share stays.
    steepness = 1.055 / 2.4 * 99.96 ** (1.0 / 2.4 - 1.0)
    np.testing.assert_allclose(display_slope(torch.full((1, 3), 100.0)), LEAST_HIGHLIGHT * steepness, rtol=1e-5)
    extremes = torch.tensor([[0.0, 0.0, 0.0], [-5.0, 0.1, 1.0], [1e6, 1e6, 1e6]])
    assert torch.isfinite(display_slope(extremes)).all() and (display_slope(extremes) > 0).all()


def test_slope_is_that_of_the_srgb_curve_where_the_toe_has_darkened() -> None:
    """Below the highlights, each channel by itself, from deep shadows on."""
    radiance = np.linspace(0.09, 0.78, 60)[:, None] * np.array([1.0, 0.7, 0.55])
    shown, step = pbr_neutral(radiance), 1e-6
    steepness = (srgb_encode(shown + step) - srgb_encode(shown - step)) / (2.0 * step)
    np.testing.assert_allclose(display_slope(torch.from_numpy(radiance)), steepness, rtol=1e-3)
