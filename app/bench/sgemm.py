"""The machine's ceiling: a large matrix product in single precision by numpy's BLAS."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

SIZE = 2048
# Settings that slow sgemm down where a BLAS was tuned for other work: the process that measures must not see them.
# Drivers know none of them and would go on with all cores.
THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
HINDRANCES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", *THREADS)
QUIET_SECONDS = 0.15  # libraries' threads spin for a while after their work, which would slow what is measured next


class Sgemm:
    """Two matrices and room for their product."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self._a, self._b = (generator.random((SIZE, SIZE), np.float32) for _ in range(2))
        self._product = np.empty((SIZE, SIZE), np.float32)

    def gflops(self) -> float:
        """Multiply, once uncounted as all else is drawn; return GFLOP/s. All threads are asleep afterwards."""
        np.matmul(self._a, self._b, out=self._product)
        start = time.perf_counter()
        np.matmul(self._a, self._b, out=self._product)
        seconds = time.perf_counter() - start
        time.sleep(QUIET_SECONDS)
        return 2e-9 * SIZE**3 / seconds


@contextmanager
def sgemm() -> Iterator[Sgemm]:
    """For a `Worker`."""
    yield Sgemm()
