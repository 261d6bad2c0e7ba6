"""How much data each hash has to learn from: tiles, lightings, people."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.training.pixels import Pixels


@dataclass(frozen=True)
class Spread:
    """A number that differs from hash to hash.

    Attributes:
        median, tenth, least: the median, the 10th percentile and the smallest.
    """

    median: int
    tenth: int
    least: int

    @staticmethod
    def of(values: list[int]) -> "Spread":
        """Measure values; all 0 if there are none."""
        if not values:
            return Spread(0, 0, 0)
        middle, low, least = np.percentile(values, (50, 10, 0), method="lower")
        return Spread(int(middle), int(low), int(least))

    def __str__(self) -> str:
        return f"median {self.median:,}, one in ten below {self.tenth:,}, least {self.least:,}"


@dataclass(frozen=True)
class Coverage:
    """What there is to train with.

    Attributes:
        hashes: how many have any pixel.
        enough: how many have enough for an expert; the spreads are over these.
        share: of all pixels, those in such hashes.
        people: how many different ones, over all hashes; of a set with one fixed face, blocks of frames, each with
            cameras and lights of its own.
        tiles: traced tiles of a hash; those of mirrored heads count as well, here and everywhere.
        lightings: different set-ups of lights under which a hash was seen.
        seen: different people of whom a hash has tiles; or blocks.
        unit: what `people` and `seen` count, for sentences.
    """

    hashes: int
    enough: int
    share: float
    people: int
    tiles: Spread
    lightings: Spread
    seen: Spread
    unit: str = "people"

    def plain(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        spreads = {name: vars(getattr(self, name)) for name in ("tiles", "lightings", "seen")}
        return {
            "people": self.people,
            "hashes": self.hashes,
            "hashes_with_enough": self.enough,
            "pixels_with_enough": round(self.share, 4),
            "tiles_a_hash": spreads["tiles"],
            "lightings_a_hash": spreads["lightings"],
            "people_a_hash": spreads["seen"],
        }

    def __str__(self) -> str:
        return (
            f"{self.people:,} {self.unit}; {self.enough:,} of {self.hashes:,} hashes, {self.share:.1%} of the pixels, "
            f"have enough for an expert. Of these a hash has tiles: {self.tiles}; lightings: {self.lightings}; "
            f"{self.unit}: {self.seen}."
        )


def coverage(pixels: Pixels, min_pixels: int, min_people: int = 1, *, unit: str = "people") -> Coverage:
    """Measure training pixels, where an expert needs `min_pixels` of them, of `min_people` (named `unit`)."""
    present = pixels.hashes
    enough = pixels.with_enough(min_pixels, min_people)
    tiles = [pixels.sources(tile_hash).numpy() for tile_hash in enough]
    return Coverage(
        hashes=len(present),
        enough=len(enough),
        share=sum(map(pixels.count, enough)) / max(len(pixels), 1),
        people=int(pixels.person.max()) + 1,
        tiles=Spread.of([len(found) for found in tiles]),
        lightings=Spread.of([len(np.unique(found[:, 0])) for found in tiles]),
        seen=Spread.of([len(np.unique(found[:, 1])) for found in tiles]),
        unit=unit,
    )
