"""Hashes borrow the expert of the hash most like theirs, unless people say that it is wrong there."""

import numpy as np

from app.network.layers import MIXED, parameter_count
from app.network.schema import channels
from app.network.tile_hash import HASHES
from app.network.weights import WeightSet
from app.training.lending import lend, most_alike
from app.training.pixels import Pixels

OWNER, ALIKE, UNLIKE_IT, FAR, BEYOND = 0x0101, 0x0103, 0x0301, 0x0303, 0x0307  # bins of v, bins of u
GENERAL, SPECIAL = 0.24, 0.3
COUNT = 4000
LAYERS = (32, 15)


def networks(*experts: int) -> WeightSet:
    """A generalist that draws GENERAL, and experts that draw SPECIAL."""
    slots = np.zeros((1 + len(experts), parameter_count(LAYERS)), np.float32)
    slots[:, -15:-12] = SPECIAL  # nothing but biases
    slots[0, -15:-12] = GENERAL
    table = np.zeros(HASHES, np.uint32)
    table[list(experts)] = np.arange(1, 1 + len(experts))
    return WeightSet(LAYERS, slots, table)


def pixels(**truth: float) -> Pixels:
    """Grey pixels of eight people under unit light, with gamma noise."""
    hashes = {int(name, 16): value for name, value in truth.items()}
    count, deviation = COUNT * len(hashes), 0.1
    shape = (GENERAL / deviation) ** 2
    luck = np.random.default_rng(0).gamma(shape, 1.0 / shape, (count, 3)).astype(np.float32)
    features = np.zeros((count, 32), np.float16)
    features[:, channels(MIXED[0])] = 1.0  # so that the first three outputs are the picture
    noise = np.full((count, 3), deviation**2, np.float16)
    arrays = (
        features,
        np.ones(count, np.float32),
        luck * np.repeat(np.array(list(hashes.values()), np.float32), COUNT)[:, None],
        noise,
        noise.copy(),
        np.arange(count, dtype=np.int32),
        np.arange(count, dtype=np.int32) % 8,
    )
    return Pixels.of(arrays, {h: (COUNT * i, COUNT * (i + 1)) for i, h in enumerate(hashes)}, 1.0, {})


def test_the_most_alike_hash_lends() -> None:
    found = most_alike(np.array([OWNER, 0x8080, 0x0181], np.uint32))
    assert found[OWNER] == OWNER and found[ALIKE] == OWNER and found[FAR] == OWNER and found[BEYOND] == 0
    assert found[0x8081] == 0x8080  # two bins of three, against two of four
    assert found[0x0185] == 0x0181
    assert found[0] == 0
    assert most_alike(np.array([0x0102, 0x0101], np.uint32))[ALIKE] == 0x0101  # of equals, the lowest


def test_people_refuse_what_is_wrong_for_them() -> None:
    networks_before = networks(OWNER, 0x8080)
    validation = pixels(**{hex(ALIKE): SPECIAL, hex(UNLIKE_IT): GENERAL, hex(BEYOND): SPECIAL})
    lent = lend(networks_before, validation)
    assert lent.table[OWNER] == lent.table[ALIKE] == lent.table[FAR] == 1  # nobody has seen the last
    assert lent.table[UNLIKE_IT] == lent.table[BEYOND] == lent.table[0] == 0
    assert lent.table[0xC080] == 2
    assert lent.metadata["lent"]["refused"] == [f"0x{UNLIKE_IT:04x}"]
    assert lent.metadata["lent"]["hashes"] == len(lent.hashes) - 2
    assert lent.experts == 2 and np.array_equal(lent.slots, networks_before.slots)


def test_what_a_hash_owns_nobody_refuses() -> None:
    """Whether its own expert is any good has been decided before, on more pixels than these."""
    validation = pixels(**{hex(OWNER): GENERAL, hex(UNLIKE_IT): GENERAL})
    lent = lend(networks(OWNER), validation)
    assert lent.table[OWNER] == 1 and lent.metadata["lent"]["refused"] == [f"0x{UNLIKE_IT:04x}"]


def test_without_experts_nothing_is_lent() -> None:
    alone = networks()
    assert lend(alone, pixels(**{hex(ALIKE): SPECIAL})) is alone
