"""Make-up: pigment that lies on the skin; it changes colour and shine."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.arrays import F32, F64
from app.scene.avatar.skin_maps import Patch, SkinMaps, doubled

# Linear Rec.709 colours at evenly spaced hues 0..1.
_LIPSTICK = np.array(
    [(0.45, 0.20, 0.15), (0.44, 0.12, 0.12), (0.27, 0.020, 0.024), (0.22, 0.015, 0.035), (0.11, 0.012, 0.032)]
)
_SHADOW = np.array(
    [(0.25, 0.17, 0.13), (0.14, 0.07, 0.04), (0.16, 0.055, 0.085), (0.06, 0.057, 0.06), (0.045, 0.085, 0.19)]
)
_BLUSH = np.array([(0.62, 0.17, 0.20), (0.62, 0.20, 0.13), (0.40, 0.17, 0.075)])
_LINER = np.array((0.010, 0.009, 0.009))


def _hue(colors: F64, hue: float) -> F64:
    at = hue * (len(colors) - 1)
    return np.array([np.interp(at, np.arange(len(colors)), colors[:, k]) for k in range(3)])


def paint(values: Mapping[str, float], maps: SkinMaps, albedo: Sequence[F32], roughness: F32) -> None:
    """Lay make-up over `albedo` (three linear planes) and `roughness`, all (FINE,FINE), in place."""
    v = {name[7:]: value for name, value in values.items() if name.startswith("makeup.")}
    if v["foundation"] > 0.0:
        film = Patch.of(doubled(maps.regions["front"] * (1.0 - maps.regions["lips"])))
        _shine(roughness, film, 0.30 * v["foundation"], 0.54)
    if v["blush"] > 0.0:
        _stain(albedo, Patch.of(doubled(maps.make_up["blush"])), 0.55 * v["blush"], _hue(_BLUSH, v["blush_hue"]))
    if v["shadow"] > 0.0:
        color = _hue(_SHADOW, v["shadow_hue"])
        lid = Patch.of(doubled(maps.make_up["shadow"]))
        _stain(albedo, lid, 0.9 * v["shadow"], color)
        _stain(albedo, Patch.of(doubled(maps.make_up["crease"])), 0.45 * v["shadow"], 0.6 * color)
        _shine(roughness, lid, 0.6 * v["shadow"], 0.40)
    if v["liner"] > 0.0:
        for name, share in (("upper", 1.0), ("lower", 0.45), ("wing", v["liner_wing"])):
            patch = maps.liner[f"liner_{name}"]
            _cover(albedo, patch, 0.93 * share * v["liner"], _LINER)
            _shine(roughness, patch, 0.8 * share * v["liner"], 0.38)
    if v["lipstick"] > 0.0:
        lips = Patch.of(doubled(np.maximum(maps.regions["lips"] - maps.regions["inside"], 0.0)))
        color = _hue(_LIPSTICK, v["lipstick_hue"])
        _stain(albedo, lips, 0.5 * v["lipstick"], color)
        _cover(albedo, lips, 0.85 * v["lipstick"] ** 1.5, color)
        _shine(roughness, lips, min(1.0, 2.0 * v["lipstick"]), 0.50 - 0.30 * v["lipstick_gloss"])


def _stain(albedo: Sequence[F32], where: Patch, amount: float, color: F64) -> None:
    """A thin film: light passes it twice, so what lies below shines through (a product, normalised to the colour)."""
    cover = where.values * np.float32(amount)
    for plane, c in zip(albedo, color, strict=True):
        part = plane[where.rows, where.columns]
        film = np.float32(c) * (np.float32(0.35) + np.float32(0.65 / max(float(color.max()), 0.45)) * part)
        part += cover * (film - part)


def _cover(albedo: Sequence[F32], where: Patch, amount: float, color: F64) -> None:
    """An opaque layer."""
    cover = where.values * np.float32(amount)
    for plane, c in zip(albedo, color, strict=True):
        part = plane[where.rows, where.columns]
        part += cover * (np.float32(c) - part)


def _shine(roughness: F32, where: Patch, amount: float, target: float) -> None:
    part = roughness[where.rows, where.columns]
    part += where.values * np.float32(amount) * (np.float32(target) - part)


def sample(rng: np.random.Generator, base: Mapping[str, float]) -> dict[str, float]:
    """Plausible make-up for a person of whom `base` holds person.gender and person.age.

    Most women wear a little, some none, a few much; men practically never. Not everything at once: strong lips or
    strong eyes.
    """
    draws = rng.random(12)
    woman = 1.0 - base["person.gender"]
    wears = draws[0] < np.clip(1.6 * woman - 0.65, 0.01, 0.72)
    effort = float(0.25 + 0.75 * draws[1] ** 1.6) * (1.0 if base["person.age"] < 70 else 0.7)
    lips_first = draws[2] < 0.5
    lips, eyes = (1.0, 0.45) if lips_first else (0.5, 1.0)
    dark = float(np.clip(base.get("skin.melanin", 0.35), 0.0, 1.0))
    values = {
        "foundation": 0.7 * effort * draws[3],
        "blush": 0.55 * effort * draws[4],
        "blush_hue": 0.15 + 0.45 * draws[5] + 0.3 * dark,
        "lipstick": lips * effort * (0.35 + 0.5 * draws[6]),
        "lipstick_hue": (0.05 + 0.9 * draws[7] if lips_first else 0.05 + 0.35 * draws[7]),
        "lipstick_gloss": 0.15 + 0.7 * draws[8],
        "shadow": 0.65 * eyes * effort * draws[9],
        "shadow_hue": 0.8 * draws[10] ** 1.5,
        "liner": eyes * effort * (draws[11] > 0.35),
        "liner_wing": 0.8 * float(draws[11] > 0.75) * eyes,
    }
    return {f"makeup.{name}": float(min(max(value if wears else 0.0, 0.0), 1.0)) for name, value in values.items()}
