"""What features are worth where that is known: skin that is made of some of them and of nothing else."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app import main as command_line
from app.errors import BungyoError
from app.network.layers import OUTPUTS
from app.network.schema import CHANNELS, channels
from app.training.ablation import (
    BLURRED,
    FACE,
    FLOOR,
    LIGHT_CACHE,
    MUCH,
    Options,
    Scores,
    Variant,
    _light_comes_through,
    compare,
    inputs,
    variants,
)
from app.training.ablation_page import PLACES, Costs, _choice, limit, verdict
from app.training.dataset import Dataset
from app.training.frames import Plan
from app.training.generate import Here, generate
from app.training.pixels import Pixels
from tests.training import judged_sphere
from tests.training.sphere_source import SpherePeople, SphereSource

PASSES = {name: {"median": 3.0, "min": 2.0, "max": 4.0} for name in ("light cache", "gbuffer", "triangles")}


@contextmanager
def silent(_: int, __: str) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@pytest.fixture(scope="module")
def sphere(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Sixteen small frames, of a training and a validation block; the truth is the wide light and half the gloss."""
    return judged_sphere.make(tmp_path_factory.mktemp("sphere") / "data", noise=0.5, spp=8, frames=16, held_out=False)


def scores_of(errors: np.ndarray, person: list[int]) -> Scores:
    compared = (Variant("all"), Variant("uv", ("uv",)))
    return Scores(compared, errors, np.full(errors.shape[-1], 100.0), np.array(person))


def test_variants_drop_every_feature() -> None:
    first, *others = variants()
    assert first.dropped == () and {"uv", "specular", "transmission"} <= {one.name for one in others}
    assert sum(len(one.dropped) == 1 for one in others) == 13 and others[-1].dropped == LIGHT_CACHE


def test_a_dropped_feature_leaves_no_trace() -> None:
    """Pixels that differ in a dropped feature alone, and so in the renderer's unit of light, look the same."""
    features = torch.rand(50, CHANNELS, generator=torch.Generator().manual_seed(1))
    brighter, wide = features.clone(), channels("diffuse_wide")
    brighter[:, wide] *= 7.0
    other_scale = 3.0
    for name in ("diffuse", "diffuse_narrow", "diffuse_wide", "specular", "light_direction", "transmission"):
        brighter[:, channels(name)] /= other_scale
    without, whole = (Variant("x", ("diffuse_wide", "uv")),), (Variant("all"),)
    scale = torch.full((50, 1), 0.4)
    first, second = (inputs([f], s, without) for f, s in ((features, scale), (brighter, other_scale * scale)))
    for one, same in zip(first, second, strict=True):
        torch.testing.assert_close(one, same)
    assert not first[0][..., wide].any() and not first[0][..., channels("uv")].any()
    seen, unit = inputs([features], scale, whole)
    for name in ("diffuse", "light_direction"):
        torch.testing.assert_close((seen * unit)[0, :, channels(name)], features[:, channels(name)] * scale)
    torch.testing.assert_close(seen[0, :, channels("albedo")], features[:, channels("albedo")])
    assert float(inputs([0 * features], scale, whole)[1].min()) == pytest.approx(FLOOR)


def test_where_light_comes_through_is_by_its_share_of_what_falls_on_the_place() -> None:
    features = np.zeros((4, CHANNELS), np.float32)
    features[:, channels("diffuse_wide")] = np.array([1.0, 1.0, 0.1, 0.0])[:, None]
    features[:, channels("transmission")] = np.array([1.1 * MUCH, 0.9 * MUCH, 0.11 * MUCH, 0.0])[:, None]
    assert _light_comes_through(features).tolist() == [True, False, True, False]


