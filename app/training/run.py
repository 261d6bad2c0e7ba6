"""What the trainings of a run share: seeds, the checkpoint, and how generalists, teachers and experts are trained."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from app.errors import BungyoError
from app.network.weights import WeightSet
from app.training.ahead import ahead
from app.training.checkpoint import Checkpoint
from app.training.display import Display
from app.training.experts import (
    Course,
    ExpertEngine,
    ExpertOptions,
    Finished,
    GroupResult,
    Job,
    decibel,
    descend,
    finish,
    group_hashes,
    set_rate,
)
from app.training.judge import Judge
from app.training.loss import quietness, weighted_error
from app.training.model import Generalist, Teacher, beginning
from app.training.pixels import Batch, Pixels
from app.training.tint import tinted_noisy
from app.training.train_options import TrainOptions
from app.training.variation import displaced

MAIN = "main"  # the training whose networks are written to FILE_NAME
CHUNK = 250  # generalist steps between two checkpoints, one or two seconds
JUDGE_PIXELS = 50_000  # on which the generalist is watched
IDLE_PIXELS = 1 << 22  # on which a hidden unit must be 0 to be left out, at most
IDLE_BATCH = 1 << 17
WATCHED = 0.5  # share of the steps after which the best state is kept; before, the rate is so high that chance decides


@dataclass
class Run:
    """What the trainings of a run share. Each has a name, under which it can be taken up again."""

    options: TrainOptions
    people: bool  # many, not to be learnt by heart; else one face, whose places are to be known
    validation: Pixels
    state: Checkpoint
    display: Display
    engine: ExpertEngine
    start: WeightSet | None

    def seed(self, *stage: str | int) -> int:
        """A seed of its own for every stage, so that a resumed run draws what an unbroken one would."""
        key = [part if isinstance(part, int) else int.from_bytes(part.encode(), "little") for part in stage]
        return int(np.random.SeedSequence(entropy=self.options.seed, spawn_key=key).generate_state(1)[0])

    def generator(self, *stage: str | int) -> torch.Generator:
        """A generator with the stage's seed."""
        return torch.Generator().manual_seed(self.seed(*stage))

    def beginning(self, name: str, layers: tuple[int, ...], pixels: Pixels) -> Generalist:
        """Where a training begins; what is random is drawn from torch's own generator."""
        return beginning(layers, pixels, self.generator(name, "scales"), self.options.ignored, self.start)

    def resumed(self, name: str, net: Generalist) -> Generalist:
        """The network with the best weights that the training had, if it was begun."""
        if name in self.state.generalists:
            net.load_state_dict(self.state.generalists[name]["best"])
        return net

    def generalist(
        self, name: str, layers: tuple[int, ...], pixels: Pixels, steps: int, curve: bool = False
    ) -> Generalist:
        """Train a generalist, or what is left of it; the best state for validation people is kept."""
        options, state = self.options, self.state
        torch.manual_seed(self.seed(name, "weights"))
        net = self.beginning(name, layers, pixels)
        decay = options.decay if self.people else 0.0
        optimizer = torch.optim.AdamW(net.parameters(), lr=options.first_rate, weight_decay=decay, fused=True)
        reached = state.generalists.get(name, {"step": 0, "best": net.state_dict()})
        if reached["step"]:
            net.load_state_dict(reached["net"])
            optimizer.load_state_dict(reached["optimizer"])
        index = torch.randint(len(self.validation), (JUDGE_PIXELS,), generator=self.generator("judge"))
        with torch.no_grad():
            judge = Judge(self.validation, index[None], lambda features, scale: net(features) * scale)
        which = name.removeprefix(f"{MAIN}: ")
        title = "Generalist" if name == MAIN else f"Generalist, {which}".replace("generalist-", "width ")
        with self.display.stage(title, steps) as show:
            show(reached["step"])
            while reached["step"] < steps:
                first, last = reached["step"], min(reached["step"] + CHUNK, steps)
                generator = self.generator(name, "steps", first)
                batches = ahead(self._batches(pixels, last - first, generator), options.threads)
                for step, ((features, scale, target), noise) in enumerate(batches, start=first):
                    set_rate(optimizer, options.first_rate, step / steps)
                    drawn = net(features) * scale
                    descend(optimizer, (quietness(drawn, noise) * weighted_error(drawn, target)).mean())
                with torch.no_grad():
                    drawn = net(judge.features) * judge.scale
                    db = _decibel(drawn, judge)
                if math.isnan(db):
                    hint = "Try another --seed, or --start, which learns at a lower rate."
                    raise BungyoError(f"Training diverged after {last} steps.", hint)
                reached = {**reached, "step": last, "net": net.state_dict(), "optimizer": optimizer.state_dict()}
                if first < WATCHED * steps or judge.nearer(drawn, _drawn_by(reached["best"], net, judge)):
                    reached["best"] = {key: value.clone() for key, value in net.state_dict().items()}
                state.generalists[name] = reached
                if curve:
                    widths = "-".join(map(str, layers[1:-1]))
                    teaches = f" ({which})" if which != name else ""
                    state.curves[f"generalist, {widths}{teaches}"].append((float(last), db))
                state.save()
                show(last, f"{db:.2f} dB")
            show(steps, f"{_decibel(_drawn_by(reached['best'], net, judge), judge):.2f} dB")
        lean = self.without_idle(self.resumed(name, net), pixels)
        if curve and lean.widths != layers:
            left = "-".join(map(str, lean.widths))
            self.display.print(f"{title}: units that never fire are left out, {left} remain.")
        return lean

    def _batches(self, pixels: Pixels, count: int, generator: torch.Generator) -> Iterator[tuple[Batch, Tensor]]:
        """What a generalist learns from, step by step: pixels, and the noise around them."""
        for _ in range(count):
            index = torch.randint(len(pixels), (self.options.batch,), generator=generator)
            batch, noise = tinted_noisy(*pixels.draw_noisy(index, generator), generator)
            yield (displaced(batch, self.options.place_noise, generator) if self.people else batch), noise

    def without_idle(self, net: Generalist, pixels: Pixels) -> Generalist:
        """The network without the hidden units that no pixel needs, or none of a sample where there are many."""
        count = len(pixels)
        index = torch.arange(count)
        if count > IDLE_PIXELS:
            index = torch.randint(count, (IDLE_PIXELS,), generator=self.generator("idle"))
        return net.without_idle(pixels.take(index[i : i + IDLE_BATCH])[0] for i in range(0, len(index), IDLE_BATCH))

    def groups(self, pixels: Pixels, options: ExpertOptions) -> list[list[int]]:
        """The hashes that get an expert, in groups; none if no expert is to be trained."""
        return group_hashes(pixels, self.validation, options) if options.steps else []

    def teacher(self, name: str, pixels: Pixels, steps: int, options: ExpertOptions) -> Teacher | None:
        """Who teaches the experts, trained as long as the generalist; None if nobody does, or there are no experts."""
        if not self.groups(pixels, options):
            return None
        nets = [
            self.generalist(f"{name}: teacher {number}", self.options.wider(width), pixels, steps, curve=name == MAIN)
            for number, width in enumerate(self.options.teachers, start=1)
        ]
        return Teacher(nets) if nets else None

    def course(self, generalist: Generalist, pixels: Pixels, options: ExpertOptions, teacher: Teacher | None) -> Course:
        """What experts are trained by."""
        return Course(generalist, pixels, self.validation, options, teacher, vary=self.people)

    def experts(self, name: str, course: Course, curve: bool = False) -> Finished:
        """Train all groups of experts that the checkpoint does not have yet."""
        state, options = self.state, course.options
        groups = self.groups(course.train, options)
        done = state.groups[name]
        jobs = [Job(n, group, self.seed(name, "group", n)) for n, group in enumerate(groups) if n not in done]
        title = "Experts" if name == MAIN else f"Experts, {name}"
        with self.display.stage(title, len(groups)) as show:
            show(len(done), _mean_gain(done))
            for number, result in self.engine.train(course, jobs):
                done[number] = tuple(result)
                if curve:
                    state.curves[f"experts, group {number}"] = result.curve
                state.save()
                show(len(done), _mean_gain(done))
        return self.finished(name, course.generalist, options)

    def finished(self, name: str, generalist: Generalist, options: ExpertOptions) -> Finished:
        """The experts of all groups that are done, whoever finished first."""
        done = self.state.groups[name]
        return finish(generalist, [GroupResult(*done[number]) for number in sorted(done)], options)


def _drawn_by(state: dict[str, Tensor], net: Generalist, judge: Judge) -> Tensor:
    """What the network would draw of the judged pixels in another state."""
    with torch.no_grad():
        drawn: Tensor = functional_call(net, state, judge.features) * judge.scale
    return drawn


def _decibel(drawn: Tensor, judge: Judge) -> float:
    """The dB of a picture, weighed at itself: nothing better is known."""
    judge.refer_to(drawn)
    return decibel(judge.clean(drawn)[0])


def _mean_gain(done: Mapping[int, Any]) -> str:
    """What groups of experts gained over the generalist, on average; "" without any."""
    return f"{np.mean([GroupResult(*group).gain for group in done.values()]):+.2f} dB" if done else ""
