"""Teacher data from the GPU: features and target of the same points, and both linear in the lights."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.arrays import F32
from app.gpu import Device
from app.network.schema import LIGHT_CHANNELS, unpack
from app.network.weights import WeightSet
from app.scene.assets import ASSETS
from app.scene.camera import Camera
from app.scene.environment import Environment
from app.scene.lights import AreaLight, DirectionalLight, Light, PointLight
from app.scene.model import Material, Part, Scene
from app.training.at_rest import judge_at_rest
from app.training.avatars import Avatars
from app.training.dataset import Dataset
from app.training.frame_source import GpuFrameSource
from app.training.frames import Plan, TileSelection, make_again
from app.training.generate import Here, generate
from app.training.manifest import BLOCK, GATHERING, GATHERING_VERSION, TileBatch, block_of
from app.training.metrics import plain_shading
from app.training.situations import lobe_map
from app.weight_sets import DEFAULT_WEIGHTS
from tests.primitives import quad, uv_sphere
from tests.training.sphere_source import SpherePeople

SIZE = (72, 56)  # no multiple of a tile
EVERYTHING = TileSelection(1.0, 0)
CAMERA = Camera(position=(0.1, 0.05, 0.5), target=(0.0, 0.0, 0.0), fov_y=0.5)
KEY = DirectionalLight((-1.0, -0.5, -1.0), (1.0, 0.8, 0.6), 3.0, 0.1)
LAMP = PointLight((-0.4, 0.3, 0.4), (0.5, 0.7, 1.0), 0.4, 0.02)
SKY = Environment(lobe_map([0.3] * 3, [{"axis": [0.0, 1.0, 0.0], "color": [0.4, 0.5, 0.9], "sharpness": 3.0}]))


pytestmark = pytest.mark.usefixtures("gpu")


@pytest.fixture(scope="module")
def source(session_device: Device) -> Iterator[GpuFrameSource]:
    skin = Material("skin", (0.6, 0.4, 0.3), roughness=0.5, subsurface=0.0)
    scene = Scene((Part("head", uv_sphere(0.1, 48, 64), skin, face=True),))
    with GpuFrameSource(session_device, scene, cache_size=32) as made:
        yield made


def render(
    source: GpuFrameSource,
    lights: tuple[Light, ...],
    environment: Environment | None = None,
    spp: int = 64,
    seed: int = 0,
) -> TileBatch:
    return source.render(
        CAMERA, lights, environment, size=SIZE, spp=spp, jitter=(0.2, -0.3), seed=seed, selection=EVERYTHING
    )


def light_in(tiles: TileBatch) -> F32:
    """The light features in their own units, of the face's pixels."""
    values = unpack(tiles.features)[..., LIGHT_CHANNELS] * tiles.light_scale[..., None]
    return np.asarray(values[tiles.mask], np.float32)


def test_skin_behind_what_is_blended_has_its_share_of_the_samples(session_device: Device) -> None:
    """None of them twice; the others show what hides it."""
    skin = Material("skin", (0.6, 0.4, 0.3), roughness=0.5, subsurface=0.0)
    sheet = quad((0.0, 0.0, 0.15), edge_u=(0.3, 0.0, 0.0), edge_v=(0.0, 0.3, 0.0))
    tiles, counts = [], []
    for opacity in (0.0, 0.5):
        veil = Material("hair", (0.0, 0.0, 0.0), opacity=opacity, alpha_mode="blend")
        parts = Part("head", uv_sphere(0.1, 48, 64), skin, face=True), Part("hair", sheet, veil)
        with GpuFrameSource(session_device, Scene(parts), cache_size=32) as source:
            tiles.append(render(source, (KEY,)))
            counts.append(source._reference.read_samples())
    bare, veiled = tiles
    np.testing.assert_array_equal(veiled.mask, bare.mask)
    seen = counts[0] > 0
    assert (counts[0][seen] == 64).all()
    assert abs(counts[1][seen].mean() - 32.0) < 1.0 and counts[1][seen].std() < 5.0  # binomial: 32 and 4
    assert np.isfinite(veiled.variance[veiled.mask]).all()


