"""Tone map, PSNR and exposure against values worked out by hand."""

import math

import numpy as np
import pytest

from app.arrays import F32
from app.network.schema import CHANNELS, channels
from app.scene.tonemap import pbr_neutral, srgb_encode, tonemap
from app.training.metrics import (
    CLEAN_NOISE,
    KEY_LUMINANCE,
    FrameErrors,
    Pooled,
    TruthError,
    around,
    auto_exposure,
    mean_and_standard_error,
    noise_error,
    plain_shading,
    psnr,
    squared_error,
    truth_error,
)


def test_tone_map_leaves_base_colours_and_tames_highlights() -> None:
    # Specification: below the shoulder a colour only loses the 4 % of Fresnel reflection.
    np.testing.assert_allclose(pbr_neutral(np.array([0.5, 0.3, 0.2])), [0.46, 0.26, 0.16])
    # Toe: x - (x - 6.25 x^2) = 6.25 x^2.
    np.testing.assert_allclose(pbr_neutral(np.array([0.04, 0.04, 0.04])), 6.25 * 0.04**2)
    # Shoulder, grey: peak p = x - 0.04 becomes 1 - 0.24^2 / (p + 0.24 - 0.76).
    np.testing.assert_allclose(pbr_neutral(np.full(3, 2.0)), 1 - 0.24**2 / (1.96 - 0.52))
    bright = pbr_neutral(np.array([1e4, 10.0, 0.0]))
    assert bright[0] > 0.999 and bright[1] > 0.9  # a huge highlight turns white
    values = pbr_neutral(np.linspace(0, 20, 5001)[:, None] * np.array([1.0, 0.6, 0.4]))
    assert (np.diff(values.max(-1)) >= 0).all() and values.max() <= 1 and values.min() >= 0
    np.testing.assert_array_equal(pbr_neutral(np.array([-1.0, -2.0, 0.0])), 0)


def test_tone_map_has_no_step_where_its_pieces_meet() -> None:
    for x in (0.08, 0.8):
        low, high = pbr_neutral(np.array([[x - 1e-7] * 3, [x + 1e-7] * 3]))
        np.testing.assert_allclose(low, high, atol=1e-6)


def test_srgb_curve_and_exposure() -> None:
    np.testing.assert_allclose(srgb_encode(np.array([0.0, 0.001, 0.0031308, 0.214041, 1.0, 2.0])),
                               [0.0, 0.01292, 0.04045, 0.5, 1.0, 1.0], atol=1e-5)  # fmt: skip
    radiance = np.array([[0.1, 0.2, 0.3]], np.float32)
    np.testing.assert_allclose(tonemap(radiance, 1.0), tonemap(2 * radiance), rtol=1e-6)
    assert tonemap(radiance, 1.0).dtype == np.float32
    per_pixel = tonemap(np.repeat(radiance, 2, 0), np.array([[0.0], [1.0]], np.float32))
    np.testing.assert_allclose(per_pixel[1], tonemap(radiance, 1.0)[0])


def test_noise_however_skewed_adds_nothing_to_products_of_errors() -> None:
    """Channels share their noise, and one sample in a thousand holds most of it."""
    rng = np.random.default_rng(0)
    truth = rng.uniform((0.2, 0.12, 0.08), (0.5, 0.3, 0.2), (40_000, 3)).astype(np.float32)
    picture = (truth * rng.choice([0.85, 1.15], (40_000, 1))).astype(np.float32)
    rare = np.where(rng.random((4, 40_000, 1)) < 1e-3, 30.0, 0.0)
    noise = 0.47 * rng.gamma(1.0, 1.0, (4, 40_000, 3)) + 0.5 * rng.gamma(1.0, 1.0, (4, 40_000, 1)) + rare
    targets = (truth * noise).astype(np.float32)
    found = truth_error(picture, targets, 0.5)
    wanted = squared_error(picture, truth, 0.5).mean(axis=-1)
    doubt = found.std() / 200.0
    assert wanted.mean() > 8.0 * doubt and abs(found.mean() - wanted.mean()) < 3.0 * doubt
    exact = truth_error(picture, np.stack([truth] * 2), 0.5)
    assert exact.mean() == pytest.approx(wanted.mean(), rel=0.05) and np.corrcoef(exact, wanted)[0, 1] > 0.9
    assert squared_error(picture, targets.mean(axis=0), 0.5).mean() > 5.0 * wanted.mean()


def test_psnr_by_frame() -> None:
    assert psnr(0.01) == pytest.approx(20.0)
    assert psnr(0.0) == 99.0
    errors = FrameErrors()
    first, second = np.full((4, 3), 0.01, np.float32), np.full((2, 3), 0.001, np.float32)
    errors.add({"a": first}, np.full(4, 7))
    errors.add({"a": np.concatenate([second, first])}, np.array([8, 8, 7, 7, 7, 7]))
    assert errors.frames("a") == pytest.approx({7: 20.0, 8: 30.0})
    score = errors.score("a")
    assert score is not None
    assert (score.mean, score.worst, score.worst_frame, score.frames) == pytest.approx((25.0, 20.0, 7, 2))
    assert str(score) == "25.00 dB, worst 20.00 dB (frame 7; 2 judged)"
    assert errors.score("b") is None


