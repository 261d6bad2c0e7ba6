"""Experts trained by Ray workers, on this machine or a cluster.

The pixels go into Ray's object store once; every machine gets one copy, which all its workers read in place. A group of
experts is a task. Ray gives a task whose worker or machine was lost to another one; a group depends on its job alone,
so the result is the one that a single process reaches, but for the last bits, which depend on the processor.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from app.errors import BungyoError
from app.training.experts import Course, ExpertOptions, GroupResult, Job, train_group
from app.training.model import Generalist, Teacher
from app.training.pixels import TENSORS, Pixels
from app.training.ray_workers import connect, first_sentence, import_ray, knock
from app.training.workers import TRIES, Failure

STORE_ROOM = 100_000_000  # bytes of the store for all but the pixels, of a cluster that we start


class RayExperts:
    """An `ExpertEngine` of Ray workers.

    Args:
        workers: how many, of a cluster that is started on this machine; on a running one all its processors work.
            Each computes in one thread.
        address: of a running cluster ("auto", "ray://..." or host:port); None starts one.

    Raises:
        InputError: Ray is not installed, or no cluster is at the address.
    """

    def __init__(self, workers: int = 1, address: str | None = None) -> None:
        self._ray = import_ray()
        self._workers, self._address = workers, address
        if address is not None:
            knock(address)

    def train(self, course: Course, jobs: Sequence[Job]) -> Iterator[tuple[int, GroupResult]]:
        """See `experts.ExpertEngine`.

        Raises:
            InputError: the cluster cannot be used.
            BungyoError: Ray does not start, or a group could not be trained.
        """
        if not jobs:
            return
        ray, packed = self._ray, (_Packed.of(course.train), _Packed.of(course.validation))
        with self._connected(sum(part.bytes for part in packed)):
            gpus = ray.cluster_resources().get("GPU", 0)
            work = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, max_retries=TRIES - 1)(_train)
            nets = course.generalist, course.teacher
            shared = [ray.put(part) for part in (*(net and net.cpu() for net in nets), *packed)]
            for net in nets:
                if net is not None:
                    net.to(course.train.device)
            given = course.options, course.vary
            running = {work.remote(*shared, *given, job): job.number for job in jobs}
            while running:
                (finished,), _ = ray.wait(list(running), num_returns=1)
                number = running.pop(finished)
                try:
                    answer = ray.get(finished)
                except ray.exceptions.RayError as error:
                    raise BungyoError(f"Group {number} of the experts was given up: {first_sentence(error)}") from error
                if isinstance(answer, Failure):
                    raise answer.error()
                yield number, answer

    @contextmanager
    def _connected(self, pixels: int) -> Iterator[None]:
        ray = connect(self._address, self._workers, STORE_ROOM + pixels)
        try:
            yield
        finally:
            ray.shutdown()


class _Packed(NamedTuple):
    """`Pixels` as arrays, which Ray shares between processes without a copy."""

    arrays: list[npt.NDArray[np.generic]]
    runs: dict[int, tuple[int, int]]
    kept: float
    twofold: bool

    @staticmethod
    def of(pixels: Pixels) -> "_Packed":
        arrays = [getattr(pixels, name).cpu().numpy() for name in TENSORS]
        return _Packed(arrays, pixels.runs, pixels.kept, pixels.twofold)

    @property
    def bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

    def unpacked(self) -> Pixels:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch fears that we might write to what is shared: nobody does
            stored = Pixels.of(self.arrays, self.runs, self.kept, {})
        return stored.with_mirrored() if self.twofold else stored


def _train(
    generalist: Generalist,
    teacher: Teacher | None,
    train: _Packed,
    validation: _Packed,
    options: ExpertOptions,
    vary: bool,
    job: Job,
) -> GroupResult | Failure:
    """What runs in a worker, on its GPU if Ray gave it one."""
    try:
        torch.set_num_threads(1)
        given: list[Any] = import_ray().get_gpu_ids()
        device = torch.device("cuda" if given and torch.cuda.is_available() else "cpu")
        seen, unseen = (part.unpacked().to(device) for part in (train, validation))
        course = Course(generalist.to(device), seen, unseen, options, teacher and teacher.to(device), vary)
        return train_group(course, job)
    except Exception as error:
        return Failure.of(error)
