"""Plausible people: who they are, the dials of their faces, and what their faces do.

Dials are drawn from one correlated normal distribution. Its correlations come from a few causes that act on many dials
at once: some faces are broad all over, some long, some heavy-boned, some full, and age pulls in directions of its own.
What is left of a dial's variance is its own. Draws are truncated twice, each dial and the face as a whole, so that no
face is extreme in everything. A dial lies between two opposite targets, so opposites cannot meet.
"""

from collections.abc import Callable, Mapping

import numpy as np

from app.scene.avatar import eye_sample, hair, makeup, skin
from app.scene.avatar.expressions import sample_expression
from app.scene.avatar.parameters.shape import ASYMMETRY, DIALS
from app.scene.avatar.person import Person

SPREAD = 0.28
"""Standard deviation of a dial."""
FARTHEST = 2.0
"""Standard deviations at which a dial is cut off."""
ODDEST = 1.12
"""Root mean square of all dials of a face, in standard deviations, above which it is drawn back."""
HOOKS: Mapping[str, Callable[[np.random.Generator, Mapping[str, float]], dict[str, float]]] = {
    "skin": skin.sample,
    "hair": hair.sample,
    "eyes": eye_sample.sample,
    "makeup": makeup.sample,
}
"""What draws the other groups, in this order: from random numbers and the values known so far, more of them."""

CAUSES: Mapping[str, Mapping[str, float]] = {
    "broad": {
        "head_width": 0.6, "face_roundness": 0.3, "eye_spacing": 0.4, "nose_width": 0.35, "mouth_width": 0.4,
        "jaw_width": 0.35, "chin_width": 0.4, "neck_width": 0.4,
    },
    "long": {
        "head_height": 0.5, "face_roundness": -0.4, "forehead_height": 0.35, "nose_length": 0.5, "philtrum": 0.2,
        "chin_height": 0.5, "ear_length": 0.4,
    },
    "heavy_boned": {
        "brow_ridge": 0.6, "brow_height": -0.35, "face_angularity": 0.5, "jaw_width": 0.5, "chin_prominence": 0.4,
        "chin_width": 0.3, "cheekbones": 0.3, "nose_projection": 0.3, "neck_width": 0.4, "forehead_slope": -0.3,
    },
    "full": {
        "fullness": 0.8, "cheek_volume": 0.6, "cheek_inner": 0.4, "temples": 0.4, "double_chin": 0.5,
        "neck_depth": 0.4, "jaw_drop": 0.25, "face_roundness": 0.35,
    },
    "full_lips": {
        "upper_lip_volume": 0.7, "lower_lip_volume": 0.7, "upper_lip_height": 0.4, "lower_lip_height": 0.4,
        "mouth_projection": 0.35, "cupids_bow": 0.3,
    },
    "aquiline": {
        "nose_hump": 0.5, "nose_curve": 0.5, "nose_bridge": 0.4, "nose_projection": 0.4, "nose_tip": -0.5,
        "nose_base": -0.4,
    },
    "broad_nose": {
        "nose_width": 0.6, "nostril_width": 0.5, "nose_tip_width": 0.5, "nose_flare": 0.4, "nose_ridge_width": 0.4,
        "nose_bridge_width": 0.3,
    },
    "big_eyes": {
        "eye_size": 0.6, "eye_opening": 0.5, "eye_opening_inner": 0.3, "eye_opening_outer": 0.3, "eye_width": 0.3,
    },
}  # fmt: skip
"""By cause, how strongly it moves each dial (its correlation with the dial)."""
AGE_PULLS: Mapping[str, float] = {
    "eye_bags": 0.5, "laugh_lines": 0.6, "jaw_drop": 0.4, "double_chin": 0.3, "ear_lobe": 0.4, "ear_length": 0.3,
    "nose_tip": -0.3, "upper_lip_volume": -0.3, "mouth_corners": -0.2, "eye_opening_outer": -0.2,
}  # fmt: skip
"""How far dials move in a life, from 20 to 80 years."""


def sample(seed: int, *, expression: bool = False) -> Person:
    """Draw a person; the same seed gives the same person.

    Args:
        seed: >= 0; becomes the person's own.
        expression: whether the face does something, or is at rest.

    Raises:
        InputError: a negative seed.
    """
    nobody = Person(seed=seed)
    values = _identity(nobody.rng("sample person"))
    values |= _face(nobody.rng("sample shape"), values["person.age"])
    for group, draw in HOOKS.items():
        values |= draw(nobody.rng(f"sample {group}"), values)
    if expression:
        values |= sample_expression(nobody.rng("sample expression"))
    return Person(values, seed)


def _identity(rng: np.random.Generator) -> dict[str, float]:
    """Gender mostly near an end; ages 18 to 80, more of them young; mostly one ancestry with some admixture."""
    away = abs(float(rng.normal(0.0, 0.09)))
    gender = min(away, 0.3) if rng.random() < 0.5 else 1.0 - min(away, 0.3)
    if rng.random() < 0.04:
        gender = float(rng.uniform(0.3, 0.7))
    age = 18.0 + 62.0 * float(rng.beta(1.2, 1.5))
    kind, order = rng.random(), rng.permutation(3)
    if kind < 0.65:
        rest = float(rng.beta(1.0, 9.0))
        part = float(rng.random())
        shares = np.array([1.0 - rest, rest * part, rest * (1.0 - part)])
    elif kind < 0.88:
        first = float(rng.beta(3.0, 3.0))
        shares = np.array([first, 1.0 - first, 0.0])
    else:
        shares = rng.dirichlet((2.0, 2.0, 2.0))
    african, asian, european = shares[order].tolist()
    return {
        "person.gender": gender,
        "person.age": age,
        "person.african": african,
        "person.asian": asian,
        "person.european": european,
    }


def _face(rng: np.random.Generator, age: float) -> dict[str, float]:
    words = [dial.word for dial in DIALS]
    column = {word: k for k, word in enumerate(words)}
    loading = np.zeros((len(CAUSES), len(words)))
    for row, moved in enumerate(CAUSES.values()):
        for word, weight in moved.items():
            loading[row, column[word]] = weight
    loading /= np.sqrt(np.maximum((loading**2).sum(axis=0), 1.0))
    own = np.sqrt(1.0 - (loading**2).sum(axis=0))
    z = rng.normal(size=len(CAUSES)) @ loading + own * rng.normal(size=len(words))
    z = np.clip(z, -FARTHEST, FARTHEST)
    z *= min(1.0, ODDEST / float(np.sqrt((z**2).mean())))
    pull = np.array([AGE_PULLS.get(word, 0.0) for word in words]) * (age - 35.0) / 60.0
    dials = np.clip(SPREAD * z + pull, -1.0, 1.0)
    values = {f"shape.{word}": float(value) for word, value in zip(words, dials, strict=True)}
    return values | {ASYMMETRY: float(rng.beta(2.0, 3.5))}
