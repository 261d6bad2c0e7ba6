"""People drawn by a seed: the same again, plausible, various."""

import numpy as np
import pytest

from app.arrays import F64
from app.errors import InputError
from app.scene.avatar.parameters.shape import DIALS
from app.scene.avatar.person import Person
from app.scene.avatar.sample import AGE_PULLS, CAUSES, FARTHEST, SPREAD, sample

COUNT = 600
OPPOSED = (
    ("mouthSmile", "mouthFrown"),
    ("eyeWide", "eyeBlink"),
    ("eyeWide", "eyeSquint"),
    ("mouthPucker", "mouthStretch"),
    ("eyeLookUp", "eyeLookDown"),
)


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [sample(seed, expression=True) for seed in range(COUNT)]


def column(people: list[Person], name: str) -> F64:
    return np.array([person[name] for person in people])


def test_a_seed_decides_everything() -> None:
    for seed in (0, 1, 12345, 2**40):
        assert sample(seed).values == sample(seed).values
        assert sample(seed, expression=True).values == sample(seed, expression=True).values
        assert sample(seed).seed == seed
    with pytest.raises(InputError, match="seed must be 0 or more"):
        sample(-1)


def test_an_expression_changes_nothing_else() -> None:
    still, moved = sample(11).values, sample(11, expression=True).values
    assert {name for name in still if still[name] != moved[name]} <= {n for n in still if n.startswith("expression.")}
    assert all(still[name] == 0.0 for name in still if name.startswith("expression."))


def test_who_people_are(people: list[Person]) -> None:
    age, gender = column(people, "person.age"), column(people, "person.gender")
    assert 18.0 <= age.min() < 22.0 and 72.0 < age.max() <= 80.0 and 38.0 < age.mean() < 55.0
    assert 0.4 < (gender < 0.5).mean() < 0.6
    assert ((gender > 0.3) & (gender < 0.7)).mean() < 0.1
    shares = np.array([person.ancestry for person in people])
    assert (shares.mean(axis=0) > 0.25).all()
    assert 0.5 < (shares.max(axis=1) > 0.75).mean() < 0.85  # mostly one ancestry
    assert ((shares > 0.25).sum(axis=1) > 1).mean() > 0.15  # and mixed ones


def test_faces_are_various_but_no_caricatures(people: list[Person]) -> None:
    dials = np.array([[person[f"shape.{dial.word}"] for dial in DIALS] for person in people])
    assert np.abs(dials).max() <= FARTHEST * SPREAD + max(AGE_PULLS.values())
    spread = dials.std(axis=0)
    assert (spread > 0.15).all() and (spread < 0.45).all()
    ageless = spread[[dial.word not in AGE_PULLS for dial in DIALS]]
    assert ageless.min() > 0.88 * SPREAD and ageless.max() < 1.05 * SPREAD
    mean = np.sqrt((dials**2).mean(axis=1))
    assert mean.max() < 0.5  # nobody is extreme in everything
    assert np.abs(dials.mean(axis=0)).max() < 0.15


def test_dials_of_one_cause_go_together(people: list[Person]) -> None:
    for cause in ("full_lips", "full", "broad_nose"):
        first, second = sorted(CAUSES[cause], key=lambda word: -abs(CAUSES[cause][word]))[:2]
        a, b = (column(people, f"shape.{word}") for word in (first, second))
        assert np.corrcoef(a, b)[0, 1] * np.sign(CAUSES[cause][first] * CAUSES[cause][second]) > 0.15
    lips, ears = column(people, "shape.upper_lip_volume"), column(people, "shape.ear_angle")
    assert abs(np.corrcoef(lips, ears)[0, 1]) < 0.15
    assert np.corrcoef(column(people, "person.age"), column(people, "shape.laugh_lines"))[0, 1] > 0.3


