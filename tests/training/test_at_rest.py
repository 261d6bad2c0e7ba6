"""The picture at rest: scored against the truth, whatever the noise, on frames that are made again."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from app.errors import InputError
from app.training.at_rest import AtRest, RestFrame, judge_at_rest
from app.training.dataset import Dataset
from app.training.evaluate import evaluate
from app.training.figures import figures
from app.training.frames import digest_of, has_map, maps_of
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
        assert frame.pixels > 100 and 0.0 < frame.psnr_doubt < 1.0
        assert 0.9 < frame.ssim < 1.0 == frame.ssim_of_noise
    for frame in judge(data, 1.0, 0.0, monkeypatch):
        assert frame.psnr > 70.0 and frame.ssim > 0.9999


def test_noise_is_taken_away(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clean, noisy = (judge(data, DARK, noise, monkeypatch) for noise in (0.0, 1.0))
    for one, other in zip(clean, noisy, strict=True):
        assert other.psnr_doubt > one.psnr_doubt
        assert one.psnr == pytest.approx(other.psnr, abs=4.0 * other.psnr_doubt)
        assert other.ssim_of_noise < 1.0
    again = judge(data, DARK, 1.0, monkeypatch)
    assert [frame.psnr for frame in again] == [frame.psnr for frame in noisy]


def test_other_people_are_refused(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list(data.frames.values())[:1]
    monkeypatch.setattr(SpherePeople, "description", {"spheres": (0.1, 0.2)})
    with pytest.raises(InputError, match="does not show people as this version makes them"):
        judge_at_rest(weight_set(1.0), data, SphereSource(people=SpherePeople()), frames)
    fixed = make(tmp_path / "fixed", noise=0.0, frames=1)
    with pytest.raises(InputError, match="does not show people"):
        judge_at_rest(weight_set(1.0), fixed, SphereSource(), list(fixed.frames.values()))


def test_the_jitter_covers_the_pixel(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[tuple[float, float]] = []
    render = SphereSource.render

    def watched(self: SphereSource, *positional: object, **options: object) -> object:
        places.append(options["jitter"])  # type: ignore[arg-type]
        return render(self, *positional, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(SphereSource, "render", watched)
    source = SphereSource(0.0, people=SpherePeople())
    judge_at_rest(weight_set(1.0), data, source, list(data.frames.values())[:1], size=(48, 48), places=4, samples=2)
    cells = np.floor((np.array(places) + 0.5) * 4).astype(int)
    assert places[::2] == places[1::2]  # both samples at the same place
    assert sorted(map(tuple, cells[::2])) == [(x, y) for x in range(4) for y in range(4)]
    with pytest.raises(ValueError, match="two samples"):
        judge_at_rest(weight_set(1.0), data, source, list(data.frames.values())[:1], samples=1)


def test_it_says_how_finely_light_was_gathered(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    source, frames = SphereSource(0.0, people=SpherePeople()), list(data.frames.values())[:1]
    assert judge_at_rest(weight_set(1.0), data, source, frames, size=(48, 48), places=1).light_texels is None
    described = source.description
    monkeypatch.setattr(SphereSource, "description", {**described, "cache_size": 512})
    assert judge_at_rest(weight_set(1.0), data, source, frames, size=(48, 48), places=1).light_texels == 512


def test_the_worst_frame_at_rest_is_named(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, frames = weight_set(DARK), [data.frames[index] for index in sorted(data.frames)[:3]]
    rest = AtRest(
        (512, 512),
        64,
        256,
        [
            RestFrame(info, 1000, psnr, 0.1, ssim, 0.99, None, None)
            for info, psnr, ssim in zip(frames, (31.0, 25.0, 34.0), (0.9, 0.8, 0.7), strict=True)
        ],
    )
    monkeypatch.setattr("app.training.figures.HAS_FLIP", False)
    every = figures(weights, data, evaluate(weights, data), rest=rest)
    assert "is not installed" in every["not_measured"]["FLIP"]
    found = every["at_rest"]
    assert (found["psnr_mean"], found["psnr_worst"], found["psnr_worst_frame"]) == (30.0, 25.0, frames[1].index)
    assert (found["samples"], found["light_texels"]) == (64, 256)
    assert found["ssim_mean"] == pytest.approx(0.8) and found["ssim_of_noise"] == 0.99 and found["flip_mean"] is None


def test_frames_whose_map_is_not_at_hand_are_told(data: Dataset, tmp_path: Path) -> None:
    """So that they are not chosen: a map of the user's may be anywhere."""
    (tmp_path / "sky.exr").write_bytes(b"sky")
    scene = {**data.spec.scene, "environments": {"sky.exr": digest_of(tmp_path / "sky.exr")}}
    spec = msgspec.structs.replace(data.spec, scene=scene)
    lit = msgspec.structs.replace(data.frames[0], environment={"kind": "file", "name": "sky.exr"})
    assert has_map(lit, maps_of(spec, [tmp_path / "sky.exr"])) and not has_map(lit, maps_of(spec, []))
    assert has_map(msgspec.structs.replace(lit, environment=None), [])
    (tmp_path / "sky.exr").write_bytes(b"another sky")
    assert not has_map(lit, maps_of(spec, [tmp_path / "sky.exr"]))
