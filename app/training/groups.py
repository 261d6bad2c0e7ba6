"""What frames have in common: their light, and how near the face is. Scores are told for each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.arrays import F64
from app.scene.environment import LUMINANCE
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.training.evaluate import FrameScore
from app.training.manifest import FrameInfo
from app.training.records import lights_of

HEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.01)  # bounds of the face's height on screen


@dataclass(frozen=True)
class Group:
    """Frames that answer a question alike.

    Attributes:
        question: such as "lamps".
        name: the answer.
        frames: positions in `Evaluation.frames`.
    """

    question: str
    name: str
    frames: list[int]


def light_groups(frames: Sequence[FrameScore], center: F64) -> list[Group]:
    """Frames by kind of lamp, by number of lamps, by surroundings, and by where the brightest lamp stands.

    The heads stand at `center` (3,), metres (`Dataset.head_center`).
    """
    questions = ("lamps", "number of lamps", "surroundings", "brightest lamp")
    answers = [light_classes(frame.info, center) for frame in frames]
    return [group for i, question in enumerate(questions) for group in _groups(question, [a[i] for a in answers])]


def distance_groups(frames: Sequence[FrameScore]) -> list[Group]:
    """Frames by the face's height on screen."""
    names = [f"{low:.2f} to {min(high, 1.0):.2f}" for low, high in pairwise(HEIGHTS)]
    place = np.digitize([frame.height for frame in frames], HEIGHTS) - 1
    return _groups("face's height on screen", [names[i] for i in place])


def light_classes(frame: FrameInfo, center: F64) -> tuple[str, str, str, str]:
    """The kind of a frame's lamps, their number, its surroundings, and where its brightest lamp stands.

    The head stands at `center` (3,) and looks along +z.
    """
    lights = lights_of(frame.lights)
    surroundings = "black" if frame.environment is None else "an environment"
    if not lights:
        return "none, surroundings only", "0", surroundings, "none"
    suns = sum(isinstance(light, DirectionalLight) for light in lights)
    kind = "suns" if suns == len(lights) else "suns and lamps" if suns else "lamps"
    brightest = max((toward(light, center) for light in lights), key=lambda found: found[0])[1]
    side = "behind the face (backlit)" if brightest[2] < 0.0 else "before the face"
    return kind, str(len(lights)), surroundings, side


def toward(light: Light, center: F64) -> tuple[float, F64]:
    """A light seen from a head at `center`: its irradiance there, facing it, W/m2, and the direction towards it."""
    brightness = float(np.asarray(light.color) @ LUMINANCE)
    if isinstance(light, DirectionalLight):
        return light.irradiance * brightness, -np.array(light.direction, np.float64)
    if isinstance(light, PointLight):
        away, power = np.array(light.position, np.float64) - center, light.intensity
    else:
        assert isinstance(light, AreaLight)
        away, power = np.array(light.center, np.float64) - center, light.radiance * light.area
    distance = max(float(np.linalg.norm(away)), 1e-6)
    return power * brightness / distance**2, away / distance


def _groups(question: str, answers: Sequence[str]) -> list[Group]:
    names = sorted(set(answers))
    return [Group(question, name, [i for i, answer in enumerate(answers) if answer == name]) for name in names]
