"""How far networks are from the truth on the pixels of people that they did not learn from.

Squared differences to the noisy targets, less what their noise is expected to add: so noise favours nobody, and means
over many pixels estimate the error itself. An error weighs what it weighs in the loss, the slope of the display, but at
a reference that knows nothing of the noise and is the same for all that are compared. `loss.display_slope` is bounded
in the shadows, where the exact slope at a reference that is a little off would let a few pixels decide.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from app.arrays import F64
from app.network.twin import forward
from app.network.weights import WeightSet
from app.training.loss import display_slope
from app.training.metrics import CLEAN_NOISE, psnr
from app.training.pixels import Pixels

Draw: TypeAlias = Callable[[Tensor, Tensor], Tensor]


class Judge:
    """Judges networks on fixed pixels, as many of them side by side as there are rows.

    Args:
        pixels: a split that nothing learns from.
        index: (rows, n) which of its pixels.
        draw: makes of their features and scale the reference, exposed radiance (rows, n, 3).
        present: (rows, n) false for padding; None: no row has any.

    Attributes:
        features, scale: (rows, n, C) and (rows, n, 1), what the networks are to draw from.
        count: (rows,) how many pixels judge.
    """

    def __init__(self, pixels: Pixels, index: Tensor, draw: Draw, present: Tensor | None = None) -> None:
        self.features, self.scale, self._target = pixels.take(index)
        self._person = pixels.shown(index)
        self._variance, self._around, self._present = pixels.noise(index), pixels.noise_around(index), present
        self.refer_to(draw(self.features, self.scale))

    def refer_to(self, radiance: Tensor) -> None:
        """Weigh errors at another reference from now on."""
        weight = display_slope(radiance).square()
        noise = weight * self._variance
        # In noisier places one pixel could outweigh all others. Pixels chosen by their own noise would be too dark.
        known = (weight * self._around).amax(dim=-1, keepdim=True) <= CLEAN_NOISE**2
        known &= noise.isfinite().all(dim=-1, keepdim=True)
        if self._present is not None:
            known &= self._present[..., None].to(known.device)
        self._known = known[..., 0]
        self._weight, self._noise = (torch.where(known, part, 0.0) for part in (weight, noise))
        self.count = self._known.sum(dim=-1).clamp_min(1)

    def clean(self, radiance: Tensor) -> Tensor:
        """Estimate (rows,) mean squared display errors of exposed radiance (rows, n, 3) against the truth."""
        return (self._errors(radiance) - self._noise).mean(dim=-1).sum(dim=-1) / self.count

    def noisy(self, radiance: Tensor) -> Tensor:
        """Return the same with the targets' noise in it: never negative."""
        return self._errors(radiance).mean(dim=-1).sum(dim=-1) / self.count

    def nearer(self, radiance: Tensor, other: Tensor) -> bool:
        """Whether a picture (1, n, 3) is nearer to the truth than another one, halfway between both as the reference.

        Noise may well make the errors of both negative; the noise that is taken off is the same, so they still compare.
        """
        self.refer_to(0.5 * (radiance.clamp_min(0.0) + other.clamp_min(0.0)))
        return bool((self._errors(radiance) - self._errors(other)).mean() < 0.0)

    def by_person(self, radiance: Tensor, people: int) -> tuple[Tensor, Tensor]:
        """Sum up (rows, people) float64: squared errors against the truth, and the pixels that have them."""
        errors = (self._errors(radiance) - self._noise).mean(dim=-1)
        return self._sums(errors, people), self._sums(self._known, people)

    def evidence(self, start: Tensor, end: Tensor, people: int) -> tuple[Tensor, Tensor]:
        """Sum up person by person how well the way from one picture to another leads to the truth.

        Args:
            start, end: (rows, n, 3) exposed radiance.
            people: how many there are.

        Returns:
            (rows, people) float64 each: the scalar products of the way with the one from `start` to the targets, and
            with itself. Their quotient is the share of the way with the least squared error.
        """
        start, end = start.clamp_min(0.0), end.clamp_min(0.0)
        way = end - start
        products = (self._weight * way * (self._target - start), self._weight * way.square())
        toward, length = (self._sums(part.mean(dim=-1), people) for part in products)
        return toward, length

    def _errors(self, radiance: Tensor) -> Tensor:
        return self._weight * (radiance.clamp_min(0.0) - self._target).square()

    def _sums(self, values: Tensor, people: int) -> Tensor:
        sums = torch.zeros(len(values), people, dtype=torch.float64, device=values.device)
        return sums.scatter_add(1, self._person, values.double()).cpu()


@dataclass(frozen=True)
class Judgement:
    """Errors of one set of networks, person by person, so that their standard error can be had by leaving people out.

    Attributes:
        errors: by model, "generalist" and "experts": (people,) summed squared display errors against the truth,
            a mean over channels. Noise can make single ones negative.
        pixels: (people,) how many pixels each sum stands for.
    """

    errors: dict[str, F64]
    pixels: F64

    def db(self, model: str) -> float:
        """PSNR against the truth over all pixels together."""
        return psnr(float(self.errors[model].sum() / self.pixels.sum()))


def judge_networks(weights: WeightSet, pixels: Pixels, reference: WeightSet, most: int, seed: int = 0) -> Judgement:
    """Judge a set of networks, as it runs, on a split that nothing learns from.

    Args:
        weights: the networks.
        pixels: the split.
        reference: at whose generalist's pictures errors are weighed.
        most: pixels of a hash that are looked at; they stand for all of it.
        seed: decides which.
    """
    people = int(pixels.person.max()) + 1
    errors = {model: np.zeros(people) for model in ("generalist", "experts")}
    counts = np.zeros(people)
    for tile_hash in pixels.hashes:
        judge = judge_of_hash(pixels, tile_hash, reference, most, seed)
        each = pixels.count(tile_hash) / judge.scale.shape[1]  # how many pixels one stands for
        drawn = {"generalist": drawn_by(weights, 0)(judge.features, judge.scale)}
        drawn["experts"] = drawn["generalist"]
        if weights.table[tile_hash]:
            drawn["experts"] = drawn_by(weights, tile_hash)(judge.features, judge.scale)
        for model, radiance in drawn.items():
            sums, found = judge.by_person(radiance, people)
            errors[model] += sums[0].numpy() * each
        counts += found[0].numpy() * each
    present = counts > 0
    return Judgement({model: error[present] for model, error in errors.items()}, counts[present])


def judge_of_hash(pixels: Pixels, tile_hash: int, reference: WeightSet, most: int, seed: int) -> Judge:
    """A judge on random pixels of a hash, in one row; errors are weighed at what the reference's generalist draws.

    Args:
        pixels: a split that nothing learns from.
        tile_hash: one of its hashes.
        reference: the networks.
        most: so many pixels are looked at, or all there are.
        seed: decides which.
    """
    index = pixels.of_hash(tile_hash)
    chosen = np.random.default_rng([seed, tile_hash]).permutation(len(index))[:most]
    return Judge(pixels, index[torch.from_numpy(chosen)][None], drawn_by(reference, 0))


def drawn_by(weights: WeightSet, tile_hash: int) -> Draw:
    """What a set draws, as it runs, on tiles with a hash; for 0, which no tile has, the generalist does."""

    def draw(features: Tensor, scale: Tensor) -> Tensor:
        drawn = forward(weights, features.cpu().numpy(), scale[..., 0].cpu().numpy(), tile_hash)
        return torch.from_numpy(drawn.astype(np.float32)).to(features.device)

    return draw
