"""The networks as torch sees them: one generalist, and its many narrow copies trained side by side.

Both compute `light_scale * mix(net(features), features)`, see app/network/layers.py. Before the layers that are
trained stand fixed scales: inputs are brought to mean 0 and deviation 1. They fold into the first layer on export, so
the shader knows nothing of them. While training, radiance may be negative; the shader and its twin cut it at 0, and so
do all scores.
"""

import copy
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from app.arrays import F32
from app.errors import InputError
from app.network.layers import COLORS, MIXED, mix
from app.network.schema import channels
from app.network.weights import WeightSet
from app.training.pixels import Pixels

# What the light features weigh before training: plain shading with light that has spread a little. Training starts from
# a picture that is nearly right, and what the last layer adds to it is small at first.
START = {"diffuse": 0.05, "diffuse_narrow": 0.6, "diffuse_wide": 0.35, "specular": 1.0, "transmission": 1.0}
FIRST_CORRECTION = 0.3  # of the last layer's usual initial weights
SCALE_PIXELS = 100_000  # on which a new network's scales are measured
CLIP = (0.001, 0.999)  # shares of a channel's values that are no outliers


class Scales(nn.Module):
    """The fixed scales around the trained layers, measured once on the training data.

    Args:
        mean, deviation: (32,) of the input channels; the deviation is infinite where the network is not to see them.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    @staticmethod
    def measure(features: Tensor, ignored: Sequence[str] = ()) -> "Scales":
        """Measure on a sample of pixels (n, 32).

        Args:
            features: the pixels.
            ignored: features that the network is not to see: they become 0.
        """
        # A few huge values (a highlight, a firefly) must not squeeze all others together.
        # By numpy, which looks for the two alone, where torch sorts everything.
        low, high = torch.from_numpy(np.quantile(features.T.contiguous().cpu().numpy(), CLIP, axis=1)).to(features)
        clipped = features.clamp(low, high)
        deviation = clipped.std(dim=0)
        # A channel that never changes tells nothing, and must not explode once it does.
        deviation = torch.where(deviation > 1e-4, deviation, torch.ones_like(deviation))
        for name in ignored:
            deviation[channels(name)] = math.inf
        return Scales(clipped.mean(dim=0), deviation)


class Generalist(nn.Module):
    """One network for all tiles; ReLU after every hidden layer.

    Args:
        layers: widths from input to output, e.g. (32, 32, 28, 15).
        scales: the fixed scales around it.
    """

    def __init__(self, layers: Sequence[int], scales: Scales) -> None:
        super().__init__()
        self.widths = tuple(layers)
        self.scales = scales
        self.linear = [nn.Linear(inputs, outputs) for inputs, outputs in pairwise(layers)]
        self.registered = nn.ModuleList(self.linear)  # torch does not look into plain lists
        with torch.no_grad():
            self.linear[-1].weight *= FIRST_CORRECTION
            self.linear[-1].bias.copy_(torch.tensor([START[name] for name in MIXED]).repeat_interleave(COLORS))

    def forward(self, features: Tensor) -> Tensor:
        """(n, 32) features -> (n, 3) radiance over light_scale."""
        values = (features - self.scales.mean) / self.scales.deviation
        for layer in self.linear[:-1]:
            values = torch.relu(layer(values))
        result: Tensor = mix(self.linear[-1](values), features)
        return result

    def parameters_list(self) -> list[Tensor]:
        """The trained tensors, weight and bias in turn, layer after layer."""
        return [tensor for layer in self.linear for tensor in (layer.weight, layer.bias)]

    def without_idle(self, batches: Iterable[Tensor]) -> "Generalist":
        """The same network without the hidden units that are 0 for all of these inputs, (n, 32) each.

        Training lets units die that help little. They cost the shader time, and get no gradient that could bring them
        back to life. A layer keeps one at least.
        """
        device = self.scales.mean.device
        fires = [torch.zeros(layer.out_features, dtype=torch.bool, device=device) for layer in self.linear[:-1]]
        with torch.no_grad():
            for features in batches:
                values = (features - self.scales.mean) / self.scales.deviation
                for layer, fired in zip(self.linear, fires, strict=False):
                    values = torch.relu(layer(values))
                    fired |= (values > 0.0).any(dim=0)
            net = copy.deepcopy(self)
            inputs = torch.arange(self.widths[0], device=device)
            for layer, fired in zip(net.linear, fires, strict=False):
                outputs = fired.nonzero()[:, 0] if fired.any() else torch.zeros_like(inputs[:1])
                layer.weight, layer.bias = (
                    nn.Parameter(layer.weight[outputs][:, inputs]),
                    nn.Parameter(layer.bias[outputs]),
                )
                inputs, layer.in_features, layer.out_features = outputs, len(inputs), len(outputs)
            last = net.linear[-1]
            last.weight, last.in_features = nn.Parameter(last.weight[:, inputs]), len(inputs)
        net.widths = (self.widths[0], *(layer.out_features for layer in net.linear))
        return net

    def export(self) -> F32:
        """The network with its scales folded in, as one row of `WeightSet.slots`."""
        rows = fold([tensor.detach()[None] for tensor in self.parameters_list()], self.scales)
        return rows.reshape(-1)


class Experts(nn.Module):
    """A group of networks of equal widths, trained side by side: every layer is one batched matrix product.

    Nothing is shared between them; with an optimiser that works parameter by parameter (Adam), and a loss
    that is a sum over the group, each is trained exactly as if it were alone.

    Args:
        generalist: where all of them start.
        count: how many.
        hidden: whether the weights of hidden layers are trained as well; else biases and the last layer are.
    """

    def __init__(self, generalist: Generalist, count: int, hidden: bool = True) -> None:
        super().__init__()
        self.scales = generalist.scales
        self.tensors = nn.ParameterList(
            nn.Parameter(tensor.detach()[None].repeat(count, *(1 for _ in tensor.shape)))
            for tensor in generalist.parameters_list()
        )
        for weight in self.tensors[:-2:2]:
            weight.requires_grad_(hidden)

    def forward(self, features: Tensor) -> Tensor:
        """(count, n, 32) features -> (count, n, 3) radiance over light_scale."""
        values = (features - self.scales.mean) / self.scales.deviation
        last = len(self.tensors) - 2
        for i in range(0, len(self.tensors), 2):
            values = torch.baddbmm(self.tensors[i + 1][:, None], values, self.tensors[i].transpose(1, 2))
            if i < last:
                values = torch.relu(values)
        result: Tensor = mix(values, features)
        return result

    def snapshot(self) -> list[Tensor]:
        """A copy of all trained tensors, first axis the networks."""
        return [tensor.detach().clone() for tensor in self.tensors]

    def restore(self, tensors: list[Tensor]) -> None:
        """Take the values of a snapshot."""
        with torch.no_grad():
            for tensor, value in zip(self.tensors, tensors, strict=True):
                tensor.copy_(value)

    def export(self, tensors: list[Tensor] | None = None) -> F32:
        """The networks (or a snapshot of them) with their scales folded in, as rows of `WeightSet.slots`."""
        return fold(tensors if tensors is not None else self.snapshot(), self.scales)


class Teacher(nn.Module):
    """Generalists whose mean picture experts learn from: it has no noise, and errs less than any of them.

    Args:
        nets: all trained already.
    """

    def __init__(self, nets: Sequence[Generalist]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets).requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """(..., 32) features -> (..., 3) radiance over light_scale."""
        return torch.stack([net(features) for net in self.nets]).mean(dim=0)


def fold(tensors: list[Tensor], scales: Scales) -> F32:
    """Fold the scales into the first layer and lay every network out as a row of `WeightSet.slots`.

    Args:
        tensors: weight (count, out, in) and bias (count, out) in turn, layer after layer.

    Returns:
        (count, parameters) float32: layer after layer weight[out][in] row-major, then bias[out].
    """
    weights = [t.double() for t in tensors[0::2]]
    biases = [t.double() for t in tensors[1::2]]
    # W ((x - m) / d) + b  =  (W / d) x + (b - (W / d) m)
    weights[0] = weights[0] / scales.deviation.double()
    biases[0] = biases[0] - weights[0] @ scales.mean.double()
    count = len(weights[0])
    flat = torch.cat([t.reshape(count, -1) for pair in zip(weights, biases, strict=True) for t in pair], dim=1)
    return flat.cpu().numpy().astype(np.float32)


def check_room(layers: Sequence[int], weights: WeightSet) -> None:
    """Raise InputError if a weight set has more layers, or wider ones, than the networks that are to begin as it."""
    if len(layers) != len(weights.layers) or any(new < old for new, old in zip(layers, weights.layers, strict=True)):
        wide, wanted = ("-".join(map(str, widths)) for widths in (weights.layers, layers))
        raise InputError(f"Networks of {wanted} have no room for one of {wide} to start from.", "Ask for wider ones.")


def started(layers: Sequence[int], scales: Scales, weights: WeightSet) -> Generalist:
    """A network that draws what the generalist of a weight set draws, with as many more hidden units as it has room.

    These get no say at first: what they are connected to is 0 (after Chen et al. 2016, "Net2Net"). Their own
    weights are drawn from torch's own generator.

    Raises:
        InputError: see `check_room`.
    """
    check_room(layers, weights)
    net = Generalist(layers, scales)
    mean, deviation = scales.mean.cpu(), scales.deviation.cpu()
    deviation = torch.where(deviation.isinf(), 0.0, deviation)
    with torch.no_grad():
        for layer, matrices in zip(net.linear, weights.matrices(0), strict=True):
            weight, bias = (torch.from_numpy(matrix.copy()) for matrix in matrices)
            if layer is net.linear[0]:  # the scales come out of it, see `fold`
                bias += weight @ mean
                weight *= deviation
            outputs, inputs = weight.shape
            layer.weight[:outputs, :inputs], layer.weight[:outputs, inputs:] = weight, 0.0
            layer.bias[:outputs] = bias
    return net


def beginning(
    layers: Sequence[int],
    pixels: Pixels,
    generator: torch.Generator,
    ignored: Sequence[str] = (),
    start: WeightSet | None = None,
) -> Generalist:
    """A network that knows the scales of its inputs, measured on a sample of the data, and what `start` knows, if any.

    All else is drawn from torch's own generator; it never sees the `ignored` features.

    Raises:
        InputError: no light reaches the pixels, so there is nothing to learn.
    """
    index = torch.randint(len(pixels), (SCALE_PIXELS,), generator=generator)
    features, scale, _ = pixels.draw(index, generator)
    if not (scale > 0.0).any():
        raise InputError("No pixel of the data set is lit, so there is nothing to learn.")
    scales = Scales.measure(features, ignored)
    net = Generalist(layers, scales) if start is None else started(layers, scales, start)
    return net.to(pixels.device)
