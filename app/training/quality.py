"""Measures of whole pictures: SSIM and FLIP over the face's pixels, seams, and the pictures themselves.

Both compare what the display shows, on black: networks draw faces alone. Unlike the squared error, neither can be
corrected for the targets' noise. What noise alone makes of them is measured instead: a network's own picture is
compared with itself plus made-up noise of the targets' variance. That is about the best value that a perfect network
can reach on these targets. It takes the noise of the three channels for independent; the path tracer's is partly
common to them, which FLIP sees more easily, so a perfect network may be measured somewhat worse still.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from skimage.metrics import structural_similarity

from app.arrays import F32, F64, U8, Bools
from app.network.schema import unpack
from app.network.weights import WeightSet
from app.scene.tonemap import tonemap
from app.training.dataset import Dataset
from app.training.evaluate import Evaluation, draw_wide
from app.training.face_image import FaceImage, draw, face_images
from app.training.seams import Borders, SeamRatio, seams_of

Number = TypeVar("Number", bound=np.generic)

MARGIN = 24  # black pixels around the face: more than the filters of SSIM and FLIP reach
LEAST_SHAPE = 1e-2  # of gamma distributed noise; below, nearly all samples are black
AMPLIFIED = 5.0  # errors in pictures
HAS_FLIP = find_spec("flip_evaluator") is not None


@dataclass(frozen=True)
class Shown:
    """A frame to look at: (H, W, 3) sRGB pictures, cut to the face.

    Attributes:
        reference: the path-traced target.
        neural: what the experts draw.
        error: the absolute difference of both, AMPLIFIED times.
    """

    reference: U8
    neural: U8
    error: U8


@dataclass(frozen=True)
class Quality:
    """Measures of whole pictures.

    Attributes:
        ssim: by model and "noise" (frames,) mean SSIM over the face's pixels, 1 for equal pictures.
        flip: the same of FLIP, 0 for equal pictures; empty where flip-evaluator is not installed.
        seams: of the experts.
        pictures: of the frames that were to be kept, by number.
    """

    ssim: dict[str, F64]
    flip: dict[str, F64]
    seams: SeamRatio
    pictures: dict[int, Shown] = field(repr=False)


def judge_pictures(
    weights: WeightSet,
    data: Dataset,
    evaluation: Evaluation,
    *,
    wide: Mapping[str, WeightSet] | None = None,
    keep: Collection[int] = (),
    progress: Callable[[int], None] | None = None,
) -> Quality:
    """Judge whole frames of the held-out split.

    Args:
        weights: the networks.
        data: a set with all tiles of its frames: `bungyo dataset --held-out --tiles 1`.
        evaluation: of the same weights on that split.
        wide: generalists to be judged as well, by name.
        keep: numbers of the frames whose pictures are kept.
        progress: called with the number of frames done.

    Raises:
        InputError: the set has not all tiles of its frames.
    """
    ssims: dict[str, list[float]] = {}
    flips: dict[str, list[float]] = {}
    borders, clusters, pictures = [], [], {}
    images = (image for image in face_images(data) if image.face.any())
    judged = {frame.info.index for frame in evaluation.frames}
    for done, (index, image) in enumerate(zip(evaluation.shown, images, strict=True), start=1):
        neural = draw(weights, image)
        borders.append(Borders(weights, image).sums(neural))
        clusters.append(image.cluster)
        if index in judged:
            drawn = {"experts": neural, "generalist": _draw_whole(weights, image)}
            drawn |= {name: _draw_whole(other, image) for name, other in (wide or {}).items()}
            shown = {name: show(picture, image) for name, picture in drawn.items()}
            target, face = show(image.target, image), cut(image.face[..., None], image)[..., 0]
            noisy = show(with_noise(neural, image.variance, np.random.default_rng(index)), image)
            pairs = {name: (target, picture) for name, picture in shown.items()} | {"noise": (shown["experts"], noisy)}
            for name, (first, second) in pairs.items():
                ssims.setdefault(name, []).append(ssim(first, second, face))
                if HAS_FLIP:
                    flips.setdefault(name, []).append(flip(first, second, face))
            if index in keep:
                error = np.abs(shown["experts"] - target) * AMPLIFIED
                pictures[index] = Shown(*(_bytes(picture) for picture in (target, shown["experts"], error)))
        if progress:
            progress(done)
    arrays = [{name: np.array(values) for name, values in measure.items()} for measure in (ssims, flips)]
    return Quality(arrays[0], arrays[1], seams_of(borders, clusters), pictures)


def ssim(first: F32, second: F32, face: Bools) -> float:
    """Structural similarity of display values (H, W, 3) (Wang et al. 2004: Gaussian window), mean over face pixels."""
    _, similarity = structural_similarity(
        first,
        second,
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    return float(similarity[face].mean())


def flip(reference: F32, test: F32, face: Bools) -> float:
    """FLIP of display values (H, W, 3) (Andersson et al. 2020), mean over face pixels; 0 for equal pictures.

    Seen as its authors propose: 67 pixels a degree, a 4K screen 0.7 m wide at a distance of 0.7 m.
    """
    from flip_evaluator import evaluate

    error, _, _ = evaluate(reference, test, "LDR", applyMagma=False, computeMeanError=False)
    return float(error[..., 0][face].mean())


def with_noise(picture: F32, variance: F32, rng: np.random.Generator) -> F32:
    """Radiance (H, W, 3) with gamma distributed noise of this variance: skewed as that of a path tracer."""
    known = np.isfinite(variance) & (variance > 0.0) & (picture > 0.0)
    mean = picture[known].astype(np.float64)
    shape = np.maximum(np.square(mean) / variance[known].astype(np.float64), LEAST_SHAPE)
    noisy = picture.copy()
    noisy[known] = rng.gamma(shape) * (mean / shape)
    return noisy


def show(radiance: F32, image: FaceImage) -> F32:
    """What the display shows of radiance (H, W, 3): the part with the face, on black, with a MARGIN around it."""
    shown = tonemap(np.where(image.face[..., None], radiance, np.float32(0.0)), image.exposure_ev)
    return cut(shown, image)


def cut(values: npt.NDArray[Number], image: FaceImage) -> npt.NDArray[Number]:
    """The part of (H, W, C) values with the face, and a MARGIN of zeros around it."""
    rows, columns = (np.flatnonzero(image.face.any(axis=axis)) for axis in (1, 0))
    part = values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(part, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))


def _draw_whole(weights: WeightSet, image: FaceImage) -> F32:
    """What the generalist draws, (H, W, 3) radiance, black where there is no face."""
    picture = np.zeros((*image.face.shape, 3), np.float32)
    picture[image.face] = draw_wide(weights, unpack(image.features[image.face]), image.light_scale[image.face])
    return picture


def _bytes(values: F32) -> U8:
    """Display values 0..1 in 8 bits."""
    rounded: U8 = (np.clip(values, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return rounded
