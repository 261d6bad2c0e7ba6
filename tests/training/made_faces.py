"""Faces and networks made up so that seams can be worked out by hand."""

from collections.abc import Callable

import numpy as np

from app.arrays import F32
from app.network.layers import COLORS, MIXED, OUTPUTS
from app.network.schema import CHANNELS, HASH_BINS, TILE, channels, pack
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.training.face_image import FaceImage

SIZE = HASH_BINS * TILE  # pixels along a flat face: every tile shows one bin along u and one along v
TONE = 0.3  # radiance of a flat face
GRAIN, RIPPLE = 0.004, 0.003  # radiance by which a grainy one deviates


def flat_face(
    target: F32 | None = None, variance: float = 0.0, offset: tuple[float, float] = (0.0, 0.0), cluster: int = 0
) -> FaceImage:
    """A square skin that looks at the camera, SIZE pixels a side; uv grows with x and y.

    Args:
        target: (SIZE, SIZE, 3); None: TONE everywhere.
        variance: of the target.
        offset: pixels by which the skin lies to the right and downwards.
        cluster: whose it is.
    """
    place = (np.arange(SIZE) + 0.5) / SIZE
    features = np.zeros((SIZE, SIZE, CHANNELS), np.float32)
    uv = np.stack(np.broadcast_arrays(place - offset[0] / SIZE, place[:, None] - offset[1] / SIZE), axis=-1)
    features[..., channels("uv")] = uv
    features[..., channels("normal")] = 0.0, 0.0, 1.0
    features[..., channels(MIXED[0])] = 1.0  # so that the first three outputs are the picture
    shape = (SIZE, SIZE)
    face = (uv.min(axis=-1) >= 0.0) & (uv.max(axis=-1) < 1.0)
    return FaceImage(
        pack(features),
        np.ones(shape, np.float32),
        face,
        np.full((*shape, 3), TONE, np.float32) if target is None else target,
        np.full((*shape, 3), variance, np.float32),
        0.0,
        cluster,
    )


def grainy_face(seed: int, noise: float = 0.0) -> FaceImage:
    """A flat face whose truth is GRAIN above or below TONE, at random, and RIPPLE, on every other row and column.

    It is its person's only one. Its target is seen through `noise`, which is skewed as a path tracer's. From pixel to
    pixel the truth jumps by 2 RIPPLE along a whole line, and by the grain of two pixels.
    """
    rng = np.random.default_rng(seed)
    waves = np.where(np.arange(SIZE) % 2, RIPPLE, -RIPPLE)
    truth = TONE + (waves + waves[:, None])[..., None] + GRAIN * rng.choice([-1.0, 1.0], (SIZE, SIZE, 3))
    shape = (TONE / noise) ** 2 if noise else 1.0
    luck = noise * (rng.gamma(shape, 1.0, truth.shape) - shape) / np.sqrt(shape)
    return flat_face((truth + luck).astype(np.float32), noise**2, cluster=seed)


def constant_networks(offset: float, second: Callable[[int, int], bool]) -> WeightSet:
    """Networks that draw TONE (the generalist), TONE + offset and TONE - offset.

    Tiles of a flat face's own grid are drawn by the latter two, those that show more than one bin by the generalist.

    Args:
        offset: radiance.
        second: whether the tile (column, row) is drawn by the last one.
    """
    slots = np.zeros((3, OUTPUTS * (CHANNELS + 1)), np.float32)
    slots[:, -OUTPUTS:][:, :COLORS] = np.array([TONE, TONE + offset, TONE - offset])[:, None]
    table = np.zeros(HASHES, np.uint32)
    for row in range(HASH_BINS):
        for column in range(HASH_BINS):
            table[1 << column | 1 << (row + HASH_BINS)] = 2 if second(column, row) else 1
    return WeightSet((CHANNELS, OUTPUTS), slots, table)


def checkered(offset: float) -> WeightSet:
    """Constant networks in a checkered pattern: all four borders of a tile change the network."""
    return constant_networks(offset, lambda column, row: (column + row) % 2 == 1)


def striped(offset: float) -> WeightSet:
    """Constant networks in vertical stripes."""
    return constant_networks(offset, lambda column, _: column % 2 == 1)