def test_what_the_skin_is_made_of_is_missed_most(sphere: Dataset) -> None:
    names = ("diffuse_wide", "specular", "thickness")
    compared = [Variant("all"), *(Variant(name, (name,)) for name in names), Variant("blurred", BLURRED)]
    steps: list[int] = []

    @contextmanager
    def stage(_: int, what: str) -> Iterator[Callable[[int], None]]:
        yield steps.append if what.startswith("steps") else lambda done: None

    options = Options((CHANNELS, 8, OUTPUTS), steps=300, batch=256, rate=2e-2, threads=1)
    found = compare([sphere], compared, options, stage)
    assert max(steps) == 300
    scores = found[FACE]
    assert scores.errors.shape == (2, 5, 8) and set(scores.person) == {0} and scores.pixels.min() > 0.0
    assert scores.db[0] > 28.0
    loss = dict(zip([one.name for one in compared], scores.lost.mean(axis=0), strict=True))
    assert loss["all"] == 0.0
    assert abs(loss["thickness"]) < 1.0  # it is 0 everywhere
    assert min(loss["blurred"], loss["specular"]) > 5.0
    # The narrow light is the mean of the others here, so what is dropped alone has a stand-in.
    assert loss["diffuse_wide"] < 0.5 * loss["blurred"]
    assert set(found) == {FACE}  # nothing is thin here


def test_equal_features_lose_nothing(sphere: Dataset) -> None:
    """A second source with the same features is trained on the same pixels under the same lights."""
    compared = [Variant("all"), Variant("same", source=1), Variant("same", source=0)]
    options = Options((CHANNELS, 4, OUTPUTS), steps=20, batch=256, seeds=1, threads=1)
    scores = compare([sphere, Dataset(sphere.path)], compared, options, silent)[FACE]
    np.testing.assert_allclose(scores.lost, 0.0, atol=1e-3)
    assert np.isnan(scores.between_seeds)


