"""Hair as people wear it: drawn by gender, age and ancestry."""

from collections.abc import Mapping

import numpy as np

from app.scene.avatar.parameters import hair as parameters

# Natural colours of European hair: how common (per cent, roughly), melanin, redness, spread of melanin.
EUROPEAN = ((22, 0.82, 0.10, 0.05), (40, 0.64, 0.15, 0.06), (20, 0.46, 0.12, 0.05), (13, 0.26, 0.12, 0.07),
            (5, 0.38, 0.80, 0.10))  # fmt: skip
FIRST_GREY = (41.0, 37.0, 32.0)
"""Mean age at which African, East Asian and European hair starts to grey (after Keogh & Walsh 1965, rounded)."""


def sample(rng: np.random.Generator, base: Mapping[str, float]) -> dict[str, float]:
    """Plausible hair, brows, lashes and beard for a person of whom `base` holds the parameters person.*."""
    african, asian, european = _shares(base)
    man = base["person.gender"]
    womanly = rng.random() < min(max(1.14 * (1.0 - man) - 0.06, 0.02), 0.96)  # who wears what overlaps a little
    values = _color(rng, base["person.age"], african, asian, european, womanly)
    values |= _growth(rng, african, asian, european)
    values |= _style(rng, base["person.age"], man, womanly, values, asian, african)
    values |= _face(rng, base["person.age"], man, womanly, asian, african)
    ranges = {parameter.name: (parameter.low, parameter.high) for parameter in parameters.PARAMETERS}
    return {name: float(np.clip(value, *ranges[name])) for name, value in values.items()}


def _shares(base: Mapping[str, float]) -> tuple[float, float, float]:
    african, asian, european = (base[f"person.{name}"] for name in ("african", "asian", "european"))
    total = african + asian + european
    return african / total, asian / total, european / total


def _color(
    rng: np.random.Generator, age: float, african: float, asian: float, european: float, womanly: bool
) -> dict[str, float]:
    common = np.array([row[0] for row in EUROPEAN], np.float64)
    _, melanin, redness, spread = EUROPEAN[int(rng.choice(len(EUROPEAN), p=common / common.sum()))]
    light, dark = melanin + rng.normal(0.0, spread), rng.normal(0.95, 0.035)
    other = (1.0 - european) ** 0.6  # dark hair is dominant
    onset = float(np.dot(FIRST_GREY, (african, asian, european))) + rng.normal(0.0, 6.0)
    grey = min(max((age - onset) / 38.0, 0.0), 1.0) ** 1.3
    if womanly and rng.random() < (0.55 if age < 65.0 else 0.25):  # dyed
        grey = 0.0
    return {
        "hair.melanin": light + (dark - light) * other,
        "hair.redness": (redness + abs(rng.normal(0.0, 0.06))) * (1.0 - 0.8 * other),
        "hair.greying": grey,
    }


def _growth(rng: np.random.Generator, african: float, asian: float, european: float) -> dict[str, float]:
    coiled = rng.uniform(0.75, 1.0)
    curled = rng.uniform(0.12, 0.42) if rng.random() < 0.16 else 0.0
    curl = coiled * african**0.7 + curled * european
    wave = rng.beta(1.5, 2.2) * (european + 0.6 * african) + 0.35 * rng.beta(1.2, 4.0) * asian
    return {"hair.curl": curl, "hair.wave": wave}


def _style(
    rng: np.random.Generator, age: float, man: float, womanly: bool, grown: Mapping[str, float], asian: float,
    african: float,
) -> dict[str, float]:  # fmt: skip
    coils = grown["hair.curl"] >= 0.5
    kind, within = rng.random(), rng.random()
    old = age > 62.0
    if coils:
        length = 0.22 + 0.26 * within if womanly else 0.10 + 0.24 * within
    elif womanly:
        short, bob = (0.45, 0.85) if old else (0.12, 0.42)
        low, high = (0.32, 0.48) if kind < short else (0.58, 0.72) if kind < bob else (0.74, 0.98)
        length = low + (high - low) * within
    else:
        low, high = (0.14, 0.30) if kind < 0.38 else (0.30, 0.45) if kind < 0.86 else (0.45, 0.72)
        length = low + (high - low) * within
    bald = man * min(max((age - 24.0) / 45.0, 0.0), 1.0) * rng.beta(1.1, 1.5) * 1.3 * (1.0 - 0.35 * (asian + african))
    bald = min(bald, 1.0)
    density = 1.0 - 0.12 * rng.random() - 0.25 * min(max((age - 55.0) / 35.0, 0.0), 1.0) * rng.random()
    if bald > 0.35:
        length = min(length, 0.05 * within if kind < 0.35 else 0.16 + 0.14 * within)
    fringe = rng.random() < (0.35 if womanly else 0.12) and not coils and bald < 0.2 and length > 0.3
    swept = rng.uniform(0.5, 1.0) if not fringe and rng.random() < 0.22 and length > 0.25 else rng.uniform(-0.3, 0.15)
    return {
        "hair.length": length,
        "hair.density": density,
        "hair.volume": rng.beta(2.5, 2.5),
        "hair.parting": rng.choice([-1.0, 1.0]) * rng.uniform(0.0, 0.8),
        "hair.swept": swept,
        "hair.fringe": rng.uniform(0.6, 1.0) if fringe else 0.0,
        "hair.fade": rng.uniform(0.0, 0.2) if womanly else rng.uniform(0.2, 0.85) if length < 0.5 else 0.1,
        "hair.recession": bald,
    }


def _face(
    rng: np.random.Generator, age: float, man: float, womanly: bool, asian: float, african: float
) -> dict[str, float]:
    values = {
        "brow.density": rng.normal(0.56 + 0.2 * man, 0.12),
        "brow.thickness": rng.normal(0.46 + 0.2 * man, 0.13),
        "brow.length": rng.normal(0.45 + 0.15 * man + 0.006 * max(age - 50.0, 0.0) * man, 0.1),
        "brow.arch": rng.normal(0.25 - 0.35 * man, 0.3),
        "lash.length": rng.normal(0.55 - 0.2 * man, 0.13),
        "lash.density": rng.normal(0.6 - 0.15 * man, 0.13),
        "lash.mascara": rng.beta(2.0, 2.0) if womanly and rng.random() < 0.55 else 0.0,
    }
    grows = max(0.0, (man - 0.5) / 0.5) * (0.55 - 0.22 * asian - 0.08 * african)
    if womanly or age < 18.0 or rng.random() > grows:
        return values
    kind = rng.random()
    stubble, short, full = kind < 0.42, kind < 0.68, kind < 0.84
    values |= {
        "beard.density": rng.uniform(0.55, 1.0) * (1.0 - 0.4 * asian),
        "beard.length": 0.12 * rng.random() if stubble else rng.uniform(0.2, 0.34) if short else rng.uniform(0.36, 0.6),
        "beard.moustache": rng.uniform(0.7, 1.0),
        "beard.chin": rng.uniform(0.7, 1.0),
        "beard.cheeks": rng.uniform(0.6, 1.0),
    }
    if not full:  # a goatee, a moustache, or both
        which = rng.random()
        values |= {"beard.cheeks": 0.0, "beard.length": rng.uniform(0.15, 0.35), "beard.density": rng.uniform(0.7, 1.0)}
        values |= {"beard.chin": 0.0} if which < 0.3 else {"beard.moustache": 0.0} if which < 0.45 else {}
    return values
