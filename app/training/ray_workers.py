"""An engine of Ray actors, on this machine or a cluster: one source, hence one Vulkan device, an actor.

Actors hand finished blocks back through Ray's object store and write nothing, so machines need no common disk. A block
whose actor, node or result was lost is made again.
"""

import logging
import os
import signal
import socket
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

from app.errors import BungyoError, InputError
from app.packages import install_command
from app.scene.assets import find_environment
from app.training.frames import Made, Plan, make_frames
from app.training.workers import Failure, MakeSource, check_tries

STORE_BYTES = 200_000_000  # of a cluster that we start; what does not fit goes to disk
KNOCK_SECONDS = 5.0


class RayWorkers:
    """An `Engine` of Ray actors. A context manager; leaving it ends the actors, and a cluster that it started.

    Args:
        make_source: opens an actor's source; its files must be found on every machine.
        count: how many actors; None: one a GPU that the cluster knows of, or else one a machine.
        address: of a running cluster ("auto", "ray://..." or host:port); None starts one on this machine.
        store_bytes: object store of the cluster that is started.

    Raises:
        InputError: Ray is not installed, no cluster is at the address, or it has fewer processors than actors.
        BungyoError: Ray does not start, or a source could not be opened.
    """

    def __init__(
        self,
        make_source: MakeSource,
        count: int | None = None,
        address: str | None = None,
        store_bytes: int = STORE_BYTES,
    ) -> None:
        self._make_source = make_source
        if address is not None:
            knock(address)
        self._ray = ray = connect(address, count or 1, store_bytes)
        try:
            has = ray.cluster_resources() if address is not None else {}
            gpus = int(has.get("GPU", 0))
            self._count = count or gpus or sum(node["Alive"] for node in ray.nodes())
            if address is not None and self._count > has.get("CPU", 0):  # Ray would wait for more without a word
                cpus = f"{has.get('CPU', 0):g} CPUs"
                raise InputError(f"The Ray cluster at {address} has {cpus}, too few for {self._count} workers.")
            needs = {"num_cpus": 1, "num_gpus": 1 if gpus >= self._count else 0}
            self._actor_class = ray.remote(**needs)(_Maker)
            self._actors = [self._start(number) for number in range(self._count)]
            try:
                self._description: dict[str, Any] = _result(ray.get(self._actors[0].description.remote()))
            except ray.exceptions.RayError as error:
                raise BungyoError(f"A Ray worker could not be started: {first_sentence(error)}") from error
        except BaseException:
            ray.shutdown()
            raise

    @property
    def description(self) -> dict[str, Any]:
        """See `generate.Engine`."""
        return self._description

    def make(self, plan: Plan, jobs: Sequence[Sequence[int]]) -> Generator[Made, None, None]:
        """See `generate.Engine`."""
        ray = self._ray
        waiting = deque(jobs)
        tries: Counter[int] = Counter()
        free = list(range(self._count))
        running: dict[Any, tuple[int, Sequence[int]]] = {}
        while waiting or running:
            while waiting and free:
                number, job = free.pop(), waiting.popleft()
                running[self._actors[number].make.remote(plan, job)] = number, job
            (finished,), _ = ray.wait(list(running), num_returns=1, fetch_local=False)
            number, job = running.pop(finished)
            free.append(number)
            try:
                frames = _result(ray.get(finished))
            except ray.exceptions.RayError as error:
                check_tries(tries, job, type(error).__name__)
                waiting.appendleft(job)
                ray.kill(self._actors[number])
                self._actors[number] = self._start(number)
            else:
                del finished  # so that the store lets go of it
                yield from frames

    def _start(self, number: int) -> Any:
        return self._actor_class.remote(self._make_source, number, self._count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._ray.shutdown()


class _Maker:
    """What runs in an actor. Errors come back as `Failure`: Ray's own say more than people want to read."""

    def __init__(self, make_source: MakeSource, number: int, count: int) -> None:
        self._stack = ExitStack()
        self._failure: Failure | None = None
        gpus = import_ray().get_gpu_ids()
        try:
            self._source = self._stack.enter_context(make_source(int(gpus[0]) if gpus else number, count))
        except Exception as error:
            self._failure = Failure.of(error)

    def description(self) -> dict[str, Any] | Failure:
        return self._failure or self._source.description

    def make(self, plan: Plan, job: Sequence[int]) -> list[Made] | Failure:
        if self._failure:
            return self._failure
        try:
            maps = tuple(file if file.is_file() else find_environment(file.name) for file in plan.environments)
            return list(make_frames(self._source, replace(plan, environments=maps), job))
        except Exception as error:
            return Failure.of(error)


def import_ray() -> Any:
    """The module ray; InputError with the command that installs it if it is missing."""
    try:
        import ray
    except ImportError as error:
        hint = f"Install it with:  {install_command('ray')}"
        raise InputError("--engine ray needs Ray, which is not installed.", hint) from error
    return ray


def connect(address: str | None, processors: int, store_bytes: int) -> Any:
    """Join the cluster at an address, or start one on this machine; the module ray.

    Args:
        address: where somebody listens, see `knock`; None starts a cluster.
        processors, store_bytes: of the cluster that is started, its object store among them.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be used.
        BungyoError: Ray does not start.
    """
    ray, quiet = import_ray(), {"log_to_driver": False, "logging_level": logging.ERROR}
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        if address is None:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(
                address="local",  # or Ray would join a cluster that happens to run here
                num_cpus=processors,
                object_store_memory=store_bytes,
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        if address is not None:
            hint = "If it asks for a token, set RAY_AUTH_MODE=token and give Ray the cluster's token."
            raise InputError(f"The Ray cluster at {address} cannot be used: {first_sentence(error)}", hint) from error
        raise BungyoError(f"Ray does not start: {first_sentence(error)}") from error
    signal.signal(signal.SIGTERM, on_terminate)  # Ray's own would end this process with another status
    return ray


def knock(address: str) -> None:
    """Raise InputError unless somebody listens at an address; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not (colon and host and port.isdigit()):
        raise InputError(f"{address!r} is not the address of a Ray cluster: give host:port, ray://host:port or auto.")
    try:
        socket.create_connection((host, int(port)), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"There is no Ray cluster at {address}: {first_sentence(error)}") from error


def _result(answer: Any) -> Any:
    if isinstance(answer, Failure):
        raise answer.error()
    return answer


def first_sentence(error: Exception) -> str:
    """The first line of what a library says, as a sentence."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return text if text.endswith(".") else text + "."
