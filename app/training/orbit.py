"""Does the picture flicker? Change along the surface while the camera moves slowly, against the reference's own change.

Every face pixel of a frame is found again in the next one by its uv: the nearest pixel there, and from it by the
picture's own gradient of uv to the place between pixels, where values are interpolated bilinearly. What the display
shows of a point of the surface changes by some amount, which is pooled as a root mean square. The reference goes
through the same resampling, so what that adds is in both.

The reference is noisy, and its noise flickers most of all. So every frame is path traced twice, and in place of the
square of the reference's change stands the product of the changes of the two: their noise is independent and drops out,
whatever its distribution, and no pixel need be left out for it. (To take the recorded variance away is without bias as
well, but a few pixels outweigh all others, and to leave these out is not: what is left has more noise than variance.)

Features hold uv as halves: places are known to about a tenth of a pixel in a face of 200, and every picture with detail
as fine as a pixel is found to change a little. So a ratio lies nearer to 1 than the whole truth does.

Skin's grain is as fine as a pixel, so the reference's points change a good deal from resampling alone, and a network
that is smoother has room to flicker. Hence the area ratio, as the line ratio in `seams`: in place of squares it pools
the products of the changes of different points in a square of CELL pixels, that is, what a patch of skin has in common.
Grain has no part in it; a tile that changes its network has.

Second differences (next frame - 2 * this one + the last one) leave the steady change of a highlight out and keep what
flickers. The flicker of the error, neural less reference, needs no ratio to say how much is not the scene's own.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from app.arrays import F32, F64, Bools, Indices
from app.gpu import Device
from app.network.schema import unpack
from app.network.weights import WeightSet
from app.scene.camera import Camera
from app.scene.default import default_scene
from app.scene.environment import Environment
from app.scene.lights import Light
from app.scene.tonemap import tonemap
from app.training.avatars import Avatars
from app.training.face_image import FaceImage, draw
from app.training.frame_source import GpuFrameSource
from app.training.frames import FrameSource, TileSelection
from app.training.metrics import auto_exposure, plain_shading
from app.training.seams import LEVELS, Rows, bootstrap

ORBITS = 2
FRAMES = 6
STEP = math.radians(0.5)  # a frame: a turn of 15 degrees a second at 30 frames a second
SIZE = (256, 256)
SPP = 96
"""Samples a pixel. With less, the noise in the reference's own change is as large as that change. What patches of skin
have in common changes less still, and wants four times as many (docs/results.md)."""

AVATAR = 13  # seed of the second head; the last digit says that no training has seen it (app/training/people.py)
CELL = 8  # pixels along a patch

_REACH = 4  # pixels around a pixel in which its point is looked for in the next frame
_FURTHEST = 0.75  # pixels from the nearest pixel to the point itself; more means that the surface ends between them


@dataclass(frozen=True)  # its fields are keys of `bungyo evaluate --json`
class Flicker:
    """How much a picture changes along the surface over slow orbits; root mean squares in 1/255 of the display's range.

    Attributes:
        ratio, deviation: neural change over the reference's own, and its standard error by bootstrap over orbits, that
            is over heads; NaN for a single one, or if the noise leaves nothing of the reference's change.
        area_ratio, area_deviation: the same of what the points of a patch have in common.
        second_ratio, second_deviation: as `ratio`, of second differences in time.
        neural, reference: the changes of points from frame to frame.
        error: the change of neural less reference.
    """

    ratio: float
    deviation: float
    area_ratio: float
    area_deviation: float
    second_ratio: float
    second_deviation: float
    neural: float
    reference: float
    error: float


class Track(NamedTuple):
    """Where points of one frame lie in another one; n points.

    Attributes:
        found: (H, W) bool, the pixels of the first frame whose points were found.
        taps: (n, 4) flat indices of pixels of the second frame.
        weights: (n, 4) of these, their sum is 1.
    """

    found: Bools
    taps: Indices
    weights: F32


class OrbitFrame(NamedTuple):
    """One frame of an orbit.

    Attributes:
        image: with its target.
        again: (H, W, 3) another target with noise of its own.
    """

    image: FaceImage
    again: F32


Orbit = Sequence[OrbitFrame]


def flicker_ratio(weights: WeightSet, orbits: Sequence[Orbit]) -> Flicker:
    """The flicker of the picture that networks draw, over orbits of `default_orbits` or `record_orbit`."""
    rows = [Motion(orbit).sums([draw(weights, frame.image) for frame in orbit]) for orbit in orbits]
    return flicker_of(rows)


def default_orbits(device: Device, spp: int = SPP, progress: Callable[[int], None] | None = None) -> list[Orbit]:
    """Orbits around the default head and around an avatar, in the default light, path traced (minutes on a CPU).

    Args:
        device: an open device with ray tracing.
        spp: samples a pixel, an even number.
        progress: called with the number of frames done, of ORBITS * FRAMES.
    """
    scene, avatars = default_scene(), Avatars()
    person = avatars.draw(AVATAR, AVATAR)
    orbits: list[Orbit] = []

    def show(done: int) -> None:
        if progress:
            progress(len(orbits) * FRAMES + done)

    for head in (scene, avatars):  # ORBITS of them
        with GpuFrameSource(device, head) as source:
            if source.people is not None:
                source.show(person)
            camera = Camera().fit(source.bounds, SIZE[0] / SIZE[1])
            lights, environment = scene.rig.lights, scene.environment
            orbits.append(record_orbit(source, camera, lights, environment, spp=spp, progress=show))
    return orbits


def record_orbit(
    source: FrameSource,
    camera: Camera,
    lights: Sequence[Light],
    environment: Environment | None,
    *,
    frames: int = FRAMES,
    step: float = STEP,
    size: tuple[int, int] = SIZE,
    spp: int = SPP,
    progress: Callable[[int], None] | None = None,
) -> Orbit:
    """Render a slow orbit, all frames exposed as the first one.

    Args:
        source: renders features and targets, and shows a head already.
        camera: the orbit's middle.
        lights, environment: stay as they are.
        frames: how many; 3 or more for second differences.
        step: turn from frame to frame, radians.
        size: (width, height) in pixels.
        spp: samples a pixel, an even number; each of a frame's two targets has half of them.
        progress: called with the number of frames done.
    """
    made: list[OrbitFrame] = []
    exposure = None
    for index in range(frames):
        turned = camera.orbit((index - (frames - 1) / 2) * step, 0.0)
        first, second = (
            source.render(
                turned,
                lights,
                environment,
                size=size,
                spp=spp // 2,
                jitter=(0.0, 0.0),
                seed=2 * index + half,
                selection=TileSelection(1.0, 0),
            )
            for half in (0, 1)
        )
        if exposure is None:
            shaded = plain_shading(unpack(first.features), first.light_scale)
            exposure = auto_exposure(shaded[first.mask.astype(bool)])
        image, again = (FaceImage.from_batch(tiles, size, exposure) for tiles in (first, second))
        both = image.face & again.face  # a target that is not finite leaves its mask
        made.append(OrbitFrame(replace(image, face=both), again.target))
        if progress:
            progress(len(made))
    return made


class Motion:
    """An orbit whose points are followed from frame to frame.

    Args:
        orbit: its frames, of equal size.
    """

    def __init__(self, orbit: Orbit) -> None:
        self._images = [frame.image for frame in orbit]
        targets = [frame.image.target for frame in orbit], [frame.again for frame in orbit]
        self._references = [self._shown(target) for target in targets]
        self._forth = [track(first, second) for first, second in pairwise(self._images)]
        self._back = [track(second, first) for first, second in pairwise(self._images)]

    def sums(self, pictures: Sequence[F32]) -> Rows:
        """The squared changes of pictures (H, W, 3 radiance) of the frames, to be put together by `flicker_of`.

        Returns:
            (frames - 1, 2, 8): of every pair of frames the first and the second differences (of the first pair none):
            the numbers of points and of patches; the sums over points of the squared changes (mean of the channels) of
            the picture, and, without noise, of the reference and of their difference; the sums over patches of what
            their points have in common of these.
        """
        shown = (self._shown(pictures), *self._references)
        rows = np.zeros((len(self._forth), 2, 8))
        for index, forth in enumerate(self._forth):
            rows[index, 0] = _changes(shown, index, [(1, forth)])
            if index:
                rows[index, 1] = _changes(shown, index, [(1, forth), (-1, self._back[index - 1])])
        return rows

    def _shown(self, pictures: Sequence[F32]) -> list[F32]:
        """What the display shows (H, W, 3), 0..1."""
        return [tonemap(one, image.exposure_ev) for one, image in zip(pictures, self._images, strict=True)]

    def accumulate(self, pictures: Sequence[F32], most: int) -> list[F32]:
        """What temporal accumulation shows of pictures (H, W, 3) of the frames: the history follows the surface.

        Args:
            pictures: one a frame; the first is what has been accumulated at rest.
            most: a frame has a weight of 1 / most, and those before it the rest, fading.
        """
        shown = [pictures[0]]
        for picture, back in zip(pictures[1:], self._back, strict=True):
            history = (shown[-1].reshape(-1, 3)[back.taps] * back.weights[..., None]).sum(axis=1)
            mixed = picture.copy()
            mixed[back.found] += (1.0 - 1.0 / most) * (history - picture[back.found])
            shown.append(mixed)
        return shown


def _changes(shown: Sequence[Sequence[F32]], index: int, others: Sequence[tuple[int, Track]]) -> Rows:
    """Sums of what points of frame `index` are in other frames, less what they are in their own as many times.

    Args:
        shown: the picture, the reference and the reference again, each of all frames.
        index: of the frame.
        others: how many frames later, and where its points lie there.
    """
    points = np.logical_and.reduce([found.found for _, found in others])
    changes = []
    for frames in shown:
        change = -len(others) * frames[index][points]
        for step, found in others:
            chosen = points[found.found]
            values = frames[index + step].reshape(-1, 3)[found.taps[chosen]]
            change = change + (values * found.weights[chosen][..., None]).sum(axis=1)
        changes.append(change)
    y, x = np.nonzero(points)
    _, cell, counts = np.unique(y // CELL * points.shape[1] + x // CELL, return_inverse=True, return_counts=True)
    large = counts >= CELL**2 // 2
    neural, reference, again = changes
    over_points, over_cells = [], []
    for one, other in ((neural, neural), (reference, again), (neural - reference, neural - again)):
        products = (one * other).mean(axis=-1, dtype=np.float64)
        over_points.append(products.sum())
        sums, others_sums = ([np.bincount(cell, v, len(counts)) for v in changed.T] for changed in (one, other))
        common = np.mean(np.multiply(sums, others_sums), axis=0) - np.bincount(cell, products, len(counts))
        over_cells.append((common / np.maximum(counts * (counts - 1), 1))[large].sum())
    return np.array([points.sum(), large.sum(), *over_points, *over_cells])


def flicker_of(orbits: Sequence[Rows]) -> Flicker:
    """The flicker of `Motion.sums` of orbits, each around another head."""
    rows = np.array([pairs.sum(axis=0) for pairs in orbits])
    value = _measures(rows.sum(axis=0)).tolist()
    standard_errors = bootstrap(rows, range(len(rows)), _measures).tolist()
    points, areas, seconds = list(zip(value, standard_errors, strict=True))[:3]
    return Flicker(*points, *areas, *seconds, *value[3:])


def _measures(sums: Rows) -> Rows:
    """Ratio, area ratio, ratio of second differences, root mean squares of points (..., 6), of sums (..., 2, 8)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        roots = np.sqrt(sums[..., 2:] / sums[..., [0, 0, 0, 1, 1, 1]])
        first, second = roots[..., 0, :], roots[..., 1, :]
        ratios = [first[..., 0] / first[..., 1], first[..., 3] / first[..., 4], second[..., 0] / second[..., 1]]
    return np.concatenate([np.stack(ratios, axis=-1), LEVELS * first[..., :3]], axis=-1)


