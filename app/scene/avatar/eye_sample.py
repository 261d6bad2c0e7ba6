"""Eyes and teeth as people have them: drawn by age and ancestry, and by the colour of the hair where it is known."""

from collections.abc import Mapping

import numpy as np

from app.scene.avatar.parameters import eyes as parameters

EUROPEAN = ((38, 0.08, 0.05), (22, 0.33, 0.06), (40, 0.58, 0.07))
"""Blue and grey, green and hazel, brown: how common in Europe's middle (per cent, roughly), melanin, its spread."""
AFRICAN, ASIAN = (0.82, 0.06), (0.78, 0.06)
"""Melanin and its spread."""
LIGHT_HAIR, DARK_HAIR = 0.35, 0.75
"""Melanin of hair below which brown eyes, and above which blue ones, become rare."""


def sample(rng: np.random.Generator, base: Mapping[str, float]) -> dict[str, float]:
    """Plausible eyes and teeth for a person of whom `base` holds the parameters person.*."""
    african, asian, european = (base[f"person.{name}"] for name in ("african", "asian", "european"))
    total = african + asian + european
    z, u = rng.normal(size=8), rng.random(4)
    common = np.array([row[0] for row in EUROPEAN], np.float64)
    dark = float(np.clip((base.get("hair.melanin", 0.55) - LIGHT_HAIR) / (DARK_HAIR - LIGHT_HAIR), 0.0, 1.0))
    common *= [1.4 - 0.9 * dark, 1.0, 0.4 + 1.0 * dark]
    _, melanin, spread = EUROPEAN[int(np.searchsorted(np.cumsum(common / common.sum())[:-1], u[0]))]
    light = melanin + spread * z[0]
    # Dark is dominant: a quarter of darker ancestry mostly decides.
    darker = (african + asian) / total
    deep = (african * (AFRICAN[0] + AFRICAN[1] * z[1]) + asian * (ASIAN[0] + ASIAN[1] * z[1])) / max(
        african + asian, 1e-9
    )
    share = float(np.clip(1.6 * darker, 0.0, 1.0))
    old = float(np.clip((base["person.age"] - 25.0) / 55.0, 0.0, 1.0))
    values = {
        "eyes.melanin": light + share * max(deep - light, 0.0),
        "eyes.hue": 0.4 * z[2],
        "eyes.pupil": 3.9 - 0.9 * old + 0.45 * z[3],
        "eyes.limbal_ring": 0.25 + 0.65 * u[1],
        "eyes.redness": 0.08 + 0.15 * old + 0.25 * u[2] ** 3,
        "eyes.yellowness": 0.10 + 0.25 * old + 0.12 * (african / total) + 0.04 * z[4],
        "eyes.wetness": 0.5 + 0.12 * z[5],
        "eyes.yaw": 3.0 * z[6],
        "eyes.pitch": 2.0 * z[7],
        "mouth.whiteness": 0.72 - 0.35 * old + 0.25 * (u[3] - 0.5),
        "mouth.wear": 0.15 + 0.45 * old + 0.3 * float(rng.random()) ** 2,
    }
    ranges = {parameter.name: (parameter.low, parameter.high) for parameter in parameters.PARAMETERS}
    return {name: float(np.clip(value, *ranges[name])) for name, value in values.items()}
