"""The picture at rest: scored against the truth, whatever the noise, on frames that are made again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import InputError
from app.training.at_rest import RestFrame, judge_at_rest
from app.training.dataset import Dataset
from app.training.evaluate import evaluate
from app.training.manifest import TileBatch
from tests.training import sphere_source
from tests.training.judged_sphere import linear_skin, make, weight_set
from tests.training.sphere_source import SpherePeople, SphereSource

DARK = 0.9  # what the networks draw, of the truth


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("data") / "set", noise=0.0, frames=6, people=SpherePeople())


def judge(data: Dataset, factor: float, noise: float, monkeypatch: pytest.MonkeyPatch) -> list[RestFrame]:
    monkeypatch.setattr(sphere_source, "skin", linear_skin)
    frames = list(data.frames.values())[::2]
    source = SphereSource(noise, people=SpherePeople())
    return judge_at_rest(weight_set(factor), data, source, frames, size=(80, 72), places=3, samples=8).frames


def test_the_mean_of_many_places_is_judged(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judge(data, DARK, 0.0, monkeypatch)
    assert [frame.info.index for frame in found] == list(data.frames)[::2]
    # Spheres shade so evenly that single points are as far off.
    points = {frame.info.index: frame.truth["experts"] for frame in evaluate(weight_set(DARK), data).frames}
    for frame in found:
        assert frame.psnr == pytest.approx(points[frame.info.index], abs=0.5)
        assert frame.judged_share > 0.95 and frame.pixels > 100
        assert 0.9 < frame.ssim < 1.0 == frame.ssim_of_noise
    for frame in judge(data, 1.0, 0.0, monkeypatch):
        assert frame.psnr > 70.0 and frame.ssim > 0.9999


def test_noise_is_taken_away(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, noisy = (judge(data, DARK, noise, monkeypatch) for noise in (0.0, 0.3))
    for one, other in zip(clean, noisy, strict=True):
        assert one.psnr == pytest.approx(other.psnr, abs=0.5)
        assert 0.0 < other.psnr_noise < 0.5 and other.ssim_of_noise < 1.0
    again = judge(data, DARK, 0.3, monkeypatch)
    assert [frame.psnr for frame in again] == [frame.psnr for frame in noisy]


def test_other_people_are_refused(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list(data.frames.values())[:1]
    monkeypatch.setattr(SpherePeople, "description", {"spheres": (0.1, 0.2)})
    with pytest.raises(InputError, match="does not show people as this version makes them"):
        judge_at_rest(weight_set(1.0), data, SphereSource(people=SpherePeople()), frames)
    fixed = make(tmp_path / "fixed", noise=0.0, frames=1)
    with pytest.raises(InputError, match="does not show people"):
        judge_at_rest(weight_set(1.0), fixed, SphereSource(), list(fixed.frames.values()))


def watch(data: Dataset, noise: float, samples: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is asked of the source, in 16 places of each pixel of a frame."""
    asked: list[dict[str, Any]] = []
    render = SphereSource.render

    def watched(self: SphereSource, *positional: Any, **options: Any) -> TileBatch:
        asked.append(options)
        return render(self, *positional, **options)

    monkeypatch.setattr(SphereSource, "render", watched)
    source, frames = SphereSource(noise, people=SpherePeople()), list(data.frames.values())[:1]
    judge_at_rest(weight_set(1.0), data, source, frames, size=(96, 96), places=4, samples=samples)
    return asked


def test_the_jitter_covers_the_pixel(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = watch(data, 0.0, 1, monkeypatch)
    cells = np.floor((np.array([options["jitter"] for options in asked]) + 0.5) * 4).astype(int)
    pilot, judged = cells[:8], cells[8:]  # every second place, then all of them
    assert sorted(map(tuple, judged)) == [(x, y) for x in range(4) for y in range(4)]
    assert {*map(tuple, pilot)} < {*map(tuple, judged)} and len({*map(tuple, pilot)}) == 8


def test_noisy_tiles_get_more_samples(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = watch(data, 1.0, 8, monkeypatch)
    assert len({options["seed"] for options in asked}) == len(asked)  # the pilot's samples are not used again
    tiles: dict[int, frozenset[int]] = {}
    for options in asked[8:]:
        assert tiles.setdefault(options["spp"], options["selection"].indices) == options["selection"].indices
    assert len(tiles) > 1 and len(asked) == 8 + 16 * len(tiles)
    assert sorted(index for indices in tiles.values() for index in indices) == list(range(36))
    assert max(tiles) >= 8 > min(tiles)
