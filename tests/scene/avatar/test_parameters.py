"""The table of parameters, and what a person says to bad values."""

import numpy as np
import pytest

from app.errors import InputError
from app.scene.avatar.parameters import PARAMETERS
from app.scene.avatar.parameters.expression import ARKIT
from app.scene.avatar.parameters.shape import DIALS
from app.scene.avatar.person import Person
from app.scene.avatar.targets import load


def test_every_parameter_is_sound_and_named_once() -> None:
    names = [parameter.name for parameter in PARAMETERS]
    assert len(names) == len(set(names))
    for parameter in PARAMETERS:
        assert parameter.low <= parameter.default <= parameter.high and parameter.low < parameter.high, parameter
        assert len(parameter.meaning) > 3 and parameter.group + "." == parameter.name[: len(parameter.group) + 1]


def test_shape_dials_have_two_ends_made_of_known_targets() -> None:
    known = load().number
    assert 40 <= len(DIALS) <= 80
    for dial in DIALS:
        assert dial.low and dial.high and dial.meaning.startswith("-1 ") and " .. 1 " in dial.meaning, dial.word
        for name in (*dial.low, *dial.high):
            assert name.replace("*", "l") in known and name.replace("*", "r") in known, name


def test_expressions_are_arkits_52() -> None:
    assert len(ARKIT) == 52 and set(ARKIT) <= set(load().number)
    for side, other in (("Left", "Right"), ("Right", "Left")):
        assert all(name.removesuffix(side) + other in ARKIT for name in ARKIT if name.endswith(side))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape.nose_widht": 0.5}, "no parameter 'shape.nose_widht'; did you mean shape.nose_width"),
        ({"shape.nose_width": 1.5}, "shape.nose_width must be -1 to 1, not 1.5"),
        ({"expression.jawOpen": -0.1}, "expression.jawOpen must be 0 to 1, not -0.1"),
        ({"person.age": 15.0}, "person.age must be 16 to 90, not 15"),
        ({"person.gender": float("nan")}, "person.gender must be 0 to 1, not nan"),
        ({"person.european": 0.0}, "One of person.african, person.asian and person.european must be above 0"),
    ],
)
def test_bad_values_are_named(values: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Person(values)


def test_a_person_is_complete_and_its_randomness_is_by_purpose() -> None:
    person = Person({"person.asian": 1.0}, seed=7)
    assert set(person.values) == {parameter.name for parameter in PARAMETERS}
    assert np.allclose(person.ancestry, (0.0, 0.5, 0.5))
    assert person.rng("moles").random() == person.rng("moles").random() != person.rng("brows").random()
    with pytest.raises(InputError, match="seed must be 0 or more"):
        Person(seed=-1)