def test_expressions_are_moderate_and_do_not_contradict_themselves(people: list[Person]) -> None:
    faces = [person.group("expression") for person in people]
    strongest = np.array([max(face.values()) for face in faces])
    assert 0.25 < np.median(strongest) < 0.8 and (strongest == 0.0).mean() < 0.2
    for face in faces:
        for first, second in OPPOSED:
            for side in ("", "Left", "Right"):
                assert min(face.get(first + side, 0.0), face.get(second + side, 0.0)) == 0.0, (first, second)
        assert face["eyeBlinkLeft"] == face["eyeBlinkRight"]
    used = {name for face in faces for name, value in face.items() if value > 0.0}
    assert len(used) > 35
    smiles = [face for face in faces if max(face["mouthSmileLeft"], face["mouthSmileRight"]) > 0.1]
    lopsided = np.mean([abs(f["mouthSmileLeft"] - f["mouthSmileRight"]) > 0.15 for f in smiles])
    assert len(smiles) > 0.15 * COUNT and 0.05 < lopsided < 0.5


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("eyes.pupil", -1),
        ("eyes.yellowness", 1),
        ("eyes.redness", 1),
        ("mouth.wear", 1),
        ("skin.dark_circles", 1),
        ("skin.age_spots", 1),
        ("skin.pores", 1),
        ("skin.oiliness", -1),
        ("skin.acne", -1),
        ("hair.greying", 1),
        ("hair.recession", 1),
        ("hair.density", -1),
    ],
)
def test_age_shows(name: str, sign: int, people: list[Person]) -> None:
    assert sign * np.corrcoef(column(people, "person.age"), column(people, name))[0, 1] > 0.25


def test_men_and_women_differ(people: list[Person]) -> None:
    gender, age = column(people, "person.gender"), column(people, "person.age")
    men, women = gender > 0.7, gender < 0.3
    for name, more, fewer in (
        ("brow.density", men, women),
        ("brow.thickness", men, women),
        ("brow.arch", women, men),
        ("lash.length", women, men),
        ("lash.density", women, men),
    ):
        assert column(people, name)[more].mean() > column(people, name)[fewer].mean() + 0.08, name
    undyed = column(people, "hair.greying") > 0.0
    assert undyed[men & (age > 60.0)].mean() > 0.9 > 0.8 > undyed[women & (age > 60.0)].mean()


def test_red_hair_s_skin_is_freckled(people: list[Person]) -> None:
    reddish, freckles = column(people, "skin.pheomelanin") > 0.4, column(people, "skin.freckles")
    assert reddish.sum() > 2 and freckles[reddish].min() > 0.15 > 2.0 * freckles[~reddish].mean()


def test_both_eyes_look_to_one_side_and_dimples_come_with_smiles(people: list[Person]) -> None:
    faces = [person.group("expression") for person in people]
    aside = [face for face in faces if max(face["eyeLookOutLeft"], face["eyeLookOutRight"]) > 0.0]
    assert len(aside) > 0.05 * COUNT
    for face in faces:
        for side, other in (("Left", "Right"), ("Right", "Left")):
            assert (face[f"eyeLookOut{side}"] > 0.0) == (face[f"eyeLookIn{other}"] > 0.0)
            assert face[f"mouthDimple{side}"] == 0.0 or face[f"mouthSmile{side}"] > 0.0


def test_the_other_groups_follow_who_it_is(people: list[Person]) -> None:
    shares = np.array([person.ancestry for person in people])
    african, european = shares[:, 0] > 0.8, shares[:, 2] > 0.8
    skin, iris, hair = (column(people, f"{group}.melanin") for group in ("skin", "eyes", "hair"))
    assert skin[african].mean() > skin[european].mean() + 0.3
    assert iris[african].min() > 0.5 and iris[european].std() > 0.15 and iris[european].min() < 0.15
    fair = european & (hair < np.median(hair[european]))
    assert iris[fair].mean() < iris[european & ~fair].mean() - 0.03
    men = column(people, "person.gender") > 0.9
    assert column(people, "makeup.lipstick")[men].mean() < 0.03 < column(people, "makeup.lipstick")[~men].mean()
    age, teeth = column(people, "person.age"), column(people, "mouth.whiteness")
    assert np.corrcoef(age, teeth)[0, 1] < -0.3
    for name in ("eyes.hue", "eyes.pupil", "skin.haemoglobin", "shape.asymmetry"):
        assert column(people, name).std() > 0.02, name