@pytest.mark.parametrize("most", [1, 256 * 3, 256 * 20])
def test_large_frames_are_traced_in_parts(source: GpuFrameSource, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tile at a time, a few, or all with fewer samples: they come to the same."""
    whole = render(source, (KEY,), spp=7)
    assert len(whole) > 6
    monkeypatch.setattr("app.training.frame_source.SAMPLES_OF_ALL_PER_SUBMIT", most)
    parts = render(source, (KEY,), spp=7)
    for name in ("features", "mask", "target", "variance"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)


def test_a_matte_ball_is_what_its_features_say(source: GpuFrameSource) -> None:
    """Without scattering below the surface, plain shading of the features is the target, but for Fresnel's share."""
    tiles = render(source, (KEY,))
    assert len(tiles) and tiles.hashes.min() > 0 and tiles.tile_xy.max(axis=0).tolist() <= [4, 3]
    shaded = plain_shading(unpack(tiles.features), tiles.light_scale)[tiles.mask]
    target, variance = tiles.target[tiles.mask], tiles.variance[tiles.mask]
    assert np.isfinite(target).all() and np.isfinite(variance).all()
    lit = shaded[:, 0] > 0.3
    assert lit.sum() > 300
    ratio = target[lit] / shaded[lit]
    assert 0.85 < np.median(ratio) < 1.05
    # A picture shifted by a single pixel would not correlate like this.
    assert np.corrcoef(target[:, 0], shaded[:, 0])[0, 1] > 0.99


def test_light_adds_up(source: GpuFrameSource) -> None:
    """Features and targets under A and B together are those under A plus those under B: training mixes them so."""
    first, second, both = render(source, (KEY,)), render(source, (), SKY, seed=1), render(source, (KEY,), SKY, seed=2)
    np.testing.assert_array_equal(first.mask, both.mask)
    np.testing.assert_array_equal(first.hashes, second.hashes)
    geometry = [unpack(tiles.features)[tiles.mask][:, ~LIGHT_CHANNELS] for tiles in (first, second, both)]
    np.testing.assert_array_equal(geometry[0], geometry[1])
    np.testing.assert_array_equal(geometry[0], geometry[2])
    np.testing.assert_allclose(light_in(first) + light_in(second), light_in(both), rtol=4e-3, atol=4e-3)
    scale = (first.light_scale + second.light_scale)[both.mask]
    np.testing.assert_allclose(scale, both.light_scale[both.mask], rtol=1e-3)
    deviation = np.sqrt(first.variance + second.variance + both.variance)[both.mask] + 1e-4
    z = (first.target + second.target - both.target)[both.mask] / deviation
    assert abs(z.mean()) < 0.1  # some thousand values: 0.1 would be more than five deviations
    assert np.mean(np.abs(z) > 3.0) < 0.02


def test_same_seed_same_tiles_whatever_came_before(source: GpuFrameSource) -> None:
    first = render(source, (KEY, LAMP), spp=9)
    render(source, (AreaLight(),), SKY, spp=1, seed=5)
    again = render(source, (KEY, LAMP), spp=9)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name), err_msg=name)
    other = render(source, (KEY, LAMP), spp=9, seed=1)
    np.testing.assert_array_equal(first.mask, other.mask)
    assert not np.array_equal(first.target, other.target)


def test_selected_tiles_are_those_of_the_whole_picture(source: GpuFrameSource) -> None:
    whole = render(source, (KEY,), spp=2)
    some = source.render(
        CAMERA, (KEY,), None, size=SIZE, spp=2, jitter=(0.2, -0.3), seed=0, selection=TileSelection(0.4, 3)
    )
    assert 0 < len(some) < len(whole)
    places = {tuple(xy): i for i, xy in enumerate(whole.tile_xy.tolist())}
    rows = [places[tuple(xy)] for xy in some.tile_xy.tolist()]
    for name in ("features", "light_scale", "mask", "hashes", "target"):
        np.testing.assert_array_equal(getattr(whole, name)[rows], getattr(some, name), err_msg=name)