def test_frames_of_a_person_count_once() -> None:
    """The standard error is what the mean scatters by when other people are drawn; frames tell little more."""
    rng = np.random.default_rng(0)
    people = np.arange(12).repeat(8)
    found = [
        mean_and_standard_error(30.0 + 3.0 * rng.normal(size=12)[people] + rng.normal(size=96), people)
        for _ in range(2000)
    ]
    means, standard_errors = np.array(found).T
    assert np.sqrt(np.square(standard_errors).mean()) == pytest.approx(means.std(), rel=0.05)
    values, alone = rng.normal(size=(5, 4)), np.arange(5)
    by_person = mean_and_standard_error(values.mean(axis=1), alone)
    assert mean_and_standard_error(values.ravel(), alone.repeat(4)) == pytest.approx(by_person)
    assert by_person[1] == pytest.approx(values.mean(axis=1).std(ddof=1) / math.sqrt(5))
    assert math.isnan(mean_and_standard_error(values.ravel(), np.full(20, 7))[1])  # nobody else to ask
    assert np.isnan(mean_and_standard_error(values[:0, 0], alone[:0])).all()


def test_what_is_around_a_pixel() -> None:
    rng = np.random.default_rng(0)
    values, known = rng.random((2, 256, 3), np.float32), rng.random((2, 256)) < 0.4
    known[1] = False
    known[1, 17] = True
    found = around(values, known, 3, 1)
    y, x = np.divmod(np.arange(256), 16)
    for pixel in (0, 15, 100, 255):
        distance = np.maximum(np.abs(x - x[pixel]), np.abs(y - y[pixel]))
        chosen = known[0] & (distance > 1) & (distance <= 3)
        np.testing.assert_allclose(found[0, pixel], values[0, chosen].mean(axis=0), rtol=1e-5)
    assert np.isinf(found[1, [0, 17, 200]]).all()  # next to it, itself, and far away
    np.testing.assert_allclose(found[1, 19], values[1, 17], rtol=1e-6)


def test_noise_error_predicts_what_noise_costs() -> None:
    rng = np.random.default_rng(0)
    truth = np.full((200_000, 3), [0.3, 0.2, 0.15], np.float32)
    deviation = np.float32(0.01)
    target = (truth + rng.normal(0, deviation, truth.shape)).astype(np.float32)
    measured = squared_error(truth, target, 0.5).mean()
    expected = noise_error(target, np.full_like(target, deviation**2), 0.5).mean()
    assert expected == pytest.approx(measured, rel=0.05)


def test_plain_shading_and_its_exposure() -> None:
    features = np.zeros((10, CHANNELS), np.float32)
    features[:, channels("diffuse")] = 0.5
    features[:, channels("specular")] = 0.1
    shaded = plain_shading(features, np.full(10, 2.0, np.float32))
    np.testing.assert_allclose(shaded, 1.2, rtol=1e-6)
    assert auto_exposure(shaded) == pytest.approx(math.log2(KEY_LUMINANCE / 1.2), abs=1e-5)
    assert auto_exposure(shaded, irradiance=2.0) == auto_exposure(shaded)
    dark = auto_exposure(1e-4 * shaded, irradiance=2.0)  # all lights are behind the head
    assert dark == pytest.approx(auto_exposure(np.full((1, 3), 0.1 * 0.05 * 2.0, np.float32)), abs=1e-5)
    assert auto_exposure(shaded[:0]) == 0.0 == auto_exposure(0 * shaded)


def test_errors_of_all_pixels_together_and_how_far_they_can_be_trusted() -> None:
    errors, pooled = np.random.default_rng(0).normal(1e-3, 5e-3, 400).astype(np.float32), Pooled()
    assert np.isnan([pooled.db, *pooled.range]).all()
    for some in (errors[:100], np.append(errors[100:], np.float32(np.nan))):
        pooled.add(some)
    mean, standard_error = errors.mean(dtype=np.float64), errors.std(dtype=np.float64) / 20.0
    assert pooled.db == pytest.approx(psnr(mean), abs=1e-4)
    ends = psnr(mean + 2.0 * standard_error), psnr(mean - 2.0 * standard_error)
    assert pooled.range == pytest.approx(ends, abs=1e-4)


def skin(*tones: float) -> F32:
    """One tile of one colour."""
    return np.broadcast_to(np.array(tones, np.float32), (1, 256, 3)).copy()


def test_places_are_judged_while_noise_deviates_by_less_than_half_the_display() -> None:
    truth, everywhere, exposure = skin(0.5, 0.3, 0.2), np.ones((1, 256), bool), np.zeros(1, np.float32)
    luck = np.random.default_rng(0).normal(0.0, 1e-3, (200_000, 3)).astype(np.float32)
    shown = tonemap(truth[0, 0] + luck).std(axis=0).max() / 1e-3  # of noise whose deviation is 1
    for share, judged in ((0.97, True), (1.03, False)):
        variance = np.full_like(truth, np.square(share * CLEAN_NOISE / shown))
        found = TruthError(truth, truth, variance, everywhere, exposure)
        assert found.judged.all() == judged == found.judged.any()
    variance = np.zeros_like(truth)
    variance[0, 100, 1] = np.inf  # nothing is known of this one, and all of those around it
    found = TruthError(truth, truth, variance, everywhere, exposure)
    assert np.flatnonzero(~found.judged).tolist() == [100] == np.flatnonzero(np.isnan(found(truth))).tolist()


def test_pixels_with_a_neighbour_above_or_below_alone_are_judged_alike() -> None:
    """Of dark skin what channels have in common counts: the toe takes the lowest one from all."""
    truth, exposure = skin(0.15, 0.09, 0.05), np.zeros(1, np.float32)
    picture, columns = truth * np.float32(0.9), (np.arange(256) % 2 == 0)[None]
    whole, striped = (
        TruthError(picture, truth, np.zeros_like(truth), face, exposure)(picture)
        for face in (np.ones_like(columns), columns)
    )
    np.testing.assert_allclose(striped[columns], whole[columns], rtol=1e-5)
    expected = np.square(tonemap(picture) - tonemap(truth)).mean()
    np.testing.assert_allclose(whole, expected, rtol=0.25)
