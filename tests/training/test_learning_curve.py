"""The learning curve: what the last doubling of the people brought, how sure that is, and how it is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.training.judge import Judgement
from app.training.learning_curve import MODELS, Gain, Point, last_gain, outlook, sizes, write_learning_curve

PIXELS = 1000.0


def point(people: int, db: float, judges: int = 30, scatter: float = 0.0) -> Point:
    """Networks of `db` dB; the people who judge scatter around it by a share of their error."""
    luck = 1.0 + scatter * np.random.default_rng(people).normal(size=judges)
    errors = 10.0 ** (-db / 10.0) * PIXELS * luck
    return Point(people, Judgement({"generalist": 2.0 * errors, "experts": errors}, np.full(judges, PIXELS)))


def test_sizes_are_halvings() -> None:
    assert sizes(100) == [12, 25, 50, 100]
    assert sizes(3) == [1, 3] and sizes(1) == [1]


def test_the_gain_of_the_last_doubling() -> None:
    found = last_gain([point(25, 20.0), point(50, 30.0), point(100, 31.0)], "experts")
    assert (
        found.people == (50, 100)
        and found.db == pytest.approx(1.0)
        and found.standard_error == pytest.approx(0.0, abs=1e-9)
    )


def test_the_doubt_is_what_other_judges_would_say() -> None:
    """Over many sets of judges the true gain lies within two standard errors about 95 times of 100."""
    hits = []
    for seed in range(200):
        gain = last_gain([point(50 + 1000 * seed, 30.0, 40, 0.5), point(100 + 1000 * seed, 31.0, 40, 0.5)], "experts")
        hits.append(abs(gain.db - 1.0) < 2.0 * gain.standard_error)
    assert 0.88 < np.mean(hits) < 0.995
    assert np.isnan(last_gain([point(1, 20.0, 1), point(2, 21.0, 1)], "experts").standard_error)


def test_what_is_told_is_two_standard_errors(tmp_path: Path) -> None:
    assert str(Gain((50, 100), 1.0, 0.1)) == "+1.00 dB (give or take 0.20)"
    assert str(Gain((50, 100), -0.5, float("nan"))) == "-0.50 dB"
    points = [point(50, 30.0, scatter=0.1), point(100, 31.0, scatter=0.1)]
    write_learning_curve(tmp_path, points)
    found = json.loads((tmp_path / "learning_curve.json").read_text())
    assert found["doubt_db"]["experts"] == round(2.0 * last_gain(points, "experts").standard_error, 3) > 0.01


def test_it_is_written_and_said(tmp_path: Path) -> None:
    points = [point(25, 30.0), point(50, 31.0), point(100, 31.5)]
    write_learning_curve(tmp_path, [Point.parse(one.plain()) for one in points])
    found = json.loads((tmp_path / "learning_curve.json").read_text())
    assert found["people"] == [25, 50, 100] and found["db"]["experts"] == [30.0, 31.0, 31.5]
    assert found["last_gain_db"]["experts"] == pytest.approx(0.5)
    assert "+0.25 to +0.50 dB" in found["outlook"] and "From 50 to 100 people" in found["outlook"]
    assert (tmp_path / "learning_curve.png").read_bytes()[1:4] == b"PNG"
    assert "too few people" in outlook(points[:1])


def test_what_is_counted_is_named_and_an_unknown_doubt_is_left_out() -> None:
    """Of one face blocks of frames are counted; a single judge tells nothing of what others would say."""
    told = outlook([point(2, 20.0, 1), point(4, 21.0, 1)], "blocks of frames")
    assert told.startswith("From 2 to 4 blocks of frames the experts gained +1.00 dB, the generalist +1.00 dB; twice")
    assert "people" not in told and "people" not in outlook([], "blocks of frames")


def test_of_experts_that_there_are_none_of_nothing_is_said() -> None:
    """As where networks are for any UVs, or no hash has enough data for one."""
    alone = [
        replace(one, judged=replace(one.judged, errors=dict.fromkeys(MODELS, one.judged.errors["experts"])))
        for one in (point(50, 30.0, 1), point(100, 31.0, 1))
    ]
    assert outlook(alone) == (
        "From 50 to 100 people the generalist gained +1.00 dB; twice the people would bring the generalist about +0.50 "
        "to +1.00 dB more."
    )
