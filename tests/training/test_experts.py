"""Experts: which pixels they learn from, how far they go, and that noise does not decide it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.network.schema import channels
from app.training.experts import (
    EVERYTHING,
    LAST_LAYER,
    Course,
    ExpertOptions,
    GroupResult,
    Here,
    Job,
    Jury,
    Sampler,
    blended,
    finish,
    neighbors,
    train_group,
)
from app.training.model import Experts, Generalist, Scales, Teacher
from app.training.pixels import Pixels
from app.training.reach import choose_reaches, surely_too_far

PEOPLE = 12


def test_sampler_draws_own_and_neighbouring_pixels() -> None:
    runs = {0x0101: (0, 100), 0x0103: (100, 150), 0x8080: (150, 400), 0x0301: (400, 400), 0x0202: (400, 1000)}
    rows, black = torch.arange(1000), torch.zeros(1000, 3)
    pixels = Pixels(torch.zeros(1000, 32), torch.zeros(1000), black, black, black, rows, torch.zeros(1000), runs, 1.0)
    options = ExpertOptions(batch=400, neighbor_share=0.25, neighbors=1)
    generator = torch.Generator().manual_seed(0)
    drawn = Sampler(pixels, [0x0101, 0x0103], options, generator).draw()
    assert drawn.shape == (2, 400)
    for row, (own, near) in enumerate([(0x0101, 0x0103), (0x0103, 0x0101)]):
        for tile_hash, count in ((own, 300), (near, 100)):
            start, stop = runs[tile_hash]
            part = drawn[row][(drawn[row] >= start) & (drawn[row] < stop)]
            assert len(part) == count and int(part.min()) < start + 5 and int(part.max()) >= stop - 5
            # Pixels that mix many lights (the first ones) are of both kinds.
            first = drawn[row, :60]
            assert 0 < int(((first >= start) & (first < stop)).sum()) < 60
    assert neighbors(0x0101, list(runs), 2) == [0x0103, 0x0301]
    alone = Sampler(pixels, [0x0202], ExpertOptions(batch=8, neighbors=0), generator).draw()
    assert alone.shape == (1, 8) and int(alone.min()) >= 400


def evidence(slopes: list[float], people: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What judges would say of experts whose true slopes these are, if a person's slope deviates by `noise`."""
    rng = np.random.default_rng(seed)
    length = rng.uniform(0.5, 1.5, (len(slopes), people))
    return length * (np.array(slopes)[:, None] + rng.normal(0.0, noise, length.shape)), length


def test_reaches_follow_many_witnesses() -> None:
    slopes = np.random.default_rng(1).uniform(0.1, 0.9, 40)
    found = choose_reaches(*evidence(list(slopes), 400, 0.3))
    np.testing.assert_allclose(found, slopes, atol=0.08)
    beyond = choose_reaches(*evidence([-0.5, 1.7, 0.5], 4000, 0.1))
    assert beyond[0] == 0.0 and beyond[1] == 1.0


def test_where_witnesses_are_few_nobody_goes_far() -> None:
    """All experts should go half of the way; slopes of two people scatter by 1, and nobody can tell which is right."""
    toward, length = evidence([0.5] * 60, 2, 1.4)
    alone = toward.sum(1) / length.sum(1)
    found = choose_reaches(toward, length)
    assert alone.std() > 0.8 and found.max() < 0.5


def test_a_single_witness_is_not_certain() -> None:
    toward, length = evidence([0.3, 0.7] * 20, 100, 0.5)
    toward[0], length[0] = 0.0, 0.0
    toward[0, 0], length[0, 0] = 1.2, 1.0  # one person alone, who says 1.2
    one, several = choose_reaches(toward, length)[[0, 1]]
    assert 0.3 < one < 0.6 and abs(several - 0.7) < 0.2  # it is drawn to the others' 0.5, less the doubt
    assert 0.0 <= choose_reaches(toward[:1], length[:1])[0] <= 1.0  # no other expert to learn from


