"""What is sprinkled over the skin: freckles, moles, age spots, pimples.

They are round in millimetres on the resting head; the person's seed places them.
"""

from dataclasses import dataclass

import numpy as np

from app.arrays import F32, F64, I64
from app.scene.avatar import pigment
from app.scene.avatar.person import Person
from app.scene.avatar.skin_maps import FINE, MASK, POSITIONS, SkinMaps, doubled

_FRECKLES, _MOLES, _AGE_SPOTS, _PIMPLES = 2600, 24, 34, 45  # expected numbers at 1
_WIDEST = 40  # texels to either side that a mark can reach
_BATCH = 400_000  # texels stamped at once


@dataclass(frozen=True, eq=False)
class Marks:
    """What the marks add, (FINE,FINE) each or None: to the logarithms of melanin and blood, and to the height in mm."""

    melanin: F32 | None
    blood: F32 | None
    height: F32 | None


@dataclass(frozen=True, eq=False)
class Spots:
    """Round spots: `at` (N,2) row and column in the fine map, `radius` (N,) mm, `strength` (N,)."""

    at: F64
    radius: F64
    strength: F64

    def stamp(self, image: F32, maps: SkinMaps, edge: float = 0.35, ragged: F32 | None = None) -> None:
        """Raise `image` (FINE,FINE) to the spots' strength where they lie; `edge` is the soft part of the radius.

        `ragged` (FINE,FINE) shifts the radius by so many parts of it.
        """
        if len(self.at) == 0:
            return
        cell = np.clip(self.at * (POSITIONS / FINE), 0, POSITIONS - 1).astype(np.int64)
        e, f, g = maps.metric[cell[:, 0], cell[:, 1]].T.astype(np.float64)
        # Half the height and width of the ellipse that a disc is in the map.
        least = np.maximum(e * g - f * f, 1e-4)
        reach = self.radius * (1.0 + edge) * np.sqrt(np.maximum(e, g) / least) * (1.3 if ragged is not None else 1.0)
        half = np.minimum(np.ceil(reach) + 1, _WIDEST).astype(np.int64)
        for size in np.unique(half):
            chosen = np.flatnonzero(half == size)
            step = max(1, _BATCH // int(2 * size + 1) ** 2)
            for start in range(0, len(chosen), step):
                self._stamp(image, chosen[start : start + step], int(size), (e, f, g), edge, ragged)

    def _stamp(
        self,
        image: F32,
        which: I64,
        half: int,
        metric: tuple[F64, F64, F64],
        edge: float,
        ragged: F32 | None,
    ) -> None:
        offset = np.arange(-half, half + 1)
        middle = np.floor(self.at[which]).astype(np.int64)
        rows, columns = middle[:, 0, None] + offset, middle[:, 1, None] + offset
        dr = (rows + 0.5 - self.at[which, 0, None])[:, :, None]
        dc = (columns + 0.5 - self.at[which, 1, None])[:, None, :]
        e, f, g = (m[which, None, None] for m in metric)
        d = np.sqrt(np.maximum(e * dc * dc + 2.0 * f * dc * dr + g * dr * dr, 0.0)) / self.radius[which, None, None]
        index = np.clip(rows, 0, FINE - 1)[:, :, None] * FINE + np.clip(columns, 0, FINE - 1)[:, None, :]
        if ragged is not None:
            d += ragged.ravel()[index]
        t = np.clip((1.0 + edge - d) / (2.0 * edge), 0.0, 1.0)
        value = self.strength[which, None, None] * (t * t * (3.0 - 2.0 * t))
        np.maximum.at(image.reshape(-1), index.ravel(), value.ravel().astype(np.float32))


def scatter(rng: np.random.Generator, density: F32, count: int) -> F64:
    """(count,2) rows and columns in the fine map, drawn from `density` (MASK,MASK) a texel."""
    total = np.cumsum(density.ravel(), dtype=np.float64)
    texel = np.minimum(np.searchsorted(total, rng.random(count) * total[-1]), density.size - 1)
    place = np.stack([texel // MASK, texel % MASK], axis=1) + rng.random((count, 2))
    return np.asarray(place * (FINE / MASK))


def sprinkle(person: Person, maps: SkinMaps) -> Marks:
    """All marks of a person."""
    r = maps.regions
    bare = (1.0 - r["lips"]) * (1.0 - r["lid_edge"]) * (1.0 - r["inside"]) * (1.0 - r["nostril"]) * doubled(maps.area)
    melanin, blood, height = (np.zeros((FINE, FINE), np.float32) for _ in range(3))
    drawn = [
        _freckles(person, maps, bare, melanin),
        _age_spots(person, maps, bare, melanin),
        _moles(person, maps, bare, melanin, height),
    ]
    pimples = _pimples(person, maps, bare, blood, height)
    return Marks(melanin if any(drawn) else None, blood if pimples else None, height if drawn[2] or pimples else None)


def _up_to(person: Person, melanin: float) -> float:
    """What must be added to the logarithm of a person's melanin to reach a volume fraction; a little at least."""
    return max(float(np.log(melanin)) - pigment.log_melanin(person["skin.melanin"]), 0.25)


def _freckles(person: Person, maps: SkinMaps, bare: F32, melanin: F32) -> bool:
    amount, rng = person["skin.freckles"], person.rng("skin.freckles")
    count = int(amount**1.3 * _FRECKLES)
    if count == 0:
        return False
    clump = np.exp(np.float32(0.55) * maps.mottle["melanin"] + np.float32(0.3) * maps.mottle["blood_wide"])
    at = scatter(rng, maps.regions["sun"] ** 1.2 * clump * bare, count)
    radius = np.clip(0.58 * np.exp(rng.normal(0.0, 0.38, count)), 0.25, 1.6)
    strength = _up_to(person, 0.075) * (0.6 + 0.4 * amount) * rng.uniform(0.1, 1.0, count) ** 1.3
    ragged = doubled(maps.mottle["melanin"]) * np.float32(0.10)
    Spots(at, radius, strength).stamp(melanin, maps, edge=0.6, ragged=ragged)
    return True


def _age_spots(person: Person, maps: SkinMaps, bare: F32, melanin: F32) -> bool:
    rng = person.rng("skin.age_spots")
    count = int(rng.poisson(person["skin.age_spots"] * _AGE_SPOTS))
    if count == 0:
        return False
    r = maps.regions
    sides = np.clip(r["front"] * (1.0 - r["scalp"]) * (1.0 - r["neck"]) * (1.0 - 0.8 * r["beard"]), 0.0, 1.0)
    at = scatter(rng, (0.4 * sides + 0.6 * r["sun"]) * bare, count)
    radius = np.clip(2.0 * np.exp(rng.normal(0.0, 0.45, count)), 0.9, 5.0)
    strength = _up_to(person, 0.09) * rng.uniform(0.2, 0.7, count)
    ragged = doubled(maps.mottle["blood"]) * np.float32(0.16) + doubled(maps.mottle["melanin"]) * np.float32(0.12)
    Spots(at, radius, strength).stamp(melanin, maps, edge=0.4, ragged=ragged)
    return True


def _moles(person: Person, maps: SkinMaps, bare: F32, melanin: F32, height: F32) -> bool:
    rng = person.rng("skin.moles")
    count = int(rng.poisson(person["skin.moles"] * _MOLES))
    if count == 0:
        return False
    at = scatter(rng, maps.regions["front"] * (1.0 - maps.regions["scalp"]) * bare, count)
    radius = np.clip(0.62 * np.exp(rng.normal(0.0, 0.45, count)), 0.35, 2.2)
    strength = _up_to(person, 0.60) * rng.uniform(0.35, 0.9, count)
    Spots(at, radius, strength).stamp(melanin, maps, edge=0.30)
    raised = rng.random(count) < 0.35
    Spots(at[raised], 1.1 * radius[raised], 0.16 * radius[raised]).stamp(height, maps, edge=0.7)
    return True


def _pimples(person: Person, maps: SkinMaps, bare: F32, blood: F32, height: F32) -> bool:
    rng = person.rng("skin.acne")
    count = int(rng.poisson(person["skin.acne"] * _PIMPLES))
    if count == 0:
        return False
    r = maps.regions
    at = scatter(rng, (r["cheek"] + 0.6 * r["forehead"] + 0.9 * r["chin"] + 0.4 * r["nose"]) * bare, count)
    radius = np.clip(1.1 * np.exp(rng.normal(0.0, 0.35, count)), 0.6, 2.5)
    strength = rng.uniform(0.3, 0.9, count)
    Spots(at, 1.5 * radius, strength).stamp(blood, maps, edge=0.75)
    Spots(at, radius, 0.16 * radius * strength).stamp(height, maps, edge=0.8)
    return True
