"""A picture of what a data set has: places of the face, directions of cameras and lights, people."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from app.arrays import F64

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from app.network.schema import HASH_BINS, channels, unpack
from app.scene.avatar.person import Person
from app.training.dataset import Dataset
from app.training.evaluate import UV_CELLS
from app.training.groups import toward
from app.training.manifest import SPLITS, FrameInfo, PersonInfo, split_of_number
from app.training.records import lights_of

COLORS = {"train": "#3b6ea8", "validation": "#e08a2c", "held-out": "#c0392b"}
UV_TILES = 3000  # of which the map over the UV square is made
HEAD_HEIGHT = 0.25  # metres, of a head to measure pictures with
STYLE: Any = {
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def plot_summary(data: Dataset, path: Path) -> None:
    """Draw a data set's summary.

    Args:
        data: the data set, with one frame at least.
        path: the PNG to write.

    Raises:
        InputError: a tile file is damaged.
        OSError: the picture cannot be written.
    """
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(17.0, 9.0), layout="constrained")
        rows = figure.add_gridspec(2, 1, hspace=0.06)
        above = rows[0].subgridspec(1, 4, wspace=0.05)
        below = rows[1].subgridspec(1, 3, width_ratios=(1.5, 1.5, 1.0), wspace=0.04)
        left, middle, ages, ancestry = (figure.add_subplot(above[column]) for column in range(4))
        cameras, lights, sizes = (figure.add_subplot(below[column]) for column in range(3))
        _title(figure, data)
        _uv_map(figure, left, data)
        _tiles_of_hashes(middle, data)
        _ages(ages, data.people)
        _ancestry(figure, ancestry, data.people)
        frames = list(data.frames.values())
        _sphere(cameras, "Directions of cameras", {s: _camera_angles(frames, s) for s in SPLITS})
        _sphere(lights, "Directions of lights", {s: _light_angles(data, s) for s in SPLITS})
        surroundings = sum(frame.environment is not None for frame in frames) / len(frames)
        lights.set_xlabel(f"degrees to the head's left; {surroundings:.0%} of the frames have surroundings, not shown")
        _head_sizes(sizes, frames)
        figure.savefig(path, dpi=110)
        plt.close(figure)


def _title(figure: Figure, data: Dataset) -> None:
    tiles = sum(map(data.count, data.hashes))
    people = len({person.seed for person in data.people.values()})
    width, height = data.spec.size
    name = data.path.resolve().name.encode(errors="replace").decode()  # it may be no UTF-8
    figure.suptitle(
        f"{name}:  {len(data.frames):,} frames of {width}x{height}, {data.spec.spp} spp,  "
        f"{f'{people:,} people' if people else 'one fixed face'},  {tiles:,} tiles in {len(data.hashes):,} hashes",
        x=0.01,
        ha="left",
        fontsize=13.0,
        fontweight="bold",
        parse_math=False,
    )


def _uv_map(figure: Figure, axis: Axes, data: Dataset) -> None:
    tiles = data.some_tiles(UV_TILES)
    uv = unpack(tiles["features"])[..., channels("uv")][tiles["mask"].astype(bool)]
    density, _, _ = np.histogram2d(uv[:, 1], uv[:, 0], UV_CELLS, ((0.0, 1.0), (0.0, 1.0)))
    share = np.ma.masked_equal(density / max(density.mean(), 1e-9), 0.0)
    image = axis.imshow(share, origin="lower", extent=(0, 1, 0, 1), cmap="magma", norm="log", vmin=0.05, vmax=20.0)
    ticks = np.arange(HASH_BINS + 1) / HASH_BINS
    axis.set(title="Where on the face the pixels lie", xlabel="u", ylabel="v", xticks=ticks[::2], yticks=ticks[::2])
    axis.set_xticks(ticks, minor=True)
    axis.set_yticks(ticks, minor=True)
    axis.grid(False)
    axis.grid(which="minor", color="white", alpha=0.35, linewidth=0.5)
    axis.tick_params(which="minor", length=0)
    axis.set_facecolor("#dddddd")
    bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02)
    bar.set_label("times the average; grey: none; lines: bins of the hash")


def _tiles_of_hashes(axis: Axes, data: Dataset) -> None:
    counts = np.sort([data.count(tile_hash) for tile_hash in data.hashes])[::-1]
    axis.set(title="Tiles a hash", xlabel="hashes, by number of tiles", ylabel="tiles")
    if len(counts):
        axis.fill_between(
            np.arange(len(counts)), counts, 0.5, step="post", color=COLORS["train"], alpha=0.8, linewidth=0
        )
        axis.set(yscale="log", xlim=(0, len(counts)), ylim=(0.5, counts[0] * 1.6))
        half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2.0)) + 1
        note = f"median {int(np.median(counts)):,} tiles\nhalf of all tiles are in {half} hashes"
        axis.text(0.97, 0.96, note, transform=axis.transAxes, ha="right", va="top")


def _ages(axis: Axes, people: Mapping[int, PersonInfo]) -> None:
    axis.set(title="Ages of people")
    if not people:
        _nobody(axis)
        return
    persons = _persons(people)
    found = {s: [p["person.age"] for p in persons if split_of_number(p.seed) == s] for s in SPLITS}
    shown = [split for split in SPLITS if found[split]]
    bins = np.arange(15.0, 96.0, 5.0)
    colors = [COLORS[split] for split in shown]
    axis.hist([found[split] for split in shown], bins=list(bins), stacked=True, color=colors, label=shown, rwidth=0.92)
    women = sum(person["person.gender"] < 0.5 for person in persons) / len(persons)
    axis.set(xlabel=f"years; {women:.0%} rather female, {1.0 - women:.0%} rather male", ylabel="people")
    _count_upwards(axis)
    axis.legend(loc="upper right")


def _ancestry(figure: Figure, axis: Axes, people: Mapping[int, PersonInfo]) -> None:
    axis.set(title="Ancestries of people")
    if not people:
        _nobody(axis)
        return
    persons = _persons(people)
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    places = np.array([person.ancestry for person in persons]) @ corners
    age = [person["person.age"] for person in persons]
    axis.fill(*corners.T, facecolor="#f4f4f2", edgecolor="#888888", linewidth=0.8, zorder=0)
    across, upwards = places.T
    dots = axis.scatter(
        across, upwards, c=age, cmap="viridis", s=22, alpha=0.85, vmin=16, vmax=90, linewidths=0, clip_on=False
    )
    names = (("African", -0.03), ("East Asian", -0.03), ("European", 0.03))
    for (x, y), (name, dy) in zip(corners, names, strict=True):
        axis.text(x, y + dy, name, ha="center", va="bottom" if dy > 0.0 else "top")
    axis.set(xlim=(-0.15, 1.15), ylim=(-0.12, 1.0), aspect="equal")
    axis.axis("off")
    figure.colorbar(dots, ax=axis, shrink=0.8, pad=0.02).set_label("years")


def _persons(people: Mapping[int, PersonInfo]) -> list[Person]:
    """Each person once, whatever expressions they have."""
    return [Person(info.values, info.seed) for info in {info.seed: info for info in people.values()}.values()]


def _nobody(axis: Axes) -> None:
    axis.axis("off")
    axis.text(0.5, 0.5, "one fixed face", transform=axis.transAxes, ha="center", va="center", color="#777777")


def _sphere(axis: Axes, title: str, angles: Mapping[str, F64]) -> None:
    """Scatter directions (n, 2), degrees (yaw, pitch), over the whole sphere; the face looks at (0, 0)."""
    largest = max(map(len, angles.values()))
    size = float(np.clip(6000.0 / max(largest, 1), 2.0, 26.0))
    for split, found in angles.items():
        if len(found):
            across, upwards = found.T
            label = f"{split} {len(found):,}"
            axis.scatter(across, upwards, s=size, color=COLORS[split], alpha=0.65, linewidths=0, label=label)
    axis.axvspan(-90, 90, color="#f4f4f2", zorder=0)
    axis.set(title=title, xlim=(-180, 180), ylim=(-90, 90), xticks=range(-180, 181, 45), yticks=range(-90, 91, 30))
    axis.set(xlabel="degrees to the head's left; grey: before the face", ylabel="degrees above")
    axis.set_aspect("equal")
    axis.legend(
        loc="lower right", ncols=3, bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, handletextpad=0.0, columnspacing=0.8
    )


def _camera_angles(frames: list[FrameInfo], split: str) -> F64:
    """(n, 2) of every camera of a split, once."""
    places = {tuple(f.camera["position"] + f.camera["target"]) for f in frames if f.split == split}
    ends = np.array(sorted(places), np.float64).reshape(-1, 6)
    return _angles(ends[:, :3] - ends[:, 3:])


def _light_angles(data: Dataset, split: str) -> F64:
    """(n, 2) of every lamp of a split, once, seen from the head."""
    center = data.head_center
    shown = [frame for frame in data.frames.values() if frame.split == split]
    found = {tuple(toward(light, center)[1]) for frame in shown for light in lights_of(frame.lights)}
    return _angles(np.array(sorted(found), np.float64).reshape(-1, 3))


def _angles(vectors: F64) -> F64:
    x, y, z = vectors.T
    found: F64 = np.degrees(np.stack([np.arctan2(x, z), np.arctan2(y, np.hypot(x, z))], axis=-1))
    return found


def _count_upwards(axis: Axes) -> None:
    """Whole numbers along y, and room for the legend."""
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_ylim(0.0, axis.get_ylim()[1] * 1.25)


def _head_sizes(axis: Axes, frames: list[FrameInfo]) -> None:
    shares: dict[str, dict[str, float]] = {split: {} for split in SPLITS}
    for frame in frames:
        camera = frame.camera
        height = 2.0 * math.dist(camera["position"], camera["target"]) * math.tan(camera["fov_y"] / 2.0)
        shares[frame.split][str(camera["position"])] = HEAD_HEIGHT / height
    shown = [split for split in SPLITS if shares[split]]
    values = [list(shares[split].values()) for split in shown]
    axis.hist(values, bins=24, stacked=True, color=[COLORS[split] for split in shown], label=shown, rwidth=0.92)
    degrees = np.degrees([frame.camera["fov_y"] for frame in frames])
    axis.set(
        title="Sizes of heads",
        xlabel=f"share of the picture's height (of a head of {100 * HEAD_HEIGHT:.0f} cm)\n"
        f"lenses of {degrees.min():.0f} to {degrees.max():.0f} degrees",
        ylabel="cameras",
    )
    _count_upwards(axis)
    axis.legend(loc="upper right")
