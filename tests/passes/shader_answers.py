"""Asks a compute shader of a test, which answers in its last slot."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from app.gpu import Binding, Device
from app.passes.owner import Owner
from app.passes.scene_layout import SCENE_INCLUDES


def answers(
    gpu: Device, shader: str, asked: Sequence[NDArray[Any]], dtype: DTypeLike, shape: tuple[int, ...]
) -> NDArray[Any]:
    """What a shader with 64 threads a workgroup answers, one a thread; its slots before hold the arrays `asked`."""
    slots = [Binding(slot, "storage") for slot in range(len(asked) + 1)]
    includes = {**SCENE_INCLUDES, "answers.comp": shader}
    with Owner() as kept:
        pipeline = kept.own(gpu.compute_pipeline("answers.comp", slots, includes=includes))
        buffers = [kept.own(gpu.buffer(some)) for some in asked]
        given = kept.own(gpu.buffer(int(np.prod(shape)) * np.dtype(dtype).itemsize))
        bound = kept.own(pipeline.bind(dict(enumerate([*buffers, given]))))
        with kept.own(gpu.commands()) as command:
            command.bind(pipeline, bound)
            command.dispatch(-(-shape[0] // 64))
            command.barrier()
        gpu.submit(command)
        return given.read(dtype, shape)