@pytest.mark.parametrize(("experts", "people"), [(1, 10), (2, 10), (16, 10), (150, 10), (4, 3), (16, 1), (150, 1)])
def test_few_useless_experts_are_kept(experts: int, people: int) -> None:
    """Whose way leads nowhere is kept when chance exceeds one standard error: a sixth of the time, at few people more.

    That holds for a lone expert, too, and where nothing but the common mean is left of them.
    """
    rng, kept = np.random.default_rng(0), []
    for _ in range(1200 // min(experts, 12)):
        length = rng.gamma(1.0, 1.0, (experts, people))
        kept.append((choose_reaches(2.0 * np.sqrt(length) * rng.normal(size=length.shape), length) > 0.0).mean())
    assert 0.05 < np.mean(kept) < 0.24


def test_a_single_person_lets_experts_go_together_or_not_at_all() -> None:
    length = np.random.default_rng(0).gamma(1.0, 1.0, (40, 1))
    noise = 0.3 * np.sqrt(length) * np.random.default_rng(1).normal(size=length.shape)
    useful = choose_reaches(0.5 * length + noise, length)
    assert useful.min() > 0.3 and useful.max() - useful.min() < 1e-6 and useful.max() < 0.5
    assert choose_reaches(0.5 * length[:1], length[:1])[0] == 0.0  # nobody to be compared with


def test_broken_and_unseen_experts_stay_at_home() -> None:
    toward, length = evidence([0.5, 0.5, 0.5], 50, 0.1)
    toward[0, 3], length[1] = np.nan, 0.0
    assert choose_reaches(toward, length)[:2].tolist() == [0.0, 0.0]


def test_whoever_surely_does_more_harm_than_good_goes_too_far() -> None:
    """Up to twice the best way is better than none of it."""
    toward, length = evidence([0.3, 0.7, 0.9, 0.3], 400, 0.3)
    toward[3, 0] = np.nan
    assert surely_too_far(toward, length).tolist() == [True, False, False, False]
    assert not surely_too_far(*evidence([0.3], 4, 2.0)).any()  # these few may be wrong


def world(pixels_a_hash: int, noise: float) -> tuple[Generalist, Pixels, Pixels]:
    """Four hashes whose light is reflected by 0.5, 1.0, 1.5 and 2.0, and a generalist that believes in 1 everywhere."""
    count = 4 * pixels_a_hash
    found = []
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        features = rng.uniform(0.1, 0.4, (count, 32)).astype(np.float16)
        light = features[:, channels("diffuse")].astype(np.float32)
        truth = light * np.repeat([0.5, 1.0, 1.5, 2.0], pixels_a_hash)[:, None]
        target = truth * (rng.gamma(1.0 / noise**2, noise**2, truth.shape) if noise else 1.0)
        arrays = (
            features,
            np.ones(count, np.float32),
            target.astype(np.float32),
            *(np.square(truth * noise).astype(np.float16),) * 2,  # of the pixels and around them
            np.arange(count, dtype=np.int32),
            rng.integers(0, PEOPLE, count).astype(np.int32),
        )
        runs = {0x0101 << i: (i * pixels_a_hash, (i + 1) * pixels_a_hash) for i in range(4)}
        found.append(Pixels.of(arrays, runs, 1.0, {}))
    torch.manual_seed(0)
    net = Generalist((32, 8, 15), Scales(torch.zeros(32), torch.ones(32)))
    with torch.no_grad():
        net.linear[1].weight.zero_()
        net.linear[1].bias.copy_(torch.tensor([1.0] * 3 + [0.0] * 12))  # of the light, "diffuse" is reflected
    return net, found[0], found[1]


def options(trains: str = LAST_LAYER, steps: int = 150) -> ExpertOptions:
    return ExpertOptions(trains, steps, 128, 5e-3, 4, 0.0, min_pixels=1, judge_pixels=4000, checks=3)


def trained(net: Generalist, train: Pixels, validation: Pixels, given: ExpertOptions) -> list[GroupResult]:
    jobs = [Job(0, sorted(train.runs), 0)]
    return [result for _, result in Here().train(Course(net, train, validation, given), jobs)]


@pytest.mark.parametrize("trains", [LAST_LAYER, EVERYTHING])
def test_experts_learn_what_their_hash_has_of_its_own(trains: str) -> None:
    given = options(trains)
    net, train, validation = world(4000, 0.5)
    groups = trained(net, train, validation, given)
    found = finish(net, groups, given)
    gains = [found.gains.get(tile_hash, 0.0) for tile_hash in sorted(train.runs)]
    assert gains[0] > 1.0 and gains[1] < 0.2 and gains[2] > 0.3 and gains[3] > 1.0
    assert min(found.reaches.values()) > 0.0 and max(found.reaches.values()) <= 1.0
    near = finish(net, groups, ExpertOptions(trains, reach=1e-6))  # hardly leaves the generalist
    for row in near.rows.values():
        np.testing.assert_allclose(row, net.export(), atol=1e-4)
    curve = groups[0].curve
    assert len(curve) == 4 and curve[-1][1] > curve[0][1] + 3.0


@pytest.mark.parametrize("best", [0, 2], ids=["the first", "the last"])
def test_what_is_kept_is_the_most_promising_state_and_judged_as_such(
    best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    promises, states = iter([0.1 + (check == best) for check in range(3)]), []

    def promise(self: Jury, experts: Experts) -> float:
        states.append(experts.snapshot())
        return next(promises)

    monkeypatch.setattr(Jury, "promise", promise)
    given = options(steps=30)
    net, train, validation = world(200, 0.5)
    (group,) = trained(net, train, validation, given)
    for kept, state, other in zip(group.tensors[-2:], states[best][-2:], states[2 - best][-2:], strict=True):
        assert torch.equal(kept, state) and not torch.equal(kept, other)
    jury = Jury(Experts(net, 4), validation, group.hashes, given.judge_pixels, torch.Generator())
    experts = Experts(net, 4)
    experts.restore(group.tensors)
    for told, found in zip((group.toward, group.length), jury.evidence(experts), strict=True):
        torch.testing.assert_close(told, found, rtol=1e-3, atol=1e-4)


def test_a_varied_course_asks_the_teacher_about_other_inputs() -> None:
    (net, train, validation), other = world(200, 0.5), world(1, 0.0)[0]
    with torch.no_grad():
        other.linear[1].bias.mul_(3.0)
    job, given, teacher = Job(0, [0x0404], 0), options(steps=3), Teacher([other])
    plain, again, varied = (
        train_group(Course(net, train, validation, given, teacher, vary), job).tensors[-1]
        for vary in (False, False, True)
    )
    assert torch.equal(plain, again) and not torch.equal(plain, varied)


def test_a_teacher_is_followed_whatever_the_targets() -> None:
    """It reflects twice the light: right for one hash, and too far by as much for another."""
    net, train, _ = world(200, 1.5)
    validation, second = world(2000, 0.5)[2], world(1, 0.0)[0]
    with torch.no_grad():
        second.linear[1].bias.mul_(3.0)
    given = options(EVERYTHING, 400)
    job = Job(0, [0x0404, 0x0808], 0)
    teacher = Teacher([net, second])  # the mean of 1 and 3
    group = train_group(Course(net, train, validation, given, teacher), job)
    train.target.zero_()
    again = train_group(Course(net, train, validation, given, teacher), job)
    assert all(torch.equal(one, other) for one, other in zip(group.tensors, again.tensors, strict=True))
    experts = Experts(net, 2)
    experts.restore(group.tensors)
    features = train.features.float()[None].expand(2, -1, -1)
    with torch.no_grad():
        np.testing.assert_allclose(experts(features), teacher(features), rtol=0.15)
    found = finish(net, [group], given)
    assert 0.1 < found.reaches[0x0404] < 0.7 < found.reaches[0x0808] <= 1.0


def test_networks_of_hashes_that_are_alike_are_averaged() -> None:
    rows = {
        h: np.full(3, value, np.float32) for h, value in {0x0101: 1.0, 0x0103: 2.0, 0x0303: 6.0, 0x8080: 9.0}.items()
    }
    found = {h: row.tolist() for h, row in blended(rows, ExpertOptions(neighbors=8)).items()}
    assert found == {0x0101: [3.0] * 3, 0x0103: [3.0] * 3, 0x0303: [3.0] * 3, 0x8080: [9.0] * 3}
    nearest = blended(rows, ExpertOptions(neighbors=1))
    assert [nearest[h][0] for h in sorted(rows)] == [1.5, 4.0, 4.0, 9.0]
    alone = blended(rows, ExpertOptions(neighbors=0))
    assert all(np.array_equal(alone[h], rows[h]) for h in rows)


def test_noise_that_differs_from_place_to_place_darkens_nothing() -> None:
    """Where half the pixels are far noisier, the other half teaches, and skewed noise leaves no bias."""
    given = replace(options(), steps=400)
    net, train, validation = world(4000, 0.0)
    rng = np.random.default_rng(5)
    loud = torch.from_numpy(rng.random(len(train)) < 0.5)
    variance = torch.where(loud, 4.0, 0.01)[:, None] * train.target.square()
    shape = train.target.square() / variance
    train.target.copy_(torch.from_numpy(rng.gamma(shape.numpy())) / shape * train.target)
    train.variance.copy_(variance)
    train.around.copy_(variance)
    found = finish(net, trained(net, train, validation, given), given)
    assert found.gains[0x0101] > 5.0 and found.gains[0x0808] > 5.0


def test_experts_of_noise_alone_do_no_harm() -> None:
    """Twenty pixels of heavy noise: going all the way would cost a lot, and the validation people say so."""
    given = options(EVERYTHING, 300)
    net, train, _ = world(20, 1.5)
    _, _, clean = world(2000, 0.0)
    groups = trained(net, train, clean, given)
    for group in groups:
        whole = (group.length - 2.0 * group.toward).sum(1)  # change of the summed squared error at a = 1
        reach = torch.from_numpy(choose_reaches(group.toward.numpy(), group.length.numpy()))
        chosen = (reach[:, None] ** 2 * group.length - 2.0 * reach[:, None] * group.toward).sum(1)
        assert (chosen <= torch.minimum(whole, torch.zeros(())) + 0.02 * group.error * group.pixels + 1e-3).all()
