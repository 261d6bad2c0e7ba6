"""The picture at rest: what a window shows once nothing moves, against a reference of the same places.

A data set judges points of the face, one in each pixel, and much of what differs there is finer than a pixel. A window
at rest shows the mean of many places within every pixel. So frames of a set are made again, larger, with the reference
and the networks' picture at the same places, and the means are judged: over pixels at least half of whose places show
face, each by those that do. Light is gathered as often as in the demo, whatever the set has.

The reference is traced several times over with noise of its own, and errors against different pictures of it multiply
(`metrics.truth_error`). So noise adds nothing to the error, and no estimate of it is needed, which a few bright samples
in a hundred thousand would decide.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from app.arrays import F32
from app.errors import InputError
from app.network.weights import WeightSet
from app.training.dataset import Dataset
from app.training.face_image import FaceImage, draw
from app.training.frames import FrameSource, described_by, make_again
from app.training.manifest import FrameInfo, Seeds, block_of
from app.training.metrics import psnr, truth_error
from app.training.quality import HAS_FLIP, cut, flip, show, ssim, with_noise

SIZE = (512, 512)
PLACES = 4  # along a pixel's edge
SAMPLES = 4  # of the reference, for each place; every one makes a picture with noise of its own


@dataclass(frozen=True)  # its fields are keys of `bungyo evaluate --json`
class RestFrame:
    """One frame at rest.

    Attributes:
        info: what it shows.
        pixels: how many pixels of it were judged.
        psnr, psnr_doubt: against the truth, dB, and its standard error: what noise and chance do in this frame.
        ssim, flip: against the noisy target, over face pixels; flip is None where flip-evaluator is not installed.
        ssim_of_noise, flip_of_noise: what noise alone makes of them, as in `quality.Quality`.
    """

    info: FrameInfo
    pixels: int
    psnr: float
    psnr_doubt: float
    ssim: float
    ssim_of_noise: float
    flip: float | None
    flip_of_noise: float | None


@dataclass(frozen=True)
class AtRest:
    """Frames at rest, those of which no pixel could be judged left out.

    Attributes:
        size: (width, height) in pixels.
        samples: of the reference, in every pixel.
        light_texels: along the light cache's UV square; None of a source that has none.
        frames: in the order in which they were asked for.
    """

    size: tuple[int, int]
    samples: int
    light_texels: int | None
    frames: list[RestFrame]


def judge_at_rest(
    weights: WeightSet,
    data: Dataset,
    source: FrameSource,
    frames: Sequence[FrameInfo],
    *,
    environments: Sequence[Path] = (),
    size: tuple[int, int] = SIZE,
    places: int = PLACES,
    samples: int = SAMPLES,
    progress: Callable[[int], None] | None = None,
) -> AtRest:
    """Make frames of a set again, and judge how the networks draw them at rest.

    Args:
        weights: the networks.
        data: the set, of avatars.
        source: makes its people, gathering light as often as a window does.
        frames: which of the set's.
        environments: files among which the frames' environment maps are looked for.
        size: (width, height) in pixels.
        places: along the edge of a pixel.
        samples: of the reference, for each place; 2 at least.
        progress: called with the number of frames done.

    Raises:
        InputError: the set does not show people that the source makes, or a map is missing.
        ValueError: fewer than two samples.
    """
    if samples < 2:
        raise ValueError("it takes two samples of a place to tell errors from noise")
    described = described_by(source)
    data.check_people(described.get("people"))
    # The light is gathered otherwise, and the frames are larger: all else is the set's.
    scene = {**data.spec.scene, **described, "tile_fraction": 1.0}
    spec = msgspec.structs.replace(data.spec, size=size, scene=scene)
    found = []
    for done, info in enumerate(frames, start=1):
        if info.seeds is None:
            raise InputError("Data sets of version 1 do not tell enough to make their frames again.")
        person = data.people[block_of(info.index)]
        mean = _Mean(size, samples)
        rng = np.random.default_rng(info.seeds.noise)
        for place in range(places**2):
            x, y = (np.array([place % places, place // places]) + rng.random(2)) / places - 0.5
            for sample in range(samples):
                seeds = Seeds((float(x), float(y)), info.seeds.tiles, int(rng.integers(2**31)))
                again = msgspec.structs.replace(info, spp=1, seeds=seeds)
                tiles = make_again(source, spec, again, person, environments)
                image = FaceImage.from_batch(tiles, size, info.exposure_ev)
                mean.add(sample, image, draw(weights, image) if sample == 0 else None)
        if (frame := mean.judged(info, places**2)) is not None:
            found.append(frame)
        if progress:
            progress(done)
    return AtRest(size, places**2 * samples, described.get("cache_size"), found)


class _Mean:
    """Sums over the places of a pixel."""

    def __init__(self, size: tuple[int, int], samples: int) -> None:
        shape = (size[1], size[0])
        self._seen = np.zeros(shape, np.int64)
        self._neural, self._targets = np.zeros((*shape, 3)), np.zeros((samples, *shape, 3))
        self._image: FaceImage | None = None

    def add(self, sample: int, image: FaceImage, neural: F32 | None) -> None:
        """Add one sample of one place of every pixel; with the first of a place, what the networks draw there."""
        self._targets[sample][image.face] += image.target[image.face]
        if neural is not None:
            self._image = image
            self._seen += image.face
            self._neural[image.face] += neural[image.face]

    def judged(self, info: FrameInfo, places: int) -> RestFrame | None:
        """The scores; None if no pixel shows face."""
        face = 2 * self._seen >= places
        if self._image is None or not face.any():
            return None
        count = np.maximum(self._seen, 1)[..., None]
        neural, targets = ((sums / count).astype(np.float32) for sums in (self._neural, self._targets))
        target, variance = targets.mean(axis=0), targets.var(axis=0, ddof=1) / len(targets)
        error = truth_error(neural[face], targets[:, face], info.exposure_ev).astype(np.float64)
        mean, standard_error = float(error.mean()), float(error.std() / np.sqrt(len(error)))
        image = replace(self._image, face=face, target=target, variance=variance)
        shown, wanted = show(neural, image), show(target, image)
        noisy = show(with_noise(neural, variance, np.random.default_rng(info.index)), image)
        on_face = cut(face[..., None], image)[..., 0]
        return RestFrame(
            info=info,
            pixels=len(error),
            psnr=psnr(mean, standard_error),
            psnr_doubt=10.0 / np.log(10.0) * standard_error / max(mean, standard_error, 1e-12),
            ssim=ssim(wanted, shown, on_face),
            ssim_of_noise=ssim(shown, noisy, on_face),
            flip=flip(wanted, shown, on_face) if HAS_FLIP else None,
            flip_of_noise=flip(shown, noisy, on_face) if HAS_FLIP else None,
        )
