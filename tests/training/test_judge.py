"""The judge sees through noise, however skewed, and cannot be swayed by single pixels."""

import numpy as np
import torch

from app.network.layers import MIXED, parameter_count
from app.network.schema import channels
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.training.judge import Judge, judge_networks
from app.training.loss import display_slope
from app.training.pixels import Pixels

COUNT = 40_000
TRUTH = 0.3


def noisy_pixels(count: int = COUNT, deviation: float = 0.2) -> Pixels:
    """Grey pixels of TRUTH under unit light, gamma noise, four people, one hash."""
    shape = (TRUTH / deviation) ** 2
    luck = np.random.default_rng(0).gamma(shape, TRUTH / shape, (count, 3)).astype(np.float32)
    features = np.zeros((count, 32), np.float16)
    features[:, channels(MIXED[0])] = 1.0  # so that the first three outputs are the picture
    arrays = (
        features,
        np.ones(count, np.float32),
        luck,
        np.full((count, 3), deviation**2, np.float16),
        np.full((count, 3), deviation**2, np.float16),
        np.arange(count, dtype=np.int32),
        np.arange(count, dtype=np.int32) % 4,
    )
    return Pixels.of(arrays, {0x0101: (0, count)}, 1.0, {})


def plain(features: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return TRUTH * scale.expand(*scale.shape[:-1], 3)


def pictures(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None].expand(-1, COUNT, 3)


def test_the_error_against_the_truth_is_found_below_the_noise() -> None:
    rows = torch.arange(COUNT).expand(3, -1)
    judge = Judge(noisy_pixels(), rows, plain)
    weight = float(display_slope(torch.full((3,), TRUTH))[0]) ** 2
    drawn = pictures(TRUTH, TRUTH * 0.9, TRUTH * 1.1)
    wanted = weight * np.array([0.0, 0.03**2, 0.03**2])
    np.testing.assert_allclose(judge.clean(drawn), wanted, atol=0.02 * weight * 0.2**2)
    np.testing.assert_allclose(judge.noisy(drawn) - judge.clean(drawn), weight * 0.2**2, rtol=1e-3)
    sums, pixels = judge.by_person(drawn, 4)
    assert torch.equal(pixels, torch.full((3, 4), COUNT / 4, dtype=torch.float64))
    np.testing.assert_allclose(sums.sum(1) / pixels.sum(1), judge.clean(drawn), rtol=1e-3, atol=1e-7)


def test_pictures_are_told_apart_where_noise_hides_both() -> None:
    """A recorded variance that is too large makes both errors negative: the better picture is still the better one."""
    pixels = noisy_pixels()
    pixels.variance.mul_(1.2)
    judge = Judge(pixels, torch.arange(COUNT)[None], plain)
    near, far = pictures(1.02 * TRUTH), pictures(0.95 * TRUTH)
    assert float(judge.clean(near)[0]) < 0.0 and float(judge.clean(far)[0]) < 0.0
    assert judge.nearer(near, far) and not judge.nearer(far, near) and not judge.nearer(near, near)


def test_no_two_pictures_are_each_nearer_than_the_other() -> None:
    """Each is right where the other is too dark, and dark errors weigh more."""
    judge = Judge(noisy_pixels(deviation=0.01), torch.arange(COUNT)[None], plain)
    left = (torch.arange(COUNT) < COUNT // 2)[None, :, None].expand(-1, -1, 3)
    one, other = (torch.where(bright, TRUTH, 0.5 * TRUTH) for bright in (left, ~left))
    assert not (judge.nearer(one, other) and judge.nearer(other, one))


def test_light_below_black_is_black() -> None:
    judge = Judge(noisy_pixels(), torch.arange(COUNT)[None], plain)
    black, below = judge.evidence(pictures(TRUTH), pictures(0.0), 4), judge.evidence(pictures(TRUTH), pictures(-1.0), 4)
    assert all(torch.equal(one, other) for one, other in zip(black, below, strict=True))
    assert torch.equal(judge.clean(pictures(-1.0)), judge.clean(pictures(0.0)))


def test_the_evidence_is_the_way_to_the_truth() -> None:
    """A picture that went twice as far as the truth should have gone half the way, everybody says."""
    rows = torch.arange(COUNT).expand(2, -1)
    start, end = pictures(0.2, 0.2), pictures(0.2 + 2.0 * (TRUTH - 0.2), 0.25)
    toward, length = Judge(noisy_pixels(), rows, plain).evidence(start, end, 4)
    np.testing.assert_allclose(toward / length, np.array([[0.5], [2.0]]).repeat(4, 1), rtol=0.1)


def test_padding_and_pixels_that_know_nothing_do_not_count() -> None:
    pixels = noisy_pixels()
    pixels.target[::2], pixels.variance[::2] = 1e6, torch.inf
    present = torch.ones(1, COUNT, dtype=torch.bool)
    present[:, COUNT // 2 :] = False
    judge = Judge(pixels, torch.arange(COUNT)[None], plain, present)
    assert judge.count.tolist() == [COUNT // 4]
    assert abs(float(judge.clean(pictures(TRUTH))[0])) < 2e-3


def test_whether_a_pixel_judges_does_not_depend_on_its_own_noise() -> None:
    """Bright ones have recorded more noise: without them the truth would seem darker. A noisy place is left out."""
    pixels = noisy_pixels()
    pixels.variance[pixels.target.amax(dim=1) > TRUTH] = 100.0
    judge = Judge(pixels, torch.arange(COUNT)[None], plain)
    assert judge.count.tolist() == [COUNT]
    toward, length = judge.evidence(pictures(TRUTH), pictures(TRUTH + 0.01), 4)
    assert abs(float(toward.sum() / length.sum())) < 0.2  # of 1%; else it would say to go back by several times that
    pixels.around[::2] = 100.0
    assert Judge(pixels, torch.arange(COUNT)[None], plain).count.tolist() == [COUNT // 2]
    pixels.around[1 : COUNT // 2 : 2, 2] = 100.0  # in one colour
    assert Judge(pixels, torch.arange(COUNT)[None], plain).count.tolist() == [COUNT // 4]


def test_sets_of_networks_are_judged_person_by_person() -> None:
    """A few pixels of a hash stand for all of them, and an expert is judged only where it draws."""
    layers = (32, 15)
    slots = np.zeros((2, parameter_count(layers)), np.float32)
    slots[:, -15:-12] = np.array([[0.8 * TRUTH], [TRUTH]])  # nothing but biases
    table = np.zeros(HASHES, np.uint32)
    table[0x0101] = 1
    weights, pixels = WeightSet(layers, slots, table), noisy_pixels(deviation=0.05)
    found = judge_networks(weights, pixels, weights, most=COUNT // 4)
    np.testing.assert_allclose(found.pixels, COUNT / 4, rtol=0.05)
    assert found.pixels.sum() == COUNT
    assert found.db("experts") > found.db("generalist") + 15.0
    unknown = judge_networks(WeightSet(layers, slots, np.zeros(HASHES, np.uint32)), pixels, weights, most=1000)
    assert unknown.db("experts") == unknown.db("generalist")
    np.testing.assert_allclose(unknown.db("generalist"), found.db("generalist"), atol=0.2)  # weighed alike
