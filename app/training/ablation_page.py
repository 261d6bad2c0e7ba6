"""docs/ablation.md: the tables of the ablation, what they say, and a plot of them."""

import math
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from app.arrays import F64

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from app.passes.light_cache_layout import BLUR_TAPS
from app.training.ablation import (
    BLURRED,
    EVERYTHING,
    FACE,
    LIGHT_CACHE,
    MUCH,
    THROUGH,
    TOGETHER,
    Options,
    Scores,
    Variant,
)
from app.training.dataset import Dataset
from app.training.pixels import people_of
from app.training.recipe import recipe
from app.training.screen_space import TAPS
from app.training.train_options import TrainOptions

UV_SPACE = Variant("in UV space, by the light cache")
ON_SCREEN = Variant("on the screen", source=1)
NOT_BLURRED = Variant("not at all", BLURRED)
PLACES = (UV_SPACE, ON_SCREEN, NOT_BLURRED)
"""Where light is blurred: variants on a data set and the same set as `ScreenBlurred`."""
PASSES = {
    "light cache": "light cache",
    "gbuffer": "G-buffer",
    "triangles": "triangles",
    "tile_network": "tile network",
}


@dataclass(frozen=True)
class Costs:
    """What passes take.

    Attributes:
        measured: on what machine, drawing what, in words.
        passes: by name in PASSES {"median", "min", "max"} in ms; the light cache's a sample of all its points.
    """

    measured: str
    passes: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Screen:
    """The comparison of blurs.

    Attributes:
        data: complete frames.
        scores: of PLACES.
        pixel: median height of a pixel on the skin, metres.
    """

    data: Dataset
    scores: Scores
    pixel: float


def page(
    data: Dataset,
    scores: Mapping[str, Scores],
    options: Options,
    costs: Costs | str,
    screen: Screen | str,
    names: Sequence[Path],
    image: str,
) -> str:
    """The whole page.

    Args:
        data: what was trained and judged on.
        scores: of `ablation.compare`, by region.
        options: how the networks were trained.
        costs, screen: what was found, or a sentence that says why it was not measured.
        names: of the page, the data set and, if there was one, the set of complete frames, for the commands.
        image: where the plot lies, seen from the page.
    """
    face = scores[FACE]
    layers = "-".join(map(str, options.layers))
    out, made, *screens = (shlex.quote(str(name)) for name in names)
    complete = "".join(f" --screen {name}" for name in screens)
    recipes = [recipe(data, names[1])] + ([recipe(screen.data, names[2])] if isinstance(screen, Screen) else [])
    commands = "\n".join(f"    {line}" for line in recipes)
    mirrored = ", mirrored heads included" if data.people else ""
    full = TrainOptions()
    learned = options.steps * options.batch / (full.steps * full.batch)
    seeds = "1 seed" if options.seeds == 1 else f"mean of {options.seeds} seeds"
    about = (
        f"Data: {_described(data)}. One network {layers} for the whole face (no experts) a row, {options.steps:,} "
        f"steps of {options.batch:,} pixels, {seeds}; all rows with the same first weights, on the same pixels, under "
        f"the same mixtures of light. That is {learned:.1%} of what `bungyo train` gives a generalist: compare rows "
        f"with each other, not with other pages. All else is as there{mirrored}."
    )
    return f"""# What the features are worth

Every feature of the structured input ([formats.md](formats.md)) is dropped in turn, and some together: networks that
never had it are trained and judged beside one that has everything. `bungyo ablation` measures and writes all of this
page:

{commands}
    bungyo ablation --data {made}{complete} --steps {options.steps} --seeds {options.seeds} --out {out}

{_wrapped(about)}

## The table

{_table(scores, costs)}
{_legend(data, scores, costs)}

![Loss of every row.]({image})

## What it says

{verdict(face)}

## What passes take

{_passes(costs)}

## Blurring on the screen instead

{_screen(screen)}
"""