def track(first: FaceImage, second: FaceImage) -> Track:
    """Find the points of one frame's face pixels in another frame, by uv."""
    here, there = first.feature("uv"), second.feature("uv")
    height, width = first.face.shape
    y, x = _nearest(here, there, second.face)
    gradient, smooth = _gradient(there, second)
    determinant = gradient[..., 0, 0] * gradient[..., 1, 1] - gradient[..., 0, 1] * gradient[..., 1, 0]
    found = first.face & smooth[y, x] & (np.abs(determinant[y, x]) > 0.0)
    y, x = y[found], x[found]
    move = np.linalg.solve(gradient[y, x], (here[found] - there[y, x])[..., None])[..., 0]  # (n, 2): x, y
    px, py = x + move[:, 0], y + move[:, 1]
    left, top = np.floor(px).astype(np.intp), np.floor(py).astype(np.intp)
    inside = (
        (np.abs(move).max(axis=-1) <= _FURTHEST) & (left >= 0) & (top >= 0) & (left < width - 1) & (top < height - 1)
    )
    left, top = np.clip(left, 0, width - 2), np.clip(top, 0, height - 2)
    down, right = second.neighbors(0), second.neighbors(1)
    inside &= down[top, left] & down[top, left + 1] & right[top, left] & right[top + 1, left]
    fx, fy = px - left, py - top
    weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], axis=-1)
    corner = top * width + left
    taps = np.stack([corner, corner + 1, corner + width, corner + width + 1], axis=-1)
    found[found] = inside
    return Track(found, taps[inside], weights[inside].astype(np.float32))


