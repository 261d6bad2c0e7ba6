"""How to train: what `bungyo train` is asked for, and what of that makes sense."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from app.errors import InputError
from app.network.layers import LAYERS, check_layers
from app.training.experts import TRAINS, ExpertOptions

DEVICES = ("auto", "cpu", "cuda")
TEACHERS = (64, 64, 128)
RATE = 4e-3
STARTED_RATE = 1e-3  # what is known already is not to be forgotten (docs/training.md, "From other networks")


@dataclass(frozen=True)
class TrainOptions:
    """How to train. The defaults suit 2-50 million pixels in some 400 hashes: about 40 minutes on two cores.

    Attributes:
        layers: widths from input to output.
        seed: of all random choices.
        threads: of this process, each of which computes by itself: one draws pixels while another trains a generalist,
            and groups of experts are trained side by side. The networks do not depend on it.
        device: one of DEVICES; "auto" takes CUDA if there is one.
        steps, batch: the generalist's Adam steps and pixels a step.
        rate: its first learning rate (cosine); None: STARTED_RATE with a start, else RATE.
        decay: the generalist's weight decay (AdamW: Loshchilov & Hutter 2019), where there are many people.
        place_noise: deviation of the noise that is added to uv while it trains, where there are many people.
        experts: how the experts are trained; with 0 steps there are none.
        teachers: widths of the hidden layers of further generalists, whose mean picture the experts learn; none: they
            learn the noisy targets. Without experts they are not trained.
        widths: of hidden layers, of further generalists, trained as long as the first, to compare with.
        any_uv: whether the networks are for faces of any UVs: they do not see uv, and there are no experts.
        start: a weight set, as whose generalist all generalists begin; None: they begin with random weights.
        learning_curve: whether to train on fewer people as well, to see what more data would bring.
    """

    layers: tuple[int, ...] = LAYERS
    seed: int = 0
    threads: int = 2
    device: str = "auto"
    steps: int = 20_000
    batch: int = 8192
    rate: float | None = None
    decay: float = 0.1
    place_noise: float = 0.03
    experts: ExpertOptions = field(default_factory=ExpertOptions)
    teachers: tuple[int, ...] = TEACHERS
    widths: tuple[int, ...] = ()
    any_uv: bool = False
    start: str | None = None
    learning_curve: bool = False

    def check(self) -> None:
        """Raise InputError if a value is out of range."""
        for layers in self.all_layers:
            if fault := check_layers(layers):
                raise InputError(f"The network {fault}.")
        experts = asdict(self.experts)
        if self.any_uv and (self.experts.steps or self.teachers):
            raise InputError("Networks for any UVs have neither experts nor teachers: hashes are made of UVs.")
        positive = {"threads": self.threads, "batch": self.batch, "learning rate": self.first_rate}
        names = ["batch", "group", "min_pixels", "min_people", "judge_pixels", "checks"]
        names += ["rate"] if self.experts.rate is not None else []
        for name, value in (positive | {f"experts' {name}": experts[name] for name in names}).items():
            if not 0 < value < math.inf:
                raise InputError(f"Training needs a {name} above 0, not {value}.")
        for name, value in (
            ("seed", self.seed),
            ("weight decay", self.decay),
            ("noise of places", self.place_noise),
            ("number of steps", min(self.steps, self.experts.steps)),
            ("number of neighbours", self.experts.neighbors),
        ):
            if math.isnan(value) or value < 0:
                raise InputError(f"Training needs a {name} of 0 or more, not {value}.")
        parts = (None, *TRAINS)
        for name, choice, known in (("device", self.device, DEVICES), ("experts' part", self.experts.trains, parts)):
            if choice not in known:
                raise InputError(f"Training needs a {name} out of {', '.join(filter(None, known))}, not {choice!r}.")
        if self.experts.reach is not None and not 0.0 < self.experts.reach <= 1.0:
            raise InputError(f"The experts' reach must be above 0 and at most 1, not {self.experts.reach}.")
        if not 0.0 <= self.experts.neighbor_share < 1.0:
            share = self.experts.neighbor_share
            raise InputError(f"The neighbours' share must be at least 0 and below 1, not {share}.")

    @property
    def all_layers(self) -> tuple[tuple[int, ...], ...]:
        """The layers of all generalists: of the main one, of those to compare with, of the teachers."""
        return self.layers, *map(self.wider, self.widths + self.teachers)

    @property
    def first_rate(self) -> float:
        """The generalist's learning rate at the first step."""
        return self.rate if self.rate is not None else RATE if self.start is None else STARTED_RATE

    @property
    def ignored(self) -> tuple[str, ...]:
        """The features that the networks do not see."""
        return ("uv",) if self.any_uv else ()

    def wider(self, width: int) -> tuple[int, ...]:
        """The same layers with hidden ones of another width; at least one of these."""
        return (self.layers[0], *[width] * max(len(self.layers) - 2, 1), self.layers[-1])

    def plain(self) -> dict[str, Any]:
        """The options as JSON values. Of a start they have the name: where it lay says nothing to others."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.start is not None:
            values["start"] = Path(self.start).name
        return values