def test_a_data_set_from_the_gpu(source: GpuFrameSource, tmp_path: Path) -> None:
    assert generate(Here(source), tmp_path / "set", Plan(1, size=(64, 64)), 3) == 3
    data = Dataset(tmp_path / "set")
    tiles = np.concatenate([data.tiles(h) for h in data.hashes])
    assert len(tiles) and tiles["mask"].any() and np.isfinite(tiles["target"]).all()
    assert all(frame.dropped_pixels == 0 for frame in data.frames.values())


def resident() -> float:
    """Memory of this process, MB."""
    return float(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024.0  # type: ignore[index]


def test_another_head_leaves_nothing_of_the_last_one(session_device: Device) -> None:
    people = SpherePeople()
    with GpuFrameSource(session_device, people, cache_size=32) as source:
        counts, memory, bounds = [], [], []
        for seed in range(8):
            source.show(people.draw(seed, seed))
            tiles = render(source, (KEY,), SKY if seed % 2 else None, spp=1)
            assert len(tiles)
            bounds.append(source.bounds[1, 1])
            counts.append(dict(session_device.live_objects))
            memory.append(resident())
        assert len(set(bounds)) == 8
        assert counts[-2:] == counts[-4:-2]
        assert max(memory[4:]) < memory[3] + 25.0
    first = dict(session_device.live_objects)
    with GpuFrameSource(session_device, people, cache_size=32) as source:
        source.show(people.draw(0, 0))
    assert dict(session_device.live_objects) == first


def test_frames_of_people_are_made_again_bit_by_bit(session_device: Device, tmp_path: Path) -> None:
    """By another source, in another order, from the manifest alone."""
    maps = sorted((ASSETS / "environments").glob("*.exr"))[:1]
    plan = Plan(2, seed=2, size=(64, 64), tile_fraction=0.7, environments=tuple(maps))
    with GpuFrameSource(session_device, SpherePeople(), cache_size=32) as source:
        generate(Here(source), tmp_path / "set", plan, 2 * BLOCK)
    data = Dataset(tmp_path / "set")
    kinds = {(f.environment or {}).get("kind") for f in data.frames.values()}
    assert kinds == {None, "file", "lobes"}
    stored = np.concatenate([data.tiles(h) for h in data.hashes])
    with GpuFrameSource(session_device, SpherePeople(), cache_size=32) as source:
        for index in reversed(data.frames):
            again = make_again(source, data.spec, data.frames[index], data.people[block_of(index)], maps)
            records = again.records(index)[np.argsort(again.hashes, kind="stable")]
            theirs = stored[stored["frame"] == index]
            assert len(records) and records.tobytes() == theirs.tobytes()


def test_avatars_are_shown_and_made_again(session_device: Device, tmp_path: Path) -> None:
    """A random person of the avatar generator, bit for bit the same after somebody else was shown."""
    avatars, plan, before = Avatars(), Plan(1, seed=1, size=(64, 64), tile_fraction=0.3), resident()
    with GpuFrameSource(session_device, avatars, cache_size=32) as source:
        generate(Here(source), tmp_path / "set", plan, 1)
        source.show(avatars.draw(2, 3))
        data = Dataset(tmp_path / "set")
        again = make_again(source, data.spec, data.frames[0], data.people[0])
        assert data.spec.scene[GATHERING] == source.description[GATHERING] == GATHERING_VERSION
    weights, shown = WeightSet.load(DEFAULT_WEIGHTS), list(data.frames.values())
    with GpuFrameSource(session_device, avatars, cache_size=32, light_samples=4) as source:
        (rest,) = judge_at_rest(weights, data, source, shown, size=(64, 64), places=2, samples=4).frames
    assert rest.pixels > 100 and rest.psnr > 20.0
    stored = np.concatenate([data.tiles(h) for h in data.hashes])
    records = again.records(0)[np.argsort(again.hashes, kind="stable")]
    assert len(records) and records.tobytes() == stored.tobytes()
    assert resident() < before + 500.0  # whatever tests before this one left in the process