def _nearest(here: F32, there: F32, face: Bools) -> tuple[Indices, Indices]:
    """The face pixel (y, x; each (H, W)) of the second frame, near the same place, whose uv is nearest."""
    height, width = face.shape
    far = 1e3  # uv that no pixel is near to
    padded = np.pad(np.where(face[..., None], there, far), ((_REACH, _REACH), (_REACH, _REACH), (0, 0)),
                    constant_values=far)  # fmt: skip
    best = np.full(face.shape, np.inf)
    y, x = np.mgrid[:height, :width]
    best_y, best_x = y.copy(), x.copy()
    for dy in range(2 * _REACH + 1):
        for dx in range(2 * _REACH + 1):
            distance = np.square(padded[dy : dy + height, dx : dx + width] - here).sum(axis=-1)
            nearer = (distance < best) & (distance < 1.0)
            best = np.where(nearer, distance, best)
            best_y, best_x = np.where(nearer, y + dy - _REACH, best_y), np.where(nearer, x + dx - _REACH, best_x)
    return best_y, best_x


def _gradient(uv: F32, image: FaceImage) -> tuple[F64, Bools]:
    """d uv / d (x, y) as (H, W, 2, 2) by central differences, and where the surface goes on to all four sides."""
    gradient = np.zeros((*uv.shape, 2))
    smooth = np.zeros(image.face.shape, bool)
    gradient[:, 1:-1, :, 0] = (uv[:, 2:] - uv[:, :-2]) / 2
    gradient[1:-1, :, :, 1] = (uv[2:] - uv[:-2]) / 2
    down, right = image.neighbors(0), image.neighbors(1)
    smooth[1:-1, 1:-1] = down[:-1, 1:-1] & down[1:, 1:-1] & right[1:-1, :-1] & right[1:-1, 1:]
    return gradient, smooth
