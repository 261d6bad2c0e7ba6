"""Tile hash and tile network on the GPU against their numpy twins."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.arrays import F32, U32, Bools
from app.gpu import CommandBuffer, Device
from app.network import schema, twin
from app.network.parameters import parameter_vectors
from app.network.shader import BLOCKS, DIRECT, Variant
from app.network.tile_hash import tile_hash, tile_list
from app.network.weights import WeightSet
from app.passes.network_pipeline import network_pipeline
from app.passes.tile_hash import MOST_GROUPS, TileHash
from app.passes.tile_network import TileNetwork
from app.passes.tile_radiance import Precision, TileRadiance
from app.passes.weight_store import WeightStore
from tests.conftest import REACHES, Reach

FLOATS = Variant()
UNTOUCHED = (9.0, 9.0, 9.0, 9.0)  # what pixels hold where nothing is drawn


@dataclass(frozen=True)
class Picture:
    """A G-buffer made up for a test: packed features (H, W, 16), depth and light_scale (H, W)."""

    words: U32
    depth: F32
    light_scale: F32

    @property
    def size(self) -> tuple[int, int]:
        return self.depth.shape[1], self.depth.shape[0]

    @property
    def features(self) -> U32:
        return schema.feature_buffer(self.words)

    @property
    def places(self) -> U32:
        return schema.place_buffer(self.features, self.surface)

    @property
    def surface(self) -> F32:
        return schema.surface_buffer(self.depth, self.light_scale)


def picture(width: int, height: int, face: Bools | float = 0.6, seed: int = 0) -> Picture:
    """Random features with a smooth uv; `face` is a mask or the share of the pixels that show it."""
    rng = np.random.default_rng(seed)
    channels = rng.normal(0, 1, (height, width, 32)).astype(np.float32)
    channels[np.abs(channels) < 2.0**-14] = 0.0  # what halves of these are is 0 to some drivers
    y, x = np.mgrid[0:height, 0:width]
    channels[..., 0], channels[..., 1] = (x / 90 + 0.3) % 1, (y / 70 + 0.8) % 1
    mask = face if isinstance(face, np.ndarray) else rng.random((height, width)) < face
    depth = np.where(mask, rng.uniform(0.3, 2, (height, width)), np.inf).astype(np.float32)
    return Picture(schema.pack(channels), depth, rng.uniform(0.2, 3, (height, width)).astype(np.float32))


def read_tiles(hashing: TileHash) -> U32:
    """The list that the last completed frame left: (n, 2) of (tile, hash), ascending by tile."""
    tiles = hashing.tiles.read(np.uint32, (hashing.tile_count, 2))
    counts = hashing.dispatch.read(np.uint32, (len(hashing.dispatches), 3))[:, 0]
    parts = [tiles[first : first + n] for (_, first), n in zip(hashing.dispatches, counts, strict=True)]
    listed: U32 = np.concatenate(parts)
    return listed[np.argsort(listed[:, 0])]


class Rig:
    """Both passes over one picture, recorded once."""

    def __init__(
        self,
        gpu: Device,
        weights: WeightSet,
        shown: Picture,
        kept: ExitStack,
        precision: Precision,
        variant: Variant,
        most_groups: int,
    ) -> None:
        width, height = shown.size
        self.gpu = gpu
        self.features = kept.enter_context(gpu.buffer(shown.features))
        self.surface = kept.enter_context(gpu.buffer(shown.surface))
        self.places = kept.enter_context(gpu.buffer(shown.places))
        self.radiance = kept.enter_context(TileRadiance(gpu, width, height, precision))
        self.hashing = TileHash(gpu, self.places, width, height, hash_scale=weights.hash_scale, most_groups=most_groups)
        kept.callback(self.hashing.close)
        self.network = TileNetwork(
            gpu, weights, self.hashing, self.features, self.surface, self.radiance, width, height, variant=variant
        )
        kept.callback(self.network.close)
        self.commands = self.record(1)
        kept.callback(self.commands.close)

    def record(self, frames: int) -> CommandBuffer:
        """Commands that draw so many frames one after the other."""
        with self.gpu.commands() as commands:
            for _ in range(frames):
                self.hashing.record(commands)
                commands.barrier()
                self.network.record(commands)
                commands.barrier()
        return commands

    def draw(self, shown: Picture | None = None) -> F32:
        """Draws (a new picture, if given) and returns the image (H, W, 4)."""
        if shown is not None:
            self.features.write(shown.features)
            self.surface.write(shown.surface)
            self.places.write(shown.places)
        self.radiance.write(UNTOUCHED)
        self.gpu.submit(self.commands)
        return self.radiance.read().astype(np.float32)


@contextmanager
def rig(
    gpu: Device,
    weights: WeightSet,
    shown: Picture,
    precision: Precision = "float",
    variant: Variant = FLOATS,
    most_groups: int = MOST_GROUPS,
) -> Iterator[Rig]:
    """Both passes, closed afterwards without a leak."""
    with TileRadiance(gpu, 1, 1) as first:  # the device keeps the staging buffer that reading needs
        first.write(0.0)
        first.read()
    before = gpu.live_objects
    with ExitStack() as kept:
        yield Rig(gpu, weights, shown, kept, precision, variant, most_groups)
    assert gpu.live_objects == before


def expected(weights: WeightSet, shown: Picture) -> F32:
    """The image as the twins draw it."""
    image = twin.draw(weights, shown.features, shown.surface, *shown.size)
    image[image[..., 3] == 0] = UNTOUCHED
    return image


def assert_drawn(drawn: npt.NDArray[Any], weights: WeightSet, shown: Picture) -> None:
    """Same pixels written, to the same values but for rounding: a driver may fuse multiply and add."""
    wanted = expected(weights, shown)
    # Relative to the pixel's sums, not to what is left of them after they cancel.
    size = np.maximum(np.abs(wanted).max(axis=-1, keepdims=True), 1)
    np.testing.assert_array_less(np.abs(drawn - wanted) / size, 1e-5)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (1, 1), (63, 50), (130, 47), (256, 16)])
@pytest.mark.parametrize("face", [1.0, 0.5, 0.002])
def test_hash_is_bit_exact(gpu: Device, width: int, height: int, face: float) -> None:
    shown = picture(width, height, face, seed=width)
    with rig(gpu, WeightSet.untrained((32, 15)), shown) as passes:
        passes.draw()
        count = passes.hashing.tile_count
        hashes = passes.hashing.hashes.read(np.uint32, (count,))
        listed = read_tiles(passes.hashing)
        dispatch = passes.hashing.dispatch.read(np.uint32, (3,))
    np.testing.assert_array_equal(hashes, tile_hash(shown.places))
    np.testing.assert_array_equal(listed, tile_list(shown.places))
    assert dispatch.tolist() == [len(listed), 1, 1]


@pytest.mark.parametrize("scale", [8, 5, 13])
def test_hash_at_the_edges_of_the_bins(gpu: Device, scale: int) -> None:
    # One tile a value, so that each shows its own bins: the seam, bin borders and their neighbours, garbage.
    borders = np.arange(9, dtype=np.float32) / 8
    values = np.concatenate([borders, np.nextafter(borders, -1), borders + 2**-11, [0.9998, -0.2, 1.5, 6e4]])
    words = schema.pack(np.zeros((16, 16 * len(values), 32), np.float32))
    words[..., 0] = np.repeat(np.stack([schema.to_half(values)] * 2, axis=-1).view(np.uint32)[:, 0], 16)
    words[0, 0, 0] = 0xFBFF7BFF  # the largest halves
    shown = Picture(words, np.ones(words.shape[:2], np.float32), np.ones(words.shape[:2], np.float32))
    weights = WeightSet.untrained((32, 15))
    weights = WeightSet(weights.layers, weights.slots, weights.table, hash_scale=scale)
    with rig(gpu, weights, shown) as passes:
        passes.draw()
        hashes = passes.hashing.hashes.read(np.uint32, (len(values),))
    np.testing.assert_array_equal(hashes, tile_hash(shown.places, scale))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (37, 21), (100, 70)])
def test_network_draws_what_the_twin_draws(gpu: Device, width: int, height: int) -> None:
    weights = WeightSet.untrained((32, 16, 16, 15), slots=37)
    shown = picture(width, height, seed=height)
    with rig(gpu, weights, shown) as passes:
        assert_drawn(passes.draw(), weights, shown)


@pytest.mark.parametrize(
    "layers", [(32, 15), (32, 4, 15), (32, 32, 32, 15), (32, 7, 18, 15), (32, 48, 20, 15), (32, 16, 16, 16, 16, 15)]
)
def test_network_of_any_width(gpu: Device, layers: tuple[int, ...]) -> None:
    weights = WeightSet.untrained(layers, seed=1, slots=5)
    shown = picture(40, 40, seed=4)
    with rig(gpu, weights, shown) as passes:
        assert_drawn(passes.draw(), weights, shown)


@pytest.mark.parametrize("block", [*BLOCKS, 4])
@pytest.mark.parametrize("layers", [(32, 28, 15), (32, 7, 18, 15)])
def test_blocks_of_any_size(gpu: Device, layers: tuple[int, ...], block: int) -> None:
    weights = WeightSet.untrained(layers, seed=2, slots=5)
    shown = picture(37, 21, seed=block)
    with rig(gpu, weights, shown, variant=Variant(block)) as passes:
        assert passes.network.variant == Variant(block)
        assert_drawn(passes.draw(), weights, shown)


@pytest.mark.parametrize("pixels", DIRECT)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 21), (70, 33)])
def test_weights_by_address(gpu: Device, pixels: int, width: int, height: int) -> None:
    # Small: a CPU's driver takes minutes to compile a large one.
    weights = WeightSet.untrained((32, 7, 15), seed=3, slots=5)
    shown = picture(width, height, seed=width)
    with rig(gpu, weights, shown, variant=Variant(direct=pixels)) as passes:
        assert_drawn(passes.draw(), weights, shown)


def test_network_too_large_to_stage_at_once(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 64, 64, 64, 15), slots=3)
    shown = picture(50, 20, seed=6)
    with rig(gpu, weights, shown) as passes:
        assert_drawn(passes.draw(), weights, shown)


def test_only_face_pixels_are_written(gpu: Device) -> None:
    face = np.zeros((50, 50), np.bool_)
    face[15:17, 15:40] = True  # across the corners of tiles
    face[49, 49] = True  # the last pixel of a tile that the image cuts
    weights = WeightSet.untrained((32, 8, 15), slots=4)
    shown = picture(50, 50, face)
    with rig(gpu, weights, shown) as passes:
        drawn = passes.draw()
        assert len(read_tiles(passes.hashing)) == 7
    np.testing.assert_array_equal((drawn[..., 3] == 1), face)
    assert (drawn[~face] == UNTOUCHED).all()
    assert_drawn(drawn, weights, shown)


def test_surface_beyond_the_image_is_not_drawn(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15))
    shown = picture(20, 20, face=1.0)
    with rig(gpu, weights, shown) as passes:
        surface = shown.surface.copy()
        surface[:, 0] = 1.0  # a G-buffer that marks pixels outside the image as face
        passes.surface.write(surface)
        drawn = passes.draw()
    assert_drawn(drawn, weights, shown)


def test_no_face_at_all(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15))
    shown = picture(40, 30, face=0.0)
    with rig(gpu, weights, shown) as passes:
        drawn = passes.draw()
        assert passes.hashing.dispatch.read(np.uint32, (3,)).tolist() == [0, 1, 1]
        assert not passes.hashing.hashes.read(np.uint32, (6,)).any()
    assert (drawn == UNTOUCHED).all()


def test_frames_do_not_add_up(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15), slots=9)
    first, second, empty = (
        picture(60, 40, seed=1),
        picture(60, 40, face=0.01, seed=2),
        picture(60, 40, face=0.0),
    )
    with rig(gpu, weights, first) as passes:
        for shown in (first, first, second, empty, first):
            assert_drawn(passes.draw(shown), weights, shown)


def test_frames_in_one_submission(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15), slots=9)
    shown = picture(60, 40, seed=1)
    with rig(gpu, weights, shown) as passes:
        commands = passes.record(3)
        passes.radiance.write(UNTOUCHED)
        gpu.submit(commands)
        assert_drawn(passes.radiance.read(), weights, shown)
        assert len(read_tiles(passes.hashing)) == 12
        assert {"tile_hash", "tile_network"} <= set(commands.timings())
        commands.close()


def test_an_untrained_hash_is_drawn_by_the_generalist(gpu: Device) -> None:
    shown = picture(64, 64, face=1.0)
    several = WeightSet.untrained((32, 8, 15), slots=3)
    hashes = tile_hash(shown.places)
    table = np.zeros(65536, np.uint32)
    table[hashes[0]], table[hashes[5]] = 2, 1
    weights = WeightSet(several.layers, several.slots, table)
    with rig(gpu, weights, shown) as passes:
        drawn = passes.draw()
    assert_drawn(drawn, weights, shown)
    generalist = WeightSet(several.layers, several.slots, np.zeros_like(table))
    same = (drawn == expected(generalist, shown)).all(axis=-1)
    tiles = schema.to_tiles(same).all(axis=1)
    np.testing.assert_array_equal(tiles, ~np.isin(hashes, hashes[[0, 5]]))


def many_networks(slots: int, seed: int = 0) -> WeightSet:
    """Random networks of the shipped widths, and a table that sends every hash to a random one."""
    weights = WeightSet.untrained(seed=seed, slots=slots)
    table = np.random.default_rng(seed).integers(0, slots, 65536, np.uint32)
    return WeightSet(weights.layers, weights.slots, table)


def scattered_tiles(width: int, height: int, seed: int = 0) -> Picture:
    """A picture that is all face, every tile of which shows a few places anywhere: nearly as many hashes as tiles."""
    shown, rng = picture(width, height, face=1.0, seed=seed), np.random.default_rng(seed)
    channels = schema.unpack(shown.words)
    for y in range(0, height, 16):
        for x in range(0, width, 16):
            tile = channels[y : y + 16, x : x + 16, :2]
            bins = rng.choice(8, (2, rng.integers(1, 8)))
            for axis in range(2):
                tile[..., axis] = (rng.choice(bins[axis], tile.shape[:2]) + 0.5) / 8
    return Picture(schema.pack(channels), shown.depth, shown.light_scale)


def test_thousands_of_networks(gpu: Device) -> None:
    """Every tile with the right one of 2,500, the last one included."""
    weights, shown = many_networks(2500), scattered_tiles(320, 304)
    hashes = tile_hash(shown.places)
    weights.table[hashes[7]] = 2499
    assert len(np.unique(weights.table[hashes])) > 300
    with rig(gpu, weights, shown) as passes:
        assert_drawn(passes.draw(), weights, shown)


def test_more_networks_than_can_be_bound(gpu: Device) -> None:
    """They are reached by address: 2**27 bytes, all that every device binds as a storage buffer, are no limit."""
    few = many_networks(2)
    many = 2**27 // (parameter_vectors(few.layers) * 16) + 1
    weights = WeightSet(few.layers, np.broadcast_to(few.slots[:1], (many, few.slots.shape[1])).copy(), few.table)
    weights.slots[-1] = few.slots[1]
    weights.table[:] = many - 1
    shown = scattered_tiles(48, 32)
    with rig(gpu, weights, shown) as passes:
        assert_drawn(passes.draw(), weights, shown)


def store(gpu: Device, weights: WeightSet) -> WeightStore:
    return WeightStore(gpu, weights, lambda some: network_pipeline(gpu, some, "float"))


@pytest.mark.parametrize("reach", REACHES)
def test_other_weights_take_the_place(gpu: Device, reach: Reach, reach_memory: Callable[[Reach], None]) -> None:
    """Sets of the same widths go to and fro between two places; larger ones and other widths get a new one."""
    reach_memory(reach)
    shown = scattered_tiles(64, 48)
    sets = [many_networks(slots, seed) for slots, seed in ((30, 1), (30, 2), (7, 3), (2000, 4), (30, 5))]
    sets.insert(3, WeightSet.untrained((32, 8, 15), slots=9))
    with TileRadiance(gpu, 64, 48, "float") as radiance, ExitStack() as kept:
        features, surface, places = (
            kept.enter_context(gpu.buffer(data)) for data in (shown.features, shown.surface, shown.places)
        )
        radiance.write(UNTOUCHED)
        radiance.read()
        before = gpu.live_objects
        networks = store(gpu, sets[0])
        hashing = TileHash(gpu, places, 64, 48)
        network = TileNetwork(gpu, networks.current, hashing, features, surface, radiance, 64, 48)
        for weights in (sets[0], *sets[1:], sets[0]):
            if weights is not networks.current.weights:
                made = gpu.objects_made["VkDeviceMemory"]
                ready = networks.prepare(weights)
                grown = len(weights.slots) in (9, 2000)
                networks.use(ready)
                replaced = network.use(ready)
                assert replaced is not None
                replaced.close()  # nothing recorded with it runs any more
                if weights in sets[2:3]:  # the third set finds the first one's place
                    assert gpu.objects_made["VkDeviceMemory"] == made
                assert not grown or gpu.objects_made["VkDeviceMemory"] > made
            with gpu.commands(reusable=False) as commands:
                hashing.record(commands)
                commands.barrier()
                network.record(commands)
                commands.barrier()
            radiance.write(UNTOUCHED)
            gpu.submit(commands)
            commands.close()
            assert_drawn(radiance.read().astype(np.float32), weights, shown)
        with pytest.raises(ValueError, match="prepared last"):
            networks.use(networks.current)
        for thing in (network, hashing, networks):
            thing.close()
        assert {kind: count for kind, count in gpu.live_objects.items() if count > before.get(kind, 0)} == {}


def test_doubling_the_light_scale_doubles_the_radiance(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 8, 15))
    shown = picture(30, 30)
    twice = Picture(shown.words, shown.depth, 2 * shown.light_scale)
    with rig(gpu, weights, shown) as passes:
        once, doubled = passes.draw(shown), passes.draw(twice)
    face = np.isfinite(shown.depth)
    np.testing.assert_array_equal(doubled[face, :3], 2 * once[face, :3])


def test_hash_scale_must_be_the_weights(gpu: Device) -> None:
    weights = WeightSet.untrained((32, 15))
    shown = picture(16, 16)
    with (
        gpu.buffer(shown.features) as features,
        gpu.buffer(shown.surface) as surface,
        gpu.buffer(shown.places) as places,
        TileRadiance(gpu, 16, 16) as radiance,
    ):
        hashing = TileHash(gpu, places, 16, 16, hash_scale=4)
        with pytest.raises(ValueError, match="hash scale 8"):
            TileNetwork(gpu, weights, hashing, features, surface, radiance, 16, 16)
        hashing.close()


@pytest.mark.parametrize("face", [1.0, 0.5, 0.002, 0.0])
@pytest.mark.parametrize("most_groups", [1, 7, 20, 64])
def test_more_tiles_than_a_dispatch_has_groups(gpu: Device, face: float, most_groups: int) -> None:
    """The list is as long as ever, and every tile of it is drawn, by several dispatches."""
    weights = WeightSet.untrained((32, 8, 15), slots=5)
    shown = picture(70, 53, face, seed=3)  # 20 tiles
    wanted = tile_list(shown.places)
    with rig(gpu, weights, shown, most_groups=most_groups) as passes:
        for _ in range(2):
            assert_drawn(passes.draw(), weights, shown)
        np.testing.assert_array_equal(read_tiles(passes.hashing), wanted)
        np.testing.assert_array_equal(passes.hashing.hashes.read(np.uint32, (20,)), tile_hash(shown.places))
        records = passes.hashing.dispatch.read(np.uint32, (-(-20 // most_groups), 3))
    parts = np.bincount(wanted[:, 0] // most_groups, minlength=len(records))
    np.testing.assert_array_equal(records[:, 0], parts)
    assert (records[:, 1:] == 1).all()


def test_a_picture_of_more_tiles_than_a_dispatch_has_groups(gpu: Device) -> None:
    """As wide as a window over two large screens; all but a few tiles of it are empty."""
    width, height = 6016, 3384
    tiles_x, tiles_y = schema.tile_grid(width, height)
    assert tiles_x * tiles_y > MOST_GROUPS
    places = np.full((tiles_x * tiles_y, schema.TILE_PIXELS), schema.NO_FACE, np.uint32)
    shown = [0, 1, MOST_GROUPS - 1, MOST_GROUPS, tiles_x * tiles_y - 1]
    places[shown, 17] = 0x3800_3400
    with gpu.buffer(places) as buffer:
        hashing = TileHash(gpu, buffer, width, height)
        with gpu.commands(reusable=False) as commands:
            hashing.record(commands)
            commands.barrier()
        gpu.submit(commands)
        assert hashing.dispatches == ((0, 0), (12, MOST_GROUPS))
        listed = read_tiles(hashing)
        np.testing.assert_array_equal(listed[:, 0], shown)
        np.testing.assert_array_equal(listed[:, 1], tile_hash(places[shown]))
        assert hashing.dispatch.read(np.uint32, (2, 3)).tolist() == [[3, 1, 1], [2, 1, 1]]
        commands.close()
        hashing.close()
