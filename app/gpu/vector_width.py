"""Vectors of 512 bits for single pipelines of Mesa's CPU driver.

llvmpipe compiles for vectors of 256 bits, also where the processor has 512. With those everywhere its depth test fails
and rays are slower, as 16 of them wait for the slowest; but plain arithmetic takes 3/4 of its time
(docs/tile-network.md). The driver reads LP_NATIVE_VECTOR_WIDTH when it lists devices, and compiles with what it read
last: one half when a pipeline is made, the other at its first dispatch. So it lists them before both, and after them.

Accesses to images and samplers are compiled once for all shaders, for the width of the first. So a pipeline that is
compiled otherwise must have buffers only. It must make use of its subgroup's size, too (shaders/include/own_thread.glsl
does), which the driver writes into it as a number: its cache on disk does not tell widths apart.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import numpy as np

from app.errors import BungyoError
from app.gpu.device import Device
from app.gpu.pipeline import ComputePipeline
from app.gpu.selection import DeviceInfo, list_devices
from app.interruption import uninterrupted
from app.processor import has_avx512

WIDE = 512
"""Bits."""
_TRIED = re.compile(r"llvmpipe Mesa (25\.0|26\.1|26\.2)\.")
"""Drivers with which it was tried: a fault of another may end the process."""
_VARIABLE = "LP_NATIVE_VECTOR_WIDTH"
_LANE = 32  # bits; a subgroup is a vector


class WidthRefused(BungyoError):
    """The driver goes on with the vectors that it took before."""


def offers_wide(device: DeviceInfo) -> bool:
    """Whether a pipeline of this device can have vectors of WIDE bits where others have fewer."""
    tried = device.kind == "cpu" and _TRIED.match(device.driver) is not None
    return tried and _bits(device) < WIDE and has_avx512()


def compile_wide(device: Device, make: Callable[[], ComputePipeline]) -> ComputePipeline:
    """The pipeline that `make` makes, for vectors of WIDE bits. See above for what it must be like.

    Call it in the thread that draws, and while nothing else in the process compiles or lists devices.

    Raises:
        WidthRefused: the driver takes no other vectors; a clause without its subject.
    """
    with ExitStack() as made:
        with _wide_vectors(device):
            pipeline = made.enter_context(make())
            _dispatch_nothing(device, pipeline)
        made.pop_all()
    return pipeline


@contextmanager
def _wide_vectors(device: Device) -> Iterator[None]:
    """In this block the driver compiles for vectors of WIDE bits."""
    before = os.environ.get(_VARIABLE)
    try:
        _set(str(WIDE))
        if (bits := max((_bits(one) for one in list_devices() if one.uuid == device.info.uuid), default=0)) != WIDE:
            raise WidthRefused(f"is compiled for {bits} bits instead of {WIDE}")
        device.programs.tag = WIDE
        yield
    finally:
        device.programs.tag = None
        with uninterrupted:  # or whatever is compiled later would be wide
            _set(before)
            list_devices()


def _dispatch_nothing(device: Device, pipeline: ComputePipeline) -> None:
    """No workgroup at all: drivers compile for it all the same."""
    with (
        device.buffer(16, name="nothing") as nothing,
        closing(pipeline.bind({binding.slot: nothing for binding in pipeline.bindings})) as bound,
        closing(device.commands(reusable=False)) as commands,
    ):
        with commands:
            commands.bind(pipeline, bound)
            if pipeline.push is not None:
                commands.push(np.zeros((), pipeline.push.dtype))
            commands.dispatch(0)
        device.submit(commands)


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = value


def _bits(device: DeviceInfo) -> int:
    return device.subgroup_size * _LANE