def _table(scores: Mapping[str, Scores], costs: Costs | str) -> str:
    face, through = scores[FACE], scores.get(THROUGH)
    headings = ["dropped", "dB", "lost, dB", *(["lost where light comes through, dB"] if through else []), "pass", "ms"]
    rows = [headings, ["---"] * len(headings)]
    for row, variant in enumerate(face.variants):
        name = variant.name if variant.name == EVERYTHING or variant.name in TOGETHER else f"`{variant.name}`"
        regions = [face, *([through] if through else [])]
        lost = [_doubtful(one, row) if row else "" for one in regions]
        rows.append([name, f"{face.db[row]:.2f}", *lost, *_source(variant, costs)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _source(variant: Variant, costs: Costs | str) -> tuple[str, str]:
    """The pass that makes what a variant goes without, and what all of that pass takes."""
    if not variant.dropped:
        return "", ""
    name = "light cache" if set(variant.dropped) <= set(LIGHT_CACHE) else "gbuffer"
    shadows = ", shadows by the light cache" if {"diffuse", "specular"} & set(variant.dropped) else ""
    cost = "–" if isinstance(costs, str) else _short(costs.passes[name]["median"])
    return PASSES[name] + shadows, cost


def _legend(data: Dataset, scores: Mapping[str, Scores], costs: Costs | str) -> str:
    face = scores[FACE]
    frames, clusters = len(face.pixels), len(np.unique(face.person))
    person, block = ("person", "block") if clusters == 1 else ("people", "blocks")
    whom = f"{clusters} {person} whom" if data.people else f"{clusters} {block} of the one face that"
    lines = [
        f"**dB**: PSNR of the display against the truth (`TruthError` in `app/training/metrics.py`) over the "
        f"{face.pixels.sum():,.0f} validation pixels together, {frames} frames of {whom} training did not see.",
        f"**Lost**: against the first row. ± is two standard errors of what other frames would change, to "
        f"first order.{_other_doubts(face, _clusters(data))}",
    ]
    if through := scores.get(THROUGH):
        lines.append(
            f"**Where light comes through**: pixels whose `transmission` is above {MUCH:.0%} of their `diffuse_wide`, "
            f"{through.pixels.sum() / face.pixels.sum():.1%} of all: thin parts against the light."
        )
    timed = "not measured" if isinstance(costs, str) else costs.measured
    lines += [
        f"**ms**: of the whole pass that makes the feature ({timed}), **shared by all features of that pass**: one "
        "launch makes them together, and no feature's own part can be timed. The light cache's are a sample of all its "
        "points (texels of the face, vertices of all else), only while lights or meshes change; at rest it costs "
        "nothing. The G-buffer's are every frame, with the look-ups into the cache.",
        "In one sample a point of the face traces a ray towards each light (shadows, for everything that shines), two "
        "for the environment and the light of other skin (the second gives `ambient_visibility`), and one inwards "
        "(`thickness`, `transmission`). Where the second finds what is not face (hair, eyes, teeth), one more goes "
        "from there to one of the lights. By count, not by time, the thin parts are one ray of (lights + 3), there of "
        "(lights + 4).",
        "**Dropped**: the network sees 0 for it and has nothing of it to mix the picture from. Its unit of light is "
        "the sum of the light features that are left: the renderer's own `light_scale` would tell of what is missing.",
    ]
    return "\n".join(_wrapped(line, "- ") for line in lines)


def _other_doubts(scores: Scores, clusters: str) -> str:
    ratio = scores.standard_error(by_person=True)[1:] / np.maximum(scores.standard_error()[1:], 1e-9)
    found = ""
    if np.isfinite(ratio).all():
        found += f" Leaving out whole {clusters} instead, it is {np.median(ratio):.1f} times that (median of the rows)."
    if math.isfinite(scores.between_seeds):
        found += f" From seed to seed a loss deviates by {scores.between_seeds:.2f} dB."
    return found


def limit(scores: Scores) -> F64:
    """(variants,) how many dB a loss must exceed to be told from chance: two standard errors.

    These are by frames, by people or by seeds, whichever is the largest.
    """
    seeds = np.full(len(scores.variants), scores.between_seeds / math.sqrt(len(scores.errors)))
    standard_errors = np.stack([scores.standard_error(), scores.standard_error(by_person=True), seeds])
    known = np.where(np.isfinite(standard_errors), standard_errors, 0.0).max(axis=0)
    return np.where(np.isfinite(standard_errors).any(axis=0), 2.0 * known, np.inf)


def verdict(scores: Scores) -> str:
    """Which features earn their place, which cannot be told, which do harm."""
    lost, least = scores.lost.mean(axis=0), limit(scores)
    order = sorted(range(1, len(lost)), key=lambda row: -lost[row])
    kinds = {
        "Worse without": [row for row in order if lost[row] > least[row]],
        "No difference that can be told from chance without": [row for row in order if abs(lost[row]) <= least[row]],
        "Better without, at this length of training": [row for row in order if lost[row] < -least[row]],
    }
    lines = []
    for kind, rows in kinds.items():
        if rows:
            listed = ", ".join(f"{scores.variants[row].name} ({lost[row]:+.2f})" for row in rows)
            lines.append(_wrapped(f"**{kind}** (dB lost): {listed}.", "- "))
    closing = (
        "A loss counts if it exceeds the doubts of frames, of people and of seeds, as far as there are several. A "
        "feature without a loss of its own may still be needed where others stand in for it: look at the rows that "
        "drop several."
    )
    lines.append("\n" + _wrapped(closing))
    return "\n".join(lines)


def _passes(costs: Costs | str) -> str:
    if isinstance(costs, str):
        return f"Not measured this time: {costs}"
    rows = ["| pass | median, ms | min | max |", "|---|---|---|---|"]
    for name, title in PASSES.items():
        if name in costs.passes:
            spread = costs.passes[name]
            when = ", the first sample of all points, while lights or meshes change" if name == "light cache" else ""
            rows.append(f"| {title}{when} | {' | '.join(_short(spread[key]) for key in ('median', 'min', 'max'))} |")
    return "\n".join(rows) + f"\n\n{costs.measured}, by the device's clock."


def _screen(screen: Screen | str) -> str:
    if isinstance(screen, str):
        return f"Not measured this time: {screen}"
    scores, widths = screen.scores, len(BLURRED)
    taps, texel_taps = 2 * (2 * TAPS + 1) * widths, 2 * (2 * BLUR_TAPS + 1)
    rows = ["| light blurred | dB | lost, dB | fetches |", "|---|---|---|---|"]
    fetches = (f"{texel_taps} a texel, while lights or meshes change", f"{taps} a pixel, every frame", "none")
    for row, (variant, cost) in enumerate(zip(PLACES, fetches, strict=True)):
        rows.append(f"| {variant.name} | {scores.db[row]:.2f} | {_doubtful(scores, row) if row else ''} | {cost} |")
    table = "\n".join(rows)
    about = f"Data: {_described(screen.data)}; a pixel is {1e3 * screen.pixel:.2f} mm of skin (median of the frames)."
    return f"""The usual alternative to the light cache: each pixel's own light, `diffuse` over albedo, is blurred on
the screen by the same two widths (`app/training/screen_space.py`), after Jimenez et al. 2015, and multiplied by the
pixel's albedo again. Here its results stand for `diffuse_narrow` and `diffuse_wide`, in training and in judging.

{_wrapped(about)}

{table}

{_wrapped(_choice(scores))}

- Fetches are counted, not timed: there is no shader for the screen. Both kinds read light and place.
- The screen does not see the light of skin that is hidden, turned away or outside the picture, nor, since the data know
  only pixels that show face, that of skin below hair. The light cache's blurred light also holds what other skin
  reflects; the pixels' own does not.
- Shadows come from the light cache in both rows. Without one, a pixel would have to trace its own rays, every frame.
"""


def _choice(scores: Scores) -> str:
    """What follows from the comparison of blurs."""
    row = PLACES.index(ON_SCREEN)
    lost, least = float(scores.lost[:, row].mean()), float(limit(scores)[row])
    if lost > least:
        return f"**UV space it is**: {lost:.2f} dB closer to the truth (doubt {least:.2f}), and free while lights rest."
    if lost >= -least:
        told = f"a difference of {lost:+.2f} dB cannot be told from chance (doubt {least:.2f})"
        return f"**UV space it is**: {told}, and it is free while lights rest and does not change with the camera."
    closer = f"the blur on the screen is {-lost:.2f} dB closer to the truth (doubt {least:.2f})"
    return f"**The screen wins by quality**: {closer}. UV space is cheaper: it is free while lights rest."


def plot(path: Path, data: Dataset, scores: Scores) -> None:
    """Draw the loss of every variant but the first as a PNG, with two standard errors by frames."""
    lost, standard_error = scores.lost.mean(axis=0)[1:], np.nan_to_num(scores.standard_error()[1:])
    variants = scores.variants[1:]
    colors = ["tab:orange" if set(variant.dropped) <= set(LIGHT_CACHE) else "tab:blue" for variant in variants]
    figure, axis = plt.subplots(figsize=(8.0, 0.32 * len(variants) + 1.2))
    axis.barh(range(len(variants)), lost, xerr=2.0 * standard_error, color=colors, ecolor="0.3", capsize=2)
    axis.set_yticks(range(len(variants)), [variant.name for variant in variants])
    axis.invert_yaxis()
    axis.axvline(0.0, color="black", linewidth=0.8)
    judged = f"dB against the truth, {_clusters(data)} not trained on"
    axis.set(title="Lost without (orange: from the light cache)", xlabel=judged)
    axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


def _doubtful(scores: Scores, row: int) -> str:
    lost, standard_error = float(scores.lost[:, row].mean()), float(scores.standard_error()[row])
    return f"{lost:+.2f}" + (f" ± {2.0 * standard_error:.2f}" if math.isfinite(standard_error) else "")


def _short(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100.0 else f"{milliseconds:.3g}"


def _wrapped(text: str, bullet: str = "") -> str:
    """A paragraph, or an item of a list, in lines of the usual length."""
    return textwrap.fill(
        bullet + text, 120, subsequent_indent=" " * len(bullet), break_long_words=False, break_on_hyphens=False
    )


def _clusters(data: Dataset) -> str:
    """What frames that stand or fall together have in common, see `people_of`."""
    return "people" if data.people else "blocks of frames"


def _described(data: Dataset) -> str:
    width, height = data.spec.size
    counts = [len({*people_of(data, split).values()}) for split in ("train", "validation")]
    whom = "people" if data.people else "blocks of frames of one fixed face"
    return (
        f"{len(data.frames)} frames of {width}x{height}, {whom}: {counts[0]} to learn from, {counts[1]} to judge by, "
        f"{data.spec.spp} samples a pixel in training frames"
    )