def test_heads_are_mirrored_where_there_are_many(
    sphere: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `bungyo train` does it: one fixed face is to be known by heart."""
    generate(Here(SphereSource(people=SpherePeople())), tmp_path / "people", Plan(16, 1, (64, 64), 1.0), 16)
    mirrored = []

    def see(sources: Sequence[Pixels], *_: object) -> None:
        mirrored.append(sources[0].twofold)
        raise BungyoError("Seen enough.")

    monkeypatch.setattr("app.training.ablation.train_together", see)
    for data in (sphere, Dataset(tmp_path / "people")):
        with pytest.raises(BungyoError, match="Seen enough"):
            compare([data], variants(), Options(seeds=1), silent)
    assert mirrored == [False, True]


def test_doubt_is_what_other_frames_would_say() -> None:
    """Over many sets of frames the true loss lies within the doubt about 95 times of 100."""
    hits = []
    for seed in range(200):
        luck = np.random.default_rng(seed).normal(1.0, 0.4, (1, 2, 40))
        scores = scores_of(luck * np.array([1.0, 2.0])[None, :, None], list(range(40)))
        hits.append(abs(scores.lost[0, 1] - 10.0 * np.log10(2.0)) < 2.0 * scores.standard_error()[1])
        assert scores.standard_error(by_person=True)[1] == pytest.approx(scores.standard_error()[1])
    assert 0.88 < np.mean(hits) < 0.995


def test_one_frame_with_all_of_the_error_makes_no_nonsense() -> None:
    """Noise is taken out of errors, so what is left without that frame may be below zero."""
    errors = np.random.default_rng(4).normal(0.0, 0.01, (1, 2, 40))
    errors[0, :, 7] += 1.0, 1.5
    error = scores_of(errors, list(range(40))).standard_error()[1]
    assert 0.1 < 2.0 * error < 2.0


def test_people_may_doubt_more_than_frames() -> None:
    """Frames of a person that err alike are one observation."""
    luck = np.random.default_rng(3).normal(1.0, 0.3, (1, 2, 10)).repeat(8, axis=2)
    scores = scores_of(luck, [frame // 8 for frame in range(80)])
    assert scores.standard_error(by_person=True)[1] > 2.0 * scores.standard_error()[1]
    assert limit(scores)[1] == 2.0 * scores.standard_error(by_person=True)[1]
    assert np.isnan(scores_of(luck, [0] * 80).standard_error(by_person=True)).all()


def test_the_better_blur_is_chosen() -> None:
    errors = np.ones((2, 3, 30))
    for off, choice in ((1.5, "UV space it is**: 1.76 dB closer"), (1.0, "UV space it is**: a difference of +0.00 dB")):
        errors[:, 1] = off
        assert choice in _choice(Scores(PLACES, errors, np.ones(30), np.arange(30)))
    errors[:, 1] = 0.5
    assert "The screen wins" in _choice(Scores(PLACES, errors, np.ones(30), np.arange(30)))


def test_verdict_trusts_no_chance() -> None:
    steady = np.ones((2, 2, 30))
    steady[:, 1] = 2.0
    assert "- **Worse without** (dB lost): uv (+3.01)" in verdict(scores_of(steady, list(range(30))))
    assert "- **Better without" in verdict(scores_of(steady[:, ::-1], list(range(30))))
    steady[1, 1] = 0.6  # the seeds do not agree
    assert "- **No difference" in verdict(scores_of(steady, list(range(30))))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.commands.ablation._costs", lambda _: Costs("A made-up GPU", PASSES))


def test_the_command_writes_the_page(
    sphere: Dataset,
    tmp_path: Path,
    no_gpu: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("app.training.avatars.Avatars", SpherePeople)
    screen = tmp_path / "screen"
    generate(Here(SphereSource(people=SpherePeople())), screen, Plan(4, 1, (64, 64), 1.0), 16)
    out = tmp_path / "pages" / "worth.md"
    out.parent.mkdir()
    arguments = ["ablation", "--data", str(sphere.path), "--screen", str(screen), "--out", str(out)]
    assert command_line.main([*arguments, "--steps", "3", "--seeds", "1"]) == 0
    assert "wrote" in capsys.readouterr().out
    text = out.read_text()
    for variant in variants()[1:]:
        assert f"| `{variant.name}` |" in text or f"| {variant.name} |" in text
    assert "| `thickness` | " in text and "| light cache | 3 |" in text and "| G-buffer, shadows" in text
    assert "bungyo ablation --data out/data --screen out/screen --steps 3 --seeds 1 --out docs/worth.md" in text
    assert "--frames 16 --spp 8 --seed 3 --size 96x96 --tiles 1 --mesh FILE" in text
    assert "8 frames of 1 block of the one face that training did not see" in text.replace("\n  ", " ")
    assert "blocks of frames of one fixed face: 1 to learn from" in text.replace("\n", " ") and "mirrored" not in text
    assert "A made-up GPU, by the device" in text and "Not measured" not in text
    assert "| on the screen | " in text and "68 a pixel, every frame" in text
    assert str(tmp_path) not in text and "nan" not in text and max(map(len, text.splitlines())) < 200
    picture = np.asarray(Image.open(out.parent / "images" / "worth.png"))
    assert "(images/worth.png)" in text and picture.std() > 10.0
    assert sorted(file.name for file in out.parent.iterdir()) == ["images", "worth.md"]


def test_bad_input_is_one_sentence(
    sphere: Dataset, tmp_path: Path, no_gpu: None, capsys: pytest.CaptureFixture[str]
) -> None:
    few = judged_sphere.make(tmp_path / "few", noise=0.5, spp=1, frames=2, held_out=False)
    judging = judged_sphere.make(tmp_path / "judging", noise=0.5, spp=1, frames=2)
    data, page = str(sphere.path), str(tmp_path / "page.md")
    for arguments, complaint in (
        (["--data", data, "--out", str(tmp_path / "page.txt")], "must end in .md"),
        (["--data", data, "--out", str(tmp_path / "none" / "page.md")], "the folder does not exist"),
        (["--data", str(tmp_path / "none"), "--out", page], "There is no data set"),
        (["--data", str(few.path), "--out", page], "has no validation pixels"),
        (["--data", str(judging.path), "--out", page], "has no training pixels"),
        (["--data", data, "--screen", data, "--out", page], "has no complete frames of random people"),
        (["--data", data, "--steps", "0", "--out", page], "0 is not in the range"),
    ):
        assert command_line.main(["ablation", *arguments]) == 2
        error = capsys.readouterr().err
        assert complaint in error and "Traceback" not in error
    assert not (tmp_path / "page.md").exists()
