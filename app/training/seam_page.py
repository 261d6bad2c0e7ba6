"""docs/seams.md: the table of cures, what was measured on what, and a picture of it."""

import math
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from app.arrays import F32, U8
from app.network.layers import OUTPUTS, flops, parameter_count
from app.network.schema import TILE
from app.network.weights import WeightSet
from app.scene.tonemap import tonemap
from app.sheet import arrange
from app.training.cures import AS_IS, CURES, GENERALIST, MOVE, Cure, Effect, Painter
from app.training.dataset import Dataset
from app.training.face_image import FaceImage
from app.training.manifest import block_of
from app.training.orbit import FRAMES, ORBITS, SIZE, SPP, STEP
from app.training.recipe import recipe
from app.training.seams import LEVELS

FIGURE = 1.1  # the highest ratio, of seams and of flicker, at which nobody can tell
CROP, ZOOM, AMPLIFIED = 64, 4, 8.0  # pixels along a crop, screen pixels of one of them, times a difference is shown
BLENDED = next(cure for cure in CURES if cure.band == TILE // 2)
PICTURED = (AS_IS, *(cure for cure in CURES if cure.reach == 0.5 or cure.band == 2 or cure.grids == 8), BLENDED)
HEADINGS = (
    "",
    "seam ratio",
    "line ratio",
    "step",
    "moved grid",
    "gain, dB",
    "flicker",
    "of areas",
    "networks",
    "a tile",
    "frames",
)


def table(effects: Sequence[Effect]) -> str:
    """All cures as a Markdown table; ratios that meet their figure are bold."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(_row, effects)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(effect: Effect) -> tuple[str, ...]:
    return (
        effect.cure.name,
        *(_figure(*one) for one in _seams(effect)),
        _doubtful(effect.seams.step, effect.seams.step_deviation),
        f"{effect.shift.mean:.2f} / {effect.shift.p95:.2f}",
        _doubtful(effect.gain, effect.standard_error),
        *([_figure(*one) for one in _flicker(effect)] or ("–", "–")),
        f"{effect.cost.networks:.2f}",
        f"{effect.cost.loaded:.2f}",
        str(effect.cure.grids),
    )


def _seams(effect: Effect) -> list[tuple[float, float]]:
    """The ratios of seams that have a figure to meet, and their standard errors."""
    return [(effect.seams.ratio, effect.seams.deviation), (effect.seams.line_ratio, effect.seams.line_deviation)]


def _flicker(effect: Effect) -> list[tuple[float, float]]:
    """The same of flicker; none where it was not measured."""
    flicker = effect.flicker
    return [(flicker.ratio, flicker.deviation), (flicker.area_ratio, flicker.area_deviation)] if flicker else []


def verdict(effects: Sequence[Effect]) -> str:
    """Which cures meet the figures, and which of them no other one beats in cost, delay and gain."""
    met = [effect for effect in effects if _meets(effect)]
    front = [effect for effect in met if not any(_beats(other, effect) for other in met)]
    front.sort(key=lambda effect: (effect.cost.networks, effect.cure.grids, -effect.gain))
    flicker = ", and of flicker," if any(effect.flicker for effect in effects) else ""
    figures = f"Both ratios of seams{flicker} {FIGURE} or less"
    if not front:
        return f"{figures}: nothing in the table gets there."
    count = f"{len(met)} of {len(effects)} get there"
    lines = [f"{figures}: {count}. No other of them is at once as cheap, as soon there and as\nclose to the truth as\n"]
    for effect in front:
        frames = f", after {effect.cure.grids} frames" if effect.cure.grids > 1 else ""
        lines.append(
            f"- **{effect.cure.name}**: {effect.cost.networks:.2f} networks a pixel{frames},"
            f" {_doubtful(effect.gain, effect.standard_error)} dB over the generalist"
        )
    if any(math.isnan(ratio) for effect in effects for ratio, _ in _flicker(effect)):
        lines += ["", "Where the table has no flicker, the reference's noise hides its change: it is not judged."]
    if close := [effect.cure.name for effect in effects if _close(effect)]:
        lines += ["", textwrap.fill(f"Too close to {FIGURE} to be sure of: {'; '.join(close)}.", 118)]
    return "\n".join(lines)


def _meets(effect: Effect) -> bool:
    """Whether no ratio is above the figure; flicker that the noise hides is not judged."""
    return all(ratio <= FIGURE for ratio, _ in _seams(effect)) and not any(r > FIGURE for r, _ in _flicker(effect))


def _close(effect: Effect) -> bool:
    """Whether the figure lies within two standard errors of a ratio."""
    return any(
        abs(ratio - FIGURE) <= 2.0 * standard_error for ratio, standard_error in _seams(effect) + _flicker(effect)
    )


def _beats(one: Effect, other: Effect) -> bool:
    """Whether one is nowhere worse than the other, and somewhere better."""
    ours, theirs = ((e.cost.networks, e.cure.grids, -e.gain) for e in (one, other))
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def page(
    effects: Sequence[Effect], weights: WeightSet, data: Dataset, names: tuple[Path, Path, Path], image: str
) -> str:
    """The whole page.

    Args:
        effects: of `cures.compare`, the networks as they are among them.
        weights, data: what was judged.
        names: of the weights, the data set and the page, for the commands that remake it.
        image: where the picture lies, seen from the page.
    """
    as_is = next(effect for effect in effects if effect.cure == AS_IS)
    layers, total = weights.layers, flops(weights.layers)
    last = 2 * (layers[-2] + 1) * OUTPUTS
    orbits = " --orbits" if as_is.flicker else ""
    folder, made, out = (shlex.quote(str(name)) for name in names)
    return f"""# Seams

Neighbouring tiles may be drawn by different networks. This page says whether that shows, what could be done about
it, and what it would cost. `bungyo seams` measures and writes all of it:

    {recipe(data, names[1])}
    bungyo seams --weights {folder} --data {made}{orbits} --out {out}

Measured on {_frames(data)}. The networks: {weights.experts}
experts and a generalist, {"-".join(map(str, layers))}, {total:,} FLOP a pixel. They change at {as_is.seams.pairs:,}
pairs of neighbouring pixels.

## Cures

{table(effects)}
± is two standard errors, over people (flicker: over the two heads, so roughly). Step and moved grid are in 1/255 of
the display's range.

- **Seam ratio**: jump of the error from pixel to pixel across borders where the network changes, over the same inside
  the tiles beside them: root mean squares, the reference's noise taken away. 1: nobody can tell a border from anywhere
  else.
- **Line ratio**: the same of what the jumps along one edge of a tile, or along one line of pixels inside, have in
  common. Single pixels differ from the reference by more than a step that runs along a whole edge and is seen, so the
  seam ratio hardly knows of it. This one does, and is held to the same figure. Of both, what the generalist's
  error jumps at borders more than inside is chance, as it knows no tiles, and taken away
  ([seams.py](../app/training/seams.py)).
- **Step**: what the change of network adds to the picture's own jump at a border, root mean square.
- **Moved grid**: by how much the picture changes if the head moves by {MOVE[0]} and {MOVE[1]} pixels against the tile
  grid and nothing else changes, mean / 95th percentile. What would pop in motion; and where a narrow band only hides
  the edge of a step, the step is still here.
- **Gain**: PSNR against the truth less the generalist's.
- **Flicker / of areas**: change along the surface from frame to frame, over the reference's own: of single points,
  and of what patches of skin have in common. The reference's grain is as fine as a pixel and hides from the first what
  a tile does that pops; so both are held to the figure ([orbit.py](../app/training/orbit.py)).
  {_orbits(as_is)}
- **Networks / a tile**: how many are evaluated for a face pixel, and how many sets of weights a tile loads, on
  average. The first times {total:,} is FLOP a pixel. Time was not measured: that needs a shader.
- **Frames**: how many a still picture needs.

## What it says

{verdict(effects)}

![Above: reference, networks as they are, cures. Below: what they add to the generalist, amplified.]({image})

*The place where a border shows most, {CROP} pixels a side. Above, as it is displayed; below, what each picture adds to
the generalist's, times {AMPLIFIED:.0f} around grey. Left the reference, whose noise is amplified as well.*

- **Experts held back** have parameters between the generalist's and their own: g + a (e - g), a share a of the way.
  That trades gain for softer borders and costs nothing to draw. As they are, they have been held back once already, in
  training (`reach` in [experts.py](../app/training/experts.py)), and saw pixels of neighbouring hashes
  (`neighbor_share`); other values of these need other training, and are not in the table.
- **Blending** evaluates the networks of all tiles near a border, only where they differ. Out to {TILE // 2} pixels it
  is bilinear interpolation between the centres of tiles: the same picture as blending everywhere, for less.
- **Shifted grids** cost nothing for a picture at rest, which is a mean of frames anyway: the grid would have to move by
  whole pixels from frame to frame. In motion they need a history that follows the surface, as the demo has one; without
  it, borders would crawl. The flicker here is with such a history, whose own blur lowers it.
- **Interpolating the parameters** for every pixel is no cure: from four sets of {parameter_count(layers):,} it takes
  {2 * 4 * parameter_count(layers):,} operations before the network's own {total:,}.
- **Shared first layers** would make blending cheap: were the last layer alone an expert's own, each further network
  would cost {last:,} FLOP a pixel instead of {total:,} ({last / total:.0%}). That needs other training, and is not
  measured here.
"""


def _frames(data: Dataset) -> str:
    width, height = data.spec.size
    frames = [frame for frame in data.frames.values() if frame.split == "held-out"]
    people = {data.people[block_of(frame.index)].seed for frame in frames if block_of(frame.index) in data.people}
    whom = f"{len(people)} people whom no training has seen" if people else "one fixed face"
    samples = "/".join(map(str, sorted({frame.spp for frame in frames})))
    return f"{len(frames)} whole frames of {width}x{height}, {samples} samples a pixel, of {whom}"


def _orbits(effect: Effect) -> str:
    if effect.flicker is None:
        return "Not measured this time (`--orbits`)."
    flicker = effect.flicker
    return f"""{ORBITS} orbits of {FRAMES} frames, {math.degrees(STEP):g} degrees from frame to frame,
  {SIZE[0]}x{SIZE[1]}, {SPP} samples a pixel in two halves. The reference changes by
  {flicker.reference:.2f}, the error of the networks as they are by {flicker.error:.2f}; of second differences in time
  their ratio is {_doubtful(flicker.second_ratio, flicker.second_deviation)}."""


def _doubtful(value: float, standard_error: float) -> str:
    """A value and two standard errors, or what is known of them."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}" + ("" if math.isnan(standard_error) else f" ± {2.0 * standard_error:.2f}")


def _figure(ratio: float, standard_error: float) -> str:
    """A ratio, bold if it meets its figure."""
    told = _doubtful(ratio, standard_error)
    return f"**{told}**" if ratio <= FIGURE else told


def crops(weights: WeightSet, images: Sequence[FaceImage]) -> U8:
    """A picture of the place where a border shows most: the reference and cures, below what they add to the generalist.

    Returns:
        (H, W, 3) sRGB.
    """
    best, chosen = -1.0, (0, (slice(CROP), slice(CROP)))
    for index, image in enumerate(images):
        painter = Painter(weights, image)
        change = _shown(painter, AS_IS, image) - _shown(painter, BLENDED, image)
        near = uniform_filter(np.square(change).mean(axis=-1), CROP, mode="constant")
        if near.max() > best:
            y, x = np.unravel_index(np.argmax(near), near.shape)
            best, chosen = float(near.max()), (index, (_window(int(y), near.shape[0]), _window(int(x), near.shape[1])))
    image, window = images[chosen[0]], chosen[1]
    painter = Painter(weights, image)
    generalist = _shown(painter, GENERALIST, image)
    pictures = {"reference": np.where(image.face[..., None], tonemap(image.target, image.exposure_ev), 0.0)}
    pictures |= {cure.name: _shown(painter, cure, image) for cure in PICTURED}
    added = [0.5 + AMPLIFIED * (picture - generalist)[window] for picture in pictures.values()]
    panels = [_enlarged(panel) for panel in (*(picture[window] for picture in pictures.values()), *added)]
    return arrange(panels, [*pictures, *(f"less the generalist, x{AMPLIFIED:.0f}" for _ in added)])


def _shown(painter: Painter, cure: Cure, image: FaceImage) -> F32:
    """What the display shows (H, W, 3), 0..1; black beside the face."""
    return np.where(image.face[..., None], tonemap(painter.paint(cure)[0], image.exposure_ev), np.float32(0.0))


def _window(center: int, size: int) -> slice:
    start = min(max(center - CROP // 2, 0), max(size - CROP, 0))
    return slice(start, start + CROP)


def _enlarged(values: F32) -> U8:
    pixels = (np.clip(values, 0.0, 1.0) * LEVELS + 0.5).astype(np.uint8)
    return pixels.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
